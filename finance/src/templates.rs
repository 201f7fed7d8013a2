//! What a model is asked for: the analyses that Zyron offers, each a file in `templates/` with its version.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// An analysis that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its name in the API: `bilan`.
    pub id: &'static str,
    /// Raised when its text changes.
    pub version: u32,
    /// Its name in French.
    pub title: &'static str,
    /// What it is about.
    pub input: Input,
    /// The instructions, for the system message.
    pub instructions: &'static str,
    /// A good answer. Of accounts, those of an invented company; of a text, the text itself comes first, and the answer
    /// after a line `---`.
    pub example: &'static str,
}

/// What a template works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Input))]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A company's accounts, as a fact sheet.
    Statement,
    /// A text that the user gives.
    Text,
}

macro_rules! file {
    ($id:literal) => {
        (
            include_str!(concat!("../templates/", $id, ".md")),
            include_str!(concat!("../templates/examples/", $id, ".md")),
        )
    };
}

/// Each with its example.
const FILES: [(&str, &str); 6] =
    [file!("bilan"), file!("sig"), file!("tresorerie"), file!("note_credit"), file!("kyc_lcbft"), file!("veille")];

/// All of them.
pub fn all() -> &'static [Template] {
    static ALL: LazyLock<Vec<Template>> = LazyLock::new(|| FILES.into_iter().filter_map(read).collect());
    &ALL
}

/// The one with this name.
pub fn template(id: &str) -> Option<&'static Template> {
    all().iter().find(|template| template.id == id)
}

fn read((file, example): (&'static str, &'static str)) -> Option<Template> {
    let (head, instructions) = file.strip_prefix("---\n")?.split_once("---\n")?;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::trim));
    let input = match field("input")? {
        "statement" => Input::Statement,
        "text" => Input::Text,
        _ => return None,
    };
    let version = field("version")?.parse().ok()?;
    let (id, title) = (field("id")?, field("title")?);
    Some(Template { id, version, title, input, instructions: instructions.trim(), example })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_template() {
        assert_eq!(all().len(), FILES.len());
        let template = template("bilan").unwrap();
        assert_eq!((template.version, template.title, template.input), (1, "Analyse de bilan", Input::Statement));
        assert!(template.instructions.starts_with("Tu es analyste financier."));
    }
}

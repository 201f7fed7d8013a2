//! How the model is asked: which one, with which parameters, to which form.

use wasm_bindgen::JsValue;

use crate::json::{self, Json};
use crate::language::tr;
use crate::{kept, words};

/// Where they are kept.
const KEY: &str = "zyron.settings";

/// What goes with a question. What is not set is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The model's name; empty for the first one that is served.
    pub(crate) model: String,
    /// What the model is told before the conversation.
    pub(crate) system: String,
    /// Randomness, 0 to 2.
    pub(crate) temperature: String,
    /// Sample from the likeliest tokens that hold this share of the probability.
    pub(crate) top_p: String,
    /// Tokens of an answer, at most.
    pub(crate) max_completion_tokens: String,
    /// For the same answer to the same question.
    pub(crate) seed: String,
    /// `text`, `json_object` or `json_schema`.
    pub(crate) format: String,
    /// The schema of an answer, in JSON, with `json_schema`.
    pub(crate) schema: String,
    /// What the model may call, as `tools` has it: an array in JSON.
    pub(crate) tools: String,
    /// Whether the model may read and compute by the tools that the server runs.
    pub(crate) uses_server_tools: bool,
}

impl Settings {
    /// Those that were used last in this browser: of a question, and of what it is compared with.
    pub(crate) fn kept() -> [Self; 2] {
        let kept = kept::read(KEY).and_then(|text| Json::read(&text).ok());
        // An array's items are its fields, too.
        ["0", "1"].map(|at| kept.as_ref().map(|kept| Self::of(&kept.field(at))).unwrap_or_default())
    }

    /// Keeps both.
    pub(crate) fn keep(both: &[Self; 2]) {
        kept::keep(KEY, Some(&json::list(both.iter().map(Self::json))));
    }

    pub(crate) fn of(settings: &Json) -> Self {
        let text = |name| settings.text(name).unwrap_or_default();
        Self {
            model: text("model"),
            system: text("system"),
            temperature: text("temperature"),
            top_p: text("top_p"),
            max_completion_tokens: text("max_completion_tokens"),
            seed: text("seed"),
            format: text("format"),
            schema: text("schema"),
            tools: text("tools"),
            uses_server_tools: settings.is("uses_server_tools"),
        }
    }

    pub(crate) fn json(&self) -> String {
        json::object(&[
            ("model", json::text(&self.model)),
            ("system", json::text(&self.system)),
            ("temperature", json::text(&self.temperature)),
            ("top_p", json::text(&self.top_p)),
            ("max_completion_tokens", json::text(&self.max_completion_tokens)),
            ("seed", json::text(&self.seed)),
            ("format", json::text(&self.format)),
            ("schema", json::text(&self.schema)),
            ("tools", json::text(&self.tools)),
            ("uses_server_tools", self.uses_server_tools.to_string()),
        ])
    }

    /// The fields of a request that say how to answer, in JSON. Of a commentary on accounts the form is free, and the
    /// server's instructions stand in the place of a system prompt.
    ///
    /// # Errors
    /// What cannot be sent, in the page's language.
    pub(crate) fn fields(&self, is_analysis: bool) -> Result<Vec<(&'static str, String)>, String> {
        let mut fields = Vec::new();
        let numbers = [
            ("temperature", &self.temperature),
            ("top_p", &self.top_p),
            ("max_completion_tokens", &self.max_completion_tokens),
            ("seed", &self.seed),
        ];
        for (name, text) in numbers {
            if !text.trim().is_empty() {
                fields.push((name, number(name, &text.trim().replace(',', "."))?));
            }
        }
        if is_analysis && self.uses_server_tools {
            fields.push(("zyron_tools", json::list([json::text("finance")])));
        }
        if !is_analysis {
            let kind = ("type", json::text(&self.format));
            match self.format.as_str() {
                "json_object" => fields.push(("response_format", json::object(&[kind]))),
                "json_schema" => {
                    let schema = checked("response_format", &self.schema)?;
                    let schema = [("name", json::text("answer")), ("schema", schema), ("strict", "true".to_owned())];
                    fields.push(("response_format", json::object(&[kind, ("json_schema", json::object(&schema))])));
                }
                _ => {}
            }
            if !self.tools.trim().is_empty() {
                fields.push(("tools", checked("tools", &self.tools)?));
            }
        }
        Ok(fields)
    }

    /// What is set, in words: for what is written down of an answer.
    pub(crate) fn written(&self) -> String {
        let parts = [
            ("temperature", &self.temperature),
            ("top_p", &self.top_p),
            ("max_completion_tokens", &self.max_completion_tokens),
            ("seed", &self.seed),
        ];
        let mut parts: Vec<String> = parts
            .iter()
            .filter(|(_, text)| !text.trim().is_empty())
            .map(|(name, text)| format!("{name} {}", text.trim()))
            .collect();
        if !self.format.is_empty() && self.format != "text" {
            parts.push(format!("response_format {}", self.format));
        }
        if parts.is_empty() {
            tr("paramètres du serveur", "the server’s parameters").to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// A number as it was written: a whole one stays whole, however large.
fn number(name: &str, text: &str) -> Result<String, String> {
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(whole.to_string());
    }
    let value = JsValue::from(text).unchecked_into_f64();
    let message = tr("Paramètre {}\u{a0}: un nombre est attendu.", "Parameter {}: a number is expected.");
    if value.is_finite() { Ok(json::number(value)) } else { Err(words::filled(message, &[name])) }
}

/// What was written as JSON, if it is.
fn checked(name: &str, text: &str) -> Result<String, String> {
    match Json::read(text) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(reason) => {
            let message = tr("Paramètre {}\u{a0}: ce n’est pas du JSON ({}).", "Parameter {}: this is no JSON ({}).");
            Err(words::filled(message, &[name, &reason]))
        }
    }
}

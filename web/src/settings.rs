//! How the model is asked: which one, with which parameters, to which form.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::language::tr;
use crate::words;
use crate::{json, kept};

/// Where they are kept.
const KEY: &str = "zyron.settings";

/// What goes with a question. What is not set is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
        kept::read(KEY).and_then(|text| json::read(&text).ok()).unwrap_or_default()
    }

    /// Keeps both.
    pub(crate) fn keep(both: &[Self; 2]) {
        kept::keep(KEY, serde_json::to_string(both).ok().as_deref());
    }

    /// The fields of a request that say how to answer. Of a commentary on accounts the form is free, and the server's
    /// instructions stand in the place of a system prompt.
    ///
    /// # Errors
    /// What cannot be sent, in the page's language.
    pub(crate) fn fields(&self, is_analysis: bool) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        let mut number = |name: &str, text: &str| -> Result<(), String> {
            let text = text.trim().replace(',', ".");
            if text.is_empty() {
                return Ok(());
            }
            let value = match text.parse::<i64>() {
                Ok(whole) => json!(whole),
                Err(_) => text.parse::<f64>().map(|value| json!(value)).map_err(|_| not_a_number(name))?,
            };
            fields.insert(name.to_owned(), value);
            Ok(())
        };
        number("temperature", &self.temperature)?;
        number("top_p", &self.top_p)?;
        number("max_completion_tokens", &self.max_completion_tokens)?;
        number("seed", &self.seed)?;
        if !is_analysis {
            match self.format.as_str() {
                "json_object" => drop(fields.insert("response_format".to_owned(), json!({"type": "json_object"}))),
                "json_schema" => {
                    let schema = read_json("response_format", &self.schema)?;
                    let format = json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}});
                    fields.insert("response_format".to_owned(), format);
                }
                _ => {}
            }
            if !self.tools.trim().is_empty() {
                fields.insert("tools".to_owned(), read_json("tools", &self.tools)?);
            }
        }
        if is_analysis && self.uses_server_tools {
            fields.insert("zyron_tools".to_owned(), json!(["finance"]));
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

fn not_a_number(name: &str) -> String {
    words::filled(tr("Paramètre {}\u{a0}: un nombre est attendu.", "Parameter {}: a number is expected."), &[name])
}

fn read_json(name: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        let message = tr("Paramètre {}\u{a0}: ce n’est pas du JSON ({}).", "Parameter {}: this is no JSON ({}).");
        words::filled(message, &[name, &error.to_string()])
    })
}

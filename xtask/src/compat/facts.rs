//! The fields of each operation, of OpenAI's document or of ours.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::extract;

/// The operations that are compared. OpenAI's others are not served.
const OPERATIONS: &[Operation] = &[
    Operation { method: "post", path: "/chat/completions", our_stream: Some("ChatCompletionChunk") },
    Operation { method: "post", path: "/completions", our_stream: None },
    Operation { method: "post", path: "/responses", our_stream: Some("ResponseEvent") },
    Operation { method: "post", path: "/embeddings", our_stream: None },
    Operation { method: "get", path: "/models", our_stream: None },
    Operation { method: "get", path: "/models/{model}", our_stream: None },
];

const SIDES: &[&str] = &["request", "response", "stream"];

/// Schemas whose fields are not listed: no part of them is served, or they are listed in the answer or the request.
const UNOPENED: &[(&str, &[&str])] = &[
    ("request", &["ModerationParam", "Annotation"]),
    ("response", &["ChatCompletionModeration", "Moderation", "Annotation", "InputItem"]),
    ("stream", &["ChatCompletionModeration", "Response", "OutputItem", "OutputContent"]),
];

struct Operation {
    method: &'static str,
    path: &'static str,
    /// The schema of an event of the streamed answer, in our document.
    our_stream: Option<&'static str>,
}

impl Operation {
    /// Such as `POST /completions`.
    fn name(&self) -> String {
        name(self.method, self.path)
    }

    /// What a document says of it.
    fn of<'a>(&self, document: &'a Value, whose: Whose) -> &'a Value {
        let root = if whose == Whose::Ours { "/v1" } else { "" };
        &document["paths"][format!("{root}{}", self.path)][self.method]
    }

    fn schema<'a>(&self, document: &'a Value, whose: Whose, side: &str) -> &'a Value {
        let described = self.of(document, whose);
        let answers = &described["responses"]["200"]["content"];
        match (side, self.our_stream) {
            ("request", _) => &described["requestBody"]["content"]["application/json"]["schema"],
            ("response", _) => &answers["application/json"]["schema"],
            (_, Some(name)) if whose == Whose::Ours => extract::schema(document, name),
            _ => &answers["text/event-stream"]["schema"],
        }
    }
}

fn name(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_uppercase())
}

#[derive(Clone, Copy, PartialEq)]
enum Whose {
    OpenAi,
    Ours,
}

/// What a document says of the operations that are compared.
pub(super) struct Facts {
    /// Its name and version.
    pub(super) document: String,
    /// Operations of the document that are not compared.
    pub(super) not_served: Vec<String>,
    pub(super) parts: Vec<Part>,
}

/// The fields of one operation's request, response or stream.
pub(super) struct Part {
    /// Such as `POST /completions`.
    pub(super) operation: String,
    /// `request`, `response` or `stream`.
    pub(super) side: String,
    pub(super) fields: BTreeSet<String>,
}

impl Facts {
    pub(super) fn of_openai(document: &Value) -> Result<Self> {
        let mut facts = Self::of(document, Whose::OpenAi);
        for operation in OPERATIONS {
            let answer = facts.parts.iter().find(|part| part.operation == operation.name() && part.side == "response");
            ensure!(answer.is_some(), "it does not describe the answer of {}", operation.name());
        }
        let served: Vec<String> = OPERATIONS.iter().map(Operation::name).collect();
        for (path, methods) in document["paths"].as_object().context("it has no paths")? {
            let all = methods.as_object().into_iter().flatten().map(|(method, _)| name(method, path));
            facts.not_served.extend(all.filter(|name| !served.contains(name)));
        }
        Ok(facts)
    }

    pub(super) fn of_ours(document: &Value) -> Self {
        Self::of(document, Whose::Ours)
    }

    fn of(document: &Value, whose: Whose) -> Self {
        let mut parts = Vec::new();
        for operation in OPERATIONS {
            for side in SIDES {
                let unopened = UNOPENED.iter().find(|(of, _)| of == side).map_or(&[][..], |(_, names)| names);
                let mut fields = extract::fields(document, operation.schema(document, whose, side), unopened);
                if *side == "request" {
                    let parameters = operation.of(document, whose)["parameters"].as_array().into_iter().flatten();
                    let in_path = parameters.filter(|parameter| parameter["in"] == "path");
                    fields.extend(in_path.filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned())));
                }
                if !fields.is_empty() {
                    parts.push(Part { operation: operation.name(), side: (*side).to_owned(), fields });
                }
            }
        }
        let info = |key: &str| document["info"][key].as_str().unwrap_or_default();
        Self { document: format!("{} {}", info("title"), info("version")), not_served: Vec::new(), parts }
    }

    pub(super) fn to_json(&self) -> String {
        let mut operations = json!({});
        for part in &self.parts {
            operations[&part.operation][&part.side] = json!(part.fields);
        }
        let all = json!({"document": self.document, "not_served": self.not_served, "operations": operations});
        format!("{all:#}\n")
    }

    pub(super) fn from_json(json: &Value) -> Result<Self> {
        let mut parts = Vec::new();
        for (operation, sides) in json["operations"].as_object().context("it has no operations")? {
            for (side, fields) in sides.as_object().context("an operation has no sides")? {
                parts.push(Part { operation: operation.clone(), side: side.clone(), fields: texts(fields)? });
            }
        }
        let document = json["document"].as_str().context("it does not name the document")?.to_owned();
        Ok(Self { document, not_served: texts(&json["not_served"])?, parts })
    }

    /// Every field, with its operation and its side.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.parts.iter().flat_map(|Part { operation, side, fields }| {
            fields.iter().map(move |field| (operation.as_str(), side.as_str(), field.as_str()))
        })
    }

    /// The fields of one part, if the document has it.
    pub(super) fn of_part(&self, operation: &str, side: &str) -> Option<&BTreeSet<String>> {
        let part = self.parts.iter().find(|part| part.operation == operation && part.side == side);
        part.map(|part| &part.fields)
    }
}

/// What our document says of a top-level field.
pub(super) fn our_description<'a>(document: &'a Value, part: &Part, field: &str) -> &'a str {
    let operation = OPERATIONS.iter().find(|operation| operation.name() == part.operation);
    let schema = operation.map_or(&Value::Null, |operation| operation.schema(document, Whose::Ours, &part.side));
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let schema = name.map_or(schema, |name| extract::schema(document, name));
    let property = &schema["properties"][field];
    // An object that may be null is described beside the reference to it.
    let or_null = property["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["description"]);
    std::iter::once(&property["description"]).chain(or_null).find_map(Value::as_str).unwrap_or_default()
}

fn texts<T: FromIterator<String>>(json: &Value) -> Result<T> {
    let texts = json.as_array().context("a list is missing")?;
    texts
        .iter()
        .map(|text| text.as_str().map(str::to_owned).context("a list holds something other than text"))
        .collect()
}

//! From an OpenAPI document to the flat list of the fields of one of its schemas.
//!
//! How a field is written: `messages` is a property, `messages[]` an element of an array, `messages[](user)` the member
//! of a union that has this `type` (or `role`), `verbosity=low` one value of an enumeration.

use std::collections::BTreeSet;

use serde_json::Value;

/// A union of more members than this is OpenAI's hosted tools and what belongs to them: only [`OPENED`] are opened.
const LARGE_UNION: usize = 8;

/// The members of large unions whose fields are listed; of all others only the name is.
const OPENED: &[&str] = &[
    // Items and tools.
    "function",
    "function_call",
    "function_call_output",
    "item_reference",
    "message",
    // Ways to choose a tool.
    "allowed_tools",
    // Events of a stream.
    "error",
    "response.completed",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.failed",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.in_progress",
    "response.incomplete",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.queued",
];

/// No field lies deeper, so a schema that contains itself ends.
const DEEPEST: usize = 12;

/// The fields of `schema`, sorted. Those of the schemas named in `unopened` are left out.
pub(super) fn fields(document: &Value, schema: &Value, unopened: &[&str]) -> BTreeSet<String> {
    let mut extraction = Extraction { document, unopened, fields: BTreeSet::new() };
    extraction.visit("", schema, 0);
    extraction.fields
}

/// The schema of this name.
pub(super) fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    &document["components"]["schemas"][name]
}

struct Extraction<'a> {
    document: &'a Value,
    unopened: &'a [&'a str],
    fields: BTreeSet<String>,
}

/// One of the things that a value may be. Null is none of them.
enum Form<'a> {
    Object(Vec<(&'a str, &'a Value)>),
    Array(&'a Value),
    /// One value of an enumeration.
    Value(&'a str),
    /// Any string.
    Text,
}

impl<'a> Extraction<'a> {
    fn visit(&mut self, path: &str, schema: &'a Value, depth: usize) {
        let forms = self.forms(schema);
        // A string that may also be any other: the values are examples.
        let is_open = forms.iter().any(|form| matches!(form, Form::Text));
        let members = forms.iter().filter(|form| matches!(form, Form::Object(_))).count();
        for form in forms {
            match form {
                Form::Value(value) if !is_open => self.add(format!("{path}={value}")),
                Form::Array(items) => self.visit(&format!("{path}[]"), items, depth + 1),
                Form::Object(properties) if members == 1 => self.visit_object(path, &properties, "", depth),
                Form::Object(properties) => self.visit_member(path, &properties, members, depth),
                Form::Value(_) | Form::Text => {}
            }
        }
    }

    fn visit_member(&mut self, path: &str, properties: &[(&'a str, &'a Value)], members: usize, depth: usize) {
        let Some((tag, names)) = ["type", "role"].iter().find_map(|tag| Some((tag, self.values(properties, tag)?)))
        else {
            return self.visit_object(path, properties, "", depth);
        };
        for name in names {
            let path = format!("{path}({name})");
            if members <= LARGE_UNION || OPENED.contains(&name) {
                self.visit_object(&path, properties, tag, depth);
            }
            self.add(path);
        }
    }

    fn visit_object(&mut self, path: &str, properties: &[(&'a str, &'a Value)], tag: &str, depth: usize) {
        if depth == DEEPEST {
            return;
        }
        for (name, schema) in properties.iter().filter(|(name, _)| *name != tag) {
            let field = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            self.visit(&field, schema, depth + 1);
            self.add(field);
        }
    }

    fn add(&mut self, field: String) {
        self.fields.insert(field);
    }

    /// The only values that the property `tag` may have, if it is one that tells the members of a union apart.
    fn values(&self, properties: &[(&'a str, &'a Value)], tag: &str) -> Option<Vec<&'a str>> {
        let (_, schema) = properties.iter().find(|(name, _)| *name == tag)?;
        let values: Option<Vec<&str>> = self
            .forms(schema)
            .into_iter()
            .map(|form| if let Form::Value(value) = form { Some(value) } else { None })
            .collect();
        values.filter(|values| !values.is_empty())
    }

    fn forms(&self, schema: &'a Value) -> Vec<Form<'a>> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            return if self.unopened.contains(&name) {
                Vec::new()
            } else {
                self.forms(self::schema(self.document, name))
            };
        }
        if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            return choices.iter().flat_map(|choice| self.forms(choice)).collect();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            return merge(parts.iter().flat_map(|part| self.forms(part)));
        }
        if let Some(value) = schema["const"].as_str() {
            return vec![Form::Value(value)];
        }
        if let Some(values) = schema["enum"].as_array() {
            return values.iter().filter_map(Value::as_str).map(Form::Value).collect();
        }
        if let Some(properties) = schema["properties"].as_object() {
            return vec![Form::Object(properties.iter().map(|(name, schema)| (name.as_str(), schema)).collect())];
        }
        if schema["items"].is_object() {
            return vec![Form::Array(&schema["items"])];
        }
        let is_text = |kind: &Value| kind == "string";
        let is_text =
            is_text(&schema["type"]) || schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(is_text));
        if is_text { vec![Form::Text] } else { Vec::new() }
    }
}

/// What all the parts of an `allOf` together are: their objects are one.
fn merge<'a>(forms: impl Iterator<Item = Form<'a>>) -> Vec<Form<'a>> {
    let mut whole = Vec::new();
    let mut others = Vec::new();
    for form in forms {
        match form {
            Form::Object(properties) => whole.extend(properties),
            other => others.push(other),
        }
    }
    if !whole.is_empty() {
        others.push(Form::Object(whole));
    }
    others
}

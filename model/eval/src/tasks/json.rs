//! JSON that says what a document says: asked for in words, or with a schema that the server enforces.
//!
//! The second is the first with `response_format`. Between the two lies what the enforcement is worth to the model.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Outcome, about, nothing_more, share};
use crate::server::{Failure, Server};

const MAX_TOKENS: u32 = 512;

/// A document, and an object that is read from it.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    document: String,
    question: String,
    /// The JSON Schema of the object.
    schema: Value,
    expected: Map<String, Value>,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server, is_enforced: bool) -> Result<Outcome, Failure> {
        let more = if is_enforced { self.response_format() } else { nothing_more() };
        let answer = server.chat(&[about(&self.document, &self.question)], MAX_TOKENS, more).await?;
        Ok(self.outcome(&answer.text).cut(&answer))
    }

    fn response_format(&self) -> Value {
        let schema = json!({"name": "reponse", "schema": self.schema, "strict": true});
        json!({"response_format": {"type": "json_schema", "json_schema": schema}})
    }

    fn outcome(&self, answer: &str) -> Outcome {
        let expected = Value::Object(self.expected.clone());
        let found: Option<Value> = serde_json::from_str(unfenced(answer)).ok();
        let is_right = found.as_ref().is_some_and(|found| is_same(&expected, found));
        let is_valid = found.as_ref().is_some_and(|found| has_shape(&expected, found));
        Outcome::new(is_right, answer).with("valid", share(is_valid))
    }
}

/// Without the fence that many models put around code.
fn unfenced(answer: &str) -> &str {
    let answer = answer.trim();
    let inner = answer.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    // The rest of the first line names the language.
    inner.and_then(|inner| inner.split_once('\n')).map_or(answer, |(_, code)| code)
}

/// Whether it has the same keys, and values of the same types; of a list, elements like the first.
fn has_shape(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| has_shape(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.first().is_none_or(|first| found.iter().all(|found| has_shape(first, found)))
        }
        _ => std::mem::discriminant(expected) == std::mem::discriminant(found),
    }
}

/// Whether it says the same: numbers as numbers, strings without spaces around them, keys in any order.
fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| is_same(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| is_same(expected, found))
        }
        (Value::String(expected), Value::String(found)) => expected.trim() == found.trim(),
        (Value::Number(expected), Value::Number(found)) => {
            let values = expected.as_f64().zip(found.as_f64());
            values.is_some_and(|(one, other)| (one - other).abs() <= 1e-9 * one.abs().max(other.abs()))
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items;

    fn item() -> Item {
        let expected = json!({"societe": "Alizor", "ca": 1250.0, "cote": false, "exercices": [2023, 2024]});
        serde_json::from_value(json!({"id": "a", "document": "", "question": "", "schema": {}, "expected": expected}))
            .unwrap()
    }

    #[test]
    fn what_it_says_counts_and_not_how() {
        for answer in [
            r#"{"societe": "Alizor", "ca": 1250.0, "cote": false, "exercices": [2023, 2024]}"#,
            r#" {"ca": 1250, "societe": " Alizor ", "exercices": [2023.0, 2024], "cote": false} "#,
            "```json\n{\"societe\": \"Alizor\", \"ca\": 1.25e3, \"cote\": false, \"exercices\": [2023, 2024]}\n```",
            "```\n{\"societe\": \"Alizor\", \"ca\": 1250, \"cote\": false, \"exercices\": [2023, 2024]}\n```\n",
        ] {
            let outcome = item().outcome(answer);
            assert_eq!((outcome.score, outcome.extras["valid"]), (1.0, 1.0), "{answer}");
        }
    }

    #[test]
    fn another_shape_or_value_is_wrong() {
        for (answer, valid) in [
            (r#"{"societe": "Alizor", "ca": 1251, "cote": false, "exercices": [2023, 2024]}"#, 1.0),
            (r#"{"societe": "Alizor", "ca": 1250, "cote": false, "exercices": [2023]}"#, 1.0),
            (r#"{"societe": "Alizor", "ca": "1250", "cote": false, "exercices": [2023, 2024]}"#, 0.0),
            (r#"{"societe": "Alizor", "ca": 1250, "cote": false}"#, 0.0),
            (r#"{"societe": "Alizor", "ca": 1250, "cote": false, "exercices": [2023, 2024], "a": 1}"#, 0.0),
            (r#"{"societe": "Alizor", "ca": 1250, "cote": false, "exercices": [2023, "2024"]}"#, 0.0),
            (r#"Voici : {"societe": "Alizor", "ca": 1250, "cote": false, "exercices": [2023, 2024]}"#, 0.0),
            ("", 0.0),
            ("```json", 0.0),
        ] {
            let outcome = item().outcome(answer);
            assert_eq!((outcome.score, outcome.extras["valid"]), (0.0, valid), "{answer}");
        }
    }

    #[test]
    fn each_right_answer_is_one_that_its_schema_allows() {
        for item in items::JSON.read::<Item>().unwrap() {
            let answer = Value::Object(item.expected.clone()).to_string();
            assert_eq!(item.outcome(&answer).score, 1.0, "{}", item.id);
            let properties = item.schema["properties"].as_object().unwrap_or_else(|| panic!("{}", item.id));
            assert!(
                properties.keys().eq(item.expected.keys()) || properties.len() == item.expected.len(),
                "{}",
                item.id
            );
            for (key, value) in &item.expected {
                let kind = &properties.get(key).unwrap_or_else(|| panic!("{}: {key}", item.id))["type"];
                let kinds: Vec<&str> = match kind {
                    Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
                    kind => kind.as_str().into_iter().collect(),
                };
                let is_of_it = kinds.iter().any(|kind| match *kind {
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.as_f64().is_some_and(|value| value.fract() == 0.0),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    "null" => value.is_null(),
                    _ => false,
                });
                assert!(is_of_it, "{}: {key} is {value}, not {kind}", item.id);
            }
        }
    }
}

//! Tools: the one right call, with the right arguments, or none where no tool fits.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Outcome, share};
use crate::server::{Answer, Failure, Server, user};

const MAX_TOKENS: u32 = 256;

/// A question, tools, and the call that is right.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    tools: Vec<Value>,
    question: String,
    /// Nothing where none of the tools fits.
    expected: Option<Expected>,
}

/// A call.
#[derive(Debug, Deserialize)]
struct Expected {
    name: String,
    arguments: Map<String, Value>,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server) -> Result<Outcome, Failure> {
        let more = json!({"tools": self.tools, "tool_choice": "auto"});
        let answer = server.chat(&[user(&self.question)], MAX_TOKENS, more).await?;
        Ok(self.outcome(&answer).cut(&answer))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let calls: Vec<String> = answer.calls.iter().map(|call| format!("{}({})", call.name, call.arguments)).collect();
        let said = [calls.join("\n"), answer.text.clone()].join("\n");
        let said = said.trim();
        let Some(expected) = &self.expected else {
            let is_right = answer.calls.is_empty();
            return Outcome::new(is_right, said).with("no call where none fits", share(is_right));
        };
        let is_named = matches!(&answer.calls[..], [call] if call.name == expected.name);
        let is_right = is_named && answer.calls.iter().all(|call| expected.has(&call.arguments));
        Outcome::new(is_right, said).with("right call", share(is_right)).with("right tool", share(is_named))
    }
}

impl Expected {
    /// Whether `arguments` are the right ones.
    fn has(&self, arguments: &str) -> bool {
        match serde_json::from_str(arguments) {
            Ok(Value::Object(arguments)) => is_same_object(&self.arguments, &arguments),
            _ => false,
        }
    }
}

/// An argument that is null is one that is not given.
fn is_same_object(expected: &Map<String, Value>, found: &Map<String, Value>) -> bool {
    let given = |object: &Map<String, Value>| object.values().filter(|value| !value.is_null()).count();
    given(expected) == given(found)
        && expected
            .iter()
            .all(|(name, value)| value.is_null() || found.get(name).is_some_and(|found| is_same(value, found)))
}

/// Numbers are compared as numbers, also where one is written as a string; strings without regard to case and spaces.
fn is_same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => is_same_object(expected, found),
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| is_same(expected, found))
        }
        (Value::String(expected), Value::String(found)) => {
            let is_same_number = number(expected).zip(number(found)).is_some_and(|(one, other)| is_close(one, other));
            bare(expected) == bare(found) || is_same_number
        }
        _ => match (value_number(expected), value_number(found)) {
            (Some(expected), Some(found)) => is_close(expected, found),
            _ => expected == found,
        },
    }
}

fn value_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number(text),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    bare(text).replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())
}

fn bare(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::items;
    use crate::server::Call;

    fn answer(calls: &[(&str, &str)]) -> Answer {
        let call = |(name, arguments): &(&str, &str)| Call {
            id: String::new(),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        };
        Answer { calls: calls.iter().map(call).collect(), ..Answer::default() }
    }

    fn item(expected: Value) -> Item {
        serde_json::from_value(json!({"id": "a", "tools": [], "question": "?", "expected": expected})).unwrap()
    }

    #[test]
    fn the_one_call_must_have_the_right_arguments() {
        let item = item(json!({"name": "taux", "arguments": {"devise": "USD", "montant": 1250.5, "jours": [1, 2]}}));
        let is_right = |calls: &[(&str, &str)]| item.outcome(&answer(calls)).score == 1.0;
        assert!(is_right(&[("taux", r#"{"montant": 1250.50, "devise": "usd ", "jours": [1, 2.0]}"#)]));
        assert!(is_right(&[("taux", r#"{"montant": "1 250,5", "devise": "USD", "jours": [1, 2], "note": null}"#)]));
        assert!(!is_right(&[("taux", r#"{"montant": 1250, "devise": "USD", "jours": [1, 2]}"#)]));
        assert!(!is_right(&[("taux", r#"{"montant": 1250.5, "devise": "USD"}"#)]));
        assert!(!is_right(&[("taux", r#"{"montant": 1250.5, "devise": "USD", "jours": [1, 2], "note": "a"}"#)]));
        assert!(!is_right(&[("cours", r#"{"montant": 1250.5, "devise": "USD", "jours": [1, 2]}"#)]));
        assert!(!is_right(&[("taux", "montant")]) && !is_right(&[]));
        let right = ("taux", r#"{"montant": 1250.5, "devise": "USD", "jours": [1, 2]}"#);
        assert!(is_right(&[right]) && !is_right(&[right, right]));
    }

    #[test]
    fn where_none_fits_none_is_right() {
        assert_eq!(item(Value::Null).outcome(&answer(&[])).score, 1.0);
        assert_eq!(item(Value::Null).outcome(&answer(&[("taux", "{}")])).score, 0.0);
    }

    #[test]
    fn each_right_call_is_one_that_its_tools_allow() {
        for item in items::TOOLS.read::<Item>().unwrap() {
            let names: BTreeSet<&str> =
                item.tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect();
            assert!(!names.is_empty() && names.len() == item.tools.len(), "{}", item.id);
            let Some(expected) = &item.expected else { continue };
            let tool = item.tools.iter().find(|tool| tool["function"]["name"] == expected.name.as_str());
            let parameters =
                &tool.unwrap_or_else(|| panic!("{}: no tool {}", item.id, expected.name))["function"]["parameters"];
            for name in expected.arguments.keys() {
                assert!(parameters["properties"].get(name).is_some(), "{}: {name}", item.id);
            }
            for name in parameters["required"].as_array().into_iter().flatten() {
                assert!(expected.arguments.contains_key(name.as_str().unwrap()), "{}: {name}", item.id);
            }
            let arguments = Value::Object(expected.arguments.clone()).to_string();
            assert_eq!(item.outcome(&answer(&[(&expected.name, &arguments)])).score, 1.0, "{}", item.id);
        }
    }
}

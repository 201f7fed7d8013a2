//! A figure that is computed from those of a document: by the model alone, or with a calculator that it may call.

use serde::Deserialize;
use serde_json::{Value, json};

use super::figure::{self, Expected};
use super::{Outcome, about, nothing_more, share};
use crate::expression;
use crate::server::{Call, Failure, Server};

const MAX_TOKENS: u32 = 320;
/// How often the calculator answers.
const MOST_ROUNDS: usize = 4;
const TOOL: &str = "calculer";

/// A document, and a figure that follows from it.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    document: String,
    question: String,
    #[serde(flatten)]
    expected: Expected,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server) -> Result<Outcome, Failure> {
        let answer = server.chat(&[about(&self.document, &self.question)], MAX_TOKENS, nothing_more()).await?;
        Ok(figure::outcome(&answer.text, &self.question, &self.expected).cut(&answer))
    }

    pub(super) async fn judge_with_tool(&self, server: &Server) -> Result<Outcome, Failure> {
        let mut messages = vec![about(&self.document, &self.question)];
        let mut calls = 0;
        let mut round = 0;
        loop {
            let answer = server.chat(&messages, MAX_TOKENS, json!({"tools": [tool()], "tool_choice": "auto"})).await?;
            if answer.calls.is_empty() || round == MOST_ROUNDS {
                let outcome = figure::outcome(&answer.text, &self.question, &self.expected);
                let outcome = outcome.with("calls", f64::from(calls)).with("called", share(calls > 0));
                return Ok(outcome.cut(&answer));
            }
            messages.push(answer.message);
            for call in &answer.calls {
                messages.push(json!({"role": "tool", "tool_call_id": call.id, "content": compute(call)}));
                calls += 1;
            }
            round += 1;
        }
    }
}

fn tool() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": TOOL,
            "description": "Calcule une expression arithmétique et renvoie son résultat.",
            "parameters": {
                "type": "object",
                "properties": {
                    "expression": {
                        "type": "string",
                        "description": "Des nombres, + - * / et des parenthèses, par exemple (1250 - 980) / 980 * 100",
                    },
                },
                "required": ["expression"],
                "additionalProperties": false,
            },
        },
    })
}

/// What the calculator says.
fn compute(call: &Call) -> String {
    if call.name != TOOL {
        return format!("Erreur\u{a0}: il n'y a pas d'outil «\u{a0}{}\u{a0}»", call.name);
    }
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    match arguments["expression"].as_str().map(expression::evaluate) {
        Some(Ok(value)) => expression::written(value),
        Some(Err(error)) => format!("Erreur\u{a0}: {error}"),
        None => "Erreur\u{a0}: le paramètre «\u{a0}expression\u{a0}» manque".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::items;

    #[test]
    fn each_figure_follows_from_its_derivation() {
        for item in items::RATIOS.read::<Value>().unwrap() {
            let expected: Item = serde_json::from_value(item.clone()).unwrap();
            let derivation = item["derivation"].as_str().unwrap();
            let value = expression::evaluate(derivation).unwrap_or_else(|error| panic!("{}: {error}", item["id"]));
            // Half of the last decimal goes up; what the computation loses is below that.
            let scale = 10_f64.powi(expected.expected.decimals as i32);
            let rounded = (value * scale + 0.5 + 1e-9).floor() / scale;
            let difference = (rounded - f64::try_from(expected.expected.value).unwrap()).abs();
            assert!(difference < 1e-9, "{}: {derivation} is {value}, not {}", expected.id, expected.expected.value);
        }
    }

    #[test]
    fn the_figure_is_a_right_answer() {
        for item in items::RATIOS.read::<Item>().unwrap() {
            let decimals = item.expected.decimals as usize;
            let written = format!("{:.decimals$} {}", item.expected.value, item.expected.unit).replace('.', ",");
            assert_eq!(figure::outcome(&written, &item.question, &item.expected).score, 1.0, "{}: {written}", item.id);
            let wrong = format!(
                "{:.decimals$} {}",
                item.expected.value * Decimal::new(15, 1) + Decimal::from(7),
                item.expected.unit
            );
            assert_eq!(figure::outcome(&wrong, &item.question, &item.expected).score, 0.0, "{}: {wrong}", item.id);
        }
    }

    #[test]
    fn the_calculator_answers_whatever_it_is_asked() {
        let ask = |name: &str, arguments: &str| {
            compute(&Call { id: String::new(), name: name.to_owned(), arguments: arguments.to_owned() })
        };
        assert_eq!(ask("calculer", r#"{"expression": "1 250 / 4 800 * 100"}"#), "26.0416666667");
        assert_eq!(ask("calculer", r#"{"expression": "1/0"}"#), "Erreur\u{a0}: division par zéro");
        assert!(ask("calculer", "{").starts_with("Erreur\u{a0}: le paramètre"));
        assert!(ask("evaluer", "{}").contains("evaluer"));
    }
}

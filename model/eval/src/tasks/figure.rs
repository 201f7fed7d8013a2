//! When an answer says a figure: one of its numbers is it, and it is no list of numbers.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use zyron_finance::numbers::{Number, Unit, Wanted, numbers};

use super::{Outcome, share};

/// How many other numbers an answer may have: some explain themselves, and one that lists all numbers knows none.
const MOST_OTHERS: usize = 3;

/// A figure as the set writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Expected {
    #[serde(rename = "expected", deserialize_with = "decimal")]
    pub(crate) value: Decimal,
    #[serde(default)]
    pub(crate) unit: String,
    pub(crate) decimals: u32,
}

impl Expected {
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { value: self.value, unit: Unit::named(&self.unit), decimals: self.decimals }
    }
}

/// A number that is written as one, or as a string that keeps its zeros.
pub(crate) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(serde_json::Number),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map_err(D::Error::custom)
}

/// Whether `answer` says `expected`.
pub(crate) fn outcome(answer: &str, question: &str, expected: &Expected) -> Outcome {
    let wanted = expected.wanted();
    let (found, others): (Vec<Number>, Vec<Number>) =
        numbers(answer).into_iter().partition(|number| number.equals(&wanted));
    let asked = numbers(question);
    let mut distinct: Vec<Number> = Vec::new();
    for other in others {
        let is_known = |number: &Number| number.size() == other.size();
        if !other.is_year() && !asked.iter().any(is_known) && !distinct.iter().any(is_known) {
            distinct.push(other);
        }
    }
    let is_right = !found.is_empty() && distinct.len() <= MOST_OTHERS;
    Outcome::new(is_right, answer).with("figure in it", share(!found.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_right(answer: &str) -> bool {
        let expected = Expected { value: Decimal::from(1250), unit: "k€".into(), decimals: 0 };
        outcome(answer, "Quel est le chiffre d'affaires des 12 mois de 2023, en k€ ?", &expected).score == 1.0
    }

    #[test]
    fn the_figure_may_come_in_any_notation_and_with_few_others() {
        for answer in [
            "1250",
            "Le chiffre d'affaires 2023 est de 1 250 k€.",
            "Sur 12 mois, il s'élève à **1,25 M€**, contre 1 100 k€ en 2022 (+13,6 %).",
            "1 250 000 €",
        ] {
            assert!(is_right(answer), "{answer}");
        }
    }

    #[test]
    fn another_number_or_all_of_them_are_wrong() {
        for answer in ["", "1 251 k€", "1 250 €", "Je ne sais pas.", "10, 20, 30, 40, 1 250", "12 500"] {
            assert!(!is_right(answer), "{answer}");
        }
        assert!(is_right("1 250 k€, 1 250 k€ et 1 250 k€, soit 1 250 000 €, en 2021, 2022, 2023, 2024 et 2025"));
    }

    #[test]
    fn a_decimal_is_a_number_or_a_string() {
        for json in [r#"{"expected": "88.0", "decimals": 1}"#, r#"{"expected": 88, "decimals": 1}"#] {
            assert_eq!(serde_json::from_str::<Expected>(json).unwrap().value, Decimal::from(88));
        }
        assert!(serde_json::from_str::<Expected>(r#"{"expected": "88 %", "decimals": 1}"#).is_err());
    }
}

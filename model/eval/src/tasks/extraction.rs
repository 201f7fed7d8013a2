//! A figure that a document has, by name.

use serde::Deserialize;

use super::figure::{self, Expected};
use super::{Outcome, about, nothing_more};
use crate::server::{Failure, Server};

const MAX_TOKENS: u32 = 160;

/// A document, and a figure that is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    /// How hard it was meant to be.
    level: String,
    document: String,
    question: String,
    #[serde(flatten)]
    expected: Expected,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server) -> Result<Outcome, Failure> {
        let answer = server.chat(&[about(&self.document, &self.question)], MAX_TOKENS, nothing_more()).await?;
        let outcome = figure::outcome(&answer.text, &self.question, &self.expected);
        let score = outcome.score;
        Ok(outcome.with(&format!("right where {}", self.level), score).cut(&answer))
    }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use zyron_finance::numbers::{Wanted, numbers};

    use super::*;
    use crate::items;

    fn all() -> Vec<Item> {
        items::EXTRACTION.read().unwrap()
    }

    /// The factors between euros, thousands and millions: the unit of a table is in its title.
    const SCALES: [Decimal; 5] = [
        Decimal::ONE,
        Decimal::ONE_THOUSAND,
        Decimal::from_parts(1, 0, 0, false, 3),
        Decimal::from_parts(1_000_000, 0, 0, false, 0),
        Decimal::from_parts(1, 0, 0, false, 6),
    ];

    #[test]
    fn each_figure_is_in_its_document() {
        for item in all() {
            let wanted = item.expected.wanted();
            let in_document = numbers(&item.document);
            // A sign may be said in words, as a loss.
            let is_there = SCALES.into_iter().flat_map(|scale| [scale, -scale]).any(|scale| {
                let scaled = Wanted { value: wanted.value * scale, decimals: 6, ..wanted };
                in_document.iter().any(|number| number.equals(&scaled))
            });
            assert!(is_there, "{}: {} {}", item.id, item.expected.value, item.expected.unit);
        }
    }

    #[test]
    fn the_figure_is_a_right_answer_and_another_is_none() {
        for item in all() {
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
}

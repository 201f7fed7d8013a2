//! The check of an answer while it is written: a number is judged once its sentence is complete, and then for good.

use super::{Checked, Fact, check};

/// An answer that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamedCheck {
    text: String,
    question: String,
    /// Numbers that have been judged.
    told: usize,
}

impl StreamedCheck {
    /// One to this question, whose numbers are no inventions.
    pub fn new(question: impl Into<String>) -> Self {
        Self { question: question.into(), ..Self::default() }
    }

    /// The numbers of the sentences that `text` completes, with their places in the whole answer.
    pub fn push(&mut self, text: &str, facts: &[Fact]) -> Vec<Checked> {
        // A sentence that ends with what came before is known to end when a space follows.
        let from = self.text.char_indices().next_back().map_or(0, |(at, _)| at);
        self.text.push_str(text);
        match complete(&self.text, from) {
            Some(end) => self.judge(end, facts),
            None => Vec::new(),
        }
    }

    /// The other numbers, once the answer is complete.
    pub fn finish(&mut self, facts: &[Fact]) -> Vec<Checked> {
        self.judge(self.text.len(), facts)
    }

    fn judge(&mut self, end: usize, facts: &[Fact]) -> Vec<Checked> {
        let text = &self.text[..end];
        // Most sentences have no number.
        if !text.contains(|char: char| char.is_ascii_digit()) {
            return Vec::new();
        }
        let new = check(text, facts, &self.question).split_off(self.told);
        self.told += new.len();
        new
    }
}

/// Where the last sentence ends that is complete, if it ends after `from`.
fn complete(text: &str, from: usize) -> Option<usize> {
    let mut next = None;
    text[from..].char_indices().rev().find_map(|(at, char)| {
        let at = from + at;
        let is_end = match char {
            '\n' => true,
            '.' | '!' | '?' => next.is_some_and(char::is_whitespace) && !is_open(&text[..at]),
            _ => false,
        };
        next = Some(char);
        is_end.then(|| at + char.len_utf8())
    })
}

/// Whether what a line has so far may depend on the rest of it: a table's row, or a number alone as in `1. Le marché`.
fn is_open(text: &str) -> bool {
    let line = text.rsplit('\n').next().unwrap_or_default();
    let is_row = line.trim_start().starts_with('|');
    is_row || line.chars().all(|char| char.is_ascii_digit() || !char.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::numbers::Unit;

    fn facts() -> Vec<Fact> {
        let fact = |id: &str, label: &str, period: &str, value: i64| Fact {
            id: id.to_owned(),
            label: label.to_owned(),
            aliases: Vec::new(),
            period: period.to_owned(),
            value: Decimal::from(value),
            unit: Some(Unit::EURO),
        };
        vec![
            fact("F1", "Chiffre d’affaires", "2024", 1_250_000),
            fact("F2", "Chiffre d’affaires", "2023", 1_000_000),
            fact("F3", "Stocks", "2024", 12),
        ]
    }

    fn streamed(parts: &[&str]) -> Vec<Checked> {
        let mut stream = StreamedCheck::new("Et 2024 ?");
        let mut all: Vec<Checked> = parts.iter().flat_map(|part| stream.push(part, &facts())).collect();
        all.extend(stream.finish(&facts()));
        all
    }

    #[test]
    fn a_sentence_is_judged_when_it_is_complete() {
        let mut stream = StreamedCheck::new("");
        let mut push = |text: &str| stream.push(text, &facts()).len();
        assert_eq!(
            [push("Le chiffre d’affaires est de 1 250"), push(" k€."), push(" Il"), push(" est de 12\n")],
            [0, 0, 1, 1]
        );
    }

    proptest! {
        #[test]
        fn it_says_what_a_check_of_the_whole_says(
            parts in prop::collection::vec("(chiffre d’affaires|stocks|1 250 k€|25 %|2024|1,2|12|\\. |\\.|\n|\\| |\\|| à | et | M€|k€|! | |- |1\\. ){0,6}", 0..12)
        ) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(streamed(&parts), check(&parts.concat(), &facts(), "Et 2024 ?"));
        }
    }
}

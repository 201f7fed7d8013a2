//! The check of an answer while it is written: a number is judged once its sentence is complete, and then for good.

use std::ops::Range;

use super::{Checked, Checker};

/// Bytes of a line before a sentence that are read again with it.
const LINE: usize = 2000;

/// An answer that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamedCheck {
    text: String,
    /// Where in it the sentences are that were judged last.
    judged: Range<usize>,
    /// Characters up to the end of those.
    chars: usize,
}

impl StreamedCheck {
    /// The numbers of the sentences that `text` completes, with their places in the whole answer.
    pub fn push(&mut self, text: &str, checker: &Checker) -> Vec<Checked> {
        // A sentence that ends with what came before is known to end when a space follows.
        let from = self.text.char_indices().next_back().map_or(0, |(at, _)| at);
        self.text.push_str(text);
        match complete(&self.text, from) {
            Some(end) if end > self.judged.end => self.judge(end, checker),
            _ => Vec::new(),
        }
    }

    /// The other numbers, once the answer is complete.
    pub fn finish(&mut self, checker: &Checker) -> Vec<Checked> {
        self.judge(self.text.len(), checker)
    }

    fn judge(&mut self, end: usize, checker: &Checker) -> Vec<Checked> {
        let new = &self.text[self.judged.end..end];
        let mut numbers = Vec::new();
        if new.contains(|char: char| char.is_ascii_digit()) {
            let context = self.context();
            let known = context.chars().count();
            let place = |at: usize| self.chars + at - known;
            let checked = checker.check(&(context + new)).into_iter().filter(|checked| checked.start >= known);
            numbers = checked
                .map(|Checked { start, end, verdict }| Checked { start: place(start), end: place(end), verdict })
                .collect();
        }
        self.chars += new.chars().count();
        self.judged = self.judged.end..end;
        numbers
    }

    /// What the next sentences may go on from: those before in their line, or a table's heading and last row. No more,
    /// as an answer may be long.
    fn context(&self) -> String {
        let before = &self.text[..self.judged.end];
        let is_row = |line: &&str| line.trim_start().starts_with('|');
        let lines: Vec<&str> = before.split_inclusive('\n').rev().take_while(is_row).collect();
        if let Some(first) = lines.last().filter(|_| before.ends_with('\n')) {
            let above = &before[..before.len() - lines.iter().map(|line| line.len()).sum::<usize>()];
            let last = lines.first().filter(|_| lines.len() > 1).copied().unwrap_or_default();
            return [above.split_inclusive('\n').next_back().unwrap_or_default(), first, last].concat();
        }
        let line = before[..self.judged.start].rfind('\n').map_or(0, |at| at + 1);
        let start = if self.judged.start - line <= LINE { line } else { self.judged.start };
        before[start..].to_owned()
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
    use crate::check::{Fact, check};
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
        let checker = Checker::new(facts(), "Et 2024 ?");
        let mut stream = StreamedCheck::default();
        let mut all: Vec<Checked> = parts.iter().flat_map(|part| stream.push(part, &checker)).collect();
        all.extend(stream.finish(&checker));
        all
    }

    #[test]
    fn a_sentence_is_judged_when_it_is_complete() {
        let (mut stream, checker) = (StreamedCheck::default(), Checker::new(facts(), ""));
        let mut push = |text: &str| stream.push(text, &checker).len();
        assert_eq!(
            [push("Le chiffre d’affaires est de 1 250"), push(" k€."), push(" Il"), push(" est de 12\n")],
            [0, 0, 1, 1]
        );
    }

    #[test]
    fn a_line_after_a_table_goes_on_from_its_last_row() {
        let parts = ["| ", "\n", "| 1 250 k€| chiffre d’affaires", "\n", "25 %"];
        assert_eq!(streamed(&parts), check(&parts.concat(), &facts(), "Et 2024 ?"));
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

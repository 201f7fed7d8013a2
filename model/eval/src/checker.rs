//! How well [`zyron_finance::check`] judges the numbers of an answer, over sentences that a person has labelled.
//!
//! It says nothing of the model that is evaluated, but of how far the verdicts under any model's answer can be trusted.

use anyhow::Context;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use zyron_finance::check::{Checked, Fact, Verdict, check};
use zyron_finance::facts::aliases;
use zyron_finance::numbers::Unit;

/// A company's facts, and answers about it.
#[derive(Deserialize)]
struct Sheet {
    facts: Vec<Given>,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Given {
    id: String,
    label: String,
    period: String,
    value: Decimal,
    unit: String,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    question: String,
    answer: String,
    numbers: Vec<Labelled>,
}

/// A number of an answer, in the answers' order, and what a reader says of it.
#[derive(Deserialize)]
struct Labelled {
    text: String,
    is: Label,
    #[serde(default)]
    facts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Label {
    Source,
    Derived,
    Given,
    NotFound,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckerReport {
    answers: usize,
    numbers: usize,
    /// Of the verdicts that a number is found nowhere: a reader says so of how many, and of how many it should have been.
    not_found: Rate,
    /// Of the links to facts: to those that a reader names.
    links: Rate,
}

/// How many of those that are said are right, and of those that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rate {
    right: usize,
    said: usize,
    wanted: usize,
}

impl Rate {
    pub(crate) fn precision(self) -> f64 {
        self.right as f64 / self.said.max(1) as f64
    }

    pub(crate) fn recall(self) -> f64 {
        self.right as f64 / self.wanted.max(1) as f64
    }

    fn add(&mut self, is_said: bool, is_wanted: bool, is_right: bool) {
        self.said += usize::from(is_said);
        self.wanted += usize::from(is_wanted);
        self.right += usize::from(is_said && is_wanted && is_right);
    }
}

impl CheckerReport {
    /// Judges the set.
    ///
    /// # Errors
    /// Where it is damaged, which a test rules out.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut report = Self::default();
        for (at, line) in include_str!("../items/numbers.jsonl").lines().enumerate() {
            let sheet: Sheet =
                serde_json::from_str(line).with_context(|| format!("line {} of numbers.jsonl is damaged", at + 1))?;
            let facts: Vec<Fact> = sheet.facts.into_iter().map(Given::fact).collect();
            sheet.answers.iter().try_for_each(|answer| report.add(answer, &facts))?;
        }
        Ok(report)
    }

    fn add(&mut self, answer: &Answer, facts: &[Fact]) -> anyhow::Result<()> {
        let checked = check(&answer.answer, facts, &answer.question);
        self.answers += 1;
        let mut from = 0;
        for number in &answer.numbers {
            let (start, end) = place(&answer.answer, from, &number.text)
                .with_context(|| format!("{}: {} is not in the answer", answer.id, number.text))?;
            from = end;
            self.judge(number, checked.iter().find(|checked| checked.start < end && checked.end > start));
        }
        Ok(())
    }

    fn judge(&mut self, number: &Labelled, checked: Option<&Checked>) {
        self.numbers += 1;
        let verdict = checked.map(|checked| &checked.verdict);
        let is_wanted = number.is == Label::NotFound;
        self.not_found.add(matches!(verdict, Some(Verdict::NotFound)), is_wanted, true);
        let linked: Vec<&String> = match verdict {
            Some(Verdict::Source { fact }) => vec![fact],
            Some(Verdict::Derived { facts, .. }) => facts.iter().collect(),
            _ => Vec::new(),
        };
        let is_linked = matches!(number.is, Label::Source | Label::Derived);
        let is_right = linked.len() == number.facts.len() && linked.iter().all(|fact| number.facts.contains(fact));
        self.links.add(!linked.is_empty(), is_linked, is_right);
    }

    /// For `report.md`.
    pub(crate) fn written(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let row = |name: &str, rate: Rate| {
            let (precision, recall) = (percent(rate.precision()), percent(rate.recall()));
            format!("| {name} | {} | {precision} | {recall} |\n", rate.wanted)
        };
        format!(
            "## Verified numbers\n\nHow well Zyron's own check of the numbers of an answer does, whatever the model, over {} labelled \
             numbers of {} answers.\n\n| verdict | labelled | precision | recall |\n|---|--:|--:|--:|\n{}{}",
            self.numbers,
            self.answers,
            row("found nowhere", self.not_found),
            row("linked to its facts", self.links),
        )
    }
}

impl Given {
    fn fact(self) -> Fact {
        let unit = Unit::named(&self.unit);
        let aliases = aliases(&self.label);
        let Self { id, label, period, value, .. } = self;
        Fact { id, label, aliases, period, value, unit }
    }
}

/// Where `text` is in `answer` from a place on, in characters.
fn place(answer: &str, from: usize, text: &str) -> Option<(usize, usize)> {
    let rest: String = answer.chars().skip(from).collect();
    let start = from + rest[..rest.find(text)?].chars().count();
    Some((start, start + text.chars().count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_whole() {
        let report = CheckerReport::new().unwrap();
        assert!(report.answers >= 200 && report.numbers >= 1000, "{report:?}");
    }

    /// The figures are in the report; here is what they must not fall below.
    #[test]
    fn the_check_finds_most_inventions_and_few_that_are_none() {
        let report = CheckerReport::new().unwrap();
        assert!(report.not_found.precision() > 0.85 && report.not_found.recall() > 0.9, "{}", report.written());
        assert!(report.links.precision() > 0.9 && report.links.recall() > 0.9, "{}", report.written());
    }
}

//! The numbers of an answer against the facts it was given: each is one of them, follows simply from them, or is found
//! nowhere.
//!
//! What follows is looked for only as far as an analyst would go: the change of a figure from a year to a later one, and
//! the sum, difference, ratio or share of two figures of a year. With many facts some pair makes almost any number, so
//! what a pair makes counts only where the sentence speaks of both figures, by their names or by quoting them. Whether
//! the sentences make sense is not judged.

mod stream;
mod units;

use std::ops::Range;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::numbers::{self, Number, Unit};
use crate::words;

pub use self::stream::StreamedCheck;

/// A figure that an answer may quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name in the fact sheet: `F12`.
    pub id: String,
    /// What it is, in French. The same in each year.
    pub label: String,
    /// Other names of it, such as `EBE`.
    pub aliases: Vec<String>,
    /// Its year, or whatever tells it from the same figure at another time.
    pub period: String,
    /// In its unit.
    pub value: Decimal,
    /// Nothing where it counts something else than money, shares or time.
    pub unit: Option<Unit>,
}

/// A number of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Checked))]
pub struct Checked {
    /// Where it begins, in characters.
    pub start: usize,
    /// Where it ends, with its unit, in characters.
    pub end: usize,
    /// What it is.
    pub verdict: Verdict,
}

/// What a number of an answer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Verdict))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Verdict {
    /// A fact, rounded as it is written.
    Source {
        /// Its identifier.
        fact: String,
    },
    /// What follows from facts.
    Derived {
        /// How, in words.
        expression: String,
        /// Not rounded, in the unit that is written.
        #[serde(with = "rust_decimal::serde::str")]
        value: Decimal,
        /// The identifiers of what it follows from.
        facts: Vec<String>,
    },
    /// It was in the question, or is a date of the accounts.
    Given,
    /// Nothing that was given.
    NotFound,
}

/// The numbers of `answer`, in their order. A number of the `question` is no invention.
pub fn check(answer: &str, facts: &[Fact], question: &str) -> Vec<Checked> {
    Checker::new(facts.to_vec(), question).check(answer)
}

impl Checker {
    /// What judges answers to `question` by these facts.
    pub fn new(facts: Vec<Fact>, question: &str) -> Self {
        let question_words = words::of(question);
        let mut checker = Self {
            facts: Vec::new(),
            labels: Vec::new(),
            asked: Vec::new(),
            given: numbers::numbers(question),
            question_words,
        };
        checker.add(facts);
        checker
    }

    /// Adds facts.
    pub fn add(&mut self, facts: Vec<Fact>) {
        for fact in facts {
            let label = Label::of(&fact);
            self.asked.push(label.said_in(&self.question_words));
            self.labels.push(label);
            // Its year, and the number of an account.
            for number in numbers::numbers(&fact.period).into_iter().chain(numbers::numbers(&fact.label)) {
                if !self.is_given(&number) {
                    self.given.push(number);
                }
            }
            self.facts.push(fact);
        }
    }

    /// The numbers of `answer`, in their order.
    pub fn check(&self, answer: &str) -> Vec<Checked> {
        let chars: Vec<char> = answer.chars().collect();
        let numbers = units::said_elsewhere(&chars, numbers::numbers(answer));
        let mut sentences: Vec<Sentence> = Vec::new();
        // The sentence of each number, and the fact that it quotes.
        let mut read: Vec<(usize, Option<usize>)> = Vec::new();
        for number in &numbers {
            let span = number.span();
            if sentences.last().is_none_or(|last| span.start >= last.span.end) {
                sentences.push(Sentence::of(&chars, &span, &self.labels));
            }
            let sentence = sentences.len() - 1;
            let source = self.source(number, &sentences[sentence]);
            // What a sentence quotes it speaks of.
            source.iter().for_each(|fact| sentences[sentence].quotes(*fact));
            read.push((sentence, source));
        }
        let derived: Vec<Vec<Derived>> = (0..sentences.len())
            .map(|at| {
                let before = at.checked_sub(1).map(|before| &sentences[before]);
                let before = before.filter(|before| before.span.end + 1 == sentences[at].span.start);
                self.derived(&spoken_of(&sentences[at], before, &self.asked))
            })
            .collect();
        let verdict = |(number, (sentence, source)): (&Number, (usize, Option<usize>))| {
            let Range { start, end } = number.span();
            Checked { start, end, verdict: self.verdict(number, source, &derived[sentence]) }
        };
        numbers.iter().zip(read).map(verdict).collect()
    }
}

/// How much a sentence speaks of each fact: by itself, or because the one before or the question does.
fn spoken_of(sentence: &Sentence, before: Option<&Sentence>, asked: &[f64]) -> Vec<f64> {
    let context = |fact: usize| before.map_or(0.0, |before| before.said[fact]).max(asked[fact]);
    sentence.said.iter().enumerate().map(|(fact, said)| said.max(CONTEXT * context(fact))).collect()
}

/// What is said around a number.
struct Sentence {
    span: Range<usize>,
    text: String,
    /// How much each fact is spoken of.
    said: Vec<f64>,
}

impl Sentence {
    /// That in which some characters are: up to a full stop before a space, or the line's end.
    fn of(chars: &[char], span: &Range<usize>, labels: &[Label]) -> Self {
        let stops = |at: usize| match chars[at] {
            '\n' => true,
            '.' | '!' | '?' => chars.get(at + 1).is_none_or(|next| next.is_whitespace()),
            _ => false,
        };
        let first = (0..span.start).rev().find(|at| stops(*at)).map_or(0, |at| at + 1);
        let last = (span.end..chars.len()).find(|at| stops(*at)).unwrap_or(chars.len());
        let text: String = chars[first..last].iter().collect();
        // A table's heading says what its columns are.
        let heading = units::heading(chars, first).unwrap_or_default();
        let words = words::of(&format!("{text} {heading}"));
        Self { span: first..last, text, said: labels.iter().map(|label| label.said_in(&words)).collect() }
    }

    fn quotes(&mut self, fact: usize) {
        self.said[fact] = self.said[fact].max(1.0);
    }
}

/// How a sentence may speak of a fact.
#[derive(Clone, Debug)]
struct Label {
    words: Vec<String>,
    aliases: Vec<Vec<String>>,
}

impl Label {
    fn of(fact: &Fact) -> Self {
        let aliases = fact.aliases.iter().map(|alias| words::of(alias)).collect();
        Self { words: words::meaningful(&fact.label), aliases }
    }

    /// How much of the label is said, from 0 to 1, and a little more the longer it is: of two that are said whole, the
    /// longer one is meant. A fact without a name is always spoken of.
    fn said_in(&self, words: &[String]) -> f64 {
        let has = |word: &String| words.iter().any(|said| words::is_same(said, word));
        let said = self.words.iter().filter(|word| has(word)).count();
        let bonus = said as f64 / 100.0;
        if self.aliases.iter().any(|alias| !alias.is_empty() && alias.iter().all(has)) || self.words.is_empty() {
            return 1.0 + bonus;
        }
        said as f64 / self.words.len() as f64 + bonus
    }
}

/// At least so much of a label must be said for a sentence to speak of it.
const SPOKEN_OF: f64 = 0.5;
/// How much what was said before counts, of the sentence itself.
const CONTEXT: f64 = 0.6;
/// Facts of a sentence from which something may follow.
const MOST: usize = 32;

/// What a number may be, and how well that fits its sentence.
struct Candidate<T> {
    what: T,
    fit: f64,
}

/// What judges the numbers of answers to one question.
#[derive(Clone, Debug)]
pub struct Checker {
    facts: Vec<Fact>,
    labels: Vec<Label>,
    /// How much the question speaks of each fact.
    asked: Vec<f64>,
    /// What is no invention.
    given: Vec<Number>,
    question_words: Vec<String>,
}

impl Checker {
    fn is_given(&self, number: &Number) -> bool {
        let is_same = |known: &Number| known.is_year() == number.is_year() && known.size() == number.size();
        self.given.iter().any(is_same)
    }

    /// The fact that a number quotes.
    fn source(&self, number: &Number, sentence: &Sentence) -> Option<usize> {
        let facts = self.facts.iter().zip(&sentence.said).enumerate();
        let quoted = facts.filter(|(_, (fact, _))| number.rounds(fact.value, fact.unit));
        let candidates = quoted.map(|(at, (fact, said))| Candidate {
            what: at,
            fit: said + if sentence.text.contains(&fact.period) { 0.5 } else { 0.0 },
        });
        best(candidates)
    }

    fn verdict(&self, number: &Number, source: Option<usize>, derived: &[Derived]) -> Verdict {
        if let Some(fact) = source {
            return Verdict::Source { fact: self.facts[fact].id.clone() };
        }
        if self.is_given(number) {
            return Verdict::Given;
        }
        if number.is_year() {
            return Verdict::NotFound;
        }
        let fitting = derived.iter().filter(|derived| derived.is(number));
        let found = best(fitting.map(|derived| Candidate { what: derived, fit: derived.fit }));
        found.map_or(Verdict::NotFound, |derived| self.shown(derived))
    }

    /// Whether there is the same figure of a period between two.
    fn is_between(&self, later: &Fact, earlier: &Fact) -> bool {
        let (from, to) = (order(&earlier.period), order(&later.period));
        let same = self.facts.iter().filter(|fact| fact.label == later.label);
        same.map(|fact| order(&fact.period)).any(|period| from < period && period < to)
    }

    /// What follows from the facts that are spoken of.
    fn derived(&self, spoken_of: &[f64]) -> Vec<Derived> {
        let mut facts: Vec<usize> = (0..self.facts.len()).filter(|fact| spoken_of[*fact] >= SPOKEN_OF).collect();
        // Whoever speaks of more than these speaks of none, and an answer must not take long to check.
        facts.sort_by(|one, other| spoken_of[*other].total_cmp(&spoken_of[*one]));
        facts.truncate(MOST);
        facts.sort_unstable();
        let mut all = Vec::new();
        for &one in &facts {
            for &other in facts.iter().filter(|other| **other != one) {
                let (first, second) = (&self.facts[one], &self.facts[other]);
                let is_change = first.label == second.label && !first.label.is_empty();
                let is_earlier = is_change && order(&first.period) < order(&second.period);
                if is_earlier || !is_change && first.period != second.period {
                    continue;
                }
                let is_far = is_change && self.is_between(first, second);
                let fit = spoken_of[one] + spoken_of[other] + if is_change { 1.0 } else { 0.0 };
                let derivations = derivations(first, second, is_change, one < other || is_change);
                all.extend(derivations.into_iter().map(|what| Derived { what, one, other, is_far, fit }));
            }
        }
        all
    }

    fn shown(&self, derived: &Derived) -> Verdict {
        let name = |fact: &Fact| match fact.period.as_str() {
            "" => fact.label.clone(),
            period => format!("{} {period}", fact.label),
        };
        let (one, other) = (&self.facts[derived.one], &self.facts[derived.other]);
        let (one_name, other_name) = (name(one), name(other));
        let expression = match derived.what.rule {
            Rule::Sum => format!("{one_name} + {other_name}"),
            Rule::Difference => format!("{one_name} − {other_name}"),
            Rule::Ratio => format!("{one_name} / {other_name}"),
            Rule::Share => format!("100 × {one_name} / {other_name}"),
            Rule::Growth => format!("100 × ({one_name} − {other_name}) / {other_name}"),
        };
        Verdict::Derived { expression, value: derived.what.value, facts: vec![one.id.clone(), other.id.clone()] }
    }
}

/// Periods in the order of time: `2024`, or `31/12/2024`.
fn order(period: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = period.split('/').collect();
    parts.reverse();
    parts
}

/// The one that fits best, the first of those that fit equally.
fn best<T>(candidates: impl Iterator<Item = Candidate<T>>) -> Option<T> {
    let better = |best: Option<Candidate<T>>, next: Candidate<T>| match best {
        Some(best) if best.fit >= next.fit => Some(best),
        _ => Some(next),
    };
    candidates.fold(None, better).map(|best| best.what)
}

/// How a value follows from two facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Sum,
    Difference,
    Ratio,
    Share,
    Growth,
}

/// A value that follows from two facts.
struct Derivation {
    rule: Rule,
    value: Decimal,
    unit: Option<Unit>,
}

impl Derivation {
    fn is(&self, number: &Number) -> bool {
        let may_be = match self.rule {
            Rule::Sum | Rule::Difference => true,
            // Of many facts some two are in any small whole ratio.
            Rule::Ratio => (number.unit().is_some() || number.has_decimals()) && number.unit() != Some(Unit::PERCENT),
            Rule::Share | Rule::Growth => number.unit().is_some(),
        };
        may_be && number.rounds(self.value, self.unit)
    }
}

/// A derivation from two facts of the sheet, by their places in it.
struct Derived {
    what: Derivation,
    one: usize,
    other: usize,
    /// Over more than a year.
    is_far: bool,
    fit: f64,
}

impl Derived {
    fn is(&self, number: &Number) -> bool {
        let is_vague = !number.has_decimals() && number.unit() != Some(Unit::EURO);
        !(self.is_far && is_vague) && self.what.is(number)
    }
}

/// What follows from two facts; `with_sums`, also what does not depend on their order.
fn derivations(one: &Fact, other: &Fact, is_change: bool, with_sums: bool) -> Vec<Derivation> {
    let factor = match (one.unit, other.unit) {
        (Some(unit), Some(other)) if unit.is_like(other) => other.factor().checked_div(unit.factor()),
        (None, None) => Some(Decimal::ONE),
        // So many euros for each employee or each tonne.
        (Some(_), None) => {
            let value = one.value.checked_div(other.value);
            return value.map(|value| Derivation { rule: Rule::Ratio, value, unit: one.unit }).into_iter().collect();
        }
        _ => None,
    };
    let Some(second) = factor.and_then(|factor| other.value.checked_mul(factor)) else { return Vec::new() };
    let (first, unit) = (one.value, one.unit);
    let of_money = |rule, value: Option<Decimal>, unit| value.map(|value| Derivation { rule, value, unit });
    let mut all = Vec::new();
    if with_sums {
        all.extend(of_money(Rule::Difference, first.checked_sub(second), unit));
        if !is_change {
            all.extend(of_money(Rule::Sum, first.checked_add(second), unit));
        }
    }
    let ratio = first.checked_div(second);
    let percent = |ratio: Decimal| ratio.checked_mul(Decimal::ONE_HUNDRED);
    all.extend(of_money(Rule::Ratio, ratio, Some(Unit::TIMES)));
    if is_change || one.label.is_empty() {
        all.extend(of_money(
            Rule::Growth,
            ratio.and_then(|ratio| percent(ratio.checked_sub(Decimal::ONE)?)),
            Some(Unit::PERCENT),
        ));
    }
    if !is_change {
        all.extend(of_money(Rule::Share, ratio.and_then(percent), Some(Unit::PERCENT)));
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fact(id: &str, label: &str, alias: &str, period: &str, value: i64, unit: Unit) -> Fact {
        let aliases = if alias.is_empty() { vec![] } else { vec![alias.to_owned()] };
        let (id, label, period) = (id.to_owned(), label.to_owned(), period.to_owned());
        Fact { id, label, aliases, period, value: value.into(), unit: Some(unit) }
    }

    fn facts() -> Vec<Fact> {
        vec![
            fact("F1", "Chiffre d’affaires net", "CA", "2024", 1_250_000, Unit::EURO),
            fact("F2", "Chiffre d’affaires net", "CA", "2023", 1_000_000, Unit::EURO),
            fact("F3", "Excédent brut d’exploitation", "EBE", "2024", 150_000, Unit::EURO),
            fact("F4", "Excédent brut d’exploitation", "EBE", "2023", 130_000, Unit::EURO),
            fact("F5", "Résultat net", "", "2024", -41_000, Unit::EURO),
            fact("F6", "Capitaux propres", "", "2024", 310_000, Unit::EURO),
            fact("F7", "Délai de règlement des clients", "DSO", "2024", 47, Unit::DAYS),
        ]
    }

    /// What is said of each number: a fact's name, an expression, `=` for what was given, `?` for what is nowhere.
    fn verdicts(answer: &str) -> Vec<String> {
        let of = |checked: Checked| match checked.verdict {
            Verdict::Source { fact } => fact,
            Verdict::Derived { expression, .. } => expression,
            Verdict::Given => "=".to_owned(),
            Verdict::NotFound => "?".to_owned(),
        };
        check(answer, &facts(), "Que dire de 2024 sur 12 mois\u{a0}?").into_iter().map(of).collect()
    }

    #[test]
    fn quoted_figures_are_known_in_any_unit_and_rounding() {
        for (answer, expected) in [
            ("Le chiffre d'affaires atteint 1 250 k€ en 2024.", vec!["F1", "="]),
            ("Le CA passe de 1,00 M€ en 2023 à 1,25 M€ en 2024.", vec!["F2", "=", "F1", "="]),
            ("La perte nette s'élève à 41 k€.", vec!["F5"]),
            ("Les clients paient à 47 jours.", vec!["F7"]),
            ("| EBE | 150 000 | 130 000 |", vec!["F3", "F4"]),
        ] {
            assert_eq!(verdicts(answer), expected, "{answer}");
        }
    }

    #[test]
    fn what_follows_from_figures_is_shown_with_how() {
        for (answer, expression) in [
            (
                "Le chiffre d’affaires progresse de 25 %.",
                "100 × (Chiffre d’affaires net 2024 − Chiffre d’affaires net 2023) / Chiffre d’affaires net 2023",
            ),
            ("Le chiffre d’affaires progresse de 250 k€.", "Chiffre d’affaires net 2024 − Chiffre d’affaires net 2023"),
            (
                "L'EBE représente 12 % du chiffre d'affaires.",
                "100 × Excédent brut d’exploitation 2024 / Chiffre d’affaires net 2024",
            ),
            (
                "L’EBE progresse de 15,4 %.",
                "100 × (Excédent brut d’exploitation 2024 − Excédent brut d’exploitation 2023) / Excédent brut d’exploitation 2023",
            ),
        ] {
            assert_eq!(verdicts(answer), [expression], "{answer}");
        }
        let checked = check("Le CA gagne +25 %.", &facts(), "").remove(0);
        let Verdict::Derived { value, facts, .. } = checked.verdict else { panic!("{checked:?}") };
        assert_eq!((value, facts), (25.into(), vec!["F1".to_owned(), "F2".to_owned()]));
    }

    #[test]
    fn what_is_invented_is_found_nowhere() {
        for answer in [
            "Le chiffre d'affaires atteint 1 205 k€.",
            "Le chiffre d'affaires atteint 1 250 €.",
            "Le chiffre d'affaires progresse de 26 %.",
            "La trésorerie est de 88 k€.",
            "La part de marché est de 31 %.",
            "Les clients paient à 48 jours.",
            "En 2019, tout allait bien.",
            "Le total est de 123 456 789 012 345 678 901 €.",
        ] {
            assert_eq!(verdicts(answer), ["?"], "{answer}");
        }
        // Two figures make it, but nobody speaks of them.
        assert_eq!(verdicts("Le marché croît de 25 %."), ["?"]);
    }

    #[test]
    fn spans_are_in_characters_with_the_unit() {
        let answer = "É\u{a0}: l’EBE est de 150\u{202f}000\u{a0}€, oui";
        let checked = check(answer, &facts(), "").remove(0);
        let span: String = answer.chars().skip(checked.start).take(checked.end - checked.start).collect();
        assert_eq!(span, "150\u{202f}000\u{a0}€");
    }

    #[test]
    fn on_the_wire_a_verdict_says_its_kind() {
        let checked = check("CA\u{a0}: 1 250 k€", &facts(), "");
        let json = serde_json::to_string(&checked).unwrap();
        assert_eq!(json, r#"[{"start":5,"end":13,"verdict":{"kind":"source","fact":"F1"}}]"#);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(answer in "[0-9,.%€kM() a-eé\n−-]{0,80}", value: i64) {
            let mut facts = facts();
            facts.push(fact("F8", "", "", "", value, Unit::PERCENT));
            for checked in check(&answer, &facts, &answer) {
                prop_assert!(checked.start < checked.end && checked.end <= answer.chars().count());
            }
        }
    }
}

//! A commentary of figures: every number that it says must be one of them, or follow from two.
//!
//! That is the rule against invention, and nothing more: whether the sentences around the numbers make sense is not
//! judged. A number may be written in any unit and be rounded. Signs are not compared: a loss of 41 k€ is −41 k€.
//!
//! A number that was made up can follow from two of a dozen facts by chance: amounts hardly ever, percentages with a
//! decimal one time in nine, whole ones every other time (a test has the figures). A commentary has several numbers.

use serde::Deserialize;

use super::figure::decimal;
use super::{Outcome, about, nothing_more, share};
use crate::numbers::{Number, Unit, numbers};
use crate::server::{Failure, Server};

const MAX_TOKENS: u32 = 512;

/// A document, and what a commentary of it may say.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    document: String,
    question: String,
    facts: Vec<Fact>,
    /// How many of the facts it has to say at least.
    min_numbers: usize,
}

/// A figure of the document.
#[derive(Debug, Deserialize)]
struct Fact {
    #[serde(deserialize_with = "decimal")]
    value: f64,
    unit: String,
}

/// What a number can be.
struct Quantity {
    value: f64,
    unit: Option<Unit>,
    bare: Bare,
}

/// Whether a number without a unit can be a quantity.
#[derive(Clone, Copy)]
enum Bare {
    Always,
    /// Where it has decimals: of many facts, some two are in any small whole ratio.
    WithDecimals,
    Never,
}

impl Quantity {
    fn is(&self, number: &Number) -> bool {
        let may_be = match self.bare {
            Bare::Always => true,
            Bare::WithDecimals => number.has_unit() || number.has_decimals(),
            Bare::Never => number.has_unit(),
        };
        may_be && number.rounds(self.value, self.unit)
    }
}

impl Item {
    pub(super) async fn judge(&self, server: &Server) -> Result<Outcome, Failure> {
        let answer = server.chat(&[about(&self.document, &self.question)], MAX_TOKENS, nothing_more()).await?;
        Ok(self.outcome(&answer.text).cut(&answer))
    }

    fn outcome(&self, answer: &str) -> Outcome {
        let known: Vec<Number> = [&self.document, &self.question].into_iter().flat_map(|text| numbers(text)).collect();
        let is_known_year = |number: &Number| {
            number.is_year() && known.iter().any(|year| year.is_year() && year.is_as_large_as(number))
        };
        let facts: Vec<Quantity> = self.facts.iter().map(Fact::quantity).collect();
        let derived = derived(&facts);
        let mut quoted = vec![false; facts.len()];
        let (mut all, mut supported) = (0_u32, 0_u32);
        for number in numbers(answer).iter().filter(|number| !is_known_year(number)) {
            let fact = facts.iter().position(|fact| fact.is(number));
            if let Some(fact) = fact {
                quoted[fact] = true;
            }
            all += 1;
            supported += u32::from(fact.is_some() || derived.iter().any(|quantity| quantity.is(number)));
        }
        let quoted = quoted.iter().filter(|is_quoted| **is_quoted).count();
        let says_enough = quoted >= self.min_numbers;
        Outcome::new(supported == all && says_enough, answer)
            .with("supported numbers", if all == 0 { 0.0 } else { f64::from(supported) / f64::from(all) })
            .with("facts quoted", quoted as f64)
            .with("quotes enough", share(says_enough))
    }
}

impl Fact {
    fn quantity(&self) -> Quantity {
        Quantity { value: self.value, unit: Unit::named(&self.unit), bare: Bare::Always }
    }
}

/// What follows from two facts.
fn derived(facts: &[Quantity]) -> Vec<Quantity> {
    let mut all = Vec::new();
    for (at, one) in facts.iter().enumerate() {
        for (other_at, other) in facts.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
            match (one.unit, other.unit) {
                (Some(unit), Some(other_unit)) if unit.is_like(other_unit) => {
                    let other = other.value * other_unit.factor() / unit.factor();
                    all.extend(of_one_kind(one.value, other, one.unit, at < other_at));
                }
                (None, None) => all.extend(of_one_kind(one.value, other.value, None, at < other_at)),
                // So many euros for each employee or each tonne.
                (Some(_), None) if other.value != 0.0 => {
                    all.push(Quantity { value: one.value / other.value, unit: one.unit, bare: Bare::WithDecimals });
                }
                _ => {}
            }
        }
    }
    all
}

/// The ratio of two figures in one unit, the growth from the other to the one, and, `with_sums`, what does not depend on
/// their order.
fn of_one_kind(one: f64, other: f64, unit: Option<Unit>, with_sums: bool) -> Vec<Quantity> {
    let mut all = Vec::new();
    if with_sums {
        all.extend([one + other, one - other].map(|value| Quantity { value, unit, bare: Bare::Always }));
    }
    if other != 0.0 {
        let ratio = one / other;
        all.push(Quantity { value: ratio, unit: Some(Unit::TIMES), bare: Bare::WithDecimals });
        all.push(Quantity { value: 100.0 * (ratio - 1.0), unit: Some(Unit::PERCENT), bare: Bare::Never });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items;
    use crate::numbers::Figure;

    fn item() -> Item {
        let fact = |value, unit: &str| Fact { value, unit: unit.to_owned() };
        Item {
            id: String::new(),
            document: "Comptes 2024 et 2023 (k€)\nChiffre d'affaires : 1 250 et 1 000\nRésultat net : (41) et 60"
                .into(),
            question: "Commentez l'exercice 2024.".into(),
            facts: vec![fact(1250.0, "k€"), fact(1000.0, "k€"), fact(-41.0, "k€"), fact(60.0, "k€")],
            min_numbers: 2,
        }
    }

    #[test]
    fn figures_and_what_follows_from_them_are_supported() {
        for answer in [
            "En 2024, le chiffre d'affaires atteint 1 250 k€, contre 1,00 M€ en 2023, soit +25 %.",
            "1. Le chiffre d'affaires : 1 250 000 € (+250 k€).\n2. La perte nette : 41 k€, soit 3,3 % du chiffre d'affaires.",
            "1 250 et 1 000 k€ : un rapport de 1,25.",
        ] {
            let outcome = item().outcome(answer);
            assert_eq!((outcome.score, outcome.extras["supported numbers"]), (1.0, 1.0), "{answer}");
        }
    }

    #[test]
    fn a_figure_may_be_said_for_each_of_what_is_counted() {
        let mut item = item();
        item.facts.push(Fact { value: 8.0, unit: "salariés".to_owned() });
        let answer = "Avec 8 salariés et 1 250 k€, l'activité est de 156,3 k€ par personne.";
        assert_eq!(item.outcome(answer).score, 1.0);
    }

    #[test]
    fn an_invented_number_or_too_few_are_wrong() {
        for (answer, supported) in [
            ("Le chiffre d'affaires passe de 1 000 à 1 250 k€ et l'effectif à 777 salariés.", 2.0 / 3.0),
            ("Le chiffre d'affaires passe de 1 000 à 1 250 k€ en 2022.", 2.0 / 3.0),
            ("Le chiffre d'affaires passe de 1 000 à 1 250 €.", 0.5),
            ("Le chiffre d'affaires atteint 1 250 k€.", 1.0),
            ("Une bonne année.", 0.0),
        ] {
            let outcome = item().outcome(answer);
            assert_eq!(outcome.score, 0.0, "{answer}");
            assert!((outcome.extras["supported numbers"] - supported).abs() < 1e-9, "{answer}: {:?}", outcome.extras);
        }
    }

    #[test]
    fn each_fact_is_in_its_document() {
        for item in items::COMMENTARY.read::<Item>().unwrap() {
            let in_document = numbers(&item.document);
            for fact in &item.facts {
                let figure = Figure { value: fact.value, unit: Unit::named(&fact.unit), decimals: 6 };
                let negative = Figure { value: -fact.value, ..figure };
                let is_there = in_document.iter().any(|number| number.equals(&figure) || number.equals(&negative));
                assert!(is_there, "{}: {} {}", item.id, fact.value, fact.unit);
            }
            assert!(item.min_numbers > 0 && item.min_numbers <= item.facts.len(), "{}", item.id);
        }
    }

    #[test]
    fn a_commentary_of_the_facts_is_right_and_one_invention_spoils_it() {
        for item in items::COMMENTARY.read::<Item>().unwrap() {
            let written = item.facts.iter().map(|fact| format!("{} {}", fact.value, fact.unit).replace('.', ","));
            let answer = written.collect::<Vec<_>>().join(" ; ");
            let outcome = item.outcome(&answer);
            assert_eq!(outcome.score, 1.0, "{}: {answer}: {:?}", item.id, outcome.extras);
            let invented = format!("{answer} ; l'endettement représente 98 765,4321 k€");
            assert_eq!(item.outcome(&invented).score, 0.0, "{}", item.id);
        }
    }

    #[test]
    fn few_inventions_follow_from_two_facts_by_chance() {
        let items: Vec<Item> = items::COMMENTARY.read().unwrap();
        let share = |invent: fn(usize) -> String| {
            let answers = items.iter().flat_map(|item| (1..100).map(move |at| item.outcome(&invent(at))));
            let supported: Vec<f64> = answers.map(|outcome| outcome.extras["supported numbers"]).collect();
            supported.iter().sum::<f64>() / supported.len() as f64
        };
        let amounts = share(|at| format!("{} k€", at * 30 + 3));
        let tenths = share(|at| format!("{},{} %", at * 3 / 10, at * 3 % 10));
        let wholes = share(|at| format!("{at} %"));
        assert!(amounts < 0.03 && tenths < 0.15 && wholes < 0.6, "{amounts} {tenths} {wholes}");
    }
}

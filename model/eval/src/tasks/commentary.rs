//! A commentary of figures: every number that it says must be one of them, or follow from two.
//!
//! That is the rule against invention, and nothing more: whether the sentences around the numbers make sense is not
//! judged. A number may be written in any unit and be rounded. Signs are not compared: a loss of 41 k€ is −41 k€.
//!
//! A number that was made up can follow from two of a dozen facts by chance: amounts hardly ever, percentages with a
//! decimal one time in nine, whole ones every other time (a test has the figures). A commentary has several numbers.

use std::collections::HashSet;

use rust_decimal::Decimal;
use serde::Deserialize;
use zyron_finance::check::{Fact, Verdict, check};
use zyron_finance::numbers::{Number, Unit, numbers};

use super::figure::decimal;
use super::{Outcome, about, nothing_more, share};
use crate::server::{Failure, Server};

const MAX_TOKENS: u32 = 512;

/// A document, and what a commentary of it may say.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    document: String,
    question: String,
    facts: Vec<Figure>,
    /// How many of the facts it has to say at least.
    min_numbers: usize,
}

/// A figure of the document.
#[derive(Debug, Deserialize)]
struct Figure {
    #[serde(deserialize_with = "decimal")]
    value: Decimal,
    unit: String,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server) -> Result<Outcome, Failure> {
        let answer = server.chat(&[about(&self.document, &self.question)], MAX_TOKENS, nothing_more()).await?;
        Ok(self.outcome(&answer.text).cut(&answer))
    }

    fn outcome(&self, answer: &str) -> Outcome {
        let facts: Vec<Fact> = self.facts.iter().enumerate().map(|(at, figure)| figure.fact(at)).collect();
        let checked = check(answer, &facts, &self.years());
        let judged: Vec<&Verdict> =
            checked.iter().map(|number| &number.verdict).filter(|verdict| **verdict != Verdict::Given).collect();
        let quoted: HashSet<&String> = judged.iter().filter_map(|verdict| source(verdict)).collect();
        let supported = judged.iter().filter(|verdict| ***verdict != Verdict::NotFound).count();
        let says_enough = quoted.len() >= self.min_numbers;
        Outcome::new(supported == judged.len() && says_enough, answer)
            .with("supported numbers", if judged.is_empty() { 0.0 } else { supported as f64 / judged.len() as f64 })
            .with("facts quoted", quoted.len() as f64)
            .with("quotes enough", share(says_enough))
    }

    /// The years that the document and the question speak of.
    fn years(&self) -> String {
        let known = [&self.document, &self.question].into_iter().flat_map(|text| numbers(text));
        let years: Vec<String> = known.filter(Number::is_year).map(|year| year.size().to_string()).collect();
        years.join(", ")
    }
}

impl Figure {
    /// Without a name: whatever the sentence is about, it may be this.
    fn fact(&self, at: usize) -> Fact {
        Fact {
            id: at.to_string(),
            label: String::new(),
            aliases: Vec::new(),
            period: String::new(),
            value: self.value,
            unit: Unit::named(&self.unit),
        }
    }
}

fn source(verdict: &Verdict) -> Option<&String> {
    match verdict {
        Verdict::Source { fact } => Some(fact),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use zyron_finance::numbers::Wanted;

    use super::*;
    use crate::items;

    fn item() -> Item {
        let fact = |value: i64, unit: &str| Figure { value: value.into(), unit: unit.to_owned() };
        Item {
            id: String::new(),
            document: "Comptes 2024 et 2023 (k€)\nChiffre d'affaires : 1 250 et 1 000\nRésultat net : (41) et 60"
                .into(),
            question: "Commentez l'exercice 2024.".into(),
            facts: vec![fact(1250, "k€"), fact(1000, "k€"), fact(-41, "k€"), fact(60, "k€")],
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
        item.facts.push(Figure { value: 8.into(), unit: "salariés".to_owned() });
        let answer = "Avec 8 salariés et 1 250 k€, l'activité est de 156,3 k€ par personne.";
        assert_eq!(item.outcome(answer).score, 1.0);
    }

    #[test]
    fn an_invented_number_or_too_few_are_wrong() {
        for (answer, supported) in [
            ("Le chiffre d'affaires passe de 1 000 à 1 250 k€ et l'effectif à 777 salariés.", 2.0 / 3.0),
            ("Le chiffre d'affaires passe de 1 000 à 1 250 k€ en 2022.", 2.0 / 3.0),
            ("Le chiffre d'affaires passe de 1 000 à 1 250 €.", 0.0),
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
                let wanted = Wanted { value: fact.value, unit: Unit::named(&fact.unit), decimals: 6 };
                let negative = Wanted { value: -fact.value, ..wanted };
                let is_there = in_document.iter().any(|number| number.equals(&wanted) || number.equals(&negative));
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

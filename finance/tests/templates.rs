//! The examples beside the templates: every number of an answer is in what it was given, or follows from it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use zyron_finance::check::{Verdict, check};
use zyron_finance::import::{Options, read};
use zyron_finance::templates::{self, Input};
use zyron_finance::{FactSheet, Statement, analyse, fact_sheet, merge};

fn import(name: &str, text: &str) -> Statement {
    read(text.as_bytes(), name, &Options::default()).unwrap()
}

/// That of the company of the examples, with both years.
fn sheet() -> FactSheet {
    let before = import("balance_2023.csv", include_str!("files/balance_2023.csv"));
    let statement = merge(before, [import("balance_2024.csv", include_str!("files/balance_2024.csv"))]);
    fact_sheet(&statement, &analyse(&statement))
}

/// The input, where it is a text, and the answer.
fn parts(template: &templates::Template) -> (&'static str, &'static str) {
    match template.input {
        Input::Statement => ("", template.example),
        Input::Text => template.example.split_once("\n---\n").unwrap(),
    }
}

/// The numbers of an answer with what they are: a fact's label and period, an expression, or `given`.
fn numbers(template: &templates::Template, sheet: &FactSheet) -> Vec<(String, String)> {
    let (input, answer) = parts(template);
    let facts = if template.input == Input::Statement { sheet.checkable() } else { Vec::new() };
    let chars: Vec<char> = answer.chars().collect();
    let checked = check(answer, &facts, input).into_iter().map(|checked| {
        let text: String = chars[checked.start..checked.end].iter().collect();
        let what = match checked.verdict {
            Verdict::Source { fact } => {
                let fact = sheet.facts.iter().find(|known| known.id == fact).unwrap();
                format!("{} {}", fact.label, fact.period)
            }
            Verdict::Derived { expression, .. } => expression,
            Verdict::Given => "given".to_owned(),
            Verdict::NotFound => panic!("{}: {text} is found nowhere", template.id),
        };
        (text.replace(['\u{a0}', '\u{202f}'], " "), what)
    });
    checked.collect()
}

#[test]
fn every_number_of_an_example_is_known() {
    let sheet = sheet();
    for template in templates::all() {
        let numbers = numbers(template, &sheet);
        assert!(numbers.len() >= 10, "{}: {numbers:#?}", template.id);
        if template.input == Input::Text {
            assert!(numbers.iter().all(|(_, what)| what == "given"), "{}: {numbers:#?}", template.id);
        }
    }
}

#[test]
fn what_follows_from_facts_follows_as_a_reader_expects() {
    let sheet = sheet();
    for (id, number, expected) in [
        ("sig", "53 600 €", "Chiffre d’affaires net 2024 − Chiffre d’affaires net 2023"),
        ("sig", "8,7 %", "100 × (Valeur ajoutée 2024 − Valeur ajoutée 2023) / Valeur ajoutée 2023"),
        ("sig", "476 100 €", "Marge commerciale 2024 + Production de l’exercice 2024"),
        ("tresorerie", "5 000 €", "Disponibilités 2024 − Trésorerie nette 2024"),
        ("bilan", "1 900 €", "Stocks et en-cours 2024 − Stocks et en-cours 2023"),
        ("bilan", "37,3 %", "Autonomie financière 2024"),
        ("note_credit", "18 615 €", "Dette financière nette 2024 − Dette financière nette 2023"),
    ] {
        let numbers = numbers(templates::template(id).unwrap(), &sheet);
        let found: Vec<&str> =
            numbers.iter().filter(|(text, _)| text == number).map(|(_, what)| what.as_str()).collect();
        assert_eq!(found, [expected], "{id}: {number}");
    }
}

#[test]
fn an_example_is_as_long_and_as_well_set_as_an_answer_should_be() {
    for template in templates::all() {
        let (input, answer) = parts(template);
        let words = |text: &str| text.split([' ', '\n']).filter(|word| !word.is_empty()).count();
        assert!((150..=300).contains(&words(answer)), "{}: {} words", template.id, words(answer));
        assert!(input.is_empty() || (100..=150).contains(&words(input)), "{}: {} words", template.id, words(input));
        for wrong in ["'", " :", " ;", " ?", " !", " €", " %", "« ", " »", "..."] {
            assert!(!template.example.contains(wrong), "{}: «{wrong}»", template.id);
        }
    }
}

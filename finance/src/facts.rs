//! The fact sheet: the figures that a model may speak of, each with an identifier, as the text that goes into the prompt
//! and as what its answer is checked against.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::analysis::{Analysis, YearAnalysis};
use crate::check::Fact;
use crate::items;
use crate::numbers;
use crate::statement::{Statement, day};

/// What a fact sheet has of each year, in its order: enough for a commentary, few enough for a small model's context.
const CHOSEN: &[&str] = &[
    "chiffre_affaires",
    "marge_commerciale",
    "production_exercice",
    "valeur_ajoutee",
    "ebe",
    "resultat_exploitation",
    "resultat_financier",
    "rcai",
    "resultat_exceptionnel",
    "resultat_net",
    "caf",
    "total_actif",
    "actif_immobilise",
    "stocks",
    "clients",
    "disponibilites",
    "capitaux_propres",
    "dettes_financieres",
    "dette_nette",
    "fournisseurs",
    "frng",
    "bfr",
    "tresorerie_nette",
    "taux_valeur_ajoutee",
    "taux_marge_brute_exploitation",
    "marge_exploitation",
    "marge_nette",
    "roe",
    "roce",
    "croissance",
    "autonomie_financiere",
    "gearing",
    "capacite_remboursement",
    "couverture_interets",
    "liquidite_generale",
    "dso",
    "dpo",
    "dio",
    "bfr_jours",
];

/// What analysts call some of them, too.
const ALIASES: &[(&str, &[&str])] = &[
    ("chiffre_affaires", &["CA", "ventes", "activité"]),
    ("valeur_ajoutee", &["VA"]),
    ("ebe", &["EBE"]),
    ("resultat_exploitation", &["REX"]),
    ("stocks", &["stocks"]),
    ("clients", &["créances clients", "créances", "clients"]),
    ("fournisseurs", &["fournisseurs"]),
    ("rcai", &["RCAI", "résultat courant"]),
    ("resultat_net", &["résultat net", "résultat de l’exercice", "bénéfice", "perte"]),
    ("caf", &["CAF"]),
    ("total_actif", &["total du bilan"]),
    ("disponibilites", &["liquidités", "trésorerie"]),
    ("capitaux_propres", &["fonds propres"]),
    ("dettes_financieres", &["endettement"]),
    ("dette_nette", &["dette nette", "endettement net"]),
    ("frng", &["FRNG", "FR", "fonds de roulement"]),
    ("bfr", &["BFR"]),
    ("tresorerie_nette", &["trésorerie"]),
    ("roe", &["ROE"]),
    ("roce", &["ROCE"]),
    ("dso", &["DSO"]),
    ("dpo", &["DPO"]),
    ("dio", &["DIO"]),
];

/// A figure of the sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::SheetFact))]
pub struct SheetFact {
    /// Its identifier in the prompt and in verdicts: `F12`.
    pub id: String,
    /// The item's identifier in the analysis, or `compte:` and the number of an account.
    pub item: String,
    /// The item's name in French.
    pub label: String,
    /// The fiscal year as the sheet says it: `2024`, or its last day where two end in one.
    pub period: String,
    /// The fiscal year's last day.
    pub year: NaiveDate,
    /// Not rounded.
    #[serde(with = "rust_decimal::serde::str")]
    pub value: Decimal,
    /// What it counts.
    pub unit: items::Unit,
    /// As the sheet writes it.
    pub written: String,
}

/// The figures that a model may speak of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::FactSheet))]
pub struct FactSheet {
    /// In French, a line a figure, for the prompt.
    pub text: String,
    /// What an answer is checked against.
    pub facts: Vec<SheetFact>,
}

/// The sheet of an analysis.
pub fn fact_sheet(statement: &Statement, analysis: &Analysis) -> FactSheet {
    let mut sheet = FactSheet { text: header(statement), facts: Vec::new() };
    for year in analysis.years.iter().rev() {
        let _ = writeln!(sheet.text, "\nExercice clos le {}", day(year.end));
        for id in CHOSEN {
            if let Some(fact) = sheet.add(statement, analysis, year, id) {
                let _ = writeln!(sheet.text, "[{}] {} {}\u{a0}: {}", fact.id, fact.label, fact.period, fact.written);
            }
        }
    }
    sheet
}

fn header(statement: &Statement) -> String {
    let name = one_line(statement.company.name.as_deref().unwrap_or("non indiquée"));
    let mut text = format!("Société\u{a0}: {name}\n");
    if let Some(siren) = statement.company.siren {
        let _ = writeln!(text, "SIREN\u{a0}: {siren}");
    }
    text
}

/// A text of a file as a part of a line, so that it cannot look like lines of the sheet.
pub(crate) fn one_line(text: &str) -> String {
    const MOST: usize = 120;
    let words: Vec<&str> = text.split(|char: char| char.is_whitespace() || char.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(MOST).collect()
}

/// The year alone, where no other fiscal year ends in it.
fn period(analysis: &Analysis, end: NaiveDate) -> String {
    let same = analysis.years.iter().filter(|year| year.end.year() == end.year()).count();
    if same == 1 { end.year().to_string() } else { day(end) }
}

impl FactSheet {
    /// A figure of a year, which from now on is one of the facts, if it was not; nothing where it has no value. The text
    /// stays as it is.
    pub(crate) fn add(
        &mut self,
        statement: &Statement,
        analysis: &Analysis,
        year: &YearAnalysis,
        item: &str,
    ) -> Option<SheetFact> {
        let result = year.get(item)?;
        let name = (item.to_owned(), result.label.clone());
        Some(self.keep(statement, analysis, year.end, name, (result.value?, result.unit)))
    }

    /// The balance of an account, which from now on is one of the facts, if it was not.
    pub(crate) fn add_account(
        &mut self,
        statement: &Statement,
        analysis: &Analysis,
        year: NaiveDate,
        number: &str,
        value: Decimal,
    ) {
        let name = (format!("compte:{number}"), format!("Compte {number}"));
        self.keep(statement, analysis, year, name, (value, items::Unit::Currency));
    }

    fn keep(
        &mut self,
        statement: &Statement,
        analysis: &Analysis,
        year: NaiveDate,
        (item, label): (String, String),
        (value, unit): (Decimal, items::Unit),
    ) -> SheetFact {
        if let Some(known) = self.facts.iter().find(|fact| fact.item == item && fact.year == year) {
            return known.clone();
        }
        let (period, written) = (period(analysis, year), unit.written(value, &statement.currency));
        let fact =
            SheetFact { id: format!("F{}", self.facts.len() + 1), item, label, period, year, value, unit, written };
        self.facts.push(fact.clone());
        fact
    }

    /// The facts as what an answer is checked against.
    pub fn checkable(&self) -> Vec<Fact> {
        self.facts.iter().map(SheetFact::checkable).collect()
    }
}

/// What analysts call the item with this label, too.
pub fn aliases(label: &str) -> Vec<String> {
    let is_it = |id: &str| items::item(id).is_some_and(|item| item.label == label);
    let aliases = ALIASES.iter().find(|(id, _)| is_it(id)).map_or(&[][..], |(_, aliases)| aliases);
    aliases.iter().map(|alias| (*alias).to_owned()).collect()
}

impl SheetFact {
    /// It as what an answer is checked against.
    pub fn checkable(&self) -> Fact {
        let unit = match self.unit {
            items::Unit::Currency => numbers::Unit::EURO,
            items::Unit::Percent => numbers::Unit::PERCENT,
            items::Unit::Times => numbers::Unit::TIMES,
            items::Unit::Days => numbers::Unit::DAYS,
        };
        let (id, label, period) = (self.id.clone(), self.label.clone(), self.period.clone());
        Fact { id, aliases: aliases(&label), label, period, value: self.value, unit: Some(unit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Verdict, check};
    use crate::statement::{Figure, Year};
    use crate::{Statement, analyse};

    fn statement() -> Statement {
        let year = |year: i32, sales: i64| {
            let lines = [("ventes_marchandises", sales), ("achats_marchandises", 600_000), ("capital", 50_000)];
            let lines = lines.iter().map(|(id, value)| ((*id).to_owned(), Figure::of(*value))).collect();
            Year { lines, ..Year::ending(NaiveDate::from_ymd_opt(year, 6, 30).unwrap()) }
        };
        let mut statement =
            Statement { years: vec![year(2023, 800_000), year(2024, 1_000_000)], ..Statement::default() };
        statement.company.name = Some("Alba Négoce".to_owned());
        statement
    }

    #[test]
    fn what_is_chosen_exists() {
        assert!(CHOSEN.iter().all(|id| items::item(id).is_some()));
        assert!(ALIASES.iter().all(|(id, _)| CHOSEN.contains(id)));
    }

    #[test]
    fn a_sheet_has_the_last_year_first_and_an_id_for_each_figure() {
        let statement = statement();
        let sheet = fact_sheet(&statement, &analyse(&statement));
        let text = sheet.text.replace(['\u{a0}', '\u{202f}'], " ");
        assert!(
            text.starts_with(
                "Société : Alba Négoce\n\nExercice clos le 30/06/2024\n[F1] Chiffre d’affaires net 2024 : 1 000 000 €\n"
            ),
            "{text}"
        );
        assert!(text.contains("Marge nette 2023 : 25,0 %"), "{text}");
        assert_eq!((sheet.facts[0].item.as_str(), sheet.facts[0].year.year()), ("chiffre_affaires", 2024));
        // What cannot be computed is not in it.
        assert!(!text.contains("DSO"), "{text}");
    }

    #[test]
    fn every_figure_of_a_sheet_is_found_in_it() {
        let statement = statement();
        let sheet = fact_sheet(&statement, &analyse(&statement));
        for line in sheet.text.lines().filter(|line| line.starts_with('[')) {
            let (id, line) = line[1..].split_once("] ").unwrap();
            let verdicts: Vec<Verdict> =
                check(line, &sheet.checkable(), "").into_iter().map(|checked| checked.verdict).collect();
            assert_eq!(verdicts, [Verdict::Given, Verdict::Source { fact: id.to_owned() }], "{line}");
        }
    }

    #[test]
    fn two_years_that_end_in_one_are_told_apart() {
        let mut statement = statement();
        statement.years[0].end = NaiveDate::from_ymd_opt(2024, 1, 31).unwrap();
        let sheet = fact_sheet(&statement, &analyse(&statement));
        assert!(
            sheet.text.contains("Chiffre d’affaires net 31/01/2024\u{a0}: 800\u{202f}000\u{a0}€"),
            "{}",
            sheet.text
        );
    }
}

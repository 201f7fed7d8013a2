//! A report as a page shows it: every number as a reader of French expects it, with what it comes from, and what a
//! question about it is sent with.
//!
//! Made where files are read, in a worker of the browser; the page itself computes nothing.

use chrono::NaiveDate;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alerts::Alert;
use crate::correction::{Choice, Correction, InvalidCorrection, choices, corrected};
use crate::facts::SheetFact;
use crate::items::{self, Item, Unit, to_the_cent};
use crate::report::{Cell, Report, Row, Table, tables};
use crate::statement::{Account, Anomaly, Place, Statement, Year, day};

/// A company's accounts, to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Whose they are, as far as the files say.
    pub company: String,
    /// The currency's code (ISO 4217).
    pub currency: String,
    /// The years' last days as they are printed, oldest first.
    pub years: Vec<String>,
    /// The same as dates: corrections name a year by it.
    pub ends: Vec<NaiveDate>,
    /// The tables.
    pub tables: Vec<ReadTable>,
    /// What is beyond a threshold, with its source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Point>,
    /// What could not be read, and what does not add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Point>,
    /// What was corrected by hand, in French, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<String>,
    /// The lines that a correction can name.
    pub choices: Vec<Choice>,
    /// The figures that a model is given.
    pub facts: Vec<SheetFact>,
    /// The accounts as a request has them: lines only, as a commentary needs no more.
    pub statement: Value,
}

/// Something to know about the accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// What it is.
    pub text: String,
    /// The identifier of the item that it is seen in first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Where it is in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A table of figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadTable {
    /// What it is about, in a few words.
    pub name: String,
    /// The same in full.
    pub title: String,
    /// Its rows.
    pub rows: Vec<ReadRow>,
}

/// A figure in each year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadRow {
    /// The item's identifier.
    pub id: String,
    /// Its name.
    pub label: String,
    /// What it counts.
    pub unit: Unit,
    /// By year, oldest first.
    pub cells: Vec<ReadCell>,
    /// Against the year before the last; nothing where there is one year only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// How it is computed where the source does not give it, in words; nothing for a line, which is only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// What the formula names, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ReadInput>,
    /// Where its definition is from, or which of several it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub definition: String,
}

/// A value of a year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadCell {
    /// As it is printed.
    pub written: String,
    /// The same for a chart, to four decimals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was corrected by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_corrected: bool,
    /// Where the source gives it; of a sum of accounts the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// The accounts that it is the sum of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<ReadAccount>,
}

/// An item that a formula names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadInput {
    /// Its identifier.
    pub id: String,
    /// Its name; of the year before, it says so.
    pub label: String,
    /// By the year whose formula it is in, as it is printed.
    pub cells: Vec<String>,
}

/// An account of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAccount {
    /// Its number.
    pub number: String,
    /// What the company calls it.
    pub label: String,
    /// What it adds to the line, to the cent.
    pub written: String,
    /// Where it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

impl Reading {
    /// What a reader sees of a company's accounts, after these corrections.
    ///
    /// # Errors
    /// The first correction that cannot be made.
    pub fn of(statement: &Statement, corrections: &[Correction]) -> Result<Self, InvalidCorrection> {
        let corrected = corrected(statement, corrections)?;
        let mut reading = Self { corrections: corrected.written, ..Self::of_report(&Report::of(corrected.statement)) };
        let rows = reading.tables.iter_mut().flat_map(|table| &mut table.rows);
        for row in rows {
            for (end, cell) in reading.ends.iter().zip(&mut row.cells) {
                let is_it =
                    |correction: &Correction| correction.year() == *end && correction.lines().any(|id| id == row.id);
                cell.is_corrected = corrections.iter().any(is_it);
            }
        }
        Ok(reading)
    }

    fn of_report(report: &Report) -> Self {
        let Report { statement, analysis, .. } = report;
        let table = |table: &Table| ReadTable {
            name: table.name.to_owned(),
            title: table.title.to_owned(),
            rows: table.rows.iter().map(|row| read_row(row, report)).collect(),
        };
        let siren = statement.company.siren.map(|siren| format!("SIREN {siren}"));
        let company: Vec<String> = statement.company.name.clone().into_iter().chain(siren).collect();
        Self {
            company: company.join(", "),
            currency: statement.currency.clone(),
            years: analysis.years.iter().map(|year| day(year.end)).collect(),
            ends: analysis.years.iter().map(|year| year.end).collect(),
            tables: tables(analysis).iter().map(table).collect(),
            observations: report.alerts.iter().map(Point::of_alert).collect(),
            anomalies: report.anomalies.iter().map(Point::of_anomaly).collect(),
            corrections: Vec::new(),
            choices: choices(statement),
            facts: report.fact_sheet.facts.clone(),
            statement: serde_json::to_value(lines_only(statement)).unwrap_or_default(),
        }
    }
}

impl Point {
    fn of_alert(alert: &Alert) -> Self {
        Self { text: alert.written(), item: alert.items.first().cloned(), place: None }
    }

    fn of_anomaly(anomaly: &Anomaly) -> Self {
        let text = Anomaly { place: None, ..anomaly.clone() }.written();
        Self { text, item: None, place: anomaly.place.clone() }
    }
}

fn read_row(row: &Row, report: &Report) -> ReadRow {
    let Report { statement, analysis, .. } = report;
    let item = items::item(row.id);
    let cell = |(cell, year): (&Cell, &Year)| ReadCell {
        written: cell.written(row.unit, &statement.currency),
        value: if let Cell::Value(value) = cell { value.round_dp(4).to_f64() } else { None },
        reason: reason(cell),
        is_corrected: false,
        places: year.lines.get(row.id).map(|figure| figure.places.clone()).unwrap_or_default(),
        accounts: item.map(|item| read_accounts(item, year, &statement.currency)).unwrap_or_default(),
    };
    let named = items::formula(row.id).map(|formula| formula.items()).unwrap_or_default();
    let input = |(id, is_previous): (&'static str, bool)| {
        let label = items::label(id);
        ReadInput {
            id: id.to_owned(),
            label: if is_previous { format!("{label} de l’exercice précédent") } else { label.to_owned() },
            cells: (0..analysis.years.len()).map(|at| read_input(report, at, row.id, (id, is_previous))).collect(),
        }
    };
    ReadRow {
        id: row.id.to_owned(),
        label: row.label.clone(),
        unit: row.unit,
        cells: row.cells.iter().zip(&statement.years).map(cell).collect(),
        change: row.written_change(),
        formula: row.formula.clone(),
        inputs: named.into_iter().map(input).collect(),
        definition: item.map(|item| item.definition.to_owned()).unwrap_or_default(),
    }
}

fn reason(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Value(_) => None,
        Cell::Undefined(undefined) => Some(undefined.reason()),
        Cell::Absent => Some("la source n’a pas ce poste".to_owned()),
    }
}

/// What an item is in the formula of another in the year `at`.
fn read_input(report: &Report, at: usize, of: &str, (id, is_previous): (&str, bool)) -> String {
    let years = &report.analysis.years;
    let year = if is_previous { at.checked_sub(1) } else { Some(at) };
    let result = year.and_then(|year| years.get(year)?.get(id));
    // A line that the source leaves out has no result, and may count as zero.
    let counted = || {
        let inputs = &years.get(at)?.get(of)?.inputs;
        inputs.iter().find(|input| input.id == id && input.is_previous == is_previous)?.value
    };
    let cell = match result {
        Some(result) => Cell::of(Some(result)),
        None => counted().map_or(Cell::Absent, Cell::Value),
    };
    let unit = items::item(id).map_or(Unit::Currency, |item| item.unit);
    cell.written(unit, &report.statement.currency)
}

fn read_accounts(item: &Item, year: &Year, currency: &str) -> Vec<ReadAccount> {
    let read = |account: &Account| {
        let value = if item.is_debit() { account.balance } else { -account.balance };
        ReadAccount {
            number: account.number.clone(),
            label: account.label.clone(),
            written: to_the_cent(value, currency),
            places: account.places.clone(),
        }
    };
    year.accounts_of(item).into_iter().map(read).collect()
}

fn lines_only(statement: &Statement) -> Statement {
    let mut statement = Statement { anomalies: Vec::new(), ..statement.clone() };
    for year in &mut statement.years {
        (year.accounts, year.movements, year.journals, year.other) = Default::default();
        for figure in year.lines.values_mut() {
            (figure.places, figure.accounts) = Default::default();
        }
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analyse, import, sample};

    fn reading() -> (Report, Reading) {
        let mut file = String::new();
        sample::fec(2_000, 1, &mut |line| file.extend([line, "\n"]));
        let statement = import::read(file.as_bytes(), sample::NAME, &import::Options::default()).unwrap();
        let reading = Reading::of(&statement, &[]).unwrap();
        (Report::of(statement), reading)
    }

    fn row<'a>(reading: &'a Reading, id: &str) -> &'a ReadRow {
        reading.tables.iter().flat_map(|table| &table.rows).find(|row| row.id == id).unwrap()
    }

    #[test]
    fn what_is_read_is_all_there_and_what_is_sent_says_the_same() {
        let (report, reading) = reading();
        assert_eq!(
            (reading.company.as_str(), reading.years.as_slice()),
            ("SIREN 732\u{a0}829\u{a0}320", &["31/12/2024".to_owned()][..])
        );
        let sent: Statement = serde_json::from_value(reading.statement.clone()).unwrap();
        assert_eq!(sent.check(), Ok(()));
        assert_eq!(analyse(&sent).years[0].value("ebe"), report.analysis.years[0].value("ebe"));
        assert!(reading.statement.to_string().len() < 20_000);
        let json = serde_json::to_string(&reading).unwrap();
        assert_eq!(serde_json::from_str::<Reading>(&json).unwrap(), reading);
    }

    #[test]
    fn a_line_shows_its_accounts_and_a_measure_what_it_is_computed_from() {
        let (report, reading) = reading();
        let year = &report.analysis.years[0];
        let sales = &row(&reading, "ventes_marchandises").cells[0];
        assert_eq!(sales.places[0].file, sample::NAME);
        let [account] = sales.accounts.as_slice() else { panic!("{sales:?}") };
        assert_eq!((account.number.as_str(), account.label.as_str()), ("707000", "Ventes de marchandises"));
        let value = year.value("ventes_marchandises").unwrap();
        assert_eq!(account.written, to_the_cent(value, "EUR"));
        assert_eq!(sales.value, value.to_f64());

        let surplus = row(&reading, "ebe");
        assert!(surplus.formula.as_ref().unwrap().starts_with("Valeur ajoutée"), "{surplus:?}");
        let labels: Vec<&str> = surplus.inputs.iter().map(|input| input.label.as_str()).collect();
        assert_eq!(labels[0], "Valeur ajoutée");
        assert_eq!(surplus.inputs[0].cells, [row(&reading, "valeur_ajoutee").cells[0].written.clone()]);
        assert!(surplus.cells[0].places.is_empty() && surplus.cells[0].accounts.is_empty());
    }

    #[test]
    fn what_has_no_value_says_why() {
        let (_, reading) = reading();
        let growth = row(&reading, "croissance");
        assert_eq!((growth.cells[0].written.as_str(), growth.cells[0].value), ("–", None));
        let reason = growth.cells[0].reason.as_ref().unwrap();
        assert!(reason.contains("exercice précédent"), "{reason}");
        assert_eq!(growth.inputs[1].label, "Chiffre d’affaires net de l’exercice précédent");
        assert_eq!(growth.inputs[1].cells, ["–"]);
        assert_eq!(growth.change, None);
    }

    #[test]
    fn what_was_corrected_is_marked_and_said() {
        let (report, before) = reading();
        let correction = r#"[{"kind":"move","year":"2024-12-31","from":"autres_achats_charges_externes",
                              "account":"613200","to":"interets"}]"#;
        let corrections: Vec<Correction> = serde_json::from_str(correction).unwrap();
        let after = Reading::of(&report.statement, &corrections).unwrap();
        assert_eq!((before.corrections.len(), after.corrections.len()), (0, 1));
        let marked = |reading: &Reading| -> Vec<String> {
            let rows = reading.tables.iter().flat_map(|table| &table.rows);
            rows.filter(|row| row.cells[0].is_corrected).map(|row| row.id.clone()).collect()
        };
        assert!(marked(&before).is_empty());
        // The other line is empty now.
        assert_eq!(marked(&after), ["interets"]);
        assert_ne!(row(&after, "ebe").cells[0], row(&before, "ebe").cells[0]);
        assert_eq!(row(&after, "resultat_net").cells[0], row(&before, "resultat_net").cells[0]);
        assert!(after.choices.iter().any(|choice| choice.id == "interets" && choice.group == "Charges"));
    }

    #[test]
    fn a_customer_account_with_both_balances_is_on_both_lines() {
        let (report, reading) = reading();
        let balances = report.statement.years[0].accounts.iter().filter(|account| account.number == "411000");
        assert_eq!(balances.count(), 2);
        for id in ["clients_brut", "autres_dettes"] {
            let cell = &row(&reading, id).cells[0];
            let account = cell.accounts.iter().find(|account| account.number == "411000").unwrap();
            assert!(!account.written.starts_with('−'), "{account:?}");
        }
    }
}

//! A report as a page shows it: every number as a reader of French expects it, and what a question about it is sent with.
//!
//! Made where files are read, in a worker of the browser; the page itself computes nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::alerts::Alert;
use crate::facts::SheetFact;
use crate::report::{Report, Row, Table, tables};
use crate::statement::{Anomaly, Place, Statement, day};

/// A company's accounts, to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Whose they are, as far as the files say.
    pub company: String,
    /// The years' last days, oldest first.
    pub years: Vec<String>,
    /// The tables.
    pub tables: Vec<ReadTable>,
    /// What is beyond a threshold, with its source.
    pub observations: Vec<String>,
    /// What could not be read, and what does not add up.
    pub anomalies: Vec<String>,
    /// The figures that a model is given.
    pub facts: Vec<SheetFact>,
    /// The accounts as a request has them: lines only, as a commentary needs no more.
    pub statement: Value,
}

/// A table of figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTable {
    /// What it is about.
    pub title: String,
    /// Its rows.
    pub rows: Vec<ReadRow>,
}

/// A figure in each year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRow {
    /// The item's identifier.
    pub id: String,
    /// Its name.
    pub label: String,
    /// By year, oldest first.
    pub cells: Vec<String>,
    /// Against the year before the last; nothing where there is one year only.
    pub change: Option<String>,
    /// How it is computed, or where it was read.
    pub source: String,
}

impl Reading {
    /// What a reader sees of a report.
    pub fn of(report: &Report) -> Self {
        let Report { statement, analysis, .. } = report;
        let table = |table: &Table| ReadTable {
            title: table.title.to_owned(),
            rows: table.rows.iter().map(|row| read_row(row, statement)).collect(),
        };
        let siren = statement.company.siren.map(|siren| format!("SIREN {siren}"));
        let company: Vec<String> = statement.company.name.clone().into_iter().chain(siren).collect();
        Self {
            company: company.join(", "),
            years: analysis.years.iter().map(|year| day(year.end)).collect(),
            tables: tables(analysis).iter().map(table).collect(),
            observations: report.alerts.iter().map(Alert::written).collect(),
            anomalies: report.anomalies.iter().map(Anomaly::written).collect(),
            facts: report.fact_sheet.facts.clone(),
            statement: serde_json::to_value(lines_only(statement)).unwrap_or_default(),
        }
    }
}

fn read_row(row: &Row, statement: &Statement) -> ReadRow {
    let places = || {
        let figure = statement.years.last()?.lines.get(row.id)?;
        let places: Vec<String> = figure.places.iter().map(Place::written).collect();
        Some(places.join(", "))
    };
    ReadRow {
        id: row.id.to_owned(),
        label: row.label.clone(),
        cells: row.written(&statement.currency),
        change: row.written_change(),
        source: row.formula.clone().or_else(places).unwrap_or_default(),
    }
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

    #[test]
    fn what_is_read_is_all_there_and_what_is_sent_says_the_same() {
        let mut file = String::new();
        sample::fec(2_000, 1, &mut |line| file.extend([line, "\n"]));
        let statement = import::read(file.as_bytes(), sample::NAME, &import::Options::default()).unwrap();
        let report = Report::of(statement);
        let reading = Reading::of(&report);
        assert_eq!(
            (reading.company.as_str(), reading.years.as_slice()),
            ("SIREN 732\u{a0}829\u{a0}320", &["31/12/2024".to_owned()][..])
        );
        let rows = || reading.tables.iter().flat_map(|table| &table.rows);
        let row = |id: &str| rows().find(|row| row.id == id).unwrap();
        assert!(row("ventes_marchandises").source.contains(sample::NAME), "{:?}", row("ventes_marchandises"));
        assert!(row("ebe").source.starts_with("Valeur ajoutée"), "{:?}", row("ebe"));
        assert!(rows().all(|row| row.cells.len() == 1 && row.change.is_none()));
        let sent: Statement = serde_json::from_value(reading.statement.clone()).unwrap();
        assert_eq!(sent.check(), Ok(()));
        assert_eq!(analyse(&sent).years[0].value("ebe"), report.analysis.years[0].value("ebe"));
        assert!(reading.statement.to_string().len() < 20_000);
        let json = serde_json::to_string(&reading).unwrap();
        assert_eq!(serde_json::from_str::<Reading>(&json).unwrap(), reading);
    }
}

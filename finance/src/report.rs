//! An analysis as tables: what a reader sees in a terminal, in Markdown or in a spreadsheet.

mod xlsx;

use std::fmt::Write as _;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::alerts::{Alert, alerts};
use crate::amount;
use crate::analysis::{Analysis, Change, Computed, analyse, checks};
use crate::facts::{FactSheet, fact_sheet};
use crate::formula::Undefined;
use crate::items::{self, Group, Unit};
use crate::monthly::{self, Month};
use crate::statement::{Anomaly, Place, Statement, day};

pub use self::xlsx::xlsx;

/// All that is known of a company from its accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Report))]
pub struct Report {
    /// The accounts as they were read.
    pub statement: Statement,
    /// Every line, total and measure, by year.
    pub analysis: Analysis,
    /// The months of the last fiscal year, where the source has entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<Month>,
    /// Figures beyond a threshold.
    pub alerts: Vec<Alert>,
    /// What could not be read, and what does not add up.
    pub anomalies: Vec<Anomaly>,
    /// The figures that a model may speak of.
    pub fact_sheet: FactSheet,
}

impl Report {
    /// What follows from a statement. The anomalies of its import go to those of the report.
    pub fn of(mut statement: Statement) -> Self {
        let analysis = analyse(&statement);
        let mut anomalies = std::mem::take(&mut statement.anomalies);
        anomalies.extend(checks(&statement));
        let alerts = alerts(&statement);
        let fact_sheet = fact_sheet(&statement, &analysis);
        let months = statement.years.last().map(monthly::months).unwrap_or_default();
        Self { statement, analysis, months, alerts, anomalies, fact_sheet }
    }
}

/// A table of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it is about, in French.
    pub title: &'static str,
    /// The same in a few words, for a sheet of a workbook.
    pub name: &'static str,
    /// One for each row of figures, in the order of the groups' items.
    pub rows: Vec<Row>,
}

/// A row: an item, in each year.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The item's identifier.
    pub id: &'static str,
    /// The item's name.
    pub label: String,
    /// What it counts.
    pub unit: Unit,
    /// By year, oldest first.
    pub cells: Vec<Cell>,
    /// How the last is computed, in words; nothing for a line that is read.
    pub formula: Option<String>,
    /// Against the year before the last.
    pub change: Option<Change>,
}

/// A value of a row, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Not rounded.
    Value(Decimal),
    /// The reason.
    Undefined(Undefined),
    /// The source does not have the line.
    Absent,
}

const TITLES: [(&str, &str, &[Group]); 6] = [
    ("Bilan\u{a0}: actif", "Actif", &[Group::Actif]),
    ("Bilan\u{a0}: passif", "Passif", &[Group::Passif]),
    ("Compte de résultat", "Compte de résultat", &[Group::Produits, Group::Charges, Group::Resultats]),
    ("Soldes intermédiaires de gestion et capacité d’autofinancement", "SIG et CAF", &[Group::Sig, Group::Caf]),
    ("Bilan fonctionnel", "Bilan fonctionnel", &[Group::BilanFonctionnel]),
    ("Ratios", "Ratios", &[Group::Rentabilite, Group::Structure, Group::Rotation]),
];

/// The tables of an analysis. Rows that have nothing but zeros are left out.
pub fn tables(analysis: &Analysis) -> Vec<Table> {
    let Some(last) = analysis.years.last() else { return Vec::new() };
    let table = |(title, name, groups): (&'static str, &'static str, &[Group])| {
        let all = crate::items::all().filter(|item| groups.contains(&item.group));
        let rows = all.filter_map(|item| {
            let results: Vec<Option<&Computed>> = analysis.years.iter().map(|year| year.get(item.id)).collect();
            let cells: Vec<Cell> = results.iter().map(|result| Cell::of(*result)).collect();
            let is_something = |cell: &Cell| match cell {
                Cell::Value(value) => !value.is_zero(),
                Cell::Undefined(_) => !matches!(item.unit, Unit::Currency),
                Cell::Absent => false,
            };
            let of_last = last.get(item.id);
            cells.iter().any(is_something).then(|| Row {
                id: item.id,
                label: item.label.to_owned(),
                unit: item.unit,
                cells,
                formula: of_last.and_then(|result| result.formula.clone()),
                change: of_last.and_then(|result| result.change.clone()),
            })
        });
        Table { title, name, rows: rows.collect() }
    };
    TITLES.into_iter().map(table).filter(|table| !table.rows.is_empty()).collect()
}

impl Undefined {
    /// For a French reader.
    pub fn reason(&self) -> String {
        match self {
            Self::Missing { item } => format!("la source ne donne pas «\u{a0}{item}\u{a0}»"),
            Self::ZeroDenominator { denominator } => format!("«\u{a0}{denominator}\u{a0}» est nul"),
            Self::NegativeDenominator { denominator } => format!("«\u{a0}{denominator}\u{a0}» est négatif"),
            Self::TooLarge => "le résultat est trop grand".to_owned(),
        }
    }
}

impl Cell {
    pub(crate) fn of(result: Option<&Computed>) -> Self {
        match result {
            None => Self::Absent,
            Some(Computed { value: Some(value), .. }) => Self::Value(*value),
            Some(Computed { undefined, .. }) => undefined.clone().map_or(Self::Absent, Self::Undefined),
        }
    }

    /// What a reader sees of it: `n.s.` (non significatif) where it has no meaning.
    pub fn written(&self, unit: Unit, currency: &str) -> String {
        match self {
            Self::Value(value) => unit.written(*value, currency),
            Self::Undefined(Undefined::Missing { .. }) | Self::Absent => "–".to_owned(),
            Self::Undefined(_) => "n.s.".to_owned(),
        }
    }
}

impl Change {
    /// `+12,5 %`, or the difference in points where the item is a percentage.
    pub fn written(&self, unit: Unit) -> String {
        let signed = |value: Decimal| {
            let sign = if value.is_sign_positive() && !value.is_zero() { "+" } else { "" };
            format!("{sign}{}", amount::written(value, 1))
        };
        match (self.percent, unit) {
            (Some(percent), _) => signed(percent) + "\u{a0}%",
            (None, Unit::Percent) => signed(self.difference) + "\u{a0}pt",
            (None, _) => "n.s.".to_owned(),
        }
    }
}

/// The whole in columns, for a terminal.
pub fn text(report: &Report) -> String {
    let company = &report.statement.company;
    let mut text = company.name.as_deref().map(plain).unwrap_or_default();
    if let Some(siren) = company.siren {
        let _ = write!(text, "{}SIREN {siren}", if text.is_empty() { "" } else { ", " });
    }
    for (title, lines) in grids(report) {
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        let _ = write!(text, "\n\n{}\n", title.to_uppercase());
        for line in &lines {
            let label = format!("{:<width$}", plain(&line[0]), width = widths[0]);
            let cells = line.iter().zip(&widths).skip(1).map(|(cell, width)| format!("  {cell:>width$}"));
            let _ = writeln!(text, "{}", (label + &cells.collect::<String>()).trim_end());
        }
    }
    for (title, points) in points(report) {
        let _ = write!(text, "\n{}\n", title.to_uppercase());
        points.iter().for_each(|point| {
            let _ = writeln!(text, "- {}", plain(point));
        });
    }
    text
}

/// Every table as a title and lines of cells, the first of which is the heading.
fn grids(report: &Report) -> Vec<(String, Vec<Vec<String>>)> {
    let Report { statement, analysis, months, .. } = report;
    let mut grids: Vec<_> =
        tables(analysis).into_iter().map(|table| (table.title.to_owned(), table.lines(statement, analysis))).collect();
    if let (Some(first), Some(last)) = (months.first(), months.last()) {
        let shown: Vec<&str> = monthly::SHOWN.into_iter().filter(|id| first.results.contains_key(*id)).collect();
        let label = |id: &&str| items::item(id).map_or(*id, |item| item.label).to_owned();
        let mut lines = vec![std::iter::once(String::new()).chain(shown.iter().map(label)).collect::<Vec<_>>()];
        for month in months {
            let value = |id: &&str| month.results.get(*id).copied().unwrap_or_default();
            let written = |id: &&str| Unit::Currency.written(value(id), &statement.currency);
            lines.push(std::iter::once(month.month.clone()).chain(shown.iter().map(written)).collect());
        }
        grids.push((format!("Mois, de {} à {}", first.month, last.month), lines));
    }
    if let Some(year) = statement.years.last().filter(|year| !year.journals.is_empty()) {
        let written = |value: Decimal| Unit::Currency.written(value, &statement.currency);
        let mut lines = vec![["Journal", "Lignes", "Débit", "Crédit"].map(str::to_owned).to_vec()];
        lines.extend(year.journals.iter().map(|journal| {
            let name = format!("{} {}", journal.code, journal.label);
            vec![name, journal.lines.to_string(), written(journal.debit), written(journal.credit)]
        }));
        grids.push((format!("Journaux, exercice clos le {}", day(year.end)), lines));
    }
    grids
}

/// What is seen and what is wrong, under their titles.
fn points(report: &Report) -> Vec<(&'static str, Vec<String>)> {
    let alert = |alert: &Alert| format!("{}\u{a0}: {}. {}.", day(alert.year), alert.message, alert.source);
    let all = [
        ("Observations", report.alerts.iter().map(alert).collect()),
        ("Anomalies", report.anomalies.iter().map(Anomaly::written).collect::<Vec<_>>()),
    ];
    all.into_iter().filter(|(_, points)| !points.is_empty()).collect()
}

/// The whole as Markdown: whose accounts, the tables, the alerts, the anomalies.
pub fn markdown(report: &Report) -> String {
    let company = &report.statement.company;
    let mut text = format!("# {}\n", escaped(company.name.as_deref().unwrap_or("Analyse financière")));
    if let Some(siren) = company.siren {
        let _ = writeln!(text, "\nSIREN\u{a0}: {siren}");
    }
    for (title, lines) in grids(report) {
        let _ = write!(text, "\n## {title}\n\n");
        for (at, line) in lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| escaped(cell)).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if at == 0 {
                let _ = writeln!(text, "|---|{}", "--:|".repeat(line.len() - 1));
            }
        }
    }
    for (title, points) in points(report) {
        let _ = write!(text, "\n## {title}\n\n");
        points.iter().for_each(|point| {
            let _ = writeln!(text, "- {}", escaped(point));
        });
    }
    text
}

impl Place {
    /// For a reader: `comptes.xlsx, Bilan!B3`.
    pub fn written(&self) -> String {
        let sheet = self.sheet.as_ref().map(|sheet| format!("{sheet}!")).unwrap_or_default();
        format!("{}, {sheet}{}", self.file, self.at)
    }
}

impl Anomaly {
    /// With its place, for a French reader.
    pub fn written(&self) -> String {
        let mut text = self.message.clone();
        if let Some(place) = &self.place {
            let _ = write!(text, " [{}]", place.written());
        }
        if self.more > 0 {
            let _ = write!(text, " (et {} autres)", self.more);
        }
        text
    }
}

impl Table {
    /// A heading and the rows, each with a cell for the label, one for each year, and one for the change.
    fn lines(&self, statement: &Statement, analysis: &Analysis) -> Vec<Vec<String>> {
        let years = analysis.years.iter().map(|year| day(year.end));
        let has_change = analysis.years.len() > 1;
        let heading = std::iter::once(String::new()).chain(years);
        let mut lines = vec![heading.chain(has_change.then(|| "Variation".to_owned())).collect()];
        for row in &self.rows {
            let cells = row.cells.iter().map(|cell| cell.written(row.unit, &statement.currency));
            let change = row.change.as_ref().map_or("–".to_owned(), |change| change.written(row.unit));
            let line = std::iter::once(row.label.clone()).chain(cells).chain(has_change.then_some(change));
            lines.push(line.collect());
        }
        lines
    }
}

/// What comes from a file, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// Markdown's signs in what comes from a file.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in plain(text).chars() {
        if matches!(char, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#') {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

/// The tables as a CSV that a French spreadsheet opens right: UTF-8 with its mark, `;` between cells, decimal commas, and
/// no cell that would be a formula.
pub fn csv(analysis: &Analysis) -> String {
    let mut text = String::from("\u{feff}");
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(";"));
        text.push_str("\r\n");
    };
    let years = analysis.years.iter().map(|year| day(year.end));
    line(
        ["Tableau", "Poste", "Unité"]
            .map(str::to_owned)
            .into_iter()
            .chain(years)
            .chain(["Formule".to_owned()])
            .collect(),
    );
    for table in tables(analysis) {
        for row in &table.rows {
            let unit = match row.unit {
                Unit::Currency => "montant",
                Unit::Percent => "%",
                Unit::Times => "fois",
                Unit::Days => "jours",
            };
            let cells = row.cells.iter().map(|cell| match cell {
                Cell::Value(value) => value.round_dp(6).normalize().to_string().replace('.', ","),
                Cell::Undefined(undefined) => undefined.reason(),
                Cell::Absent => String::new(),
            });
            let head = [table.title.to_owned(), row.label.clone(), unit.to_owned()];
            line(head.into_iter().chain(cells).chain([row.formula.clone().unwrap_or_default()]).collect());
        }
    }
    text
}

fn quoted(cell: &str) -> String {
    // A spreadsheet computes what begins so; a number may begin with a minus sign.
    let is_number = cell.trim_start_matches('-').starts_with(|char: char| char.is_ascii_digit());
    let is_formula = cell.starts_with(['=', '+', '@', '\t', '\r']) || cell.starts_with('-') && !is_number;
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([';', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;
    use crate::statement::{Figure, Year};

    fn statement() -> Statement {
        let year = |year: i32, sales: i64| {
            let lines = [("ventes_marchandises", sales), ("achats_marchandises", 1_200), ("capital", 50)];
            let lines = lines.iter().map(|(id, value)| ((*id).to_owned(), Figure::of(*value))).collect();
            Year { lines, ..Year::ending(NaiveDate::from_ymd_opt(year, 12, 31).unwrap()) }
        };
        let mut statement = Statement { years: vec![year(2023, 1_000), year(2024, 2_000)], ..Statement::default() };
        statement.company.name = Some("Alba *Négoce*".to_owned());
        statement
    }

    #[test]
    fn tables_have_years_side_by_side_and_reasons() {
        let analysis = analyse(&statement());
        let tables = tables(&analysis);
        let row = |label: &str| {
            tables
                .iter()
                .flat_map(|table| &table.rows)
                .find(|row| row.label == label)
                .unwrap_or_else(|| panic!("{label}"))
        };
        assert_eq!(row("Marge commerciale").cells, [Cell::Value((-200).into()), Cell::Value(800.into())]);
        assert_eq!(row("Croissance du chiffre d’affaires").cells[1], Cell::Value(100.into()));
        assert!(matches!(row("Croissance du chiffre d’affaires").cells[0], Cell::Undefined(Undefined::Missing { .. })));
        let written: Vec<String> =
            row("Marge nette").cells.iter().map(|cell| cell.written(Unit::Percent, "EUR")).collect();
        assert_eq!(written, ["−20,0\u{a0}%", "40,0\u{a0}%"]);
        assert_eq!(row("Marge nette").change.as_ref().unwrap().written(Unit::Percent), "+60,0\u{a0}pt");
        assert_eq!(row("Ventes de marchandises").change.as_ref().unwrap().written(Unit::Currency), "+100,0\u{a0}%");
        assert!(tables.iter().flat_map(|table| &table.rows).all(|row| row.label != "Salaires et traitements"));
    }

    #[test]
    fn markdown_says_whose_accounts_what_is_seen_and_what_is_wrong() {
        let statement = statement();
        let place = Place { file: "a.csv".to_owned(), sheet: Some("Bilan".to_owned()), at: "B3".to_owned() };
        let mut report = Report::of(statement);
        report.anomalies.push(Anomaly {
            kind: crate::statement::AnomalyKind::Unreadable,
            message: "«\u{a0}<b>\u{a0}» n’est pas un montant".to_owned(),
            place: Some(place),
            more: 3,
        });
        let text = markdown(&report);
        for part in [
            "# Alba \\*Négoce\\*\n",
            "|  | 31/12/2023 | 31/12/2024 | Variation |",
            "| Chiffre d’affaires net | 1\u{202f}000\u{a0}€ | 2\u{202f}000\u{a0}€ | +100,0\u{a0}% |",
            "## Observations",
            "- 31/12/2023\u{a0}: L’excédent brut d’exploitation est négatif",
            "- «\u{a0}\\<b\\>\u{a0}» n’est pas un montant \\[a.csv, Bilan!B3\\] (et 3 autres)",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn a_csv_is_for_a_french_spreadsheet_and_has_no_formula_of_a_file() {
        let text = csv(&analyse(&statement()));
        assert!(text.starts_with("\u{feff}Tableau;Poste;Unité;31/12/2023;31/12/2024;Formule\r\n"), "{text}");
        assert!(text.contains("Marge commerciale;montant;-200;800;"), "{text}");
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("-12,5"), "-12,5");
        assert_eq!(quoted("-A1"), "'-A1");
        assert_eq!(quoted("a;\"b\""), "\"a;\"\"b\"\"\"");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_statement_makes_it_panic(
            lines in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), 0_usize..8), 0..60), 1..4),
            starts in prop::collection::vec(0_i64..1000, 3),
        ) {
            let extremes = [
                "999999999999999.99999999", "-999999999999999.99999999", "0.00000001", "-0.00000001", "0", "1", "-365", "365",
            ];
            let ids: Vec<&str> = crate::items::all().map(|item| item.id).collect();
            let of_year = |(at, lines): (usize, &Vec<(prop::sample::Index, usize)>)| {
                let figure = |(id, value): &(prop::sample::Index, usize)| {
                    ((*id.get(&ids)).to_owned(), Figure::of(extremes[*value].parse::<Decimal>().unwrap()))
                };
                let end = NaiveDate::from_ymd_opt(2020 + at as i32, 12, 31).unwrap();
                let start = Some(end - chrono::Days::new(starts[at] as u64));
                Year { start, lines: lines.iter().map(figure).collect(), ..Year::ending(end) }
            };
            let years = lines.iter().enumerate().map(of_year).collect();
            let statement = Statement { years, ..Statement::default() };
            prop_assert_eq!(statement.check(), Ok(()));
            let report = Report::of(statement.clone());
            let sheet = crate::check::check(&report.fact_sheet.text, &report.fact_sheet.checkable(), "");
            prop_assert!(sheet.len() >= report.fact_sheet.facts.len());
            let _ = (text(&report), markdown(&report), csv(&report.analysis));
            let json = serde_json::to_string(&report).unwrap();
            prop_assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
        }
    }
}

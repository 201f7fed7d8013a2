//! A company's accounts as the page shows them: what the worker says of them, as far as that is shown.
//!
//! It is written by `zyron_finance::reading` and `zyron_reader`, which say more of each field.

use crate::json::{self, Json};

/// A company's accounts, to be read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Whose they are, as far as the files say.
    pub(crate) company: String,
    /// The years' last days as they are printed, oldest first.
    pub(crate) years: Vec<String>,
    /// The same as dates, such as `2024-12-31`: corrections name a year by it.
    pub(crate) ends: Vec<String>,
    pub(crate) tables: Vec<Table>,
    /// What is beyond a threshold.
    pub(crate) observations: Vec<Point>,
    /// What could not be read, and what does not add up.
    pub(crate) anomalies: Vec<Point>,
    /// What was corrected by hand, in French.
    pub(crate) corrections: Vec<String>,
    /// The lines that a correction can name.
    pub(crate) choices: Vec<Choice>,
    pub(crate) charts: Vec<Chart>,
    /// The accounts as a request has them, in JSON.
    pub(crate) statement: String,
}

/// Where something is, in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// The sheet of a workbook.
    pub(crate) sheet: Option<String>,
    pub(crate) at: String,
}

/// Something to know about the accounts.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) text: String,
    /// The item that it is seen in.
    pub(crate) item: Option<String>,
    /// Where it is in a file.
    pub(crate) place: Option<Place>,
}

/// A table of figures.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// What it is about, in a few words.
    pub(crate) name: String,
    /// The same in full.
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// A figure in each year.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The item's identifier.
    pub(crate) id: String,
    pub(crate) label: String,
    /// By year, oldest first.
    pub(crate) cells: Vec<Cell>,
    /// Against the year before the last.
    pub(crate) change: Option<String>,
    /// How it is computed; nothing for a line, which is only read.
    pub(crate) formula: Option<String>,
    /// What the formula names.
    pub(crate) inputs: Vec<Input>,
    /// Where its definition is from; may be empty.
    pub(crate) definition: String,
}

/// A value of a year.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// As it is printed.
    pub(crate) written: String,
    /// Why there is none.
    pub(crate) reason: Option<String>,
    /// Where the source gives it.
    pub(crate) places: Vec<Place>,
    /// The accounts that it is the sum of.
    pub(crate) accounts: Vec<Account>,
}

/// An item that a formula names.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) id: String,
    pub(crate) label: String,
    /// By year.
    pub(crate) cells: Vec<String>,
}

/// An account of a line.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) number: String,
    pub(crate) label: String,
    /// What it adds to the line.
    pub(crate) written: String,
    pub(crate) places: Vec<Place>,
}

/// A line that a correction can name.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) label: String,
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What can be chosen of it, the last of which is shown first.
    pub(crate) views: Vec<View>,
}

/// What a chart shows.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// What it is chosen by.
    pub(crate) name: String,
    pub(crate) summary: String,
    /// As markup, in which everything that the files say is escaped.
    pub(crate) picture: String,
    /// As markup.
    pub(crate) table: String,
}

/// Where something was read, and what is around it there.
#[derive(Clone, Debug)]
pub(crate) struct Excerpt {
    pub(crate) title: String,
    /// The columns' names.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<ExcerptRow>,
    /// The cell that is the place, in its row; nothing where it is the whole row.
    pub(crate) column: Option<usize>,
}

/// A row of a file.
#[derive(Clone, Debug)]
pub(crate) struct ExcerptRow {
    pub(crate) number: String,
    pub(crate) cells: Vec<String>,
    /// Whether the place is here.
    pub(crate) is_place: bool,
}

impl Reading {
    /// What the worker says.
    pub(crate) fn of(said: &Json) -> Option<Self> {
        let reading = said.field("reading");
        Some(Self {
            company: reading.text("company")?,
            years: reading.texts("years"),
            ends: reading.texts("ends"),
            tables: reading.all("tables", Table::of)?,
            observations: reading.all("observations", Point::of).unwrap_or_default(),
            anomalies: reading.all("anomalies", Point::of).unwrap_or_default(),
            corrections: reading.texts("corrections"),
            choices: reading.all("choices", Choice::of)?,
            charts: said.all("charts", Chart::of)?,
            statement: reading.field("statement").written(),
        })
    }
}

impl Point {
    fn of(point: &Json) -> Option<Self> {
        Some(Self { text: point.text("text")?, item: point.text("item"), place: Place::of(&point.field("place")) })
    }
}

impl Table {
    fn of(table: &Json) -> Option<Self> {
        Some(Self { name: table.text("name")?, title: table.text("title")?, rows: table.all("rows", Row::of)? })
    }
}

impl Row {
    fn of(row: &Json) -> Option<Self> {
        Some(Self {
            id: row.text("id")?,
            label: row.text("label")?,
            cells: row.all("cells", Cell::of)?,
            change: row.text("change"),
            formula: row.text("formula"),
            inputs: row.all("inputs", Input::of).unwrap_or_default(),
            definition: row.text("definition").unwrap_or_default(),
        })
    }
}

impl Cell {
    fn of(cell: &Json) -> Option<Self> {
        Some(Self {
            written: cell.text("written")?,
            reason: cell.text("reason"),
            places: places(cell),
            accounts: cell.all("accounts", Account::of).unwrap_or_default(),
        })
    }
}

impl Input {
    fn of(input: &Json) -> Option<Self> {
        Some(Self { id: input.text("id")?, label: input.text("label")?, cells: input.texts("cells") })
    }
}

impl Account {
    fn of(account: &Json) -> Option<Self> {
        Some(Self {
            number: account.text("number")?,
            label: account.text("label")?,
            written: account.text("written")?,
            places: places(account),
        })
    }
}

impl Choice {
    fn of(choice: &Json) -> Option<Self> {
        Some(Self { id: choice.text("id")?, label: choice.text("label")? })
    }
}

impl Chart {
    fn of(chart: &Json) -> Option<Self> {
        Some(Self { title: chart.text("title")?, views: chart.all("views", View::of)? })
    }
}

impl View {
    fn of(view: &Json) -> Option<Self> {
        Some(Self {
            name: view.text("name")?,
            summary: view.text("summary")?,
            picture: view.text("picture")?,
            table: view.text("table")?,
        })
    }
}

impl Excerpt {
    /// What the worker says.
    pub(crate) fn of(excerpt: &Json) -> Option<Self> {
        Some(Self {
            title: excerpt.text("title")?,
            columns: excerpt.texts("columns"),
            rows: excerpt.all("rows", ExcerptRow::of)?,
            column: excerpt.number("column").map(|column| column as usize),
        })
    }
}

impl ExcerptRow {
    fn of(row: &Json) -> Option<Self> {
        Some(Self { number: row.text("number")?, cells: row.texts("cells"), is_place: row.is("is_place") })
    }
}

impl Place {
    fn of(place: &Json) -> Option<Self> {
        Some(Self { file: place.text("file")?, sheet: place.text("sheet"), at: place.text("at")? })
    }

    /// For a reader: `comptes.xlsx, Bilan!B3`.
    pub(crate) fn written(&self) -> String {
        let sheet = self.sheet.as_ref().map(|sheet| format!("{sheet}!")).unwrap_or_default();
        format!("{}, {sheet}{}", self.file, self.at)
    }

    /// For the worker.
    pub(crate) fn json(&self) -> String {
        let mut fields = vec![("file", json::text(&self.file)), ("at", json::text(&self.at))];
        fields.extend(self.sheet.as_ref().map(|sheet| ("sheet", json::text(sheet))));
        json::object(&fields)
    }
}

fn places(of: &Json) -> Vec<Place> {
    of.all("places", Place::of).unwrap_or_default()
}

//! A workbook of LibreOffice: OpenDocument, of which the part `content.xml` has all cells.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::archive::{Attributes, Node, walk};
use super::{Builder, Cell, number};
use crate::import::ImportError;

/// Where the walk is.
#[derive(Default)]
struct Reader {
    /// Of the row that is read, from 1.
    row: usize,
    /// Rows that are like it, itself among them.
    rows: usize,
    /// Of the next cell, from 0.
    column: usize,
    /// Cells that are like the one that is read.
    columns: usize,
    /// What is in that one, if its attributes say it.
    value: Option<Cell>,
    text: String,
    /// Elements around the text that are no part of it: a note's.
    aside: usize,
    /// The row's cells with their columns.
    cells: Vec<(usize, Cell)>,
}

pub(super) fn read(content: &str, builder: &mut Builder<'_>) -> Result<(), ImportError> {
    let file = builder.file;
    let mut reader = Reader::default();
    walk(content, file, |node| reader.node(&node, builder))
}

impl Reader {
    fn node(&mut self, node: &Node<'_>, builder: &mut Builder<'_>) -> Result<(), ImportError> {
        match node {
            Node::Open("table", attributes) => {
                *self = Self::default();
                builder.sheet(Some(attributes.get("name").unwrap_or_default()))?;
            }
            Node::Open("table-row", attributes) => {
                self.row = self.row.saturating_add(self.rows.max(1));
                self.rows = count(attributes, "number-rows-repeated");
                self.column = 0;
            }
            Node::Close("table-row") => return self.end_row(builder),
            Node::Open("table-cell" | "covered-table-cell", attributes) => {
                self.columns = count(attributes, "number-columns-repeated");
                self.value = value(attributes);
                self.text.clear();
            }
            Node::Close("table-cell" | "covered-table-cell") => return self.end_cell(builder),
            Node::Open("annotation", _) => self.aside += 1,
            Node::Close("annotation") => self.aside = self.aside.saturating_sub(1),
            Node::Open("p", _) if self.aside == 0 && !self.text.is_empty() => self.text.push('\n'),
            Node::Open("s" | "tab" | "line-break", _) if self.aside == 0 => self.text.push(' '),
            Node::Text(text) if self.aside == 0 => self.text.push_str(text),
            _ => {}
        }
        Ok(())
    }

    /// A cell that is repeated a thousand times is the empty rest of a row, so only those with something in them count.
    fn end_cell(&mut self, builder: &Builder<'_>) -> Result<(), ImportError> {
        let cell = self.value.take().unwrap_or_else(|| Cell::text_of(&self.text));
        let first = self.column;
        self.column = first.saturating_add(self.columns);
        if cell == Cell::Empty {
            return Ok(());
        }
        if self.column > super::COLUMNS {
            return Err(builder.too_large(format!("plus de {} colonnes", super::COLUMNS)));
        }
        self.cells.extend((first..self.column).map(|column| (column, cell.clone())));
        Ok(())
    }

    fn end_row(&mut self, builder: &mut Builder<'_>) -> Result<(), ImportError> {
        let cells = std::mem::take(&mut self.cells);
        if cells.is_empty() {
            return Ok(());
        }
        for row in self.row..self.row.saturating_add(self.rows) {
            for (column, cell) in &cells {
                builder.cell(row, *column, cell.clone())?;
            }
        }
        Ok(())
    }
}

/// How often a row or a cell is repeated.
fn count(attributes: &Attributes<'_>, name: &str) -> usize {
    attributes.get(name).and_then(|count| count.parse().ok()).unwrap_or(1_usize).clamp(1, 10_000_000)
}

/// What a cell's attributes say that is in it.
fn value(attributes: &Attributes<'_>) -> Option<Cell> {
    let kind = attributes.get("value-type")?;
    let number = || number(&attributes.get("value")?);
    match kind.as_str() {
        "float" | "currency" => number().map(Cell::Number),
        "percentage" => number().map(|share| Cell::Percent(share * Decimal::ONE_HUNDRED)),
        "date" => {
            let text = attributes.get("date-value")?;
            NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok().map(Cell::Date)
        }
        _ => None,
    }
}

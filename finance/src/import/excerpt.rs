//! A place of a file, opened: what stands there and around it, as a reader finds it in the file.
//!
//! What is shown is bounded, whatever the file has. What it means is the other modules' work.

mod ledger;
mod sheet;

use serde::{Deserialize, Serialize};

use super::{ImportError, esef, is_fec, is_report};
use crate::amount;
use crate::statement::Place;

/// Rows before a place and after it.
pub(super) const AROUND: usize = 4;
/// Columns that are shown.
const COLUMNS: usize = 30;
/// Characters of a cell.
const CELL: usize = 200;

/// A place and what is around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The place: `comptes.xlsx, Bilan!B3`.
    pub title: String,
    /// The columns' names, or their letters in a workbook; empty where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// In the file's order.
    pub rows: Vec<ExcerptRow>,
    /// The cell that is the place, in its row; nothing where it is the whole row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

/// A row of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcerptRow {
    /// Its number in the file; empty where rows have none.
    pub number: String,
    /// What is in it.
    pub cells: Vec<String>,
    /// Whether the place is here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_place: bool,
}

/// What is at `place` in a file of any kind that [`read`](super::read) reads, and around it. A place that is the lines of
/// an account shows the first of them and nothing else. `name` is the file's, as it was read with; the place may be in a
/// file inside it.
///
/// # Errors
/// Where the file has no such place, is damaged, or is of no kind that is read.
pub fn excerpt(bytes: &[u8], name: &str, place: &Place) -> Result<Excerpt, ImportError> {
    let excerpt = if is_report(bytes) {
        esef::excerpt(bytes, name, place)?
    } else if is_fec(bytes) {
        ledger::excerpt(bytes, place)
    } else {
        sheet::excerpt(bytes, name, place)?
    };
    let Some(excerpt) = excerpt.filter(|excerpt| excerpt.rows.iter().any(|row| row.is_place)) else {
        let reason = format!("l’endroit «\u{a0}{}\u{a0}» n’y est pas", cut(&place.at));
        return Err(ImportError::Read { file: name.to_owned(), reason });
    };
    Ok(Excerpt { title: place.written(), ..excerpt.bounded() })
}

impl Excerpt {
    /// With no more columns and characters than are shown, the place among them.
    fn bounded(mut self) -> Self {
        let first = self.column.map_or(0, |column| (column + 1).saturating_sub(COLUMNS));
        self.column = self.column.map(|column| column - first);
        for cells in self.rows.iter_mut().map(|row| &mut row.cells).chain([&mut self.columns]) {
            *cells = cells.iter().skip(first).take(COLUMNS).map(|cell| cut(cell)).collect();
        }
        self
    }
}

/// A text in one line, shortened to what a cell shows.
fn cut(text: &str) -> String {
    // A number's groups stay together.
    let is_space = |char: char| char.is_whitespace() && !matches!(char, amount::THIN_SPACE | amount::NO_BREAK_SPACE);
    let words = text.split(is_space).filter(|word| !word.is_empty());
    let line = words.take(CELL).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CELL) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests;

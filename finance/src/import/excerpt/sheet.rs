//! A place of a workbook or of a text with separators: the rows around it, and the one that says what the columns are.

use super::{AROUND, Excerpt, ExcerptRow};
use crate::import::ImportError;
use crate::import::heading::when;
use crate::import::table::{self, Cell, Row, Sheet, letters};
use crate::statement::Place;

/// Rows of the top of a sheet that may name the columns.
const TOP: usize = 40;

/// Nothing where there is no such cell.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn excerpt(bytes: &[u8], name: &str, place: &Place) -> Result<Option<Excerpt>, ImportError> {
    let workbook = table::read(bytes, name)?;
    let sheet = |name: Option<&str>| workbook.sheets.iter().find(|sheet| sheet.name.as_deref() == name);
    let place = match (&place.sheet, place.at.split_once(table::LINE)) {
        (None, Some((page, line))) if workbook.is_pdf => sheet(Some(page)).zip(line.parse().ok()).map(|at| (at, None)),
        (Some(name), _) => {
            let address = table::address(&place.at);
            sheet(Some(name)).zip(address).map(|(sheet, (row, column))| ((sheet, row), Some(column)))
        }
        (None, _) => sheet(None).zip(place.at.parse().ok()).map(|at| (at, None)),
    };
    Ok(place.and_then(|((sheet, row), column)| around(sheet, row, column)))
}

fn around(sheet: &Sheet, number: usize, column: Option<usize>) -> Option<Excerpt> {
    let place = sheet.rows.iter().position(|row| row.number == number)?;
    let (first, last) = (place.saturating_sub(AROUND), (place + AROUND + 1).min(sheet.rows.len()));
    let shown = sheet.rows.get(first..last)?;
    let heading = heading(sheet, place);
    // It has a row of its own where it is not among them.
    let above = heading.filter(|at| *at < first && column.is_some()).and_then(|at| sheet.rows.get(at));
    let all: Vec<&Row> = above.into_iter().chain(shown).collect();
    let width = all.iter().filter_map(|row| row.cells().last()).map(|(column, _)| column + 1).max()?;
    let cells = |row: &Row| (0..width).map(|column| shown_as(row.get(column))).collect::<Vec<_>>();
    let columns = match column {
        Some(_) => (0..width).map(letters).collect(),
        None => heading.and_then(|at| sheet.rows.get(at)).map(cells).unwrap_or_default(),
    };
    let is_heading = |row: &Row| column.is_none() && heading.is_some_and(|at| sheet.rows[at].number == row.number);
    let row =
        |row: &&Row| ExcerptRow { number: row.number.to_string(), cells: cells(row), is_place: row.number == number };
    let rows = all.iter().filter(|row| !is_heading(row)).map(row).collect();
    Some(Excerpt { columns, rows, column: column.filter(|column| *column < width), ..Excerpt::default() })
}

/// The row above `place` that says most of what the columns are: the one with the most texts, and no amount.
fn heading(sheet: &Sheet, place: usize) -> Option<usize> {
    let texts = |row: &Row| {
        let is_amount = |cell: &Cell| cell.is_amount(sheet.notation) && when(&cell.text()).is_none();
        let count = row.cells().count();
        (count > 1 && !row.cells().any(|(_, cell)| is_amount(cell))).then_some(count)
    };
    let rows = sheet.rows.iter().take(place.min(TOP)).enumerate();
    let counted = rows.filter_map(|(at, row)| Some((texts(row)?, at)));
    // The first of those with equally many.
    counted.rev().max_by_key(|(count, _)| *count).map(|(_, at)| at)
}

/// Numbers as French writes them, without groups: an account's number has none.
fn shown_as(cell: &Cell) -> String {
    match cell {
        Cell::Number(_) | Cell::Percent(_) => cell.text().replace('.', ","),
        _ => cell.text().into_owned(),
    }
}

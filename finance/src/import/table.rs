//! Tables as companies have them, a text or a workbook, as sheets of cells with their addresses.
//!
//! What the cells mean is the work of [`super::trial_balance`] and [`super::presentation`]. Excel's format of before
//! 2007 is not read: its error says how to get another. Workbooks are read with `zip` and `quick-xml`, not calamine:
//! version 0.38 takes memory by sizes that a file declares and panics on some that are damaged.

mod archive;
mod delimited;
#[cfg(test)]
pub(super) mod made;
mod ods;
mod pages;
mod xlsx;

use std::borrow::Cow;

use chrono::NaiveDate;
use rust_decimal::Decimal;

pub(super) use self::xlsx::address;
use super::ImportError;
use super::heading::is_date;
use crate::amount::{self, AmountError, Notation};
use crate::statement::{Place, day};

/// More of anything than this is in no company's accounts; what is beyond is an error, never left out.
const SHEETS: usize = 100;
const COLUMNS: usize = 200;
const CELLS: usize = 1_000_000;
/// Bytes of text in all cells.
const TEXT: usize = 64 << 20;

/// Between the page and the line of a place in a PDF.
pub(super) const LINE: &str = ", ligne ";

/// What a formula that failed leaves in its cell.
const ERRORS: [&str; 11] =
    ["#DIV/0!", "#N/A", "#NAME?", "#NOM?", "#NOMBRE!", "#NUL!", "#NULL!", "#NUM!", "#REF!", "#VALEUR!", "#VALUE!"];

/// A file's sheets.
#[derive(Debug)]
pub(super) struct Workbook {
    pub(super) file: String,
    pub(super) sheets: Vec<Sheet>,
    /// Whether its sheets are pages.
    pub(super) is_pdf: bool,
}

/// Rows with something in them, in their order.
#[derive(Debug)]
pub(super) struct Sheet {
    /// Nothing where the file is a text.
    pub(super) name: Option<String>,
    pub(super) rows: Vec<Row>,
    /// How its texts write amounts.
    pub(super) notation: Notation,
}

#[derive(Debug)]
pub(super) struct Row {
    /// From 1.
    pub(super) number: usize,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Cell {
    #[default]
    Empty,
    /// Without the spaces around it; never empty.
    Text(String),
    /// As it is shown: a number that its format shows in thousands is in thousands.
    Number(Decimal),
    /// A number that is shown in percent.
    Percent(Decimal),
    Date(NaiveDate),
    /// What a formula failed with.
    Error(String),
}

/// Whether an archive is a workbook, as far as its parts say; a damaged one may be.
pub(super) fn is_workbook(bytes: &[u8]) -> bool {
    archive::Archive::open(bytes, "").map_or(true, |archive| archive.is_workbook())
}

/// Reads a file that is one of these, by what is in it.
///
/// # Errors
/// Where it is damaged, too large, or in another format.
pub(super) fn read(bytes: &[u8], file: &str) -> Result<Workbook, ImportError> {
    let mut builder = Builder::new(file);
    match bytes {
        [b'P', b'K', 3, 4, ..] => {
            let mut archive = archive::Archive::open(bytes, file)?;
            match archive.part("content.xml")? {
                Some(content) => ods::read(&content, &mut builder)?,
                None => xlsx::read(&mut archive, &mut builder)?,
            }
        }
        [0xD0, 0xCF, 0x11, 0xE0, ..] => {
            let what = "les classeurs protégés par un mot de passe et ceux d’Excel 97-2003 (.xls) ne sont pas \
                        lus\u{a0}; enregistrez-le au format .xlsx, sans mot de passe";
            return Err(ImportError::Unsupported { file: file.to_owned(), what: what.to_owned() });
        }
        bytes if bytes.starts_with(pages::MARK) => pages::read(bytes, &mut builder)?,
        _ => delimited::read(bytes, &mut builder)?,
    }
    Ok(builder.finish())
}

impl Workbook {
    /// Where a cell is.
    pub(super) fn place(&self, sheet: &Sheet, row: &Row, column: usize) -> Place {
        let at = match &sheet.name {
            Some(page) if self.is_pdf => format!("{page}{LINE}{}", row.number),
            Some(_) => format!("{}{}", letters(column), row.number),
            None => row.number.to_string(),
        };
        Place { file: self.file.clone(), sheet: sheet.name.clone().filter(|_| !self.is_pdf), at }
    }
}

impl Row {
    pub(super) fn get(&self, column: usize) -> &Cell {
        self.cells.get(column).unwrap_or(&Cell::Empty)
    }

    /// Those that are not empty, with their columns from 0.
    pub(super) fn cells(&self) -> impl DoubleEndedIterator<Item = (usize, &Cell)> {
        self.cells.iter().enumerate().filter(|(_, cell)| **cell != Cell::Empty)
    }
}

impl Cell {
    fn text_of(text: &str) -> Self {
        match text.trim_matches(|char: char| char.is_whitespace() || char == '\u{feff}') {
            "" => Self::Empty,
            text if ERRORS.contains(&text) || text.starts_with("Err:") => Self::Error(text.to_owned()),
            text => Self::Text(text.to_owned()),
        }
    }

    /// What a reader sees, more or less.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Text(text) | Self::Error(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number.normalize().to_string()),
            Self::Percent(share) => Cow::Owned(format!("{}\u{a0}%", share.normalize())),
            Self::Date(date) => Cow::Owned(day(*date)),
        }
    }

    /// Its amount; nothing where it is empty or has only a dash.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn amount(&self, notation: Notation) -> Result<Option<Decimal>, AmountError> {
        match self {
            Self::Empty => Ok(None),
            Self::Number(number) => Ok(Some(*number)),
            Self::Text(text) => amount::read(text, notation),
            other => Err(AmountError::NotANumber(other.text().into_owned())),
        }
    }

    /// Whether it may be an amount, well or badly written: what is no word.
    pub(super) fn is_amount(&self, notation: Notation) -> bool {
        match self {
            Self::Empty | Self::Date(_) => false,
            Self::Number(_) | Self::Percent(_) | Self::Error(_) => true,
            Self::Text(text) if is_date(text) => false,
            Self::Text(text) => {
                let starts = text.starts_with(|char: char| char.is_ascii_digit() || "-+(−–.,".contains(char));
                let letters = text.chars().filter(|char| char.is_alphabetic()).count();
                let digits = text.chars().filter(char::is_ascii_digit).count();
                self.amount(notation).is_ok() || starts && letters < 3 && digits > 0
            }
        }
    }
}

/// A number of a workbook: a binary fraction, which is shown with 15 digits. Nothing where it is too large.
fn number(text: &str) -> Option<Decimal> {
    let number: f64 = text.trim().parse().ok()?;
    if number.abs() < 1e-9 {
        return Some(Decimal::ZERO);
    }
    amount::checked(Decimal::from_scientific(&format!("{number:.14e}")).ok()?)
}

/// The letters of a column: `A`, `Z`, `AA`.
pub(super) fn letters(column: usize) -> String {
    let letter = char::from(b'A' + (column % 26) as u8);
    match column / 26 {
        0 => letter.to_string(),
        more => letters(more - 1) + &letter.to_string(),
    }
}

/// Puts a workbook together, and counts what is in it.
struct Builder<'a> {
    file: &'a str,
    sheets: Vec<Sheet>,
    cells: usize,
    text: usize,
    is_pdf: bool,
}

impl<'a> Builder<'a> {
    fn new(file: &'a str) -> Self {
        Self { file, sheets: Vec::new(), cells: 0, text: 0, is_pdf: false }
    }

    /// What follows is on another sheet.
    fn sheet(&mut self, name: Option<String>) -> Result<(), ImportError> {
        if self.sheets.len() == SHEETS {
            return Err(self.too_large(format!("plus de {SHEETS} feuilles")));
        }
        self.sheets.push(Sheet { name, rows: Vec::new(), notation: Notation::default() });
        Ok(())
    }

    /// Adds a cell to the last sheet, `row` from 1 and `column` from 0. Rows come in their order.
    fn cell(&mut self, row: usize, column: usize, cell: Cell) -> Result<(), ImportError> {
        if cell == Cell::Empty {
            return Ok(());
        }
        if column >= COLUMNS {
            return Err(self.too_large(format!("plus de {COLUMNS} colonnes")));
        }
        if let Cell::Text(text) | Cell::Error(text) = &cell {
            self.text += text.len();
        }
        let damaged = || ImportError::damaged(self.file, "les lignes ne sont pas dans l’ordre");
        let rows = &mut self.sheets.last_mut().ok_or_else(damaged)?.rows;
        match rows.last() {
            Some(last) if last.number > row => return Err(damaged()),
            Some(last) if last.number == row => {}
            _ => rows.push(Row { number: row, cells: Vec::new() }),
        }
        let cells = &mut rows.last_mut().ok_or_else(damaged)?.cells;
        let before = cells.len();
        cells.resize(before.max(column + 1), Cell::Empty);
        self.cells += cells.len() - before;
        cells[column] = cell;
        if self.cells > CELLS {
            return Err(self.too_large("plus d’un million de cellules"));
        }
        if self.text > TEXT {
            return Err(self.too_large("plus de texte qu’il n’est permis"));
        }
        Ok(())
    }

    fn too_large(&self, what: impl Into<String>) -> ImportError {
        ImportError::too_large(self.file, what)
    }

    fn finish(mut self) -> Workbook {
        for sheet in &mut self.sheets {
            let cells = sheet.rows.iter().flat_map(Row::cells);
            let texts =
                cells.filter_map(|(_, cell)| if let Cell::Text(text) = cell { Some(text.as_str()) } else { None });
            let is_number = |text: &&str| text.chars().all(|char| !char.is_alphabetic() && char != '/');
            sheet.notation = Notation::of(texts.filter(is_number));
        }
        Workbook { file: self.file.to_owned(), sheets: self.sheets, is_pdf: self.is_pdf }
    }
}

#[cfg(test)]
mod tests;

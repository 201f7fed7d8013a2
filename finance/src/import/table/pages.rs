//! The pages of a PDF, as `zyron-pdf` gives them: JSON, each page with its lines and each line with its cells. A page is
//! a sheet; one without a table, but for the first few, which say whose the accounts are, is left out.

use serde::Deserialize;

use super::{Builder, Cell};
use crate::import::ImportError;

/// What such a file begins with.
pub(super) const MARK: &[u8] = br#"{"pages":"#;
/// Pages that may say whose the accounts are, and of when.
const FIRST: usize = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    pages: Vec<Vec<Vec<String>>>,
}

pub(super) fn read(bytes: &[u8], builder: &mut Builder<'_>) -> Result<(), ImportError> {
    let damaged = |_| ImportError::damaged(builder.file, "le texte du PDF est mal formé");
    let Pages { pages } = serde_json::from_slice(bytes).map_err(damaged)?;
    builder.is_pdf = true;
    for (at, page) in pages.iter().enumerate() {
        let is_table = page.iter().any(|line| line.iter().filter(|cell| !cell.is_empty()).count() > 1);
        if at >= FIRST && !is_table {
            continue;
        }
        builder.sheet(Some(format!("p. {}", at + 1)))?;
        for (number, line) in (1..).zip(page) {
            for (column, cell) in line.iter().enumerate() {
                builder.cell(number, column, Cell::text_of(cell))?;
            }
        }
    }
    Ok(())
}

//! The text of a PDF, as it stands on its pages: lines, and in them the cells of tables.
//!
//! A module of its own, which the worker loads with the first PDF. Nothing is recognised in pictures: a scan has no text
//! unless a program has put one behind it. A page that is damaged has what could be read of it.

mod content;
mod layout;

use hayro_font::hayro_syntax::{LoadPdfError, Pdf};
use serde::Serialize;
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;

/// More than this is in no report.
const PAGES: usize = 2_000;
/// Characters of all pages that are kept.
const CHARACTERS: usize = 4_000_000;

/// A PDF's pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Text {
    /// In their order.
    pub pages: Vec<Page>,
}

/// The lines of a page from its top to its bottom. The cells of a line are in the columns of its page, those that are
/// empty among them; a line of running text is one cell.
pub type Page = Vec<Vec<String>>;

/// Why a PDF has no text. The texts are for French readers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PdfError {
    /// It is none, or too damaged.
    #[error("ce n’est pas un PDF lisible")]
    Damaged,
    /// Only who has its password can read it.
    #[error("ce PDF est protégé par un mot de passe\u{a0}: enregistrez-le sans protection")]
    Protected,
    /// It has too many pages.
    #[error("ce PDF a plus de {PAGES} pages")]
    TooLarge,
    /// All its pages are pictures, or empty.
    #[error("ce PDF n’a pas de texte\u{a0}: c’est sans doute une image numérisée, qui n’est pas lue")]
    NoText,
}

/// Reads a PDF.
///
/// # Errors
/// Where it is damaged, protected or too large, or has no text.
pub fn read(bytes: Vec<u8>) -> Result<Text, PdfError> {
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => PdfError::Protected,
        LoadPdfError::Invalid => PdfError::Damaged,
    })?;
    if pdf.pages().len() > PAGES {
        return Err(PdfError::TooLarge);
    }
    let (mut text, mut room) = (Text::default(), CHARACTERS);
    let mut reader = content::Reader::new();
    for page in pdf.pages().iter() {
        let glyphs = reader.read(page, room);
        room = room.saturating_sub(glyphs.len());
        text.pages.push(layout::page(glyphs));
    }
    if text.pages.iter().all(Vec::is_empty) { Err(PdfError::NoText) } else { Ok(text) }
}

/// Reads a PDF to a [`Text`] as JSON.
///
/// # Errors
/// What is wrong, in French.
#[wasm_bindgen]
pub fn pages(bytes: Vec<u8>) -> Result<String, String> {
    console_error_panic_hook::set_once();
    let text = read(bytes).map_err(|error| error.to_string())?;
    serde_json::to_string(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

//! A place of a report: the row of a table that a tagged number is in, or the paragraph, and those before and after it.

use std::collections::VecDeque;
use std::io::Read;

use quick_xml::name::NamespaceResolver;

use super::MOST_BYTES;
use super::document::place_of;
use super::package::Package;
use super::xml::{self, Element, Handler};
use crate::import::ImportError;
use crate::import::excerpt::{AROUND, Excerpt, ExcerptRow};
use crate::statement::Place;

/// Bytes of a cell that are kept.
const MOST_TEXT: usize = 1_000;
/// Cells of a row.
const MOST_CELLS: usize = 100;

/// Nothing where the report has no such element.
///
/// # Errors
/// Where it is damaged before that.
pub(in crate::import) fn excerpt(bytes: &[u8], name: &str, place: &Place) -> Result<Option<Excerpt>, ImportError> {
    if !Package::is(bytes) {
        return document(bytes, name, place);
    }
    let mut package = Package::open(bytes, name)?;
    if package.documents().report.iter().all(|path| *path != place.file) {
        return Ok(None);
    }
    document(package.file(&place.file)?, &place.file, place)
}

fn document(input: impl Read, file: &str, place: &Place) -> Result<Option<Excerpt>, ImportError> {
    let mut finder = Finder { file, at: &place.at, ..Finder::default() };
    let mut room = MOST_BYTES;
    let read = xml::read(input, file, &mut room, &mut finder);
    if finder.found.is_none() {
        return read.map(|()| None);
    }
    finder.end_line();
    let row = |line: Line| ExcerptRow { number: String::new(), cells: line.cells, is_place: line.place.is_some() };
    let column = finder.lines.iter().find_map(|line| line.place.filter(|_| line.cells.len() > 1));
    Ok(Some(Excerpt { rows: finder.lines.into_iter().map(row).collect(), column, ..Excerpt::default() }))
}

/// A row of a table, or a paragraph.
#[derive(Default)]
struct Line {
    cells: Vec<String>,
    /// The cell with the element in it.
    place: Option<usize>,
}

#[derive(Default)]
struct Finder<'a> {
    file: &'a str,
    /// The element's place.
    at: &'a str,
    /// Elements that have begun and not ended: all, the one whose text nobody sees, and rows of tables.
    depth: usize,
    hidden: Option<usize>,
    rows: Vec<usize>,
    /// The element, where nobody sees it, and what hides it.
    shown: Option<(usize, usize)>,
    /// The last lines, until there are enough after the one with the element.
    lines: VecDeque<Line>,
    line: Line,
    /// The lines that there were before the one with the element.
    found: Option<usize>,
    after: usize,
}

impl Handler for Finder<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), ImportError> {
        self.depth += 1;
        let (namespace, name) = element.name();
        let is_it = self.found.is_none() && place_of(self.file, element).at == self.at;
        // A header of HTML is seen, that of Inline XBRL is not.
        let is_unseen =
            matches!(name, "head" | "style" | "script") || name == "header" && namespace.contains("inlineXBRL");
        if self.hidden.is_none() && is_unseen {
            self.hidden = Some(self.depth);
        }
        match name {
            "tr" => {
                self.end_line();
                self.rows.push(self.depth);
            }
            "td" | "th" if self.line.cells.len() < MOST_CELLS => self.line.cells.push(String::new()),
            name if is_block(name) && self.rows.is_empty() => self.end_line(),
            _ => {}
        }
        if is_it {
            self.shown = self.hidden.take().map(|hidden| (self.depth, hidden));
            self.found = Some(self.lines.len());
            self.line.place = Some(self.line.cells.len().saturating_sub(1));
        }
        if self.after > AROUND {
            // It is enough: what this says is not looked at.
            return Err(ImportError::Unknown(self.file.to_owned()));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_some() {
            return;
        }
        if self.line.cells.is_empty() {
            if text.trim().is_empty() {
                return;
            }
            self.line.cells.push(String::new());
        }
        if let Some(cell) = self.line.cells.last_mut() {
            let room = MOST_TEXT.saturating_sub(cell.len());
            cell.extend(text.chars().take(room));
        }
    }

    fn end(&mut self, _: &NamespaceResolver) {
        if self.rows.pop_if(|row| *row == self.depth).is_some() {
            self.end_line();
        }
        self.hidden = self.hidden.filter(|hidden| *hidden != self.depth);
        if let Some((_, hidden)) = self.shown.take_if(|(depth, _)| *depth == self.depth) {
            self.end_line();
            self.hidden = Some(hidden);
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

impl Finder<'_> {
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.place.is_none() && line.cells.iter().all(|cell| cell.trim().is_empty()) {
            return;
        }
        match self.found {
            Some(_) => self.after += 1,
            None if self.lines.len() == AROUND => drop(self.lines.pop_front()),
            None => {}
        }
        self.lines.push_back(line);
    }
}

/// Whether an element of HTML begins a line.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div" | "li" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "section" | "dt" | "dd" | "br"
    )
}

//! A workbook of Excel since 2007: SpreadsheetML (ECMA-376), each sheet a part, texts and formats in parts of their
//! own.
//!
//! What formulas were computed to is read, not the formulas.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

use super::archive::{Archive, Attributes, Node, walk};
use super::{Builder, Cell, damaged, number};
use crate::import::ImportError;

/// How a number is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    #[default]
    Plain,
    Date,
    Percent,
    /// Divided by a thousand so many times.
    Thousands(u32),
}

/// What the sheets refer to.
#[derive(Default)]
struct Shared {
    texts: Vec<String>,
    /// By the number of a cell's style.
    formats: Vec<Format>,
    /// Whether days are counted from 1904, as on an old Macintosh.
    is_1904: bool,
}

pub(super) fn read(archive: &mut Archive<'_>, builder: &mut Builder<'_>) -> Result<(), ImportError> {
    let file = builder.file;
    let missing = || damaged(file, "ce n’est pas un classeur");
    let (workbook, _) = relations(archive, file, "", "_rels/.rels")?
        .into_values()
        .find(|(_, kind)| kind.ends_with("/officeDocument"))
        .ok_or_else(missing)?;
    let (folder, name) = workbook.rsplit_once('/').unwrap_or(("", &workbook));
    let parts = relations(archive, file, folder, &format!("{folder}/_rels/{name}.rels"))?;
    let of_kind = |wanted: &str| parts.values().find(|(_, kind)| kind.ends_with(wanted)).map(|(path, _)| path.as_str());
    let mut shared = Shared::default();
    if let Some(xml) = part(archive, of_kind("/sharedStrings"))? {
        shared.texts = texts(&xml, file)?;
    }
    if let Some(xml) = part(archive, of_kind("/styles"))? {
        shared.formats = formats(&xml, file)?;
    }
    let mut sheets = Vec::new();
    walk(&archive.part(&workbook)?.ok_or_else(missing)?, file, |node| {
        match node {
            Node::Open("workbookPr", attributes) => {
                shared.is_1904 = attributes.get("date1904").is_some_and(|value| value == "1" || value == "true");
            }
            Node::Open("sheet", attributes) => {
                let name = attributes.get("name").unwrap_or_default();
                sheets.push((name, attributes.get("id").unwrap_or_default()));
            }
            _ => {}
        }
        Ok(())
    })?;
    for (name, id) in sheets {
        // Others are charts and the like.
        let Some((path, _)) = parts.get(&id).filter(|(_, kind)| kind.ends_with("/worksheet")) else { continue };
        builder.sheet(Some(name))?;
        let xml = archive.part(path)?.ok_or_else(missing)?;
        let mut sheet = Sheet::new(&shared);
        walk(&xml, file, |node| sheet.node(&node, builder))?;
    }
    Ok(())
}

fn part(archive: &mut Archive<'_>, path: Option<&str>) -> Result<Option<String>, ImportError> {
    path.map_or(Ok(None), |path| archive.part(path))
}

/// By their identifiers the parts that a part refers to: their paths and what they are.
fn relations(
    archive: &mut Archive<'_>,
    file: &str,
    folder: &str,
    path: &str,
) -> Result<HashMap<String, (String, String)>, ImportError> {
    let mut relations = HashMap::new();
    let Some(xml) = archive.part(path.trim_start_matches('/'))? else { return Ok(relations) };
    walk(&xml, file, |node| {
        if let Node::Open("Relationship", attributes) = node {
            let get = |name| attributes.get(name).unwrap_or_default();
            relations.insert(get("Id"), (resolved(folder, &get("Target")), get("Type")));
        }
        Ok(())
    })?;
    Ok(relations)
}

/// The path of a target, which is beside a folder's parts or begins at the root.
fn resolved(folder: &str, target: &str) -> String {
    let whole = if target.starts_with('/') { target.to_owned() } else { format!("{folder}/{target}") };
    let mut path: Vec<&str> = Vec::new();
    for step in whole.split('/').filter(|step| !step.is_empty() && *step != ".") {
        if step == ".." {
            path.pop();
        } else {
            path.push(step);
        }
    }
    path.join("/")
}

/// The texts that cells share.
fn texts(xml: &str, file: &str) -> Result<Vec<String>, ImportError> {
    let mut texts: Vec<String> = Vec::new();
    // Japanese texts have how they are spoken beside them.
    let (mut is_text, mut is_aside) = (false, false);
    walk(xml, file, |node| {
        match node {
            Node::Open("si", _) => texts.push(String::new()),
            Node::Open("rPh", _) => is_aside = true,
            Node::Close("rPh") => is_aside = false,
            Node::Open("t", _) => is_text = !is_aside,
            Node::Close("t") => is_text = false,
            Node::Text(text) if is_text => texts.last_mut().into_iter().for_each(|last| last.push_str(text)),
            _ => {}
        }
        Ok(())
    })?;
    Ok(texts)
}

/// By the numbers of styles how they show numbers.
fn formats(xml: &str, file: &str) -> Result<Vec<Format>, ImportError> {
    let (mut codes, mut formats) = (HashMap::new(), Vec::new());
    let mut is_of_cells = false;
    walk(xml, file, |node| {
        match node {
            Node::Open("numFmt", attributes) => {
                let code = attributes.get("formatCode").unwrap_or_default();
                codes.insert(attributes.get("numFmtId").unwrap_or_default(), format_of(&code));
            }
            Node::Open("cellXfs", _) => is_of_cells = true,
            Node::Close("cellXfs") => is_of_cells = false,
            Node::Open("xf", attributes) if is_of_cells => {
                let id = attributes.get("numFmtId").unwrap_or_default();
                formats.push(codes.get(&id).copied().unwrap_or_else(|| built_in(&id)));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(formats)
}

/// The formats that have no code in the file.
fn built_in(id: &str) -> Format {
    match id.parse() {
        Ok(9 | 10) => Format::Percent,
        Ok(14..=17 | 22 | 27..=36 | 50..=58) => Format::Date,
        _ => Format::Plain,
    }
}

/// The format with this code: `dd/mm/yyyy`, `0.0%`, `#,##0,` (thousands).
fn format_of(code: &str) -> Format {
    let mut plain = String::new();
    let mut chars = code.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => chars.by_ref().find(|char| *char == '"').map_or((), |_| ()),
            '[' => chars.by_ref().find(|char| *char == ']').map_or((), |_| ()),
            '\\' | '_' | '*' => chars.next().map_or((), |_| ()),
            // Negative numbers are shown in the same way.
            ';' => break,
            char => plain.extend(char.to_lowercase()),
        }
    }
    if plain.contains(['y', 'd']) {
        return Format::Date;
    }
    if plain.contains('%') {
        return Format::Percent;
    }
    let digits: String = plain.chars().filter(|char| "0#?,".contains(*char)).collect();
    match digits.chars().rev().take_while(|char| *char == ',').count() {
        0 => Format::Plain,
        times => Format::Thousands(times as u32),
    }
}

/// Where the walk through a sheet is.
struct Sheet<'a> {
    shared: &'a Shared,
    /// From 1.
    row: usize,
    /// Of the next cell, from 0.
    column: usize,
    /// The cell's type, and how it shows a number.
    kind: String,
    format: Format,
    /// Its text as far as it was read, and whether the walk is in it.
    value: String,
    is_value: bool,
}

impl<'a> Sheet<'a> {
    fn new(shared: &'a Shared) -> Self {
        let (kind, value) = (String::new(), String::new());
        Self { shared, row: 0, column: 0, kind, format: Format::Plain, value, is_value: false }
    }

    fn node(&mut self, node: &Node<'_>, builder: &mut Builder<'_>) -> Result<(), ImportError> {
        match node {
            Node::Open("row", attributes) => {
                let row = attributes.get("r").and_then(|row| row.parse().ok());
                (self.row, self.column) = (row.unwrap_or(self.row.saturating_add(1)), 0);
            }
            Node::Open("c", attributes) => self.begin(attributes),
            Node::Open("v" | "t", _) => self.is_value = true,
            Node::Text(text) if self.is_value => self.value.push_str(text),
            Node::Close("v" | "t") => self.is_value = false,
            Node::Close("c") => {
                builder.cell(self.row, self.column, self.cell())?;
                self.column = self.column.saturating_add(1);
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, attributes: &Attributes<'_>) {
        if let Some((row, column)) = attributes.get("r").and_then(|at| address(&at)) {
            (self.row, self.column) = (row, column);
        }
        self.value.clear();
        self.kind = attributes.get("t").unwrap_or_default();
        let style: Option<usize> = attributes.get("s").and_then(|style| style.parse().ok());
        self.format = style.and_then(|style| self.shared.formats.get(style)).copied().unwrap_or_default();
    }

    fn cell(&self) -> Cell {
        let value = self.value.as_str();
        match self.kind.as_str() {
            "s" => {
                let text = value.trim().parse().ok().and_then(|at: usize| self.shared.texts.get(at));
                text.map_or(Cell::Empty, |text| Cell::text_of(&text.replace("_x000D_", "")))
            }
            "e" if !value.is_empty() => Cell::Error(value.to_owned()),
            "b" if !value.is_empty() => Cell::text_of(if value == "1" { "VRAI" } else { "FAUX" }),
            "str" | "inlineStr" => Cell::text_of(value),
            "d" => {
                let date = value.get(..10).and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
                date.map_or_else(|| Cell::text_of(value), Cell::Date)
            }
            _ => self.shown(number(value), value),
        }
    }

    fn shown(&self, number: Option<Decimal>, value: &str) -> Cell {
        let Some(number) = number else { return Cell::text_of(value) };
        match self.format {
            Format::Plain => Cell::Number(number),
            Format::Percent => Cell::Percent(number * Decimal::ONE_HUNDRED),
            Format::Thousands(times) => {
                Cell::Number((0..times.min(3)).fold(number, |number, _| number / Decimal::ONE_THOUSAND))
            }
            Format::Date => date(number, self.shared.is_1904).map_or(Cell::Number(number), Cell::Date),
        }
    }
}

/// The day of a number of days.
fn date(number: Decimal, is_1904: bool) -> Option<NaiveDate> {
    // Excel has a 29 February 1900, so that this holds from March on; earlier days are in no accounts.
    let first = if is_1904 { NaiveDate::from_ymd_opt(1904, 1, 1) } else { NaiveDate::from_ymd_opt(1899, 12, 30) };
    let days: u64 = number.trunc().try_into().ok()?;
    first?.checked_add_days(Days::new(days.min(3_000_000)))
}

/// The row, from 1, and the column, from 0, of `B12`.
pub(in crate::import) fn address(at: &str) -> Option<(usize, usize)> {
    let (letters, digits) = at.split_at(at.find(|char: char| char.is_ascii_digit())?);
    let column = letters.chars().try_fold(0_usize, |column, char| {
        let letter = char.to_ascii_uppercase();
        let is_letter = letter.is_ascii_uppercase() && column < 1_000_000;
        is_letter.then(|| column * 26 + (letter as usize - 'A' as usize) + 1)
    })?;
    Some((digits.parse().ok()?, column.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_codes() {
        for (code, format) in [
            ("General", Format::Plain),
            ("#,##0.00", Format::Plain),
            ("#,##0\\ \"€\"", Format::Plain),
            ("#,##0_);[Red](#,##0)", Format::Plain),
            ("\"durée\" 0", Format::Plain),
            ("dd/mm/yyyy", Format::Date),
            ("[$-40C]d mmmm yyyy;@", Format::Date),
            ("0.0%", Format::Percent),
            ("#,##0,", Format::Thousands(1)),
            ("#,##0.0,,\" M€\"", Format::Thousands(2)),
        ] {
            assert_eq!(format_of(code), format, "{code}");
        }
        assert_eq!(
            (built_in("14"), built_in("10"), built_in("4"), built_in("x")),
            (Format::Date, Format::Percent, Format::Plain, Format::Plain)
        );
    }

    #[test]
    fn addresses_and_days_are_read() {
        assert_eq!(address("A1"), Some((1, 0)));
        assert_eq!(address("AB120"), Some((120, 27)));
        for text in ["", "A", "12", "é1", "A1B", &"Z".repeat(50), "A99999999999999999999"] {
            assert_eq!(address(text), None, "{text}");
        }
        let day = |days: i64, is_1904| date(Decimal::from(days), is_1904).map(|day| day.to_string());
        assert_eq!(day(45_657, false).as_deref(), Some("2024-12-31"));
        assert_eq!(day(44_195, true).as_deref(), Some("2024-12-31"));
        assert_eq!(day(-1, false), None);
    }

    #[test]
    fn targets_are_beside_the_workbook_or_at_the_root() {
        for (target, path) in [
            ("worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("../custom/s.xml", "custom/s.xml"),
            ("./s.xml", "xl/s.xml"),
        ] {
            assert_eq!(resolved("xl", target), path);
        }
    }
}

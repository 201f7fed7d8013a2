//! The bilan and the compte de résultat as companies and their accountants export them: with the boxes of the tax forms
//! beside the amounts, or with labels only.
//!
//! A sheet is read row by row. Headings say what the columns have; a label, or a box, says what the amounts after it
//! are of. An amount of which nothing says that is reported.

mod aliases;
mod boxes;
mod columns;
mod labels;
mod lines;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use self::columns::{Column, Columns, Measure};
use self::labels::{Context, Meaning};
use self::lines::{Entry, What};
use super::heading::{Calendar, Head, When, unit};
use super::log::Log;
use super::table::{Cell, Row, Sheet, Workbook};
use super::{ImportError, Options};
use crate::amount;
use crate::items::{self, Group};
use crate::statement::{AnomalyKind, Place, Statement, Year};
use crate::words;

/// Reads all sheets.
///
/// # Errors
/// Where nothing in them is known, nothing says when a year ends, or several columns of amounts have no headings.
pub(super) fn read(workbook: &Workbook, options: &Options) -> Result<Statement, ImportError> {
    let mut log = Log::new(&workbook.file);
    let head = Head::of(workbook, &mut log);
    let factors: Vec<Option<Decimal>> = workbook.sheets.iter().map(unit).collect();
    // A sheet that says nothing of its unit has that of the others.
    let common = factors.iter().flatten().next().copied().unwrap_or(Decimal::ONE);
    let (mut entries, mut step, mut is_mute, mut left_out) = (Vec::new(), Decimal::ZERO, false, 0);
    for (at, (sheet, factor)) in workbook.sheets.iter().zip(factors).enumerate() {
        let factor = factor.unwrap_or(common);
        let mut reader = Reader::new(workbook, sheet, factor, &mut log);
        reader.read();
        left_out += reader.left_out;
        if reader.is_mute() {
            is_mute = true;
            log.at(AnomalyKind::Missing, "headings", None, || {
                let name = sheet.name.as_deref().unwrap_or(&workbook.file);
                format!("«\u{a0}{name}\u{a0}» n’est pas lu\u{a0}: ses colonnes de montants n’ont pas d’en-tête")
            });
        } else if !reader.entries.is_empty() {
            step = step.max(reader.step());
            let dated = |(when, entry)| (head.dated(at, when, options), entry);
            entries.extend(reader.entries.into_iter().map(dated));
        }
    }
    if entries.is_empty() {
        let (file, columns) = (workbook.file.clone(), "de montants avec un en-tête (exercice, brut, net)".to_owned());
        return Err(if is_mute { ImportError::Columns { file, columns } } else { ImportError::Unknown(file) });
    }
    let whens: Vec<When> = entries.iter().map(|(when, _)| *when).collect();
    let calendar = Calendar::new(&whens, &head, options, &workbook.file, &mut log)?;
    let by_year = lines::by_year(entries.into_iter().map(|(when, entry)| (calendar.end(when), entry)).collect());
    let year = |(end, entries): (NaiveDate, Vec<Entry>)| {
        let year = Year { start: head.start(end), ..Year::ending(end) };
        lines::year(year, &entries, step, &mut log)
    };
    let years = by_year.into_iter().map(year).collect();
    let mut statement = Statement { company: head.company, step, years, left_out, ..Statement::default() };
    if let Some(currency) = head.currency {
        statement.currency = currency;
    }
    lines::settle_signs(&mut statement, &mut log);
    statement.anomalies = log.into_anomalies();
    // What is said of a row may have been said for each of its years.
    statement.anomalies.dedup();
    Ok(statement)
}

/// Reads a sheet.
struct Reader<'a> {
    workbook: &'a Workbook,
    sheet: &'a Sheet,
    /// What amounts are multiplied with.
    factor: Decimal,
    /// The most decimals of an amount.
    decimals: u32,
    columns: Columns,
    /// The columns that have boxes, each with those of the amounts after them.
    boxes: BTreeMap<usize, Vec<usize>>,
    /// Where labels stand, by the columns of amounts to the left of them: an actif and a passif may be side by side,
    /// but labels that are indented by a column are those of the same table.
    contexts: HashMap<usize, Context>,
    /// What the last title says of where they stand.
    title: Option<Context>,
    /// Items that the sheet has had, and columns without headings.
    given: HashSet<&'static str>,
    unnamed: BTreeSet<usize>,
    /// Amounts of boxes that say of what a part of others is.
    left_out: u64,
    entries: Vec<(When, Entry)>,
    log: &'a mut Log,
}

/// A label or a box, and the amounts after it in its row.
#[derive(Default)]
struct Segment<'a> {
    /// The texts before the amounts.
    texts: Vec<(usize, &'a Cell)>,
    /// The box, and its column.
    code: Option<(usize, &'static str)>,
    amounts: Vec<Amount>,
}

struct Amount {
    at: usize,
    column: Option<Column>,
    value: Decimal,
}

impl<'a> Reader<'a> {
    fn new(workbook: &'a Workbook, sheet: &'a Sheet, factor: Decimal, log: &'a mut Log) -> Self {
        Self {
            workbook,
            sheet,
            factor,
            decimals: 0,
            columns: Columns::default(),
            boxes: columns_of_boxes(sheet),
            contexts: HashMap::new(),
            title: None,
            given: HashSet::new(),
            unnamed: BTreeSet::new(),
            left_out: 0,
            entries: Vec::new(),
            log,
        }
    }

    /// What the sheet rounds amounts to.
    fn step(&self) -> Decimal {
        (self.factor * Decimal::new(1, self.decimals.min(8))).max(Decimal::new(1, 2))
    }

    fn read(&mut self) {
        for (at, row) in self.sheet.rows.iter().enumerate() {
            // What has a box is no heading, whatever the box's label says and its amounts look like.
            let is_heading = if self.has_box(row) {
                self.columns.end();
                false
            } else {
                self.columns.read(self.sheet, at)
            };
            let segments = if is_heading { self.titles(row) } else { self.segments(row) };
            for segment in segments {
                match segment.code {
                    Some((column, code)) => self.add_box(row, column, code, &segment),
                    None => self.add_label(row, &segment),
                }
            }
        }
    }

    fn has_box(&self, row: &Row) -> bool {
        row.cells().any(|(at, cell)| self.boxes.contains_key(&at) && boxes::code(&box_text(cell)).is_some())
    }

    /// Whether it has amounts of several years, or of several kinds, and nothing says which are which.
    fn is_mute(&self) -> bool {
        !self.unnamed.is_empty() && self.columns.is_empty() && self.boxes.is_empty()
    }

    fn place(&self, row: &Row, column: usize) -> Place {
        self.workbook.place(self.sheet, row, column)
    }

    /// The labels of a heading, which may say in which section the table is.
    fn titles(&self, row: &'a Row) -> Vec<Segment<'a>> {
        let texts = row.cells().filter(|(_, cell)| matches!(cell, Cell::Text(_)));
        texts.map(|cell| Segment { texts: vec![cell], ..Segment::default() }).collect()
    }

    /// What a row says.
    fn segments(&mut self, row: &'a Row) -> Vec<Segment<'a>> {
        let (mut segments, mut last) = (Vec::new(), Segment::default());
        for (at, cell) in row.cells() {
            let code = boxes::code(&box_text(cell)).filter(|_| self.boxes.contains_key(&at));
            // After a known label only amounts are in a column of amounts, well or badly written.
            let is_named = matches!(self.columns.get(at), Some(Some(_)));
            let has_label = || last.texts.iter().any(|(_, cell)| labels::is_known(&cell.text()));
            let is_after = is_named && (last.code.is_some() || has_label());
            let is_amount = code.is_none() && (is_after || cell.is_amount(self.sheet.notation));
            // A variation, a share, a note: no accounts.
            let is_other = self.columns.get(at) == Some(None) && !self.boxes.contains_key(&at);
            let is_text = matches!(cell, Cell::Text(_)) && !is_amount;
            if is_other || code.is_none() && !is_amount && !is_text {
                continue;
            }
            // A label may stand before its box or after it.
            if !last.amounts.is_empty() && !is_amount || code.is_some() && last.code.is_some() {
                segments.push(std::mem::take(&mut last));
            }
            if let Some(code) = code {
                last.code = Some((at, code));
            } else if is_amount {
                last.amounts.extend(self.amount(row, at, cell));
            } else {
                last.texts.push((at, cell));
            }
        }
        segments.push(last);
        segments
    }

    /// Its value in the currency: a dash and « néant » are zero.
    fn amount(&mut self, row: &Row, at: usize, cell: &Cell) -> Option<Amount> {
        let value = match cell.amount(self.sheet.notation) {
            Ok(value) => value.unwrap_or_default(),
            Err(_) if matches!(words::of(&cell.text()).join(" ").as_str(), "neant" | "nul") => Decimal::ZERO,
            Err(error) => {
                self.log.at(AnomalyKind::Unreadable, "amount", Some(self.place(row, at)), || error.to_string());
                return None;
            }
        };
        self.decimals = self.decimals.max(value.normalize().scale());
        let Some(value) = value.checked_mul(self.factor).and_then(amount::checked) else {
            self.log.at(AnomalyKind::Unreadable, "amount", Some(self.place(row, at)), || {
                format!("«\u{a0}{value}\u{a0}» est trop grand")
            });
            return None;
        };
        Some(Amount { at, column: self.columns.get(at).flatten(), value })
    }

    /// A box is followed by its amounts, of this year and the one before; after an asset's second box there is what is
    /// net. Headings say it better, where there are any. A box that is left blank is zero.
    fn add_box(&mut self, row: &Row, at: usize, code: &'static str, segment: &Segment<'_>) {
        if boxes::is_beside(code) {
            self.left_out += segment.amounts.iter().filter(|amount| !amount.value.is_zero()).count() as u64;
            return;
        }
        let net = boxes::net(code).map(What::Item);
        let is_second = self.boxes.keys().next().is_some_and(|first| *first < at);
        let slots = self.boxes.get(&at).cloned().unwrap_or_default();
        let own = slots.first().copied().unwrap_or(at);
        if segment.amounts.iter().all(|amount| amount.at != own) {
            let when = self.columns.get(own).flatten().map_or(When::Back(0), |column| column.when);
            let entry = Entry { what: What::Box(code), value: Decimal::ZERO, place: self.place(row, own) };
            self.entries.push((when, entry));
        }
        for amount in &segment.amounts {
            let nth = slots.iter().position(|slot| *slot == amount.at).unwrap_or_default();
            let (what, when) = match (amount.column, nth, net) {
                (Some(Column { measure: Measure::Net, when }), _, Some(net)) => (net, when),
                (Some(column), ..) => (What::Box(code), column.when),
                (None, 0, _) => (What::Box(code), When::Back(0)),
                (None, 1, Some(net)) if is_second => (net, When::Back(0)),
                (None, 2, Some(net)) if is_second => (net, When::Back(1)),
                (None, 1, _) => (What::Box(code), When::Back(1)),
                _ => {
                    self.unnamed(row, amount.at);
                    continue;
                }
            };
            self.entries.push((when, Entry { what, value: amount.value, place: self.place(row, amount.at) }));
        }
    }

    fn unnamed(&mut self, row: &Row, column: usize) {
        if self.unnamed.insert(column) {
            self.log.at(AnomalyKind::Unknown, "column", Some(self.place(row, column)), || {
                "les montants de cette colonne ne sont pas lus\u{a0}: son en-tête n’est pas connu".to_owned()
            });
        }
    }

    fn add_label(&mut self, row: &Row, segment: &Segment<'_>) {
        let Some((column, _)) = segment.texts.first() else {
            return self.unlabelled(row, segment);
        };
        let of_sheet = || Context::of(self.sheet.name.as_deref().unwrap_or_default());
        let table = self.columns.before(*column);
        let context = *self.contexts.entry(table).or_insert_with(|| self.title.unwrap_or_else(of_sheet));
        // Beside the label there may be a number or a reference.
        let texts = segment.texts.iter().rev().map(|(_, cell)| cell.text());
        let meanings = texts.filter_map(|text| context.meaning(&text, &self.given));
        let Some(meaning) = meanings.into_iter().next() else {
            return self.unlabelled(row, segment);
        };
        let after = context.after(meaning);
        let is_title =
            row.cells().count() == 1 && matches!(meaning.id(), "total_actif" | "total_passif" | "resultat_net");
        if is_title {
            self.contexts.clear();
            self.title = Some(after);
        }
        self.contexts.insert(table, after);
        let amounts = self.columns_of(row, segment);
        if amounts.is_empty() {
            return;
        }
        if let Meaning::Item(_) | Meaning::Total(_) = meaning {
            self.given.insert(meaning.id());
        }
        self.add_amounts(row, meaning, &amounts);
    }

    /// Amounts of which nothing says what they are. A text without amounts is a title, which need not be known.
    fn unlabelled(&mut self, row: &Row, segment: &Segment<'_>) {
        let Some(amount) = segment.amounts.iter().find(|amount| !amount.value.is_zero()) else { return };
        let label: Vec<String> = segment.texts.iter().map(|(_, cell)| cell.text().into_owned()).collect();
        // Numbers above all headings are those of the company, its street and the like.
        if self.columns.is_empty() && self.entries.is_empty() {
            return;
        }
        let message = match label.join(" ").as_str() {
            "" => "un montant n’a pas de libellé\u{a0}: il n’est pas compté".to_owned(),
            label => {
                let what = "n’est celui d’aucun poste connu, ou de plusieurs\u{a0}: il n’est pas compté";
                format!("le libellé «\u{a0}{label}\u{a0}» {what}")
            }
        };
        self.log.at(AnomalyKind::Unknown, "label", Some(self.place(row, amount.at)), || message);
    }

    /// The amounts of a row with their columns; without headings there can only be one.
    fn columns_of(&mut self, row: &Row, segment: &Segment<'_>) -> Vec<(Column, Decimal, usize)> {
        let mut amounts = Vec::new();
        for (nth, amount) in segment.amounts.iter().enumerate() {
            let only = Column { measure: Measure::Value, when: When::Back(0) };
            let is_only = self.columns.is_empty() && nth == 0;
            match amount.column.or(is_only.then_some(only)) {
                Some(column) => amounts.push((column, amount.value, amount.at)),
                None => self.unnamed(row, amount.at),
            }
        }
        amounts
    }

    fn add_amounts(&mut self, row: &Row, meaning: Meaning, amounts: &[(Column, Decimal, usize)]) {
        for (column, value, at) in amounts {
            let suffix = match column.measure {
                Measure::Value | Measure::Net => "",
                Measure::Gross => "_brut",
                Measure::Depreciation => "_depreciation",
            };
            let place = self.place(row, *at);
            match with_suffix(meaning, suffix) {
                Some(what) => self.entries.push((column.when, Entry { what, value: *value, place })),
                None if is_asset(meaning) => {}
                None => self.log.at(AnomalyKind::Unknown, "gross", Some(place), || {
                    let what = "ce montant est dans une colonne de brut ou d’amortissements, que";
                    format!("{what} «\u{a0}{}\u{a0}» n’a pas", items::label(meaning.id()))
                }),
            }
            if column.measure == Measure::Gross {
                self.check_net(row, meaning, amounts, (column.when, *value, *at));
            }
        }
    }

    /// What is net is what is gross less what is taken off. The analysis checks it for lines; for totals whose gross
    /// amount is no item it is checked here, and added where the row does not give it.
    fn check_net(
        &mut self,
        row: &Row,
        meaning: Meaning,
        amounts: &[(Column, Decimal, usize)],
        (when, gross, at): (When, Decimal, usize),
    ) {
        let is_line = |suffix| matches!(with_suffix(meaning, suffix), Some(What::Item(_) | What::Part(_)));
        if is_line("_brut") && is_line("_depreciation") {
            return;
        }
        let of = |measure: Measure| {
            let is_it = |(column, ..): &&(Column, Decimal, usize)| (column.when, column.measure) == (when, measure);
            amounts.iter().find(is_it).map(|(_, value, _)| *value)
        };
        // What is taken off may be shown negative.
        let computed = gross - of(Measure::Depreciation).unwrap_or_default().abs();
        let place = self.place(row, at);
        match (of(Measure::Net), with_suffix(meaning, "")) {
            (None, Some(what)) => self.entries.push((when, Entry { what, value: computed, place })),
            (Some(net), _) if (net - computed).abs() > self.step() * Decimal::TWO => {
                self.log.at(AnomalyKind::Total, "net", Some(place), || {
                    let (net, computed) = (amount::written(net, 2), amount::written(computed, 2));
                    let what = "le brut moins les amortissements font";
                    format!("{}\u{a0}: le net donné est de {net}, {what} {computed}", items::label(meaning.id()))
                });
            }
            _ => {}
        }
    }
}

fn is_asset(meaning: Meaning) -> bool {
    items::item(meaning.id()).is_some_and(|item| item.group == Group::Actif)
}

/// What a meaning is in a column of gross amounts, of depreciation, or of others; nothing where there is no such item.
fn with_suffix(meaning: Meaning, suffix: &'static str) -> Option<What> {
    let item = |id: &str| items::item(&format!("{id}{suffix}")).map(|item| item.id);
    match meaning {
        Meaning::Item(id) if !suffix.is_empty() && lines::is_subtotal(id) => Some(What::Subtotal(id, suffix)),
        Meaning::Item(id) => item(id).map(What::Item),
        Meaning::Part(id) => item(id).map(What::Part),
        Meaning::Total(sections) => Some(What::Total(sections, suffix)),
        Meaning::Compound(compound) => item(meaning.id()).map(|_| What::Compound(compound, suffix)),
    }
}

/// A cell's text as a box would be named.
fn box_text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.to_uppercase(),
        // A workbook may have taken `010` for a number.
        Cell::Number(number) if number.scale() == 0 && *number < Decimal::ONE_THOUSAND => {
            format!("{:0>3}", number.to_string())
        }
        _ => String::new(),
    }
}

/// The columns whose cells are boxes, most of them: at least two, or three where their names are numbers, which amounts
/// can be as well. With each the columns in which amounts follow it.
fn columns_of_boxes(sheet: &Sheet) -> BTreeMap<usize, Vec<usize>> {
    let mut columns: HashMap<usize, (HashSet<&'static str>, usize, bool)> = HashMap::new();
    for (column, cell) in sheet.rows.iter().flat_map(Row::cells) {
        let (codes, cells, is_named) = columns.entry(column).or_default();
        let text = box_text(cell);
        let first = words::of(&text).into_iter().next().unwrap_or_default();
        *is_named |= matches!(first.as_str(), "code" | "codes" | "case" | "cases" | "rubrique");
        *cells += 1;
        let is_number = |code: &&str| boxes::is_simplified(code) && !matches!(cell, Cell::Text(_));
        codes.extend(boxes::code(&text).filter(|code| *is_named || !is_number(code)));
    }
    columns.retain(|_, (codes, cells, is_named)| {
        let is_simplified = codes.iter().any(|code| boxes::is_simplified(code));
        let least = if is_simplified && !*is_named { 3 } else { 2 };
        codes.len() >= least && codes.len() * 2 > *cells
    });
    let mut slots: BTreeMap<usize, BTreeSet<usize>> =
        columns.into_keys().map(|column| (column, BTreeSet::new())).collect();
    for row in &sheet.rows {
        let mut last = None;
        for (column, cell) in row.cells() {
            if slots.contains_key(&column) {
                last = boxes::code(&box_text(cell)).map(|_| column);
            } else if cell.is_amount(sheet.notation) {
                last.and_then(|last| slots.get_mut(&last)).into_iter().for_each(|slots| {
                    slots.insert(column);
                });
            }
        }
    }
    slots.into_iter().map(|(column, slots)| (column, slots.into_iter().collect())).collect()
}

#[cfg(test)]
mod tests;

//! A reading's figures by their items, and numbers that it does not have, written as it writes.

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive;
use zyron_finance::items::Unit;
use zyron_finance::reading::{ReadCell, ReadRow, Reading};

/// A difference below it is the cents' rounding.
pub(super) const ROUNDING: f64 = 0.5;

pub(super) struct Figures<'a> {
    reading: &'a Reading,
}

impl<'a> Figures<'a> {
    pub(super) fn new(reading: &'a Reading) -> Self {
        Self { reading }
    }

    /// The years, as few characters as tell them apart: `2024`, or `06/2024` where two end in the same.
    pub(super) fn years(&self) -> Vec<String> {
        let short = |from: usize| -> Vec<String> {
            self.reading.years.iter().map(|year| year.get(from..).unwrap_or(year).to_owned()).collect()
        };
        let years = short("31/12/".len());
        let is_unique = years.windows(2).all(|pair| pair[0] != pair[1]);
        if is_unique { years } else { short("31/".len()) }
    }

    /// The last day of a year.
    pub(super) fn end(&self, year: usize) -> &'a str {
        self.reading.years.get(year).map_or("", String::as_str)
    }

    fn row(&self, id: &str) -> Option<&'a ReadRow> {
        self.reading.tables.iter().flat_map(|table| &table.rows).find(|row| row.id == id)
    }

    /// An item's name in full.
    pub(super) fn label(&self, id: &str) -> &'a str {
        self.row(id).map_or("", |row| &row.label)
    }

    pub(super) fn cell(&self, id: &str, year: usize) -> Option<&'a ReadCell> {
        self.row(id)?.cells.get(year)
    }

    /// Nothing where there is none. A reading leaves out what is zero in every year.
    pub(super) fn value(&self, id: &str, year: usize) -> Option<f64> {
        self.cell(id, year)?.value.filter(|value| value.is_finite())
    }

    /// As it is printed: the reason's short form where there is no value.
    pub(super) fn written(&self, id: &str, year: usize) -> String {
        self.cell(id, year).map_or_else(|| "–".to_owned(), |cell| cell.written.clone())
    }

    /// An amount that is in no row.
    pub(super) fn amount(&self, value: f64) -> String {
        written(Unit::Currency, value, &self.reading.currency)
    }
}

/// How many hundredths of a whole.
pub(super) fn share(part: f64, whole: f64) -> Option<String> {
    let share = 100.0 * part / whole;
    share.is_finite().then(|| written(Unit::Percent, share, ""))
}

fn written(unit: Unit, value: f64, currency: &str) -> String {
    Decimal::from_f64(value).map_or_else(|| "n.s.".to_owned(), |value| unit.written(value, currency))
}

/// What a change does: `+1 200 €` or `−1 200 €`.
pub(super) fn signed(effect: f64, written: &str) -> String {
    let sign = if effect < 0.0 { '−' } else { '+' };
    format!("{sign}{}", written.trim_start_matches('−'))
}

/// `a, b et c`.
pub(super) fn listed(mut words: Vec<String>) -> String {
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} et {last}", words.join(", ")) }
}

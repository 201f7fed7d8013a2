//! What the documents of a report say, before anybody asks what it means.

use std::collections::HashMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::concepts::Concept;
use crate::import::log::Log;
use crate::statement::Place;

/// A report of one or more documents.
pub(super) struct Report {
    /// In their order.
    pub(super) facts: Vec<Fact>,
    /// By their identifiers, which facts of every document may use.
    pub(super) contexts: HashMap<String, Context>,
    /// By their identifiers.
    pub(super) units: HashMap<String, Unit>,
    /// The company's.
    pub(super) name: Option<String>,
    /// The first two of those whose contexts there are: an LEI each, one in a report.
    pub(super) entities: Vec<String>,
    pub(super) log: Log,
}

impl Report {
    /// One that says nothing yet, in the file of this name.
    pub(super) fn new(file: &str) -> Self {
        Self {
            facts: Vec::new(),
            contexts: HashMap::new(),
            units: HashMap::new(),
            name: None,
            entities: Vec::new(),
            log: Log::new(file),
        }
    }
}

/// A number that is tagged.
pub(super) struct Fact {
    pub(super) concept: Concept,
    pub(super) context: String,
    pub(super) unit: String,
    pub(super) value: Decimal,
    /// The power of ten that it is rounded to; nothing where it is exact.
    pub(super) rounding: Option<i32>,
    pub(super) place: Place,
}

/// What a fact is of.
#[derive(Default)]
pub(super) struct Context {
    pub(super) start: Option<NaiveDate>,
    /// The last day; of an instant, the day that ends then.
    pub(super) end: Option<NaiveDate>,
    pub(super) is_instant: bool,
    /// Whether it is of a part of the whole: a segment, a component of equity.
    pub(super) is_part: bool,
}

/// When a fact is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Period {
    /// The end of a day.
    Instant(NaiveDate),
    /// From a first day to a last.
    Duration(NaiveDate, NaiveDate),
}

impl Context {
    /// Nothing where its dates could not be read.
    pub(super) fn period(&self) -> Option<Period> {
        match (self.start, self.end) {
            (None, Some(day)) if self.is_instant => Some(Period::Instant(day)),
            (Some(start), Some(end)) if start <= end => Some(Period::Duration(start, end)),
            _ => None,
        }
    }
}

/// What a fact counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Unit {
    /// `EUR`, `shares`, `EUR/shares`.
    pub(super) name: String,
    /// Whether it is a currency, and nothing else.
    pub(super) is_currency: bool,
}

//! From a report's facts to fiscal years.
//!
//! A fact counts where it is of the whole, that is where its context has no dimensions. Those of parts are in every
//! report (equity by component, sales by segment), so they are counted in [`Statement::left_out`] and are no anomaly;
//! so are those of other dates: the opening of the first year, half a year in a note.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::concepts::{Concept, ITEMS};
use super::report::{Context, Fact, Period, Report, Unit};
use crate::amount;
use crate::import::ImportError;
use crate::import::log::Log;
use crate::statement::{AnomalyKind, Basis, Company, Figure, IfrsFact, Statement, Year, day};

/// Days of a year; 52 weeks are 364.
const YEAR: RangeInclusive<i64> = 350..=380;
/// What an income statement has one of.
const RESULTS: [&str; 3] = ["ProfitLoss", "Revenue", "RevenueFromContractsWithCustomers"];
/// What a balance sheet has.
const TOTALS: [&str; 2] = ["Assets", "EquityAndLiabilities"];
/// Fiscal years of a report, which has two or three.
const MOST: usize = 20;

/// The fiscal years of a report, the file of this name.
///
/// # Errors
/// Where it has none, or too many.
pub(super) fn statement(
    report: Report,
    labels: &HashMap<String, String>,
    file: &str,
) -> Result<Statement, ImportError> {
    let Report { facts, contexts, units, name, entities, mut log } = report;
    let mut whole = Whole::default();
    for fact in facts {
        whole.add(fact, &contexts, &units, &mut log);
    }
    let spans = spans(&whole.facts);
    if spans.is_empty() {
        let has_facts = !whole.facts.is_empty() || whole.left_out > 0;
        let reason =
            if has_facts { "aucun exercice dans les chiffres balisés" } else { "aucun chiffre balisé (Inline XBRL)" };
        return Err(ImportError::NoReport { file: file.to_owned(), reason: reason.to_owned() });
    }
    if spans.len() > MOST {
        return Err(ImportError::too_large(file, format!("plus de {MOST} exercices")));
    }
    let mut left_out = whole.left_out;
    let mut facts: Vec<Vec<Told>> = spans.iter().map(|_| Vec::new()).collect();
    for told in whole.facts {
        match spans.iter().position(|span| told.is_of(*span)) {
            Some(year) => facts[year].push(told),
            None => left_out += 1,
        }
    }
    if entities.len() > 1 {
        let message = || format!("les faits sont de plusieurs entités\u{a0}: {}", entities.join(", "));
        log.add(AnomalyKind::Rule, "entities", None, message);
    }
    let currency = currency(facts.iter().flatten(), &mut log);
    let step = step(facts.iter().flatten());
    let years = spans.into_iter().zip(facts).map(|(span, facts)| year(span, facts, &currency, labels)).collect();
    let (company, anomalies) = (Company { name, siren: None }, log.into_anomalies());
    Ok(Statement { company, currency, step, basis: Basis::Ifrs, years, anomalies, left_out })
}

/// The facts of the whole, each once, in the order of the report.
#[derive(Default)]
struct Whole {
    facts: Vec<Told>,
    known: HashMap<(Concept, Period, Unit), usize>,
    /// Those of parts.
    left_out: u64,
}

/// A fact, and what it refers to.
struct Told {
    fact: Fact,
    period: Period,
    unit: Unit,
}

impl Whole {
    fn add(&mut self, fact: Fact, contexts: &HashMap<String, Context>, units: &HashMap<String, Unit>, log: &mut Log) {
        let mut refuse = |kind, rule, what: String| {
            let message = || format!("{}\u{a0}: {what}\u{a0}; ce fait n’est pas compté", fact.concept);
            log.at(kind, rule, Some(fact.place.clone()), message);
        };
        let Some(context) = contexts.get(&fact.context) else {
            let what = format!("le contexte «\u{a0}{}\u{a0}» n’est pas défini", fact.context);
            return refuse(AnomalyKind::Unknown, "context", what);
        };
        let Some(unit) = units.get(&fact.unit) else {
            let what = format!("l’unité «\u{a0}{}\u{a0}» n’est pas définie", fact.unit);
            return refuse(AnomalyKind::Unknown, "unit", what);
        };
        let Some(period) = context.period() else {
            let what = format!("la période du contexte «\u{a0}{}\u{a0}» n’est pas lisible", fact.context);
            return refuse(AnomalyKind::Unreadable, "period", what);
        };
        if context.is_part {
            self.left_out += 1;
            return;
        }
        let told = Told { fact, period, unit: unit.clone() };
        match self.known.entry((told.fact.concept.clone(), period, unit.clone())) {
            Entry::Vacant(entry) => {
                entry.insert(self.facts.len());
                self.facts.push(told);
            }
            Entry::Occupied(entry) => self.facts[*entry.get()].merge(told, log),
        }
    }
}

impl Told {
    fn is_of(&self, (start, end): (NaiveDate, NaiveDate)) -> bool {
        self.period == Period::Duration(start, end) || self.period == Period::Instant(end)
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.fact.concept.is(name))
    }

    /// Keeps the more precise of the two, the first of two that are equally so.
    fn merge(&mut self, other: Self, log: &mut Log) {
        let (one, two) = (&self.fact, &other.fact);
        let precision = |fact: &Fact| fact.rounding.unwrap_or(i32::MIN);
        let is_other_kept = precision(two) < precision(one);
        if !is_same(one, two) {
            let written = |value: Decimal| amount::written(value, value.scale());
            let kept = if is_other_kept { two } else { one };
            log.at(AnomalyKind::Duplicate, "duplicate", Some(two.place.clone()), || {
                format!(
                    "{} {} vaut {} à l’élément {} et {} à l’élément {} ({})\u{a0}; {} est retenu",
                    one.concept,
                    self.period.in_words(),
                    written(one.value),
                    one.place.at,
                    written(two.value),
                    two.place.at,
                    self.unit.name,
                    written(kept.value),
                )
            });
        }
        if is_other_kept {
            *self = other;
        }
    }
}

/// Whether two values differ by no more than both are rounded.
fn is_same(one: &Fact, other: &Fact) -> bool {
    let rounded = |fact: &Fact| fact.rounding.and_then(power_of_ten).unwrap_or_default();
    (one.value - other.value).abs() * Decimal::TWO <= rounded(one) + rounded(other)
}

/// Nothing where it is too large, or too small, for an amount.
fn power_of_ten(exponent: i32) -> Option<Decimal> {
    Decimal::from_scientific(&format!("1E{exponent}")).ok().and_then(amount::checked).filter(|power| !power.is_zero())
}

/// The first and last days of the fiscal years, oldest first. Such a year has an income statement, and is about a year
/// long or ends with a balance sheet, as the short and long ones of a company that changes its closing day do. Of
/// periods with the same last day it is the one with most facts.
fn spans(facts: &[Told]) -> Vec<(NaiveDate, NaiveDate)> {
    let mut closings = HashSet::new();
    let mut periods: BTreeMap<(NaiveDate, NaiveDate), (usize, bool)> = BTreeMap::new();
    for told in facts {
        match told.period {
            Period::Instant(day) if told.is_one_of(&TOTALS) => {
                closings.insert(day);
            }
            Period::Instant(_) => {}
            Period::Duration(start, end) => {
                let (count, has_result) = periods.entry((end, start)).or_default();
                *count += 1;
                *has_result |= told.is_one_of(&RESULTS);
            }
        }
    }
    let mut years: BTreeMap<NaiveDate, (usize, NaiveDate)> = BTreeMap::new();
    for ((end, start), (count, has_result)) in periods {
        let is_year = YEAR.contains(&((end - start).num_days() + 1)) || closings.contains(&end);
        if has_result && is_year && years.get(&end).is_none_or(|(most, _)| count > *most) {
            years.insert(end, (count, start));
        }
    }
    years.into_iter().map(|(end, (_, start))| (start, end)).collect()
}

/// The currency of most facts. That there are others is an anomaly.
fn currency<'a>(facts: impl Iterator<Item = &'a Told>, log: &mut Log) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for told in facts.filter(|told| told.unit.is_currency) {
        *counts.entry(&told.unit.name).or_default() += 1;
    }
    let most = counts.iter().rev().max_by_key(|(_, count)| **count).map(|(name, _)| *name);
    let Some(most) = most else { return Statement::default().currency };
    for (name, count) in counts.iter().filter(|(name, _)| **name != most) {
        log.add(AnomalyKind::Rule, "currency", None, || {
            format!("faits en {name} dans un rapport en {most}\u{a0}: {count}, laissés parmi les autres faits IFRS")
        });
    }
    most.to_owned()
}

/// What most of the amounts that mean an item are rounded to.
fn step<'a>(facts: impl Iterator<Item = &'a Told>) -> Decimal {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    let is_line = |told: &&Told| ITEMS.iter().any(|(name, _)| told.fact.concept.is(name));
    for rounding in facts.filter(is_line).filter_map(|told| told.fact.rounding) {
        *counts.entry(rounding).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.and_then(|(rounding, _)| power_of_ten(rounding)).unwrap_or(Statement::default().step)
}

fn year(
    (start, end): (NaiveDate, NaiveDate),
    mut facts: Vec<Told>,
    currency: &str,
    labels: &HashMap<String, String>,
) -> Year {
    let mut lines = BTreeMap::new();
    for (element, item) in ITEMS {
        let means = |told: &Told| told.unit.is_currency && told.unit.name == currency && told.fact.concept.is(element);
        let Some(at) = facts.iter().position(means).filter(|_| !lines.contains_key(*item)) else { continue };
        let Fact { value, place, .. } = facts.remove(at).fact;
        lines.insert((*item).to_owned(), Figure { places: vec![place], ..Figure::of(value) });
    }
    let other = facts.into_iter().map(|Told { fact, unit, .. }| IfrsFact {
        label: fact.concept.label(labels),
        concept: fact.concept.to_string(),
        value: fact.value,
        unit: unit.name,
        place: fact.place,
    });
    Year { start: Some(start), lines, other: other.collect(), ..Year::ending(end) }
}

impl Period {
    fn in_words(self) -> String {
        match self {
            Self::Instant(at) => format!("au {}", day(at)),
            Self::Duration(start, end) => format!("du {} au {}", day(start), day(end)),
        }
    }
}

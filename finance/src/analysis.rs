//! From a statement to everything that follows from it, each value with its formula and what went into it.
//!
//! A total that the source gives is taken as it is given; [`checks`] compares it with its parts. A line that the source
//! leaves out of a part of the accounts that it has is zero, as in the tax forms, but where a total above it is more
//! than the lines below it: then it is unknown. Of IFRS accounts it is always unknown.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::formula::{Formula, Undefined, Values};
use crate::items::{self, Group, Item, Unit};
use crate::statement::{Anomaly, AnomalyKind, Basis, Figure, Statement, day};

/// What follows from a statement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Analysis))]
pub struct Analysis {
    /// By fiscal year, oldest first.
    pub years: Vec<YearAnalysis>,
}

/// What follows for a fiscal year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::YearAnalysis))]
pub struct YearAnalysis {
    /// The year's last day.
    pub end: NaiveDate,
    /// In the order of [`items::all`]: lines that the source has, and every total and measure.
    pub results: Vec<Computed>,
}

/// A value, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Computed))]
pub struct Computed {
    /// The item's identifier.
    pub id: String,
    /// Its name in French.
    pub label: String,
    /// Where it belongs.
    pub group: Group,
    /// What it counts.
    pub unit: Unit,
    /// Not rounded.
    pub value: Option<Decimal>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undefined: Option<Undefined>,
    /// Whether the source has it, so that it was not computed.
    pub is_given: bool,
    /// In words; nothing for a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<String>,
    /// What its formula was computed from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Its definition's source.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub definition: String,
    /// Against the year before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// What went into a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Input))]
pub struct Input {
    /// The item's identifier.
    pub id: String,
    /// Whether it is that of the year before.
    #[serde(default)]
    pub is_previous: bool,
    /// Nothing where the source says nothing of it: it then counts for nothing.
    pub value: Option<Decimal>,
}

/// What became of a value in a year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Change))]
pub struct Change {
    /// The difference, in the item's unit.
    #[serde(with = "rust_decimal::serde::str")]
    pub difference: Decimal,
    /// The same in percent of the value before; nothing where that is not positive, or the unit is percent already.
    pub percent: Option<Decimal>,
}

/// 10^20: more than any sum of amounts.
const LARGEST: Decimal = Decimal::from_parts(1_661_992_960, 1_808_227_885, 5, false, 0);

/// Computes everything.
pub fn analyse(statement: &Statement) -> Analysis {
    let mut computer = Computer::new(statement);
    let years = (0..statement.years.len()).map(|at| computer.year(at)).collect();
    Analysis { years }
}

/// What does not add up: totals that are not the sum of their parts, a balance sheet that is not balanced.
pub fn checks(statement: &Statement) -> Vec<Anomaly> {
    let mut computer = Computer::new(statement);
    let mut anomalies = Vec::new();
    for at in 0..statement.years.len() {
        computer.check_totals(at, &mut anomalies);
        computer.check_pair(at, ("total_actif", "total_passif"), AnomalyKind::Unbalanced, &mut anomalies);
        computer.check_pair(
            at,
            ("resultat_exploitation", "resultat_exploitation_compte"),
            AnomalyKind::Total,
            &mut anomalies,
        );
        computer.check_pair(at, ("resultat_net_sig", "resultat_net"), AnomalyKind::Total, &mut anomalies);
        computer.check_pair(at, ("fr_moins_bfr", "tresorerie_nette"), AnomalyKind::Total, &mut anomalies);
        computer.check_pair(at, ("caf", "caf_soustractive"), AnomalyKind::Total, &mut anomalies);
    }
    anomalies
}

impl YearAnalysis {
    /// A result, by its identifier.
    pub fn get(&self, id: &str) -> Option<&Computed> {
        self.results.iter().find(|result| result.id == id)
    }

    /// A value, by its identifier.
    pub fn value(&self, id: &str) -> Option<Decimal> {
        self.get(id)?.value
    }
}

/// The values of a statement, each computed once.
pub(crate) struct Computer<'a> {
    statement: &'a Statement,
    known: HashMap<(usize, &'static str), Result<Decimal, Undefined>>,
    /// Of each year the totals that are not what their parts add up to.
    open: Vec<Vec<Total<'a>>>,
    /// Those that are.
    met: Vec<HashSet<&'static str>>,
    /// What is left out of each year below those, and is not zero for it.
    unknown: Vec<HashSet<&'static str>>,
}

/// A computer that looks at one year.
struct At<'a, 'b> {
    computer: &'b mut Computer<'a>,
    year: usize,
    /// Whether details that the source does not give are zero.
    has_all: bool,
}

/// Whether the forms do not show an item, so that a source that has them may say nothing of it.
fn is_detail(id: &str) -> bool {
    items::item(id).is_some_and(|item| item.part.is_none() && item.formula.is_none())
}

impl Values for At<'_, '_> {
    fn item(&mut self, id: &'static str) -> Result<Decimal, Undefined> {
        match self.computer.value(self.year, id) {
            Err(Undefined::Missing { .. }) if self.has_all && is_detail(id) => Ok(Decimal::ZERO),
            value => value,
        }
    }

    fn previous(&mut self, id: &'static str) -> Result<Decimal, Undefined> {
        let missing = || Undefined::Missing { item: format!("{}, exercice précédent", self.label(id)) };
        self.year.checked_sub(1).ok_or_else(missing).and_then(|before| self.computer.value(before, id))
    }

    fn days(&self) -> i64 {
        self.computer.statement.years[self.year].days()
    }

    fn label(&self, id: &str) -> &'static str {
        items::item(id).map_or("", |item| item.label)
    }
}

/// A total that the source gives, and what its parts make.
struct Total<'a> {
    item: &'static Item,
    figure: &'a Figure,
    formula: &'static Formula,
    parts: Decimal,
}

impl<'a> Computer<'a> {
    pub(crate) fn new(statement: &'a Statement) -> Self {
        let years = 0..statement.years.len();
        let unknown = vec![HashSet::new(); years.len()];
        let mut computer = Self { statement, known: HashMap::new(), open: Vec::new(), met: Vec::new(), unknown };
        for year in years.clone() {
            let (met, open): (Vec<_>, Vec<_>) =
                computer.totals(year).into_iter().partition(|total| total.is_met(statement));
            computer.open.push(open);
            computer.met.push(met.iter().map(|total| total.item.id).collect());
        }
        computer.unknown = years.map(|year| computer.left_out(year)).collect();
        computer.known.clear();
        computer
    }

    /// An item of a year, which counts from zero.
    pub(crate) fn value(&mut self, year: usize, id: &'static str) -> Result<Decimal, Undefined> {
        if let Some(known) = self.known.get(&(year, id)) {
            return known.clone();
        }
        let given = self.statement.years[year].lines.get(id).map(|figure| figure.value);
        let missing = || Undefined::Missing { item: items::label(id).to_owned() };
        let is_zero = self.is_zero(year, id);
        let computed = match (given, items::formula(id)) {
            (Some(value), _) => Ok(value),
            (None, Some(formula)) => formula.value(&mut At { computer: self, year, has_all: is_zero }),
            (None, None) => Err(missing()),
        };
        let value = match computed {
            Err(Undefined::Missing { .. }) if is_zero => Ok(Decimal::ZERO),
            // Not −0.
            Ok(value) if value.is_zero() => Ok(Decimal::ZERO),
            // What follows from it must have room.
            Ok(value) if value.abs() > LARGEST => Err(Undefined::TooLarge),
            other => other,
        };
        self.known.insert((year, id), value.clone());
        value
    }

    /// What a formula is in a year.
    pub(crate) fn formula(&mut self, year: usize, formula: &Formula) -> Result<Decimal, Undefined> {
        formula.value(&mut At { computer: self, year, has_all: false })
    }

    /// Whether the source gives a total that is what its parts add up to.
    pub(crate) fn is_met(&self, year: usize, id: &str) -> bool {
        self.met.get(year).is_some_and(|met| met.contains(id))
    }

    /// Whether what the source leaves out is zero.
    fn is_zero(&self, year: usize, id: &'static str) -> bool {
        let part = items::item(id).and_then(|item| item.part);
        let lines = &self.statement.years[year].lines;
        let has = |part| lines.keys().any(|id| items::item(id).and_then(|item| item.part) == Some(part));
        let is_complete = self.statement.basis == Basis::Pcg;
        is_complete && part.is_some_and(has) && !self.unknown[year].contains(id)
    }

    /// The totals that the source gives, as far as their parts can be added up.
    fn totals(&mut self, year: usize) -> Vec<Total<'a>> {
        let lines = &self.statement.years[year].lines;
        let total = |item: &'static Item| {
            let (figure, formula) = lines.get(item.id).zip(items::formula(item.id))?;
            let parts = formula.value(&mut At { computer: self, year, has_all: true }).ok()?;
            Some(Total { item, figure, formula, parts })
        };
        items::all().filter_map(total).collect()
    }

    /// Everything below the open totals down to what the source gives, in their parts of the accounts: the result is a
    /// line of the balance sheet, but what that leaves out says nothing of the income statement.
    fn left_out(&self, year: usize) -> HashSet<&'static str> {
        let lines = &self.statement.years[year].lines;
        let mut formulas: Vec<_> = self.open[year].iter().map(|total| (total.item.part, total.formula)).collect();
        let mut left_out = HashSet::new();
        while let Some((part, formula)) = formulas.pop() {
            for (id, _) in formula.items() {
                let is_of_part = items::item(id).is_some_and(|item| item.part.is_none() || item.part == part);
                if is_of_part && !lines.contains_key(id) && left_out.insert(id) {
                    formulas.extend(items::formula(id).map(|formula| (part, formula)));
                }
            }
        }
        left_out
    }

    /// Whether the source gives anything below `formula`.
    fn has_parts(&self, year: usize, formula: &Formula) -> bool {
        formula.items().into_iter().any(|(id, _)| {
            let below = || items::formula(id).is_some_and(|formula| self.has_parts(year, formula));
            self.statement.years[year].lines.contains_key(id) || below()
        })
    }

    fn year(&mut self, at: usize) -> YearAnalysis {
        let results = items::all().filter_map(|item| self.result(at, item)).collect();
        YearAnalysis { end: self.statement.years[at].end, results }
    }

    /// Nothing for a line that the source does not have.
    fn result(&mut self, year: usize, item: &'static Item) -> Option<Computed> {
        let is_given = self.statement.years[year].lines.contains_key(item.id);
        let formula = items::formula(item.id);
        if !is_given && formula.is_none() {
            return None;
        }
        let value = self.value(year, item.id);
        let before = year.checked_sub(1).and_then(|before| self.value(before, item.id).ok());
        let change = value.as_ref().ok().zip(before).and_then(|(value, before)| change(*value, before, item.unit));
        let inputs = formula.filter(|_| !is_given).map(|formula| self.inputs(year, formula)).unwrap_or_default();
        let words = formula.map(|formula| formula.words(&At { computer: self, year, has_all: false }));
        Some(Computed {
            id: item.id.to_owned(),
            label: item.label.to_owned(),
            group: item.group,
            unit: item.unit,
            value: value.clone().ok(),
            undefined: value.err(),
            is_given,
            formula: words,
            inputs,
            definition: item.definition.to_owned(),
            change,
        })
    }

    fn inputs(&mut self, year: usize, formula: &Formula) -> Vec<Input> {
        let items = formula.items().into_iter();
        let input = |(id, is_previous): (&'static str, bool)| {
            let mut at = At { computer: self, year, has_all: false };
            let value = if is_previous { at.previous(id) } else { at.item(id) };
            Input { id: id.to_owned(), is_previous, value: value.ok() }
        };
        items.map(input).collect()
    }

    fn check_totals(&self, year: usize, anomalies: &mut Vec<Anomaly>) {
        for total in self.open[year].iter().filter(|total| self.has_parts(year, total.formula)) {
            let message = format!(
                "{}, exercice clos le {}\u{a0}: la source donne {}, ses postes font {} (écart {})",
                total.item.label,
                day(self.statement.years[year].end),
                amount::written(total.figure.value, 2),
                amount::written(total.parts, 2),
                amount::written(total.figure.value - total.parts, 2),
            );
            let place = total.figure.places.first().cloned();
            anomalies.push(Anomaly { kind: AnomalyKind::Total, message, place, more: 0 });
        }
    }

    fn check_pair(
        &mut self,
        year: usize,
        (one, other): (&'static str, &'static str),
        kind: AnomalyKind,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let (Ok(left), Ok(right)) = (self.value(year, one), self.value(year, other)) else { return };
        let difference = left - right;
        if difference.abs() > self.statement.step * Decimal::TEN {
            let message = format!(
                "{} ({}) et {} ({}) diffèrent de {}, exercice clos le {}",
                items::label(one),
                amount::written(left, 2),
                items::label(other),
                amount::written(right, 2),
                amount::written(difference, 2),
                day(self.statement.years[year].end),
            );
            anomalies.push(Anomaly { kind, message, place: None, more: 0 });
        }
    }
}

impl Total<'_> {
    fn is_met(&self, statement: &Statement) -> bool {
        // Of each term up to half a step may have been lost, and of the total.
        let terms = Decimal::from(self.formula.items().len() as u64 + 1);
        (self.figure.value - self.parts).abs() * Decimal::TWO <= terms * statement.step
    }
}

fn change(value: Decimal, before: Decimal, unit: Unit) -> Option<Change> {
    let difference = value.checked_sub(before)?;
    let is_share = unit == Unit::Percent || !before.is_sign_positive() || before.is_zero();
    let hundredfold = difference.checked_mul(Decimal::ONE_HUNDRED);
    let percent = if is_share { None } else { hundredfold.and_then(|it| it.checked_div(before)) };
    Some(Change { difference, percent })
}

//! From what the rows of tables say to the lines of fiscal years: what makes an item together is added up, what is
//! given twice is reported, and charges that are shown with a minus sign are charges all the same.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::aliases::Compound;
use super::boxes;
use super::labels::is_charge;
use crate::amount;
use crate::analysis::{analyse, checks};
use crate::import::log::Log;
use crate::items::{self, label};
use crate::statement::{AnomalyKind, Figure, Place, Statement, Year};

/// An amount that was read, with what it is of.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) what: What,
    pub(super) value: Decimal,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A box of a tax form.
    Box(&'static str),
    Item(&'static str),
    /// One of the rows that make an item.
    Part(&'static str),
    /// The gross amount of several assets, or what is taken off it.
    Subtotal(&'static str, &'static str),
    /// A total of one of these sections, the nearest first.
    Total(&'static [&'static str], &'static str),
    /// Several items together; of assets the suffix says which of their amounts: `_brut`, `_depreciation`, nothing.
    Compound(&'static Compound, &'static str),
}

/// Totals of assets that have no items for their gross amounts, each with the item that these count as where the table
/// does not tell more; the one in which the Plan comptable général would have an account that says no more.
const SUBTOTALS: &[(&str, &str)] = &[
    ("immobilisations_incorporelles", "autres_immobilisations_incorporelles"),
    ("immobilisations_corporelles", "autres_immobilisations_corporelles"),
    ("immobilisations_financieres", "autres_immobilisations_financieres"),
    ("stocks", "matieres_premieres"),
    ("creances", "autres_creances"),
];

/// Totals of two details of which sources often give one, as « dont »: the other is the rest.
const DETAILS: &[(&str, &str, &str)] = &[
    ("dettes_etablissements_credit", "concours_bancaires", "emprunts_etablissements_credit"),
    ("reprises_et_transferts", "transferts_charges", "reprises_exploitation"),
    ("reprises_et_transferts_financiers", "transferts_charges_financieres", "reprises_financieres"),
    ("reprises_et_transferts_exceptionnels", "transferts_charges_exceptionnelles", "reprises_exceptionnelles"),
];

/// Whether gross amounts of an item are those of several assets.
pub(super) fn is_subtotal(id: &str) -> bool {
    SUBTOTALS.iter().any(|(total, _)| *total == id)
}

/// The lines of a fiscal year, of entries in a currency that are rounded to `step`.
pub(super) fn year(year: Year, entries: &[Entry], step: Decimal, log: &mut Log) -> Year {
    let mut lines = Lines { lines: BTreeMap::new(), step, log };
    lines.add_items(entries);
    lines.add_parts(entries);
    lines.add_compounds(entries);
    lines.add_subtotals(entries);
    lines.add_details();
    lines.add_totals(entries, &year);
    Year { lines: lines.by_id(), ..year }
}

struct Lines<'a> {
    lines: BTreeMap<&'static str, Figure>,
    step: Decimal,
    log: &'a mut Log,
}

impl Lines<'_> {
    /// What stands for itself: items and boxes.
    fn add_items(&mut self, entries: &[Entry]) {
        let mut in_boxes = BTreeMap::new();
        for Entry { what, value, place } in entries {
            match *what {
                What::Box(code) => self.add_to(&mut in_boxes, code, code, *value, place),
                What::Item(id) => self.add(id, *value, place),
                _ => {}
            }
        }
        for (id, figure) in boxes::lines(&in_boxes, self.log) {
            match figure.places.first() {
                Some(place) if self.lines.contains_key(id) => self.add(id, figure.value, place),
                _ => {
                    self.lines.insert(id, figure);
                }
            }
        }
    }

    /// The sum of an item's rows is the item, or what the item's own row should say.
    fn add_parts(&mut self, entries: &[Entry]) {
        let mut parts: BTreeMap<&'static str, (Figure, usize)> = BTreeMap::new();
        for Entry { what, value, place } in entries {
            let What::Part(id) = *what else { continue };
            let (sum, rows) = parts.entry(id).or_insert_with(|| (Figure::of(0), 0));
            // Another sheet has the same once more.
            if sum.places.first().is_some_and(|first| first.sheet != place.sheet) {
                self.log.at(AnomalyKind::Duplicate, "parts", Some(place.clone()), || {
                    format!(
                        "les lignes de «\u{a0}{}\u{a0}» sont données sur plusieurs feuilles\u{a0}: la première compte",
                        label(id)
                    )
                });
                continue;
            }
            sum.value += value;
            *rows += 1;
            sum.add_places([place]);
        }
        for (id, (sum, rows)) in parts {
            match self.lines.get(id) {
                Some(total) => {
                    let (total, place) = (total.value, total.places.first().cloned());
                    self.compare(label(id), total, (sum.value, rows), place);
                }
                None => {
                    self.lines.insert(id, sum);
                }
            }
        }
    }

    fn add_compounds(&mut self, entries: &[Entry]) {
        for Entry { what, value, place } in entries {
            if let What::Compound(compound, suffix) = *what {
                self.add_compound(compound, suffix, *value, place);
            }
        }
    }

    fn add_compound(&mut self, compound: &Compound, suffix: &'static str, value: Decimal, place: &Place) {
        let label = compound.labels.first().copied().unwrap_or_default();
        let of_suffix = |id: &'static str| items::item(&format!("{id}{suffix}")).map(|item| item.id);
        let parts = compound.parts.iter().filter_map(|id| self.lines.get(of_suffix(id)?));
        let parts: Vec<Decimal> = parts.map(|figure| figure.value).collect();
        if !parts.is_empty() {
            return self.compare(label, value, (parts.iter().sum(), parts.len()), Some(place.clone()));
        }
        let Some(id) = compound.otherwise.and_then(of_suffix) else {
            self.log.at(AnomalyKind::Unknown, "compound", Some(place.clone()), || {
                let what = "réunit plusieurs postes qui ne sont pas donnés\u{a0}: ce montant n’est pas compté";
                format!("«\u{a0}{label}\u{a0}» {what}")
            });
            return;
        };
        self.together(label, items::label(id), place);
        self.add(id, value, place);
    }

    fn add_subtotals(&mut self, entries: &[Entry]) {
        let told: Vec<&str> = SUBTOTALS.iter().map(|(id, _)| *id).filter(|id| self.has_assets(id)).collect();
        for Entry { what, value, place } in entries {
            match *what {
                What::Subtotal(id, suffix) if told.contains(&id) => {
                    let assets: Vec<Decimal> = self.assets(id, suffix).map(|figure| figure.value).collect();
                    let sum = (assets.iter().sum(), assets.len());
                    self.compare(label(id), *value, sum, Some(place.clone()));
                }
                What::Subtotal(id, suffix) => self.add_subtotal(id, suffix, *value, place),
                _ => {}
            }
        }
    }

    fn add_subtotal(&mut self, id: &'static str, suffix: &str, value: Decimal, place: &Place) {
        let other = SUBTOTALS.iter().find(|(total, _)| *total == id).map_or(id, |(_, other)| other);
        let Some(item) = items::item(&format!("{other}{suffix}")) else { return };
        if suffix == "_brut" {
            self.together(label(id), label(other), place);
        }
        self.add(item.id, value, place);
    }

    /// The gross amounts that make a total of assets, or what is taken off them.
    fn assets(&self, total: &str, suffix: &str) -> impl Iterator<Item = &Figure> {
        let assets = items::formula(total).map(|formula| formula.items()).unwrap_or_default();
        let ids: Vec<String> = assets.iter().map(|(id, _)| format!("{id}{suffix}")).collect();
        ids.into_iter().filter_map(|id| self.lines.get(id.as_str()))
    }

    fn has_assets(&self, total: &str) -> bool {
        self.assets(total, "_brut").chain(self.assets(total, "_depreciation")).next().is_some()
    }

    fn add_details(&mut self) {
        for (total, one, other) in DETAILS {
            let (given, missing) = if self.lines.contains_key(one) { (one, other) } else { (other, one) };
            let (Some(total), Some(part)) = (self.lines.get(total), self.lines.get(given)) else { continue };
            if !self.lines.contains_key(missing) {
                let places = total.places.iter().chain(&part.places).cloned().collect();
                let rest = Figure { places, ..Figure::of(total.value - part.value) };
                self.lines.insert(missing, rest);
            }
        }
    }

    /// A total that does not say of what is of the section whose lines add up to it, else of the nearest, as far as its
    /// net amount says.
    fn add_totals(&mut self, entries: &[Entry], year: &Year) {
        let year = Year { lines: self.by_id(), ..year.clone() };
        let analysis = analyse(&Statement { years: vec![year], ..Statement::default() });
        let computed = |id: &str| analysis.years.first().and_then(|year| year.value(id));
        for Entry { what, value, place } in entries {
            let What::Total(sections, suffix) = *what else { continue };
            let items = sections.iter().filter_map(|id| items::item(&format!("{id}{suffix}")).map(|item| item.id));
            let ids: Vec<&'static str> = items.collect();
            let is_sum = |id: &&&str| computed(id).is_some_and(|sum| (sum - value).abs() <= self.step * Decimal::TEN);
            if let Some(id) = ids.iter().find(is_sum).or(ids.first().filter(|_| suffix.is_empty())) {
                self.add(id, *value, place);
            }
        }
    }

    fn add(&mut self, id: &'static str, value: Decimal, place: &Place) {
        let mut lines = std::mem::take(&mut self.lines);
        self.add_to(&mut lines, id, label(id), value, place);
        self.lines = lines;
    }

    /// What is given again, with another value, or as another row of the same sheet, is reported: only a total may
    /// stand above its parts and below them.
    fn add_to(
        &mut self,
        figures: &mut BTreeMap<&'static str, Figure>,
        id: &'static str,
        label: &str,
        value: Decimal,
        place: &Place,
    ) {
        let Some(known) = figures.get_mut(id) else {
            figures.insert(id, Figure { places: vec![place.clone()], ..Figure::of(value) });
            return;
        };
        let is_elsewhere = known.places.iter().all(|known| known.sheet != place.sheet);
        if known.value == value && (is_elsewhere || value.is_zero() || items::formula(id).is_some()) {
            known.add_places([place]);
            return;
        }
        let first = known.places.first().map(|place| place.at.clone()).unwrap_or_default();
        self.log.at(AnomalyKind::Duplicate, "twice", Some(place.clone()), || {
            let (kept, other) = (amount::written(known.value, 2), amount::written(value, 2));
            format!("«\u{a0}{label}\u{a0}» est donné deux fois\u{a0}: {kept} ({first}), qui est retenu, et {other}")
        });
    }

    /// Says that a row counts as what says more than it.
    fn together(&mut self, label: &str, other: &str, place: &Place) {
        self.log.at(AnomalyKind::Rule, "together", Some(place.clone()), || {
            format!("«\u{a0}{label}\u{a0}» réunit plusieurs postes\u{a0}: il est compté en «\u{a0}{other}\u{a0}»")
        });
    }

    /// Says where a row is not the sum of others, so many of them. Of each up to half a step may have been lost.
    fn compare(&mut self, label: &str, total: Decimal, (sum, rows): (Decimal, usize), place: Option<Place>) {
        if (total - sum).abs() * Decimal::TWO <= self.step * Decimal::from(rows + 1) {
            return;
        }
        self.log.at(AnomalyKind::Total, "sum", place, || {
            let (total, sum) = (amount::written(total, 2), amount::written(sum, 2));
            format!("{label}\u{a0}: la source donne {total}, ses lignes font {sum}")
        });
    }

    fn by_id(&self) -> BTreeMap<String, Figure> {
        self.lines.iter().map(|(id, figure)| ((*id).to_owned(), figure.clone())).collect()
    }
}

/// Turns the signs of what a statement shows as negative and is not: charges, and what is taken off assets. Where most
/// of them are negative they are turned, unless fewer totals add up then.
pub(super) fn settle_signs(statement: &mut Statement, log: &mut Log) {
    let depreciation = |id: &str| id.ends_with("_depreciation");
    for (what, is_it) in [
        ("les charges sont données", &is_charge as &dyn Fn(&str) -> bool),
        ("les amortissements sont donnés", &depreciation),
    ] {
        let figures = statement.years.iter().flat_map(|year| &year.lines);
        let values = figures.filter(|(id, _)| is_it(id)).map(|(_, figure)| figure.value);
        let values: Vec<Decimal> = values.filter(|value| !value.is_zero()).collect();
        let negative = values.iter().filter(|value| value.is_sign_negative()).count();
        if negative * 2 <= values.len() {
            continue;
        }
        let turned = turned(statement, is_it);
        if checks(&turned).len() <= checks(statement).len() {
            *statement = turned;
            log.at(AnomalyKind::Rule, "signs", None, || format!("{what} en négatif\u{a0}: leur signe a été inversé"));
        }
    }
}

fn turned(statement: &Statement, is_it: &dyn Fn(&str) -> bool) -> Statement {
    let mut turned = statement.clone();
    let lines = turned.years.iter_mut().flat_map(|year| year.lines.iter_mut());
    lines.filter(|(id, _)| is_it(id)).for_each(|(_, figure)| figure.value = -figure.value);
    turned
}

/// Entries by the years that they are of, oldest first.
pub(super) fn by_year(entries: Vec<(NaiveDate, Entry)>) -> BTreeMap<NaiveDate, Vec<Entry>> {
    let mut by_year: BTreeMap<NaiveDate, Vec<Entry>> = BTreeMap::new();
    for (end, entry) in entries {
        by_year.entry(end).or_default().push(entry);
    }
    by_year
}

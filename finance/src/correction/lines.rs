//! Which lines of a year can be corrected: those that are read, as the source gives them. A total that it gives without
//! what is below it counts as a line, and so do the net amounts of assets whose gross amounts it does not give.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::items::{self, Group, Item, Part};
use crate::statement::{Statement, Year};

/// A line that a correction can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub label: String,
    /// Where it belongs, in French. What is a flow can only be given another amount.
    pub group: String,
}

/// The lines that a correction of any year can name, in the order in which a reader expects them.
pub fn choices(statement: &Statement) -> Vec<Choice> {
    let years: Vec<Lines<'_>> = statement.years.iter().map(Lines::of).collect();
    let items = items::all().filter(|item| years.iter().any(|lines| lines.problem(item).is_none()));
    let choice = |item: &Item| Choice { id: item.id.to_owned(), label: item.label.to_owned(), group: group(item) };
    items.map(choice).collect()
}

fn group(item: &Item) -> String {
    let name = match item.group {
        _ if is_flow(item) => "Flux",
        Group::Actif => "Actif",
        Group::Passif => "Passif",
        Group::Produits => "Produits",
        Group::Charges => "Charges",
        _ => "Résultats",
    };
    name.to_owned()
}

/// Whether a line is no part of the balance sheet or the income statement.
pub(super) fn is_flow(item: &Item) -> bool {
    item.id == "remboursements_emprunts"
}

/// What a year's source gives.
pub(super) struct Lines<'a> {
    year: &'a Year,
    /// Totals that are given without anything below them, each with what is below it in its part of the accounts.
    whole: Vec<(&'static Item, HashSet<&'static str>)>,
    /// Whether assets have net amounts only.
    is_net: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn of(year: &'a Year) -> Self {
        let given = || year.lines.keys().filter_map(|id| items::item(id));
        let has = |part| given().any(|item| item.part == Some(part));
        let is_whole = |item: &&'static Item| {
            let parts = below(item, |_| true);
            item.part.is_some() && item.formula.is_some() && !parts.iter().any(|id| year.lines.contains_key(*id))
        };
        let is_within = |item: &'static Item| {
            move |part: &Item| part.part.is_none() || part.part == item.part || part.part == Some(Part::Gross)
        };
        let whole = given().filter(is_whole).map(|item| (item, below(item, is_within(item)))).collect();
        Self { year, whole, is_net: !has(Part::Gross) && given().any(is_asset) }
    }

    /// The line with this identifier.
    ///
    /// # Errors
    /// Where there is none, or it is no line of this source.
    pub(super) fn find(&self, id: &str) -> Result<&'static Item, Problem> {
        let item = items::item(id).ok_or_else(|| Problem::Unknown(id.chars().take(64).collect()))?;
        self.problem(item).map_or(Ok(item), Err)
    }

    /// Why an item cannot be corrected.
    pub(super) fn problem(&self, item: &'static Item) -> Option<Problem> {
        let is_given = self.year.lines.contains_key(item.id);
        let inside = |total: &'static Item| Problem::Inside { line: item.label, total: total.label };
        if item.formula.is_some() {
            let is_line = self.whole.iter().any(|(whole, _)| whole.id == item.id);
            let is_line = is_line || self.is_net && !is_given && is_asset(item);
            return (!is_line).then_some(Problem::Computed(item.label));
        }
        if is_given || is_flow(item) {
            return None;
        }
        // Some assets have no depreciation, neither in the plan nor in the forms.
        if item.accounts.is_empty() && item.code.is_none() {
            return Some(Problem::Unknown(item.label.to_owned()));
        }
        if self.is_net && item.part == Some(Part::Gross) {
            let net = item.id.strip_suffix("_brut").or(item.id.strip_suffix("_depreciation"));
            return net.and_then(items::item).map(inside);
        }
        self.whole.iter().find(|(_, parts)| parts.contains(item.id)).map(|(total, _)| inside(total))
    }
}

/// Whether an item is the net amount of an asset.
fn is_asset(item: &Item) -> bool {
    let is_gross = |id| items::item(id).is_some_and(|item| item.part == Some(Part::Gross) && item.formula.is_none());
    let parts = || items::formula(item.id).map(|formula| formula.items()).unwrap_or_default();
    item.part == Some(Part::Net) && parts().iter().all(|(id, _)| is_gross(id))
}

/// Everything that a total is computed from, as far as it is wanted.
fn below(total: &'static Item, is_wanted: impl Fn(&Item) -> bool) -> HashSet<&'static str> {
    let (mut open, mut found) = (vec![total.id], HashSet::new());
    while let Some(formula) = open.pop().map(items::formula) {
        for (id, _) in formula.map(|formula| formula.items()).unwrap_or_default() {
            if items::item(id).is_some_and(&is_wanted) && found.insert(id) {
                open.push(id);
            }
        }
    }
    found
}

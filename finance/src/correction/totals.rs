//! What a change of lines does to the totals that the source gives.

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::Problem;
use crate::amount;
use crate::analysis::Computer;
use crate::formula::{Formula, Undefined};
use crate::items;
use crate::statement::{Figure, Statement};

/// The totals of the year `at` that are no longer what the source gives, each as it now is; nothing in place of one that
/// is no sum, which then is computed. Where `only_met`, a total that was not the sum of its parts stays.
///
/// # Errors
/// Where a total would be too large.
pub(super) fn after(
    statement: &Statement,
    at: usize,
    changes: impl Iterator<Item = (&'static str, Decimal)>,
    only_met: bool,
) -> Result<Vec<(&'static str, Option<Figure>)>, Problem> {
    let changes: Vec<(&'static str, Decimal)> = changes.collect();
    let known = changes.iter().map(|(id, change)| (*id, Some(*change))).collect();
    let mut effects = Effects { computer: Computer::new(statement), statement, at, only_met, known };
    let is_total = |id: &str| items::formula(id).is_some() && changes.iter().all(|(changed, _)| *changed != id);
    let given = items::all().filter(|item| is_total(item.id));
    let given = given.filter_map(|item| Some((item, statement.years[at].lines.get(item.id)?)));
    let mut totals = Vec::new();
    for (item, figure) in given {
        match effects.of(item.id) {
            Some(change) if change.is_zero() => {}
            Some(change) => {
                let value = figure.value.checked_add(change).and_then(amount::checked);
                // It was read nowhere.
                let figure = Figure::of(value.ok_or(Problem::TooLarge(item.label))?);
                totals.push((item.id, Some(figure)));
            }
            None => totals.push((item.id, None)),
        }
    }
    Ok(totals)
}

struct Effects<'a> {
    computer: Computer<'a>,
    statement: &'a Statement,
    at: usize,
    only_met: bool,
    /// By how much each changes; nothing where that is not known.
    known: HashMap<&'static str, Option<Decimal>>,
}

impl Effects<'_> {
    fn of(&mut self, id: &'static str) -> Option<Decimal> {
        if let Some(known) = self.known.get(id) {
            return *known;
        }
        let is_given = self.statement.years[self.at].lines.contains_key(id);
        let stays = self.only_met && is_given && !self.computer.is_met(self.at, id);
        let formula = items::formula(id).filter(|_| !stays);
        let change = formula.map_or(Some(Decimal::ZERO), |formula| self.of_formula(formula));
        self.known.insert(id, change);
        change
    }

    fn of_formula(&mut self, formula: &'static Formula) -> Option<Decimal> {
        match formula {
            Formula::Item(id) => self.of(id),
            Formula::Number(_) | Formula::Previous(_) | Formula::Days => Some(Decimal::ZERO),
            Formula::Either(first, second) => match self.computer.formula(self.at, first) {
                Err(Undefined::Missing { .. }) => self.of_formula(second),
                _ => self.of_formula(first),
            },
            Formula::Sum(terms) => terms.iter().try_fold(Decimal::ZERO, |sum, (is_subtracted, term)| {
                let change = self.of_formula(term)?;
                if *is_subtracted { sum.checked_sub(change) } else { sum.checked_add(change) }
            }),
            Formula::Product(one, other) | Formula::Quotient(one, other) => {
                let are_same =
                    [one, other].into_iter().all(|part| self.of_formula(part).is_some_and(|it| it.is_zero()));
                are_same.then_some(Decimal::ZERO)
            }
        }
    }
}

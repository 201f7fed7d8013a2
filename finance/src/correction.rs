//! Corrections by hand: an account or a line that belongs elsewhere, an amount that was misread.
//!
//! They are kept beside the statement and made to a copy of it, so that each can be shown and taken back. A total that
//! the source gives follows what is moved below it. Where an amount is set, only a total that was the sum of its parts
//! follows: one that was not stays as the source has it, as the amount may be what was missing below it.

mod lines;
mod totals;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::lines::Lines;
pub use self::lines::{Choice, choices};
use crate::amount;
use crate::items::{Group, Item, to_the_cent};
use crate::statement::{Account, Figure, Statement, Year, day};

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Correction {
    /// Takes an account, or a whole line, out of a line and adds it to another. Where debits count as positive in one and
    /// credits in the other its sign turns.
    Move {
        /// The fiscal year's last day.
        year: NaiveDate,
        /// The line's identifier.
        from: String,
        /// The account's number; without one it is the whole line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// The other line's identifier.
        to: String,
    },
    /// Gives a line another amount.
    Set {
        /// The fiscal year's last day.
        year: NaiveDate,
        /// The line's identifier.
        line: String,
        /// In the statement's currency.
        #[serde(with = "crate::amount::exact")]
        value: Decimal,
    },
}

/// A correction that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("la correction n°\u{a0}{} ne s’applique pas\u{a0}: {problem}", .at + 1)]
pub struct InvalidCorrection {
    /// Which one, from 0.
    pub at: usize,
    /// Why not.
    pub problem: Problem,
}

/// Why a correction cannot be made. The texts are for French readers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// No fiscal year ends on that day.
    #[error("aucun exercice n’est clos le {}", day(*.0))]
    Year(NaiveDate),
    /// No line has this identifier.
    #[error("il n’y a pas de poste «\u{a0}{0}\u{a0}»")]
    Unknown(String),
    /// It is computed from lines.
    #[error("«\u{a0}{0}\u{a0}» est calculé\u{a0}: corrigez un poste dont il vient")]
    Computed(&'static str),
    /// The source gives only what it is a part of.
    #[error("«\u{a0}{line}\u{a0}» n’est pas donné à part\u{a0}: corrigez «\u{a0}{total}\u{a0}»")]
    Inside {
        /// The line.
        line: &'static str,
        /// What the source gives.
        total: &'static str,
    },
    /// The year has no such line.
    #[error("les comptes n’ont pas «\u{a0}{0}\u{a0}»")]
    Absent(&'static str),
    /// The line does not have the account.
    #[error("le compte {number} n’est pas dans «\u{a0}{line}\u{a0}»")]
    Account {
        /// The account's number.
        number: String,
        /// The line.
        line: &'static str,
    },
    /// It is already there.
    #[error("«\u{a0}{0}\u{a0}» serait à la fois l’origine et la destination")]
    Same(&'static str),
    /// It is in neither the balance sheet nor the income statement.
    #[error("«\u{a0}{0}\u{a0}» est un flux\u{a0}: il ne se déplace pas, donnez son montant")]
    Flow(&'static str),
    /// No amount is so large.
    #[error("«\u{a0}{0}\u{a0}» serait trop grand")]
    TooLarge(&'static str),
}

/// A statement with its corrections made.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// The accounts as they now are.
    pub statement: Statement,
    /// What was corrected, in French, in the order of the corrections.
    pub written: Vec<String>,
}

/// Makes corrections to a copy of `statement`, in their order.
///
/// Of a year whose income is corrected there are no months anymore: entries are known by account only.
///
/// # Errors
/// The first that cannot be made.
pub fn corrected(statement: &Statement, corrections: &[Correction]) -> Result<Corrected, InvalidCorrection> {
    let (mut statement, mut written) = (statement.clone(), Vec::new());
    for (at, correction) in corrections.iter().enumerate() {
        let invalid = |problem| InvalidCorrection { at, problem };
        written.push(correction.make(&mut statement).map_err(invalid)?);
    }
    Ok(Corrected { statement, written })
}

/// What a correction does to the lines that it names.
struct Plan {
    /// In French.
    written: String,
    /// The lines as they will be.
    figures: Vec<(&'static Item, Figure)>,
}

impl Correction {
    /// The fiscal year's last day.
    pub fn year(&self) -> NaiveDate {
        let (Self::Move { year, .. } | Self::Set { year, .. }) = self;
        *year
    }

    /// The identifiers of the lines that it names.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Move { from, to, .. } => (from, Some(to)),
            Self::Set { line, .. } => (line, None),
        };
        std::iter::once(first).chain(second).map(String::as_str)
    }

    /// Makes it, and says what it did. Where it cannot be made the statement stays as it is.
    fn make(&self, statement: &mut Statement) -> Result<String, Problem> {
        let end = self.year();
        let at = statement.years.iter().position(|year| year.end == end).ok_or(Problem::Year(end))?;
        let Plan { written, figures } = self.plan(&statement.years[at], &statement.currency)?;
        let value = |item: &Item| statement.years[at].lines.get(item.id).map(|figure| figure.value).unwrap_or_default();
        let changes = figures.iter().map(|(item, figure)| (item.id, figure.value - value(item)));
        let totals = totals::after(statement, at, changes, matches!(self, Self::Set { .. }))?;
        let year = &mut statement.years[at];
        if figures.iter().any(|(item, _)| matches!(item.group, Group::Produits | Group::Charges | Group::Resultats)) {
            year.movements.clear();
        }
        let figures = figures.into_iter().map(|(item, figure)| (item.id, Some(figure)));
        for (id, figure) in figures.chain(totals) {
            match figure {
                Some(figure) => year.lines.insert(id.to_owned(), figure),
                None => year.lines.remove(id),
            };
        }
        Ok(format!("Exercice clos le {}\u{a0}: {written}", day(end)))
    }

    fn plan(&self, year: &Year, currency: &str) -> Result<Plan, Problem> {
        let lines = Lines::of(year);
        let of = |item: &'static Item| year.lines.get(item.id);
        match self {
            Self::Move { from, account, to, .. } => {
                let (from, to) = (lines.find(from)?, lines.find(to)?);
                if let Some(flow) = [from, to].into_iter().find(|item| lines::is_flow(item)) {
                    return Err(Problem::Flow(flow.label));
                }
                if from.id == to.id {
                    return Err(Problem::Same(from.label));
                }
                let figure = of(from).ok_or(Problem::Absent(from.label))?;
                let (what, taken, rest) = match account {
                    Some(number) => taken(year, from, figure, number)?,
                    None => (format!("«\u{a0}{}\u{a0}»", from.label), figure.clone(), Figure::of(Decimal::ZERO)),
                };
                let place =
                    if account.is_some() { format!(" de «\u{a0}{}\u{a0}»", from.label) } else { String::new() };
                let amount = to_the_cent(taken.value, currency);
                let written = format!("{what} passe{place} à «\u{a0}{}\u{a0}» ({amount})", to.label);
                let is_turned = from.is_debit() != to.is_debit();
                let sum = with(of(to), taken, is_turned).ok_or(Problem::TooLarge(to.label))?;
                Ok(Plan { written, figures: vec![(from, rest), (to, sum)] })
            }
            Self::Set { line, value, .. } => {
                let item = lines.find(line)?;
                let value = amount::checked(*value).ok_or(Problem::TooLarge(item.label))?;
                let now = to_the_cent(value, currency);
                let change = match of(item) {
                    Some(figure) => format!("passe de {} à {now}", to_the_cent(figure.value, currency)),
                    None => format!("est fixé à {now}"),
                };
                let written = format!("«\u{a0}{}\u{a0}» {change}", item.label);
                // It was read nowhere.
                Ok(Plan { written, figures: vec![(item, Figure::of(value))] })
            }
        }
    }
}

/// An account that is taken out of a line: in words, what it adds to the line, and what is left there.
fn taken(year: &Year, from: &Item, figure: &Figure, number: &str) -> Result<(String, Figure, Figure), Problem> {
    let (own, others): (Vec<&Account>, Vec<&Account>) =
        year.accounts_of(from).into_iter().partition(|account| account.number == number);
    let missing = || Problem::Account { number: number.chars().take(20).collect(), line: from.label };
    let label = own.first().ok_or_else(missing)?.label.as_str();
    let name = if label.is_empty() { String::new() } else { format!(" ({label})") };
    let balance: Decimal = own.iter().map(|account| account.balance).sum();
    let of = |accounts: &[&Account], value: Decimal| {
        let numbers = accounts.iter().map(|account| account.number.clone()).collect();
        let mut figure = Figure { accounts: numbers, ..Figure::of(value) };
        figure.add_places(accounts.iter().flat_map(|account| &account.places));
        figure
    };
    let value = if from.is_debit() { balance } else { Decimal::ZERO - balance };
    let rest = amount::checked(figure.value - value).ok_or(Problem::TooLarge(from.label))?;
    Ok((format!("le compte {number}{name}"), of(&own, value), of(&others, rest)))
}

/// A line with another amount in it; nothing where that is too large.
fn with(figure: Option<&Figure>, added: Figure, is_turned: bool) -> Option<Figure> {
    let mut sum = figure.cloned().unwrap_or_else(|| Figure::of(Decimal::ZERO));
    let value = if is_turned { sum.value - added.value } else { sum.value + added.value };
    sum.value = amount::checked(value)?;
    sum.add_places(&added.places);
    sum.accounts.extend(added.accounts);
    Some(sum)
}

#[cfg(test)]
mod tests;

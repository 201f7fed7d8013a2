//! What every import ends in: a company's accounts of some fiscal years, each figure with the places it came from.
//!
//! Nothing is computed here: totals and ratios are [`crate::analysis`]' work.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::items::{self, Item};
use crate::siren::Siren;

/// A company's accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Statement))]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Whose accounts they are.
    #[serde(default)]
    pub company: Company,
    /// The currency's code (ISO 4217).
    #[serde(default = "euro")]
    pub currency: String,
    /// What the source rounds amounts to, in the currency: 1000 where it is in thousands.
    #[serde(default = "cent", with = "crate::amount::exact")]
    pub step: Decimal,
    /// The rules that the accounts are made by.
    #[serde(default)]
    pub basis: Basis,
    /// Fiscal years, oldest first.
    pub years: Vec<Year>,
    /// What the import could not read, or found to be wrong.
    #[serde(default)]
    pub anomalies: Vec<Anomaly>,
    /// Figures that the import read and left out, as it must: in a report, those of parts of the whole, such as a
    /// segment, and those of other dates than its years'.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// Fiscal years that a statement has at most.
const MOST_YEARS: usize = 20;

/// Characters of a company's name, at most.
const MOST_NAME: usize = 300;
/// Months of a fiscal year, at most: the law allows for 24, and a company's first one may be an odd one.
const MOST_MONTHS: u32 = 36;

/// What is wrong in a statement that was not made by an import.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{field}`: {message}")]
pub struct InvalidStatement {
    /// Where: `years[1].lines`.
    pub field: String,
    /// What, in English, without a full stop.
    pub message: String,
}

impl Statement {
    /// Whether it can be analysed.
    ///
    /// # Errors
    /// Where there is no year or too many, one is too long, two end on the same day or are out of order, a line is unknown,
    /// or the currency is no code.
    pub fn check(&self) -> Result<(), InvalidStatement> {
        let invalid = |field: String, message: String| Err(InvalidStatement { field, message });
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return invalid("currency".to_owned(), "A currency is a code of three letters, such as `EUR`".to_owned());
        }
        if self.company.name.as_ref().is_some_and(|name| name.chars().count() > MOST_NAME) {
            return invalid("company.name".to_owned(), format!("A name has {MOST_NAME} characters at most"));
        }
        if !(1..=MOST_YEARS).contains(&self.years.len()) {
            return invalid("years".to_owned(), format!("A statement has 1 to {MOST_YEARS} fiscal years"));
        }
        for (at, year) in self.years.iter().enumerate() {
            if at > 0 && self.years[at - 1].end >= year.end {
                return invalid(format!("years[{at}].end"), "Fiscal years come in order, the oldest first".to_owned());
            }
            let earliest = year.end.checked_sub_months(chrono::Months::new(MOST_MONTHS));
            if year.start.is_some_and(|start| start > year.end || earliest.is_none_or(|earliest| start < earliest)) {
                let message = format!("A fiscal year begins up to {MOST_MONTHS} months before it ends");
                return invalid(format!("years[{at}].start"), message);
            }
            if let Some(id) = year.lines.keys().find(|id| crate::items::item(id).is_none()) {
                let id: String = id.chars().take(64).collect();
                return invalid(format!("years[{at}].lines"), format!("There is no line `{id}`"));
            }
        }
        Ok(())
    }
}

/// The rules that accounts are made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Basis))]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The Plan comptable général, whose lines everybody has: one that is left out is zero.
    #[default]
    Pcg,
    /// IFRS, where each company chooses its lines: of one that is left out nothing is known.
    Ifrs,
}

fn euro() -> String {
    "EUR".to_owned()
}

fn cent() -> Decimal {
    Decimal::new(1, 2)
}

impl Default for Statement {
    fn default() -> Self {
        Self {
            company: Company::default(),
            currency: euro(),
            step: cent(),
            basis: Basis::default(),
            years: Vec::new(),
            anomalies: Vec::new(),
            left_out: 0,
        }
    }
}

/// Who a company is, as far as its accounts say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Company))]
#[serde(deny_unknown_fields)]
pub struct Company {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its number at INSEE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub siren: Option<Siren>,
}

/// A fiscal year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Year))]
#[serde(deny_unknown_fields)]
pub struct Year {
    /// Its first day, where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<NaiveDate>,
    /// Its last day.
    pub end: NaiveDate,
    /// The accounts that the lines were computed from; empty where the source has lines only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// By the identifiers of [`crate::items`]. Where the source has accounts each line is here,
    /// a zero among them; where it has lines, those that it says something of.
    #[serde(default)]
    pub lines: BTreeMap<String, Figure>,
    /// What IFRS accounts say beside the lines, as they say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<IfrsFact>,
    /// What happened to each account in each month, opening balances left out, where the source has entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub movements: Vec<Movement>,
    /// The journals, where the source has entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journals: Vec<Journal>,
}

impl Year {
    /// One of which nothing is known but its last day.
    pub fn ending(end: NaiveDate) -> Self {
        let lines = BTreeMap::new();
        Self { start: None, end, accounts: vec![], lines, other: vec![], movements: vec![], journals: vec![] }
    }

    /// Its days; where it is not known when it began, as many as there are to the same day of the year before.
    pub fn days(&self) -> i64 {
        let before = self.end.checked_sub_months(chrono::Months::new(12)).unwrap_or(self.end);
        let days = self.start.map_or_else(|| (self.end - before).num_days(), |start| (self.end - start).num_days() + 1);
        days.max(1)
    }

    /// The accounts that a line is the sum of. Of an account with a debit and a credit balance it is the one that the
    /// plan has there, else the one that is no longer where the plan has it.
    pub(crate) fn accounts_of(&self, item: &Item) -> Vec<&Account> {
        let numbers = |id: &str| self.lines.get(id).map_or(&[][..], |figure| &figure.accounts);
        let mut found: HashMap<&str, Vec<&Account>> =
            numbers(item.id).iter().map(|number| (number.as_str(), Vec::new())).collect();
        for account in &self.accounts {
            found.entry(&account.number).and_modify(|accounts| accounts.push(account));
        }
        let rank = |account: &&Account| {
            let own = items::of_account(&account.number, account.balance.is_sign_positive());
            let is_own = own.is_some_and(|own| own.id == item.id);
            let is_moved = own.is_none_or(|own| !numbers(own.id).contains(&account.number));
            (!is_own, !is_moved, account.balance.is_sign_positive() != item.is_debit())
        };
        let mut accounts = Vec::new();
        for number in numbers(item.id) {
            let Some(candidates) = found.get_mut(number.as_str()) else { continue };
            let best = (0..candidates.len()).min_by_key(|at| rank(&candidates[*at]));
            accounts.extend(best.map(|best| candidates.remove(best)));
        }
        accounts
    }
}

/// An account of a trial balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Account))]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its number in the Plan comptable général: `607100`.
    pub number: String,
    /// What the company calls it.
    #[serde(default)]
    pub label: String,
    /// At the end of the year, debit less credit.
    #[serde(with = "crate::amount::exact")]
    pub balance: Decimal,
    /// Where it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

/// What happened to an account in a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Movement))]
#[serde(deny_unknown_fields)]
pub struct Movement {
    /// `2024-03`.
    pub month: String,
    /// The account's number.
    pub account: String,
    /// Debit less credit.
    #[serde(with = "crate::amount::exact")]
    pub amount: Decimal,
}

/// A journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Journal))]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Its code: `VT`.
    pub code: String,
    /// What the company calls it.
    pub label: String,
    /// Its lines.
    pub lines: u64,
    /// Their debits.
    #[serde(with = "crate::amount::exact")]
    pub debit: Decimal,
    /// Their credits.
    #[serde(with = "crate::amount::exact")]
    pub credit: Decimal,
}

/// A day as French prints it: `31/12/2024`.
pub(crate) fn day(date: NaiveDate) -> String {
    date.format("%d/%m/%Y").to_string()
}

/// A value that was read, or added up from accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Figure))]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// In the statement's currency. Assets and expenses are positive where their balance is a debit, liabilities and
    /// income where it is a credit.
    #[serde(with = "crate::amount::exact")]
    pub value: Decimal,
    /// Where it was read: of a sum the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// The accounts it is the sum of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
}

impl Figure {
    /// One that no place is known of.
    pub fn of(value: impl Into<Decimal>) -> Self {
        Self { value: value.into(), places: Vec::new(), accounts: Vec::new() }
    }
}

/// A figure of IFRS accounts that no item of [`crate::items`] means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::IfrsFact))]
#[serde(deny_unknown_fields)]
pub struct IfrsFact {
    /// Its element in the taxonomy: `ifrs-full:Goodwill`; with another prefix, one that the company defines.
    pub concept: String,
    /// Its name in French; where none is known, the words of the element's name.
    pub label: String,
    /// In its unit, with the sign that its element gives it: an expense is positive.
    #[serde(with = "crate::amount::exact")]
    pub value: Decimal,
    /// A currency's code, `shares`, `EUR/shares`, or `pure` for a plain number.
    pub unit: String,
    /// Where it was read.
    pub place: Place,
}

/// Where something is, in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Place))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The file's name, which may be one inside an archive.
    pub file: String,
    /// The sheet of a workbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// `B12` in a sheet, `12` for a line of a text, an element's id in iXBRL.
    pub at: String,
}

/// Something that was not read, or is wrong in what was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Anomaly))]
#[serde(deny_unknown_fields)]
pub struct Anomaly {
    /// What kind it is.
    pub kind: AnomalyKind,
    /// What is wrong, for a French reader.
    pub message: String,
    /// Where, where it is at one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// How many more like it there are, which are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The kinds of [`Anomaly`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::AnomalyKind))]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// A cell or a line that could not be read.
    Unreadable,
    /// Something that was read, and is no line or account we know.
    Unknown,
    /// A column, a date or a year that should be there, and is not.
    Missing,
    /// Debits that are not equal to credits.
    Unbalanced,
    /// A total that is not what its parts add up to.
    Total,
    /// A line that occurs twice.
    Duplicate,
    /// Anything else that breaks a rule of the format.
    Rule,
}

//! The months of a fiscal year, where the source has entries: what each brought, by the same formulas as the year.
//!
//! Only the income statement is broken down. What is booked once a year, such as a change in stocks or depreciation, is
//! in the month in which it is booked.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::statement::{Account, Movement, Statement, Year};
use crate::{accounts, analyse};

/// What of the income statement each month has, by its items' identifiers.
pub(crate) const SHOWN: [&str; 5] =
    ["chiffre_affaires", "valeur_ajoutee", "ebe", "resultat_exploitation", "resultat_net_sig"];

/// A month of a fiscal year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Month))]
pub struct Month {
    /// `2024-03`.
    pub month: String,
    /// By the items' identifiers, in the currency.
    #[cfg_attr(feature = "utoipa", schema(value_type = BTreeMap<String, String>))]
    pub results: BTreeMap<String, Decimal>,
}

/// The months of a year in which something happened, in their order.
pub fn months(year: &Year) -> Vec<Month> {
    let mut by_month: BTreeMap<&str, Vec<&Movement>> = BTreeMap::new();
    let month_of = |day: NaiveDate| day.format("%Y-%m").to_string();
    // Entries with a mistaken date are in no month of the year.
    let (first, last) = (month_of(year.start.unwrap_or(year.end)), month_of(year.end));
    let is_within = |movement: &&Movement| (first.as_str()..=last.as_str()).contains(&movement.month.as_str());
    for movement in year.movements.iter().filter(is_within) {
        by_month.entry(&movement.month).or_default().push(movement);
    }
    by_month.into_iter().filter_map(|(month, movements)| of(month, &movements)).collect()
}

fn of(month: &str, movements: &[&Movement]) -> Option<Month> {
    let first: NaiveDate = format!("{month}-01").parse().ok()?;
    let end = first.checked_add_months(Months::new(1))?.pred_opt()?;
    let is_income = |movement: &&&Movement| movement.account.starts_with(['6', '7']);
    let account = |movement: &&Movement| Account {
        number: movement.account.clone(),
        label: String::new(),
        balance: movement.amount,
        places: Vec::new(),
    };
    let accounts: Vec<Account> = movements.iter().filter(is_income).map(account).collect();
    let (lines, _) = accounts::lines(&accounts);
    let year = Year { start: Some(first), lines, ..Year::ending(end) };
    let analysis = analyse(&Statement { years: vec![year], ..Statement::default() });
    let year = analysis.years.first()?;
    let results = SHOWN.iter().filter_map(|id| Some(((*id).to_owned(), year.value(id)?)));
    Some(Month { month: month.to_owned(), results: results.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{import, sample};

    #[test]
    fn the_months_add_up_to_the_year() {
        let mut file = String::new();
        sample::fec(3_000, 1, &mut |line| file.extend([line, "\n"]));
        let statement = import::read(file.as_bytes(), sample::NAME, &import::Options::default()).unwrap();
        let (months, analysis) = (months(&statement.years[0]), analyse(&statement));
        assert_eq!((months.len(), months[0].month.as_str()), (12, "2024-01"));
        for id in SHOWN {
            let sum: Decimal = months.iter().map(|month| month.results[id]).sum();
            assert_eq!(Some(sum), analysis.years[0].value(id), "{id}");
        }
    }
}

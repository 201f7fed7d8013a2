//! From the accounts of a trial balance to the lines of the balance sheet and the income statement.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::items::{self, Item};
use crate::statement::{Account, Anomaly, AnomalyKind, Figure};

/// Unknown accounts that are named; the others are counted.
const UNKNOWN: usize = 20;

/// The lines of a fiscal year, by their identifiers: all of them, as a ledger has every account. Accounts outside the
/// classes 1 to 7 are no part of them; an anomaly names each, but those of class 8, which are beside the accounts by
/// definition.
pub fn lines(accounts: &[Account]) -> (BTreeMap<String, Figure>, Vec<Anomaly>) {
    let is_read = |item: &&Item| item.formula.is_none() && !item.accounts.is_empty();
    let zero = |item: &Item| (item.id.to_owned(), Figure::of(Decimal::ZERO));
    let mut lines: BTreeMap<String, Figure> = items::all().filter(is_read).map(zero).collect();
    let mut anomalies: Vec<Anomaly> = Vec::new();
    for account in accounts {
        let Some(item) = items::of_account(&account.number, account.balance.is_sign_positive()) else {
            if !account.number.starts_with('8') && !account.balance.is_zero() {
                match anomalies.get_mut(UNKNOWN - 1) {
                    Some(last) => last.more += 1,
                    None => anomalies.push(unknown(account)),
                }
            }
            continue;
        };
        let figure = lines.entry(item.id.to_owned()).or_insert_with(|| zero(item).1);
        figure.value += if item.is_debit() { account.balance } else { -account.balance };
        figure.add_places(&account.places);
        figure.accounts.push(account.number.clone());
    }
    (lines, anomalies)
}

/// Whether an account is of loans, so that its debits are repayments.
pub(crate) fn is_loan(number: &str) -> bool {
    ["161", "163", "164"].iter().any(|prefix| number.starts_with(prefix))
}

fn unknown(account: &Account) -> Anomaly {
    let message = format!("le compte {} ({}) n’est pas du Plan comptable général", account.number, account.label);
    Anomaly { kind: AnomalyKind::Unknown, message, place: account.places.first().cloned(), more: 0 }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;
    use crate::statement::{Statement, Year};
    use crate::{analyse, checks};

    /// A year with these accounts, the bank's balance making debits equal to credits.
    fn statement(balances: &[(u32, i64)]) -> Statement {
        let account = |number: String, balance| Account { number, label: String::new(), balance, places: vec![] };
        let cents = |cents| Decimal::new(cents, 2);
        let mut accounts: Vec<Account> =
            balances.iter().map(|(number, balance)| account(number.to_string(), cents(*balance))).collect();
        let sum: i64 = balances.iter().map(|(_, balance)| balance).sum();
        accounts.push(account("512000".to_owned(), cents(-sum)));
        let end = NaiveDate::from_ymd_opt(2024, 12, 31).expect("it is a date");
        let (lines, anomalies) = lines(&accounts);
        assert_eq!(anomalies, []);
        Statement { years: vec![Year { accounts, lines, ..Year::ending(end) }], ..Statement::default() }
    }

    proptest! {
        /// Whatever accounts a balanced ledger has: the balance sheet balances, the soldes end in the result, both
        /// methods find the same CAF, and the fonds de roulement less its besoin is the trésorerie.
        #[test]
        fn balanced_ledgers_have_balanced_accounts(
            balances in prop::collection::vec((100_u32..800, 0_u32..1000, -1_000_000_000_i64..1_000_000_000), 1..60)
        ) {
            let balances: Vec<_> = balances.into_iter().map(|(class, rest, cents)| (class * 1000 + rest, cents)).collect();
            let statement = statement(&balances);
            prop_assert_eq!(checks(&statement), []);
            let year = &analyse(&statement).years[0];
            for (one, other) in [
                ("total_actif", "total_passif"),
                ("resultat_net_sig", "resultat_net"),
                ("resultat_exploitation", "resultat_exploitation_compte"),
                ("caf", "caf_soustractive"),
                ("fr_moins_bfr", "tresorerie_nette"),
            ] {
                prop_assert!(year.value(one).is_some(), "{}", one);
                prop_assert_eq!(year.value(one), year.value(other), "{} and {}", one, other);
            }
        }
    }

    #[test]
    fn other_accounts_are_named_and_those_of_class_8_are_not() {
        let account = |number: &str| Account {
            number: number.to_owned(),
            label: "Divers".to_owned(),
            balance: Decimal::ONE,
            places: vec![],
        };
        let (_, anomalies) = lines(&[account("801"), account("901"), account("Z1")]);
        let messages: Vec<&str> = anomalies.iter().map(|anomaly| anomaly.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "le compte 901 (Divers) n’est pas du Plan comptable général",
                "le compte Z1 (Divers) n’est pas du Plan comptable général"
            ]
        );
    }
}

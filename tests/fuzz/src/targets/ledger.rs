//! A FEC with any amounts in any form of the format: what is read of it is what was written, to the cent.

use std::collections::BTreeMap;
use std::fmt::Write;

use rust_decimal::Decimal;
use zyron_finance::import::fec::COLUMNS;
use zyron_finance::{analyse, import, sample};

/// Of a few kinds, so that every part of the accounts has some.
const ACCOUNTS: [&str; 24] = [
    "101000", "106100", "120000", "164000", "205000", "213500", "281300", "371000", "401000", "411000", "421000",
    "445660", "445710", "455000", "512000", "519000", "601000", "607000", "641000", "661000", "681100", "701000",
    "707000", "775000",
];
/// What makes debits equal to credits.
const BANK: &str = "530000";

/// How a file is written.
struct Form {
    separator: &'static str,
    decimal: char,
    thousands: &'static str,
    end: &'static str,
}

/// The first byte says how the file is written; six each are an entry: its account, its month, its amount.
pub fn run(data: &[u8]) {
    let Some((&how, entries)) = data.split_first() else { return };
    let form = Form {
        separator: if how & 1 == 0 { "\t" } else { "|" },
        decimal: if how & 2 == 0 { ',' } else { '.' },
        thousands: if how & 4 == 0 { "" } else { "\u{a0}" },
        end: if how & 8 == 0 { "\r\n" } else { "\n" },
    };
    let mut file = COLUMNS.join(form.separator) + form.end;
    let mut written: BTreeMap<&str, Decimal> = BTreeMap::new();
    for (number, entry) in entries.chunks_exact(6).enumerate() {
        let account = ACCOUNTS[usize::from(entry[0]) % ACCOUNTS.len()];
        let month = entry[1] % 12 + 1;
        let cents = i64::from(i32::from_le_bytes([entry[2], entry[3], entry[4], entry[5]]));
        for (account, cents) in [(account, cents), (BANK, -cents)] {
            line(&mut file, &form, number, month, (account, cents));
            *written.entry(account).or_default() += Decimal::new(cents, 2);
        }
    }
    if written.is_empty() {
        return;
    }
    let statement = import::read(file.as_bytes(), sample::NAME, &import::Options::default());
    let statement = statement.expect("a FEC can be read");
    let mut read: BTreeMap<&str, Decimal> = BTreeMap::new();
    for account in &statement.years[0].accounts {
        *read.entry(&account.number).or_default() += account.balance;
    }
    assert_eq!(read, written, "other amounts were read than were written");
    let analysis = analyse(&statement);
    let of = |id| analysis.years[0].value(id);
    assert_eq!(of("total_actif"), of("total_passif"), "a balanced ledger gives no balanced balance sheet");
}

fn line(file: &mut String, form: &Form, number: usize, month: u8, (account, cents): (&str, i64)) {
    let amount = |cents: i64| {
        let digits = (cents / 100).to_string();
        let mut units = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                units.push_str(form.thousands);
            }
            units.push(digit);
        }
        format!("{units}{}{:02}", form.decimal, cents % 100)
    };
    let (debit, credit) = (amount(cents.max(0)), amount((-cents).max(0)));
    let date = format!("2024{month:02}15");
    let number = number.to_string();
    let fields = [
        "OD",
        "Opérations",
        &number,
        &date,
        account,
        "Compte",
        "",
        "",
        "P",
        &date,
        "Écriture",
        &debit,
        &credit,
        "",
        "",
        &date,
        "",
        "",
    ];
    let _ = write!(file, "{}{}", fields.join(form.separator), form.end);
}

//! Ormeau Négoce, a wholesaler that does not exist: two balances générales, and the FEC of the year that begins with what
//! the last of them ends with.
//!
//! It grows, its margin shrinks, and its customers and its stock take more money than it earns: there is something to
//! see for whoever analyses it.

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::{Days, Months, NaiveDate};

use super::{HEADER, NAME, mixed};

const BALANCES: [(&str, &str); 2] =
    [("balance_2022.csv", include_str!("balance_2022.csv")), ("balance_2023.csv", include_str!("balance_2023.csv"))];

/// A thousand euros, in cents.
const K: i64 = 100_000;
/// What is sold in each month, in thousandths of the year.
const SEASON: [i64; 12] = [70, 72, 84, 82, 84, 86, 76, 60, 90, 96, 98, 102];
const SALES: i64 = 4_070 * K;
const PURCHASES: i64 = 2_835 * K;

const CUSTOMERS: [Third; 8] = [
    ("C0101", "Client Alizé"),
    ("C0102", "Client Bruyère"),
    ("C0103", "Client Cèdre"),
    ("C0104", "Client Dune"),
    ("C0105", "Client Estuaire"),
    ("C0106", "Client Falaise"),
    ("C0107", "Client Garance"),
    ("C0108", "Client Houle"),
];
const SUPPLIERS: [Third; 5] = [
    ("F0201", "Fournisseur Ambre"),
    ("F0202", "Fournisseur Basalte"),
    ("F0203", "Fournisseur Craie"),
    ("F0204", "Fournisseur Diorite"),
    ("F0205", "Fournisseur Émeri"),
];

const OPENING: Journal = ("AN", "À-nouveaux");
const SOLD: Journal = ("VT", "Ventes");
const BOUGHT: Journal = ("AC", "Achats");
const BANK: Journal = ("BQ", "Banque");
const OTHER: Journal = ("OD", "Opérations diverses");

/// Accounts, thousands of euros a year, the months of the invoices, and whether there is VAT on them.
const EXPENSES: [(&str, i64, &[u32], bool); 10] = [
    ("606100", 57, &[1, 3, 5, 7, 9, 11], true),
    ("606300", 16, &[2, 6, 10], true),
    ("613200", 136, &[1, 4, 7, 10], true),
    ("615000", 26, &[3, 6, 9, 12], true),
    ("616000", 24, &[1], false),
    ("622600", 30, &[3, 6, 9, 12], true),
    ("623000", 61, &[2, 5, 9, 11], true),
    ("624100", 158, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], true),
    ("625100", 21, &[4, 8, 12], true),
    ("626000", 20, &[2, 5, 8, 11], true),
];

/// Its code and its name.
type Journal = (&'static str, &'static str);
/// A customer or a supplier: its code and its name.
type Third = (&'static str, &'static str);

struct Row {
    account: &'static str,
    third: Option<Third>,
    /// A credit where it is negative.
    cents: i64,
}

struct Entry {
    date: NaiveDate,
    journal: Journal,
    what: String,
    rows: Vec<Row>,
}

/// The files, with their names.
pub(super) fn files() -> Vec<(String, String)> {
    let balances = BALANCES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    balances.chain([(NAME.to_owned(), fec())]).collect()
}

fn fec() -> String {
    let mut book = Book { entries: Vec::new(), labels: HashMap::new(), seed: 1 };
    book.open();
    for (month, season) in (1..=12).zip(SEASON) {
        book.trade(month, season);
        book.spend(month);
        book.pay_staff(month);
        book.declare_vat(month);
    }
    book.finance();
    book.close();
    book.written()
}

fn row(account: &'static str, cents: i64) -> Row {
    Row { account, third: None, cents }
}

fn on(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, month, day).unwrap_or_default()
}

fn last_of(month: u32) -> NaiveDate {
    let next = on(month, 1).checked_add_months(Months::new(1));
    next.and_then(|next| next.pred_opt()).unwrap_or_default()
}

fn after(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_add_days(Days::new(days)).unwrap_or(date)
}

struct Book {
    entries: Vec<Entry>,
    /// What the accounts are called.
    labels: HashMap<&'static str, &'static str>,
    seed: u64,
}

impl Book {
    /// About as much: no invoice is of a round amount.
    fn about(&mut self, cents: i64) -> i64 {
        let thousandths = 985 + mixed(&mut self.seed, 31) as i64;
        cents * thousandths / 1000 + mixed(&mut self.seed, 100) as i64
    }

    /// What is dated after the year is not in it.
    fn add(&mut self, date: NaiveDate, journal: Journal, what: &str, rows: impl Into<Vec<Row>>) {
        if date <= on(12, 31) {
            self.entries.push(Entry { date, journal, what: what.to_owned(), rows: rows.into() });
        }
    }

    fn of_account(&self, prefix: &str) -> i64 {
        let rows = self.entries.iter().flat_map(|entry| &entry.rows);
        rows.filter(|row| row.account.starts_with(prefix)).map(|row| row.cents).sum()
    }

    fn open(&mut self) {
        let (mut rows, mut result) = (Vec::new(), 0);
        for line in BALANCES[1].1.lines().skip(6) {
            let cells: Vec<&'static str> = line.split(';').collect();
            let [account, label, .., debit, credit] = cells.as_slice() else { continue };
            let cents = |cell: &str| cell.replace(',', "").parse().unwrap_or(0_i64);
            let balance = cents(debit) - cents(credit);
            self.labels.insert(account, label);
            match *account {
                "411000" => rows.extend(shared(account, balance, &CUSTOMERS)),
                "401000" => rows.extend(shared(account, balance, &SUPPLIERS)),
                account if account.starts_with(['6', '7']) => result += balance,
                account if balance != 0 => rows.push(row(account, balance)),
                _ => {}
            }
        }
        rows.push(row("120000", result));
        for (at, row) in (1..).zip(rows.iter().filter(|row| row.third.is_some())) {
            // One customer does not pay everything.
            let paid = if row.third == Some(CUSTOMERS[5]) { row.cents * 4 / 5 } else { row.cents };
            self.settle(on(1 + at % 2, 8 + at), row.account, row.third, paid);
            if paid != row.cents {
                let doubtful = [self::row("416000", row.cents - paid), Row { cents: paid - row.cents, ..*row }];
                self.add(on(12, 20), OTHER, "Client douteux", doubtful);
            }
        }
        self.add(on(1, 1), OPENING, "Bilan d’ouverture", rows);
    }

    /// What a customer owed is received, or what was owed to a supplier is paid.
    fn settle(&mut self, date: NaiveDate, account: &'static str, third: Option<Third>, cents: i64) {
        let what = if cents > 0 { "Encaissement" } else { "Règlement" };
        self.add(date, BANK, what, [Row { account, third, cents: -cents }, row("512100", cents)]);
    }

    fn bill(&mut self, date: NaiveDate, (customer, delay): (Third, u64), goods: i64) {
        let (goods, carriage) = (self.about(goods), self.about(goods * 23 / 1000));
        let vat = (goods + carriage) / 5;
        let owed = Row { account: "411000", third: Some(customer), cents: goods + carriage + vat };
        self.settle(after(date, delay), "411000", owed.third, owed.cents);
        let rows = [owed, row("707000", -goods), row("708500", -carriage), row("445710", -vat)];
        self.add(date, SOLD, &format!("Facture {}", customer.1), rows);
    }

    fn buy(&mut self, date: NaiveDate, (supplier, delay): (Third, u64), account: &'static str, (net, vat): (i64, i64)) {
        let third = Some(supplier);
        self.settle(after(date, delay), "401000", third, -net - vat);
        let mut rows = vec![row(account, net), Row { account: "401000", third, cents: -net - vat }];
        rows.extend((vat != 0).then(|| row("445660", vat)));
        self.add(date, BOUGHT, &format!("Facture {}", supplier.1), rows);
    }

    fn trade(&mut self, month: u32, season: i64) {
        for (at, share) in (0..).zip([26, 23, 27, 24]) {
            // The longer the year, the later they pay.
            let customer = (CUSTOMERS[(month as usize * 4 + at) % 8], 41 + u64::from(month));
            self.bill(on(month, 4 + 7 * at as u32), customer, SALES * season / 1000 * share / 100);
        }
        for (at, share) in (0..).zip([35, 31, 34]) {
            let net = self.about(PURCHASES * season / 1000 * share / 100);
            let supplier = SUPPLIERS[(month as usize * 3 + at) % 4];
            self.buy(on(month, 3 + 9 * at as u32), (supplier, 50), "607000", (net, net / 5));
        }
    }

    fn spend(&mut self, month: u32) {
        for (account, thousands, months, has_vat) in
            EXPENSES.into_iter().filter(|(.., months, _)| months.contains(&month))
        {
            let net = self.about(thousands * K / months.len() as i64);
            let vat = if has_vat { net / 5 } else { 0 };
            self.buy(on(month, 6), (SUPPLIERS[4], 30), account, (net, vat));
        }
        let fees = self.about(14 * K / 12);
        self.add(last_of(month), BANK, "Frais bancaires", [row("627000", fees), row("512100", -fees)]);
    }

    fn pay_staff(&mut self, month: u32) {
        let gross = self.about(512 * K / 12);
        let (own, charges) = (gross * 22 / 100, gross * 40 / 100);
        let health = (own + charges) * 3 / 4;
        let pension = own + charges - health;
        let owed = [("421000", gross - own), ("431000", health), ("437000", pension)];
        // What was owed for the month before.
        let paid = owed.map(|(account, _)| row(account, -self.of_account(account)));
        let total = paid.iter().map(|row| row.cents).sum::<i64>();
        self.add(
            on(month, 5),
            BANK,
            "Salaires et cotisations",
            paid.into_iter().chain([row("512100", -total)]).collect::<Vec<_>>(),
        );
        let rows = [row("641100", gross), row("645100", charges)].into_iter();
        let rows = rows.chain(owed.map(|(account, cents)| row(account, -cents)));
        self.add(last_of(month), OTHER, "Paie du mois", rows.collect::<Vec<_>>());
    }

    fn declare_vat(&mut self, month: u32) {
        let owed = self.of_account("44551");
        self.add(on(month, 24), BANK, "TVA du mois précédent", [row("445510", -owed), row("512100", owed)]);
        if month == 4 {
            self.invest();
        }
        let taken = ["445710", "445660", "445620"].map(|account| row(account, -self.of_account(account)));
        let due = taken.iter().map(|row| row.cents).sum::<i64>();
        let rows = taken.into_iter().filter(|row| row.cents != 0).chain([row("445510", -due)]);
        self.add(last_of(month), OTHER, "Déclaration de TVA", rows.collect::<Vec<_>>());
    }

    /// Racks for the warehouse, most of them on credit.
    fn invest(&mut self) {
        let (racks, software) = (148 * K + 23_950, 6 * K + 41_200);
        let (net, vat) = (racks + software, (racks + software) / 5);
        let rows = [row("218100", racks), row("205000", software), row("445620", vat), row("404000", -net - vat)];
        self.add(on(4, 12), BOUGHT, "Rayonnages et logiciel d’entrepôt", rows);
        self.settle(on(5, 13), "404000", None, -net - vat);
        self.add(on(4, 15), BANK, "Déblocage de l’emprunt", [row("512100", 150 * K), row("164000", -150 * K)]);
    }

    /// The loans, the taxes, and what becomes of last year's result.
    fn finance(&mut self) {
        for month in [3, 6, 9, 12] {
            let (repaid, interest) = (self.about(22 * K), self.about(7 * K));
            let rows = [row("164000", repaid), row("661100", interest), row("512100", -repaid - interest)];
            self.add(last_of(month), BANK, "Échéance des emprunts", rows);
            self.add(on(month, 15), BANK, "Acompte d’impôt", [row("444000", 67 * K / 10), row("512100", -67 * K / 10)]);
        }
        let overdraft = self.about(4 * K);
        self.add(on(12, 31), BANK, "Agios", [row("661600", overdraft), row("512100", -overdraft)]);
        let (owed, trained, local) = (-self.of_account("447"), self.about(17 * K), self.about(24 * K));
        self.add(on(2, 28), BANK, "Formation", [row("447000", owed), row("512100", -owed)]);
        self.add(
            on(12, 31),
            OTHER,
            "Formation",
            [row("633300", trained), row("447000", -trained * 2 / 5), row("512100", trained * 2 / 5 - trained)],
        );
        self.add(on(10, 9), BANK, "Écarts de règlement", [row("658000", 118_425), row("512100", -118_425)]);
        self.add(on(11, 7), BANK, "Indemnité d’assurance", [row("512100", 135_040), row("758000", -135_040)]);
        self.add(on(12, 16), BANK, "CFE et CVAE", [row("635110", local), row("512100", -local)]);
        let result = -self.of_account("120");
        let (legal, shared) = (result / 20, 30 * K);
        let rows = [
            row("120000", result),
            row("106100", -legal),
            row("106800", legal + shared - result),
            row("457000", -shared),
        ];
        self.add(on(6, 20), OTHER, "Affectation du résultat", rows);
        self.settle(on(6, 28), "457000", None, -shared);
    }

    fn close(&mut self) {
        let balance = |account| -self.of_account(account);
        let (unbilled, advance, leave) = (balance("4081"), balance("486"), 3 * K + 18_240);
        let doubtful = (self.of_account("416") / 2 - balance("491")).max(0);
        let stock = 138 * K + 61_735;
        let entry = [("280500", 58), ("281810", 322), ("281820", 341), ("281830", 79)];
        let worn: Vec<Row> = entry.map(|(account, hundreds)| row(account, -self.about(hundreds * K / 10))).into();
        let worn_total = -worn.iter().map(|row| row.cents).sum::<i64>();
        let (now_unbilled, now_advance) = (self.about(18 * K), self.about(16 * K));
        let close = on(12, 31);
        let pair = |debit, credit, cents: i64| [row(debit, cents), row(credit, -cents)];
        self.add(on(1, 1), OTHER, "Extourne des factures non parvenues", pair("408100", "624100", unbilled));
        self.add(on(1, 1), OTHER, "Extourne des charges constatées d’avance", pair("616000", "486000", -advance));
        self.add(close, OTHER, "Factures non parvenues", pair("624100", "408100", now_unbilled));
        self.add(close, OTHER, "Charges constatées d’avance", pair("486000", "616000", now_advance));
        self.add(close, OTHER, "Congés à payer", pair("641100", "428200", leave));
        self.add(close, OTHER, "Inventaire", pair("370000", "603700", stock));
        self.add(
            close,
            OTHER,
            "Amortissements",
            worn.into_iter().chain([row("681120", worn_total)]).collect::<Vec<_>>(),
        );
        self.add(close, OTHER, "Dépréciation du stock", pair("681730", "397000", 5 * K + 30_410));
        self.add(close, OTHER, "Dépréciation des clients douteux", pair("681740", "491000", doubtful));
        let tax = (-self.of_account("6") - self.of_account("7")).max(0) / 4;
        self.add(close, OTHER, "Impôt sur les bénéfices", pair("695000", "444000", tax));
    }

    /// The file.
    fn written(mut self) -> String {
        self.entries.sort_by_key(|entry| entry.date);
        let mut file = format!("{HEADER}\n");
        for (number, Entry { date, journal: (code, journal), what, rows }) in (1..).zip(&self.entries) {
            let date = date.format("%Y%m%d");
            for Row { account, third, cents } in rows.iter().filter(|row| row.cents != 0) {
                let (third, name) = third.unwrap_or_default();
                let label = self.labels.get(account).copied().unwrap_or(account);
                let amount = format!("{},{:02}", cents.abs() / 100, cents.abs() % 100);
                let (debit, credit) = if *cents < 0 { ("0,00", amount.as_str()) } else { (amount.as_str(), "0,00") };
                let _ = writeln!(
                    file,
                    "{code}\t{journal}\t{number}\t{date}\t{account}\t{label}\t{third}\t{name}\t{code}{number:04}\t{date}\t\
                     {what}\t{debit}\t{credit}\t\t\t{date}\t\t"
                );
            }
        }
        file
    }
}

/// A balance as those of customers or suppliers, of some more than of others.
fn shared(account: &'static str, balance: i64, thirds: &[Third]) -> Vec<Row> {
    let parts: i64 = (3..).take(thirds.len()).sum();
    let (mut rows, mut rest) = (Vec::new(), balance);
    for (at, third) in (3..).zip(thirds) {
        let cents = balance * at / parts;
        rest -= cents;
        rows.push(Row { account, third: Some(*third), cents });
    }
    rows.iter_mut().take(1).for_each(|row| row.cents += rest);
    rows
}

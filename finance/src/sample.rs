//! Companies that do not exist: the FEC of one, consistent and as long as one likes, to measure things with, and the
//! files of another, to see what an analysis is.

mod company;

use std::fmt::Write as _;

use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

/// What the entries of a sample add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Lines, without that of the columns' names.
    pub lines: u64,
    /// The chiffre d'affaires net.
    pub revenue: Decimal,
    /// The excédent brut d'exploitation.
    pub gross_operating_surplus: Decimal,
    /// The result.
    pub result: Decimal,
}

/// The name that the file should have.
pub const NAME: &str = "732829320FEC20241231.txt";

const DAYS: u64 = 366;
const HEADER: &str = "JournalCode\tJournalLib\tEcritureNum\tEcritureDate\tCompteNum\tCompteLib\tCompAuxNum\tCompAuxLib\t\
                      PieceRef\tPieceDate\tEcritureLib\tDebit\tCredit\tEcritureLet\tDateLet\tValidDate\tMontantdevise\t\
                      Idevise";

/// Gives the lines of a FEC with about `lines` of them to `write`, each without its end: a shop that buys, sells, pays,
/// employs and borrows through 2024. The same `seed` gives the same file.
pub fn fec(lines: u64, seed: u64, write: &mut impl FnMut(&str)) -> Sums {
    let mut ledger =
        Ledger { write, seed, number: 0, line: String::new(), sums: Sums::default(), cents: Cents::default() };
    (ledger.write)(HEADER);
    ledger.open();
    while ledger.sums.lines + 12 < lines {
        let done = ledger.sums.lines * DAYS / lines.max(1);
        ledger.business(day(done.min(DAYS - 1)));
    }
    ledger.close();
    ledger.finish()
}

/// The files of a company that is worth an analysis, with their names: two balances générales and the FEC of the year
/// after them. The same each time.
pub fn company() -> Vec<(String, String)> {
    company::files()
}

/// From 0 to `below`, by splitmix64.
fn mixed(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % below.max(1)
}

fn day(after: u64) -> NaiveDate {
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default();
    first.checked_add_days(Days::new(after)).unwrap_or(first)
}

/// Sums in cents: exact, and fast.
#[derive(Default)]
struct Cents {
    sales: i64,
    purchases: i64,
    external: i64,
    staff: i64,
    stock: i64,
    depreciation: i64,
    interest: i64,
}

struct Ledger<'a, W> {
    write: &'a mut W,
    seed: u64,
    /// Of the last entry.
    number: u64,
    line: String,
    sums: Sums,
    cents: Cents,
}

impl<W: FnMut(&str)> Ledger<'_, W> {
    fn random(&mut self, below: u64) -> u64 {
        mixed(&mut self.seed, below)
    }

    /// An entry, whose amounts are debits, or credits where they are negative.
    fn entry(&mut self, journal: (&str, &str), date: NaiveDate, what: &str, rows: &[(&str, &str, &str, i64)]) {
        self.number += 1;
        let date = date.format("%Y%m%d").to_string();
        for (account, label, auxiliary, cents) in rows {
            let (debit, credit) = if *cents < 0 { (0, -cents) } else { (*cents, 0) };
            self.line.clear();
            let _ = write!(
                self.line,
                "{}\t{}\t{}\t{date}\t{account}\t{label}\t{auxiliary}\t{auxiliary}\tP{}\t{date}\t{what}\t{},{:02}\t{},{:02}\t\t\t{date}\t\t",
                journal.0,
                journal.1,
                self.number,
                self.number,
                debit / 100,
                debit % 100,
                credit / 100,
                credit % 100,
            );
            self.sums.lines += 1;
            (self.write)(&self.line);
        }
    }

    fn open(&mut self) {
        let rows = [
            ("101300", "Capital", "", -5_000_000),
            ("164000", "Emprunt", "", -20_000_000),
            ("218300", "Matériel de bureau", "", 12_000_000),
            ("370000", "Stock de marchandises", "", 4_000_000),
            ("512000", "Banque", "", 9_000_000),
        ];
        self.entry(("AN", "À nouveau"), day(0), "Bilan d’ouverture", &rows);
    }

    /// A sale, a purchase, or a payment of one.
    fn business(&mut self, date: NaiveDate) {
        let net = 1_000 + self.random(200_000) as i64;
        let vat = net / 5;
        let customer = format!("C{:04}", self.random(500));
        let supplier = format!("F{:03}", self.random(80));
        match self.random(10) {
            0..=3 => {
                self.cents.sales += net;
                let rows = [
                    ("411000", "Clients", customer.as_str(), net + vat),
                    ("707000", "Ventes de marchandises", "", -net),
                    ("445710", "TVA collectée", "", -vat),
                ];
                self.entry(("VT", "Ventes"), date, "Facture de vente", &rows);
            }
            4..=5 => {
                self.cents.purchases += net;
                let rows = [
                    ("607000", "Achats de marchandises", "", net),
                    ("445660", "TVA déductible", "", vat),
                    ("401000", "Fournisseurs", supplier.as_str(), -net - vat),
                ];
                self.entry(("AC", "Achats"), date, "Facture d’achat", &rows);
            }
            6 => {
                self.cents.external += net / 3;
                let rows = [
                    ("613200", "Loyers", "", net / 3),
                    ("445660", "TVA déductible", "", vat / 3),
                    ("401000", "Fournisseurs", supplier.as_str(), -(net / 3) - vat / 3),
                ];
                self.entry(("AC", "Achats"), date, "Frais", &rows);
            }
            7..=8 => {
                let rows = [("512000", "Banque", "", net), ("411000", "Clients", customer.as_str(), -net)];
                self.entry(("BQ", "Banque"), date, "Encaissement", &rows);
            }
            _ => {
                let rows = [("401000", "Fournisseurs", supplier.as_str(), net), ("512000", "Banque", "", -net)];
                self.entry(("BQ", "Banque"), date, "Règlement", &rows);
            }
        }
    }

    /// Wages, interest, depreciation and the stock at the end of the year.
    fn close(&mut self) {
        let last = day(DAYS - 1);
        let wages = self.cents.sales / 8;
        let social = wages * 2 / 5;
        self.cents.staff = wages + social;
        self.cents.interest = 600_000;
        self.cents.depreciation = 2_400_000;
        self.cents.stock = self.cents.purchases / 10;
        let (interest, depreciation, stock) = (self.cents.interest, self.cents.depreciation, self.cents.stock);
        let rows = [
            ("641100", "Salaires", "", wages),
            ("645100", "URSSAF", "", social),
            ("421000", "Personnel", "", -wages),
            ("431000", "Sécurité sociale", "", -social),
        ];
        self.entry(("PA", "Paie"), last, "Salaires de l’année", &rows);
        let rows = [
            ("164000", "Emprunt", "", 3_000_000),
            ("661100", "Intérêts", "", interest),
            ("512000", "Banque", "", -3_000_000 - interest),
        ];
        self.entry(("BQ", "Banque"), last, "Annuité", &rows);
        let rows = [
            ("681120", "Dotations aux amortissements", "", depreciation),
            ("281830", "Amortissements du matériel", "", -depreciation),
            ("370000", "Stock de marchandises", "", stock),
            ("603700", "Variation de stock", "", -stock),
        ];
        self.entry(("OD", "Opérations diverses"), last, "Inventaire", &rows);
    }

    fn finish(self) -> Sums {
        let Cents { sales, purchases, external, staff, stock, depreciation, interest } = self.cents;
        let surplus = sales - purchases + stock - external - staff;
        Sums {
            revenue: Decimal::new(sales, 2),
            gross_operating_surplus: Decimal::new(surplus, 2),
            result: Decimal::new(surplus - depreciation - interest, 2),
            ..self.sums
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::amount::Notation;
    use crate::import::{self, fec};
    use crate::{Report, analyse, checks};

    #[test]
    fn a_sample_is_a_faultless_fec_with_these_sums() {
        let mut text = String::new();
        let sums = super::fec(20_000, 7, &mut |line| {
            text.push_str(line);
            text.push('\n');
        });
        assert!((19_900..=20_000).contains(&sums.lines), "{sums:?}");
        let statement = fec::read(text.as_bytes(), NAME).unwrap();
        assert_eq!(statement.anomalies, []);
        assert_eq!(checks(&statement), []);
        let year = &analyse(&statement).years[0];
        assert_eq!(year.value("chiffre_affaires"), Some(sums.revenue));
        assert_eq!(year.value("ebe"), Some(sums.gross_operating_surplus));
        assert_eq!(year.value("resultat_net"), Some(sums.result));
        assert_eq!(year.value("remboursements_emprunts"), Some(30_000.into()));
    }

    #[test]
    fn the_company_is_worth_an_analysis() {
        let files: Vec<(String, Vec<u8>)> =
            company().into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        let lines = files[2].1.split(|byte| *byte == b'\n').count();
        assert!((700..1000).contains(&lines), "{lines}");
        let statement = import::read_all(&files, &import::Options::default()).unwrap();
        assert_eq!(statement.anomalies, []);
        assert_eq!(checks(&statement), []);
        assert!(statement.company.name.is_some() && statement.company.siren.is_some());
        let report = Report::of(statement);
        let years = &report.analysis.years;
        assert_eq!(years.len(), 3);
        for (at, result) in years.iter().enumerate().flat_map(|(at, year)| year.results.iter().map(move |it| (at, it)))
        {
            assert!(result.value.is_some() || at == 0 && result.id == "croissance", "{result:?}");
        }
        let alerts: Vec<&str> = report.alerts.iter().map(|alert| alert.id.as_str()).collect();
        for id in ["bfr_plus_vite_que_les_ventes", "tresorerie_negative", "clients_a_plus_de_60_jours"] {
            assert!(alerts.contains(&id), "{alerts:?}");
        }
        let falls = ["taux_marge_commerciale", "marge_nette", "roe"];
        assert!(
            falls.iter().all(|id| years[2].value(id) < years[1].value(id) && years[1].value(id) < years[0].value(id))
        );
    }

    #[test]
    fn each_year_of_the_company_begins_with_what_the_one_before_ends_with() {
        let files = company();
        // By account, from these columns; the result of what is closed.
        let balances = |at: usize, debit: usize, is_closing: bool| -> BTreeMap<String, Decimal> {
            let mut balances = BTreeMap::new();
            for line in files[at].1.lines().skip(6) {
                let cells: Vec<&str> = line.split(';').collect();
                let amount =
                    |column: usize| crate::amount::read(cells[column], Notation::Comma).unwrap().unwrap_or_default();
                let is_result = is_closing && cells[0].starts_with(['6', '7']);
                let account = if is_result { "120000" } else { cells[0] };
                *balances.entry(account.to_owned()).or_insert(Decimal::ZERO) += amount(debit) - amount(debit + 1);
            }
            balances.retain(|_, balance| !balance.is_zero());
            balances
        };
        assert_eq!(balances(0, 6, true), balances(1, 2, false));
        let opening = files[2].1.lines().filter(|line| line.starts_with("Jour") || line.starts_with("AN\t"));
        let opening: String = opening.map(|line| format!("{line}\n")).collect();
        let opening = fec::read(opening.as_bytes(), NAME).unwrap().years.remove(0).accounts;
        let opening = opening.into_iter().map(|account| (account.number, account.balance)).collect();
        assert_eq!(balances(1, 6, true), opening);
    }

    #[test]
    fn the_same_seed_gives_the_same_sample() {
        let of = |seed| super::fec(100, seed, &mut |_| ());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}

use proptest::prelude::*;

use super::*;
use crate::{analyse, checks};

const NAME: &str = "732829320FEC20241231.txt";

/// A small shop's year: capital, stock bought on credit, sold with VAT, paid, wages, depreciation.
const ENTRIES: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("AN", "1", "20240101", "512000", "50000,00", "0,00"),
    ("AN", "1", "20240101", "101000", "0,00", "30000,00"),
    ("AN", "1", "20240101", "164000", "0,00", "20000,00"),
    ("AC", "2", "20240210", "607000", "40000,00", "0,00"),
    ("AC", "2", "20240210", "445660", "8000,00", "0,00"),
    ("AC", "2", "20240210", "401000", "0,00", "48000,00"),
    ("VT", "3", "20240315", "411000", "84000,00", "0,00"),
    ("VT", "3", "20240315", "707000", "0,00", "70000,00"),
    ("VT", "3", "20240315", "445710", "0,00", "14000,00"),
    ("BQ", "4", "20240420", "512000", "60000,00", "0,00"),
    ("BQ", "4", "20240420", "411000", "0,00", "60000,00"),
    ("BQ", "5", "20240421", "164000", "4000,00", "0,00"),
    ("BQ", "5", "20240421", "661000", "500,00", "0,00"),
    ("BQ", "5", "20240421", "512000", "0,00", "4500,00"),
    ("PA", "6", "20240630", "641000", "12000,00", "0,00"),
    ("PA", "6", "20240630", "645000", "5000,00", "0,00"),
    ("PA", "6", "20240630", "421000", "0,00", "12000,00"),
    ("PA", "6", "20240630", "431000", "0,00", "5000,00"),
    ("OD", "7", "20241231", "370000", "6000,00", "0,00"),
    ("OD", "7", "20241231", "603700", "0,00", "6000,00"),
];

fn line(
    (journal, entry, date, account, debit, credit): (&str, &str, &str, &str, &str, &str),
    separator: &str,
) -> String {
    let fields = [
        journal,
        "Libellé",
        entry,
        date,
        account,
        "Société",
        "",
        "",
        "P1",
        date,
        "Écriture",
        debit,
        credit,
        "",
        "",
        date,
        "",
        "",
    ];
    fields.join(separator)
}

fn file(separator: &str, entries: &[(&str, &str, &str, &str, &str, &str)]) -> String {
    let lines = entries.iter().map(|entry| line(*entry, separator));
    let all: Vec<String> = std::iter::once(COLUMNS.join(separator)).chain(lines).collect();
    all.join("\r\n") + "\r\n"
}

fn import(bytes: &[u8]) -> Statement {
    read(bytes, NAME).unwrap()
}

fn messages(statement: &Statement) -> Vec<&str> {
    statement.anomalies.iter().map(|anomaly| anomaly.message.as_str()).collect()
}

#[test]
fn a_year_is_read_and_computed() {
    let statement = import(file("\t", ENTRIES).as_bytes());
    assert_eq!(messages(&statement), [""; 0]);
    assert_eq!(checks(&statement), []);
    assert_eq!(statement.company.siren, Some("732829320".parse().unwrap()));
    let year = &statement.years[0];
    assert_eq!(
        (year.start, year.end),
        (NaiveDate::from_ymd_opt(2024, 1, 1), NaiveDate::from_ymd_opt(2024, 12, 31).unwrap())
    );
    assert_eq!(year.days(), 366);
    let results = &analyse(&statement).years[0];
    // Marge 70000 - 40000 + 6000; EBE less 12000 and 5000; result less 500 of interest.
    // Actif: stock 6000, clients 24000, VAT 8000, bank 105500.
    for (id, value) in [
        ("chiffre_affaires", 70_000),
        ("marge_commerciale", 36_000),
        ("valeur_ajoutee", 36_000),
        ("ebe", 19_000),
        ("resultat_net", 18_500),
        ("caf", 18_500),
        ("total_actif", 143_500),
        ("capitaux_propres", 48_500),
        ("dettes_financieres", 16_000),
        ("bfr", -41_000),
        ("tresorerie_nette", 105_500),
        ("frng", 64_500),
        ("service_dette", 4_500),
    ] {
        assert_eq!(results.value(id), Some(value.into()), "{id}");
    }
    let bank = year.accounts.iter().find(|account| account.number == "512000").unwrap();
    assert_eq!(bank.places[0].at, "2–15 (3 lignes)");
    let cash = &year.lines["disponibilites_brut"];
    assert_eq!((cash.accounts.as_slice(), cash.value), (["512000".to_owned()].as_slice(), 105_500.into()));
}

#[test]
fn months_and_journals_are_kept_apart() {
    let year = import(file("\t", ENTRIES).as_bytes()).years.remove(0);
    let sales: Vec<_> = year.movements.iter().filter(|movement| movement.account == "707000").collect();
    assert_eq!(sales.len(), 1);
    assert_eq!((sales[0].month.as_str(), sales[0].amount), ("2024-03", (-70_000).into()));
    assert!(year.movements.iter().all(|movement| movement.account != "101000"), "an opening balance is no movement");
    let codes: Vec<&str> = year.journals.iter().map(|journal| journal.code.as_str()).collect();
    assert_eq!(codes, ["AC", "AN", "BQ", "OD", "PA", "VT"]);
    assert_eq!((year.journals[2].lines, year.journals[2].debit), (5, 64_500.into()));
}

#[test]
fn what_one_customer_owes_is_not_set_off_against_what_another_is_owed() {
    let text = file("\t", ENTRIES);
    // The customer who paid is not the one who was billed.
    let text = text.replace("411000\tSociété\t\t\tP1\t20240315", "411000\tSociété\tC1\t\tP1\t20240315");
    let text = text.replace("411000\tSociété\t\t\tP1\t20240420", "411000\tSociété\tC2\t\tP1\t20240420");
    let year = import(text.as_bytes()).years.remove(0);
    let balances: Vec<Decimal> =
        year.accounts.iter().filter(|account| account.number == "411000").map(|account| account.balance).collect();
    assert_eq!(balances, [84_000.into(), (-60_000).into()]);
    assert_eq!((year.lines["clients_brut"].value, year.lines["autres_dettes"].value), (84_000.into(), 60_000.into()));
}

#[test]
fn the_same_year_comes_in_many_writings() {
    let expected = import(file("\t", ENTRIES).as_bytes());
    let text = file("|", ENTRIES);
    let points: Vec<_> = ENTRIES.iter().map(|entry| (entry.4.replace(',', "."), entry.5.replace(',', "."))).collect();
    let points: Vec<_> = ENTRIES
        .iter()
        .zip(&points)
        .map(|((journal, entry, date, account, ..), (debit, credit))| {
            (*journal, *entry, *date, *account, debit.as_str(), credit.as_str())
        })
        .collect();
    let utf_16 = |text: &str| -> Vec<u8> {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let latin: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    let quoted = text.lines().map(|line| format!("\"{}\"\n", line.replace('|', "\"|\""))).collect::<String>();
    for (what, bytes) in [
        ("pipes", text.clone().into_bytes()),
        ("a mark", ["\u{feff}", &text].concat().into_bytes()),
        ("Latin-1", latin),
        ("UTF-16", utf_16(&text)),
        ("quotes", quoted.into_bytes()),
        ("points", file("\t", &points).into_bytes()),
        ("lines of Unix", text.replace('\r', "").into_bytes()),
        ("blank lines", (text.clone() + "\r\n\r\n").into_bytes()),
    ] {
        let statement = read(&bytes[..], NAME).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(messages(&statement), [""; 0], "{what}");
        assert_eq!(statement, expected, "{what}");
    }
}

#[test]
fn an_amount_and_its_side_are_as_good_as_two_columns() {
    let header = COLUMNS.join("\t").replace("Debit\tCredit", "Montant\tSens");
    let sided = ENTRIES.iter().map(|entry| {
        let is_debit = entry.5 == "0,00";
        let side = if is_debit { (entry.4, "D") } else { (entry.5, "C") };
        line((entry.0, entry.1, entry.2, entry.3, side.0, side.1), "\t")
    });
    let text = std::iter::once(header).chain(sided).collect::<Vec<_>>().join("\n");
    let statement = import(text.as_bytes());
    assert_eq!(messages(&statement), [""; 0]);
    assert_eq!(statement, import(file("\t", ENTRIES).as_bytes()));
}

#[test]
fn what_breaks_a_rule_is_reported_with_its_line() {
    let mut entries = ENTRIES.to_vec();
    entries[4].4 = "8000,0O";
    entries[7].3 = "VENTES";
    entries[9].2 = "31/02/2024";
    entries[12].2 = "21/04/2024";
    entries[15].5 = "1,00";
    let text = file("\t", &entries).replace("\tP1\t20241231\tÉcriture\t6000", "\t\t20241231\tÉcriture\t6000");
    let text = text + "OD\tLibellé\t8\t20250115\t471\n";
    let statement = import(text.as_bytes());
    let found: Vec<(&str, &str)> = statement
        .anomalies
        .iter()
        .map(|anomaly| (anomaly.place.as_ref().map_or("", |place| place.at.as_str()), anomaly.message.as_str()))
        .collect();
    for expected in [
        ("6", "«\u{a0}8000,0O\u{a0}» n’est pas un montant\u{a0}: la ligne n’est pas comptée"),
        ("9", "le compte «\u{a0}VENTES\u{a0}» ne commence pas par trois chiffres du Plan comptable général"),
        ("11", "«\u{a0}31/02/2024\u{a0}» n’est pas une date"),
        ("14", "la date «\u{a0}21/04/2024\u{a0}» n’est pas au format AAAAMMJJ"),
        ("17", "la ligne a un débit et un crédit"),
        ("20", "la colonne PieceRef est vide"),
        ("22", "la ligne a 5 champs au lieu de 18"),
        ("22", "la ligne a ni débit ni crédit"),
        ("5", "l’écriture 2 du journal AC n’est pas équilibrée (écart −8\u{202f}000,00)"),
        ("", "des écritures sont datées après la clôture du 31/12/2024"),
        ("", "1 lignes sur 20 n’ont pas de date de validation (ValidDate)"),
        ("9", "le compte VENTES (Société) n’est pas du Plan comptable général"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not among {found:#?}");
    }
    // What does not add up is seen in the balance sheet, too.
    assert!(checks(&statement).iter().any(|anomaly| anomaly.kind == AnomalyKind::Unbalanced));
}

#[test]
fn many_anomalies_of_a_kind_are_counted() {
    let text: String =
        (0..100).map(|at| line(("OD", &at.to_string(), "20240101", "471000", "x", ""), "\t") + "\n").collect();
    let statement = import((COLUMNS.join("\t") + "\n" + &text).as_bytes());
    let unreadable: Vec<_> =
        statement.anomalies.iter().filter(|anomaly| anomaly.kind == AnomalyKind::Unreadable).collect();
    assert_eq!((unreadable.len(), unreadable.last().unwrap().more), (20, 80));
}

#[test]
fn what_is_no_such_file_is_an_error() {
    assert_eq!(read(&b""[..], NAME), Err(ImportError::Empty(NAME.to_owned())));
    let error = read(&b"Compte;Solde\n411;12\n"[..], "balance.csv").unwrap_err().to_string();
    assert_eq!(error, "balance.csv\u{a0}: il manque les colonnes CompteNum, Debit et Credit (ou Montant et Sens)");
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disque absent"))
        }
    }
    let error = read(Broken, NAME).unwrap_err().to_string();
    assert_eq!(error, format!("{NAME}\u{a0}: lecture impossible (disque absent)"));
}

#[test]
fn a_file_says_whose_it_is_and_of_when() {
    let of = |name| of_name(name);
    let (siren, date) = of("/tmp/732829320FEC20240630.txt");
    assert_eq!((siren, date), (Some("732829320".parse().unwrap()), NaiveDate::from_ymd_opt(2024, 6, 30)));
    assert_eq!(of("732829320fec20240630_1.csv").1, NaiveDate::from_ymd_opt(2024, 6, 30));
    assert_eq!(of("ecritures.txt"), (None, None));
    assert_eq!(of("FECé"), (None, None));
    // Without a name the dates say it.
    let statement = read(file("\t", ENTRIES).as_bytes(), "ecritures.txt").unwrap();
    assert_eq!(statement.years[0].end, NaiveDate::from_ymd_opt(2024, 12, 31).unwrap());
    assert_eq!(messages(&statement).len(), 1);
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
        let mut bytes = file("\t", ENTRIES).into_bytes();
        bytes[at] = byte;
        let _ = read(&bytes[..], NAME);
        let _ = read(&bytes[..cut], NAME);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), with_header: bool) {
        let mut all = if with_header { (COLUMNS.join("|") + "\n").into_bytes() } else { Vec::new() };
        all.extend(bytes);
        let _ = read(&all[..], NAME);
    }
}

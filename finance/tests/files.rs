//! One company's accounts in each format: the same results from all of them, and no damage that passes unseen.
//!
//! Atelier Alba does not exist. It makes and restores furniture and sells accessories; its SIREN is the usual example.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{Datelike, NaiveDate};
use encoding_rs::WINDOWS_1252;
use rust_decimal::{Decimal, RoundingStrategy};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use zyron_finance::analysis::YearAnalysis;
use zyron_finance::import::{ImportError, Options, read};
use zyron_finance::items::Group;
use zyron_finance::statement::AnomalyKind::{self, Duplicate, Missing, Total, Unbalanced, Unknown, Unreadable};
use zyron_finance::{Statement, analyse, checks, merge};

const FEC: (&str, &str) = ("732829320FEC20241231.txt", include_str!("files/732829320FEC20241231.txt"));
/// Eight columns, with totals of classes.
const BALANCE_2024: (&str, &str) = ("balance_2024.csv", include_str!("files/balance_2024.csv"));
/// Closing balances alone.
const BALANCE_2023: (&str, &str) = ("balance_2023.csv", include_str!("files/balance_2023.csv"));
/// By labels, both years; of 2023 what is net.
const ACCOUNTS: (&str, &str) = ("comptes.csv", include_str!("files/comptes.csv"));
/// By the boxes of the forms 2050 to 2053, both years.
const FORMS: (&str, &str) = ("liasse_2050.csv", include_str!("files/liasse_2050.csv"));

// By hand, in euros; shares in percent, ratios and days as they are.
//
// Marge 171000 - 3000 (remises) - 101000 + 6000 = 73000. Production 338000 + 67600 - 2500 = 403100. Consommations 81000
// + 1600 + 14000 + 16200 + 66600 (613 to 627) = 179400. VA 73000 + 403100 - 179400 = 296700. EBE 296700 + 2000 - 7600 -
// 176000 - 64800 = 50300. Exploitation + 1200 + 2300 + 400 - 22000 - 2700 - 1100 = 28400. Courant + 300 - 2900 = 25800.
// Exceptionnel 8000 - 5000 - 500 = 2500. Net 25800 + 2500 - 4245 = 24055.
//
// CAF from the result: 24055 + 22000 + 2700 + 5000 - 1200 - 8000 = 44555; from the EBE: 50300 + 2300 + 400 - 1100 + 300 -
// 2900 - 500 - 4245 = 44555.
//
// Actif 175000 - 83000 + 66900 + 1000 + 99200 - 4500 + 4600 + 17515 + 2600 = 279315. Ressources stables 104070 + 4000 +
// 83000 + 4500 + 54000 + 10000 = 259570, less 175000: FRNG 84570. BFR 66900 + 1000 + 99200 + 2600 - 6000 - 49200 - 33845
// - 1200 = 79455, with 4600 - 12000: 72055. Trésorerie 17515 - 5000 = 12515 = 84570 - 72055.
//
// Days of 366: clients 99200 / 573600, fournisseurs 49200 / (101000 + 81000 + 96800), stocks 66900 / (95000 + 82600).
const OF_2024: &[(&str, &str)] = &[
    ("chiffre_affaires", "573600"),
    ("marge_commerciale", "73000"),
    ("production_exercice", "403100"),
    ("valeur_ajoutee", "296700"),
    ("ebe", "50300"),
    ("resultat_exploitation", "28400"),
    ("rcai", "25800"),
    ("resultat_exceptionnel", "2500"),
    ("resultat_net", "24055"),
    ("caf", "44555"),
    ("caf_soustractive", "44555"),
    ("total_actif", "279315"),
    ("total_passif", "279315"),
    ("capitaux_propres", "104070"),
    ("frng", "84570"),
    ("bfr_exploitation", "79455"),
    ("bfr_hors_exploitation", "-7400"),
    ("bfr", "72055"),
    ("tresorerie_nette", "12515"),
    // 64000 + 5000 - 17515 = 51485, of 104070; 64000 / 44555.
    ("dette_nette", "51485"),
    ("gearing", "49.5"),
    ("capacite_remboursement", "1.44"),
    // 73000 / 168000; 296700, 50300 and 24055 / 573600; 24055 / 104070; 104070 / 279315.
    ("taux_marge_commerciale", "43.5"),
    ("taux_valeur_ajoutee", "51.7"),
    ("taux_marge_brute_exploitation", "8.8"),
    ("marge_nette", "4.2"),
    ("roe", "23.1"),
    ("autonomie_financiere", "37.3"),
    // 50300 / 2900; (279315 - 92000) / (171245 - 64000).
    ("couverture_interets", "17.34"),
    ("liquidite_generale", "1.75"),
    ("dso", "63"),
    ("dpo", "65"),
    ("dio", "138"),
];

// Marge 154000 - 2000 - 88000 + 3000 = 67000. Production 310000 + 58000 + 4000 = 372000. Consommations 74000 + 2000 +
// 12000 + 15000 + 63000 = 166000. VA 273000. EBE 273000 + 3000 - 7000 - 168000 - 62000 = 39000. Exploitation + 1000 + 1500
// + 500 - 19000 - 2000 - 1000 - 600 = 19400. Courant + 200 - 3400 = 16200. Net 16200 - 300 - 2385 = 13515. CAF 13515 +
// 22000 - 1000 = 39000 + 1500 + 500 - 600 + 200 - 3400 - 300 - 2385 = 34515.
//
// Ressources stables 85015 + 4000 + 76000 + 3000 + 72000 + 12000 = 252015, less 159000: FRNG 93015. BFR 65000 + 1500 +
// 90000 + 2400 - 4500 - 46000 - 31685 - 1800 = 74915, with 4200: 79115. Trésorerie 21900 - 8000 = 13900.
const OF_2023: &[(&str, &str)] = &[
    ("chiffre_affaires", "520000"),
    ("marge_commerciale", "67000"),
    ("production_exercice", "372000"),
    ("valeur_ajoutee", "273000"),
    ("ebe", "39000"),
    ("resultat_exploitation", "19400"),
    ("rcai", "16200"),
    ("resultat_exceptionnel", "-300"),
    ("resultat_net", "13515"),
    ("caf", "34515"),
    ("caf_soustractive", "34515"),
    ("total_actif", "265000"),
    ("total_passif", "265000"),
    ("capitaux_propres", "85015"),
    ("frng", "93015"),
    ("bfr", "79115"),
    ("tresorerie_nette", "13900"),
    ("dette_nette", "70100"),
    ("gearing", "82.5"),
    ("taux_valeur_ajoutee", "52.5"),
    ("roe", "15.9"),
    ("autonomie_financiere", "32.1"),
    // 39000 / 3400; (265000 - 83000) / (175985 - 84000); 365 x 90000 / 520000.
    ("couverture_interets", "11.47"),
    ("liquidite_generale", "1.98"),
    ("dso", "63"),
];

/// What is other where of 2023 only net amounts are known: the 3000 that receivables have lost are neither among the
/// stable resources nor in the BFR, 93015 - 3000 and 79115 - 3000; 365 x 87000 / 520000 = 61.07.
const OF_2023_NET: &[(&str, &str)] = &[("frng", "90015"), ("bfr", "76115"), ("dso", "61")];

/// Measures that other sources than entries, and balances with movements, cannot give: of loans they have what is owed,
/// not what was repaid.
const REPAID: [&str; 2] = ["service_dette", "dscr"];
/// The forms have disposals (675 and 775) among what is exceptional « en capital ».
const DISPOSALS: &str = "resultat_cessions";
/// With a year alone there is none before it.
const GROWTH: &str = "croissance";

fn import_bytes(name: &str, bytes: &[u8]) -> Result<Statement, ImportError> {
    read(bytes, name, &Options::default())
}

fn import((name, text): (&str, &str)) -> Statement {
    import_bytes(name, text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of a CSV as a sheet of a workbook, amounts and dates being such.
fn workbook(csv: &str) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let sheet = workbook.add_worksheet().set_name("Comptes").unwrap();
    for (row, line) in csv.lines().enumerate() {
        for (column, cell) in line.split(';').enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let (row, column) = (u32::try_from(row).unwrap(), u16::try_from(column).unwrap());
            let number = cell.replace('\u{202f}', "").parse::<f64>();
            match (number, NaiveDate::parse_from_str(cell, "%d/%m/%Y")) {
                (Ok(number), _) => sheet.write_number(row, column, number).unwrap(),
                (_, Ok(day)) => {
                    let day = ExcelDateTime::parse_from_str(&day.to_string()).unwrap();
                    sheet.write_datetime_with_format(row, column, day, &date).unwrap()
                }
                _ => sheet.write_string(row, column, cell).unwrap(),
            };
        }
    }
    workbook.save_to_buffer().unwrap()
}

fn year(statement: &Statement, year: i32) -> YearAnalysis {
    analyse(statement).years.into_iter().find(|known| known.end.year() == year).unwrap()
}

fn assert_results(what: &str, year: &YearAnalysis, expected: &[(&str, &str)]) {
    for (id, value) in expected {
        let wanted: Decimal = value.parse().unwrap();
        let found = year.value(id).unwrap_or_else(|| panic!("{what}: no {id}"));
        let rounded = found.round_dp_with_strategy(wanted.scale(), RoundingStrategy::MidpointAwayFromZero);
        assert_eq!(rounded, wanted, "{what}: {id}, which is {found}");
    }
}

/// Whether just these measures have no value.
fn assert_undefined(what: &str, year: &YearAnalysis, expected: &[&str]) {
    let is_measure = |group| !matches!(group, Group::Actif | Group::Passif | Group::Produits | Group::Charges);
    let measures = year.results.iter().filter(|result| is_measure(result.group));
    let mut undefined: Vec<&str> =
        measures.filter(|result| result.value.is_none()).map(|result| result.id.as_str()).collect();
    undefined.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(undefined, expected, "{what}");
}

fn assert_clean(what: &str, statement: &Statement) {
    assert_eq!(statement.anomalies, [], "{what}");
    assert_eq!(checks(statement), [], "{what}");
    assert_eq!(statement.company.siren, Some("732829320".parse().unwrap()), "{what}");
}

#[test]
fn ledgers_have_the_known_results_of_2024() {
    let (fec, balance) = (import(FEC), import(BALANCE_2024));
    for (what, statement) in [("FEC", &fec), ("balance", &balance)] {
        assert_clean(what, statement);
        let year = year(statement, 2024);
        assert_results(what, &year, OF_2024);
        // 18000 of the loan and 2900 of interest; (44555 + 2900) / 20900. Disposals 8000 - 5000.
        assert_results(what, &year, &[("service_dette", "20900"), ("dscr", "2.27"), (DISPOSALS, "3000")]);
        assert_undefined(what, &year, &[GROWTH]);
    }
    // Both have the same accounts, so nothing at all is other.
    let values = |statement| {
        let results = year(statement, 2024).results.into_iter();
        results.map(|result| (result.id, result.value)).collect::<Vec<_>>()
    };
    assert_eq!(values(&fec), values(&balance));
    let company = |statement: &Statement| statement.company.name.clone();
    assert_eq!((company(&fec), company(&balance).as_deref()), (None, Some("Atelier Alba")));
}

#[test]
fn the_balance_of_2023_has_the_known_results() {
    let before = import(BALANCE_2023);
    assert_clean("2023", &before);
    assert_results("2023", &year(&before, 2023), OF_2023);
    assert_undefined("2023", &year(&before, 2023), &[REPAID[0], REPAID[1], GROWTH]);
    // Beside the FEC of the next year nothing is missing any more.
    let both = merge(import(FEC), [before]);
    assert_clean("both", &both);
    assert_results("both", &year(&both, 2024), OF_2024);
    // 53600 / 520000
    assert_results("both", &year(&both, 2024), &[(GROWTH, "10.3")]);
    assert_undefined("both", &year(&both, 2024), &[]);
}

#[test]
fn the_forms_have_the_known_results_of_both_years() {
    let statement = import(FORMS);
    assert_clean("forms", &statement);
    assert_eq!(statement.company.name.as_deref(), Some("Atelier Alba"));
    assert_results("forms", &year(&statement, 2024), OF_2024);
    assert_results("forms", &year(&statement, 2024), &[(GROWTH, "10.3")]);
    assert_results("forms", &year(&statement, 2023), OF_2023);
    assert_undefined("forms", &year(&statement, 2024), &[REPAID[0], REPAID[1], DISPOSALS]);
    assert_undefined("forms", &year(&statement, 2023), &[REPAID[0], REPAID[1], DISPOSALS, GROWTH]);
}

#[test]
fn labels_have_the_known_results_of_both_years() {
    let of_workbook = import_bytes("comptes.xlsx", &workbook(ACCOUNTS.1)).unwrap();
    for (what, statement, place) in [("text", import(ACCOUNTS), "19"), ("xlsx", of_workbook, "B19")] {
        assert_clean(what, &statement);
        assert_eq!(statement.company.name.as_deref(), Some("Atelier Alba"), "{what}");
        assert_results(what, &year(&statement, 2024), OF_2024);
        assert_results(what, &year(&statement, 2024), &[(GROWTH, "10.3")]);
        let is_other = |id: &str| OF_2023_NET.iter().any(|(other, _)| *other == id);
        let same: Vec<_> = OF_2023.iter().copied().filter(|(id, _)| !is_other(id)).collect();
        assert_results(what, &year(&statement, 2023), &same);
        assert_results(what, &year(&statement, 2023), OF_2023_NET);
        assert_undefined(what, &year(&statement, 2024), &[REPAID[0], REPAID[1], DISPOSALS]);
        assert_undefined(what, &year(&statement, 2023), &[REPAID[0], REPAID[1], DISPOSALS, GROWTH]);
        let clients = &statement.years[1].lines["clients_brut"];
        assert_eq!((clients.value, clients.places[0].at.as_str()), (99_200.into(), place), "{what}");
    }
}

#[test]
fn a_fec_is_the_same_in_each_encoding() {
    let expected = import(FEC);
    let windows = FEC.1.replace('\n', "\r\n");
    let (latin, _, has_lost) = WINDOWS_1252.encode(&windows);
    assert!(!has_lost && std::str::from_utf8(&latin).is_err());
    let units = || std::iter::once(0xFEFF).chain(FEC.1.encode_utf16());
    for (what, bytes) in [
        ("Windows-1252", latin.into_owned()),
        ("UTF-16, low bytes first", units().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16, high bytes first", units().flat_map(u16::to_be_bytes).collect()),
        ("UTF-8 with its mark", ["\u{feff}", FEC.1].concat().into_bytes()),
    ] {
        assert_eq!(import_bytes(FEC.0, &bytes), Ok(expected.clone()), "{what}");
    }
    // Cut in the middle of a character it is read to there, and the line is told.
    let bytes: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let cut = import_bytes(FEC.0, &bytes[..bytes.len() / 2 + 1]).unwrap();
    assert!(cut.anomalies.iter().any(|anomaly| anomaly.place.is_some()), "{:#?}", cut.anomalies);
}

/// What is said of a file: kind, place, message; of one that is refused only the message.
fn said((name, _): (&str, &str), text: &str) -> Vec<(Option<AnomalyKind>, String, String)> {
    let statement = match import_bytes(name, text.as_bytes()) {
        Ok(statement) => statement,
        Err(error) => return vec![(None, String::new(), error.to_string())],
    };
    let all = statement.anomalies.iter().cloned().chain(checks(&statement));
    let at = |place: Option<zyron_finance::statement::Place>| place.map_or(String::new(), |place| place.at);
    all.map(|anomaly| (Some(anomaly.kind), at(anomaly.place), anomaly.message.replace(['\u{a0}', '\u{202f}'], " ")))
        .collect()
}

/// A file in which one text is another; it must be there once.
fn with((name, text): (&str, &str), old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{name}: {old}");
    text.replace(old, new)
}

fn assert_said(file: (&str, &str), damaged: &str, kind: AnomalyKind, at: &str, message: &str) {
    let said = said(file, damaged);
    let is_it = |(known, place, text): &(Option<AnomalyKind>, String, String)| {
        *known == Some(kind) && place == at && text.contains(message)
    };
    assert!(said.iter().any(is_it), "{}: {kind:?} {at} {message} is not among {said:#?}", file.0);
}

/// The line of a file that begins so, from 1.
fn line_of((name, text): (&str, &str), begin: &str) -> usize {
    text.lines().position(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{name}: {begin}")) + 1
}

fn twice(text: &str, line: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(line, lines[line - 1]);
    lines.join("\n") + "\n"
}

#[test]
fn a_damaged_fec_says_where() {
    let sale = FEC.1.lines().position(|line| line.contains("FV003") && line.contains("\t701000\t")).unwrap() + 1;
    let (first, entry) = (sale - 1, FEC.1.lines().nth(sale - 1).unwrap().split('\t').nth(2).unwrap());
    let unbalanced =
        |difference: &str| format!("l’écriture {entry} du journal VE n’est pas équilibrée (écart {difference})");
    // Another ten euros sold.
    let text = with(FEC, "\t60349,60\t", "\t60359,60\t");
    assert_said(FEC, &text, Unbalanced, &first.to_string(), &unbalanced("−10,00"));
    // A word for an amount: the line does not count, so that its entry is open, too.
    let text = with(FEC, "\t60349,60\t", "\tdouze\t");
    assert_said(FEC, &text, Unreadable, &sale.to_string(), "« douze » n’est pas un montant");
    assert_said(FEC, &text, Unbalanced, &first.to_string(), &unbalanced("60 349,60"));
    assert_said(FEC, &twice(FEC.1, sale), Unbalanced, &first.to_string(), &unbalanced("−60 349,60"));
    // Cut in the middle of a line; between two entries nothing would show it.
    let middle = FEC.1.match_indices("60349,60").next().unwrap().0;
    let cut = &FEC.1[..middle + 3];
    assert_said(FEC, cut, Unreadable, &sale.to_string(), "la ligne a 13 champs au lieu de 18");
    assert_said(FEC, cut, Unbalanced, &first.to_string(), &unbalanced("118 977,00"));
    // A heading that is gone.
    assert_said(FEC, &with(FEC, "\tValidDate\t", "\t\t"), Missing, "1", "colonnes absentes : ValidDate");
    assert_said(FEC, &with(FEC, "JournalCode\t", "\t"), Missing, "1", "colonnes absentes : JournalCode");
    let message = |damaged: &str| said(FEC, damaged).remove(0).2;
    assert!(message(&with(FEC, "\tCredit\t", "\t\t")).contains("il manque les colonnes Debit et Credit"));
    assert!(message(&with(FEC, "\tCompteNum\t", "\t\t")).contains("ni FEC, ni balance"));
}

#[test]
fn a_damaged_balance_says_where() {
    let at = |begin: &str| line_of(BALANCE_2024, begin).to_string();
    let text = with(BALANCE_2024, "567245,00;6000,00", "567255,00;6000,00");
    let message = "« totaux » (soldes de clôture, débit) : le total donné est de 567 255,00, les comptes font";
    assert_said(BALANCE_2024, &text, Total, &at("Total classe 6"), message);
    let text = with(BALANCE_2024, "81000,00;;81000,00", "81000,00;;81010,00");
    let message = "le compte 601000 finit à 81 010,00, mais son solde d’ouverture et ses mouvements font 81 000,00";
    assert_said(BALANCE_2024, &text, Total, &at("601000"), message);
    let text = with(BALANCE_2024, "81000,00;;81000,00", "81000,00;;bois");
    assert_said(BALANCE_2024, &text, Unreadable, &at("601000"), "« bois » n’est pas un montant");
    let text = twice(BALANCE_2024.1, line_of(BALANCE_2024, "601000"));
    let line = (line_of(BALANCE_2024, "601000") + 1).to_string();
    assert_said(BALANCE_2024, &text, Duplicate, &line, "le compte 601000 est donné deux fois");
    // The totals of all are at the end, so what is cut off shows by the sides alone.
    let cut = &BALANCE_2024.1[..BALANCE_2024.1.len() / 2];
    assert_said(BALANCE_2024, cut, Unbalanced, "", "le total des débits et celui des crédits diffèrent de");
    // Without its heading the closing balance would be a second movement: what is left says it, too.
    let text = with(BALANCE_2024, ";Soldes;", ";;");
    assert_said(BALANCE_2024, &text, Missing, &at("Compte"), "la colonne 7 a les en-têtes d’une autre");
    assert_results("no closing balance", &year(&import((BALANCE_2024.0, &text)), 2024), OF_2024);
    // Without that of the numbers nothing is known to be an account.
    assert!(said(BALANCE_2024, &with(BALANCE_2024, "Compte;", ";")).iter().all(|(kind, ..)| *kind == Some(Unknown)));

    let at = |begin: &str| line_of(BALANCE_2023, begin).to_string();
    let text = with(BALANCE_2023, "607000;Achats de marchandises;88000,00", "607000;Achats de marchandises;88010,00");
    assert_said(BALANCE_2023, &text, Total, &at("Totaux"), "les comptes font");
    assert_said(BALANCE_2023, &text, Unbalanced, "", "diffèrent de 10,00");
    let text = with(BALANCE_2023, "Solde créditeur", "");
    assert_said(BALANCE_2023, &text, Unbalanced, "", "diffèrent de");
}

#[test]
fn damaged_labels_say_where() {
    for (old, new, kind, begin, message) in [
        (
            "Total dettes;171\u{202f}245",
            "Total dettes;171\u{202f}255",
            Total,
            "Total dettes",
            "Dettes, exercice clos le",
        ),
        (
            "Salaires et traitements;176\u{202f}000",
            "Salaires et traitements;176\u{202f}010",
            Total,
            "Total des charges d",
            "écart −10,00",
        ),
        (
            "Salaires et traitements;176\u{202f}000",
            "Salaires et traitements;mensuels",
            Unreadable,
            "Salaires",
            "« mensuels » n’est pas un montant",
        ),
        (
            "Salaires et traitements",
            "Rémunération de l’équipage",
            Unknown,
            "Salaires",
            "n’est celui d’aucun poste connu",
        ),
        ("Salaires et traitements", "", Unknown, "Salaires", "un montant n’a pas de libellé"),
    ] {
        let at = line_of(ACCOUNTS, begin).to_string();
        assert_said(ACCOUNTS, &with(ACCOUNTS, old, new), kind, &at, message);
    }
    let line = line_of(ACCOUNTS, "Salaires");
    let message = "« Salaires et traitements » est donné deux fois";
    assert_said(ACCOUNTS, &twice(ACCOUNTS.1, line), Duplicate, &(line + 1).to_string(), message);
    // Cut in the middle, which is in the passif.
    let middle = ACCOUNTS.1.find("Dettes fiscales").unwrap();
    assert_said(ACCOUNTS, &ACCOUNTS.1[..middle], Unbalanced, "", "Total de l’actif (279 315,00) et Total du passif");
    // Headings that are gone.
    let text = with(ACCOUNTS, "PASSIF;31/12/2024;31/12/2023", "PASSIF;31/12/2024;");
    assert!(!said(ACCOUNTS, &text).is_empty());
    let text = with(ACCOUNTS, ";Brut;Amort. et dépréc.;Net;Net", ";Brut;;Net;Net");
    assert!(!said(ACCOUNTS, &text).is_empty());
    // In a workbook the place is the cell.
    let text = with(ACCOUNTS, "Salaires et traitements;176\u{202f}000", "Salaires et traitements;mensuels");
    let statement = import_bytes("comptes.xlsx", &workbook(&text)).unwrap();
    let place = statement.anomalies[0].place.as_ref().unwrap();
    assert_eq!((place.sheet.as_deref(), place.at.clone()), (Some("Comptes"), format!("B{line}")));
    let bytes = workbook(ACCOUNTS.1);
    let error = import_bytes("comptes.xlsx", &bytes[..bytes.len() / 2]).unwrap_err();
    assert!(error.to_string().starts_with("comptes.xlsx"), "{error}");
}

#[test]
fn damaged_forms_say_where() {
    for (old, new, kind, begin, message) in [
        ("EC;TOTAL (IV);171245", "EC;TOTAL (IV);171255", Total, "EC;", "Dettes, exercice clos le 31/12/2024"),
        (
            "DX;Dettes fournisseurs et comptes rattachés;49200",
            "DX;Dettes fournisseurs et comptes rattachés;49210",
            Total,
            "EC;",
            "écart −10,00",
        ),
        (
            "FY;Salaires et traitements;176000",
            "FY;Salaires et traitements;mensuels",
            Unreadable,
            "FY;",
            "« mensuels » n’est pas un montant",
        ),
        ("FY;Salaires", "ZZ;Primes", Unknown, "FY;", "le libellé « ZZ Primes et traitements »"),
    ] {
        let at = line_of(FORMS, begin).to_string();
        assert_said(FORMS, &with(FORMS, old, new), kind, &at, message);
    }
    let line = line_of(FORMS, "FY;");
    assert_said(FORMS, &twice(FORMS.1, line), Duplicate, &(line + 1).to_string(), "« FY » est donné deux fois");
    let cut = &FORMS.1[..FORMS.1.find("DX;").unwrap()];
    assert_said(FORMS, cut, Unbalanced, "", "Total du passif");
    // What follows a box is known without headings, and the tops says the year.
    let text = with(FORMS, "Code;Libellé;Exercice N;Exercice N-1\n", "");
    let statement = import((FORMS.0, &text));
    assert_clean("no headings", &statement);
    assert_results("no headings", &year(&statement, 2024), OF_2024);
    assert_results("no headings", &year(&statement, 2023), OF_2023);
}

/// Whether nothing is said of a file whose results are other ones. What has no value any more has a reason instead.
fn is_silent(expected: &Statement, file: (&str, &str), text: &str) -> bool {
    let Ok(statement) = import_bytes(file.0, text.as_bytes()) else { return false };
    if !statement.anomalies.is_empty() || !checks(&statement).is_empty() {
        return false;
    }
    // What is beside a total is in no sum, so that nobody can miss it: concours bancaires, transferts de charges.
    let memos = |text: &str| text.to_lowercase().matches("dont ").count();
    let has_memos = memos(text) == memos(file.1);
    let (known, found) = (analyse(expected), analyse(&statement));
    known.years.iter().any(|known| {
        let Some(found) = found.years.iter().find(|found| found.end == known.end) else { return false };
        // Of an actif without a passif nothing says whether it is whole; that there is no passif is seen.
        let has_passif = found.value("total_passif").is_some();
        let is_known = |id: &str| match id {
            "total_actif" => has_passif,
            "tresorerie_nette" | "frng" | "liquidite_generale" | "capacite_remboursement" => has_passif && has_memos,
            "caf" | "caf_soustractive" => has_memos,
            _ => true,
        };
        let ids = OF_2024.iter().map(|(id, _)| *id).filter(|id| is_known(id));
        ids.into_iter().any(|id| found.value(id).is_some_and(|value| Some(value) != known.value(id)))
    })
}

/// Each with what was done: the file cut before a line, the line gone or twice, a cell a word, empty, or ten more.
fn damaged(text: &str, at: usize) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut gone, mut twice) = (lines.clone(), lines.clone());
    gone.remove(at);
    twice.insert(at, lines[at]);
    let all = [("cut", lines[..at].to_vec()), ("gone", gone), ("twice", twice)];
    let mut all: Vec<_> = all.into_iter().map(|(what, lines)| (what.to_owned(), lines.join("\n"))).collect();
    let cells: Vec<&str> = lines[at].split(';').collect();
    for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        let value = cell.replace('\u{202f}', "").replace(',', ".").parse::<Decimal>();
        // The number of an account is no amount: with ten more it is another account.
        let more = value.ok().filter(|_| column > 0).map(|value| (value + Decimal::TEN).to_string().replace('.', ","));
        for new in ["mot".to_owned(), String::new()].into_iter().chain(more) {
            let (mut cells, mut lines) = (cells.clone(), lines.clone());
            cells[column] = &new;
            let line = cells.join(";");
            lines[at] = &line;
            all.push((line.clone(), lines.join("\n")));
        }
    }
    all
}

#[test]
fn no_damage_changes_results_in_silence() {
    for file in [BALANCE_2023, BALANCE_2024, ACCOUNTS, FORMS] {
        let expected = import(file);
        let lines = file.1.lines().enumerate();
        // A part that is shown beside its total is in no sum. All lines would pass, and take a minute and a half.
        let lines = lines.filter(|(_, line)| !line.to_lowercase().contains("dont "));
        for (at, _) in lines.skip(5).step_by(13) {
            for (what, text) in damaged(file.1, at) {
                assert!(!is_silent(&expected, file, &text), "{}, line {}: {what}", file.0, at + 1);
            }
        }
    }
}

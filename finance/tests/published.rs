//! Published worked examples, computed again: their figures, and by hand what was published of them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::{Decimal, RoundingStrategy};
use zyron_finance::statement::{Account, Figure, Year};
use zyron_finance::{Statement, accounts, analyse, checks};

fn end() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 12, 31).expect("it is a date")
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("it is a number")
}

/// A statement of which the source gives these lines.
fn of_lines(lines: &[(&str, i64)], step: i64) -> Statement {
    let lines: BTreeMap<_, _> = lines.iter().map(|(id, value)| ((*id).to_owned(), Figure::of(*value))).collect();
    Statement { step: step.into(), years: vec![Year { lines, ..Year::ending(end()) }], ..Statement::default() }
}

/// One of which it gives the boxes of forms 2050 to 2053.
fn of_boxes(boxes: &[(&str, i64)]) -> Statement {
    let item = |code| zyron_finance::items::of_code(code).unwrap_or_else(|| panic!("no box {code}")).id;
    let lines: Vec<_> = boxes.iter().map(|(code, value)| (item(code), *value)).collect();
    of_lines(&lines, 1)
}

/// One of which it gives the balances of accounts, debit less credit.
fn of_accounts(balances: &[(&str, &str)]) -> Statement {
    let account = |(number, balance): &(&str, &str)| Account {
        number: (*number).to_owned(),
        label: String::new(),
        balance: decimal(balance),
        places: vec![],
    };
    let accounts: Vec<Account> = balances.iter().map(account).collect();
    let (lines, anomalies) = accounts::lines(&accounts);
    assert_eq!(anomalies, []);
    Statement { years: vec![Year { accounts, lines, ..Year::ending(end()) }], ..Statement::default() }
}

fn assert_results(statement: &Statement, expected: &[(&str, &str)]) {
    let year = &analyse(statement).years[0];
    for (id, value) in expected {
        let result = year.get(id).unwrap_or_else(|| panic!("no {id}"));
        let wanted = decimal(value);
        let found = result.value.unwrap_or_else(|| panic!("{id}: {:?}", result.undefined));
        let rounded = found.round_dp_with_strategy(wanted.scale(), RoundingStrategy::MidpointAwayFromZero);
        assert_eq!(rounded, wanted, "{id}, which is {found}");
    }
}

// <http://sylviejo.perso.infonie.fr/formation/gestion/SIGEX.htm>: 1000 - (600 + 50) = 350; 350 + 200 - (60 + 40) = 450;
// 450 - 30 - (200 + 80) = 140; 140 - 20 = 120; 120 - 20 = 100; 100 - 5 - 40 = 55; 55 + 20 = 75.
#[test]
fn soldes_of_a_trading_company() {
    let statement = of_lines(
        &[
            ("ventes_marchandises", 1000),
            ("achats_marchandises", 600),
            ("variation_stocks_marchandises", 50),
            ("production_vendue_biens", 200),
            ("achats_matieres", 60),
            ("autres_achats_charges_externes", 40),
            ("impots_taxes", 30),
            ("salaires", 200),
            ("charges_sociales", 80),
            ("dotations_amortissements", 20),
            ("interets", 20),
            ("charges_exceptionnelles_gestion", 5),
            ("impot_benefices", 40),
        ],
        1,
    );
    assert_eq!(checks(&statement), []);
    assert_results(
        &statement,
        &[
            ("marge_commerciale", "350"),
            ("valeur_ajoutee", "450"),
            ("ebe", "140"),
            ("resultat_exploitation", "120"),
            ("rcai", "100"),
            ("resultat_net", "55"),
            ("caf", "75"),
            ("caf_soustractive", "75"),
        ],
    );
}

// <https://gocardless.com/fr/guides/articles/soldes-intermediaires-de-gestion/>: 280810 - 45867 - 38067 = 196876;
// - 45832 - 128046 = 22998; - 5840 = 17158; - 4288 = 12870; - 1930 = 10940. Its shares of the turnover: VA 70 %, EBE
// 8 %, RE 6 %, RCAI 5 %.
#[test]
fn soldes_with_the_turnover_in_one_line() {
    let statement = of_lines(
        &[
            ("ventes_marchandises", 280_810),
            ("achats_marchandises", 45_867),
            ("autres_achats_charges_externes", 38_067),
            ("impots_taxes", 45_832),
            ("salaires", 128_046),
            ("dotations_amortissements", 5_840),
            ("interets", 4_288),
            ("impot_benefices", 1_930),
        ],
        1,
    );
    assert_results(
        &statement,
        &[
            ("marge_commerciale", "234943"),
            ("valeur_ajoutee", "196876"),
            ("ebe", "22998"),
            ("resultat_exploitation", "17158"),
            ("resultat_financier", "-4288"),
            ("rcai", "12870"),
            ("resultat_net", "10940"),
            ("taux_valeur_ajoutee", "70"),
            ("taux_marge_brute_exploitation", "8"),
            ("marge_exploitation", "6"),
        ],
    );
}

// DCG, UE 6, 2022 (<https://fr.scribd.com/document/643006745/UE6-2022-Corrige-2-docx>): from the EBE 144655 + 5112 + 14
// - 55 + 780 - 599 - 315 - 23929 = 125663; from the result 85303 + 36185 + 4175 = 125663. Debts of 74207 to equity of
// 1044810 are 7.10 %, and 74207 / 125663 = 0.59 years.
#[test]
fn caf_by_both_methods() {
    let statement = of_lines(
        &[
            // As much as the EBE is: its parts are not in the example.
            ("production_vendue_services", 144_655),
            ("transferts_charges", 5_112),
            ("reprises_exploitation", 0),
            ("autres_produits_gestion", 14),
            ("autres_charges_gestion", 55),
            ("autres_interets_produits", 780),
            ("interets", 599),
            ("charges_exceptionnelles_gestion", 315),
            ("impot_benefices", 23_929),
            ("dotations_amortissements", 36_185),
            ("dotations_depreciations_actif_circulant", 4_175),
            ("capitaux_propres", 1_044_810),
            ("emprunts_etablissements_credit", 74_207),
            ("concours_bancaires", 0),
        ],
        1,
    );
    let expected = [
        ("ebe", "144655"),
        ("resultat_net", "85303"),
        ("caf", "125663"),
        ("caf_soustractive", "125663"),
        ("capacite_remboursement", "0.59"),
    ];
    assert_results(&statement, &expected);
}

// Palenko (<https://www.nxtbook.com/lextenso-editions/Gualino/978-2-297-26616-1/index.php?startid=125>). Stable
// resources 100000 + 7000 + 9588 + 35000 = 151588; FRNG 151588 - 96728 = 54860; BFRE 38068 + 96574 - 49785 - 12245 =
// 72612; BFRHE 525 - 1275 = -750; trésorerie 5753 + 1765 - 17346 - 7174 = -17002.
#[test]
fn a_bilan_fonctionnel() {
    let statement = of_lines(
        &[
            ("installations_techniques_brut", 96_728),
            ("installations_techniques_depreciation", 9_588),
            ("marchandises_brut", 38_068),
            ("clients_brut", 96_574),
            ("autres_creances_brut", 525),
            ("valeurs_mobilieres_brut", 5_753),
            ("disponibilites_brut", 1_765),
            ("capital", 100_000),
            ("autres_reserves", 7_000),
            ("resultat_exercice", 0),
            ("emprunts_etablissements_credit", 35_000),
            ("concours_bancaires", 17_346 + 7_174),
            ("fournisseurs", 49_785),
            ("dettes_fiscales_sociales", 12_245),
            ("autres_dettes", 1_275),
        ],
        1,
    );
    assert_eq!(checks(&statement), []);
    assert_results(
        &statement,
        &[
            ("ressources_stables", "151588"),
            ("emplois_stables", "96728"),
            ("frng", "54860"),
            ("bfr_exploitation", "72612"),
            ("bfr_hors_exploitation", "-750"),
            ("bfr", "71862"),
            ("tresorerie_nette", "-17002"),
            ("total_actif", "229825"),
        ],
    );
}

// Leygonie, TD 13 (IUT en ligne): 50000 + 3301 + 37116 - 4986 - 34125 = 51306; BFRE 54600 + 129300 - 135600 = 48300;
// outside of operations 15570 - 45360 = -29790; trésorerie 32796 = 51306 - 48300 + 29790.
#[test]
fn a_bilan_fonctionnel_with_a_negative_need_outside_of_operations() {
    let statement = of_lines(
        &[
            ("concessions_brevets_brut", 4_986),
            ("installations_techniques_brut", 34_125),
            ("marchandises_brut", 54_600),
            ("clients_brut", 129_300),
            ("autres_creances_brut", 15_570),
            ("disponibilites_brut", 32_796),
            ("capital", 50_000),
            ("autres_reserves", 3_301),
            ("resultat_exercice", 0),
            ("dettes_financieres_diverses", 37_116),
            ("fournisseurs", 135_600),
            ("autres_dettes", 45_360),
        ],
        1,
    );
    assert_eq!(checks(&statement), []);
    let expected = [
        ("frng", "51306"),
        ("bfr_exploitation", "48300"),
        ("bfr_hors_exploitation", "-29790"),
        ("tresorerie_nette", "32796"),
    ];
    assert_results(&statement, &expected);
}

// A filed liasse (test data of neolegal-fr/fec-reader). Its totals are those of the boxes to a euro or two. By hand:
// VA -171 + 8469295 + 32761 - 24459 - 4094587 = 4382839 with production 8502056, of which the file's FL, the sum of FD
// and FG, is one more than its 8469295; EBE 4382839 - 192233 - 2779588 - 953290 = 457728; CAF 181997 + 446630 + 3174 -
// 138832 = 492969.
#[test]
fn a_filed_liasse() {
    let statement = of_boxes(&[
        ("FF", 8_452_983),
        ("FI", 16_311),
        ("FL", 8_469_295),
        ("FM", 32_761),
        ("FP", 9_463),
        ("A1", 9_463),
        ("FQ", 381),
        ("FR", 8_511_899),
        ("FS", 171),
        ("FV", 24_459),
        ("FW", 4_094_587),
        ("FX", 192_233),
        ("FY", 2_779_588),
        ("FZ", 953_290),
        ("GA", 446_630),
        ("GE", 90),
        ("GF", 8_491_049),
        ("GG", 20_850),
        ("GL", 39_851),
        ("GP", 39_851),
        ("GR", 8_506),
        ("GS", 5_443),
        ("GU", 13_949),
        ("GV", 25_902),
        ("HA", 139_169),
        ("HC", 138_832),
        ("HD", 278_001),
        ("HE", 139_582),
        ("HF", 3_174),
        ("HH", 142_756),
        ("HL", 8_829_751),
        ("HM", 8_647_754),
        ("HN", 181_997),
    ]);
    assert_eq!(checks(&statement), []);
    assert_results(
        &statement,
        &[
            ("marge_commerciale", "-171"),
            ("production_exercice", "8502055"),
            ("valeur_ajoutee", "4382838"),
            ("ebe", "457727"),
            ("resultat_exploitation", "20851"),
            ("rcai", "46753"),
            ("caf", "492969"),
            ("caf_soustractive", "492970"),
        ],
    );
    // A figure with two digits swapped does not add up any more.
    let mut wrong = statement.clone();
    wrong.years[0].lines.get_mut("autres_achats_charges_externes").unwrap().value = 4_904_587.into();
    let messages: Vec<String> = checks(&wrong).into_iter().map(|anomaly| anomaly.message).collect();
    assert!(messages.iter().any(|message| message.starts_with("Charges d’exploitation")), "{messages:?}");
}

// The balances of a FEC's accounts (123456789FEC20500930.txt, test data of neolegal-fr/fec-reader) and the liasse that
// was filed for it: FR 1225777, GF 1107620, GG 118157, GU 3044, GW 115113, HI 11121, HN 126234, BJ 1288409, BK 576683,
// CF 124818. By hand: 1212827.10 - 410953.37 - 44076.28 = 757797.45; 757797.45 + 16.80 - 278817.77 = 478996.48; +
// 4666.62 - 13758.24 - 333165.87 = 136738.99. Both methods find a CAF of 142767.77.
#[test]
fn a_ledger_and_the_liasse_that_was_filed_for_it() {
    let statement = of_accounts(&[
        ("101", "-356000.00"),
        ("106", "-35600.00"),
        ("110", "-121396.22"),
        ("164", "-147174.39"),
        ("207", "589230.18"),
        ("215", "107139.68"),
        ("218", "560645.25"),
        ("275", "31394.12"),
        ("281", "-576682.63"),
        ("370", "11586.00"),
        ("401", "-69365.30"),
        ("408", "-85525.29"),
        ("411", "128200.50"),
        ("421", "27.43"),
        ("428", "-13625.80"),
        ("431", "-5798.03"),
        ("437", "-2498.74"),
        ("438", "-2560.51"),
        ("442", "-11.63"),
        ("4456", "12543.37"),
        ("4457", "-6709.35"),
        ("447", "-1028.00"),
        ("448", "-128.47"),
        ("45501", "9909.70"),
        ("45502", "7435.59"),
        ("45503", "-41056.07"),
        ("467", "3476.51"),
        ("486", "4987.68"),
        ("511", "745.40"),
        ("512", "106229.47"),
        ("530", "17843.46"),
        ("602", "14869.36"),
        ("6037", "44076.28"),
        ("606", "46206.01"),
        ("607", "410953.37"),
        ("613", "79070.28"),
        ("614", "1733.00"),
        ("615", "18899.54"),
        ("616", "8520.61"),
        ("617", "141.00"),
        ("621", "14930.89"),
        ("622", "76771.60"),
        ("623", "119.50"),
        ("624", "3138.75"),
        ("625", "1214.81"),
        ("626", "1538.11"),
        ("627", "11162.98"),
        ("628", "501.33"),
        ("633", "3326.15"),
        ("635", "3459.00"),
        ("637", "6973.09"),
        ("641", "249857.75"),
        ("645", "60481.52"),
        ("646", "22826.60"),
        ("658", "15.84"),
        ("661", "3043.58"),
        ("671", "35.00"),
        ("681", "26832.53"),
        ("687", "118.00"),
        ("707", "-1212827.10"),
        ("708", "-16.80"),
        ("740", "-4666.62"),
        ("758", "-18.32"),
        ("771", "-857.22"),
        ("775", "-10416.67"),
        ("791", "-8247.66"),
    ]);
    assert_eq!(checks(&statement), []);
    assert_results(
        &statement,
        &[
            ("marge_commerciale", "757797.45"),
            ("production_exercice", "16.80"),
            ("consommations", "278817.77"),
            ("valeur_ajoutee", "478996.48"),
            ("ebe", "136738.99"),
            ("resultat_exploitation", "118156.60"),
            ("rcai", "115113.02"),
            ("resultat_exceptionnel", "11120.89"),
            ("resultat_net", "126233.91"),
            ("caf", "142767.77"),
            ("caf_soustractive", "142767.77"),
            ("produits_exploitation", "1225777"),
            ("charges_exploitation", "1107620"),
            ("charges_financieres", "3044"),
            ("actif_immobilise_brut", "1288409.23"),
            ("actif_immobilise_depreciation", "576682.63"),
            ("disponibilites", "124818.33"),
            ("dettes_financieres_diverses", "41056.07"),
            ("tresorerie_nette", "124818.33"),
        ],
    );
}

// UNIT, kit Compta-gestion (section 9.2), whose stocks and balances are averages of two years: stocks of 70000 on
// purchases of 700000 are 36 days of 360; suppliers of 140000 on 1120000 are 45.
#[test]
fn days_of_turnover() {
    let mut statement = of_lines(
        &[
            ("ventes_marchandises", 1_170_000),
            ("achats_marchandises", 700_000),
            ("autres_achats_charges_externes", 420_000),
            ("marchandises", 70_000),
            ("clients", 130_000),
            ("fournisseurs", 140_000),
        ],
        1,
    );
    // The example's year has 360 days.
    statement.years[0].start = NaiveDate::from_ymd_opt(2024, 1, 6);
    assert_results(&statement, &[("dio", "36"), ("dso", "40"), ("dpo", "45")]);
}

// EBITDA and EBE, and ratios to what is zero or negative.
#[test]
fn ratios_without_a_meaning_have_a_reason_and_no_value() {
    use zyron_finance::Undefined;

    let statement = of_lines(&[("production_vendue_services", 0), ("salaires", 100), ("capital", -50)], 1);
    let year = &analyse(&statement).years[0];
    let reason = |id: &str| year.get(id).unwrap().undefined.clone().unwrap();
    assert_eq!(reason("marge_nette"), Undefined::ZeroDenominator { denominator: "Chiffre d’affaires net".to_owned() });
    assert_eq!(reason("roe"), Undefined::NegativeDenominator { denominator: "Capitaux propres".to_owned() });
    assert!(matches!(reason("croissance"), Undefined::Missing { .. }));
    // There is no balance sheet's other side.
    assert!(matches!(reason("dso"), Undefined::Missing { .. }), "{:?}", reason("dso"));
}

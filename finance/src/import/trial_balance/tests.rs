use proptest::prelude::*;

use super::*;
use crate::import::table::{self, made};
use crate::{analyse, checks};

/// The year of a small shop, the one of the FEC's tests: number, label, balance before it, debits, credits.
const ACCOUNTS: &[(&str, &str, i64, i64, i64)] = &[
    ("101000", "Capital", -30_000, 0, 0),
    ("164000", "Emprunt", -20_000, 4_000, 0),
    ("370000", "Stock de marchandises", 0, 6_000, 0),
    ("401000", "Fournisseurs", 0, 0, 48_000),
    ("411000", "Clients", 0, 84_000, 60_000),
    ("421000", "Personnel", 0, 0, 12_000),
    ("431000", "URSSAF", 0, 0, 5_000),
    ("445660", "TVA déductible", 0, 8_000, 0),
    ("445710", "TVA collectée", 0, 0, 14_000),
    ("512000", "Banque", 50_000, 60_000, 4_500),
    ("603700", "Variation de stock", 0, 0, 6_000),
    ("607000", "Achats de marchandises", 0, 40_000, 0),
    ("641000", "Salaires", 0, 12_000, 0),
    ("645000", "Charges sociales", 0, 5_000, 0),
    ("661000", "Intérêts", 0, 500, 0),
    ("707000", "Ventes de marchandises", 0, 0, 70_000),
];

const TOP: &str =
    "SAS Exemple\nSIREN 732 829 320\nBalance générale du 01/01/2024 au 31/12/2024\nÉditée le 15/03/2025\n";

fn sides(amount: i64) -> String {
    match amount {
        0 => "\t".to_owned(),
        1.. => format!("{amount},00\t"),
        _ => format!("\t{},00", -amount),
    }
}

/// Eight columns below two rows of headings, with totals of classes and of all.
fn whole() -> String {
    let mut rows = format!(
        "{TOP}Compte\tIntitulé\tA-nouveaux\t\tMouvements\t\tSoldes\t\n\t\tDébit\tCrédit\tDébit\tCrédit\tDébit\tCrédit\n"
    );
    let mut all = [0; 6];
    for class in ["1", "3", "4", "5", "6", "7"] {
        let mut sums = [0; 6];
        for (number, label, before, debit, credit) in ACCOUNTS.iter().filter(|account| account.0.starts_with(class)) {
            let after = before + debit - credit;
            rows += &format!("'{number}\t{label}\t{}\t{debit}\t{credit},00\t{}\n", sides(*before), sides(after));
            for (sum, amount) in sums.iter_mut().zip([*before, -before, *debit, *credit, after, -after]) {
                *sum += amount.max(0);
            }
        }
        let total = |sums: &[i64]| sums.iter().map(|sum| format!("\t{sum},00")).collect::<String>();
        rows += &format!("\tTotal classe {class}{}\n", total(&sums));
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        if class == "7" {
            rows += &format!("Totaux généraux\t{}\n", total(&all));
        }
    }
    rows
}

/// Two columns of the last balances.
fn balances() -> String {
    let rows = ACCOUNTS.iter().map(|(number, label, before, debit, credit)| {
        format!("'{number}\t{label}\t{}\n", sides(before + debit - credit))
    });
    format!("{TOP}N° de compte\tLibellé\tSolde débiteur\tSolde créditeur\n{}", rows.collect::<String>())
}

fn import_with(rows: &str, options: &Options) -> Result<Statement, ImportError> {
    let workbook = table::read(made::text(rows, ";").as_bytes(), "balance.csv")?;
    read(&workbook, options)
}

fn import(rows: &str) -> Statement {
    import_with(rows, &Options::default()).unwrap()
}

fn found(statement: &Statement) -> Vec<(AnomalyKind, String, String)> {
    let place = |place: &Option<Place>| place.as_ref().map_or(String::new(), |place| place.at.clone());
    statement.anomalies.iter().map(|anomaly| (anomaly.kind, place(&anomaly.place), anomaly.message.clone())).collect()
}

fn kinds(statement: &Statement) -> Vec<AnomalyKind> {
    statement.anomalies.iter().map(|anomaly| anomaly.kind).collect()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The same values as the FEC of this year has.
fn assert_is_the_year(statement: &Statement) {
    assert_eq!(found(statement), []);
    assert_eq!(checks(statement), []);
    assert_eq!(statement.years[0].end, day("2024-12-31"));
    let results = &analyse(statement).years[0];
    // Marge 70000 - 40000 + 6000; EBE less 12000 and 5000; result less 500 of interest.
    // Actif: stock 6000, clients 24000, VAT 8000, bank 105500.
    for (id, value) in [
        ("chiffre_affaires", 70_000),
        ("marge_commerciale", 36_000),
        ("ebe", 19_000),
        ("resultat_net", 18_500),
        ("caf", 18_500),
        ("total_actif", 143_500),
        ("total_passif", 143_500),
        ("capitaux_propres", 48_500),
        ("bfr", -41_000),
        ("tresorerie_nette", 105_500),
    ] {
        assert_eq!(results.value(id), Some(value.into()), "{id}");
    }
}

#[test]
fn a_balance_with_all_columns_is_read_from_each_format() {
    let rows = whole();
    let sheets = [("Balance", rows.as_str())];
    for (what, bytes, sheet, at) in [
        ("text", made::text(&rows, ";").into_bytes(), None, "10"),
        ("xlsx", made::xlsx(&sheets), Some("Balance"), "A10"),
        ("ods", made::ods(&sheets), Some("Balance"), "A10"),
    ] {
        let workbook = table::read(&bytes, "b").unwrap();
        assert!(is_in(&workbook), "{what}");
        let statement = read(&workbook, &Options::default()).unwrap();
        assert_is_the_year(&statement);
        assert_eq!(statement.company.name.as_deref(), Some("SAS Exemple"), "{what}");
        assert_eq!(statement.company.siren, Some("732829320".parse().unwrap()), "{what}");
        let year = &statement.years[0];
        assert_eq!((year.start, year.accounts.len()), (Some(day("2024-01-01")), 16));
        // Debits of the loan, without what it began with.
        assert_eq!(year.lines["remboursements_emprunts"].value, 4_000.into());
        assert_eq!(analyse(&statement).years[0].value("service_dette"), Some(4_500.into()));
        let stock = &year.accounts[2];
        assert_eq!((stock.number.as_str(), stock.label.as_str()), ("370000", "Stock de marchandises"));
        assert_eq!((stock.places[0].sheet.as_deref(), stock.places[0].at.as_str()), (sheet, at), "{what}");
        assert_eq!(year.lines["stocks_brut".replace("stocks", "marchandises").as_str()].accounts, ["370000"]);
    }
}

#[test]
fn a_balance_has_many_columns_or_few() {
    let of = |header: &str, row: &dyn Fn(i64, i64, i64) -> String| {
        let rows = ACCOUNTS.iter().map(|(number, label, before, debit, credit)| {
            format!("{} {}\t{label}\t{}\n", &number[..3], &number[3..], row(*before, *debit, *credit))
        });
        format!("{TOP}{header}\n{}", rows.collect::<String>())
    };
    let after = |before: i64, debit: i64, credit: i64| before + debit - credit;
    let all = |before: i64, debit: i64, credit: i64| (before.max(0) + debit, (-before).max(0) + credit);
    assert_is_the_year(&import(&balances()));
    for (header, row) in [
        (
            "Numéro\tLibellé\tDébit\tCrédit",
            &(|before, debit, credit| {
                let (debit, credit) = all(before, debit, credit);
                format!("{debit},00\t{credit},00")
            }) as &dyn Fn(i64, i64, i64) -> String,
        ),
        ("Compte\tLibellé\tSolde", &|before, debit, credit| format!("{},00", after(before, debit, credit))),
        ("Compte\tLibellé\tSolde\tSens", &|before, debit, credit| {
            let after = after(before, debit, credit);
            format!("{},00\t{}", after.abs(), if after < 0 { "C" } else { "D" })
        }),
        ("Compte\tLibellé\tTotal débit\tTotal crédit\tSolde", &|before, debit, credit| {
            let (debit, credit) = all(before, debit, credit);
            format!("{debit}\t{credit}\t{}", (debit - credit).abs())
        }),
        ("Compte\tLibellé\tSolde au 01/01/2024\tDébit\tCrédit\tSolde au 31/12/2024", &|before, debit, credit| {
            format!("{before}\t{debit}\t{credit}\t{}", after(before, debit, credit))
        }),
        ("Cpte\tIntitulé du compte\tReport\tMouvements débit\tMouvements crédit", &|before, debit, credit| {
            format!("{before}\t{debit}\t{credit}")
        }),
        ("Compte\tLibellé\tSolde débit\tSolde crédit\tSolde", &|before, debit, credit| {
            let after = after(before, debit, credit);
            format!("{}\t{}\t{after}", after.max(0), (-after).max(0))
        }),
    ] {
        assert_is_the_year(&import(&of(header, row)));
    }
}

#[test]
fn several_years_stand_side_by_side() {
    let rows =
        "Compte;Libellé;2024;2023\n101000;Capital;-1000;-1000\n512000;Banque;1300;1100\n706000;Ventes;-900;-500\n\
                622000;Honoraires;600;400\n"
            .replace(';', "\t");
    let statement = import(&rows);
    let ends: Vec<NaiveDate> = statement.years.iter().map(|year| year.end).collect();
    assert_eq!(ends, [day("2023-12-31"), day("2024-12-31")]);
    let results = analyse(&statement).years;
    assert_eq!(results[0].value("chiffre_affaires"), Some(500.into()));
    assert_eq!(results[1].value("chiffre_affaires"), Some(900.into()));
    assert_eq!(results[1].value("resultat_net"), Some(300.into()));
    assert_eq!(kinds(&statement), [AnomalyKind::Missing], "the day is the calendar's");
    let dated = rows.replace("2024\t2023", "Débit N\tCrédit N\tDébit N-1\tCrédit N-1");
    let dated = dated.replace("-1000\t-1000", "\t1000\t\t1000").replace("1300\t1100", "1300\t\t1100\t");
    let dated = dated.replace("-900\t-500", "0\t900\t0\t500").replace("600\t400", "600\t0\t400\t0");
    let options = Options { end: Some(day("2024-06-30")) };
    let statement = import_with(&dated, &options).unwrap();
    assert_eq!(statement.years[0].end, day("2023-06-30"));
    assert_eq!(analyse(&statement).years[1].value("resultat_net"), Some(300.into()));
    assert_eq!(found(&statement), []);
    assert_eq!(import_with(&dated, &Options::default()), Err(ImportError::NoYear("balance.csv".to_owned())));
}

#[test]
fn rows_that_add_others_up_are_not_counted_twice() {
    // Classes and groups by their numbers, headings between them, pages, a total without a word.
    let mut rows = String::new();
    for (number, label, before, debit, credit) in ACCOUNTS {
        let after = before + debit - credit;
        let sum = |prefix: &str| -> i64 {
            let accounts = ACCOUNTS.iter().filter(|account| account.0.starts_with(prefix));
            accounts.map(|(_, _, before, debit, credit)| before + debit - credit).sum()
        };
        let is_first = |length: usize| {
            ACCOUNTS.iter().find(|account| account.0[..length] == number[..length]).unwrap().0 == *number
        };
        for length in (1..=3).filter(|length| is_first(*length)) {
            rows += &format!("{}\tGroupe\t{}\n", &number[..length], sum(&number[..length]));
        }
        rows += &format!("{number}\t{label}\t{after}\n");
        if *number == "431000" {
            rows += "\tÀ reporter\t-81000\nSAS Exemple\nPage 2\nCompte\tLibellé\tSolde\n\tReport\t-81000\n";
        }
    }
    rows += "\t\t0\n\tTotal comptes de bilan\t18500\n\tTotal comptes de gestion\t-18500\n";
    let header = format!("{TOP}Compte\tLibellé\tSolde\n");
    assert_is_the_year(&import(&(header.clone() + &rows)));
    let statement =
        import(&(header + &rows.replace("\tGroupe\t24000", "\tGroupe\t24001").replace("bilan\t18500", "bilan\t18501")));
    let messages: Vec<String> = found(&statement).into_iter().map(|(_, _, message)| message).collect();
    assert!(
        messages
            .iter()
            .any(|message| message.contains("Total comptes de bilan") && message.contains("18\u{202f}501,00"))
    );
}

#[test]
fn customers_count_and_their_collective_account_does_not() {
    // 411000 is what its three customers are; the one who paid too much is a debt.
    let rows = "Compte;Libellé;Débit;Crédit\n101000;Capital;;1000\n411000;Clients;900;\n411DUPONT;Dupont;700;\n\
                411DURAND;Durand;;100\n\
                411MARTIN;Martin;300;\n512000;Banque;100;\nTotaux;;1000;1000\n"
        .replace(';', "\t");
    let statement = import(&format!("{TOP}{rows}"));
    assert_eq!(found(&statement), []);
    let numbers: Vec<&str> = statement.years[0].accounts.iter().map(|account| account.number.as_str()).collect();
    assert_eq!(numbers, ["101000", "411DUPONT", "411DURAND", "411MARTIN", "512000"]);
    let results = &analyse(&statement).years[0];
    assert_eq!(results.value("clients"), Some(1000.into()));
    assert_eq!(results.value("autres_dettes"), Some(100.into()));
    // Where they are not its sum, each is an account.
    let statement = import(&format!("{TOP}{}", rows.replace("\t300\t", "\t301\t")));
    assert_eq!(statement.years[0].accounts.len(), 6);
    assert!(kinds(&statement).contains(&AnomalyKind::Unbalanced));
}

#[test]
fn a_balance_of_customers_alone_is_told() {
    let rows = format!("{TOP}Compte\tNom\tDébit\tCrédit\n411DUPONT\tDupont\t700\t\n401DURAND\tDurand\t\t100\n");
    let statement = import(&rows);
    assert_eq!(
        found(&statement),
        [(
            AnomalyKind::Rule,
            String::new(),
            "c’est une balance auxiliaire\u{a0}: il n’y a que des comptes de tiers, pas tous les comptes".to_owned()
        )]
    );
}

#[test]
fn signs_that_are_the_other_way_round_are_turned() {
    let rows = ACCOUNTS
        .iter()
        .map(|(number, label, before, debit, credit)| format!("{number}\t{label}\t{}\n", -(before + debit - credit)));
    let statement = import(&format!("{TOP}Compte\tLibellé\tSolde\n{}", rows.collect::<String>()));
    assert_eq!(analyse(&statement).years[0].value("resultat_net"), Some(18_500.into()));
    let expected = "les charges sont au crédit et les produits au débit\u{a0}: les signes ont été inversés";
    assert_eq!(found(&statement), [(AnomalyKind::Rule, String::new(), expected.to_owned())]);
}

#[test]
fn credits_that_are_shown_negative_are_credits() {
    let statement = import(&balances().replace("\t\t", "\t\t-"));
    assert_eq!(analyse(&statement).years[0].value("resultat_net"), Some(18_500.into()));
    let expected = "soldes de clôture\u{a0}: les crédits sont donnés en négatif, leur signe a été inversé";
    assert_eq!(found(&statement), [(AnomalyKind::Rule, String::new(), expected.to_owned())]);
}

#[test]
fn numbers_and_labels_may_be_in_one_cell() {
    let rows = ACCOUNTS.iter().map(|(number, label, before, debit, credit)| {
        format!("{number} - {label}\t{}\n", sides(before + debit - credit))
    });
    let statement = import(&format!("{TOP}Compte\tDébit\tCrédit\n{}", rows.collect::<String>()));
    assert_is_the_year(&statement);
    let bank = statement.years[0].accounts.iter().find(|account| account.number == "512000").unwrap();
    assert_eq!(bank.label, "Banque");
}

#[test]
fn a_balance_may_be_in_thousands() {
    let statement = import(&format!(
        "(en k€)\n{}",
        balances().replace("000,00", ",00").replace("\t500,00", "\t0,50").replace("500,00", ",50")
    ));
    assert_eq!(statement.step, Decimal::ONE_THOUSAND);
    assert_eq!(analyse(&statement).years[0].value("resultat_net"), Some(18_500.into()));
}

#[test]
fn sheets_may_be_of_a_year_each() {
    let rows = "Compte\tLibellé\tSolde\n101000\tCapital\t-100\n512000\tBanque\t100\n";
    let dated = format!("Exercice clos le 30/06/2023\n{rows}");
    let bytes = made::xlsx(&[("A", &dated), ("B", &dated.replace("2023", "2024"))]);
    let of = |bytes: &[u8], options: &Options| -> Vec<String> {
        let statement = read(&table::read(bytes, "b").unwrap(), options).unwrap();
        statement.years.iter().map(|year| year.end.to_string()).collect()
    };
    assert_eq!(of(&bytes, &Options::default()), ["2023-06-30", "2024-06-30"]);
    // What the caller says is the last.
    let options = Options { end: Some(day("2024-09-30")) };
    assert_eq!(of(&bytes, &options), ["2023-06-30", "2024-09-30"]);
    let named = made::xlsx(&[("Balance 2023", rows), ("2024", rows)]);
    assert_eq!(of(&named, &Options::default()), ["2023-12-31", "2024-12-31"]);
}

#[test]
fn what_is_wrong_is_reported_with_its_place() {
    let rows = whole()
        .replace("'164000\tEmprunt\t\t20000,00\t4000", "'164000\tEmprunt\t\t20000,00\t5000")
        .replace("\tTotal classe 3\t0,00\t0,00\t6000,00", "\tTotal classe 3\t0,00\t0,00\t7000,00")
        .replace("'421000\tPersonnel\t\t\t0\t12000,00", "'421000\tPersonnel\t\t\t0\t12OOO,00")
        .replace("'431000\t", "'401000\t")
        .replace("'603700\tVariation", "\tVariation")
        .replace("'661000\t", "'961000\t");
    let statement = import(&rows.replace("732 829 320", "732 829 321"));
    let found = found(&statement);
    let not_counted = "«\u{a0}12OOO,00\u{a0}» n’est pas un montant\u{a0}: la ligne n’est pas comptée";
    for (kind, at, message) in [
        (AnomalyKind::Rule, "2", "le SIREN «\u{a0}732829321\u{a0}» a une clé de contrôle fausse"),
        (
            AnomalyKind::Total,
            "8",
            "le compte 164000 finit à −16\u{202f}000,00, mais son solde d’ouverture et ses mouvements font \
             −15\u{202f}000,00",
        ),
        (
            AnomalyKind::Total,
            "11",
            "«\u{a0}Total classe 3\u{a0}» (mouvements, débit)\u{a0}: le total donné est de 7\u{202f}000,00, les \
             comptes font 6\u{202f}000,00",
        ),
        (AnomalyKind::Unreadable, "14", not_counted),
        (AnomalyKind::Duplicate, "15", "le compte 401000 est donné deux fois\u{a0}: les deux soldes sont comptés"),
        (
            AnomalyKind::Unknown,
            "21",
            "la ligne «\u{a0}Variation de stock\u{a0}» a un montant et pas de compte\u{a0}: elle n’est pas comptée",
        ),
        (
            AnomalyKind::Unbalanced,
            "",
            "soldes de clôture\u{a0}: le total des débits et celui des crédits diffèrent de 18\u{202f}000,00",
        ),
        (AnomalyKind::Unknown, "25", "le compte 961000 (Intérêts) n’est pas du Plan comptable général"),
    ] {
        let message = message.replace("n’est pas un montant", &not_an_amount());
        assert!(
            found.iter().any(|found| (found.0, found.1.as_str(), found.2.as_str()) == (kind, at, &message)),
            "{message} is not among {found:#?}"
        );
    }
}

/// How the amounts' own error puts it.
fn not_an_amount() -> String {
    let error = amount::read("x", amount::Notation::Comma).unwrap_err().to_string();
    error.split_once("» ").unwrap().1.to_owned()
}

#[test]
fn other_sheets_are_told_and_a_year_that_is_given_twice_is() {
    let rows = balances();
    let notes = "Notes\nRien";
    let workbook = table::read(&made::xlsx(&[("Notes", notes), ("A", &rows), ("B", &rows)]), "b.xlsx").unwrap();
    let statement = read(&workbook, &Options::default()).unwrap();
    assert_eq!(
        found(&statement),
        [
            (
                AnomalyKind::Unknown,
                "A1".to_owned(),
                "la feuille «\u{a0}Notes\u{a0}» n’est pas une balance\u{a0}: elle n’est pas lue".to_owned()
            ),
            (
                AnomalyKind::Duplicate,
                String::new(),
                "l’exercice clos le 31/12/2024 est donné deux fois\u{a0}: le second compte".to_owned()
            ),
        ]
    );
}

#[test]
fn what_is_no_balance_is_not_taken_for_one() {
    for rows in [
        "Poste\tMontant\nCapital\t1000",
        "Date\tJournal\tCompte\tLibellé\tDébit\tCrédit\n01/01/2024\tVT\t411000\tVente\t12\t",
        "Compte\tLibellé\n411000\tClients",
        "Compte\tSolde\nCapital\t12\nRéserves\t13",
        "",
    ] {
        let Ok(workbook) = table::read(made::text(rows, ";").as_bytes(), "b.csv") else { continue };
        assert!(!is_in(&workbook), "{rows}");
        assert_eq!(read(&workbook, &Options::default()), Err(ImportError::Unknown("b.csv".to_owned())));
    }
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..1500, char in any::<char>(), cut in 0_usize..1500, is_whole: bool) {
        let mut chars: Vec<char> = if is_whole { whole() } else { balances() }.chars().collect();
        let length = chars.len();
        chars[at % length] = char;
        let text: String = chars.iter().collect();
        let cut: String = chars.iter().skip(cut / 10).take(cut).collect();
        let _ = (import_with(&text, &Options::default()), import_with(&cut, &Options::default()));
    }

    /// Whatever the rows are.
    #[test]
    fn no_rows_make_it_panic(
        rows in prop::collection::vec("[0-9]{0,7}[A-Z]{0,2}\t[Ta-z ]{0,6}\t-?[0-9]{0,17}\t[0-9]{0,4}", 0..30)
    ) {
        let text = format!("Compte\tLibellé\tDébit 2024\tCrédit 2024\n101\tCapital\t1\t2\n{}", rows.join("\n"));
        let _ = import_with(&text, &Options::default());
    }
}

use proptest::prelude::*;

use super::*;
use crate::items::{self, Unit};
use crate::statement::{Anomaly, Basis};
use crate::{Report, accounts, analyse, checks};

fn end() -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 12, 31).unwrap()
}

/// A year with these lines, as a presentation has them.
fn lines(lines: &[(&str, i64)]) -> Statement {
    let lines = lines.iter().map(|(id, value)| ((*id).to_owned(), Figure::of(*value))).collect();
    Statement { years: vec![Year { lines, ..Year::ending(end()) }], ..Statement::default() }
}

/// A ledger with these accounts in whole euros, which the bank balances.
fn ledger(balances: &[(&str, i64)]) -> Statement {
    let account = |number: &str, balance: i64| {
        let place = crate::statement::Place { file: "b.csv".to_owned(), sheet: None, at: number.to_owned() };
        let (number, label) = (number.to_owned(), format!("Compte {number}"));
        Account { number, label, balance: balance.into(), places: vec![place] }
    };
    let mut accounts: Vec<Account> = balances.iter().map(|(number, balance)| account(number, *balance)).collect();
    accounts.push(account("512000", -balances.iter().map(|(_, balance)| balance).sum::<i64>()));
    let (lines, _) = accounts::lines(&accounts);
    Statement { years: vec![Year { accounts, lines, ..Year::ending(end()) }], ..Statement::default() }
}

fn moves(from: &str, account: Option<&str>, to: &str) -> Correction {
    let account = account.map(str::to_owned);
    Correction::Move { year: end(), from: from.to_owned(), account, to: to.to_owned() }
}

fn sets(line: &str, value: i64) -> Correction {
    Correction::Set { year: end(), line: line.to_owned(), value: value.into() }
}

fn value(statement: &Statement, id: &str) -> Decimal {
    analyse(statement).years[0].value(id).unwrap_or_else(|| panic!("{id}"))
}

fn made(statement: &Statement, correction: Correction) -> Corrected {
    corrected(statement, &[correction]).unwrap_or_else(|error| panic!("{error}"))
}

fn problem(statement: &Statement, correction: Correction) -> String {
    corrected(statement, &[correction]).unwrap_err().problem.to_string()
}

#[test]
fn an_account_moves_with_its_places_and_everything_follows() {
    let before = ledger(&[("455000", 40), ("467000", 5), ("164000", -30), ("101000", -100)]);
    let after = made(&before, moves("autres_creances_brut", Some("455000"), "dettes_financieres_diverses"));
    let year = &after.statement.years[0];
    // What a partner owes is now less debt.
    assert_eq!(year.lines["dettes_financieres_diverses"].value, (-40).into());
    assert_eq!(year.lines["dettes_financieres_diverses"].accounts, ["455000"]);
    assert_eq!(year.lines["dettes_financieres_diverses"].places[0].at, "455000");
    assert_eq!(year.lines["autres_creances_brut"].value, 5.into());
    assert_eq!(year.lines["autres_creances_brut"].accounts, ["467000"]);
    assert_eq!(year.lines["autres_creances_brut"].places[0].at, "467000");
    assert_eq!(value(&after.statement, "dettes_financieres"), (-10).into());
    assert_eq!(value(&after.statement, "total_actif"), value(&before, "total_actif") - Decimal::from(40));
    assert_eq!(checks(&after.statement), []);
    assert_eq!(
        after.written,
        ["Exercice clos le 31/12/2024\u{a0}: le compte 455000 (Compte 455000) passe de «\u{a0}Autres créances \
          (brut)\u{a0}» à «\u{a0}Emprunts et dettes financières divers\u{a0}» (40,00\u{a0}€)"]
    );
    // And back.
    let back = made(&after.statement, moves("dettes_financieres_diverses", Some("455000"), "autres_creances_brut"));
    assert_eq!(analyse(&back.statement), analyse(&before));
    assert_eq!(corrected(&before, &[]).unwrap().statement, before);
}

#[test]
fn of_an_account_with_two_balances_the_one_of_the_line_moves() {
    let before = ledger(&[("411000", 70), ("411000", -20), ("707000", -50)]);
    let steps = [
        moves("clients_brut", Some("411000"), "autres_creances_brut"),
        moves("autres_dettes", Some("411000"), "avances_recues"),
    ];
    let after = corrected(&before, &steps).unwrap().statement;
    let of = |id: &str| after.years[0].lines[id].value;
    assert_eq!(
        (of("clients_brut"), of("autres_creances_brut"), of("autres_dettes"), of("avances_recues")),
        (0.into(), 70.into(), 0.into(), 20.into())
    );
    let on = |id: &str| after.years[0].accounts_of(items::item(id).unwrap()).iter().map(|it| it.balance).collect();
    let (debits, credits): (Vec<Decimal>, Vec<Decimal>) = (on("autres_creances_brut"), on("avances_recues"));
    assert_eq!((debits, credits), (vec![70.into()], vec![(-20).into()]));
    // Both on one line move together.
    let both =
        [moves("clients_brut", Some("411000"), "autres_dettes"), moves("autres_dettes", Some("411000"), "capital")];
    let after = corrected(&before, &both).unwrap().statement;
    assert_eq!(after.years[0].lines["capital"].value, (-50).into());
}

#[test]
fn an_expense_that_is_an_asset_raises_the_result() {
    let before = ledger(&[("615000", 30), ("707000", -100), ("101000", -50)]);
    let after = made(&before, moves("autres_achats_charges_externes", Some("615000"), "constructions_brut")).statement;
    assert_eq!((value(&before, "resultat_net"), value(&after, "resultat_net")), (70.into(), 100.into()));
    assert_eq!(value(&after, "constructions"), 30.into());
    assert_eq!(checks(&after), []);
}

#[test]
fn given_totals_follow_what_moves_below_them() {
    // The source's total has a part that was not read.
    let before = lines(&[
        ("fournisseurs", 40),
        ("autres_dettes", 20),
        ("capital", 40),
        ("capitaux_propres", 40),
        ("dettes", 70),
        ("total_passif", 110),
    ]);
    let after = made(&before, moves("autres_dettes", None, "capital"));
    for (id, expected) in
        [("autres_dettes", 0), ("capital", 60), ("capitaux_propres", 60), ("dettes", 50), ("total_passif", 110)]
    {
        assert_eq!(after.statement.years[0].lines[id].value, expected.into(), "{id}");
    }
    // The same part is missing as before.
    assert_eq!((checks(&before).len(), checks(&after.statement).len()), (1, 1));
    assert!(after.written[0].contains("«\u{a0}Autres dettes\u{a0}» passe à «\u{a0}Capital"), "{:?}", after.written);
}

#[test]
fn a_total_follows_an_amount_that_is_set_unless_it_was_what_showed_the_mistake() {
    let before = lines(&[("fournisseurs", 40), ("autres_dettes", 20), ("dettes", 60), ("total_passif", 60)]);
    let after = made(&before, sets("fournisseurs", 50)).statement;
    assert_eq!((after.years[0].lines["dettes"].value, value(&after, "total_passif")), (70.into(), 70.into()));
    // Read as 4 where 40 stands.
    let misread = lines(&[("fournisseurs", 4), ("autres_dettes", 20), ("dettes", 60), ("total_passif", 60)]);
    assert_eq!(checks(&misread).len(), 1);
    let after = made(&misread, sets("fournisseurs", 40));
    assert_eq!((after.statement.years[0].lines["dettes"].value, checks(&after.statement)), (60.into(), vec![]));
    assert_eq!(
        after.written,
        ["Exercice clos le 31/12/2024\u{a0}: «\u{a0}Dettes fournisseurs et comptes rattachés\u{a0}» passe de \
          4,00\u{a0}€ à 40,00\u{a0}€"]
    );
}

#[test]
fn of_a_detail_the_total_and_the_other_details_are_right() {
    // Form 2051: the overdrafts are a part of box DU.
    let before = lines(&[
        ("dettes_etablissements_credit", 100),
        ("concours_bancaires", 30),
        ("emprunts_etablissements_credit", 70),
        ("fournisseurs", 50),
        ("dettes", 150),
    ]);
    let after = made(&before, moves("concours_bancaires", None, "fournisseurs")).statement;
    let of = |id: &str| after.years[0].lines[id].value;
    assert_eq!((of("dettes_etablissements_credit"), of("emprunts_etablissements_credit")), (70.into(), 70.into()));
    assert_eq!((of("fournisseurs"), of("dettes")), (80.into(), 150.into()));
    assert_eq!(checks(&after), []);
}

#[test]
fn what_the_source_gives_only_as_a_whole_is_corrected_as_a_whole() {
    let before = lines(&[("clients", 60), ("disponibilites", 40), ("autres_produits", 8), ("capital", 92)]);
    let after = made(&before, moves("clients", None, "autres_creances")).statement;
    assert_eq!((value(&after, "clients"), value(&after, "autres_creances")), (0.into(), 60.into()));
    assert_eq!((value(&after, "total_actif"), checks(&after)), (100.into(), vec![]));
    assert_eq!(
        problem(&before, moves("clients", None, "autres_creances_brut")),
        "«\u{a0}Autres créances (brut)\u{a0}» n’est pas donné à part\u{a0}: corrigez «\u{a0}Autres créances\u{a0}»"
    );
    assert_eq!(
        problem(&before, sets("autres_produits_gestion", 3)),
        "«\u{a0}Autres produits de gestion courante\u{a0}» n’est pas donné à part\u{a0}: corrigez «\u{a0}Autres produits d’exploitation\u{a0}»"
    );
    assert_eq!(value(&made(&before, sets("autres_produits", 9)).statement, "autres_produits"), 9.into());
    let ids: Vec<String> = choices(&before).into_iter().map(|choice| choice.id).collect();
    for id in ["clients", "autres_creances", "autres_produits", "capital", "remboursements_emprunts"] {
        assert!(ids.iter().any(|known| known == id), "{id}");
    }
    for id in ["clients_brut", "autres_produits_gestion", "total_actif", "ebe", "stocks"] {
        assert!(ids.iter().all(|known| known != id), "{id}");
    }
}

#[test]
fn what_is_wrong_in_a_correction_is_said_and_changes_nothing() {
    let before = ledger(&[("455000", 40), ("101000", -100)]);
    let other = Correction::Set { year: end() - chrono::Days::new(1), line: "capital".to_owned(), value: Decimal::ONE };
    let large = Correction::Set { year: end(), line: "capital".to_owned(), value: Decimal::MAX };
    for (correction, message) in [
        (other, "aucun exercice n’est clos le 30/12/2024"),
        (sets("bonus", 1), "il n’y a pas de poste «\u{a0}bonus\u{a0}»"),
        (sets("total_actif", 1), "«\u{a0}Total de l’actif\u{a0}» est calculé\u{a0}: corrigez un poste dont il vient"),
        (
            sets("ebe", 1),
            "«\u{a0}Excédent brut d’exploitation\u{a0}» est calculé\u{a0}: corrigez un poste dont il vient",
        ),
        (
            moves("capital", Some("455000"), "primes_emission"),
            "le compte 455000 n’est pas dans «\u{a0}Capital social ou individuel\u{a0}»",
        ),
        (
            moves("capital", None, "capital"),
            "«\u{a0}Capital social ou individuel\u{a0}» serait à la fois l’origine et la destination",
        ),
        (
            moves("capital", None, "remboursements_emprunts"),
            "«\u{a0}Remboursements d’emprunts de l’exercice\u{a0}» est un flux\u{a0}: il ne se déplace pas, donnez son montant",
        ),
        (large, "«\u{a0}Capital social ou individuel\u{a0}» serait trop grand"),
    ] {
        assert_eq!(problem(&before, correction), message);
    }
    let absent = lines(&[("capital", 1)]);
    assert_eq!(
        problem(&absent, moves("fournisseurs", None, "capital")),
        "les comptes n’ont pas «\u{a0}Dettes fournisseurs et comptes rattachés\u{a0}»"
    );
    let error = corrected(&before, &[sets("capital", 1), sets("bonus", 1)]).unwrap_err();
    assert_eq!(
        (error.at, error.to_string().starts_with("la correction n°\u{a0}2 ne s’applique pas\u{a0}: ")),
        (1, true)
    );
}

#[test]
fn every_line_of_a_ledger_can_take_something_in() {
    let before = ledger(&[("455000", 40), ("101000", -100)]);
    let choices = choices(&before);
    assert!(choices.len() > 140, "{}", choices.len());
    for choice in choices.iter().filter(|choice| choice.group != "Flux" && choice.id != "autres_creances_brut") {
        let after = made(&before, moves("autres_creances_brut", None, &choice.id)).statement;
        assert_eq!(checks(&after), [], "{}", choice.id);
    }
    assert!(choices.iter().all(|choice| choice.id != "charges_a_repartir_depreciation"));
}

#[test]
fn corrections_are_kept_as_json() {
    let all = [
        moves("capital", None, "primes_emission"),
        moves("capital", Some("101000"), "fournisseurs"),
        sets("capital", 3),
    ];
    let json = serde_json::to_string(&all).unwrap();
    assert!(
        json.starts_with(r#"[{"kind":"move","year":"2024-12-31","from":"capital","to":"primes_emission"}"#),
        "{json}"
    );
    assert!(json.ends_with(r#"{"kind":"set","year":"2024-12-31","line":"capital","value":"3"}]"#), "{json}");
    assert_eq!(serde_json::from_str::<Vec<Correction>>(&json).unwrap(), all);
}

/// A correction of anything, mostly of what exists.
fn any_correction() -> impl Strategy<Value = Correction> {
    let ids: Vec<String> = items::all().map(|item| item.id.to_owned()).chain(["bonus".to_owned()]).collect();
    let id = prop::sample::select::<String>(ids);
    let account = prop::option::of((100_u32..800).prop_map(|class| (class * 1000).to_string()));
    let moved = (id.clone(), account, id.clone()).prop_map(|(from, account, to)| moves(&from, account.as_deref(), &to));
    let set = (id, any::<i64>(), 0_u32..28).prop_map(|(line, value, scale)| Correction::Set {
        year: end(),
        line,
        value: Decimal::new(value, scale),
    });
    prop_oneof![moved, set]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever moves where in a balanced ledger: the accounts stay balanced and say the same in each way.
    #[test]
    fn what_moves_leaves_a_ledger_balanced(
        balances in prop::collection::vec((100_u32..800, -1_000_000_i64..1_000_000), 1..30),
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<prop::sample::Index>()), 1..6),
    ) {
        let balances: Vec<_> = balances.iter().map(|(class, balance)| ((class * 1000).to_string(), *balance)).collect();
        let numbers: Vec<_> = balances.iter().map(|(number, balance)| (number.as_str(), *balance)).collect();
        let mut statement = ledger(&numbers);
        let targets: Vec<Choice> = choices(&statement).into_iter().filter(|choice| choice.group != "Flux").collect();
        for (from, is_account, to) in &steps {
            let lines = &statement.years[0].lines;
            let filled: Vec<_> = lines.iter().filter(|(_, figure)| !figure.accounts.is_empty()).collect();
            let (id, figure) = from.get(&filled);
            let account = is_account.then(|| figure.accounts[0].as_str());
            let target = &to.get(&targets).id;
            if target == *id {
                continue;
            }
            let correction = moves(id, account, target);
            statement = corrected(&statement, &[correction]).unwrap().statement;
            prop_assert_eq!(checks(&statement), []);
            let year = &analyse(&statement).years[0];
            prop_assert_eq!(year.value("total_actif"), year.value("total_passif"));
            // Each account is on one line, which is the sum of its accounts.
            let year = &statement.years[0];
            let on_lines: usize = year.lines.values().map(|figure| figure.accounts.len()).sum();
            prop_assert_eq!(on_lines, year.accounts.len());
            for (id, figure) in year.lines.iter().filter(|(_, figure)| !figure.accounts.is_empty()) {
                let item = items::item(id).unwrap();
                prop_assert_eq!(year.accounts_of(item).len(), figure.accounts.len());
            }
        }
    }

    #[test]
    fn nothing_makes_it_panic_and_what_it_makes_can_be_analysed(
        given in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..7), 0..60),
        is_ifrs in any::<bool>(),
        corrections in prop::collection::vec(any_correction(), 1..8),
    ) {
        let extremes = ["999999999999999.99", "-999999999999999.99", "0.00000001", "0", "1", "100", "-365"];
        let items: Vec<_> = items::all().filter(|item| item.unit == Unit::Currency).collect();
        let figure = |(item, value): &(prop::sample::Index, usize)| {
            (item.get(&items).id.to_owned(), Figure::of(extremes[*value].parse::<Decimal>().unwrap()))
        };
        let year = Year { lines: given.iter().map(figure).collect(), ..Year::ending(end()) };
        let basis = if is_ifrs { Basis::Ifrs } else { Basis::Pcg };
        let mut statement = Statement { years: vec![year], basis, ..Statement::default() };
        for correction in corrections {
            let before = statement.clone();
            match corrected(&statement, std::slice::from_ref(&correction)) {
                Ok(corrected) => statement = corrected.statement,
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            prop_assert_eq!(statement.check(), Ok(()));
            let json = serde_json::to_string(&statement).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Statement>(&json).unwrap(), &statement);
            let anomalies: Vec<Anomaly> = Report::of(statement.clone()).anomalies;
            prop_assert!(anomalies.iter().all(|anomaly| !anomaly.written().is_empty()));
            // A move changes no difference between a total and its parts.
            if matches!(correction, Correction::Move { .. }) && before.years[0].lines.len() == statement.years[0].lines.len() {
                prop_assert_eq!(checks(&statement).len(), checks(&before).len());
            }
        }
    }
}

use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;
use crate::import::table::{self, made};
use crate::{Statement, analyse, checks};

/// A company's actif: label, box and amount gross, box and amount taken off.
const ACTIF: &[(&str, &str, i64, &str, i64)] = &[
    ("Capital souscrit non appelé", "AA", 0, "", 0),
    ("Fonds commercial", "AH", 50_000, "AI", 0),
    ("Constructions", "AP", 200_000, "AQ", 60_000),
    ("Installations techniques, matériel et outillage", "AR", 80_000, "AS", 50_000),
    ("Autres immobilisations financières", "BH", 3_000, "BI", 0),
    ("TOTAL (II)", "BJ", 333_000, "BK", 110_000),
    ("Marchandises", "BT", 40_000, "BU", 2_000),
    ("Clients et comptes rattachés", "BX", 90_000, "BY", 5_000),
    ("Autres créances", "BZ", 12_000, "CA", 0),
    ("Valeurs mobilières de placement", "CD", 10_000, "CE", 0),
    ("Disponibilités", "CF", 25_000, "CG", 0),
    ("Charges constatées d’avance", "CH", 3_000, "CI", 0),
    ("TOTAL (III)", "CJ", 180_000, "CK", 7_000),
    ("TOTAL GÉNÉRAL", "CO", 513_000, "1A", 117_000),
];

/// Its passif and its compte de résultat.
const OTHERS: &[(&str, &str, i64)] = &[
    ("Capital social ou individuel", "DA", 100_000),
    ("Réserve légale", "DD", 10_000),
    ("Autres réserves", "DG", 40_000),
    ("Report à nouveau", "DH", 5_000),
    ("RÉSULTAT DE L’EXERCICE (bénéfice ou perte)", "DI", 30_000),
    ("TOTAL (I)", "DL", 185_000),
    ("Provisions pour risques", "DP", 6_000),
    ("TOTAL (III)", "DR", 6_000),
    ("Emprunts et dettes auprès des établissements de crédit (5)", "DU", 120_000),
    ("Emprunts et dettes financières divers", "DV", 15_000),
    ("Dettes fournisseurs et comptes rattachés", "DX", 45_000),
    ("Dettes fiscales et sociales", "DY", 22_000),
    ("Autres dettes", "EA", 2_000),
    ("Produits constatés d’avance", "EB", 1_000),
    ("TOTAL (IV)", "EC", 205_000),
    ("TOTAL GÉNÉRAL (I à V)", "EE", 396_000),
    ("(5) Dont concours bancaires courants", "EH", 8_000),
    ("(4) Dettes et produits à moins d’un an", "EG", 99_000),
    ("Ventes de marchandises, France", "FA", 280_000),
    ("Ventes de marchandises, exportation", "FB", 20_000),
    ("Ventes de marchandises", "FC", 300_000),
    ("Production vendue, services", "FI", 100_000),
    ("Chiffre d’affaires net", "FL", 400_000),
    ("Production stockée", "FM", 0),
    ("Subventions d’exploitation", "FO", 5_000),
    ("Reprises sur amortissements et provisions, transferts de charges", "FP", 3_000),
    ("Dont transferts de charges", "A1", 1_000),
    ("Autres produits", "FQ", 2_000),
    ("TOTAL DES PRODUITS D’EXPLOITATION (I)", "FR", 410_000),
    ("Achats de marchandises", "FS", 180_000),
    ("Variation de stock (marchandises)", "FT", -4_000),
    ("Autres achats et charges externes", "FW", 60_000),
    ("Impôts, taxes et versements assimilés", "FX", 8_000),
    ("Salaires et traitements", "FY", 80_000),
    ("Charges sociales", "FZ", 30_000),
    ("Dotations aux amortissements", "GA", 18_000),
    ("Sur actif circulant : dotations aux dépréciations", "GC", 2_000),
    ("Autres charges", "GE", 1_000),
    ("TOTAL DES CHARGES D’EXPLOITATION (II)", "GF", 375_000),
    ("1 – RÉSULTAT D’EXPLOITATION (I – II)", "GG", 35_000),
    ("Autres intérêts et produits assimilés", "GL", 500),
    ("TOTAL DES PRODUITS FINANCIERS (V)", "GP", 500),
    ("Intérêts et charges assimilées", "GR", 4_500),
    ("TOTAL DES CHARGES FINANCIÈRES (VI)", "GU", 4_500),
    ("2 – RÉSULTAT FINANCIER (V – VI)", "GV", -4_000),
    ("3 – RÉSULTAT COURANT AVANT IMPÔTS", "GW", 31_000),
    ("Produits exceptionnels sur opérations de gestion", "HA", 1_000),
    ("Produits exceptionnels sur opérations en capital", "HB", 7_000),
    ("TOTAL DES PRODUITS EXCEPTIONNELS (VII)", "HD", 8_000),
    ("Charges exceptionnelles sur opérations de gestion", "HE", 500),
    ("Charges exceptionnelles sur opérations en capital", "HF", 2_000),
    ("TOTAL DES CHARGES EXCEPTIONNELLES (VIII)", "HH", 2_500),
    ("4 – RÉSULTAT EXCEPTIONNEL (VII – VIII)", "HI", 5_500),
    ("Impôts sur les bénéfices (X)", "HK", 6_500),
    ("TOTAL DES PRODUITS (I + III + V + VII)", "HL", 418_500),
    ("TOTAL DES CHARGES (II + IV + VI + VIII + IX + X)", "HM", 388_500),
    ("5 – BÉNÉFICE OU PERTE", "HN", 30_000),
];

/// What follows, by hand. Marge 300 - 180 + 4 = 124, production 100, consommations 60: valeur ajoutée 164. EBE less 8,
/// 80 and 30, and 5 of subsidies: 51. CAF 30 + 18 + 2 + 2 (disposals) - 2 (3 of reversals and transfers, less 1 of
/// these) - 7. Trésorerie 10 + 25 - 8. Dettes financières 120 - 8 + 15.
const RESULTS: &[(&str, i64)] = &[
    ("total_actif", 396_000),
    ("total_passif", 396_000),
    ("actif_immobilise", 223_000),
    ("actif_circulant", 173_000),
    ("capitaux_propres", 185_000),
    ("dettes", 205_000),
    ("chiffre_affaires", 400_000),
    ("marge_commerciale", 124_000),
    ("valeur_ajoutee", 164_000),
    ("ebe", 51_000),
    ("resultat_exploitation", 35_000),
    ("rcai", 31_000),
    ("resultat_exceptionnel", 5_500),
    ("resultat_net", 30_000),
];

const WITH_MEMOS: &[(&str, i64)] =
    &[("caf", 43_000), ("tresorerie_nette", 27_000), ("dettes_financieres", 127_000), ("fr_moins_bfr", 27_000)];

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn import_with(bytes: &[u8], options: &Options) -> Result<Statement, ImportError> {
    read(&table::read(bytes, "comptes.csv")?, options)
}

fn import(bytes: &[u8]) -> Statement {
    import_with(bytes, &Options::default()).unwrap()
}

fn import_text(rows: &str) -> Statement {
    import(made::text(rows, ";").as_bytes())
}

fn found(statement: &Statement) -> Vec<(AnomalyKind, String, String)> {
    let at = |place: &Option<Place>| place.as_ref().map_or(String::new(), |place| place.at.clone());
    statement.anomalies.iter().map(|anomaly| (anomaly.kind, at(&anomaly.place), anomaly.message.clone())).collect()
}

/// Whether the last year has these values, and the year before their halves.
fn assert_has(statement: &Statement, results: &[(&str, i64)], has_before: bool) {
    let messages: Vec<String> = checks(statement).into_iter().map(|anomaly| anomaly.message).collect();
    assert_eq!(messages, [""; 0]);
    let years = analyse(statement).years;
    let ends: Vec<NaiveDate> = years.iter().map(|year| year.end).collect();
    let expected = [day("2023-12-31"), day("2024-12-31")];
    assert_eq!(ends, if has_before { &expected[..] } else { &expected[1..] });
    for (id, value) in results {
        let value = Decimal::from(*value);
        assert_eq!(years.last().unwrap().value(id), Some(value), "{id}");
        if has_before {
            assert_eq!(years[0].value(id), Some(value / Decimal::TWO), "{id} of the year before");
        }
    }
}

/// One box a row, with the amounts of two years.
fn flat() -> String {
    let actif =
        ACTIF.iter().flat_map(|(label, gross, value, off, taken)| [(*label, *gross, *value), (*label, *off, *taken)]);
    let rows = actif.chain(OTHERS.iter().copied()).filter(|(_, code, _)| !code.is_empty());
    rows.map(|(label, code, value)| {
        // A blank box is zero.
        let write = |value: i64| if value == 0 { String::new() } else { value.to_string() };
        format!("{code}\t{label}\t{}\t{}\n", write(value), write(value / 2))
    })
    .collect()
}

/// The forms as sheets: label, box, amount; of the actif two boxes, and what is net.
fn forms() -> Vec<(&'static str, String)> {
    let top = "Désignation de l’entreprise :\tDUPONT SARL\nNuméro SIREN\t'732829320\nExercice clos le 31/12/2024\n\n";
    let write = |value: i64| if value == 0 { String::new() } else { value.to_string() };
    let half = |value: i64| write(value / 2);
    let actif = ACTIF.iter().map(|(label, gross, value, off, taken)| {
        let (net, before) = (write(value - taken), half(value - taken));
        format!("{label}\t{gross}\t{}\t{off}\t{}\t{net}\t{before}\n", write(*value), write(*taken))
    });
    let others = |is_wanted: &dyn Fn(&str) -> bool| -> String {
        let rows = OTHERS.iter().filter(|(_, code, _)| is_wanted(code));
        rows.map(|(label, code, value)| format!("{label}\t{code}\t{}\t{}\n", write(*value), half(*value))).collect()
    };
    let heading = "\t\tExercice N\tExercice N-1\n";
    vec![
        (
            "2050",
            format!("{top}ACTIF\t\tBrut\t\tAmortissements, provisions\tNet\tNet N-1\n{}", actif.collect::<String>()),
        ),
        ("2051", format!("{top}PASSIF\n{heading}{}", others(&|code| code.starts_with(['D', 'E'])))),
        ("2052", format!("{top}{heading}{}", others(&|code| code.starts_with(['F', 'G']) || code == "A1"))),
        ("2053", format!("{top}{heading}{}", others(&|code| code.starts_with('H')))),
    ]
}

#[test]
fn boxes_are_read_from_a_flat_list() {
    let top = "Société : DUPONT\nSIREN : 732 829 320\nExercice du 01/01/2024 au 31/12/2024\n";
    for heading in ["", "Code\tLibellé\tMontant N\tMontant N-1\n", "Code\tLibellé\t31/12/2024\t31/12/2023\n"] {
        let statement = import_text(&format!("{top}{heading}{}", flat()));
        assert_eq!(found(&statement), [], "{heading}");
        assert_has(&statement, RESULTS, true);
        assert_has(&statement, WITH_MEMOS, true);
        assert_eq!(statement.company.name.as_deref(), Some("DUPONT"));
        assert_eq!(statement.company.siren, Some("732829320".parse().unwrap()));
        assert_eq!((statement.step, statement.years[1].start), (Decimal::ONE, Some(day("2024-01-01"))));
        // The box EG, of both years.
        assert_eq!(statement.left_out, 2);
        // What is blank is said to be nothing, at its place.
        let blank = &statement.years[1].lines["production_stockee"];
        assert_eq!(blank.value, Decimal::ZERO);
        assert_eq!(
            blank.places[0].at,
            statement.years[1].lines["chiffre_affaires"].places[0]
                .at
                .parse::<usize>()
                .map(|line| (line + 1).to_string())
                .unwrap()
        );
    }
    // Without a heading and a date only the caller knows the year.
    let error = import_with(made::text(&flat(), ";").as_bytes(), &Options::default());
    assert_eq!(error, Err(ImportError::NoYear("comptes.csv".to_owned())));
    let options = Options { end: Some(day("2024-12-31")) };
    assert_has(&import_with(made::text(&flat(), ";").as_bytes(), &options).unwrap(), RESULTS, true);
}

#[test]
fn what_has_a_box_is_no_heading() {
    // A label like a heading's beside blank amounts, and amounts like years.
    let rows =
        "Code\tLibellé\tN\tN-1\nBY\tClients\u{a0}: dépréciations\t\t\nBT\tStock net\t2024\t2023\nBX\tClients\t30\t20\n";
    let statement = import_text(&format!("Exercice clos le 31/12/2024\n{rows}"));
    assert_eq!(found(&statement), []);
    let values = |id: &str| statement.years.iter().map(|year| year.lines[id].value).collect::<Vec<_>>();
    assert_eq!(values("marchandises_brut"), [2023.into(), 2024.into()]);
    assert_eq!(values("clients_brut"), [20.into(), 30.into()]);
}

#[test]
fn boxes_are_read_from_the_forms_on_sheets() {
    let forms = forms();
    let sheets: Vec<made::Sheet<'_>> = forms.iter().map(|(name, rows)| (*name, rows.as_str())).collect();
    for bytes in [made::xlsx(&sheets), made::ods(&sheets)] {
        let statement = import(&bytes);
        assert_eq!(found(&statement), []);
        assert_has(&statement, RESULTS, true);
        assert_has(&statement, &WITH_MEMOS[..1], true);
        assert_eq!(statement.company.name.as_deref(), Some("DUPONT SARL"));
        let year = &statement.years[1];
        let constructions = &year.lines["constructions_depreciation"];
        assert_eq!(constructions.value, 60_000.into());
        let place = &constructions.places[0];
        assert_eq!((place.sheet.as_deref(), place.at.as_str()), (Some("2050"), "E8"));
        // Of the year before only what is net is known.
        assert!(!statement.years[0].lines.contains_key("constructions_brut"));
        assert_eq!(statement.years[0].lines["constructions"].value, 70_000.into());
        assert_eq!(analyse(&statement).years[1].value("tresorerie_nette"), Some(27_000.into()));
    }
}

#[test]
fn boxes_that_disagree_are_reported() {
    let rows = flat()
        .replace("FB\tVentes de marchandises, exportation\t20000", "FB\tVentes de marchandises, exportation\t21000");
    let rows = rows.replace("CJ\tTOTAL (III)\t180000", "CJ\tTOTAL (III)\t181000");
    let rows = rows + "DX\tDettes fournisseurs\t46000\t\nZZ\tInconnu\t12\t\nHN\tRésultat\tx1\t\n";
    let statement = import_text(&format!("Exercice clos le 31/12/2024\nCode\tLibellé\tN\tN-1\n{rows}"));
    let found = found(&statement);
    for (kind, message) in [
        (AnomalyKind::Total, "la case FC n’est pas la somme de la France et de l’exportation"),
        (
            AnomalyKind::Duplicate,
            "«\u{a0}DX\u{a0}» est donné deux fois\u{a0}: 45\u{202f}000,00 (40), qui est retenu, et 46\u{202f}000,00",
        ),
        (AnomalyKind::Unreadable, "«\u{a0}x1\u{a0}» n’est pas un montant"),
        (
            AnomalyKind::Unknown,
            "le libellé «\u{a0}ZZ Inconnu\u{a0}» n’est celui d’aucun poste connu, ou de plusieurs\u{a0}: il n’est pas \
             compté",
        ),
    ] {
        let is_it = |found: &(AnomalyKind, String, String)| found.0 == kind && found.2.replace('\'', "’") == message;
        assert!(found.iter().any(is_it), "{message} is not among {found:#?}");
    }
    let messages: Vec<String> = checks(&statement).into_iter().map(|anomaly| anomaly.message).collect();
    assert!(messages.iter().any(|message| message.contains("Actif circulant")), "{messages:#?}");
}

#[test]
fn the_forms_of_2026_have_disposals_of_their_own() {
    // FR is 100 + 10 + 5, GF 60 + 4 + 3; the disposals are 10 and 4.
    let rows = "Code;N\nFI;100\nF1;10\nFQ;5\nFR;115\nFW;60\nG1;4\nGE;3\nGF;67\nGG;48\nHN;48\n".replace(';', "\t");
    let statement = import_text(&format!("Exercice clos le 31/12/2025\n{rows}"));
    assert_eq!(found(&statement), []);
    assert_eq!(checks(&statement), []);
    let lines = &statement.years[0].lines;
    for (id, value) in [
        ("autres_produits_gestion", 5),
        ("produits_cessions_exploitation", 10),
        ("autres_produits", 15),
        ("valeur_comptable_cessions_exploitation", 4),
        ("autres_charges", 7),
    ] {
        assert_eq!(lines[id].value, value.into(), "{id}");
    }
    // 48 without what was gained by disposals.
    assert_eq!(analyse(&statement).years[0].value("caf"), Some(42.into()));
}

#[test]
fn the_simplified_forms_are_read_and_what_they_do_not_tell_apart_is_said() {
    // Actif 100 + 40 - 20 + 30 + 25 + 15 = 190; passif 50 + 10 + 20 + 60 + 30 + 20.
    let rows = "Code;Montant\n010;100\n028;40\n030;20\n044;140\n048;20\n050;30\n068;25\n084;15\n096;70\n098;0\n\
                110;210\n112;20\n120;50\n132;10\n136;20\n142;80\n156;60\n166;30\n172;20\n176;110\n180;190\n\
                218;200\n230;10\n232;210\n242;90\n250;60\n252;25\n254;10\n264;185\n270;25\n294;3\n306;2\n\
                310;20\n169;5\n";
    let statement = import_text(&format!("Exercice clos le 31/12/2024\n{}", rows.replace(';', "\t")));
    assert_eq!(checks(&statement), []);
    let messages: Vec<String> = found(&statement).into_iter().map(|(_, _, message)| message).collect();
    assert_eq!(
        messages,
        [
            "la case 050 du formulaire simplifié, comptée en «\u{a0}Matières premières, approvisionnements \
             (brut)\u{a0}», comprend les en-cours et les produits finis",
            "la case 156 du formulaire simplifié, comptée en «\u{a0}Emprunts et dettes financières divers\u{a0}», \
             comprend les emprunts auprès des établissements de crédit et les concours bancaires",
            "la case 172 du formulaire simplifié, comptée en «\u{a0}Autres dettes\u{a0}», comprend les dettes \
             fiscales et sociales",
            "la case 230 du formulaire simplifié, comptée en «\u{a0}Autres produits d’exploitation\u{a0}», comprend \
             les reprises et les transferts de charges, que la capacité d’autofinancement ne retire donc pas",
        ]
    );
    let year = &analyse(&statement).years[0];
    for (id, value) in [
        ("total_actif", 190),
        ("actif_immobilise", 120),
        ("immobilisations_corporelles", 20),
        ("stocks", 30),
        ("total_passif", 190),
        ("ebe", 25),
        ("resultat_net", 20),
        ("fr_moins_bfr", 15),
        ("tresorerie_nette", 15),
    ] {
        assert_eq!(year.value(id), Some(value.into()), "{id}");
    }
    // Since 2026 there are boxes for what was together.
    let rows = rows.replace("172;20", "172;12\n173;5\n175;3").replace(';', "\t");
    let statement = import_text(&format!("Exercice clos le 31/12/2025\n{rows}"));
    assert_eq!(checks(&statement), []);
    let lines = &statement.years[0].lines;
    assert_eq!(lines["dettes_fiscales_sociales"].value, 12.into());
    assert_eq!(
        (lines["dettes_financieres_diverses"].value, lines["dettes_financieres_diverses"].places.len()),
        (65.into(), 2)
    );
    // A workbook takes `010` for ten.
    let numbers = rows.replace("010\t", "10\t").replace("028\t", "28\t").replace("044\t", "44\t");
    let again = import(&made::xlsx(&[("2033", &format!("Exercice clos le 31/12/2025\n{numbers}"))]));
    assert_eq!(analyse(&again).years[0].value("total_actif"), Some(190.into()));
    assert_eq!(again.years[0].lines["immobilisations_incorporelles"].value, 100.into());
}

/// The same year by labels, as accountants print it: net of both years, gross and taken off of the last.
fn labelled() -> Vec<(&'static str, String)> {
    let top = "DUPONT SARL\tSIREN 732 829 320\nExercice clos le 31 décembre 2024\tÉdité le 12/03/2025\n\n";
    let write = |value: i64| if value == 0 { String::new() } else { value.to_string() };
    let actif: String = ACTIF[1..]
        .iter()
        .map(|(label, _, gross, _, taken)| {
            let heading = match *label {
                "Fonds commercial" => "ACTIF IMMOBILISÉ\nImmobilisations incorporelles\n",
                "Constructions" => "Immobilisations corporelles\n",
                "Autres immobilisations financières" => "Immobilisations financières (2)\n",
                "Marchandises" => "ACTIF CIRCULANT\nStocks et en-cours\n",
                "Clients et comptes rattachés" => "Créances (3)\n",
                _ => "",
            };
            let label = match *label {
                "Autres immobilisations financières" | "Autres créances" => "Autres",
                label => label,
            };
            let (net, before) = (gross - taken, (gross - taken) / 2);
            format!(
                "{heading}   {label}\t{}\t{}\t{}\t{}\t100 %\n",
                write(*gross),
                write(*taken),
                write(net),
                write(before)
            )
        })
        .collect();
    let rows = |from: usize, to: usize| -> String {
        let rows = OTHERS[from..to].iter().filter(|(_, code, _)| !matches!(*code, "EG" | "FA" | "FB"));
        rows.map(|(label, code, value)| {
            let heading = match *code {
                "DA" => "CAPITAUX PROPRES\n",
                "DS" | "DU" => "DETTES (4)\n",
                "FC" => "Produits d’exploitation\n",
                "FS" => "Charges d’exploitation\n",
                "GL" => "Produits financiers\n",
                "GR" => "Charges financières\n",
                "HA" => "Produits exceptionnels\n",
                "HE" => "Charges exceptionnelles\n",
                _ => "",
            };
            format!("{heading}{label}\t{}\t{}\t0 %\n", write(*value), write(value / 2))
        })
        .collect()
    };
    vec![
        (
            "Bilan actif",
            format!(
                "{top}\tExercice clos le 31/12/2024\t\t\tExercice précédent\t% actif\nACTIF\tBrut\tAmort. et \
                 dépréc.\tNet\tNet\n{actif}"
            ),
        ),
        ("Bilan passif", format!("{top}PASSIF\t31/12/2024\t31/12/2023\tVariation\n{}", rows(0, 17))),
        ("Compte de résultat", format!("{top}\tExercice N\tExercice N-1\tÉcart en %\n{}", rows(18, OTHERS.len()))),
    ]
}

#[test]
fn labels_are_read_from_sheets() {
    let tables = labelled();
    let sheets: Vec<made::Sheet<'_>> = tables.iter().map(|(name, rows)| (*name, rows.as_str())).collect();
    for bytes in [made::xlsx(&sheets), made::ods(&sheets)] {
        let statement = import(&bytes);
        assert_eq!(found(&statement), []);
        assert_has(&statement, RESULTS, true);
        let results = &analyse(&statement).years[1];
        for (id, value) in WITH_MEMOS {
            assert_eq!(results.value(id), Some((*value).into()), "{id}");
        }
        assert_eq!((statement.company.name.as_deref(), statement.step), (Some("DUPONT SARL"), Decimal::ONE));
        let receivables = &statement.years[1].lines["autres_creances_brut"];
        assert_eq!((receivables.value, receivables.places[0].at.as_str()), (12_000.into(), "B20"));
    }
}

#[test]
fn labels_are_read_from_one_text() {
    // One table below the other, each with its headings.
    let text: String = labelled().into_iter().map(|(_, rows)| rows + "\n").collect();
    let statement = import_text(&text);
    assert_eq!(found(&statement), []);
    assert_has(&statement, RESULTS, true);
    assert_eq!(statement.years[1].lines["constructions_brut"].places[0].sheet, None);
}

#[test]
fn actif_and_passif_may_be_side_by_side() {
    let rows = "BILAN AU 31/12/2024 (en k€)\n\n\
                \tExercice 2024\t\t\t\t\n\
                ACTIF\tBrut\tAmort.\tNet\tPASSIF\tMontant\n\
                Immobilisations corporelles\t200\t80\t120\tCapitaux propres\t\n\
                Stocks\t40,5\t\t40,5\tCapital social\t50\n\
                Créances\t\t\t\tRéserves\t30\n\
                Clients\t60\t5\t55\tRésultat net\t20\n\
                Autres\t10\t\t10\tEmprunts bancaires\t70\n\
                Disponibilités\t24,5\t\t24,5\tFournisseurs\t60\n\
                \t\t\t\tAutres\t20\n\
                Total\t335\t85\t250\tTotal passif\t250\n";
    let statement = import_text(rows);
    let together = |label: &str, other: &str| {
        format!("«\u{a0}{label}\u{a0}» réunit plusieurs postes\u{a0}: il est compté en «\u{a0}{other}\u{a0}»")
    };
    let messages = [
        together("Réserves", "Autres réserves"),
        together("Immobilisations corporelles", "Autres immobilisations corporelles"),
        together("Stocks et en-cours", "Matières premières, approvisionnements"),
    ];
    assert_eq!(found(&statement).into_iter().map(|(_, _, message)| message).collect::<Vec<_>>(), messages);
    assert_eq!(checks(&statement), []);
    assert_eq!(statement.step, Decimal::ONE_HUNDRED);
    let results = &analyse(&statement).years[0];
    for (id, value) in [
        ("immobilisations_corporelles", 120_000),
        ("stocks", 40_500),
        ("clients", 55_000),
        ("autres_creances", 10_000),
        ("autres_dettes", 20_000),
        ("capitaux_propres", 100_000),
        ("dettes", 150_000),
        ("total_actif", 250_000),
        ("total_passif", 250_000),
        ("dettes_etablissements_credit", 70_000),
    ] {
        assert_eq!(results.value(id), Some(value.into()), "{id}");
    }
}

#[test]
fn labels_may_be_indented_by_a_column() {
    let rows = "ACTIF\t\t31/12/2024\nImmobilisations corporelles\n\tConstructions\t100\n\tAutres\t20\nTotal\t\t120\n\
                Créances\n\tClients\t30\n\tAutres\t5\n";
    let statement = import_text(rows);
    assert_eq!(found(&statement), []);
    let lines = &statement.years[0].lines;
    assert_eq!(lines["autres_immobilisations_corporelles"].value, 20.into());
    assert_eq!((lines["autres_creances"].value, lines["immobilisations_corporelles"].value), (5.into(), 120.into()));
}

#[test]
fn accounts_may_stand_beside_the_lines_that_they_make() {
    let rows = "Compte\tLibellé\t31/12/2024\t31/12/2023\n\
                \tACTIF\n\
                '512000\tBanque populaire\t70\t60\n\
                '530000\tCaisse principale\t30\t30\n\
                \tDisponibilités\t100\t90\n\
                \tTOTAL ACTIF\t100\t90\n";
    let workbook = table::read(made::text(rows, ";").as_bytes(), "b.csv").unwrap();
    assert!(!crate::import::trial_balance::is_in(&workbook));
    let statement = read(&workbook, &Options::default()).unwrap();
    assert_eq!(statement.years[1].lines["disponibilites"].value, 100.into());
    let unknown = found(&statement).into_iter().map(|(kind, at, _)| (kind, at)).collect::<Vec<_>>();
    assert_eq!(unknown, [(AnomalyKind::Unknown, "3".to_owned()), (AnomalyKind::Unknown, "4".to_owned())]);
}

#[test]
fn a_sheet_without_headings_is_told_where_others_are_read() {
    let sheets = [("Bilan", "Actif\t31/12/2024\nStocks\t12"), ("Notes", "Capital\t12\t13")];
    let statement = import(&made::xlsx(&sheets));
    assert!(!statement.years[0].lines.contains_key("capital"));
    let expected = "«\u{a0}Notes\u{a0}» n’est pas lu\u{a0}: ses colonnes de montants n’ont pas d’en-tête";
    assert!(found(&statement).iter().any(|(kind, _, message)| *kind == AnomalyKind::Missing && message == expected));
}

#[test]
fn sheets_may_be_of_a_year_each() {
    let rows = "Actif\tMontant\nStocks\t12\n";
    let statement = import(&made::xlsx(&[("Bilan 2023", rows), ("Bilan 2024", &rows.replace("12", "13"))]));
    let values: Vec<Decimal> = statement.years.iter().map(|year| year.lines["stocks"].value).collect();
    assert_eq!(values, [Decimal::from(12), Decimal::from(13)]);
}

/// A compte de résultat in one column: 100 + 20 - 40 - 30 - 25 - 5 = 20; less 4 of interest and 3 of taxes.
const RESULT: &str = "Compte de résultat\t2024\n\
                      Ventes de marchandises\t100\n\
                      Autres produits\t20\n\
                      Total produits d’exploitation\t120\n\
                      Achats de marchandises\t40\n\
                      Autres achats et charges externes\t30\n\
                      Charges de personnel\t25\n\
                      Dotations aux amortissements et provisions\t5\n\
                      Total charges d’exploitation\t100\n\
                      Résultat d’exploitation\t20\n\
                      Produits financiers\t-\n\
                      Intérêts et charges assimilées\t4\n\
                      Total charges financières\t4\n\
                      Impôt sur les sociétés\t3\n\
                      Résultat net\t13\n";

#[test]
fn what_is_together_counts_as_one_and_is_said() {
    let statement = import_text(RESULT);
    let messages: Vec<String> = found(&statement).into_iter().map(|(_, _, message)| message).collect();
    assert_eq!(
        messages,
        [
            "la date de clôture n’est pas dite\u{a0}: l’exercice est supposé clos le 31/12/2024",
            "«\u{a0}Charges de personnel\u{a0}» réunit plusieurs postes\u{a0}: il est compté en «\u{a0}Salaires et \
             traitements\u{a0}»",
        ]
    );
    assert_eq!(checks(&statement), []);
    let results = &analyse(&statement).years[0];
    assert_eq!((results.value("ebe"), results.value("resultat_net")), (Some(5.into()), Some(13.into())));
    // Beside its parts it is their total, right or wrong.
    let with = |total: &str| {
        let personnel = format!("Charges de personnel\t{total}\nSalaires\t18\nCharges sociales\t7");
        found(&import_text(&RESULT.replace("Charges de personnel\t25", &personnel))).split_off(1)
    };
    assert_eq!(with("25"), []);
    let expected = "Charges de personnel\u{a0}: la source donne 28,00, ses lignes font 25,00";
    assert_eq!(with("28"), [(AnomalyKind::Total, "7".to_owned(), expected.to_owned())]);
}

#[test]
fn several_rows_may_make_an_item() {
    let rows = "Passif\tAu 31/12/2024\nDettes\nPersonnel\t10\nOrganismes sociaux\t5\n\
                État, taxes sur le chiffre d’affaires\t7\n";
    let statement = import_text(rows);
    assert_eq!(found(&statement), []);
    let taxes = &statement.years[0].lines["dettes_fiscales_sociales"];
    let places: Vec<&str> = taxes.places.iter().map(|place| place.at.as_str()).collect();
    assert_eq!((taxes.value, places.as_slice()), (22.into(), ["3", "4", "5"].as_slice()));
    let statement = import_text(&rows.replace("Dettes\n", "Dettes fiscales et sociales\t26\n"));
    let expected = "Dettes fiscales et sociales\u{a0}: la source donne 26,00, ses lignes font 22,00";
    assert_eq!(found(&statement), [(AnomalyKind::Total, "2".to_owned(), expected.to_owned())]);
}

#[test]
fn rounding_is_no_mistake() {
    // 18,4 and 7,4 are 25,8: in thousands 18, 7 and 26.
    let personnel = "Charges de personnel\t26\nSalaires\t18\nCharges sociales\t7";
    let rows = RESULT.replace("Charges de personnel\t25", personnel);
    assert_eq!(found(&import_text(&format!("en k€\n{rows}"))).len(), 1);
    // A bare total that is one off is that of its section.
    let rows = "Actif\t2024 (k€)\nStocks\t10\nClients\t21\nTotal\t32\nConstructions\t5\n";
    assert_eq!(import_text(rows).years[0].lines["actif_circulant"].value, 32_000.into());
}

#[test]
fn rows_of_an_item_on_two_sheets_count_once() {
    let rows = "Passif\t31/12/2024\nDettes\nPersonnel\t10\nOrganismes sociaux\t5\n";
    let statement = import(&made::xlsx(&[("Bilan passif", rows), ("Détail du passif", rows)]));
    assert_eq!(statement.years[0].lines["dettes_fiscales_sociales"].value, 15.into());
    assert_eq!(found(&statement)[0].0, AnomalyKind::Duplicate);
}

#[test]
fn charges_that_are_shown_negative_are_charges() {
    let negative: String = RESULT
        .lines()
        .map(|line| {
            let is_charge = ["Achats", "Autres achats", "Charges", "Dotations", "Total charges", "Intérêts", "Impôt"];
            let is_charge = is_charge.iter().any(|begin| line.starts_with(begin));
            if is_charge { line.replace('\t', "\t-") + "\n" } else { line.to_owned() + "\n" }
        })
        .collect();
    let statement = import_text(&negative);
    let messages: Vec<String> = found(&statement).into_iter().map(|(_, _, message)| message).collect();
    assert_eq!(messages.last().unwrap(), "les charges sont données en négatif\u{a0}: leur signe a été inversé");
    assert_eq!(checks(&statement), []);
    let results = &analyse(&statement).years[0];
    assert_eq!((results.value("ebe"), results.value("resultat_net")), (Some(5.into()), Some(13.into())));
    // In parentheses it is the same.
    let parentheses: String = negative
        .lines()
        .map(|line| match line.split_once("\t-") {
            Some((label, amount)) => format!("{label}\t({amount})\n"),
            None => line.to_owned() + "\n",
        })
        .collect();
    assert_eq!(import_text(&parentheses).years[0].lines["interets"].value, 4.into());
    // Depreciation, too: 200 - 80.
    let statement = import_text(
        "Actif\tBrut\tAmortissements\tNet au 31/12/2024\nConstructions\t200\t-80\t120\nTotal actif\t200\t-80\t120\n",
    );
    assert_eq!(statement.years[0].lines["constructions_depreciation"].value, 80.into());
    assert_eq!(checks(&statement), []);
}

#[test]
fn units_and_currencies_are_read_from_the_headings() {
    for (heading, factor, step) in
        [("(en milliers d’euros)", 1000, 1000), ("En M€", 1_000_000, 1_000_000), ("en euros", 1, 1), ("", 1, 1)]
    {
        let statement = import_text(&format!("{heading}\n{RESULT}"));
        assert_eq!(statement.years[0].lines["interets"].value, Decimal::from(4 * factor), "{heading}");
        assert_eq!((statement.step, statement.currency.as_str()), (Decimal::from(step), "EUR"));
    }
    let statement = import_text(&format!("en KCHF\n{}", RESULT.replace("\t4\n", "\t4,25\n")));
    assert_eq!((statement.currency.as_str(), statement.step), ("CHF", Decimal::new(1, 2)));
    // The other sheets have the unit of the first.
    let sheets = [("A", "En k€\nActif\t31/12/2024\nStocks\t12"), ("B", "Passif\t31/12/2024\nCapital\t12")];
    assert_eq!(import(&made::xlsx(&sheets)).years[0].lines["capital"].value, 12_000.into());
}

#[test]
fn what_is_wrong_is_reported_with_its_place() {
    let rows = "Bilan au 31/12/2024\n\
                SIREN 732 829 321\n\n\
                Actif\tBrut\tAmort.\tNet\tTendance\n\
                Constructions\t200\t80\t120\t1\n\
                Piscine\t10\t\t10\n\
                Stocks\t1O\t\t10\n\
                Clients\t50\t\t12 %\n\
                Clients\t51\t\t51\n\
                \t7\t\t7\n\
                Immobilisations corporelles\t200\t80\t130\n\
                Situation nette\t\t\t5\n\
                Capital\t9\t\t9\n";
    let statement = import(&made::xlsx(&[("Actif", rows)]));
    let found = found(&statement);
    for (kind, at, message) in [
        (AnomalyKind::Rule, "A2", "le SIREN «\u{a0}732829321\u{a0}» a une clé de contrôle fausse"),
        (
            AnomalyKind::Unknown,
            "B6",
            "le libellé «\u{a0}Piscine\u{a0}» n’est celui d’aucun poste connu, ou de plusieurs\u{a0}: il n’est pas \
             compté",
        ),
        (AnomalyKind::Unreadable, "B7", "«\u{a0}1O\u{a0}» n’est pas un montant"),
        (AnomalyKind::Unreadable, "D8", "«\u{a0}12\u{a0}%\u{a0}» n’est pas un montant"),
        (
            AnomalyKind::Duplicate,
            "B9",
            "«\u{a0}Clients et comptes rattachés (brut)\u{a0}» est donné deux fois\u{a0}: 50,00 (B8), qui est retenu, \
             et 51,00",
        ),
        (AnomalyKind::Unknown, "B10", "un montant n’a pas de libellé\u{a0}: il n’est pas compté"),
        (
            AnomalyKind::Total,
            "B11",
            "Immobilisations corporelles\u{a0}: le net donné est de 130,00, le brut moins les amortissements font \
             120,00",
        ),
        (
            AnomalyKind::Unknown,
            "E5",
            "les montants de cette colonne ne sont pas lus\u{a0}: son en-tête n’est pas connu",
        ),
        (
            AnomalyKind::Unknown,
            "B13",
            "ce montant est dans une colonne de brut ou d’amortissements, que «\u{a0}Capital social ou \
             individuel\u{a0}» n’a pas",
        ),
    ] {
        let is_it = |found: &(AnomalyKind, String, String)| {
            found.0 == kind && found.1 == at && found.2.replace('\'', "’") == message
        };
        assert!(found.iter().any(is_it), "{message} is not among {found:#?}");
    }
}

#[test]
fn a_table_that_does_not_say_what_it_has_is_an_error() {
    let message =
        |rows: &str| import_with(made::text(rows, ";").as_bytes(), &Options::default()).unwrap_err().to_string();
    assert_eq!(
        message("Nom\tÂge\nJean\t12\n"),
        "comptes.csv\u{a0}: ni FEC, ni balance, ni bilan, ni compte de résultat n’y ont été trouvés"
    );
    assert_eq!(
        message("Capital\t12\t13\nStocks\t14\t15"),
        "comptes.csv\u{a0}: il manque les colonnes de montants avec un en-tête (exercice, brut, net)"
    );
    let year = "comptes.csv\u{a0}: la date de clôture de l’exercice n’est dite nulle part\u{a0}; précisez-la";
    assert_eq!(message("Capital\t12\nStocks\t14"), year);
    let options = Options { end: Some(day("2024-06-30")) };
    let statement = import_with(b"Capital;12\nStocks;14\n", &options).unwrap();
    assert_eq!((statement.years[0].end, statement.years[0].lines["stocks"].value), (day("2024-06-30"), 14.into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..5000, char in any::<char>(), cut in 0_usize..5000, which in 0..4_usize) {
        let text = match which {
            0 => flat(),
            1 => forms().into_iter().map(|(_, rows)| rows).collect(),
            2 => labelled().into_iter().map(|(_, rows)| rows).collect(),
            _ => RESULT.to_owned(),
        };
        let mut chars: Vec<char> = text.chars().collect();
        let length = chars.len();
        chars[at % length] = char;
        let damaged: String = chars.iter().collect();
        let cut: String = chars.iter().skip(cut / 10).take(cut).collect();
        let options = Options { end: Some(day("2024-12-31")) };
        let _ = import_with(made::text(&damaged, ";").as_bytes(), &options);
        let _ = import_with(made::text(&cut, ";").as_bytes(), &options);
    }

    #[test]
    fn no_rows_make_it_panic(
        rows in prop::collection::vec(
            "(Total|Autres|Stocks|Brut|Net|AA|DA|010|2024|N-1)?\t[A-Z]{0,2}\t-?[0-9]{0,17}\t(-|x|[0-9]{0,4})",
            0..20,
        )
    ) {
        let _ = import_with(made::text(&rows.join("\n"), ";").as_bytes(), &Options::default());
    }
}

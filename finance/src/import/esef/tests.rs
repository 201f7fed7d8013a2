use std::io::{Cursor, Write as _};

use chrono::NaiveDate;
use proptest::prelude::*;
use rust_decimal::Decimal;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::import::Excerpt;
use crate::statement::{Anomaly, Basis, IfrsFact, Place, Year};
use crate::{Undefined, analyse, checks};

const PATH: &str = "aubepine-2024-12-31-fr/reports/aubepine-2024-12-31-fr.xhtml";

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL"
 xmlns:ixt="http://www.xbrl.org/inlineXBRL/transformation/2020-02-12"
 xmlns:xbrli="http://www.xbrl.org/2003/instance" xmlns:xbrldi="http://xbrl.org/2006/xbrldi"
 xmlns:iso4217="http://www.xbrl.org/2003/iso4217" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:ifrs-full="https://xbrl.ifrs.org/taxonomy/2024-03-27/ifrs-full" xmlns:aub="http://www.aubepine.example/2024">
<head><title>Rapport annuel</title><style>td { color: #333 }</style></head><body>"#;

/// A context of the whole.
fn context(id: &str, period: &str) -> String {
    part(id, period, "")
}

/// A context with these dimensions.
fn part(id: &str, period: &str, dimensions: &str) -> String {
    let period = match period.split_once('/') {
        Some((start, end)) => format!("<xbrli:startDate>{start}</xbrli:startDate><xbrli:endDate>{end}</xbrli:endDate>"),
        None => format!("<xbrli:instant>{period}</xbrli:instant>"),
    };
    format!(
        r#"<xbrli:context id="{id}"><xbrli:entity>
        <xbrli:identifier scheme="http://standards.iso.org/iso/17442">969500AUBEPINE000042</xbrli:identifier>
        </xbrli:entity><xbrli:period>{period}</xbrli:period>{dimensions}</xbrli:context>"#
    )
}

fn unit(id: &str, measure: &str) -> String {
    format!(r#"<xbrli:unit id="{id}"><xbrli:measure>{measure}</xbrli:measure></xbrli:unit>"#)
}

fn header() -> String {
    let member = r#"<xbrldi:explicitMember dimension="ifrs-full:ComponentsOfEquityAxis">
        ifrs-full:IssuedCapitalMember</xbrldi:explicitMember>"#;
    [
        "<div style=\"display:none\"><ix:header><ix:hidden>".to_owned(),
        text("ifrs-full:NameOfReportingEntityOrOtherMeansOfIdentification", "Groupe <b>Aubépine</b>\n SA &amp; Cie"),
        "</ix:hidden><ix:references/><ix:resources>".to_owned(),
        context("d24", "2024-01-01/2024-12-31"),
        context("d23", "2023-01-01/2023-12-31"),
        context("i24", "2024-12-31"),
        context("i23", "2023-12-31"),
        context("i22", "2022-12-31"),
        context("h24", "2024-07-01/2024-12-31"),
        part("capital", "2024-12-31", &format!("<xbrli:scenario>{member}</xbrli:scenario>")),
        part("old", "2024-12-31", &format!("<xbrli:segment>{member}</xbrli:segment>")),
        unit("eur", "iso4217:EUR"),
        unit("usd", "iso4217:USD"),
        unit("shares", "xbrli:shares"),
        r#"<xbrli:unit id="eps"><xbrli:divide><xbrli:unitNumerator><xbrli:measure>iso4217:EUR</xbrli:measure>
        </xbrli:unitNumerator><xbrli:unitDenominator><xbrli:measure>xbrli:shares</xbrli:measure>
        </xbrli:unitDenominator></xbrli:divide></xbrli:unit>"#
            .to_owned(),
        "</ix:resources></ix:header></div>".to_owned(),
    ]
    .concat()
}

fn text(name: &str, content: &str) -> String {
    format!(r#"<ix:nonNumeric name="{name}" contextRef="d24">{content}</ix:nonNumeric>"#)
}

/// A tagged number, in millions of euros and rounded to a hundred thousand where the attributes in `more` say nothing
/// else.
fn number(id: &str, name: &str, context: &str, more: &str, content: &str) -> String {
    let more = [
        (" unitRef=", r#" unitRef="eur""#),
        (" scale=", r#" scale="6""#),
        (" decimals=", r#" decimals="-5""#),
        (" format=", r#" format="ixt:num-comma-decimal""#),
    ]
    .iter()
    .filter(|(attribute, _)| !format!(" {more}").contains(attribute))
    .fold(format!(" {more}"), |all, (_, attribute)| all + attribute);
    let name = if name.contains(':') { name.to_owned() } else { format!("ifrs-full:{name}") };
    format!(r#"<ix:nonFraction id="{id}" name="{name}" contextRef="{context}"{more}>{content}</ix:nonFraction>"#)
}

/// The accounts of a group that does not exist, in millions of euros.
fn accounts() -> String {
    let mut page = String::from("<table>");
    for (name, at, this, last) in [
        ("Revenue", "d", "<span>1</span>&#160;284,5", "1\u{202f}190,0"),
        ("RawMaterialsAndConsumablesUsed", "d", "512,3", "480,1"),
        ("EmployeeBenefitsExpense", "d", "402,0", "385,5"),
        ("DepreciationAndAmortisationExpense", "d", "88,7", "84,2"),
        ("aub:CurrentOperatingIncome", "d", "161,5", "140,0"),
        ("ProfitLossFromOperatingActivities", "d", "150,2", "24,4"),
        ("FinanceCosts", "d", "20,2", "19,8"),
        ("ProfitLossBeforeTax", "d", "130,0", "4,6"),
        ("IncomeTaxExpenseContinuingOperations", "d", "33,4", "8,9"),
        ("Goodwill", "i", "310,0", "310,0"),
        ("PropertyPlantAndEquipment", "i", "420,5", "398,0"),
        ("NoncurrentAssets", "i", "802,0", "790,2"),
        ("Inventories", "i", "145,2", "151,9"),
        ("CurrentTradeReceivables", "i", "214,8", "205,3"),
        ("Assets", "i", "1 400,0", "1 250,0"),
        ("IssuedCapital", "i", "50,0", "50,0"),
        ("SharePremium", "i", "120,0", "120,0"),
        ("NoncurrentLiabilities", "i", "400,0", "390,0"),
        ("TradeAndOtherCurrentPayablesToTradeSuppliers", "i", "190,6", "181,0"),
        ("EquityAndLiabilities", "i", "1.400,0", "1.250,0"),
        ("RepaymentsOfBorrowingsClassifiedAsFinancingActivities", "d", "62,0", "48,5"),
    ] {
        let short = name.rsplit(':').next().unwrap();
        let row = [
            number(&format!("{short}-24"), name, &format!("{at}24"), "", this),
            number(&format!("{short}-23"), name, &format!("{at}23"), "", last),
        ];
        page += &format!("<tr><td>Libellé</td><td>{}</td><td>{}</td></tr>", row[0], row[1]);
    }
    // A profit, then a loss whose parentheses are outside the tag.
    page += &number("ProfitLoss-24", "ProfitLoss", "d24", "", "96,6");
    page += &format!("({})", number("ProfitLoss-23", "ProfitLoss", "d23", r#"sign="-""#, "4,3"));
    page += &number("CashAndCashEquivalents-24", "CashAndCashEquivalents", "i24", "", "178,4");
    page += &number("CashAndCashEquivalents-23", "CashAndCashEquivalents", "i23", r#"format="ixt:zerodash""#, "–");
    page += &number("Equity-24", "Equity", "i24", "", "640,0");
    page += &number("NoncontrollingInterests-24", "NoncontrollingInterests", "i24", "", "40,0");
    // One number for two facts.
    let inner = number("EquityOwners-23", "EquityAttributableToOwnersOfParent", "i23", "", "560,0");
    page += &number("Equity-23", "Equity", "i23", "", &inner);
    page += &number("NoncontrollingInterests-23", "NoncontrollingInterests", "i23", r#"xsi:nil="true""#, "");
    page += &number("eps", "BasicEarningsLossPerShare", "d24", r#"unitRef="eps" scale="0" decimals="2""#, "2,41");
    page += &number("count", "aub:NumberOfShares", "i24", r#"unitRef="shares" scale="0" decimals="INF""#, "40 082 987");
    // What is of parts, and of other dates.
    page += &number("part-1", "Equity", "capital", "", "50,0");
    page += &number("part-2", "Equity", "old", "", "50,0");
    page += &number("opening", "Equity", "i22", "", "570,0");
    page += &number("half", "Revenue", "h24", "", "650,0");
    page + "</table>"
}

fn page(content: &str) -> String {
    format!("{HEAD}{}{content}</body></html>", header())
}

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        archive.start_file(*path, SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const LABELS: &str = r##"<link:linkbase xmlns:link="http://www.xbrl.org/2003/linkbase"
 xmlns:xlink="http://www.w3.org/1999/xlink">
<link:labelLink><link:loc xlink:href="aub.xsd#aub_CurrentOperatingIncome" xlink:label="loc_1"/>
<link:labelArc xlink:from="loc_1" xlink:to="label_1"/><link:labelArc xlink:from="loc_1" xlink:to="total_1"/>
<link:label xlink:label="label_1" xlink:role="http://www.xbrl.org/2003/role/label" xml:lang="fr">Résultat opérationnel
courant</link:label><link:label xlink:label="total_1" xlink:role="http://www.xbrl.org/2003/role/totalLabel"
xml:lang="fr">Total</link:label></link:labelLink></link:linkbase>"##;

fn package(page: &str) -> Vec<u8> {
    zipped(&[
        ("aubepine-2024-12-31-fr/META-INF/taxonomyPackage.xml", "<a/>"),
        (PATH, page),
        ("aubepine-2024-12-31-fr/www.aubepine.example/aubepine-2024-12-31_lab-fr.xml", LABELS),
        ("aubepine-2024-12-31-fr/www.aubepine.example/aubepine-2024-12-31_lab-en.xml", "not read"),
    ])
}

fn import(content: &str) -> Statement {
    read(page(content).as_bytes(), "rapport.xhtml").unwrap()
}

fn messages(anomalies: &[Anomaly]) -> Vec<&str> {
    anomalies.iter().map(|anomaly| anomaly.message.as_str()).collect()
}

/// Each anomaly, and the element that it is at.
fn placed(statement: &Statement) -> Vec<(&str, &str)> {
    let anomalies = statement.anomalies.iter();
    anomalies
        .map(|anomaly| (anomaly.place.as_ref().map_or("", |place| place.at.as_str()), anomaly.message.as_str()))
        .collect()
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// In millions.
fn value(year: &Year, id: &str) -> Decimal {
    year.lines.get(id).unwrap_or_else(|| panic!("no {id}")).value / decimal("1000000")
}

fn other<'a>(year: &'a Year, concept: &str) -> &'a IfrsFact {
    year.other.iter().find(|fact| fact.concept == concept).unwrap_or_else(|| panic!("no {concept}"))
}

#[test]
fn a_report_is_read() {
    let statement = read(&package(&page(&accounts())), "aubepine.zip").unwrap();
    assert_eq!(messages(&statement.anomalies), [""; 0]);
    assert_eq!(messages(&checks(&statement)), [""; 0]);
    assert_eq!(statement.company.name.as_deref(), Some("Groupe Aubépine SA & Cie"));
    assert_eq!((statement.currency.as_str(), statement.step, statement.basis), ("EUR", 100_000.into(), Basis::Ifrs));
    let [last, this] = statement.years.as_slice() else { panic!("{} years", statement.years.len()) };
    assert_eq!((last.start, last.end), (Some(date(2023, 1, 1)), date(2023, 12, 31)));
    assert_eq!((this.start, this.end, this.days()), (Some(date(2024, 1, 1)), date(2024, 12, 31), 366));
    for (id, now, before) in [
        ("chiffre_affaires", "1284.5", "1190"),
        ("dotations_amortissements", "88.7", "84.2"),
        ("resultat_exploitation_compte", "150.2", "24.4"),
        ("impot_benefices", "33.4", "8.9"),
        ("resultat_net", "96.6", "-4.3"),
        ("immobilisations_corporelles", "420.5", "398"),
        ("stocks", "145.2", "151.9"),
        ("clients", "214.8", "205.3"),
        ("disponibilites", "178.4", "0"),
        ("total_actif", "1400", "1250"),
        ("capital", "50", "50"),
        ("primes_emission", "120", "120"),
        ("capitaux_propres", "640", "560"),
        ("fournisseurs", "190.6", "181"),
        ("total_passif", "1400", "1250"),
        ("remboursements_emprunts", "62", "48.5"),
    ] {
        assert_eq!((value(this, id), value(last, id)), (decimal(now), decimal(before)), "{id}");
    }
    assert_eq!((this.lines.len(), last.lines.len()), (16, 16));
    let place = &this.lines["chiffre_affaires"].places[0];
    assert_eq!((place.file.as_str(), place.at.as_str()), (PATH, "Revenue-24"));
}

#[test]
fn what_no_item_means_is_kept_as_it_is() {
    let statement = read(&package(&page(&accounts())), "aubepine.zip").unwrap();
    let [last, this] = statement.years.as_slice() else { panic!("{} years", statement.years.len()) };
    let concepts: Vec<&str> = this.other.iter().map(|fact| fact.concept.as_str()).collect();
    assert_eq!(
        concepts,
        [
            "ifrs-full:RawMaterialsAndConsumablesUsed",
            "ifrs-full:EmployeeBenefitsExpense",
            "aub:CurrentOperatingIncome",
            "ifrs-full:FinanceCosts",
            "ifrs-full:ProfitLossBeforeTax",
            "ifrs-full:Goodwill",
            "ifrs-full:NoncurrentAssets",
            "ifrs-full:NoncurrentLiabilities",
            "ifrs-full:NoncontrollingInterests",
            "ifrs-full:BasicEarningsLossPerShare",
            "aub:NumberOfShares",
        ]
    );
    for (concept, label, value, unit) in [
        ("ifrs-full:Goodwill", "Goodwill", "310000000", "EUR"),
        ("aub:CurrentOperatingIncome", "Résultat opérationnel courant", "161500000", "EUR"),
        ("aub:NumberOfShares", "Number Of Shares", "40082987", "shares"),
        ("ifrs-full:BasicEarningsLossPerShare", "Résultat de base par action", "2.41", "EUR/shares"),
    ] {
        let fact = other(this, concept);
        assert_eq!((fact.label.as_str(), fact.value, fact.unit.as_str()), (label, decimal(value), unit));
    }
    assert_eq!(other(last, "ifrs-full:EquityAttributableToOwnersOfParent").place.at, "EquityOwners-23");
    // Two of a component of equity, the opening of 2023, half a year. What is nil says nothing.
    assert_eq!(statement.left_out, 4);
    assert!(last.other.iter().all(|fact| fact.concept != "ifrs-full:NoncontrollingInterests"));
}

#[test]
fn measures_are_right_or_have_none() {
    let mut statement = import(&accounts());
    let analysis = analyse(&statement);
    let year = &analysis.years[1];
    let computed = year.results.iter().filter(|result| !result.is_given);
    let computed: Vec<(&str, Decimal)> =
        computed.filter_map(|result| Some((result.id.as_str(), result.value?.round_dp(4)))).collect();
    // 96.6 / 1284.5; 96.6 / 640; (1284.5 - 1190) / 1190; 640 / 1400; 366 x 214.8 / 1284.5.
    assert_eq!(
        computed,
        [
            ("marge_nette", decimal("7.5204")),
            ("roe", decimal("15.0938")),
            ("croissance", decimal("7.9412")),
            ("autonomie_financiere", decimal("45.7143")),
            ("dso", decimal("61.2042")),
        ]
    );
    for (id, missing) in [
        ("ebe", "Ventes de marchandises"),
        ("caf", "Dotations aux dépréciations sur immobilisations"),
        ("dettes_financieres", "Emprunts obligataires convertibles"),
        ("dette_nette", "Emprunts obligataires convertibles"),
    ] {
        let reason = year.get(id).unwrap().undefined.clone();
        assert_eq!(reason, Some(Undefined::Missing { item: missing.to_owned() }), "{id}");
    }
    // In French accounts a line that is left out is zero, which would be false here: FinanceCosts is 20.2.
    assert_eq!(year.value("resultat_financier"), None);
    statement.basis = Basis::Pcg;
    assert_eq!(analyse(&statement).years[1].value("resultat_financier"), Some(Decimal::ZERO));
}

#[test]
fn what_cannot_be_read_is_reported_with_its_place() {
    let broken = [
        number("a", "Goodwill", "i24", "", "(12,5)"),
        number("b", "Goodwill", "i24", "", "n.s."),
        number("c", "Goodwill", "i24", r#"format="ixt:numwordsen""#, "douze"),
        number("d", "Goodwill", "i24", r#"format="other:zerodash""#, "-"),
        number("e", "Goodwill", "i24", r#"scale="million""#, "12"),
        number("f", "Goodwill", "i24", r#"scale="12""#, "1 234,5"),
        number("g", "Goodwill", "i25", "", "12"),
        number("h", "Goodwill", "i24", r#"unitRef="gbp""#, "12"),
        number("i", "own:Goodwill", "i24", "", "12"),
        number("j", "Goodwill", "wrong", "", "12"),
        number("k", "Goodwill", "forever", "", "12"),
        number("l", "Goodwill", "i24", r#"format="""#, "1,5"),
        r#"<ix:fraction id="m" name="aub:Share" contextRef="i24"/>"#.to_owned(),
        number("", "Goodwill", "i24", "", &"1 ".repeat(300)),
        context("wrong", "31/12/2024"),
        r#"<xbrli:context id="forever"><xbrli:period><xbrli:forever/></xbrli:period></xbrli:context>"#.to_owned(),
        r#"<xbrli:context><xbrli:identifier>B</xbrli:identifier></xbrli:context>"#.to_owned(),
    ]
    .concat();
    let statement = import(&(accounts() + &broken));
    let found = placed(&statement);
    for (at, message) in [
        ("a", "ifrs-full:Goodwill : « (12,5) » n’est pas un montant ; ce fait n’est pas compté"),
        ("b", "ifrs-full:Goodwill : « n.s. » n’est pas un montant ; ce fait n’est pas compté"),
        ("c", "ifrs-full:Goodwill : le format « ixt:numwordsen » n’est pas connu ; ce fait n’est pas compté"),
        ("d", "ifrs-full:Goodwill : le format « other:zerodash » n’est pas connu ; ce fait n’est pas compté"),
        ("e", "ifrs-full:Goodwill : l’échelle « million » n’est pas un nombre entier ; ce fait n’est pas compté"),
        ("f", "ifrs-full:Goodwill : « 1 234,5 » est trop grand ; ce fait n’est pas compté"),
        ("g", "ifrs-full:Goodwill : le contexte « i25 » n’est pas défini ; ce fait n’est pas compté"),
        ("h", "ifrs-full:Goodwill : l’unité « gbp » n’est pas définie ; ce fait n’est pas compté"),
        ("i", "own:Goodwill : son espace de noms n’est pas déclaré ; ce fait n’est pas compté"),
        ("j", "ifrs-full:Goodwill : la période du contexte « wrong » n’est pas lisible ; ce fait n’est pas compté"),
        ("k", "ifrs-full:Goodwill : la période du contexte « forever » n’est pas lisible ; ce fait n’est pas compté"),
        ("l", "ifrs-full:Goodwill : « 1,5 » n’est pas un montant ; ce fait n’est pas compté"),
        ("m", "aub:Share : une fraction n’est pas lue"),
        ("", "les faits sont de plusieurs entités : 969500AUBEPINE000042, B"),
    ] {
        // In front of these marks French has a space that does not break.
        let message = [" :", " ;", " »"].iter().fold(message.replace("« ", "«\u{a0}"), |message, mark| {
            message.replace(mark, &mark.replace(' ', "\u{a0}"))
        });
        assert!(found.contains(&(at, message.as_str())), "{at} {message} is not in {found:#?}");
    }
    let unnamed = found.iter().filter(|(at, message)| at.starts_with("octet ") && message.contains("«\u{a0}…\u{a0}»"));
    assert_eq!((unnamed.count(), found.len()), (1, 15));
    assert_eq!(other(&statement.years[1], "ifrs-full:Goodwill").value, decimal("310000000"));
    let files: Vec<_> = statement.anomalies.iter().filter_map(|anomaly| Some(&anomaly.place.as_ref()?.file)).collect();
    assert!(files.iter().all(|file| *file == "rapport.xhtml"));
}

#[test]
fn a_fact_that_is_told_twice_counts_once() {
    let again = [
        // The same in thousands, which is more precise; another context of the same day; the same, but rounded.
        number("a", "Inventories", "i24", r#"scale="3" decimals="-3""#, "145 249"),
        context("same", "2024-12-31"),
        number("b", "Assets", "same", "", "1 400,0"),
        number("c", "Goodwill", "i24", r#"decimals="-6""#, "310"),
        // What another unit counts is another fact.
        number("d", "Goodwill", "i24", r#"unitRef="usd""#, "335,0"),
        // 420.5 and 420.6, each within 0.05, may be 420.55. 420.7 cannot be 420.5.
        number("e", "PropertyPlantAndEquipment", "i24", "", "420,6"),
        number("f", "PropertyPlantAndEquipment", "i24", "", "420,7"),
        number("g", "Equity", "i24", r#"decimals="INF""#, "639,3"),
    ]
    .concat();
    let statement = import(&(accounts() + &again));
    let year = &statement.years[1];
    assert_eq!(value(year, "stocks"), decimal("145.249"));
    assert_eq!(year.lines["stocks"].places[0].at, "a");
    assert_eq!(
        (value(year, "immobilisations_corporelles"), value(year, "capitaux_propres")),
        (decimal("420.5"), decimal("639.3"))
    );
    let goodwill: Vec<_> = year.other.iter().filter(|fact| fact.concept == "ifrs-full:Goodwill").collect();
    let goodwill: Vec<_> =
        goodwill.iter().map(|fact| (fact.value, fact.unit.as_str(), fact.place.at.as_str())).collect();
    assert_eq!(goodwill, [(310_000_000.into(), "EUR", "Goodwill-24"), (335_000_000.into(), "USD", "d")]);
    let found: Vec<_> =
        placed(&statement).into_iter().map(|(at, text)| (at, text.replace(['\u{a0}', '\u{202f}'], " "))).collect();
    let expected = [
        (
            "f",
            "ifrs-full:PropertyPlantAndEquipment au 31/12/2024 vaut 420 500 000 à l’élément \
             PropertyPlantAndEquipment-24 et 420 700 000 à l’élément f (EUR) ; 420 500 000 est retenu",
        ),
        (
            "g",
            "ifrs-full:Equity au 31/12/2024 vaut 640 000 000 à l’élément Equity-24 et 639 300 000 à l’élément g \
             (EUR) ; 639 300 000 est retenu",
        ),
        ("", "faits en USD dans un rapport en EUR : 1, laissés parmi les autres faits IFRS"),
    ];
    assert_eq!(found, expected.map(|(at, text)| (at, text.to_owned())));
    // A balance sheet that no longer balances is seen as in any accounts.
    let unbalanced = accounts().replace("1.400,0", "1.402,0");
    assert_eq!(checks(&import(&unbalanced)).len(), 1);
}

#[test]
fn names_are_what_their_namespaces_say() {
    let expected = import(&accounts());
    let renamed = page(&accounts())
        .replace("ix:", "inline:")
        .replace("xmlns:ix=", "xmlns:inline=")
        .replace("ixt:", "g:")
        .replace("xmlns:ixt=", "xmlns:g=")
        .replace("ifrs-full:", "ifrs:")
        .replace("xmlns:ifrs-full=", "xmlns:ifrs=")
        .replace("xbrli:", "x:")
        .replace("xmlns:xbrli=", "xmlns:x=")
        .replace("iso4217:", "currency:")
        .replace("xmlns:iso4217=", "xmlns:currency=");
    assert_eq!(read(renamed.as_bytes(), "rapport.xhtml").unwrap(), expected);
    // And a prefix alone says nothing.
    let foreign =
        page(&accounts()).replace("https://xbrl.ifrs.org/taxonomy/2024-03-27/ifrs-full", "http://example.org");
    assert_eq!(
        read(foreign.as_bytes(), "a").unwrap_err().to_string(),
        "a\u{a0}: aucun exercice dans les chiffres balisés"
    );
    // Older registries, and none.
    for (format, text) in
        [("", "1284.5"), ("numdotcomma", "1.284,5"), ("numcommadecimal", "1 284,5"), ("num-dot-decimal", "1,284.5")]
    {
        let format = if format.is_empty() { String::new() } else { format!("ixt:{format}") };
        let tag = number("r", "Revenue", "d24", &format!(r#"format="{format}""#), text);
        assert_eq!(value(&import(&tag).years[0], "chiffre_affaires"), decimal("1284.5"), "{format}");
    }
}

#[test]
fn fiscal_years_are_periods_with_a_result() {
    let content = [
        // A year that began in October, then 15 months: a new closing day. Midnight ends the day before.
        context("d1", "2021-10-01T00:00:00/2022-10-01T00:00:00"),
        context("i1", "2022-10-01T00:00:00Z"),
        context("d2", "2022-10-01/2023-12-31"),
        context("rest", "2023-10-01/2023-12-31"),
        context("twelve", "2022-07-01/2023-06-30"),
        number("1", "Revenue", "d1", "", "10"),
        number("2", "Revenue", "d2", "", "15"),
        number("3", "ProfitLoss", "d2", "", "2"),
        number("4", "Assets", "i1", "", "30"),
        number("5", "Assets", "i23", "", "40"),
        number("6", "Revenue", "rest", "", "3"),
        number("7", "EmployeeBenefitsExpense", "twelve", "", "3"),
        number("8", "RevenueFromContractsWithCustomers", "d2", "", "14"),
        number("9", "RevenueFromContractsWithCustomers", "d24", "", "16"),
    ]
    .concat();
    let statement = import(&content);
    let years: Vec<_> = statement.years.iter().map(|year| (year.start.unwrap(), year.end)).collect();
    assert_eq!(
        years,
        [
            (date(2021, 10, 1), date(2022, 9, 30)),
            (date(2022, 10, 1), date(2023, 12, 31)),
            // No balance sheet, but a year.
            (date(2024, 1, 1), date(2024, 12, 31)),
        ]
    );
    assert_eq!(
        (value(&statement.years[0], "total_actif"), value(&statement.years[1], "total_actif")),
        (30.into(), 40.into())
    );
    // Revenue has other revenue in it; where it is not told, that of contracts is all there is.
    assert_eq!(
        (value(&statement.years[1], "chiffre_affaires"), value(&statement.years[2], "chiffre_affaires")),
        (15.into(), 16.into())
    );
    assert_eq!(other(&statement.years[1], "ifrs-full:RevenueFromContractsWithCustomers").value, 14_000_000.into());
    assert_eq!((statement.left_out, messages(&statement.anomalies)), (2, vec![]));
}

#[test]
fn amounts_are_rounded_as_most_are() {
    let step = |decimals: &str, scale: &str| {
        let more = format!(r#"decimals="{decimals}" scale="{scale}""#);
        import(&number("r", "Revenue", "d24", &more, "1284")).step
    };
    assert_eq!(step("-6", "6"), 1_000_000.into());
    assert_eq!(step("2", "0"), decimal("0.01"));
    // Without decimals the scale says it; what is exact says nothing.
    assert_eq!((step("", "3"), step("x", "3")), (1000.into(), 1000.into()));
    assert_eq!(
        (step("INF", "3"), step("-40", "3"), step("-2147483648", "3")),
        (decimal("0.01"), decimal("0.01"), decimal("0.01"))
    );
}

#[test]
fn reports_come_in_one_file_or_many() {
    let expected = import(&accounts());
    // Of a report in several documents one may have the contexts and units of all.
    let (first, second) = (page(""), format!("{HEAD}{}</body></html>", accounts()));
    let split = zipped(&[("a/reports/fr/1.xhtml", &second), ("a/reports/fr/2.xhtml", &first)]);
    let statement = read(&split, "a.zip").unwrap();
    assert_eq!(messages(&statement.anomalies), [""; 0]);
    let values = |statement: &Statement| -> Vec<_> {
        let years = statement.years.iter();
        years
            .flat_map(|year| year.lines.iter().map(|(id, figure)| (id.clone(), figure.value)).collect::<Vec<_>>())
            .collect()
    };
    assert_eq!(values(&statement), values(&expected));
    // Of two reports the first is read.
    let two = zipped(&[("a/reports/b.xhtml", "<p/>"), ("a/reports/a.xhtml", &page(&accounts()))]);
    let statement = read(&two, "a.zip").unwrap();
    assert_eq!(messages(&statement.anomalies), ["d’autres documents ne sont pas lus\u{a0}: a/reports/b.xhtml"]);
    assert_eq!(values(&statement), values(&expected));
    // Without its labels a report says the same.
    let broken = zipped(&[(PATH, &page(&accounts())), ("aubepine-2024-12-31-fr/a_lab-fr.xml", "<a><b></a>")]);
    let statement = read(&broken, "a.zip").unwrap();
    assert_eq!(values(&statement), values(&expected));
    assert_eq!(messages(&statement.anomalies).len(), 1);
    let marked = ["\u{feff}", &page(&accounts())].concat();
    assert_eq!(read(marked.as_bytes(), "rapport.xhtml").unwrap(), expected);
}

#[test]
fn what_is_no_report_is_an_error() {
    let error = |bytes: &[u8]| read(bytes, "f").unwrap_err().to_string();
    assert_eq!(error(b""), "f\u{a0}: le fichier est vide");
    assert_eq!(error(b"PK\x03\x04"), "f\u{a0}: lecture impossible (archive ZIP abîmée)");
    assert_eq!(error(&zipped(&[("a.pdf", "")])), "f\u{a0}: l’archive ne contient aucun rapport XHTML");
    assert_eq!(error(page("<p>Rien</p>").as_bytes()), "f\u{a0}: aucun chiffre balisé (Inline XBRL)");
    assert_eq!(error(b"<p>cut"), "f\u{a0}: lecture impossible (le fichier est tronqué)");
    assert_eq!(error(b"<p><br></p>"), "f\u{a0}: lecture impossible (XML mal formé à l’octet 7)");
    assert_eq!(error(b"<p>\xff</p>"), "f\u{a0}: lecture impossible (XML mal formé à l’octet 3)");
    let whole = package(&page(&accounts()));
    let mut damaged = whole.clone();
    let at = whole.len() / 3;
    damaged[at..at + 20].fill(0);
    assert!(matches!(read(&damaged, "f"), Err(ImportError::Read { .. })));
    assert!(matches!(read(&whole[..at], "f"), Err(ImportError::Read { .. })));
}

#[test]
fn nothing_grows_without_bounds() {
    let too_large = |content: &str| {
        let result = read(content.as_bytes(), "f");
        assert!(matches!(result, Err(ImportError::TooLarge { .. })), "{:?}", result.err());
    };
    too_large(&("<p>".repeat(1001) + &"</p>".repeat(1001)));
    let open = format!("{HEAD}{}", "<ix:nonFraction>".repeat(21));
    too_large(&open);
    let contexts: String = (0..=200_000).map(|id| format!("<x:context id='{id}'/>")).collect();
    too_large(&format!("<p xmlns:x='http://www.xbrl.org/2003/instance'>{contexts}<p/></p>"));
    let years: String = (1900..1921)
        .map(|year| {
            let id = format!("y{year}");
            context(&id, &format!("{year}-01-01/{year}-12-31")) + &number("", "Revenue", &id, "", "1")
        })
        .collect();
    too_large(&page(&years));
    let (mut room, mut report) = (100, Report::new("f"));
    let result = document::read(page("").as_bytes(), "f", &mut room, &mut report);
    assert_eq!(result.unwrap_err().to_string(), "f\u{a0}: le rapport est trop gros");
    // An entity that a document defines is no text.
    let laughs = r#"<!DOCTYPE html [<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;">]>"#;
    let content = page(&(accounts() + &number("a", "Borrowings", "i24", "", "&b;"))).replace("<!DOCTYPE html>", laughs);
    let statement = read(content.as_bytes(), "f").unwrap();
    assert_eq!(statement.anomalies[0].place.as_ref().unwrap().at, "a");
}

#[test]
fn a_statement_survives_json_and_older_ones_are_read() {
    let statement = import(&accounts());
    let json = serde_json::to_string(&statement).unwrap();
    assert_eq!(serde_json::from_str::<Statement>(&json).unwrap(), statement);
    let older = r#"{"years": [{"end": "2024-12-31", "lines": {}}]}"#;
    let older: Statement = serde_json::from_str(older).unwrap();
    assert_eq!((older.basis, older.left_out, older.years[0].other.len()), (Basis::Pcg, 0, 0));
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..20_000, byte: u8, cut in 0_usize..20_000) {
        let document = page(&accounts()).into_bytes();
        for mut bytes in [package(&page(&accounts())), document] {
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes, "f");
            let _ = read(&bytes[..cut.min(bytes.len())], "f");
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0_usize..3) {
        let start = [&b""[..], b"PK\x03\x04", HEAD.as_bytes()][start];
        let _ = read(&[start, &bytes].concat(), "f");
    }
}

fn excerpt_of(bytes: &[u8], name: &str, file: &str, at: &str) -> Option<Excerpt> {
    let place = Place { file: file.to_owned(), sheet: None, at: at.to_owned() };
    crate::import::excerpt(bytes, name, &place).ok()
}

#[test]
fn a_tagged_number_is_shown_in_its_row() {
    let of = |at: &str| excerpt_of(&package(&page(&accounts())), "aubepine.zip", PATH, at);
    let excerpt = of("Revenue-24").unwrap();
    let cells: Vec<Vec<&str>> = excerpt.rows.iter().map(|row| row.cells.iter().map(String::as_str).collect()).collect();
    assert_eq!(cells[0], ["Libellé", "1\u{a0}284,5", "1\u{202f}190,0"]);
    assert_eq!((excerpt.rows.len(), excerpt.column, excerpt.rows[0].is_place), (5, Some(1), true));
    let goodwill = of("Goodwill-23").unwrap();
    let at = goodwill.rows.iter().position(|row| row.is_place);
    assert_eq!((at, goodwill.column, goodwill.rows.len()), (Some(4), Some(2), 9));
    assert_eq!(goodwill.rows[4].cells, ["Libellé", "310,0", "310,0"]);
    // One in another.
    assert!(of("EquityOwners-23").unwrap().rows.iter().any(|row| row.is_place && row.cells[0].contains("560,0")));
    assert_eq!(of("nowhere"), None);
    assert_eq!(excerpt_of(&package(&page(&accounts())), "aubepine.zip", "other.xhtml", "Revenue-24"), None);
}

#[test]
fn a_tagged_number_in_a_text_is_shown_with_the_paragraphs_around() {
    let fact = number("r", "Revenue", "d24", "", "1 284,5");
    let text: String = (1..=7)
        .map(|paragraph| {
            let fact = if paragraph == 6 { fact.as_str() } else { "" };
            format!("<div><p>Paragraphe\n <b>{paragraph}</b> {fact}</p></div>")
        })
        .collect();
    let page = page(&format!("<header>En-tête</header>{text}"));
    let excerpt = excerpt_of(page.as_bytes(), "r.xhtml", "r.xhtml", "r").unwrap();
    let cells: Vec<&str> = excerpt.rows.iter().map(|row| row.cells[0].as_str()).collect();
    assert_eq!(
        cells,
        ["Paragraphe 2", "Paragraphe 3", "Paragraphe 4", "Paragraphe 5", "Paragraphe 6 1 284,5", "Paragraphe 7"]
    );
    assert_eq!((excerpt.rows[4].is_place, excerpt.column), (true, None));
    // Without an identifier the place says where it begins.
    let page = page.replace(r#" id="r""#, "");
    let at = format!("octet {}", page.find("<ix:nonFraction").unwrap());
    assert!(excerpt_of(page.as_bytes(), "r.xhtml", "r.xhtml", &at).unwrap().rows[4].is_place);
}

#[test]
fn a_number_that_no_page_shows_is_shown_alone() {
    let fact = number("hidden", "Revenue", "d24", "", "1 284,5");
    let page = page("<p>Vu</p>").replace("<ix:hidden>", &format!("<ix:hidden>{fact}"));
    let excerpt = excerpt_of(page.as_bytes(), "r.xhtml", "r.xhtml", "hidden").unwrap();
    let cells: Vec<&str> = excerpt.rows.iter().map(|row| row.cells[0].as_str()).collect();
    assert_eq!((cells, excerpt.rows[0].is_place), (vec!["1 284,5", "Vu"], true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_report_is_opened_without_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), is_zip in any::<bool>()) {
        let page = page(&accounts());
        let mut bytes = if is_zip { package(&page) } else { page.into_bytes() };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = excerpt_of(&bytes, PATH, PATH, "Goodwill-23");
        bytes.truncate(at);
        let _ = excerpt_of(&bytes, PATH, PATH, "Goodwill-23");
    }
}

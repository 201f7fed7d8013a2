//! The boxes of the tax forms: 2050 to 2053, which the items know, and what those forms and the simplified ones, 2033-A
//! and 2033-B, have beside (cerfa 15949 and 15948, years 2025 and 2026).

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::import::log::Log;
use crate::items;
use crate::statement::{AnomalyKind, Figure};

/// Boxes of the forms 2050 to 2053 that are no item by themselves.
const OTHER: &[&str] = &["CJ", "CO", "1A", "GW", "HI", "FA", "FB", "FD", "FE", "FG", "FH", "FJ", "FK"];

/// Boxes of all these forms that say of what a part of another box is, or something that is no part of the accounts.
const BESIDE: &[&str] = &[
    "CP", "CR", "EK", "B1", "EJ", "EI", "1B", "1C", "1D", "1E", "EF", "EG", "HO", "HY", "1G", "1H", "HP", "HQ", "1J",
    "1K", "HX", "RC", "RD", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "HS", "131", "169", "182",
    "184", "193", "195", "197", "199", "209", "215", "217", "243", "259", "260",
];

/// Boxes of the simplified forms, each with what it is added to, or, after a minus sign, taken off.
const SIMPLIFIED: &[(&str, &str)] = &[
    ("010", "immobilisations_incorporelles"),
    ("012", "-immobilisations_incorporelles"),
    ("014", "immobilisations_incorporelles"),
    ("016", "-immobilisations_incorporelles"),
    ("028", "immobilisations_corporelles"),
    ("030", "-immobilisations_corporelles"),
    ("040", "immobilisations_financieres"),
    ("042", "-immobilisations_financieres"),
    ("044", "actif_immobilise_brut"),
    ("048", "actif_immobilise_depreciation"),
    ("050", "matieres_premieres_brut"),
    ("052", "matieres_premieres_depreciation"),
    ("060", "marchandises_brut"),
    ("062", "marchandises_depreciation"),
    ("064", "avances_commandes_brut"),
    ("066", "avances_commandes_depreciation"),
    ("068", "clients_brut"),
    ("070", "clients_depreciation"),
    ("072", "autres_creances_brut"),
    ("074", "autres_creances_depreciation"),
    ("080", "valeurs_mobilieres_brut"),
    ("082", "valeurs_mobilieres_depreciation"),
    ("084", "disponibilites_brut"),
    ("086", "disponibilites_depreciation"),
    ("092", "charges_constatees_avance_brut"),
    ("094", "charges_constatees_avance_depreciation"),
    ("096", "actif_circulant"),
    ("098", "-actif_circulant"),
    ("098", "actif_circulant_depreciation"),
    ("110", "total_actif"),
    ("112", "-total_actif"),
    ("120", "capital"),
    ("124", "ecarts_reevaluation"),
    ("126", "reserve_legale"),
    ("130", "reserves_reglementees"),
    ("132", "autres_reserves"),
    ("134", "report_a_nouveau"),
    ("136", "resultat_exercice"),
    ("137", "subventions_investissement"),
    ("140", "provisions_reglementees"),
    ("142", "capitaux_propres"),
    ("154", "provisions"),
    ("156", "dettes_financieres_diverses"),
    ("164", "avances_recues"),
    ("166", "fournisseurs"),
    ("172", "dettes_fiscales_sociales"),
    ("173", "dettes_financieres_diverses"),
    ("174", "produits_constates_avance"),
    ("175", "autres_dettes"),
    ("176", "dettes"),
    ("180", "total_passif"),
    ("210", "ventes_marchandises"),
    ("214", "production_vendue_biens"),
    ("218", "production_vendue_services"),
    ("222", "production_stockee"),
    ("224", "production_immobilisee"),
    ("226", "subventions"),
    ("230", "autres_produits"),
    ("232", "produits_exploitation"),
    ("234", "achats_marchandises"),
    ("236", "variation_stocks_marchandises"),
    ("238", "achats_matieres"),
    ("240", "variation_stocks_matieres"),
    ("242", "autres_achats_charges_externes"),
    ("244", "impots_taxes"),
    ("250", "salaires"),
    ("252", "charges_sociales"),
    ("254", "dotations_amortissements"),
    ("256", "dotations_provisions"),
    ("262", "autres_charges"),
    ("264", "charges_exploitation"),
    ("270", "resultat_exploitation_compte"),
    ("280", "produits_financiers"),
    ("290", "produits_exceptionnels"),
    ("294", "charges_financieres"),
    ("300", "charges_exceptionnelles"),
    ("306", "impot_benefices"),
    ("310", "resultat_net"),
];

/// Boxes of the simplified forms that have several items together, and what they count as says less.
const TOGETHER: &[(&str, &str)] = &[
    ("050", "les en-cours et les produits finis"),
    ("156", "les emprunts auprès des établissements de crédit et les concours bancaires"),
    ("230", "les reprises et les transferts de charges, que la capacité d’autofinancement ne retire donc pas"),
    ("256", "les dépréciations"),
];

/// The box that a text names.
pub(super) fn code(text: &str) -> Option<&'static str> {
    let known = OTHER.iter().chain(BESIDE).copied().chain(SIMPLIFIED.iter().map(|(code, _)| *code));
    items::of_code(text).and_then(|item| item.code).or_else(|| known.into_iter().find(|code| *code == text))
}

/// Whether a box belongs to the simplified forms, whose names are numbers.
pub(super) fn is_simplified(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a box says of what a part of another is.
pub(super) fn is_beside(code: &str) -> bool {
    BESIDE.contains(&code)
}

/// The item that is net of an asset's box.
pub(super) fn net(code: &str) -> Option<&'static str> {
    if matches!(code, "CJ" | "CK") {
        return Some("actif_circulant");
    }
    if matches!(code, "CO" | "1A") {
        return Some("total_actif");
    }
    let id = items::of_code(code)?.id;
    let net = id.strip_suffix("_brut").or(id.strip_suffix("_depreciation"))?;
    items::item(net).map(|item| item.id)
}

/// The lines of a year whose boxes have these figures.
pub(super) fn lines(boxes: &BTreeMap<&'static str, Figure>, log: &mut Log) -> BTreeMap<&'static str, Figure> {
    let mut lines = BTreeMap::new();
    for (code, figure) in boxes {
        if let Some(item) = items::of_code(code) {
            lines.insert(item.id, figure.clone());
        }
    }
    full(boxes, &mut lines, log);
    simplified(boxes, &mut lines, log);
    lines
}

/// What boxes of the forms 2050 to 2053 say together.
fn full(boxes: &BTreeMap<&'static str, Figure>, lines: &mut BTreeMap<&'static str, Figure>, log: &mut Log) {
    let sum = |codes: &[&'static str]| sum(codes.iter().filter_map(|code| Some((false, boxes.get(code)?))));
    let less = |code: &'static str, off: &[&'static str]| {
        let off = off.iter().filter_map(|code| Some((true, boxes.get(code)?)));
        boxes.get(code).and_then(|figure| self::sum(std::iter::once((false, figure)).chain(off)))
    };
    // What is sold in France and abroad.
    for (id, code, parts) in [
        ("ventes_marchandises", "FC", ["FA", "FB"]),
        ("production_vendue_biens", "FF", ["FD", "FE"]),
        ("production_vendue_services", "FI", ["FG", "FH"]),
        ("chiffre_affaires", "FL", ["FJ", "FK"]),
    ] {
        let Some(parts) = sum(&parts) else { continue };
        match boxes.get(code) {
            Some(total) if total.value != parts.value && !parts.value.is_zero() => {
                log.at(AnomalyKind::Total, "export", total.places.first().cloned(), || {
                    format!("la case {code} n’est pas la somme de la France et de l’exportation")
                });
            }
            Some(_) => {}
            None => {
                lines.insert(id, parts);
            }
        }
    }
    let depreciation: &[&str] = if boxes.contains_key("1A") { &["1A"] } else { &["BK", "CK"] };
    for (id, figure) in [
        ("actif_circulant", less("CJ", &["CK"])),
        ("total_actif", less("CO", depreciation)),
        ("rcai", sum(&["GW"])),
        ("resultat_exceptionnel", sum(&["HI"])),
    ] {
        lines.extend(figure.map(|figure| (id, figure)));
    }
    // Since the forms of 2026 disposals have boxes of their own, which the other income and charges are without.
    for (disposals, code, rest, total) in [
        ("F1", "FQ", "autres_produits_gestion", "autres_produits"),
        ("G1", "GE", "autres_charges_gestion", "autres_charges"),
    ] {
        let both = sum(&[code, disposals]);
        if let (Some(both), true) = (both, boxes.contains_key(disposals)) {
            lines.extend(sum(&[code]).map(|figure| (rest, figure)));
            lines.insert(total, both);
        }
    }
}

fn simplified(boxes: &BTreeMap<&'static str, Figure>, lines: &mut BTreeMap<&'static str, Figure>, log: &mut Log) {
    // Until the forms of 2025 one box had all debts that are no loans and not to suppliers.
    let is_old = !boxes.contains_key("173") && !boxes.contains_key("175");
    let mut terms: BTreeMap<&'static str, Vec<(bool, &Figure)>> = BTreeMap::new();
    for (code, target) in SIMPLIFIED {
        let Some(figure) = boxes.get(code) else { continue };
        let target = if *code == "172" && is_old { "autres_dettes" } else { target };
        let id = target.trim_start_matches('-');
        terms.entry(id).or_default().push((id != target, figure));
        let what = if *code == "172" && is_old { Some("les dettes fiscales et sociales") } else { together(code) };
        if let Some(what) = what.filter(|_| !figure.value.is_zero()) {
            log.at(AnomalyKind::Rule, code, figure.places.first().cloned(), || {
                let label = items::label(id);
                format!("la case {code} du formulaire simplifié, comptée en «\u{a0}{label}\u{a0}», comprend {what}")
            });
        }
    }
    lines.extend(terms.into_iter().filter_map(|(id, terms)| Some((id, sum(terms.into_iter())?))));
}

fn together(code: &str) -> Option<&'static str> {
    TOGETHER.iter().find(|(known, _)| *known == code).map(|(_, what)| *what)
}

/// The sum of figures, those that come with `true` being taken off; nothing where there are none.
fn sum<'a>(terms: impl Iterator<Item = (bool, &'a Figure)>) -> Option<Figure> {
    let mut sum: Option<Figure> = None;
    for (is_taken_off, figure) in terms {
        let value = if is_taken_off { -figure.value } else { figure.value };
        let sum = sum.get_or_insert_with(|| Figure::of(Decimal::ZERO));
        sum.value += value;
        sum.places.extend(figure.places.iter().cloned());
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_have_lines_that_exist() {
        for (code, target) in SIMPLIFIED {
            assert!(items::item(target.trim_start_matches('-')).is_some(), "{code}");
            assert!(is_simplified(code) && super::code(code) == Some(code), "{code}");
        }
        for code in OTHER.iter().chain(BESIDE) {
            assert!(items::of_code(code).is_none(), "{code} is an item");
        }
        assert_eq!(
            (code("AB"), code("CJ"), code("1A"), code("ZZ"), code("ab")),
            (Some("AB"), Some("CJ"), Some("1A"), None, None)
        );
    }
}

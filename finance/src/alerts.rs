//! What an analyst would look at first: figures beyond a threshold, each with the threshold's source.
//!
//! Observations, never a verdict on the company: a threshold of usage says where to look, not what to conclude.

use std::cmp::Ordering;
use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::analysis::Computer;
use crate::formula::Formula;
use crate::items;
use crate::statement::Statement;

/// An observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Alert))]
pub struct Alert {
    /// Its name: `capitaux_propres_insuffisants`.
    pub id: String,
    /// The fiscal year's last day.
    pub year: NaiveDate,
    /// What is observed, for a French reader.
    pub message: String,
    /// Where the threshold is from.
    pub source: String,
    /// The identifiers of the items that it is seen in.
    pub items: Vec<String>,
}

/// When something is observed.
struct Rule {
    id: &'static str,
    /// All of these.
    when: &'static [Condition],
    message: &'static str,
    source: &'static str,
    items: &'static [&'static str],
}

/// A formula that is less or greater than a threshold, which is zero where the formula compares.
struct Condition {
    formula: &'static str,
    is: Ordering,
    than: i64,
}

const fn below(formula: &'static str, than: i64) -> Condition {
    Condition { formula, is: Ordering::Less, than }
}

const fn above(formula: &'static str, than: i64) -> Condition {
    Condition { formula, is: Ordering::Greater, than }
}

const USAGE: &str = "Usage de l’analyse financière";
const DELAYS: &str = "Code de commerce, article L. 441-10 (60 jours à compter de la facture)";

static RULES: &[Rule] = &[
    Rule {
        id: "capitaux_propres_negatifs",
        when: &[below("capitaux_propres", 0)],
        message: "Les capitaux propres sont négatifs",
        source: USAGE,
        items: &["capitaux_propres"],
    },
    Rule {
        id: "capitaux_propres_insuffisants",
        when: &[below("capitaux_propres - 0.5 * capital", 0)],
        message: "Les capitaux propres sont inférieurs à la moitié du capital social",
        source: "Code de commerce, articles L. 223-42 (SARL) et L. 225-248 (sociétés par actions)",
        items: &["capitaux_propres", "capital"],
    },
    Rule {
        id: "pertes_de_suite",
        when: &[below("resultat_net", 0), below("avant(resultat_net)", 0)],
        message: "Le résultat net est négatif deux exercices de suite",
        source: USAGE,
        items: &["resultat_net"],
    },
    Rule {
        id: "ebe_negatif",
        when: &[below("ebe", 0)],
        message: "L’excédent brut d’exploitation est négatif",
        source: USAGE,
        items: &["ebe"],
    },
    Rule {
        id: "caf_negative",
        when: &[below("caf", 0)],
        message: "La capacité d’autofinancement est négative",
        source: USAGE,
        items: &["caf"],
    },
    Rule {
        id: "interets_non_couverts",
        when: &[below("couverture_interets", 1)],
        message: "L’excédent brut d’exploitation ne couvre pas les intérêts",
        source: USAGE,
        items: &["couverture_interets", "ebe", "interets"],
    },
    Rule {
        id: "service_dette_non_couvert",
        when: &[below("dscr", 1)],
        message: "La capacité d’autofinancement avant intérêts ne couvre pas le service de la dette",
        source: USAGE,
        items: &["dscr", "caf", "service_dette"],
    },
    Rule {
        id: "remboursement_long",
        when: &[above("capacite_remboursement", 4)],
        message: "Les dettes financières dépassent quatre années de capacité d’autofinancement",
        source: "Usage bancaire (trois à quatre années)",
        items: &["capacite_remboursement", "dettes_financieres", "caf"],
    },
    Rule {
        id: "endettement_superieur_aux_fonds_propres",
        when: &[above("gearing", 100)],
        message: "La dette financière nette dépasse les capitaux propres",
        source: USAGE,
        items: &["gearing", "dette_nette", "capitaux_propres"],
    },
    Rule {
        id: "fonds_de_roulement_negatif",
        when: &[below("frng", 0)],
        message: "Le fonds de roulement est négatif\u{a0}: les emplois stables dépassent les ressources stables",
        source: USAGE,
        items: &["frng", "ressources_stables", "emplois_stables"],
    },
    Rule {
        id: "bfr_plus_vite_que_les_ventes",
        when: &[above("bfr / avant(bfr) - chiffre_affaires / avant(chiffre_affaires)", 0)],
        message: "Le besoin en fonds de roulement augmente plus vite que le chiffre d’affaires",
        source: USAGE,
        items: &["bfr", "chiffre_affaires"],
    },
    Rule {
        id: "tresorerie_negative",
        when: &[below("tresorerie_nette", 0)],
        message: "La trésorerie nette est négative",
        source: USAGE,
        items: &["tresorerie_nette", "concours_bancaires"],
    },
    Rule {
        id: "clients_a_plus_de_60_jours",
        when: &[above("dso", 72)],
        message: "Les clients doivent plus de 72 jours de chiffre d’affaires hors taxes, soit 60 jours avec une TVA de 20\u{a0}%",
        source: DELAYS,
        items: &["dso", "clients", "chiffre_affaires"],
    },
    Rule {
        id: "fournisseurs_a_plus_de_60_jours",
        when: &[above("dpo", 72)],
        message: "Plus de 72 jours d’achats hors taxes sont dus aux fournisseurs, soit 60 jours avec une TVA de 20\u{a0}%",
        source: DELAYS,
        items: &["dpo", "fournisseurs"],
    },
];

/// What is observed in each year, oldest first.
pub fn alerts(statement: &Statement) -> Vec<Alert> {
    static FORMULAS: LazyLock<Vec<Vec<Formula>>> = LazyLock::new(|| {
        let read = |condition: &Condition| Formula::read(condition.formula).expect("a test reads each");
        RULES.iter().map(|rule| rule.when.iter().map(read).collect()).collect()
    });
    let mut computer = Computer::new(statement);
    let mut alerts = Vec::new();
    for (at, year) in statement.years.iter().enumerate() {
        for (rule, formulas) in RULES.iter().zip(FORMULAS.iter()) {
            let mut holds = |(condition, formula): (&Condition, &Formula)| {
                let value = computer.formula(at, formula);
                value.is_ok_and(|value| value.cmp(&condition.than.into()) == condition.is)
            };
            if rule.when.iter().zip(formulas).all(&mut holds) {
                let message = format!("{} ({})", rule.message, seen_in(rule, at, &mut computer, &statement.currency));
                let items = rule.items.iter().map(|id| (*id).to_owned()).collect();
                let (id, source) = (rule.id.to_owned(), rule.source.to_owned());
                alerts.push(Alert { id, year: year.end, message, source, items });
            }
        }
    }
    alerts
}

/// The values that a rule looks at: `capital social : 1 000 €`.
fn seen_in(rule: &Rule, year: usize, computer: &mut Computer<'_>, currency: &str) -> String {
    let mut seen = Vec::new();
    for item in rule.items.iter().filter_map(|id| items::item(id)) {
        if let Ok(value) = computer.value(year, item.id) {
            seen.push(format!("{}\u{a0}: {}", item.label, item.unit.written(value, currency)));
        }
    }
    seen.join("\u{a0}; ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use chrono::NaiveDate;

    use super::*;
    use crate::statement::{Figure, Year};

    fn year(year: i32, lines: &[(&str, i64)]) -> Year {
        let lines = lines.iter().map(|(id, value)| ((*id).to_owned(), Figure::of(*value))).collect();
        Year { lines, ..Year::ending(NaiveDate::from_ymd_opt(year, 12, 31).unwrap()) }
    }

    #[test]
    fn rules_name_what_exists() {
        let mut ids = HashSet::new();
        for rule in RULES {
            assert!(ids.insert(rule.id), "{} occurs twice", rule.id);
            assert!(rule.items.iter().all(|id| items::item(id).is_some()), "{}", rule.id);
            for condition in rule.when {
                let formula = Formula::read(condition.formula).unwrap();
                assert!(formula.items().iter().all(|(id, _)| items::item(id).is_some()), "{}", rule.id);
            }
        }
    }

    #[test]
    fn a_company_in_trouble_is_seen_to_be() {
        let before = [
            ("ventes_marchandises", 1000),
            ("achats_marchandises", 900),
            ("salaires", 130),
            ("marchandises", 100),
            ("capital", 200),
            ("resultat_exercice", -30),
            ("fournisseurs", 50),
        ];
        let now = [
            ("ventes_marchandises", 1000),
            ("achats_marchandises", 900),
            ("salaires", 150),
            ("interets", 10),
            ("marchandises", 150),
            ("clients", 300),
            ("disponibilites", 10),
            ("capital", 200),
            ("report_a_nouveau", -100),
            ("resultat_exercice", -60),
            ("concours_bancaires", 120),
            ("fournisseurs", 300),
        ];
        let statement = Statement { years: vec![year(2023, &before), year(2024, &now)], ..Statement::default() };
        let alerts = alerts(&statement);
        let of = |year: i32| -> Vec<&str> {
            alerts
                .iter()
                .filter(|alert| alert.year.to_string().starts_with(&year.to_string()))
                .map(|alert| alert.id.as_str())
                .collect()
        };
        assert_eq!(of(2023), ["ebe_negatif", "caf_negative"]);
        assert_eq!(
            of(2024),
            [
                "capitaux_propres_insuffisants",
                "pertes_de_suite",
                "ebe_negatif",
                "caf_negative",
                "interets_non_couverts",
                "endettement_superieur_aux_fonds_propres",
                "bfr_plus_vite_que_les_ventes",
                "tresorerie_negative",
                "clients_a_plus_de_60_jours",
                "fournisseurs_a_plus_de_60_jours",
            ]
        );
        let first = alerts.iter().find(|alert| alert.id == "capitaux_propres_insuffisants").unwrap();
        let message = "Les capitaux propres sont inférieurs à la moitié du capital social (Capitaux propres\u{a0}: \
                       40\u{a0}€\u{a0}; Capital social ou individuel\u{a0}: 200\u{a0}€)";
        assert_eq!(first.message, message);
        assert!(first.source.contains("L. 223-42"));
    }

    #[test]
    fn a_sound_company_gives_no_alert() {
        let lines = [
            ("ventes_marchandises", 1000),
            ("achats_marchandises", 600),
            ("salaires", 200),
            ("marchandises", 100),
            ("clients", 100),
            ("disponibilites", 200),
            ("capital", 100),
            ("resultat_exercice", 200),
            ("fournisseurs", 100),
        ];
        assert_eq!(alerts(&Statement { years: vec![year(2024, &lines)], ..Statement::default() }), []);
    }
}

//! The soldes intermédiaires de gestion: what takes sales to each of them, and at last to the result.

use super::figures::{Figures, ROUNDING, listed, signed};
use super::{Bar, Chart, Line, View, Words, bars, table};

/// A solde, and what makes it of the one before: items that add to it and items that take from it.
struct Stage {
    id: &'static str,
    label: &'static str,
    /// In a sentence.
    words: &'static str,
    steps: &'static [(f64, &'static str, &'static str)],
}

/// The formulas of `zyron_finance`, in fewer steps where an item has several.
const STAGES: [Stage; 5] = [
    Stage { id: "chiffre_affaires", label: "Chiffre d’affaires", words: "", steps: &[] },
    Stage {
        id: "valeur_ajoutee",
        label: "Valeur ajoutée",
        words: "une valeur ajoutée",
        steps: &[
            (1.0, "production_stockee", "Production stockée"),
            (1.0, "production_immobilisee", "Production immobilisée"),
            (-1.0, "achats_marchandises", "Achats de marchandises"),
            (-1.0, "variation_stocks_marchandises", "Variation de leur stock"),
            (-1.0, "consommations", "Consommations externes"),
        ],
    },
    Stage {
        id: "ebe",
        label: "Excédent brut (EBE)",
        words: "un excédent brut d’exploitation",
        steps: &[
            (1.0, SUBSIDIES, "Subventions"),
            (-1.0, "impots_taxes", "Impôts et taxes"),
            (-1.0, "salaires", "Salaires"),
            (-1.0, "charges_sociales", "Charges sociales"),
        ],
    },
    Stage {
        id: "resultat_exploitation",
        label: "Résultat d’exploitation",
        words: "un résultat d’exploitation",
        steps: &[
            (1.0, INVESTMENT_SUBSIDIES, "Quote-part de subventions"),
            (1.0, "reprises_et_transferts", "Reprises et transferts"),
            (1.0, "autres_produits", "Autres produits"),
            (-1.0, "dotations_exploitation", "Dotations"),
            (-1.0, "autres_charges", "Autres charges"),
        ],
    },
    Stage {
        id: "resultat_net",
        label: "Résultat net",
        words: "un résultat net",
        steps: &[
            (1.0, "benefice_attribue", "Bénéfice attribué"),
            (-1.0, "perte_supportee", "Perte supportée"),
            (1.0, "resultat_financier", "Résultat financier"),
            (1.0, "resultat_exceptionnel", "Résultat exceptionnel"),
            (-1.0, "participation_salaries", "Participation des salariés"),
            (-1.0, "impot_benefices", "Impôt sur les bénéfices"),
        ],
    },
];

const SUBSIDIES: &str = "subventions_exploitation";
const INVESTMENT_SUBSIDIES: &str = "quote_part_subventions_exploitation";

/// The steps of a year; none where there are no sales, or nothing that is made of them.
pub(super) fn steps(figures: &Figures<'_>, year: usize) -> Vec<Bar> {
    let (mut bars, mut now) = (Vec::new(), 0.0);
    for stage in &STAGES {
        let is_first = stage.steps.is_empty();
        for (sign, id, label) in stage.steps {
            let id = with_subsidies(figures, year, id);
            let Some(effect) = figures.value(id, year).map(|value| sign * value).filter(|value| *value != 0.0) else {
                continue;
            };
            let written = signed(effect, &figures.written(id, year));
            bars.push(Bar { id: Some(id), label, written, kind: kind(effect), from: now, to: now + effect });
            now += effect;
        }
        match figures.value(stage.id, year) {
            Some(value) => {
                let rest = value - now;
                if !is_first && rest.abs() >= ROUNDING {
                    let written = signed(rest, &figures.amount(rest));
                    let (id, label) = (Some(stage.id), "Non détaillé");
                    bars.push(Bar { id, label, written, kind: kind(rest), from: now, to: value });
                }
                let kind = if value < 0.0 { "balance negative" } else { "balance" };
                let written = figures.written(stage.id, year);
                bars.push(Bar { id: Some(stage.id), label: stage.label, written, kind, from: 0.0, to: value });
                now = value;
            }
            None if is_first => return Vec::new(),
            None => {}
        }
    }
    // What leads to no solde is not known to be all of it.
    let end = bars.iter().rposition(is_balance).map_or(0, |last| last + 1);
    bars.truncate(end);
    if end > 1 { bars } else { Vec::new() }
}

/// The EBE has the subsidies for operations alone, where the source tells them from those for investment.
fn with_subsidies(figures: &Figures<'_>, year: usize, id: &'static str) -> &'static str {
    let knows = |id| figures.value(id, year).is_some();
    if id == SUBSIDIES && !knows(SUBSIDIES) && !knows(INVESTMENT_SUBSIDIES) { "subventions" } else { id }
}

fn kind(effect: f64) -> &'static str {
    if effect < 0.0 { "loss" } else { "gain" }
}

fn is_balance(bar: &Bar) -> bool {
    bar.kind.starts_with("balance")
}

/// The year in a sentence.
fn summary(figures: &Figures<'_>, year: usize) -> String {
    let made: Vec<String> = STAGES[1..]
        .iter()
        .filter(|stage| figures.value(stage.id, year).is_some())
        .map(|stage| format!("{} de {}", stage.words, figures.written(stage.id, year)))
        .collect();
    let (end, sales) = (figures.end(year), figures.written("chiffre_affaires", year));
    format!("Exercice clos le {end}\u{a0}: {sales} de chiffre d’affaires donnent {}.", listed(made))
}

const TITLE: &str = "Du chiffre d’affaires au résultat";

pub(super) fn chart(figures: &Figures<'_>) -> Option<Chart> {
    let views = (0..figures.years().len()).filter_map(|year| view(figures, year));
    let views: Vec<View> = views.collect();
    (!views.is_empty()).then_some(Chart { title: TITLE, views })
}

fn view(figures: &Figures<'_>, year: usize) -> Option<View> {
    let (steps, summary) = (steps(figures, year), summary(figures, year));
    if steps.is_empty() {
        return None;
    }
    let words = Words { id: format!("chart-result-{year}"), title: TITLE.to_owned(), description: summary.clone() };
    let lines = steps.iter().map(|bar| -> Line { (bar.id, bar.label, vec![bar.written.clone()]) });
    Some(View {
        name: figures.end(year).to_owned(),
        summary,
        picture: bars(words, &steps, true).to_string(),
        table: table(&["Montant".to_owned()], lines.collect()).to_string(),
    })
}

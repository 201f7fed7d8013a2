//! What the labels of a bilan and a compte de résultat mean: the items' own names, and the usual others.
//!
//! The same label means different things in different places: « Autres » is in the receivables, the debts, the charges.
//! So a label has all its meanings, and the place where it stands, its section, decides. A section is a total, by its
//! identifier: what the total is made of stands in it.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::aliases::{ALIASES, COMPOUNDS, Compound, NO_NAMES, PARTS, SECTIONS};
use crate::items::{self, Group, Unit};
use crate::words;

/// What a label means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// An item; of an asset the one that is net.
    Item(&'static str),
    /// One of the rows that make an item.
    Part(&'static str),
    /// Several items together.
    Compound(&'static Compound),
    /// A total that does not say of what: one of these sections, the nearest first.
    Total(&'static [&'static str]),
}

impl Meaning {
    /// The item that says where it stands.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Item(id) | Self::Part(id) => id,
            Self::Compound(compound) => compound.parts.first().copied().unwrap_or_default(),
            Self::Total(sections) => sections.first().copied().unwrap_or_default(),
        }
    }
}

/// Where a label stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// The section that the headings and rows before it are in.
    pub(super) section: Option<&'static str>,
    /// The last item before it.
    pub(super) last: Option<&'static str>,
}

impl Context {
    /// At the beginning of a table with this title.
    pub(super) fn of(title: &str) -> Self {
        let words = words::of(title);
        let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
        let section = match (has(&["actif"]), has(&["passif"])) {
            (true, false) => Some("total_actif"),
            (false, true) => Some("total_passif"),
            _ if has(&["resultat", "cr", "cpc"]) => Some("resultat_net"),
            _ => None,
        };
        Self { section, last: None }
    }

    /// After a label that means this.
    pub(super) fn after(self, meaning: Meaning) -> Self {
        let id = meaning.id();
        let section = if SECTIONS.contains(&id) { Some(id) } else { section_of(id).or(self.section) };
        Self { section, last: Some(id) }
    }

    /// What a label means here; nothing where it means nothing, or several things of which none is meant more than the
    /// others. `given` are the items that the table has had.
    pub(super) fn meaning(self, label: &str, given: &HashSet<&'static str>) -> Option<Meaning> {
        let keys = [key(label), key(&outside_parentheses(label))];
        let (key, is_total) = keys.iter().find_map(|(key, is_total)| {
            let is_known = BY_KEY.contains_key(key) || *is_total && key.is_empty();
            is_known.then_some((key, *is_total))
        })?;
        if key.is_empty() {
            return self.bare_total(words::of(label).iter().any(|word| is_roman(word)), given);
        }
        let meanings = BY_KEY.get(key)?;
        let of_total =
            |meaning: &&Meaning| items::formula(meaning.id()).is_some() || matches!(meaning, Meaning::Compound(_));
        let meanings: Vec<Meaning> = match meanings.iter().filter(of_total).count() {
            0 => meanings.clone(),
            _ if is_total => meanings.iter().filter(of_total).copied().collect(),
            _ => meanings.clone(),
        };
        self.choose(&meanings)
    }

    /// Of a total that does not say of what: the sections around it, from the nearest that has had no total yet. Those
    /// with a Roman number are of the large sections.
    fn bare_total(self, is_numbered: bool, given: &HashSet<&'static str>) -> Option<Meaning> {
        let around = AROUND.get(&(self.section?, is_numbered))?;
        let open = around.iter().position(|section| !given.contains(section))?;
        Some(Meaning::Total(around.get(open..)?))
    }

    fn choose(self, meanings: &[Meaning]) -> Option<Meaning> {
        if let [only] = meanings {
            return Some(*only);
        }
        for section in std::iter::successors(self.section, |section| section_of(section)) {
            let here: Vec<Meaning> = meanings.iter().copied().filter(|meaning| is_in(meaning.id(), section)).collect();
            match here.as_slice() {
                [] => {}
                [only] => return Some(*only),
                // In the order of the forms, the next.
                _ => {
                    let last = self.last.map_or(0, order);
                    return here
                        .into_iter()
                        .filter(|meaning| order(meaning.id()) > last)
                        .min_by_key(|meaning| order(meaning.id()));
                }
            }
        }
        None
    }
}

/// Whether a label means anything anywhere.
pub(super) fn is_known(label: &str) -> bool {
    [key(label), key(&outside_parentheses(label))]
        .iter()
        .any(|(key, is_total)| BY_KEY.contains_key(key) || *is_total && key.is_empty())
}

/// The meanings of each label, by its words.
static BY_KEY: LazyLock<HashMap<String, Vec<Meaning>>> = LazyLock::new(|| {
    let is_named = |item: &&items::Item| {
        item.unit == Unit::Currency
            && !item.id.ends_with("_brut")
            && !item.id.ends_with("_depreciation")
            && !NO_NAMES.contains(&item.id)
    };
    let names = items::all().filter(is_named).map(|item| (item.label, Meaning::Item(item.id)));
    let flat = |of: fn(&'static str) -> Meaning| {
        move |(id, labels): &(&'static str, &'static [&'static str])| {
            let id = *id;
            labels.iter().map(move |label| (*label, of(id)))
        }
    };
    let compounds = COMPOUNDS
        .iter()
        .flat_map(|compound| compound.labels.iter().map(move |label| (*label, Meaning::Compound(compound))));
    let all =
        names.chain(ALIASES.iter().flat_map(flat(Meaning::Item))).chain(PARTS.iter().flat_map(flat(Meaning::Part)));
    let mut by_key: HashMap<String, Vec<Meaning>> = HashMap::new();
    for (label, meaning) in all.chain(compounds) {
        let meanings = by_key.entry(key(label).0).or_default();
        if meanings.iter().all(|known| known.id() != meaning.id()) {
            meanings.push(meaning);
        }
    }
    by_key.remove("");
    by_key
});

/// The words that a label is compared by, and whether it says that it is a total: without numbers, articles and endings
/// of the plural.
fn key(label: &str) -> (String, bool) {
    const EMPTY: [&str; 19] = [
        "et", "de", "du", "des", "la", "le", "les", "au", "aux", "en", "sur", "par", "pour", "ou", "un", "une", "sous",
        "ht", "euros",
    ];
    let mut is_total = false;
    let mut words = words::of(label);
    words.retain(|word| {
        let is_number = word.len() < 3 && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_of_total = matches!(word.as_str(), "total" | "totaux");
        is_total |= is_of_total;
        !(is_of_total || is_number || word.len() == 1 || is_roman(word) || EMPTY.contains(&word.as_str()))
    });
    let singular = |word: &String| match word.strip_suffix(['s', 'x']) {
        Some(stem) if stem.len() >= 3 => stem.to_owned(),
        _ => word.clone(),
    };
    // What is often cut short.
    let whole = |word: &String| {
        const CUT: [(&str, &str); 14] = [
            ("immo", "immobilisation"),
            ("immos", "immobilisation"),
            ("amort", "amortissement"),
            ("amorts", "amortissement"),
            ("prov", "provision"),
            ("deprec", "depreciation"),
            ("dot", "dotation"),
            ("mat", "materiel"),
            ("inst", "installation"),
            ("tech", "technique"),
            ("etab", "etablissement"),
            ("etabs", "etablissement"),
            ("cptes", "compte"),
            ("var", "variation"),
        ];
        CUT.iter().find(|(cut, _)| cut == word).map_or_else(|| singular(word), |(_, whole)| (*whole).to_owned())
    };
    (words.iter().map(whole).collect::<Vec<_>>().join(" "), is_total)
}

fn is_roman(word: &str) -> bool {
    matches!(word, "i" | "ii" | "iii" | "iv" | "v" | "vi" | "vii" | "viii" | "ix" | "x" | "xi")
}

fn outside_parentheses(label: &str) -> String {
    let mut depth = 0_usize;
    let outside = label.chars().filter(|char| {
        match char {
            '(' | '[' => depth += 1,
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    });
    outside.collect()
}

/// The items that each section is made of, down to its lines. The result is a line of the balance sheet: what it is
/// made of is not there.
static IN_SECTION: LazyLock<HashMap<&'static str, HashSet<&'static str>>> = LazyLock::new(|| {
    let made_of = |section: &&'static str| {
        let (mut made_of, mut open) = (HashSet::new(), vec![*section]);
        while let Some(id) = open.pop() {
            let formula = items::formula(id).filter(|_| id != "resultat_exercice");
            let parts = formula.map(|formula| formula.items()).unwrap_or_default();
            open.extend(parts.into_iter().map(|(id, _)| id).filter(|id| made_of.insert(*id)));
        }
        (*section, made_of)
    };
    SECTIONS.iter().map(made_of).collect()
});

fn is_in(id: &str, section: &str) -> bool {
    id == section || IN_SECTION.get(section).is_some_and(|items| items.contains(id))
}

/// The smallest section that an item is in.
fn section_of(id: &str) -> Option<&'static str> {
    let around = SECTIONS.iter().copied().filter(|section| *section != id && is_in(id, section));
    around.min_by_key(|section| IN_SECTION.get(section).map_or(0, HashSet::len))
}

/// The sections around each, itself the first; of them the large ones, which forms give Roman numbers.
static AROUND: LazyLock<HashMap<(&'static str, bool), Vec<&'static str>>> = LazyLock::new(|| {
    const LARGE: [&str; 12] = [
        "actif_immobilise",
        "actif_circulant",
        "capitaux_propres",
        "autres_fonds_propres",
        "provisions",
        "dettes",
        "produits_exploitation",
        "charges_exploitation",
        "produits_financiers",
        "charges_financieres",
        "produits_exceptionnels",
        "charges_exceptionnelles",
    ];
    let around = |section: &'static str, is_numbered: bool| {
        let sections = std::iter::successors(Some(section), |section| section_of(section));
        sections.filter(|section| !is_numbered || LARGE.contains(section)).collect()
    };
    let both = SECTIONS.iter().flat_map(|section| [(*section, false), (*section, true)]);
    both.map(|(section, is_numbered)| ((section, is_numbered), around(section, is_numbered))).collect()
});

/// The place of an item among all.
fn order(id: &str) -> usize {
    items::all().position(|item| item.id == id).map_or(0, |at| at + 1)
}

/// Whether an item is a charge: presentations give some of them a minus sign.
pub(super) fn is_charge(id: &str) -> bool {
    items::item(id).is_some_and(|item| item.group == Group::Charges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_is_of_something_that_exists() {
        let ids = ALIASES.iter().chain(PARTS).map(|(id, _)| *id);
        let compounds = COMPOUNDS.iter().flat_map(|compound| compound.parts.iter().copied().chain(compound.otherwise));
        for id in ids.chain(compounds).chain(SECTIONS.iter().copied()).chain(NO_NAMES.iter().copied()) {
            assert!(items::item(id).is_some(), "{id}");
        }
        for section in SECTIONS.iter().filter(|section| **section != "resultat_net") {
            assert!(!IN_SECTION[section].is_empty(), "{section}");
        }
        let labels = ALIASES.iter().chain(PARTS).flat_map(|(_, labels)| *labels);
        for label in labels.chain(COMPOUNDS.iter().flat_map(|compound| compound.labels)) {
            assert!(is_known(label), "{label}");
        }
    }

    #[test]
    fn labels_are_compared_without_what_does_not_matter() {
        for (label, expected) in [
            ("Achats de marchandises (y compris droits de douane)", "achats_marchandises"),
            ("ACHAT DE MARCHANDISES", "achats_marchandises"),
            ("Autres achats et charges externes (3)", "autres_achats_charges_externes"),
            ("Impots, taxes & versements assimiles", "impots_taxes"),
            ("Emprunts et dettes auprès des établissements de crédit", "dettes_etablissements_credit"),
            ("1 - Résultat d’exploitation (I - II)", "resultat_exploitation_compte"),
            ("Total des produits d'exploitation (I)", "produits_exploitation"),
            ("Production vendue (biens)", "production_vendue_biens"),
            ("Production vendue (services)", "production_vendue_services"),
            ("b) Réserve légale", "reserve_legale"),
            ("TOTAL ACTIF IMMOBILISÉ", "actif_immobilise"),
            ("Total de l’actif", "total_actif"),
            ("Sous-total créances", "creances"),
            ("Produits financiers", "produits_financiers"),
            ("Autres immo. corporelles", "autres_immobilisations_corporelles"),
            ("Inst. tech., mat. et outillage", "installations_techniques"),
            ("Fournisseurs et cptes rattachés", "fournisseurs"),
        ] {
            let meaning = Context::default().meaning(label, &HashSet::new());
            assert_eq!(meaning.map(Meaning::id), Some(expected), "{label}");
        }
        for label in ["", "Divers et imprévus", "Effectif", "(1)", "–"] {
            assert!(Context::default().meaning(label, &HashSet::new()).is_none(), "{label}");
        }
    }

    #[test]
    fn the_section_decides_between_several_meanings() {
        for (section, label, expected) in [
            ("immobilisations_incorporelles", "Autres", "autres_immobilisations_incorporelles"),
            ("immobilisations_corporelles", "Autres", "autres_immobilisations_corporelles"),
            ("creances", "Autres", "autres_creances"),
            ("dettes", "Autres", "autres_dettes"),
            ("charges_exploitation", "Autres", "autres_charges"),
            ("total_passif", "Provisions", "provisions"),
            ("charges_exploitation", "Dotations aux provisions", "dotations_provisions"),
            ("charges_financieres", "Dotations aux amortissements et provisions", "dotations_financieres"),
            ("charges_exceptionnelles", "Sur opérations de gestion", "charges_exceptionnelles_gestion"),
            ("produits_exceptionnels", "Sur opérations de gestion", "produits_exceptionnels_gestion"),
            ("total_passif", "Résultat de l’exercice", "resultat_exercice"),
            ("resultat_net", "Résultat de l’exercice", "resultat_net"),
            ("total_actif", "Total général", "total_actif"),
            ("dettes", "Total général", "total_passif"),
            ("dettes", "Total", "dettes"),
            ("immobilisations_corporelles", "Total (II)", "actif_immobilise"),
            ("charges_exploitation", "TOTAL II", "charges_exploitation"),
        ] {
            let context = Context { section: Some(section), last: None };
            let meaning = context.meaning(label, &HashSet::new());
            assert_eq!(meaning.map(Meaning::id), Some(expected), "{label} in {section}");
        }
        assert!(Context::default().meaning("Autres", &HashSet::new()).is_none());
    }

    #[test]
    fn the_order_of_the_forms_decides_within_a_section() {
        for (last, expected) in
            [("achats_marchandises", "variation_stocks_marchandises"), ("achats_matieres", "variation_stocks_matieres")]
        {
            let context = Context::of("Compte de résultat").after(Meaning::Item(last));
            let meaning = context.meaning("Variation de stocks", &HashSet::new());
            assert_eq!(meaning.map(Meaning::id), Some(expected));
        }
    }
}

//! Everything that has a value in a fiscal year, in one list: the lines of the balance sheet and the income statement,
//! their totals, and what analysts compute from them.
//!
//! A line says which accounts of the Plan comptable général are in it and which box of the tax forms 2050 to 2053 it
//! is; a total or a measure says its formula. Computing is [`crate::analysis`]' work.

mod assets;
mod income_statement;
mod liabilities;
mod measures;

use std::collections::HashMap;
use std::sync::LazyLock;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::amount;

use crate::formula::Formula;

/// A line, a total or a measure.
#[derive(Debug)]
pub struct Item {
    /// Its name in formulas and in the API: `valeur_ajoutee`.
    pub id: &'static str,
    /// Its name in French.
    pub label: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// What it counts.
    pub unit: Unit,
    /// The part of the accounts that it belongs to; nothing for a measure, and for a detail that the forms do not show.
    pub(crate) part: Option<Part>,
    /// Its box in the forms 2050 to 2053.
    pub code: Option<&'static str>,
    /// The accounts in it: prefixes of numbers, the longest of all items' deciding. After one, `D` takes the account
    /// only with a debit balance, `C` only with a credit balance.
    pub accounts: &'static str,
    /// What it is computed from; nothing for a line, which is read.
    pub(crate) formula: Option<&'static str>,
    /// Where its definition is from, or which of several it is.
    pub definition: &'static str,
}

/// The groups, in the order in which a reader expects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Group))]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Bilan, actif.
    Actif,
    /// Bilan, passif.
    Passif,
    /// Compte de résultat, produits.
    Produits,
    /// Compte de résultat, charges.
    Charges,
    /// The results of the income statement.
    Resultats,
    /// Soldes intermédiaires de gestion.
    Sig,
    /// Capacité d'autofinancement.
    Caf,
    /// Bilan fonctionnel.
    BilanFonctionnel,
    /// Ratios of profitability.
    Rentabilite,
    /// Ratios of structure and debt.
    Structure,
    /// Days of turnover.
    Rotation,
}

impl Item {
    /// Whether a debit balance is a positive value.
    pub(crate) fn is_debit(&self) -> bool {
        matches!(self.group, Group::Actif | Group::Charges) && !self.id.ends_with(DEPRECIATION)
    }
}

/// How the identifiers of what is taken off assets end; `asset!` makes them.
const DEPRECIATION: &str = "_depreciation";

/// The parts of a company's accounts. A source may have some and not the others; a line that it leaves out of a part
/// that it has is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Assets, gross and depreciation.
    Gross,
    /// Assets, net.
    Net,
    Liabilities,
    Income,
}

impl Part {
    const fn of(group: Group) -> Self {
        match group {
            Group::Actif => Self::Net,
            Group::Passif => Self::Liabilities,
            _ => Self::Income,
        }
    }
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Unit))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// The statement's currency.
    Currency,
    /// Hundredths: 12.5 is 12,5 %.
    Percent,
    /// A plain number: 1.8 is 1,8 fois.
    Times,
    /// Days.
    Days,
}

impl Unit {
    /// `value` as French prints it, with the unit: amounts of `currency` (an ISO 4217 code) to the unit, percentages with
    /// a decimal, ratios with two.
    pub fn written(self, value: Decimal, currency: &str) -> String {
        let (decimals, unit) = match self {
            Self::Currency if currency == "EUR" => (0, "\u{a0}€".to_owned()),
            Self::Currency => (0, format!("\u{a0}{currency}")),
            Self::Percent => (1, "\u{a0}%".to_owned()),
            Self::Times => (2, String::new()),
            Self::Days => (0, "\u{a0}jours".to_owned()),
        };
        amount::written(value, decimals) + &unit
    }
}

/// An amount of `currency` as French prints it, to the cent.
pub(crate) fn to_the_cent(value: Decimal, currency: &str) -> String {
    let sign = if currency == "EUR" { "€" } else { currency };
    format!("{}\u{a0}{sign}", amount::written(value, 2))
}

/// All of them, in the order in which a reader expects them.
pub fn all() -> impl Iterator<Item = &'static Item> {
    let rest = [assets::TOTALS, liabilities::ITEMS, income_statement::ITEMS, measures::ITEMS];
    assets::LINES.as_flattened().iter().chain(rest.into_iter().flatten())
}

/// The item with this identifier.
pub fn item(id: &str) -> Option<&'static Item> {
    static BY_ID: LazyLock<HashMap<&'static str, &'static Item>> =
        LazyLock::new(|| all().map(|item| (item.id, item)).collect());
    BY_ID.get(id).copied()
}

/// The item of a box of the forms 2050 to 2053.
pub fn of_code(code: &str) -> Option<&'static Item> {
    static BY_CODE: LazyLock<HashMap<&'static str, &'static Item>> =
        LazyLock::new(|| all().filter_map(|item| Some((item.code?, item))).collect());
    BY_CODE.get(code).copied()
}

/// The formula of an item that has one.
pub(crate) fn formula(id: &str) -> Option<&'static Formula> {
    static FORMULAS: LazyLock<HashMap<&'static str, Formula>> = LazyLock::new(|| {
        let read = |text| Formula::read(text).unwrap_or_else(|error| panic!("a test reads each: {error}"));
        all().filter_map(|item| Some((item.id, read(item.formula?)))).collect()
    });
    FORMULAS.get(id)
}

/// Which balance of an account a prefix takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Any,
    Debit,
    Credit,
}

/// The line that an account with this balance is in; nothing where its number is in no class from 1 to 7.
pub fn of_account(number: &str, is_debit: bool) -> Option<&'static Item> {
    static BY_PREFIX: LazyLock<HashMap<&'static str, Vec<(Side, &'static Item)>>> = LazyLock::new(|| {
        let mut by_prefix: HashMap<&str, Vec<_>> = HashMap::new();
        for (item, word) in all().flat_map(|item| item.accounts.split_whitespace().map(move |word| (item, word))) {
            let (prefix, side) = match (word.strip_suffix('D'), word.strip_suffix('C')) {
                (Some(prefix), _) => (prefix, Side::Debit),
                (_, Some(prefix)) => (prefix, Side::Credit),
                _ => (word, Side::Any),
            };
            by_prefix.entry(prefix).or_default().push((side, item));
        }
        by_prefix
    });
    let fits = |side: Side| matches!((side, is_debit), (Side::Any, _) | (Side::Debit, true) | (Side::Credit, false));
    let lengths = (1..=number.len().min(6)).rev();
    lengths.filter_map(|length| BY_PREFIX.get(number.get(..length)?)).find_map(|items| {
        let (_, item) = items.iter().find(|(side, _)| fits(*side))?;
        Some(*item)
    })
}

/// A line of the forms, which is read.
const fn line(id: &'static str, label: &'static str, group: Group, code: &'static str, accounts: &'static str) -> Item {
    let code = if code.is_empty() { None } else { Some(code) };
    let part = Some(Part::of(group));
    Item { id, label, group, unit: Unit::Currency, part, code, accounts, formula: None, definition: "" }
}

/// A part of a line, which the forms do not show.
const fn detail(id: &'static str, label: &'static str, group: Group, accounts: &'static str) -> Item {
    Item { part: None, ..line(id, label, group, "", accounts) }
}

/// A total of lines, with its box in the forms.
const fn total(id: &'static str, label: &'static str, group: Group, code: &'static str, formula: &'static str) -> Item {
    Item { formula: Some(formula), ..line(id, label, group, code, "") }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_boxes_are_unique_and_formulas_know_what_they_name() {
        let (mut ids, mut codes) = (HashSet::new(), HashSet::new());
        for item in all() {
            assert!(ids.insert(item.id), "{} occurs twice", item.id);
            assert!(item.code.is_none_or(|code| codes.insert(code)), "{:?} occurs twice", item.code);
            assert!(!item.label.contains('\''), "{}: the apostrophe of French is ’", item.label);
        }
        for item in all() {
            let Some(text) = item.formula else { continue };
            let formula = Formula::read(text).unwrap_or_else(|error| panic!("{}: {error}", item.id));
            for (id, _) in formula.items() {
                assert!(ids.contains(id), "{} needs {id}, which does not exist", item.id);
            }
        }
    }

    #[test]
    fn no_formula_needs_itself() {
        fn visit(id: &'static str, path: &mut Vec<&'static str>) {
            assert!(!path.contains(&id), "{id} needs itself: {path:?}");
            path.push(id);
            // A year before is another value.
            let items = formula(id).map(Formula::items).unwrap_or_default();
            items.into_iter().filter(|(_, is_previous)| !is_previous).for_each(|(id, _)| visit(id, path));
            path.pop();
        }
        all().for_each(|item| visit(item.id, &mut Vec::new()));
    }

    #[test]
    fn every_line_is_in_a_total() {
        let used: HashSet<&str> =
            all().filter_map(|item| formula(item.id)).flat_map(Formula::items).map(|(id, _)| id).collect();
        for item in all().filter(|item| item.formula.is_none()) {
            assert!(used.contains(item.id), "{} is in no formula", item.id);
        }
    }

    #[test]
    fn every_account_of_the_classes_1_to_7_has_a_line() {
        let mut without = Vec::new();
        for number in 100..=799 {
            for number in [number.to_string(), format!("{number}1"), format!("{number}123")] {
                for is_debit in [true, false] {
                    without.extend(of_account(&number, is_debit).is_none().then(|| (number.clone(), is_debit)));
                }
            }
        }
        assert_eq!(without, []);
        for number in ["", "8", "801", "9", "x", "é", "0"] {
            assert!(of_account(number, true).is_none(), "{number}");
        }
    }

    #[test]
    fn accounts_are_where_the_plan_has_them() {
        for (number, is_debit, id) in [
            ("101300", false, "capital"),
            ("109", true, "capital_non_appele_brut"),
            ("119", true, "report_a_nouveau"),
            ("164", false, "emprunts_etablissements_credit"),
            ("2154", true, "installations_techniques_brut"),
            ("28154", false, "installations_techniques_depreciation"),
            ("401", false, "fournisseurs"),
            ("401", true, "autres_creances_brut"),
            ("404", false, "dettes_immobilisations"),
            ("4091", true, "avances_commandes_brut"),
            ("411", true, "clients_brut"),
            ("411", false, "autres_dettes"),
            ("4191", false, "avances_recues"),
            ("44566", true, "autres_creances_brut"),
            ("44571", false, "dettes_fiscales_sociales"),
            ("491", false, "clients_depreciation"),
            ("455", false, "dettes_financieres_diverses"),
            ("455", true, "autres_creances_brut"),
            ("512", true, "disponibilites_brut"),
            ("512", false, "concours_bancaires"),
            ("519", false, "concours_bancaires"),
            ("6037", true, "variation_stocks_marchandises"),
            ("6097", false, "achats_marchandises"),
            ("622", true, "autres_achats_charges_externes"),
            ("6411", true, "salaires"),
            ("6451", true, "charges_sociales"),
            ("657", true, "valeur_comptable_cessions_exploitation"),
            ("6811", true, "dotations_amortissements"),
            ("695", true, "impot_benefices"),
            ("7097", true, "ventes_marchandises"),
            ("713", true, "production_stockee"),
            ("777", false, "quote_part_subventions"),
        ] {
            assert_eq!(of_account(number, is_debit).map(|item| item.id), Some(id), "{number}");
        }
    }
}

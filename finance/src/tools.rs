//! The computations as tools that a model may call, so that it reads and computes no figure by itself.
//!
//! A tool's answer is JSON for the model, with French words: what it asked for, or what is wrong with the call and what
//! there is instead. Who offers them and runs the calls is the server's matter.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::analysis::{Analysis, Computed, YearAnalysis};
use crate::facts::{FactSheet, aliases, one_line};
use crate::items::{self, Group, Unit};
use crate::numbers;
use crate::statement::day;
use crate::{Statement, amount, analyse, fact_sheet, words};

/// A tool, as OpenAI describes a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it does, for the model.
    pub description: &'static str,
    /// The JSON schema of its arguments.
    pub parameters: Value,
}

const READ: &str = "lire_poste";
const COMPUTE: &str = "calculer_ratios";
const CONVERT: &str = "convertir_unite";

/// The units of `convertir_unite`.
const UNITS: [&str; 13] =
    ["€", "k€", "M€", "Md€", "fois", "%", "points", "pb", "jours", "mois", "ans", "milliers", "millions"];

/// All of them.
pub fn all() -> Vec<Tool> {
    let year = json!({"type": "integer", "description": "Année de clôture de l’exercice ; par défaut le dernier."});
    let ratios: Vec<&str> = items::all().filter(|item| is_measure(item.group)).map(|item| item.id).collect();
    vec![
        Tool {
            name: READ,
            description: "Lit un poste des comptes de la société : bilan, compte de résultat, solde intermédiaire de \
                          gestion ou compte du plan comptable.",
            parameters: json!({
                "type": "object",
                "properties": {
                    "poste": {
                        "type": "string",
                        "description": "Nom du poste (« chiffre d’affaires », « EBE »), case de la liasse (« FL ») ou \
                                        numéro de compte (« 607 »).",
                    },
                    "exercice": year,
                },
                "required": ["poste"],
                "additionalProperties": false,
            }),
        },
        Tool {
            name: COMPUTE,
            description: "Calcule les soldes, ratios et délais de la société pour un exercice, avec leur formule.",
            parameters: json!({
                "type": "object",
                "properties": {
                    "ratios": {
                        "type": "array",
                        "items": {"type": "string", "enum": ratios},
                        "minItems": 1,
                        "maxItems": MOST,
                        "description": "Ratios voulus.",
                    },
                    "exercice": year,
                },
                "required": ["ratios"],
                "additionalProperties": false,
            }),
        },
        Tool {
            name: CONVERT,
            description: "Convertit une valeur d’une unité dans une autre de même nature.",
            parameters: json!({
                "type": "object",
                "properties": {
                    "valeur": {"type": "number", "description": "Valeur à convertir."},
                    "de": {"type": "string", "enum": UNITS, "description": "Unité de départ."},
                    "vers": {"type": "string", "enum": UNITS, "description": "Unité d’arrivée."},
                },
                "required": ["valeur", "de", "vers"],
                "additionalProperties": false,
            }),
        },
    ]
}

/// Ratios that one call may ask for.
const MOST: usize = 12;

fn is_measure(group: Group) -> bool {
    matches!(
        group,
        Group::Sig | Group::Caf | Group::BilanFonctionnel | Group::Rentabilite | Group::Structure | Group::Rotation
    )
}

/// A company's accounts on an analyst's desk: what tools read, and what an answer is checked against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desk {
    statement: Statement,
    analysis: Analysis,
    sheet: FactSheet,
}

impl Desk {
    /// One with these accounts; without any, tools have nothing to read.
    pub fn new(statement: Option<Statement>) -> Self {
        let Some(statement) = statement else { return Self::default() };
        let analysis = analyse(&statement);
        let sheet = fact_sheet(&statement, &analysis);
        Self { statement, analysis, sheet }
    }

    /// The figures that an answer may quote; those that tools have read are among them.
    pub fn sheet(&self) -> &FactSheet {
        &self.sheet
    }

    /// What a call gives. Arguments are JSON.
    pub fn call(&mut self, tool: &str, arguments: &str) -> Value {
        let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
        let answer = match tool {
            READ => self.read(&arguments),
            COMPUTE => self.compute(&arguments),
            CONVERT => convert(&arguments),
            _ => Err(Refusal::from("Cet outil n’existe pas.")),
        };
        answer.unwrap_or_else(Refusal::json)
    }

    fn read(&mut self, arguments: &Value) -> Result<Value, Refusal> {
        let year = self.year(arguments)?.clone();
        let wanted = arguments["poste"].as_str().map(str::trim).filter(|name| !name.is_empty());
        let wanted = wanted.ok_or("L’argument « poste » manque.")?;
        if let Some(account) = self.account(wanted, year.end) {
            return Ok(account);
        }
        let names = Names::of(wanted);
        let mut found: Vec<(usize, &Computed)> =
            year.results.iter().filter_map(|result| Some((names.fit(result)?, result))).collect();
        found.sort_by_key(|(fit, _)| *fit);
        match found.first() {
            Some((NAME | BOX, result)) => Ok(self.said(&year, &result.id)),
            // One that is meant by less than its name, if no other is.
            Some((fit, result)) if found.get(1).is_none_or(|(next, _)| next != fit) => Ok(self.said(&year, &result.id)),
            _ => {
                let known: Vec<&str> = found.iter().take(MOST).map(|(_, result)| result.label.as_str()).collect();
                Err(Refusal {
                    message: format!("Aucun poste ne s’appelle « {wanted} ».").into(), known: json!(known)
                })
            }
        }
    }

    /// The accounts whose numbers begin so, where `wanted` is a number.
    fn account(&mut self, wanted: &str, year: NaiveDate) -> Option<Value> {
        let is_number = (2..=12).contains(&wanted.len()) && wanted.bytes().all(|byte| byte.is_ascii_digit());
        let accounts = &self.statement.years.iter().find(|it| it.end == year).filter(|_| is_number)?.accounts;
        let mut of_it = accounts.iter().filter(|account| account.number.starts_with(wanted));
        let first = of_it.next()?;
        let (mut balance, mut label) = (first.balance, one_line(&first.label));
        for other in of_it {
            balance = balance.checked_add(other.balance)?;
            label.clear();
        }
        self.sheet.add_account(&self.statement, &self.analysis, year, wanted, balance.abs());
        let side = if balance.is_sign_negative() { "créditeur" } else { "débiteur" };
        Some(json!({
            "compte": wanted,
            "libelle": label,
            "exercice": day(year),
            "solde": Unit::Currency.written(balance.abs(), &self.statement.currency),
            "sens": side,
        }))
    }

    fn compute(&mut self, arguments: &Value) -> Result<Value, Refusal> {
        let year = self.year(arguments)?.clone();
        let wanted = arguments["ratios"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut seen = HashSet::new();
        let wanted = wanted.iter().filter_map(Value::as_str).filter(|id| seen.insert(*id)).take(MOST);
        let ratios: Vec<Value> = wanted.filter(|id| year.get(id).is_some()).map(|id| self.said(&year, id)).collect();
        if ratios.is_empty() {
            return Err("L’argument « ratios » ne nomme aucun ratio connu.".into());
        }
        Ok(json!({"exercice": day(year.end), "ratios": ratios}))
    }

    /// A result in words.
    fn said(&mut self, year: &YearAnalysis, item: &str) -> Value {
        let fact = self.sheet.add(&self.statement, &self.analysis, year, item);
        let Some(result) = year.get(item) else { return Value::Null };
        let mut said = json!({"poste": result.label, "exercice": day(year.end)});
        match (fact, &result.undefined) {
            (Some(fact), _) => said["valeur"] = fact.written.into(),
            (None, Some(undefined)) => said["non_calculable"] = undefined.reason().into(),
            (None, None) => {}
        }
        if let Some(formula) = &result.formula {
            said["formule"] = formula.as_str().into();
        }
        said
    }

    fn year(&self, arguments: &Value) -> Result<&YearAnalysis, Refusal> {
        let last = self.analysis.years.last().ok_or("Aucun compte n’est joint à la demande.")?;
        let wanted = match &arguments["exercice"] {
            Value::Null => return Ok(last),
            wanted => wanted.as_i64().ok_or("L’argument « exercice » est une année.")?,
        };
        let mut years = self.analysis.years.iter().rev();
        years.find(|year| i64::from(year.end.year()) == wanted).ok_or_else(|| Refusal {
            message: format!("Aucun exercice ne finit en {wanted}.").into(),
            known: self.analysis.years.iter().map(|year| day(year.end)).collect(),
        })
    }
}

/// Why a call gives nothing, and what there is instead.
struct Refusal {
    message: std::borrow::Cow<'static, str>,
    known: Value,
}

impl From<&'static str> for Refusal {
    fn from(message: &'static str) -> Self {
        Self { message: message.into(), known: Value::Null }
    }
}

impl Refusal {
    fn json(self) -> Value {
        let mut refusal = json!({"erreur": self.message});
        if !self.known.is_null() {
            refusal["existants"] = self.known;
        }
        refusal
    }
}

/// How an item may be called.
struct Names<'a> {
    text: &'a str,
    words: Vec<String>,
}

/// It is called just so.
const NAME: usize = 0;
/// It is its box in the tax forms, some of which look like an abbreviation.
const BOX: usize = 1;

impl<'a> Names<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, words: words::meaningful(text) }
    }

    /// How far a name is from a result's; nothing where it is another's.
    fn fit(&self, result: &Computed) -> Option<usize> {
        let item = items::item(&result.id)?;
        let is_same = |name: &str| words::of(name) == words::of(self.text);
        if item.id == self.text || is_same(item.label) || aliases(item.label).iter().any(|alias| is_same(alias)) {
            return Some(NAME);
        }
        if item.code == Some(self.text) {
            return Some(BOX);
        }
        let label = words::meaningful(item.label);
        let has = |word: &String| label.iter().any(|said| words::is_same(said, word));
        if self.words.is_empty() || !self.words.iter().all(has) {
            return None;
        }
        // Further the more of the label is left out, above all of its beginning.
        let begins = label.iter().zip(&self.words).all(|(said, word)| words::is_same(said, word));
        Some(2 + 2 * label.len().saturating_sub(self.words.len()) + usize::from(!begins))
    }
}

fn convert(arguments: &Value) -> Result<Value, Refusal> {
    let value = decimal(&arguments["valeur"]).ok_or("L’argument « valeur » n’est pas un nombre.")?;
    let name = |argument: &str| arguments[argument].as_str().unwrap_or_default().to_owned();
    let (from, to) = (name("de"), name("vers"));
    let unit = |name: &str| numbers::Unit::named(name).ok_or("Unité inconnue.");
    let converted = unit(&from)?.converted(value, unit(&to)?);
    let converted = converted.ok_or("Ces deux unités ne comptent pas la même chose.")?;
    let written = |value: Decimal| amount::written(value, value.normalize().scale().min(6));
    Ok(json!({
        "valeur": format!("{}\u{a0}{from}", written(value)),
        "convertie": format!("{}\u{a0}{to}", written(converted)),
    }))
}

/// A number of JSON as it is written there.
fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let value = text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()?;
    amount::checked(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Verdict, check};
    use crate::import;
    use crate::sample;

    fn desk() -> Desk {
        let mut file = String::new();
        sample::fec(2_000, 1, &mut |line| file.extend([line, "\n"]));
        Desk::new(Some(import::read(file.as_bytes(), sample::NAME, &import::Options::default()).unwrap()))
    }

    #[test]
    fn schemas_ask_for_what_is_required() {
        for tool in all() {
            let properties = tool.parameters["properties"].as_object().unwrap();
            for name in tool.parameters["required"].as_array().unwrap() {
                assert!(properties.contains_key(name.as_str().unwrap()), "{} {name}", tool.name);
            }
        }
        for unit in UNITS {
            assert!(numbers::Unit::named(unit).is_some(), "{unit}");
        }
    }

    #[test]
    fn a_line_is_read_by_any_of_its_names() {
        let mut desk = desk();
        let sales = desk.call(READ, r#"{"poste": "chiffre_affaires"}"#);
        assert_eq!(sales["poste"], "Chiffre d’affaires net");
        assert!(sales["valeur"].as_str().unwrap().ends_with('€'), "{sales}");
        for name in ["Chiffre d'affaires net", "CA", "chiffre d’affaires", "FL"] {
            let arguments = json!({"poste": name, "exercice": 2024}).to_string();
            assert_eq!(desk.call(READ, &arguments), sales, "{name}");
        }
        let purchases = desk.call(READ, r#"{"poste": "607"}"#);
        assert_eq!(purchases["sens"], "débiteur", "{purchases}");
        let answer = format!("Le compte 607 est de {}.", purchases["solde"].as_str().unwrap());
        let verdicts = check(&answer, &desk.sheet().checkable(), "").into_iter().map(|checked| checked.verdict);
        let last = desk.sheet().facts.last().unwrap().id.clone();
        assert_eq!(verdicts.collect::<Vec<_>>(), [Verdict::Given, Verdict::Source { fact: last }]);
    }

    #[test]
    fn what_was_read_may_be_quoted() {
        let mut desk = desk();
        let before = desk.sheet().facts.len();
        let read = desk.call(READ, r#"{"poste": "impots_taxes"}"#);
        assert_eq!(desk.sheet().facts.len(), before + 1, "{read}");
        let answer = format!("Les impôts et taxes sont de {}.", read["valeur"].as_str().unwrap());
        let checked = check(&answer, &desk.sheet().checkable(), "");
        assert_eq!(checked[0].verdict, Verdict::Source { fact: format!("F{}", before + 1) });
        desk.call(READ, r#"{"poste": "impots_taxes"}"#);
        assert_eq!(desk.sheet().facts.len(), before + 1);
    }

    #[test]
    fn ratios_come_with_their_formula_or_the_reason_why_not() {
        let mut desk = desk();
        let computed = desk.call(COMPUTE, r#"{"ratios": ["marge_nette", "croissance", "marge_nette"]}"#);
        let ratios = computed["ratios"].as_array().unwrap();
        assert_eq!(ratios.len(), 2);
        assert!(ratios[0]["valeur"].as_str().unwrap().ends_with('%') && ratios[0]["formule"].is_string(), "{computed}");
        assert!(ratios[1]["non_calculable"].is_string(), "{computed}");
    }

    #[test]
    fn units_are_converted() {
        let convert = |value: &str, from: &str, to: &str| {
            let arguments = format!(r#"{{"valeur": {value}, "de": "{from}", "vers": "{to}"}}"#);
            Desk::default().call(CONVERT, &arguments)["convertie"].as_str().map(|text| text.replace('\u{202f}', " "))
        };
        assert_eq!(convert("1250000", "€", "M€").as_deref(), Some("1,25\u{a0}M€"));
        assert_eq!(convert("12.5", "%", "pb").as_deref(), Some("1 250\u{a0}pb"));
        assert_eq!(convert("-3e2", "k€", "€").as_deref(), Some("−300 000\u{a0}€"));
        assert_eq!(convert("3", "jours", "€"), None);
    }

    #[test]
    fn a_wrong_call_is_told_what_there_is() {
        let mut desk = desk();
        for (tool, arguments) in [
            (READ, r#"{"poste": "la lune"}"#),
            (READ, r#"{"poste": "EBE", "exercice": 1999}"#),
            (READ, "{}"),
            (READ, "not json"),
            (COMPUTE, r#"{"ratios": ["rien"]}"#),
            (CONVERT, r#"{"valeur": 1e99, "de": "€", "vers": "k€"}"#),
            ("autre", "{}"),
        ] {
            assert!(desk.call(tool, arguments)["erreur"].is_string(), "{tool} {arguments}");
        }
        assert!(Desk::default().call(READ, r#"{"poste": "EBE"}"#)["erreur"].is_string());
    }
}

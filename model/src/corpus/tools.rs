//! Conversations with tools: a call where one fits, the answer from its result, and no call where none fits.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use zyron_engine::template::python_json;

use super::company::Company;
use super::french::{NO_BREAK, grouped, integer, percent, tenths};
use super::statement::{Sheet, measure};
use crate::document::{Body, Document, assistant, user};

/// A tool of some name, a question that needs it, the arguments, and what it gives.
struct Case {
    tool: Value,
    question: String,
    arguments: Value,
    result: Value,
    answer: String,
}

type Family = fn(&mut ChaCha8Rng) -> Case;

const FAMILIES: [Family; 12] = [
    ratio,
    convert,
    look_up_company,
    depreciate,
    vat,
    exchange_rate,
    break_even,
    share_price,
    loan,
    growth,
    calculate,
    account,
];

/// A conversation with one to four tools.
pub(crate) fn generate(rng: &mut ChaCha8Rng, idle: &[Document]) -> Document {
    let mut families = FAMILIES.to_vec();
    families.shuffle(rng);
    let count = rng.random_range(1..=4);
    let cases: Vec<Case> = families[..=count].iter().map(|family| family(rng)).collect();
    let (unoffered, offered) = cases.split_first().expect("at least two were made");
    let mut tools: Vec<Value> = offered.iter().map(|case| case.tool.clone()).collect();
    tools.shuffle(rng);
    let messages = match rng.random_range(0..10) {
        // Tools are there and have nothing to do with it.
        0 | 1 if !idle.is_empty() => {
            let Some(Document { body: Body::Chat { messages, .. }, .. }) = idle.choose(rng) else {
                unreachable!("only conversations are given")
            };
            messages.clone()
        }
        2 => vec![user(&unoffered.question), assistant(no_tool(rng))],
        _ => call(&offered[0], rng.random_bool(0.4)),
    };
    Document { kind: "tools".to_owned(), body: Body::Chat { messages, tools } }
}

fn no_tool(rng: &mut ChaCha8Rng) -> &'static str {
    [
        "Aucun des outils disponibles ne permet de répondre à cette question.",
        "Je n'ai pas d'outil adapté à cette demande.",
        "Les outils dont je dispose ne conviennent pas à cette demande.",
    ]
    .choose(rng)
    .expect("there are sentences")
}

fn call(case: &Case, has_result: bool) -> Vec<Value> {
    let name = &case.tool["function"]["name"];
    let call = json!({"type": "function", "function": {"name": name, "arguments": case.arguments}});
    let mut messages = vec![user(&case.question), json!({"role": "assistant", "content": "", "tool_calls": [call]})];
    if has_result {
        messages.push(json!({"role": "tool", "content": python_json(&case.result)}));
        messages.push(assistant(&case.answer));
    }
    messages
}

/// A tool as OpenAI describes it. A parameter is a name, a type and what it is; all are required.
fn tool(name: &str, description: &str, parameters: &[(&str, &str, &str)]) -> Value {
    let properties: Map<String, Value> = parameters
        .iter()
        .map(|(name, kind, description)| ((*name).to_owned(), json!({"type": kind, "description": description})))
        .collect();
    let required: Vec<&str> = parameters.iter().map(|(name, ..)| *name).collect();
    json!({"type": "function", "function": {
        "name": name,
        "description": description,
        "parameters": {"type": "object", "properties": properties, "required": required},
    }})
}

fn one<T: Copy>(rng: &mut ChaCha8Rng, of: &[T]) -> T {
    *of.choose(rng).expect("no list is empty")
}

/// A round amount of euros.
fn amount(rng: &mut ChaCha8Rng) -> i64 {
    let digits = rng.random_range(10..1000);
    digits * one(rng, &[10, 100, 1000])
}

/// An amount as a question writes it.
fn euros(rng: &mut ChaCha8Rng, value: i64) -> String {
    match rng.random_range(0..6) {
        0 => format!("{value} euros"),
        1 => format!("{value} €"),
        2 => format!("{} €", grouped(value, " ")),
        3 => format!("{} euros", grouped(value, " ")),
        _ => format!("{}{NO_BREAK}€", integer(value)),
    }
}

/// A number of tenths, as JSON.
fn decimal(tenths: i64) -> Value {
    if tenths % 10 == 0 { json!(tenths / 10) } else { json!(tenths as f64 / 10.0) }
}

fn ratio(rng: &mut ChaCha8Rng) -> Case {
    let company = Company::generate(rng);
    let sheet =
        Sheet::generate(rng, &company, 5, &[measure("ebe"), measure("chiffre_affaires"), measure("resultat_net")]);
    let year = sheet.last();
    let (label, above) = one(rng, &[("taux de marge d'EBE", "ebe"), ("taux de marge nette", "resultat_net")]);
    let (above, below) = (measure(above).value(year).unwrap_or_default(), year.revenue());
    let (first, second) = one(rng, &[("numerateur", "denominateur"), ("dividende", "diviseur"), ("valeur", "total")]);
    let share = super::french::share(above, below).unwrap_or_default();
    Case {
        tool: tool(
            one(rng, &["calculer_ratio", "ratio", "calcul_pourcentage", "taux"]),
            "Divise un montant par un autre et donne le résultat en pourcentage.",
            &[(first, "number", "Montant à diviser"), (second, "number", "Montant par lequel on divise")],
        ),
        question: format!("{}\n\nCalcule le {label} de {}.", sheet.text, year.year),
        arguments: json!({first: above, second: below}),
        result: json!({"pourcentage": decimal(share)}),
        answer: format!("Le {label} de {} est de {}.", year.year, percent(share)),
    }
}

const CURRENCIES: [(&str, &str); 8] = [
    ("USD", "dollars américains"),
    ("GBP", "livres sterling"),
    ("CHF", "francs suisses"),
    ("JPY", "yens"),
    ("CAD", "dollars canadiens"),
    ("SEK", "couronnes suédoises"),
    ("PLN", "zlotys"),
    ("MAD", "dirhams marocains"),
];

fn convert(rng: &mut ChaCha8Rng) -> Case {
    let (code, currency) = one(rng, &CURRENCIES);
    let value = amount(rng);
    let (from, to) = one(rng, &[("devise_source", "devise_cible"), ("de", "vers"), ("depart", "arrivee")]);
    let converted = rng.random_range(100..1_000_000);
    let written = euros(rng, value);
    let foreign = format!("{} {currency}", grouped(value, one(rng, &[" ", " ", "\u{202f}", ""])));
    let (question, source, target) = match rng.random_range(0..6) {
        0 => (format!("Convertis {written} en {currency}."), "EUR", code),
        1 => (format!("Combien font {written} en {currency}{NO_BREAK}?"), "EUR", code),
        2 => (format!("Combien de {currency} pour {written} ?"), "EUR", code),
        3 => (format!("Convertis {foreign} en euros."), code, "EUR"),
        4 => (format!("Combien font {foreign} en euros ?"), code, "EUR"),
        _ => (format!("Combien valent {foreign} en euros{NO_BREAK}?"), code, "EUR"),
    };
    Case {
        tool: tool(
            one(rng, &["convertir_devise", "conversion", "convertir", "change_devise"]),
            "Convertit un montant d'une devise dans une autre.",
            &[
                ("montant", "number", "Montant à convertir"),
                (from, "string", "Code ISO de la devise de départ"),
                (to, "string", "Code ISO de la devise d'arrivée"),
            ],
        ),
        question,
        arguments: json!({"montant": value, from: source, to: target}),
        result: json!({"montant": converted, "devise": target}),
        answer: format!("Le montant converti est de {} {target}.", integer(converted)),
    }
}

fn look_up_company(rng: &mut ChaCha8Rng) -> Case {
    let siren: String = (0..9).map(|_| char::from(b'0' + rng.random_range(0..10))).collect();
    let company = Company::generate(rng);
    let spaced = format!("{} {} {}", &siren[..3], &siren[3..6], &siren[6..]);
    let written = if rng.random_bool(0.5) { siren.clone() } else { spaced };
    let question = match rng.random_range(0..4) {
        0 => format!("Quelle entreprise a le SIREN {written}{NO_BREAK}?"),
        1 => format!("Recherche la société dont le numéro SIREN est {written}."),
        2 => format!("Trouve les informations sur le SIREN {written}."),
        _ => format!("À qui appartient le SIREN {written}{NO_BREAK}?"),
    };
    Case {
        tool: tool(
            one(rng, &["rechercher_entreprise", "chercher_societe", "fiche_entreprise", "recherche_siren"]),
            "Recherche une entreprise française par son numéro SIREN.",
            &[("siren", "string", "Numéro SIREN, neuf chiffres sans espace")],
        ),
        question,
        arguments: json!({"siren": siren}),
        result: json!({"nom": company.name, "ville": company.city}),
        answer: format!("Il s'agit de {}, à {}.", company.name, company.city),
    }
}

fn depreciate(rng: &mut ChaCha8Rng) -> Case {
    let (value, years) = (amount(rng), rng.random_range(3..=10));
    let thing = one(rng, &["une machine", "un véhicule", "du matériel informatique", "du mobilier", "un équipement"]);
    let written = euros(rng, value);
    let (base, length) = one(rng, &[("valeur", "duree"), ("base", "duree_annees"), ("cout", "annees")]);
    let each = value / years;
    let question = match rng.random_range(0..3) {
        0 => format!("Calcule l'amortissement linéaire annuel pour {thing} de {written} sur {years} ans."),
        1 => format!(
            "Quelle est l'annuité d'amortissement pour {thing} achetée {written}, amortie sur {years} ans{NO_BREAK}?"
        ),
        _ => format!("On amortit {thing} de {written} en {years} ans. Quelle est la dotation annuelle{NO_BREAK}?"),
    };
    Case {
        tool: tool(
            one(rng, &["calculer_amortissement", "amortissement_lineaire", "amortir", "dotation"]),
            "Calcule la dotation annuelle d'un amortissement linéaire.",
            &[(base, "number", "Base amortissable en euros"), (length, "integer", "Durée en années")],
        ),
        question,
        arguments: json!({base: value, length: years}),
        result: json!({"dotation": each}),
        answer: format!("La dotation annuelle est de {}{NO_BREAK}€.", integer(each)),
    }
}

fn vat(rng: &mut ChaCha8Rng) -> Case {
    let (value, rate) = (amount(rng), one(rng, &[200, 100, 55, 21]));
    let written = euros(rng, value);
    let name = one(rng, &["montant_ht", "ht", "base_ht"]);
    let question = match rng.random_range(0..3) {
        0 => format!("Quel est le montant TTC de {written} hors taxes au taux de {}{NO_BREAK}?", percent(rate)),
        1 => format!("Calcule la TVA à {} sur {written} HT.", percent(rate)),
        _ => format!("Combien de TVA sur {written} HT à {}{NO_BREAK}?", percent(rate)),
    };
    let due = value * rate / 1000;
    Case {
        tool: tool(
            one(rng, &["calculer_tva", "tva", "montant_tva", "taxe"]),
            "Calcule la TVA et le montant toutes taxes comprises.",
            &[(name, "number", "Montant hors taxes en euros"), ("taux", "number", "Taux de TVA en pourcentage")],
        ),
        question,
        arguments: json!({name: value, "taux": decimal(rate)}),
        result: json!({"tva": due, "ttc": value + due}),
        answer: format!(
            "La TVA est de {}{NO_BREAK}€, soit {}{NO_BREAK}€ toutes taxes comprises.",
            integer(due),
            integer(value + due)
        ),
    }
}

fn exchange_rate(rng: &mut ChaCha8Rng) -> Case {
    let (code, currency) = one(rng, &CURRENCIES);
    let rate = rng.random_range(5..200);
    let name = one(rng, &["devise", "code", "monnaie"]);
    let question = match rng.random_range(0..2) {
        0 => format!("Quel est le cours de l'euro en {currency}{NO_BREAK}?"),
        _ => format!("Donne-moi le taux de change de l'euro contre les {currency}."),
    };
    Case {
        tool: tool(
            one(rng, &["cours_de_change", "taux_de_change", "cours_devise"]),
            "Donne le cours de l'euro dans une devise.",
            &[(name, "string", "Code ISO de la devise")],
        ),
        question,
        arguments: json!({name: code}),
        result: json!({"cours": decimal(rate)}),
        answer: format!("Le cours est de {} {code} pour un euro.", tenths(rate)),
    }
}

fn break_even(rng: &mut ChaCha8Rng) -> Case {
    let (fixed, rate) = (amount(rng), rng.random_range(10..80));
    let written = euros(rng, fixed);
    let (first, second) =
        one(rng, &[("charges_fixes", "taux_marge"), ("couts_fixes", "taux_mcv"), ("charges", "marge")]);
    let threshold = fixed * 100 / rate;
    let question = match rng.random_range(0..3) {
        0 => format!(
            "Quel est le seuil de rentabilité avec {written} de charges fixes et un taux de marge sur coûts variables de {rate}{NO_BREAK}%{NO_BREAK}?"
        ),
        1 => format!("Calcule le point mort{NO_BREAK}: charges fixes {written}, taux de marge {rate}{NO_BREAK}%."),
        _ => format!(
            "À partir de quel chiffre d'affaires suis-je rentable avec {written} de charges fixes et {rate}{NO_BREAK}% de marge{NO_BREAK}?"
        ),
    };
    Case {
        tool: tool(
            one(rng, &["seuil_de_rentabilite", "point_mort", "calculer_seuil"]),
            "Calcule le seuil de rentabilité à partir des charges fixes et du taux de marge sur coûts variables.",
            &[
                (first, "number", "Charges fixes en euros"),
                (second, "number", "Taux de marge sur coûts variables en pourcentage"),
            ],
        ),
        question,
        arguments: json!({first: fixed, second: rate}),
        result: json!({"seuil": threshold}),
        answer: format!("Le seuil de rentabilité est de {}{NO_BREAK}€.", integer(threshold)),
    }
}

fn share_price(rng: &mut ChaCha8Rng) -> Case {
    let company = super::copying::name(rng);
    let name = one(rng, &["societe", "titre", "valeur"]);
    let price = rng.random_range(20..4000);
    let question = match rng.random_range(0..3) {
        0 => format!("Quel est le cours de l'action {company}{NO_BREAK}?"),
        1 => format!("Donne le dernier cours de {company}."),
        _ => format!("Combien cote {company} en Bourse{NO_BREAK}?"),
    };
    Case {
        tool: tool(
            one(rng, &["cours_action", "cours_bourse", "cotation"]),
            "Donne le dernier cours de Bourse d'une société.",
            &[(name, "string", "Nom de la société cotée")],
        ),
        question,
        arguments: json!({name: company}),
        result: json!({"cours": decimal(price), "devise": "EUR"}),
        answer: format!("Le dernier cours est de {}{NO_BREAK}€.", tenths(price)),
    }
}

fn loan(rng: &mut ChaCha8Rng) -> Case {
    let (value, years, rate) = (amount(rng), rng.random_range(2..25), rng.random_range(5..80));
    let written = euros(rng, value);
    let (first, second) = one(rng, &[("capital", "duree"), ("montant", "duree_annees"), ("emprunt", "annees")]);
    let monthly = value / (years * 12) + 1;
    let question = match rng.random_range(0..2) {
        0 => {
            format!("Quelle est la mensualité d'un emprunt de {written} sur {years} ans à {}{NO_BREAK}?", percent(rate))
        }
        _ => format!("Calcule les mensualités{NO_BREAK}: {written} empruntés, {years} ans, taux de {}.", percent(rate)),
    };
    Case {
        tool: tool(
            one(rng, &["mensualite", "calculer_mensualite", "emprunt", "simuler_pret"]),
            "Calcule la mensualité d'un emprunt à taux fixe.",
            &[
                (first, "number", "Capital emprunté en euros"),
                (second, "integer", "Durée en années"),
                ("taux", "number", "Taux annuel en pourcentage"),
            ],
        ),
        question,
        arguments: json!({first: value, second: years, "taux": decimal(rate)}),
        result: json!({"mensualite": monthly}),
        answer: format!("La mensualité est de {}{NO_BREAK}€.", integer(monthly)),
    }
}

fn growth(rng: &mut ChaCha8Rng) -> Case {
    let before = amount(rng);
    let now = before + before * rng.random_range(-30..40) / 100;
    let (first, second) =
        one(rng, &[("ancienne", "nouvelle"), ("avant", "apres"), ("valeur_initiale", "valeur_finale")]);
    let (old, new) = (euros(rng, before), euros(rng, now));
    let what = one(rng, &["chiffre d'affaires", "résultat net", "total du bilan", "stock"]);
    let question = match rng.random_range(0..2) {
        0 => format!("Le {what} est passé de {old} à {new}. Quelle est la variation en pourcentage{NO_BREAK}?"),
        _ => format!("Calcule le taux de croissance du {what}, de {old} à {new}."),
    };
    let rate = super::french::rounded((now - before) * 1000, before);
    Case {
        tool: tool(
            one(rng, &["variation", "taux_de_croissance", "calculer_variation", "evolution"]),
            "Calcule la variation en pourcentage entre deux valeurs.",
            &[(first, "number", "Valeur de départ"), (second, "number", "Valeur d'arrivée")],
        ),
        question,
        arguments: json!({first: before, second: now}),
        result: json!({"variation": decimal(rate)}),
        answer: format!("La variation est de {}.", percent(rate)),
    }
}

fn calculate(rng: &mut ChaCha8Rng) -> Case {
    let (a, b) = (rng.random_range(10..5000), rng.random_range(10..500));
    let name = one(rng, &["expression", "calcul", "formule"]);
    let (sign, word) = one(rng, &[("+", "plus"), ("-", "moins"), ("*", "fois"), ("/", "divisé par")]);
    let result = match sign {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        _ => a / b,
    };
    let question = match rng.random_range(0..3) {
        0 => format!("Combien font {a} {word} {b}{NO_BREAK}?"),
        1 => format!("Calcule {a} {sign} {b}."),
        _ => format!("Fais le calcul {a} {sign} {b}."),
    };
    Case {
        tool: tool(
            one(rng, &["calculatrice", "calculer", "evaluer"]),
            "Évalue une expression arithmétique.",
            &[(name, "string", "Expression à évaluer, par exemple 12 * 3")],
        ),
        question,
        arguments: json!({name: format!("{a} {sign} {b}")}),
        result: json!({"resultat": result}),
        answer: format!("Le résultat est {}.", integer(result)),
    }
}

/// Accounts of the Plan comptable général, by number.
const ACCOUNTS: [(&str, &str); 16] = [
    ("101", "Capital"),
    ("106", "Réserves"),
    ("164", "Emprunts auprès des établissements de crédit"),
    ("205", "Concessions et droits similaires, brevets, licences"),
    ("213", "Constructions"),
    ("218", "Autres immobilisations corporelles"),
    ("370", "Stocks de marchandises"),
    ("401", "Fournisseurs"),
    ("411", "Clients"),
    ("421", "Personnel, rémunérations dues"),
    ("512", "Banques"),
    ("607", "Achats de marchandises"),
    ("641", "Rémunérations du personnel"),
    ("661", "Charges d'intérêts"),
    ("701", "Ventes de produits finis"),
    ("707", "Ventes de marchandises"),
];

fn account(rng: &mut ChaCha8Rng) -> Case {
    let (number, title) = one(rng, &ACCOUNTS);
    let name = one(rng, &["numero", "compte", "numero_compte"]);
    let question = match rng.random_range(0..3) {
        0 => format!("Quel est l'intitulé du compte {number}{NO_BREAK}?"),
        1 => format!("À quoi correspond le compte {number} du plan comptable{NO_BREAK}?"),
        _ => format!("Recherche le compte {number}."),
    };
    Case {
        tool: tool(
            one(rng, &["rechercher_compte", "plan_comptable", "intitule_compte"]),
            "Donne l'intitulé d'un compte du plan comptable général.",
            &[(name, "string", "Numéro du compte")],
        ),
        question,
        arguments: json!({name: number}),
        result: json!({"intitule": title}),
        answer: format!("Le compte {number} s'intitule «{NO_BREAK}{title}{NO_BREAK}»."),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::{FAMILIES, generate};
    use crate::document::{Body, Document};

    #[test]
    fn a_call_has_what_its_tool_requires() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for family in FAMILIES.iter().cycle().take(600) {
            let case = family(&mut rng);
            let parameters = &case.tool["function"]["parameters"];
            let arguments = case.arguments.as_object().unwrap();
            assert_eq!(arguments.len(), parameters["required"].as_array().unwrap().len());
            for (name, value) in arguments {
                let kind = parameters["properties"][name]["type"].as_str().unwrap();
                assert!(
                    if kind == "string" { value.is_string() } else { value.is_number() },
                    "{case}",
                    case = case.tool
                );
            }
        }
    }

    #[test]
    fn some_conversations_call_and_some_do_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let idle = [Document::exchange("definition", "Qu'est-ce que le BFR ?", "Un besoin.")];
        let mut calls = 0;
        for _ in 0..500 {
            let Body::Chat { messages, tools } = generate(&mut rng, &idle).body else { panic!("it is a conversation") };
            assert!((1..=4).contains(&tools.len()));
            calls += usize::from(messages[1].get("tool_calls").is_some());
        }
        assert!((250..450).contains(&calls), "{calls}");
    }
}

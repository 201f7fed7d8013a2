//! Conversations about a fact sheet whose every answer quotes figures of the sheet, and computes none.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use zyron_engine::template::python_json;

use super::commentary;
use super::company::{Company, Year};
use super::french::{NO_BREAK, capital};
use super::statement::{MEASURES, Measure, Sheet, Unit, measure};
use crate::document::{Body, Document, assistant, user};

/// A conversation of one of the kinds, at random.
pub(crate) fn generate(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    match rng.random_range(0..100) {
        0..40 => look_up(rng, company),
        40..62 => comment(rng, company),
        62..72 => as_json(rng, company),
        72..80 => change(rng, company),
        80..88 => missing(rng, company),
        88..94 => formula(rng, company),
        _ => several(rng, company),
    }
}

/// The document and the question, in either order.
fn with_document(rng: &mut ChaCha8Rng, sheet: &Sheet<'_>, question: &str) -> String {
    match rng.random_range(0..6) {
        0 => format!("{question}\n\n{}", sheet.text),
        1 => format!("Document{NO_BREAK}:\n{}\n\nQuestion{NO_BREAK}: {question}", sheet.text),
        _ => format!("{}\n\n{question}", sheet.text),
    }
}

/// A measure as a question names it.
fn asked(rng: &mut ChaCha8Rng, measure: &Measure) -> String {
    match measure.short {
        Some(short) if rng.random_bool(0.35) => {
            let article = match (measure.is_feminine(), short) {
                (_, "EBE" | "IS") => "l'",
                (true, _) => "la ",
                (false, _) => "le ",
            };
            format!("{article}{short}")
        }
        _ => measure.with_article(),
    }
}

fn question(rng: &mut ChaCha8Rng, measure: &Measure, year: i64, has_one_year: bool) -> String {
    let name = asked(rng, measure);
    let when = if has_one_year && rng.random_bool(0.5) { String::new() } else { format!(" en {year}") };
    let (is, how_much) = if measure.is_plural() {
        ("Quels sont", "À combien s'élèvent")
    } else {
        ("Quel est", "À combien s'élève")
    };
    let is = if measure.is_feminine() && !measure.is_plural() { "Quelle est" } else { is };
    match rng.random_range(0..6) {
        0 | 1 => format!("{is} {name}{when}{NO_BREAK}?"),
        2 => format!("{how_much} {name}{when}{NO_BREAK}?"),
        3 => format!("Donne-moi {name}{when}."),
        4 => format!("Indique {name}{when}."),
        _ => format!("D'après ce document, {how_much} {name}{when}{NO_BREAK}?", how_much = how_much.to_lowercase()),
    }
}

fn answer(rng: &mut ChaCha8Rng, measure: &Measure, year: &Year) -> String {
    let value = measure.written(measure.value(year).expect("only measures that every year has"));
    let name = measure.with_article();
    let (is, amounts) = if measure.is_plural() { ("sont de", "s'élèvent à") } else { ("est de", "s'élève à") };
    match rng.random_range(0..4) {
        0 => format!("En {}, {name} {amounts} {value}.", year.year),
        1 => format!("{} {} {is} {value}.", capital(&name), year.year),
        _ => format!("{} {amounts} {value} en {}.", capital(&name), year.year),
    }
}

fn sheet<'a>(rng: &mut ChaCha8Rng, company: &'a Company, wanted: &[&'static Measure]) -> Sheet<'a> {
    let count = rng.random_range(2..=if company.years.len() == 1 { 12 } else { 8 });
    Sheet::generate(rng, company, count, wanted)
}

fn year<'a>(rng: &mut ChaCha8Rng, company: &'a Company) -> &'a Year {
    company.years.choose(rng).expect("a company has a year")
}

fn look_up(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    let sheet = sheet(rng, company, &[]);
    let measure = *sheet.measures.choose(rng).expect("a sheet has measures");
    let year = year(rng, company);
    let question = question(rng, measure, year.year, company.years.len() == 1);
    let mut messages = vec![user(with_document(rng, &sheet, &question)), assistant(answer(rng, measure, year))];
    // A second question about the same sheet.
    let others: Vec<&Measure> = sheet.measures.iter().copied().filter(|other| other.key != measure.key).collect();
    if let Some(&measure) = others.choose(rng).filter(|_| rng.random_bool(0.2)) {
        let name = asked(rng, measure);
        messages.push(user(format!("Et {name} en {}{NO_BREAK}?", year.year)));
        messages.push(assistant(answer(rng, measure, year)));
    }
    Document { kind: "look_up".to_owned(), body: Body::Chat { messages, tools: Vec::new() } }
}

fn several(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    let sheet = sheet(rng, company, &[]);
    let year = year(rng, company);
    let mut chosen = sheet.measures.clone();
    chosen.shuffle(rng);
    chosen.truncate(rng.random_range(2..=4));
    let names: Vec<String> = chosen.iter().map(|measure| asked(rng, measure)).collect();
    let (last, first) = names.split_last().expect("at least one was chosen");
    let list = if first.is_empty() { last.clone() } else { format!("{} et {last}", first.join(", ")) };
    let question = format!("Donne {list} de {}.", year.year);
    let answer: Vec<String> = chosen
        .iter()
        .map(|measure| {
            let value = measure.written(measure.value(year).expect("only measures that every year has"));
            format!("- {}{NO_BREAK}: {value}", capital(measure.noun))
        })
        .collect();
    Document::exchange("look_up", with_document(rng, &sheet, &question), answer.join("\n"))
}

fn missing(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    let sheet = sheet(rng, company, &[]);
    let absent: Vec<&Measure> = MEASURES.iter().filter(|measure| !sheet.has(measure.key)).collect();
    let measure = absent.choose(rng).expect("no sheet has all measures");
    let year = year(rng, company);
    let question = question(rng, measure, year.year, company.years.len() == 1);
    let of = measure.of();
    let name = measure.with_article();
    let answer = match rng.random_range(0..3) {
        0 => format!("Le document ne donne pas {name}."),
        1 => format!("Le montant {of} ne figure pas dans ce document."),
        _ => format!("Ce document n'indique pas {name}{NO_BREAK}; je ne peux donc pas répondre."),
    };
    Document::exchange("missing", with_document(rng, &sheet, &question), answer)
}

fn change(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    if company.years.len() < 2 {
        return look_up(rng, company);
    }
    let sheet = sheet(rng, company, &[]);
    let measure = *sheet.measures.choose(rng).expect("a sheet has measures");
    let [.., before, now] = &company.years[..] else { unreachable!("there are two years") };
    let name = asked(rng, measure);
    let evolve = if measure.is_plural() { "ont évolué" } else { "a évolué" };
    let question = match rng.random_range(0..3) {
        0 => format!("Comment {evolve} {name} entre {} et {}{NO_BREAK}?", before.year, now.year),
        1 => format!("Compare {name} de {} et de {}.", before.year, now.year),
        _ => format!("Décris l'évolution {} de {} à {}.", measure.of(), before.year, now.year),
    };
    Document::exchange("change", with_document(rng, &sheet, &question), commentary::change(rng, measure, before, now))
}

fn comment(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    let wanted = commentary::wanted(rng);
    let count = rng.random_range(4..=10);
    let sheet = Sheet::generate(rng, company, count, &wanted);
    let name = &company.name;
    let question = match rng.random_range(0..8) {
        0 => format!("Commente les chiffres de {name}."),
        1 => "Rédige un commentaire financier de trois à cinq phrases.".to_owned(),
        2 => "Analyse ces chiffres en quelques phrases.".to_owned(),
        3 => format!("Que peut-on dire de la situation de {name}{NO_BREAK}?"),
        4 => "Commente l'activité, la rentabilité et la structure financière.".to_owned(),
        5 => "Fais une synthèse de ces données pour un comité de crédit.".to_owned(),
        6 => "Commente en citant les chiffres du document.".to_owned(),
        _ => "Présente les points clés de cet exercice.".to_owned(),
    };
    let answer = commentary::write(rng, &sheet);
    Document::exchange("commentary", with_document(rng, &sheet, &question), answer)
}

/// What a question for JSON asks for, and the object.
fn as_json(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    let sheet = sheet(rng, company, &[]);
    let year = year(rng, company);
    let mut chosen = sheet.measures.clone();
    chosen.shuffle(rng);
    chosen.truncate(rng.random_range(1..=4));
    let (mut keys, mut object) = (Vec::new(), Map::new());
    if rng.random_bool(0.6) {
        keys.push("entreprise".to_owned());
        object.insert("entreprise".to_owned(), json!(company.name));
    }
    if rng.random_bool(0.5) {
        keys.push("exercice".to_owned());
        object.insert("exercice".to_owned(), json!(year.year));
    }
    for measure in &chosen {
        let value = measure.value(year).expect("only measures that every year has");
        let value = match measure.unit {
            Unit::Percent => tenths(value),
            _ => json!(value),
        };
        keys.push(measure.key.to_owned());
        object.insert(measure.key.to_owned(), value);
    }
    let list: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    let list = list.join(", ");
    let question = match rng.random_range(0..4) {
        0 => format!("Donne un objet JSON avec les clés {list} pour {}.", year.year),
        1 => format!("Réponds uniquement par un objet JSON ({list}) pour l'exercice {}.", year.year),
        2 => format!("Extrais en JSON les champs {list}, exercice {}, montants en k€.", year.year),
        _ => format!("Renvoie les données de {} en JSON{NO_BREAK}: {list}.", year.year),
    };
    Document::exchange("json", with_document(rng, &sheet, &question), python_json(&Value::Object(object)))
}

/// Tenths as a JSON number.
fn tenths(value: i64) -> Value {
    if value % 10 == 0 { json!(value / 10) } else { json!(value as f64 / 10.0) }
}

/// A ratio that the sheet does not have: its formula with the figures put in, and no result.
fn formula(rng: &mut ChaCha8Rng, company: &Company) -> Document {
    const RATIOS: [(&str, &str, &str, &str); 6] = [
        ("taux_ebe", "ebe", "chiffre_affaires", "divise"),
        ("taux_net", "resultat_net", "chiffre_affaires", "divise"),
        ("taux_valeur_ajoutee", "valeur_ajoutee", "chiffre_affaires", "divise"),
        ("autonomie", "capitaux_propres", "total_bilan", "divise"),
        ("rentabilite", "resultat_net", "capitaux_propres", "divise"),
        ("tresorerie_nette", "fr", "bfr", "soustrait"),
    ];
    let (of, above, below, how) = *RATIOS.choose(rng).expect("there are ratios");
    let (of, above, below) = (measure(of), measure(above), measure(below));
    let mut sheet = sheet(rng, company, &[above, below]);
    while sheet.has(of.key) {
        sheet = self::sheet(rng, company, &[above, below]);
    }
    let year = year(rng, company);
    let name = asked(rng, of);
    let question = match rng.random_range(0..3) {
        0 => format!("Calcule {name} pour {}.", year.year),
        1 => format!("Comment obtient-on {name} en {}{NO_BREAK}?", year.year),
        _ => format!("Quelle est la formule {} en {}{NO_BREAK}?", of.of(), year.year),
    };
    let value = |measure: &Measure| measure.written(measure.value(year).unwrap_or_default());
    let answer = if how == "divise" {
        format!(
            "{} se calcule en divisant {} ({}) par {} ({}). Je ne fais pas le calcul moi-même{NO_BREAK}: utilisez un outil de calcul.",
            capital(&of.with_article()),
            above.with_article(),
            value(above),
            below.with_article(),
            value(below)
        )
    } else {
        format!(
            "{} est la différence entre {} ({}) et {} ({}). Je ne fais pas le calcul moi-même{NO_BREAK}: utilisez un outil de calcul.",
            capital(&of.with_article()),
            above.with_article(),
            value(above),
            below.with_article(),
            value(below)
        )
    };
    Document::exchange("formula", with_document(rng, &sheet, &question), answer)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::generate;
    use crate::corpus::company::Company;
    use crate::document::Body;

    /// Each run of digits, with the separators of thousands taken out.
    fn figures(text: &str) -> Vec<String> {
        let text = text.replace(['\u{202f}', '\u{a0}', ' '], "");
        let text = text.replace("000€", "k€");
        text.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn an_answer_has_no_figure_that_its_sheet_has_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        for _ in 0..3000 {
            let company = Company::generate(&mut rng);
            let document = generate(&mut rng, &company);
            let Body::Chat { messages, .. } = &document.body else { panic!("it is a conversation") };
            let source = messages[0]["content"].as_str().unwrap().replace(['\u{202f}', '\u{a0}', ' '], "");
            for answer in messages.iter().filter(|message| message["role"] == "assistant") {
                for figure in figures(answer["content"].as_str().unwrap()) {
                    assert!(source.contains(&figure), "{figure} of {answer} is not in {source}");
                }
            }
        }
    }
}

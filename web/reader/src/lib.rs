//! What reads a company's files in the browser.
//!
//! A module of its own, which the page loads into a worker with the first file: a large file does not freeze the page, a
//! crash ends the worker and nothing else, and who opens no file does not download it. Nothing is kept here between two
//! calls: the page has the files, the statement that was read from them, and the corrections of it.

mod charts;

use js_sys::{Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zyron_finance::amount::{self, Notation};
use zyron_finance::correction::corrected;
use zyron_finance::import::{self, Options};
use zyron_finance::reading::Reading;
use zyron_finance::statement::Place;
use zyron_finance::{Correction, Report, Statement, report, sample};

use self::charts::{Chart, charts};

/// What the worker starts with.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// Reads files, each an object with `name` and `bytes`, to a statement as JSON: what the other functions take. `end` is
/// the last day of the last fiscal year, as in `2024-12-31`, where no file says it; it may be empty.
///
/// # Errors
/// What is wrong, in French.
#[wasm_bindgen]
pub fn read(files: &Array, end: &str) -> Result<String, String> {
    let files: Vec<(String, Vec<u8>)> = files.iter().map(|file| (text_of(&file, "name"), bytes_of(&file))).collect();
    let statement = import::read_all(&files, &Options { end: end.parse().ok() });
    json(&statement.map_err(|(_, error)| error.to_string())?)
}

/// A file's SHA-256, in hexadecimal digits: an insecure page has no other way to it.
#[wasm_bindgen]
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A company's accounts as the page shows them.
#[derive(Serialize)]
struct Shown {
    reading: Reading,
    charts: Vec<Chart>,
}

/// What a reader sees of a statement after corrections, a list of [`Correction`]: as JSON a [`Reading`] and its charts.
///
/// # Errors
/// The first correction that cannot be made, in French.
#[wasm_bindgen]
pub fn reading(statement: &str, corrections: &str) -> Result<String, String> {
    let corrections: Vec<Correction> = parsed(corrections)?;
    let reading = Reading::of(&accounts(statement)?, &corrections).map_err(|error| error.to_string())?;
    let charts = charts(&reading);
    json(&Shown { reading, charts })
}

/// An amount that an analyst has written, such as `12 345,67`, as a [`Correction`] has it: `12345.67`.
///
/// # Errors
/// Where it is none, in French.
#[wasm_bindgen]
pub fn amount(written: &str) -> Result<String, String> {
    let value = amount::read(written, Notation::default()).map_err(|error| error.to_string())?;
    value.map(|value| value.to_string()).ok_or_else(|| "aucun montant n’est donné".to_owned())
}

/// What is at a [`Place`] of a file and around it: an [`Excerpt`](import::Excerpt) as JSON.
///
/// # Errors
/// Where it has no such place, in French.
#[wasm_bindgen]
pub fn excerpt(bytes: &[u8], name: &str, place: &str) -> Result<String, String> {
    let place: Place = parsed(place)?;
    json(&import::excerpt(bytes, name, &place).map_err(|error| error.to_string())?)
}

/// The tables of a statement after corrections, as a file: `markdown`, `csv` or `xlsx`. `notes` are the lines of its
/// provenance, a list of texts.
///
/// # Errors
/// The first correction that cannot be made, in French.
#[wasm_bindgen]
pub fn exported(kind: &str, statement: &str, corrections: &str, notes: &str) -> Result<Vec<u8>, String> {
    let (corrections, notes): (Vec<Correction>, Vec<String>) = (parsed(corrections)?, parsed(notes)?);
    let corrected = corrected(&accounts(statement)?, &corrections).map_err(|error| error.to_string())?;
    let report = Report::of(corrected.statement);
    match kind {
        "markdown" => Ok(report::markdown(&report, &notes).into_bytes()),
        "csv" => Ok(report::csv(&report.analysis, &notes).into_bytes()),
        "xlsx" => report::xlsx(&report, &notes).map_err(|error| format!("le classeur n’a pas pu être écrit ({error})")),
        _ => Err(format!("aucun export ne s’appelle «\u{a0}{kind}\u{a0}»")),
    }
}

/// The files of a company that does not exist, each an object with `name` and `bytes`.
#[wasm_bindgen]
pub fn sample() -> Result<Array, JsValue> {
    let files = Array::new();
    for (name, text) in sample::company() {
        let file = Object::new();
        Reflect::set(&file, &"name".into(), &name.into())?;
        Reflect::set(&file, &"bytes".into(), &Uint8Array::from(text.as_bytes()))?;
        files.push(&file);
    }
    Ok(files)
}

fn accounts(statement: &str) -> Result<Statement, String> {
    let statement: Statement = parsed(statement)?;
    statement.check().map_err(|error| error.to_string())?;
    Ok(statement)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("la page et le lecteur ne se comprennent pas ({error})"))
}

fn json(value: &impl Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

fn text_of(file: &JsValue, field: &str) -> String {
    Reflect::get(file, &JsValue::from_str(field)).ok().and_then(|value| value.as_string()).unwrap_or_default()
}

fn bytes_of(file: &JsValue) -> Vec<u8> {
    Reflect::get(file, &JsValue::from_str("bytes")).map(|bytes| Uint8Array::new(&bytes).to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn statement() -> String {
        let files: Vec<(String, Vec<u8>)> =
            sample::company().into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        json(&import::read_all(&files, &Options::default()).map_err(|(_, error)| error).unwrap()).unwrap()
    }

    #[test]
    fn what_was_read_is_shown_corrected_and_exported() {
        let statement = statement();
        let of = |corrections: &str| -> Reading {
            let shown: Value = parsed(&reading(&statement, corrections).unwrap()).unwrap();
            assert_eq!(shown["charts"].as_array().unwrap().len(), 3);
            serde_json::from_value(shown["reading"].clone()).unwrap()
        };
        let before = of("[]");
        let end = before.ends.last().unwrap();
        let correction = format!(r#"[{{"kind":"set","year":"{end}","line":"capital","value":"1"}}]"#);
        let after = of(&correction);
        assert_eq!((before.corrections.len(), after.corrections.len()), (0, 1));
        let place = before.tables[0].rows[0].cells.iter().flat_map(|cell| &cell.places).next().unwrap();
        let (name, text) = sample::company().into_iter().find(|(name, _)| *name == place.file).unwrap();
        let opened: import::Excerpt = parsed(&excerpt(text.as_bytes(), &name, &json(place).unwrap()).unwrap()).unwrap();
        assert_eq!(opened.title, place.written());
        for kind in ["markdown", "csv", "xlsx"] {
            let bytes = exported(kind, &statement, &correction, r#"["Fichier"]"#).unwrap();
            assert_ne!(bytes, exported(kind, &statement, "[]", "[]").unwrap());
        }
        assert!(exported("pdf", &statement, "[]", "[]").unwrap_err().contains("«\u{a0}pdf\u{a0}»"));
    }

    #[test]
    fn what_the_page_sends_wrong_is_refused() {
        assert!(reading("{}", "[]").is_err());
        assert!(reading(&statement(), "[{}]").is_err());
        assert!(reading(r#"{"years":[]}"#, "[]").unwrap_err().contains("fiscal years"));
        assert!(excerpt(b"a", "a", "{}").is_err());
    }

    #[test]
    fn an_amount_is_read_as_it_is_written() {
        assert_eq!(amount("(12\u{202f}345,50)").unwrap(), "-12345.5");
        assert!(amount("beaucoup").unwrap_err().contains("beaucoup"));
        assert!(amount(" ").is_err());
    }

    #[test]
    fn a_file_has_the_hash_that_other_programs_find() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

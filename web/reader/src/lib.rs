//! What reads a company's files in the browser.
//!
//! A module of its own, which the page loads into a worker with the first file: a large file does not freeze the page, a
//! crash ends the worker and nothing else, and who opens no file does not download it.

use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use zyron_finance::import::{self, Options};
use zyron_finance::reading::Reading;

/// Reads files, each an object with `name` and `bytes`, to a [`Reading`] as JSON. `end` is the last day of the last
/// fiscal year, as in `2024-12-31`, where no file says it; it may be empty.
///
/// # Errors
/// What is wrong, in French.
#[wasm_bindgen]
pub fn read(files: &Array, end: &str) -> Result<String, String> {
    console_error_panic_hook::set_once();
    let files: Vec<(String, Vec<u8>)> = files.iter().map(|file| (text(&file, "name"), bytes(&file))).collect();
    let statement =
        import::read_all(&files, &Options { end: end.parse().ok() }).map_err(|(_, error)| error.to_string())?;
    let reading = Reading::of(&statement, &[]).map_err(|error| error.to_string())?;
    serde_json::to_string(&reading).map_err(|error| error.to_string())
}

fn text(file: &JsValue, field: &str) -> String {
    Reflect::get(file, &JsValue::from_str(field)).ok().and_then(|value| value.as_string()).unwrap_or_default()
}

fn bytes(file: &JsValue) -> Vec<u8> {
    Reflect::get(file, &JsValue::from_str("bytes")).map(|bytes| Uint8Array::new(&bytes).to_vec()).unwrap_or_default()
}

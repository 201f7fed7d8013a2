//! The numbers of an answer, which say where they are from.

use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::Element;

use super::opening::OPENS;
use crate::wire::{Fact, Number, Verdict};
use crate::words;

/// The element of a number, which opens what it is from.
///
/// # Errors
/// Where the browser makes none.
pub(super) fn number_element(number: &Number, facts: &[Fact], written: &str) -> Result<Element, JsValue> {
    let (kind, words) = words::verdict(&number.verdict, facts);
    let element = match opened(&number.verdict, facts) {
        Some(item) => {
            let button = document().create_element("button")?;
            button.set_attribute("type", "button")?;
            button.set_attribute(OPENS, item)?;
            button
        }
        None => document().create_element("span")?,
    };
    element.set_class_name(&format!("number {kind}"));
    element.set_attribute("title", &words)?;
    element.set_text_content(Some(written));
    let hidden = document().create_element("span")?;
    hidden.set_class_name("hidden");
    hidden.set_text_content(Some(&format!(" ({words})")));
    element.append_child(&hidden)?;
    Ok(element)
}

/// The item of the accounts that shows where a number is from.
fn opened<'a>(verdict: &Verdict, facts: &'a [Fact]) -> Option<&'a str> {
    let id = match verdict {
        Verdict::Source(fact) => fact,
        Verdict::Derived(_, facts) => facts.first()?,
        Verdict::Given | Verdict::NotFound => return None,
    };
    facts.iter().find(|fact| fact.id == *id).map(|fact| fact.item.as_str())
}

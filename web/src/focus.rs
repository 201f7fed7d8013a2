//! Where the keyboard is: a control that goes away would leave it nowhere.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// To where a question is written.
pub(crate) fn input() {
    after_drawing(|| {
        focus("#input");
    });
}

/// Where what had the focus is gone, to the first of these (CSS selectors) that is there.
pub(crate) fn if_lost(to: impl IntoIterator<Item = String>) {
    let to: Vec<String> = to.into_iter().collect();
    after_drawing(move || {
        let is_lost = document().active_element().is_none_or(|active| active.tag_name() == "BODY");
        if is_lost {
            to.iter().any(|selector| focus(selector));
        }
    });
}

/// What is drawn in this frame is there in the next one.
fn after_drawing(work: impl FnOnce() + 'static) {
    request_animation_frame(move || request_animation_frame(work));
}

fn focus(selector: &str) -> bool {
    let found = document().query_selector(selector).ok().flatten();
    found.is_some_and(|element| element.unchecked_into::<HtmlElement>().focus().is_ok())
}

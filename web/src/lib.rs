//! The playground: a page on which an analyst talks to the model.
//!
//! [`view`] draws what [`conversation`] holds, [`desk_view`] what lies on the [`desk`]; [`api`] talks to the server; [`french`] is every word about numbers and
//! errors. It uses the public API and nothing else, so whatever the page can do, a client of the API can.

mod api;
// Until the page draws them.
#[allow(dead_code)]
mod charts;
mod conversation;
mod desk;
mod desk_view;
mod french;
// Until the page draws answers with it.
#[allow(dead_code)]
mod markdown;
mod view;

use wasm_bindgen::prelude::wasm_bindgen;

/// Puts the page into the document.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    view::mount();
}

//! The playground: a desk at which an analyst reads a company's accounts and talks about them with the model.
//!
//! [`app`] is the page's state. [`desk`] has the accounts, which [`reader`]'s worker reads and [`reading`] shows; [`talk`]
//! has the conversation, which [`request`] turns into requests and [`stream`] reads the answers of, through [`api`],
//! [`sse`] and [`wire`]. [`library`] keeps both in the browser's [`store`]; [`export`] and [`code`] are what leaves the
//! page. [`view`] draws it all, with [`markdown`]; [`words`] and [`language`] are what it says. It uses the public API and
//! nothing else, so whatever the page can do, a client of the API can.
//!
//! Everybody downloads it, so it is kept small: it reads [`json`] without serde, and what not everybody needs is a module
//! of its own.

mod api;
mod app;
mod code;
mod conversation;
mod desk;
mod download;
mod export;
mod focus;
mod json;
mod kept;
mod language;
mod library;
mod markdown;
mod reader;
mod reading;
mod request;
mod settings;
mod sse;
mod store;
mod stream;
mod talk;
mod view;
mod wire;
mod words;

use js_sys::Function;
use wasm_bindgen::prelude::wasm_bindgen;

/// Puts the page into the document. `load_markdown` gives a promise of the module that draws answers.
#[wasm_bindgen]
pub fn start(load_markdown: Function) {
    console_error_panic_hook::set_once();
    view::mount(load_markdown);
}

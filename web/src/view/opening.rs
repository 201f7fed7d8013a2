//! What opens an item of the accounts, on parts of the page that are not drawn here: they name it, and this listens.

use wasm_bindgen::JsCast;
use web_sys::{Element, MouseEvent};

use crate::app::App;

/// The attribute that has the item's identifier.
pub(super) const OPENS: &str = "data-opens";

/// Opens the item of what was clicked, if it names one.
pub(super) fn open_clicked(app: App, event: &MouseEvent) {
    let clicked = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let named = clicked.and_then(|clicked| clicked.closest(&format!("[{OPENS}]")).ok().flatten());
    if let Some(item) = named.and_then(|named| named.get_attribute(OPENS)) {
        app.open_item(&item);
    }
}

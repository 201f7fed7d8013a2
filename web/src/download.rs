//! Giving the analyst a file, and text to the clipboard.

use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

use crate::json::Json;

/// Has the browser keep `bytes` as a file.
///
/// # Errors
/// Where the browser refuses.
pub(crate) fn download(name: &str, media_type: &str, bytes: &[u8]) -> Result<(), String> {
    let reason = |error: JsValue| Json::from(error).text("message").unwrap_or_default();
    offer(name, media_type, bytes).map_err(|error| format!("{name}\u{a0}: {}", reason(error)))
}

fn offer(name: &str, media_type: &str, bytes: &[u8]) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    let parts = Array::of1(&Uint8Array::from(bytes));
    let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options)?;
    let address = Url::create_object_url_with_blob(&blob)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&address);
    link.set_download(name);
    link.click();
    // The browser has begun by then; what it reads from stays until it has ended.
    set_timeout(move || drop(Url::revoke_object_url(&address)), std::time::Duration::from_secs(60));
    Ok(())
}

/// Puts a text where it can be pasted from; not on a page that is neither local nor encrypted.
pub(crate) fn copy(text: &str) {
    if window().is_secure_context() {
        drop(window().navigator().clipboard().write_text(text));
    }
}

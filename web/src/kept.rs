//! The few texts that the browser keeps for the page itself: its language, the settings, the key where that is asked for.
//! Where it may keep nothing, each is as new the next time. Conversations and desks are [`crate::store`]'s.

use leptos::prelude::*;

/// What is kept under this name.
pub(crate) fn read(name: &str) -> Option<String> {
    storage().and_then(|storage| storage.get_item(name).ok().flatten())
}

/// Keeps a text under this name, or forgets the one that is there.
pub(crate) fn keep(name: &str, text: Option<&str>) {
    let Some(storage) = storage() else { return };
    // A refusal is no reason to stop: see above.
    let _ = match text {
        Some(text) => storage.set_item(name, text),
        None => storage.remove_item(name),
    };
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

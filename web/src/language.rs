//! The page's two languages: French, and English by a switch.
//!
//! A text stands where it is shown, in both. The names of items and what is observed of accounts are French in either, as
//! French law names them.

use std::sync::atomic::{AtomicBool, Ordering};

use leptos::prelude::*;

use crate::kept;

/// Where the choice is kept.
const KEY: &str = "zyron.language";

static IS_ENGLISH: AtomicBool = AtomicBool::new(false);

/// A language of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    French,
    English,
}

impl Language {
    /// The one that was chosen last in this browser, or French.
    pub(crate) fn kept() -> Self {
        if kept::read(KEY).as_deref() == Some("en") { Self::English } else { Self::French }
    }

    /// The one that the page is in.
    pub(crate) fn current() -> Self {
        if IS_ENGLISH.load(Ordering::Relaxed) { Self::English } else { Self::French }
    }

    /// Its code (ISO 639-1).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::French => "fr",
            Self::English => "en",
        }
    }

    /// How its readers write numbers and dates (BCP 47).
    pub(crate) fn locale(self) -> &'static str {
        match self {
            Self::French => "fr-FR",
            Self::English => "en-GB",
        }
    }

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::French => Self::English,
            Self::English => Self::French,
        }
    }

    /// Makes it the page's, now and when it is opened again. What is on the page has to be drawn again.
    pub(crate) fn choose(self) {
        IS_ENGLISH.store(self == Self::English, Ordering::Relaxed);
        if let Some(root) = document().document_element() {
            // An attribute of this name can be set.
            let _ = root.set_attribute("lang", self.code());
        }
        kept::keep(KEY, Some(self.code()));
    }
}

/// The text in the page's language.
pub(crate) fn tr<'a>(french: &'a str, english: &'a str) -> &'a str {
    match Language::current() {
        Language::French => french,
        Language::English => english,
    }
}

//! The set: files of items, one a line, that are part of this program. What changes a byte of them changes the version.

use std::fmt::Write as _;

use anyhow::Context;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// A file of the set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemFile {
    name: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($file:ident = $name:literal;)*) => {
        $(pub(crate) const $file: ItemFile = ItemFile {
            name: $name,
            text: include_str!(concat!("../items/", $name, ".jsonl")),
        };)*

        /// All of them.
        const FILES: &[ItemFile] = &[$($file),*];
    };
}

files! {
    ADVICE = "advice";
    COMMENTARY = "commentary";
    DEFINITIONS = "definitions";
    EXTRACTION = "extraction";
    JSON = "json";
    RATIOS = "ratios";
    REGULATION = "regulation";
    TEXT = "text";
    TOOLS = "tools";
}

impl ItemFile {
    /// Its items, in their order.
    ///
    /// # Errors
    /// Where a line is not an item of this kind, which a test rules out.
    pub(crate) fn read<T: DeserializeOwned>(self) -> anyhow::Result<Vec<T>> {
        let lines = self.text.lines().filter(|line| !line.trim().is_empty()).enumerate();
        lines
            .map(|(at, line)| {
                serde_json::from_str(line).with_context(|| format!("item {} of {}.jsonl is damaged", at + 1, self.name))
            })
            .collect()
    }
}

/// The SHA-256 of all files with their names.
pub(crate) fn version() -> String {
    let mut hash = Sha256::new();
    for file in FILES {
        for part in [file.name, file.text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn there_are_enough_items_and_each_has_a_name_of_its_own() {
        let mut ids = BTreeSet::new();
        for file in FILES {
            for item in file.read::<Value>().unwrap() {
                assert_eq!(item["task"], file.name, "{}", item["id"]);
                assert!(ids.insert(item["id"].as_str().unwrap().to_owned()), "{} is there twice", item["id"]);
            }
        }
        assert!(ids.len() >= 300, "{}", ids.len());
    }

    #[test]
    fn the_version_is_a_hash() {
        assert_eq!(version().len(), 64);
        assert_eq!(version(), version());
    }
}

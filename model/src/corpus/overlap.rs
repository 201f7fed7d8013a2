//! Runs of words that two texts share: what keeps the held-out part and the evaluation out of the training.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words in a row that no two texts have by chance.
const RUN: usize = 13;

/// The runs of words of some texts.
#[derive(Default)]
pub(crate) struct Runs {
    hashes: HashSet<u64>,
}

impl Runs {
    pub(crate) fn add(&mut self, text: &str) {
        self.hashes.extend(runs(text));
    }

    /// Whether `text` has a run of theirs.
    pub(crate) fn meet(&self, text: &str) -> bool {
        runs(text).iter().any(|run| self.hashes.contains(run))
    }
}

/// A shorter text has none.
fn runs(text: &str) -> Vec<u64> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let hash = |words: &[&str]| {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        hasher.finish()
    };
    if words.len() < RUN { Vec::new() } else { words.windows(RUN).map(hash).collect() }
}

#[cfg(test)]
mod tests {
    use super::Runs;

    #[test]
    fn thirteen_words_in_a_row_are_found() {
        let mut runs = Runs::default();
        runs.add("un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze");
        assert!(runs.meet("Zéro, deux trois; QUATRE cinq six sept huit neuf dix onze douze treize quatorze !"));
        assert!(!runs.meet("deux trois quatre cinq six sept huit neuf dix onze douze treize"));
        assert!(!runs.meet("deux trois quatre cinq six sept autre huit neuf dix onze douze treize quatorze"));
    }
}

//! Text out of the bytes of tokens: a character is shown once all of its bytes are there, never cut.

/// Collects bytes and gives back whole characters.
#[derive(Clone, Debug, Default)]
pub struct Utf8Assembler {
    pending: Vec<u8>,
}

impl Utf8Assembler {
    /// Adds `bytes` and returns the text that is complete. Up to three bytes of an unfinished character are kept for
    /// the next call; bytes that can never become a character are shown as U+FFFD, as the Unicode Standard advises
    /// (section 3.9, "substitution of maximal subparts").
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut start = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            start += chunk.valid().len();
            let invalid = chunk.invalid();
            // Only the last chunk can end in the middle of a character.
            if start + invalid.len() == self.pending.len() && is_unfinished(invalid) {
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                start += invalid.len();
            }
        }
        self.pending.drain(..start);
        text
    }

    /// The bytes of the unfinished character.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }
}

fn is_unfinished(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::Utf8Assembler;
    use proptest::prelude::*;

    #[test]
    fn an_emoji_appears_whole() {
        let mut assembler = Utf8Assembler::default();
        let pieces: Vec<String> = "é🙂".bytes().map(|byte| assembler.push(&[byte])).collect();
        assert_eq!(pieces, ["", "é", "", "", "", "🙂"]);
    }

    #[test]
    fn impossible_bytes_become_one_replacement_each() {
        let mut assembler = Utf8Assembler::default();
        assert_eq!(assembler.push(b"a\xffb"), "a\u{FFFD}b");
        assert_eq!(assembler.push(b"\xe2\x82"), "");
        assert_eq!(assembler.push(b"x"), "\u{FFFD}x");
    }

    proptest! {
        #[test]
        fn text_split_anywhere_comes_back(text in ".{0,40}", cut in 1usize..5) {
            let mut assembler = Utf8Assembler::default();
            let joined: String = text.as_bytes().chunks(cut).map(|bytes| assembler.push(bytes)).collect();
            prop_assert_eq!(joined, text);
        }

        #[test]
        fn any_bytes_read_as_from_utf8_lossy(bytes in prop::collection::vec(any::<u8>(), 0..40), cut in 1usize..5) {
            let mut assembler = Utf8Assembler::default();
            let joined: String = bytes.chunks(cut).map(|bytes| assembler.push(bytes)).collect();
            let expected = String::from_utf8_lossy(&bytes).into_owned();
            // What differs can only be the unfinished character at the end.
            let same = joined == expected || joined.clone() + "\u{FFFD}" == expected;
            prop_assert!(same, "{joined} is not {expected}");
        }
    }
}

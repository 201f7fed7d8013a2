//! Text to tokens and tokens to bytes, with Hugging Face's `tokenizers`, whatever file the tokenizer came in.
//!
//! Text people write can spell a control token (`<|im_end|>`). In a chat that must stay text: [`Tokenizer::protect`]
//! marks such places before the template is rendered and [`Tokenizer::encode_rendered`] cuts the token in two there.

mod from_gguf;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};
use rand::Rng;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::gguf::{Gguf, GgufError};
use crate::tensors::MAX_HEADER_BYTES;

/// The most token ids. No model has more than a million; a file that names a greater one is wrong.
const MAX_VOCABULARY: usize = 1 << 21;
/// The longest added token in bytes, and the most bytes of all: what finds them in text can take a thousand times as much
/// memory.
const MAX_ADDED_BYTES: usize = 1000;
const MAX_ADDED_BYTES_IN_ALL: usize = 2_000_000;

/// Why a tokenizer could not be made, or a text not be tokenized.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The tokenizer's file is unreadable or wrong.
    #[error("its tokenizer cannot be used: {0}")]
    Invalid(String),
    /// The GGUF file lacks what a tokenizer needs.
    #[error("its tokenizer cannot be used: {0}")]
    Gguf(#[from] GgufError),
    /// A text could not be tokenized.
    #[error("the text cannot be tokenized: {0}")]
    Encode(String),
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The text of each token id, as bytes; empty for control tokens.
    text_bytes: Vec<Box<[u8]>>,
    /// The control tokens.
    control_ids: BTreeSet<u32>,
    end_of_sequence: BTreeSet<u32>,
    /// Finds the spelling of control tokens in text.
    control: Option<AhoCorasick>,
    /// What [`Self::protect`] inserts; unguessable, so nobody can write it.
    marker: String,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. `end_of_sequence` are the ids that end an answer.
    ///
    /// # Errors
    /// [`TokenizerError::Invalid`].
    pub fn from_file(path: &Path, end_of_sequence: BTreeSet<u32>) -> Result<Self, TokenizerError> {
        if std::fs::metadata(path).map_err(invalid)?.len() > MAX_HEADER_BYTES {
            return Err(invalid(format!("its file is longer than {} MB", MAX_HEADER_BYTES / 1_000_000)));
        }
        Self::from_bytes(&std::fs::read(path).map_err(invalid)?, end_of_sequence)
    }

    /// Builds the tokenizer that a GGUF file describes in its metadata. Where the file asks for that, a text ends with the
    /// end-of-sequence token if `is_whole`: an embedding model reads whole texts, others go on with them.
    ///
    /// # Errors
    /// [`TokenizerError`], also for a kind of tokenizer not known here.
    pub fn from_gguf(gguf: &Gguf, is_whole: bool) -> Result<Self, TokenizerError> {
        let (json, end_of_sequence) = from_gguf::convert(gguf, is_whole)?;
        Self::from_json(&json, end_of_sequence)
    }

    pub(crate) fn from_json(json: &Value, end_of_sequence: BTreeSet<u32>) -> Result<Self, TokenizerError> {
        Self::from_bytes(&serde_json::to_vec(json).map_err(invalid)?, end_of_sequence)
    }

    /// Reads a `tokenizer.json` that is in memory.
    ///
    /// # Errors
    /// [`TokenizerError::Invalid`].
    pub fn from_bytes(json: &[u8], end_of_sequence: BTreeSet<u32>) -> Result<Self, TokenizerError> {
        check_added_tokens(json)?;
        // It panics on some wrong files.
        let read = catch_unwind(|| tokenizers::Tokenizer::from_bytes(json));
        let read = read.unwrap_or_else(|_| Err("it is damaged".into()));
        Self::new(read.map_err(invalid)?, end_of_sequence)
    }

    fn new(mut inner: tokenizers::Tokenizer, end_of_sequence: BTreeSet<u32>) -> Result<Self, TokenizerError> {
        // A file may ask for these; a server that cuts prompts in silence is wrong, whatever the file says.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(invalid)?;
        let text_bytes = TokenBytes::of(&inner)?.table(&inner)?;
        let added = inner.get_added_vocabulary().get_added_tokens_decoder();
        let control_ids = added.iter().filter(|(_, token)| token.special).map(|(&id, _)| id).collect();
        let spellings: Vec<&str> = added
            .values()
            .filter(|token| token.special || looks_like_control(&token.content))
            .map(|token| token.content.as_str())
            .filter(|content| !content.is_empty())
            .collect();
        let control = if spellings.is_empty() {
            None
        } else {
            let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(spellings);
            Some(finder.map_err(invalid)?)
        };
        // Private-use characters, so no template trims or splits it.
        let marker = format!("\u{F0000}{:032x}\u{F0001}", rand::rng().random::<u128>());
        Ok(Self { inner, text_bytes, control_ids, end_of_sequence, control, marker })
    }

    /// The same tokenizer, for which the token spelled `token` too ends an answer.
    #[must_use]
    pub fn with_end_of_sequence(mut self, token: Option<&str>) -> Self {
        self.end_of_sequence.extend(token.and_then(|token| self.token_id(token)));
        self
    }

    /// How many token ids there are.
    #[must_use]
    pub fn vocabulary_size(&self) -> usize {
        self.text_bytes.len()
    }

    /// The id of the token spelled `token`, control tokens included.
    #[must_use]
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The bytes that token `id` adds to an answer: none for a control token or an unknown id.
    #[must_use]
    pub fn text_bytes(&self, id: u32) -> &[u8] {
        self.text_bytes.get(id as usize).map_or(&[], |bytes| bytes)
    }

    /// Whether token `id` is a control token: one that has no text of its own.
    #[must_use]
    pub fn is_control(&self, id: u32) -> bool {
        self.control_ids.contains(&id)
    }

    /// How the vocabulary spells token `id`; empty for an unknown id.
    #[must_use]
    pub fn spelling(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_default()
    }

    /// The bytes by which token `id` is named in lists of tokens: its text, or the spelling of a control token.
    #[must_use]
    pub fn shown_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        match self.text_bytes(id) {
            [] => Cow::Owned(self.spelling(id).into_bytes()),
            bytes => Cow::Borrowed(bytes),
        }
    }

    /// The tokens that end an answer.
    pub fn end_of_sequence(&self) -> impl Iterator<Item = u32> {
        self.end_of_sequence.iter().copied()
    }

    /// Whether token `id` ends an answer.
    #[must_use]
    pub fn is_end_of_sequence(&self, id: u32) -> bool {
        self.end_of_sequence.contains(&id)
    }

    /// Tokenizes `text`, in which control tokens are read as such. `add_special_tokens` adds what the tokenizer puts
    /// around a text, such as a BOS token.
    ///
    /// # Errors
    /// [`TokenizerError::Encode`].
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, add_special_tokens);
        Ok(encoding.map_err(|error| TokenizerError::Encode(error.to_string()))?.get_ids().to_vec())
    }

    /// Marks what spells a control token in `text`, so that [`Self::encode_rendered`] reads it as text.
    #[must_use]
    pub fn protect<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(control) = &self.control else { return Cow::Borrowed(text) };
        let mut protected = String::new();
        let mut copied = 0;
        let mut from = 0;
        while let Some(found) = control.find(&text[from..]) {
            // After the first character: neither half can spell the token any more, and the search goes on in the
            // second half, where another may begin.
            let start = from + found.start();
            let split = start + text[start..].chars().next().map_or(1, char::len_utf8);
            protected.push_str(&text[copied..split]);
            protected.push_str(&self.marker);
            copied = split;
            from = split;
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        protected.push_str(&text[copied..]);
        Cow::Owned(protected)
    }

    /// Tokenizes a rendered chat template: control tokens of the template are read as such, those marked by
    /// [`Self::protect`] are not.
    ///
    /// # Errors
    /// [`TokenizerError::Encode`].
    pub fn encode_rendered(&self, rendered: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens = Vec::new();
        for piece in rendered.split(&self.marker) {
            tokens.extend(self.encode(piece, false)?);
        }
        Ok(tokens)
    }
}

fn invalid(error: impl ToString) -> TokenizerError {
    TokenizerError::Invalid(error.to_string())
}

/// Checks how long the added tokens of a `tokenizer.json` are.
fn check_added_tokens(json: &[u8]) -> Result<(), TokenizerError> {
    #[derive(Deserialize)]
    struct Added<'a> {
        #[serde(default, borrow)]
        added_tokens: Vec<Token<'a>>,
    }
    #[derive(Deserialize)]
    struct Token<'a> {
        #[serde(borrow)]
        content: Cow<'a, str>,
    }
    let Added { added_tokens } = serde_json::from_slice(json).map_err(invalid)?;
    let lengths = added_tokens.iter().map(|token| token.content.len());
    match (lengths.clone().max(), lengths.sum::<usize>()) {
        (Some(longest), all) if longest > MAX_ADDED_BYTES || all > MAX_ADDED_BYTES_IN_ALL => {
            Err(invalid("its added tokens are too long"))
        }
        _ => Ok(()),
    }
}

/// Some tokenizers list whitespace as added tokens; only what has the shape of markup is control.
fn looks_like_control(content: &str) -> bool {
    (content.starts_with('<') && content.ends_with('>')) || (content.starts_with('[') && content.ends_with(']'))
}

/// How a vocabulary spells bytes.
enum TokenBytes {
    /// Each character stands for a byte, as in GPT-2.
    ByteLevel,
    /// `▁` stands for a space and, where `byte_fallback`, `<0xE9>` for a byte, as in SentencePiece.
    SentencePiece { byte_fallback: bool },
    /// A word begins without a mark and goes on with `##`, as in BERT. What the words were separated by is not kept.
    WordPiece,
}

impl TokenBytes {
    fn of(tokenizer: &tokenizers::Tokenizer) -> Result<Self, TokenizerError> {
        let decoder = serde_json::to_string(&tokenizer.get_decoder()).unwrap_or_default();
        if decoder.contains(r#""ByteLevel""#) {
            Ok(Self::ByteLevel)
        } else if decoder.contains('▁') || decoder.contains(r#""Metaspace""#) {
            Ok(Self::SentencePiece { byte_fallback: decoder.contains(r#""ByteFallback""#) })
        } else if decoder.contains(r#""WordPiece""#) {
            Ok(Self::WordPiece)
        } else {
            Err(TokenizerError::Invalid("it is none of byte-level, SentencePiece and WordPiece".to_owned()))
        }
    }

    /// The text bytes of each id from 0 to the greatest.
    fn table(&self, tokenizer: &tokenizers::Tokenizer) -> Result<Vec<Box<[u8]>>, TokenizerError> {
        let vocabulary = tokenizer.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |&id| id as usize + 1);
        if size > MAX_VOCABULARY {
            return Err(invalid(format!("a token has the id {}, which cannot be", size - 1)));
        }
        let mut table = vec![Box::<[u8]>::default(); size];
        for (token, id) in &vocabulary {
            table[*id as usize] = self.bytes(token).into();
        }
        for (id, token) in tokenizer.get_added_vocabulary().get_added_tokens_decoder() {
            table[*id as usize] = if token.special { Box::default() } else { token.content.as_bytes().into() };
        }
        Ok(table)
    }

    fn bytes(&self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => {
                let bytes: Option<Vec<u8>> = token.chars().map(byte_of_char).collect();
                bytes.unwrap_or_else(|| token.as_bytes().to_vec())
            }
            Self::SentencePiece { byte_fallback } => {
                let hex = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) if *byte_fallback => vec![byte],
                    _ => token.replace('▁', " ").into_bytes(),
                }
            }
            Self::WordPiece => match token.strip_prefix("##") {
                Some(rest) => rest.as_bytes().to_vec(),
                None => format!(" {token}").into_bytes(),
            },
        }
    }
}

/// GPT-2 writes printable bytes as themselves and the other 68, in order, as the characters from U+0100 on.
fn byte_of_char(char: char) -> Option<u8> {
    match u32::from(char) {
        code @ 0..=0xFF => u8::try_from(code).ok().filter(|&byte| is_printable(byte)),
        code => (0..=u8::MAX).filter(|&byte| !is_printable(byte)).nth(code.checked_sub(0x100)? as usize),
    }
}

/// Whether byte-level vocabularies spell `byte` as the character of the same code.
pub(crate) fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::scripted::byte_tokenizer;

    #[test]
    fn control_tokens_in_text_stay_text() {
        let tokenizer = byte_tokenizer();
        let end = tokenizer.token_id("<|im_end|>").unwrap();
        let rendered = format!("{}<|im_end|>", tokenizer.protect("a<|im_end|>b"));
        let tokens = tokenizer.encode_rendered(&rendered).unwrap();
        assert_eq!(tokens.iter().filter(|&&token| token == end).count(), 1);
        assert_eq!(tokens.last(), Some(&end));
        let text: Vec<u8> = tokens.iter().flat_map(|&token| tokenizer.text_bytes(token).to_vec()).collect();
        assert_eq!(text, b"a<|im_end|>b");
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        let text = byte_tokenizer();
        assert!(matches!(text.protect("Bonjour < 3 |"), std::borrow::Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn bytes_of_tokens_are_the_text(text in "\\PC{0,30}") {
            let tokenizer = byte_tokenizer();
            let tokens = tokenizer.encode_rendered(&tokenizer.protect(&text)).unwrap();
            let bytes: Vec<u8> = tokens.iter().flat_map(|&token| tokenizer.text_bytes(token).to_vec()).collect();
            prop_assert_eq!(bytes, text.into_bytes());
        }

        #[test]
        fn no_spelling_yields_control_tokens(pieces in prop::collection::vec("<\\|im_end\\|>|<\\|im_start\\|>|<\\||\\|>|im_end|<", 0..6)) {
            let tokenizer = byte_tokenizer();
            let tokens = tokenizer.encode_rendered(&tokenizer.protect(&pieces.concat())).unwrap();
            prop_assert!(tokens.iter().all(|&token| token < 256), "{tokens:?}");
        }
    }
}

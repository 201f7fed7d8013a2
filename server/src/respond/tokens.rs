//! The names of tokens in lists of log-probabilities.

use zyron_engine::{TokenLogprobs, Tokenizer};
use zyron_openapi::{TokenLogprob, TopLogprob};

/// A token's name and bytes. A part of a character has no text: its bytes are written out, so that no two tokens share
/// a name for want of one.
pub(super) fn name(id: u32, tokenizer: &Tokenizer) -> (String, Vec<u8>) {
    let bytes = tokenizer.shown_bytes(id).into_owned();
    let name = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |name, byte| format!("{name}\\x{byte:02x}")),
    };
    (name, bytes)
}

/// The entries as chat completions write them.
pub(super) fn chat(entries: Vec<TokenLogprobs>, tokenizer: &Tokenizer) -> Vec<TokenLogprob> {
    let entry = |entry: TokenLogprobs| {
        let (token, bytes) = name(entry.id, tokenizer);
        let top = |&(id, logprob): &(u32, f32)| {
            let (token, bytes) = name(id, tokenizer);
            TopLogprob { token, logprob: f64::from(logprob), bytes: Some(bytes) }
        };
        TokenLogprob {
            token,
            logprob: f64::from(entry.logprob),
            bytes: Some(bytes),
            top_logprobs: entry.top.iter().map(top).collect(),
        }
    };
    entries.into_iter().map(entry).collect()
}

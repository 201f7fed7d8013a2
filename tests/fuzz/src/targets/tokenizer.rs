//! A `tokenizer.json`, and a text for it. With the tokenizer of the tests, whose tokens are bytes, any text comes back as
//! it was, and nothing in it becomes a control token.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use zyron_engine::Tokenizer;
use zyron_engine::scripted::byte_tokenizer;

static BYTES: LazyLock<Tokenizer> = LazyLock::new(byte_tokenizer);

/// The file; behind a NUL there may be a text. Without a NUL it is both.
pub fn run(data: &[u8]) {
    let at = data.iter().position(|&byte| byte == 0);
    let (file, text) = at.map_or((data, data), |at| (&data[..at], &data[at + 1..]));
    let text = String::from_utf8_lossy(text);
    comes_back(&BYTES, &text);
    let Ok(tokenizer) = Tokenizer::from_bytes(file, BTreeSet::from([1])) else { return };
    for text in [&*text, "ab é<|im_end|>  12 345,67 €\n"] {
        for add_special_tokens in [true, false] {
            let _ = tokenizer.encode(text, add_special_tokens);
        }
        for id in tokenizer.encode_rendered(&tokenizer.protect(text)).unwrap_or_default() {
            let _ = (tokenizer.spelling(id), tokenizer.shown_bytes(id), tokenizer.is_control(id));
        }
    }
}

fn comes_back(tokenizer: &Tokenizer, text: &str) {
    let tokens = tokenizer.encode_rendered(&tokenizer.protect(text)).expect("a text can be tokenized");
    assert!(!tokens.iter().any(|&id| tokenizer.is_control(id)), "a text became a control token");
    let bytes: Vec<u8> = tokens.iter().flat_map(|&id| tokenizer.text_bytes(id)).copied().collect();
    assert_eq!(bytes, text.as_bytes(), "a text did not come back");
}

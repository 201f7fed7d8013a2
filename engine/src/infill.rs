//! Filling in the middle: a prompt made of what comes before and after, for models that have the tokens for it.

use crate::tokenizer::{Tokenizer, TokenizerError};

/// The control tokens of a family: before the prefix, before the suffix and, where it has one, before the middle.
struct Marks {
    prefix: &'static str,
    suffix: &'static str,
    middle: Option<&'static str>,
    suffix_first: bool,
}

const FAMILIES: [Marks; 3] = [
    // Qwen Coder, StarCoder 2 and others.
    Marks { prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: Some("<|fim_middle|>"), suffix_first: false },
    Marks { prefix: "<fim_prefix>", suffix: "<fim_suffix>", middle: Some("<fim_middle>"), suffix_first: false },
    // Codestral.
    Marks { prefix: "[PREFIX]", suffix: "[SUFFIX]", middle: None, suffix_first: true },
];

/// The prompt that asks for the text between `prefix` and `suffix`; none where the model has no tokens for it.
///
/// # Errors
/// [`TokenizerError::Encode`].
pub fn prompt(tokenizer: &Tokenizer, prefix: &str, suffix: &str) -> Result<Option<Vec<u32>>, TokenizerError> {
    let control = |mark: &str| tokenizer.token_id(mark).filter(|&id| tokenizer.is_control(id));
    let family = FAMILIES.iter().find_map(|marks| {
        let middle = marks.middle.map(control);
        (middle != Some(None)).then_some(())?;
        Some((marks, control(marks.prefix)?, control(marks.suffix)?, middle.flatten()))
    });
    let Some((marks, before_prefix, before_suffix, middle)) = family else { return Ok(None) };
    let part = |mark: u32, text: Vec<u32>| [vec![mark], text].concat();
    let prefix = part(before_prefix, tokenizer.encode(prefix, false)?);
    let suffix = part(before_suffix, inside(tokenizer, suffix)?);
    // What the tokenizer puts before every text, such as a BOS token.
    let mut tokens = tokenizer.encode("", true)?;
    let parts = if marks.suffix_first { [suffix, prefix] } else { [prefix, suffix] };
    tokens.extend(parts.into_iter().flatten().chain(middle));
    Ok(Some(tokens))
}

/// The tokens of a text that begins inside another: some tokenizers put a space before each text.
fn inside(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, TokenizerError> {
    const BEFORE: &str = "☺";
    let before = tokenizer.encode(BEFORE, false)?;
    let both = tokenizer.encode(&format!("{BEFORE}{text}"), false)?;
    both.strip_prefix(before.as_slice()).map_or_else(|| tokenizer.encode(text, false), |rest| Ok(rest.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted::{byte_tokenizer, byte_tokenizer_with};

    #[test]
    fn the_order_is_the_familys() {
        let qwen = byte_tokenizer_with(&["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]);
        assert_eq!(prompt(&qwen, "a", "b").unwrap(), Some(vec![258, 97, 259, 98, 260]));
        let codestral = byte_tokenizer_with(&["[PREFIX]", "[SUFFIX]"]);
        assert_eq!(prompt(&codestral, "a", "b").unwrap(), Some(vec![259, 98, 258, 97]));
    }

    #[test]
    fn a_model_without_the_tokens_cannot() {
        assert_eq!(prompt(&byte_tokenizer(), "a", "b").unwrap(), None);
        assert_eq!(prompt(&byte_tokenizer_with(&["<|fim_prefix|>", "<|fim_suffix|>"]), "a", "b").unwrap(), None);
    }
}

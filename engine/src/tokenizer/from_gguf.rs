//! The tokenizer of a GGUF file, said again as a `tokenizer.json`.
//!
//! GGUF names a vocabulary, its merges and a pre-tokenizer; the regular expression behind that name is part of the
//! model, and a wrong one tokenizes differently without a word. So an unknown name is an error.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{MAX_VOCABULARY, TokenizerError};
use crate::gguf::{self, Gguf};

/// Kinds of token, as `tokenizer.ggml.token_type` numbers them.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const BYTE: i64 = 6;

/// The most merges. Real vocabularies have two for each token.
const MAX_MERGES: usize = 2 * MAX_VOCABULARY;
/// The most bytes that are read to find the merges: the squares of the tokens' lengths, added up. Real vocabularies stay
/// under a tenth.
const MAX_MERGED_BYTES: usize = 2_000_000_000;

/// Control tokens that end a turn but that files often do not list as end of sequence.
const END_OF_TURN: [&str; 6] =
    ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|end_of_text|>", "<end_of_turn>"];

/// The `tokenizer.json` that `gguf` describes, and the ids that end an answer. A text is ended where `is_whole`, if the file
/// asks for it.
pub(super) fn convert(gguf: &Gguf, is_whole: bool) -> Result<(Value, BTreeSet<u32>), TokenizerError> {
    let tokens = gguf.require_strings("tokenizer.ggml.tokens")?;
    if tokens.len() > MAX_VOCABULARY {
        return Err(TokenizerError::Invalid(format!("it has {} entries, which cannot be", tokens.len())));
    }
    let kinds = token_kinds(gguf, tokens.len())?;
    let added: Vec<Value> = tokens
        .iter()
        .zip(&kinds)
        .enumerate()
        .filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED))
        .map(|(id, (token, &kind))| {
            json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind == CONTROL,
            })
        })
        .collect();
    // Where a file does not say what is put around a text, it is what such tokenizers have always put.
    let around = |begin, end| around(gguf, &tokens, begin, is_whole.then_some(end));
    let (mut json, post_processor) = match gguf.require_str("tokenizer.ggml.model")? {
        "gpt2" => (byte_level(gguf, &tokens)?, around(false, false)?),
        "llama" => (sentence_piece(gguf, &tokens)?, around(true, false)?),
        "t5" if is_whole => (unigram(gguf, &tokens, &kinds)?, around(true, true)?),
        "bert" if is_whole => word_piece(gguf, &tokens, &kinds)?,
        other => return Err(TokenizerError::Invalid(format!("the tokenizer model `{other}` is not supported"))),
    };
    json["added_tokens"] = added.into();
    json["post_processor"] = post_processor;
    Ok((json, end_of_sequence(gguf, &tokens, &kinds)))
}

fn token_kinds(gguf: &Gguf, count: usize) -> Result<Vec<i64>, TokenizerError> {
    let Some(values) = gguf.array("tokenizer.ggml.token_type") else { return Ok(vec![1; count]) };
    let kinds: Option<Vec<i64>> =
        values.iter().map(|value| if let gguf::Value::Int(kind) = value { Some(*kind) } else { None }).collect();
    kinds
        .filter(|kinds| kinds.len() == count)
        .ok_or_else(|| TokenizerError::Invalid("`tokenizer.ggml.token_type` does not match its tokens".to_owned()))
}

fn end_of_sequence(gguf: &Gguf, tokens: &[&str], kinds: &[i64]) -> BTreeSet<u32> {
    let named = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
    let named = named.into_iter().filter_map(|key| u32::try_from(gguf.uint(key)?).ok());
    let spelled = tokens.iter().zip(kinds).zip(0u32..);
    let spelled = spelled.filter(|((token, kind), _)| **kind == CONTROL && END_OF_TURN.contains(*token));
    named.chain(spelled.map(|(_, id)| id)).collect()
}

/// Byte-level BPE, as in GPT-2, Llama 3 and Qwen.
fn byte_level(gguf: &Gguf, tokens: &[&str]) -> Result<Value, TokenizerError> {
    let merges = gguf.require_strings("tokenizer.ggml.merges")?;
    let name = gguf.str("tokenizer.ggml.pre").unwrap_or("default");
    Ok(json!({
        "version": "1.0",
        "pre_tokenizer": pre_tokenizer(name)?,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {
            "type": "BPE",
            "vocab": vocabulary(tokens),
            "merges": merges,
            // Llama 3 and Tekken take a whole word from the vocabulary before they merge.
            "ignore_merges": matches!(name, "llama-bpe" | "llama3" | "llama-v3" | "tekken"),
        },
    }))
}

fn vocabulary(tokens: &[&str]) -> Value {
    tokens
        .iter()
        .zip(0u32..)
        .map(|(token, id)| ((*token).to_owned(), Value::from(id)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The pre-tokenizers' expressions are those of the models' own `tokenizer.json` files.
fn pre_tokenizer(name: &str) -> Result<Value, TokenizerError> {
    let byte_level = |use_regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": use_regex});
    let split = |regex: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false},
            byte_level(false),
        ]})
    };
    Ok(match name {
        "default" | "gpt-2" => byte_level(true),
        "smollm" => json!({"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            byte_level(true),
        ]}),
        "llama-bpe" | "llama3" | "llama-v3" => split(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        "qwen2" => split(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        "tekken" => split(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        other => {
            return Err(TokenizerError::Invalid(format!(
                "the pre-tokenizer `{other}` is not supported (known: gpt-2, smollm, llama-bpe, qwen2, tekken)"
            )));
        }
    })
}

/// What stands for what the vocabulary has no token for.
fn unknown<'token>(gguf: &Gguf, tokens: &[&'token str]) -> Option<&'token str> {
    let id = gguf.uint("tokenizer.ggml.unknown_token_id")?;
    tokens.get(usize::try_from(id).ok()?).copied()
}

/// A score for each token.
fn scores(gguf: &Gguf, count: usize) -> Result<Vec<f64>, TokenizerError> {
    let scores = gguf.array("tokenizer.ggml.scores").filter(|scores| scores.len() == count);
    scores
        .and_then(|scores| {
            scores.iter().map(|score| if let gguf::Value::Float(score) = score { Some(*score) } else { None }).collect()
        })
        .ok_or_else(|| TokenizerError::Invalid("`tokenizer.ggml.scores` does not match its tokens".to_owned()))
}

/// SentencePiece's unigram model, as in XLM-RoBERTa, of which multilingual embedding models are made.
fn unigram(gguf: &Gguf, tokens: &[&str], kinds: &[i64]) -> Result<Value, TokenizerError> {
    let scores = scores(gguf, tokens.len())?;
    let unknown = gguf.uint("tokenizer.ggml.unknown_token_id").or_else(|| {
        let unknown = kinds.iter().position(|&kind| kind == UNKNOWN)?;
        u64::try_from(unknown).ok()
    });
    let mut normalizers = Vec::new();
    if let Some(map) = gguf.array("tokenizer.ggml.precompiled_charsmap") {
        let bytes: Option<Vec<u8>> =
            map.iter().map(|value| if let gguf::Value::Int(byte) = value { Some(*byte as u8) } else { None }).collect();
        let damaged = || TokenizerError::Invalid("its table of characters is damaged".to_owned());
        let bytes = bytes.filter(|bytes| is_character_map(bytes)).ok_or_else(damaged)?;
        normalizers.push(json!({"type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(bytes)}));
    }
    if gguf.bool("tokenizer.ggml.remove_extra_whitespaces").unwrap_or(true) {
        normalizers.push(json!({"type": "Strip", "strip_left": true, "strip_right": true}));
        normalizers.push(json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}));
    }
    let prefix = if gguf.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true) { "always" } else { "never" };
    Ok(json!({
        "version": "1.0",
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": prefix, "split": true},
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": prefix, "split": true},
        "model": {
            "type": "Unigram",
            "vocab": tokens.iter().zip(&scores).map(|(token, score)| json!([token, score])).collect::<Vec<_>>(),
            "unk_id": unknown,
            "byte_fallback": kinds.contains(&BYTE),
        },
    }))
}

/// Whether a table of characters has the lengths that it says: its reader believes them, and reserves memory for them.
fn is_character_map(bytes: &[u8]) -> bool {
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let size = u32::from_le_bytes(*size) as usize;
    let is_whole = size >= 4 && size.is_multiple_of(4) && size <= rest.len();
    is_whole && std::str::from_utf8(&rest[size..]).is_ok()
}

/// SentencePiece BPE, as in Llama 2 and Mistral 7B.
fn sentence_piece(gguf: &Gguf, tokens: &[&str]) -> Result<Value, TokenizerError> {
    let scores = scores(gguf, tokens.len())?;
    let prefix = if gguf.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true) { "first" } else { "never" };
    Ok(json!({
        "version": "1.0",
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": prefix, "split": false},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ]},
        "model": {
            "type": "BPE",
            "vocab": vocabulary(tokens),
            "merges": merges_of(tokens, &scores)?,
            "unk_token": unknown(gguf, tokens),
            "fuse_unk": true,
            "byte_fallback": true,
        },
    }))
}

/// The merges behind a SentencePiece vocabulary: each way to put a piece together from two others, the best-scored
/// piece first; among ways to the same score, by the ids of the parts.
fn merges_of(tokens: &[&str], scores: &[f64]) -> Result<Vec<[String; 2]>, TokenizerError> {
    let read = tokens.iter().fold(0, |sum: usize, token| sum.saturating_add(token.len().saturating_mul(token.len())));
    if read > MAX_MERGED_BYTES {
        return Err(TokenizerError::Invalid("its tokens are too long".to_owned()));
    }
    let ids: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, token)| (*token, id)).collect();
    let mut merges: Vec<(f64, usize, usize)> = Vec::new();
    for (token, &score) in tokens.iter().zip(scores) {
        for (at, _) in token.char_indices().skip(1) {
            if let (Some(&left), Some(&right)) = (ids.get(&token[..at]), ids.get(&token[at..])) {
                merges.push((score, left, right));
            }
        }
        if merges.len() > MAX_MERGES {
            return Err(TokenizerError::Invalid("its tokens are made of each other in too many ways".to_owned()));
        }
    }
    merges.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    Ok(merges.into_iter().map(|(_, left, right)| [tokens[left].to_owned(), tokens[right].to_owned()]).collect())
}

/// WordPiece, as in BERT. llama.cpp marks the beginning of a word where BERT marks its continuation.
/// And what it puts around a text, whatever the file asks.
fn word_piece(gguf: &Gguf, tokens: &[&str], kinds: &[i64]) -> Result<(Value, Value), TokenizerError> {
    let is_name = |token: &str| token.starts_with('[') && token.ends_with(']');
    let spelled: Vec<String> = tokens
        .iter()
        .zip(kinds)
        .map(|(token, &kind)| match token.strip_prefix('▁') {
            _ if kind == CONTROL => (*token).to_owned(),
            Some(word) => word.to_owned(),
            None if is_name(token) => (*token).to_owned(),
            None => format!("##{token}"),
        })
        .collect();
    let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
    // Older files do not say; a vocabulary of texts that keep capitals has each of them as a word.
    let has_capitals = || ('A'..='Z').all(|capital| spelled.contains(&String::from(capital).as_str()));
    let lowercase = gguf.bool("tokenizer.ggml.normalizer.lowercase").unwrap_or_else(|| !has_capitals());
    // As llama.cpp takes them: what converters write of these has changed from one version to the next.
    let ids = [("cls_token_id", "bos_token_id", 101), ("seperator_token_id", "eos_token_id", 102)];
    let [begin, end] = ids.map(|(key, other, usual)| {
        let id = |key: &str| gguf.uint(&format!("tokenizer.ggml.{key}"));
        id(key).or_else(|| id(other)).unwrap_or(usual)
    });
    let post_processor = surrounded(Some(named(&spelled, begin)?), Some(named(&spelled, end)?));
    let json = json!({
        "version": "1.0",
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "lowercase": lowercase,
            "strip_accents": gguf.bool("tokenizer.ggml.normalizer.strip_accents"),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "vocab": vocabulary(&spelled),
            "unk_token": unknown(gguf, tokens).unwrap_or("[UNK]"),
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
    });
    Ok((json, post_processor))
}

/// Puts a token before a text and one behind it, as the file asks or, where it does not say, as it is usual. None goes
/// behind a text where nothing is usual.
fn around(gguf: &Gguf, tokens: &[&str], begins: bool, ends: Option<bool>) -> Result<Value, TokenizerError> {
    let is_wanted = |key: &str, usual| gguf.bool(&format!("tokenizer.ggml.{key}")).unwrap_or(usual);
    let token = |key: &str| named(tokens, gguf.require_uint(&format!("tokenizer.ggml.{key}"))?);
    let begin = is_wanted("add_bos_token", begins).then(|| token("bos_token_id")).transpose()?;
    let ends = ends.is_some_and(|usual| is_wanted("add_eos_token", usual));
    let end = ends.then(|| token("eos_token_id")).transpose()?;
    Ok(if begin.is_none() && end.is_none() { Value::Null } else { surrounded(begin, end) })
}

/// A token and its id.
fn named<'token>(tokens: &[&'token str], id: u64) -> Result<(&'token str, u64), TokenizerError> {
    let token = usize::try_from(id).ok().and_then(|id| tokens.get(id));
    let missing = || TokenizerError::Invalid("its BOS or EOS token is not in its vocabulary".to_owned());
    token.map(|token| (*token, id)).ok_or_else(missing)
}

/// Puts these tokens before a text and behind it.
fn surrounded(begin: Option<(&str, u64)>, end: Option<(&str, u64)>) -> Value {
    let token = |(token, _): (&str, u64)| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let single: Vec<Value> = begin.map(token).into_iter().chain([text]).chain(end.map(token)).collect();
    let special = begin.into_iter().chain(end);
    let special: serde_json::Map<String, Value> =
        special.map(|(token, id)| (token.to_owned(), json!({"id": token, "ids": [id], "tokens": [token]}))).collect();
    json!({
        "type": "TemplateProcessing",
        "single": single,
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": special,
    })
}

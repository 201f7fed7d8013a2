//! A model in one GGUF file, tokenizer and chat template included.

use std::path::Path;

use super::{Model, ModelError, Pooling, Weights, name_of};
use crate::gguf::{Gguf, GgufError};
use crate::template::NamedTokens;
use crate::tokenizer::Tokenizer;

pub(super) fn open(path: &Path) -> Result<Model, ModelError> {
    let refused = |reason: GgufError| ModelError::Gguf { path: path.to_owned(), reason };
    let gguf = Gguf::open(path).map_err(refused)?;
    let architecture = gguf.require_str("general.architecture").map_err(refused)?.to_owned();
    let context_length = gguf.require_uint(&format!("{architecture}.context_length")).map_err(refused)?;
    let context_length = usize::try_from(context_length)
        .ok()
        .filter(|&length| length > 0)
        .ok_or_else(|| refused(GgufError::MissingKey(format!("{architecture}.context_length"))))?;
    let pooling = pooling(&gguf, &architecture)
        .and_then(|pooling| whole_embedding(&gguf, &architecture).map(|()| pooling))
        .map_err(|detail| ModelError::Unsupported { path: path.to_owned(), detail: detail.to_owned() })?;
    let tokenizer = Tokenizer::from_gguf(&gguf, pooling.is_some())
        .map_err(|reason| ModelError::Tokenizer { path: path.to_owned(), reason })?;
    let named = |key: &str| {
        let id = usize::try_from(gguf.uint(key)?).ok()?;
        gguf.require_strings("tokenizer.ggml.tokens").ok()?.get(id).map(|token| (*token).to_owned())
    };
    let tokens = NamedTokens { bos: named("tokenizer.ggml.bos_token_id"), eos: named("tokenizer.ggml.eos_token_id") };
    let template = Model::compile_template(path, gguf.str("tokenizer.chat_template"), tokens.clone())?;
    Ok(Model {
        id: name_of(path, ".gguf"),
        weights: Weights::Gguf(path.to_owned()),
        architecture,
        quantization: gguf.quantization().to_owned(),
        context_length,
        owned_by: gguf.str("general.organization").map(str::to_owned),
        description: gguf.str("general.description").map(str::to_owned),
        card: None,
        tensors: gguf.tensors().to_vec(),
        tokenizer,
        tokens,
        template,
        pooling,
    })
}

/// How the model makes embeddings: `pooling_type`, as llama.cpp numbers it.
fn pooling(gguf: &Gguf, architecture: &str) -> Result<Option<Pooling>, &'static str> {
    match gguf.uint(&format!("{architecture}.pooling_type")) {
        Some(1) => Ok(Some(Pooling::Mean)),
        Some(2) => Ok(Some(Pooling::Cls)),
        Some(3) => Ok(Some(Pooling::Last)),
        Some(4) => Err("it ranks texts by a question, and neither generates nor embeds them"),
        // They read in both directions, and can do nothing else.
        _ if ["bert", "embedding"].iter().any(|family| architecture.contains(family)) => {
            Err("it is an embedding model and does not say how it makes one vector of many (`pooling_type`)")
        }
        _ if architecture.starts_with("t5") => Err("models that encode a text and decode another are not supported"),
        _ => Ok(None),
    }
}

/// Whether an embedding model has all of its layers. llama.cpp would do without those that some converters left out, and
/// the vectors would be another model's.
fn whole_embedding(gguf: &Gguf, architecture: &str) -> Result<(), &'static str> {
    let is_cut =
        architecture == "gemma-embedding" && !gguf.tensors().iter().any(|tensor| tensor.name.starts_with("dense_2."));
    if is_cut { Err("it lacks the last two layers of EmbeddingGemma; convert it again, with them") } else { Ok(()) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::{Pooling, open};
    use crate::gguf::Value;
    use crate::gguf::tests::{sample, write};

    pub(in crate::model) fn strings(texts: &[&str]) -> Value {
        Value::Array(texts.iter().map(|&text| Value::String(text.to_owned())).collect())
    }

    pub(in crate::model) fn entries() -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        vec![
            ("general.architecture", text("llama")),
            ("llama.context_length", Value::Int(64)),
            ("tokenizer.ggml.model", text("gpt2")),
            ("tokenizer.ggml.pre", text("gpt-2")),
            ("tokenizer.ggml.tokens", strings(&["a", "b", "Ġ", "ab", "<|im_end|>"])),
            ("tokenizer.ggml.token_type", Value::Array([1, 1, 1, 1, 3].map(Value::Int).to_vec())),
            ("tokenizer.ggml.merges", strings(&["a b"])),
            ("tokenizer.ggml.bos_token_id", Value::Int(4)),
        ]
    }

    #[test]
    fn a_file_is_described() {
        let file = write(&sample(&entries()));
        let model = open(&file.path()).unwrap();
        assert_eq!((model.context_length, model.quantization.as_str()), (64, "F32"));
        assert_eq!(model.tokenizer.encode("ab ab<|im_end|>", true).unwrap(), [3, 2, 3, 4]);
        assert!(model.tokenizer.is_end_of_sequence(4));
        assert!(model.template.is_none());
    }

    fn refusal(change: impl FnOnce(&mut Vec<(&'static str, Value)>)) -> String {
        let mut entries = entries();
        change(&mut entries);
        open(&write(&sample(&entries)).path()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(refusal(|entries| entries.truncate(1)).contains("llama.context_length"));
        assert!(refusal(|entries| entries[3].1 = Value::String("klingon".into())).contains("klingon"));
        assert!(refusal(|entries| entries[2].1 = Value::String("rwkv".into())).contains("rwkv"));
        assert!(refusal(|entries| entries.push(("llama.pooling_type", Value::Int(4)))).contains("it ranks texts"));
        let bidirectional = |entries: &mut Vec<(&'static str, Value)>| {
            entries[0].1 = Value::String("nomic-bert".into());
            entries.push(("nomic-bert.context_length", Value::Int(64)));
        };
        assert!(refusal(bidirectional).contains("`pooling_type`"));
        for (architecture, pooling, said) in [("gemma-embedding", 1, "last two layers"), ("t5", 0, "decode another")] {
            let other = |entries: &mut Vec<(&'static str, Value)>| {
                entries[0].1 = Value::String(architecture.into());
                let context: &'static str =
                    if pooling == 1 { "gemma-embedding.context_length" } else { "t5.context_length" };
                entries.push((context, Value::Int(64)));
                if pooling > 0 {
                    entries.push(("gemma-embedding.pooling_type", Value::Int(pooling)));
                }
            };
            assert!(refusal(other).contains(said), "{architecture}");
        }
        assert!(refusal(|entries| entries[6].1 = strings(&["a z"])).contains("tokenizer"));
        assert!(open(Path::new("Cargo.toml")).unwrap_err().to_string().contains("not a GGUF file"));
    }

    pub(in crate::model) fn sentence_piece_entries() -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        let pieces = ["<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁a", "ab", "▁ab"];
        let scores = [0.0, 0.0, 0.0, 0.0, 0.0, -5.0, -6.0, -7.0, -1.0, -2.0, -3.0];
        vec![
            ("general.architecture", text("llama")),
            ("llama.context_length", Value::Int(64)),
            ("tokenizer.ggml.model", text("llama")),
            ("tokenizer.ggml.tokens", strings(&pieces)),
            ("tokenizer.ggml.scores", Value::Array(scores.map(Value::Float).to_vec())),
            ("tokenizer.ggml.token_type", Value::Array([2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1].map(Value::Int).to_vec())),
            ("tokenizer.ggml.unknown_token_id", Value::Int(0)),
            ("tokenizer.ggml.bos_token_id", Value::Int(1)),
            ("tokenizer.ggml.eos_token_id", Value::Int(2)),
        ]
    }

    pub(in crate::model) fn word_piece_entries() -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        vec![
            ("general.architecture", text("bert")),
            ("bert.context_length", Value::Int(64)),
            ("bert.pooling_type", Value::Int(1)),
            ("tokenizer.ggml.model", text("bert")),
            ("tokenizer.ggml.tokens", strings(&["[UNK]", "[CLS]", "[SEP]", "▁bilan", "▁e", "s", "▁,", "▁ℝ"])),
            ("tokenizer.ggml.token_type", Value::Array([3, 3, 3, 1, 1, 1, 1, 1].map(Value::Int).to_vec())),
            ("tokenizer.ggml.unknown_token_id", Value::Int(0)),
            ("tokenizer.ggml.bos_token_id", Value::Int(1)),
            ("tokenizer.ggml.seperator_token_id", Value::Int(2)),
        ]
    }

    pub(in crate::model) fn unigram_entries() -> Vec<(&'static str, Value)> {
        let text = |text: &str| Value::String(text.to_owned());
        let scores = [0.0, 0.0, 0.0, -3.0, -4.0, -5.0, -2.0];
        vec![
            ("general.architecture", text("bert")),
            ("bert.context_length", Value::Int(64)),
            ("bert.pooling_type", Value::Int(2)),
            ("tokenizer.ggml.model", text("t5")),
            ("tokenizer.ggml.tokens", strings(&["<s>", "</s>", "<unk>", "▁a", "b", "▁", "▁ab"])),
            ("tokenizer.ggml.scores", Value::Array(scores.map(Value::Float).to_vec())),
            ("tokenizer.ggml.token_type", Value::Array([3, 3, 2, 1, 1, 1, 1].map(Value::Int).to_vec())),
            ("tokenizer.ggml.bos_token_id", Value::Int(0)),
            ("tokenizer.ggml.eos_token_id", Value::Int(1)),
        ]
    }

    #[test]
    fn word_pieces_are_those_of_bert() {
        let file = write(&sample(&word_piece_entries()));
        let model = open(&file.path()).unwrap();
        assert_eq!(model.pooling, Some(Pooling::Mean));
        // Without capitals in its vocabulary it keeps neither case nor accents.
        assert_eq!(model.tokenizer.encode("Bilans, É zzz", true).unwrap(), [1, 3, 5, 6, 4, 0, 2]);
        assert_eq!(model.tokenizer.encode("bilan", false).unwrap(), [3]);
        assert_eq!((model.tokenizer.text_bytes(3), model.tokenizer.text_bytes(5)), (&b" bilan"[..], &b"s"[..]));
        let mut cased = word_piece_entries();
        cased[4].1 = strings(&["[UNK]", "[CLS]", "[SEP]", "▁bilan", "▁É", "s", "▁,", "▁ℝ"]);
        cased.push(("tokenizer.ggml.normalizer.lowercase", Value::Bool(false)));
        let tokenizer = open(&write(&sample(&cased)).path()).unwrap().tokenizer;
        assert_eq!(tokenizer.encode("bilan É Bilan", true).unwrap(), [1, 3, 4, 0, 2]);
    }

    #[test]
    fn a_unigram_model_takes_the_likeliest_pieces() {
        let file = write(&sample(&unigram_entries()));
        let model = open(&file.path()).unwrap();
        assert_eq!(model.pooling, Some(Pooling::Cls));
        assert_eq!(model.tokenizer.encode("  ab   a z ", true).unwrap(), [0, 6, 3, 5, 2, 1]);
        assert_eq!(model.tokenizer.text_bytes(6), b" ab");
    }

    #[test]
    fn a_table_of_characters_that_lies_is_refused() {
        for bytes in [&[][..], &[8, 0, 0, 0, 1, 2], &[2, 0, 0, 0, 1, 2], &[0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4]] {
            let mut entries = unigram_entries();
            let map = Value::Array(bytes.iter().map(|&byte| Value::Int(byte.into())).collect());
            entries.push(("tokenizer.ggml.precompiled_charsmap", map));
            let error = open(&write(&sample(&entries)).path()).unwrap_err().to_string();
            assert!(error.contains("table of characters"), "{error}");
        }
    }

    #[test]
    fn only_an_embedding_model_s_texts_are_ended() {
        let mut ended = entries();
        ended.extend([
            ("tokenizer.ggml.eos_token_id", Value::Int(4)),
            ("tokenizer.ggml.add_eos_token", Value::Bool(true)),
        ]);
        let encode = |entries: &[(&str, Value)]| {
            open(&write(&sample(entries)).path()).unwrap().tokenizer.encode("ab", true).unwrap()
        };
        assert_eq!(encode(&ended), [3]);
        ended.push(("llama.pooling_type", Value::Int(3)));
        assert_eq!(encode(&ended), [3, 4]);
    }

    #[test]
    fn sentence_piece_merges_follow_the_scores() {
        let file = write(&sample(&sentence_piece_entries()));
        let tokenizer = open(&file.path()).unwrap().tokenizer;
        assert_eq!(tokenizer.encode("ab é", true).unwrap(), [1, 10, 5, 3, 4]);
        assert_eq!(tokenizer.text_bytes(10), b" ab");
        assert_eq!(tokenizer.text_bytes(3), [0xC3]);
        assert_eq!(tokenizer.text_bytes(1), b"");
    }
}

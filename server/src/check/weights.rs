//! Whether the tensors are those that the model's configuration promises.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use zyron_engine::gguf::Gguf;
use zyron_engine::{Model, TensorInfo, Weights};

use super::Finding;

/// A Mistral or Llama model's sizes.
struct Sizes {
    layers: u64,
    width: u64,
    heads: u64,
    kv_heads: u64,
    head: u64,
    inner: u64,
    is_tied: bool,
}

/// Names of a layer's tensors in both layouts, and their rows and columns.
type LayerTensor = (&'static str, &'static str, fn(&Sizes) -> (u64, u64));

const LAYER: [LayerTensor; 9] = [
    ("input_layernorm", "attn_norm", |s| (s.width, 0)),
    ("self_attn.q_proj", "attn_q", |s| (s.heads.saturating_mul(s.head), s.width)),
    ("self_attn.k_proj", "attn_k", |s| (s.kv_heads.saturating_mul(s.head), s.width)),
    ("self_attn.v_proj", "attn_v", |s| (s.kv_heads.saturating_mul(s.head), s.width)),
    ("self_attn.o_proj", "attn_output", |s| (s.width, s.heads.saturating_mul(s.head))),
    ("post_attention_layernorm", "ffn_norm", |s| (s.width, 0)),
    ("mlp.gate_proj", "ffn_gate", |s| (s.inner, s.width)),
    ("mlp.up_proj", "ffn_up", |s| (s.inner, s.width)),
    ("mlp.down_proj", "ffn_down", |s| (s.width, s.inner)),
];

/// No model has more; a configuration that says so is wrong.
const MOST_LAYERS: u64 = 1000;

pub(super) fn check(model: &Model) -> Vec<Finding> {
    let bytes = model.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.bytes));
    let elements = model.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.elements));
    let mut findings = vec![Finding::fine(format!(
        "the weight files are whole: {} tensors, {:.2} billion numbers, {:.2} GB, mostly {}",
        model.tensors.len(),
        elements as f64 / 1e9,
        bytes as f64 / 1e9,
        model.quantization
    ))];
    findings.extend(vocabulary(model));
    match sizes(model) {
        Ok(Some(sizes)) => findings.extend(layers(model, &sizes)),
        Ok(None) => findings.push(Finding::note(format!(
            "the tensors of `{}` are not compared with its configuration: that is done for Mistral and Llama",
            model.architecture
        ))),
        Err(problem) => findings.push(Finding::problem(problem)),
    }
    findings
}

/// Whether each token has a row in the embedding.
fn vocabulary(model: &Model) -> Option<Finding> {
    let is_embedding =
        |tensor: &&TensorInfo| tensor.name == "token_embd.weight" || tensor.name.ends_with("embed_tokens.weight");
    let rows = *model.tensors.iter().find(is_embedding)?.shape.first()?;
    let tokens = model.tokenizer.vocabulary_size() as u64;
    Some(match tokens.cmp(&rows) {
        std::cmp::Ordering::Equal => Finding::fine(format!("tokenizer and embedding have {tokens} entries each")),
        std::cmp::Ordering::Less => Finding::note(format!(
            "the tokenizer has {tokens} entries, the embedding {rows}: the others are never used"
        )),
        std::cmp::Ordering::Greater => Finding::problem(format!(
            "the tokenizer has {tokens} entries, and the embedding {rows}: it is another model's, or tokens were added \
             without resizing the embedding"
        )),
    })
}

/// The sizes of a Mistral or Llama model; none of another, or of one with experts.
fn sizes(model: &Model) -> Result<Option<Sizes>, String> {
    let is_known = ["llama", "MistralForCausalLM", "LlamaForCausalLM"].contains(&model.architecture.as_str());
    if !is_known {
        return Ok(None);
    }
    match &model.weights {
        Weights::Safetensors(folder) => {
            let config = std::fs::read(folder.join("config.json")).map_err(|error| error.to_string())?;
            let config: Value = serde_json::from_slice(&config).map_err(|error| error.to_string())?;
            let is_tied = config["tie_word_embeddings"].as_bool().unwrap_or(false);
            Sizes::read(|[key, _]| (config[key].as_u64(), format!("`config.json` has no usable `{key}`")), is_tied)
        }
        Weights::Gguf(path) => {
            let gguf = Gguf::open(path).map_err(|error| error.to_string())?;
            let number = |key: &str| gguf.uint(&format!("llama.{key}"));
            if number("expert_count").is_some_and(|count| count > 0)
                || gguf.uint("split.count").is_some_and(|files| files > 1)
            {
                return Ok(None);
            }
            Sizes::read(|[_, key]| (number(key), format!("it has no usable `llama.{key}`")), true)
        }
    }
    .map(Some)
}

impl Sizes {
    /// From numbers by their keys in `config.json` and in GGUF, each with what is said where it is missing.
    fn read(number: impl Fn([&'static str; 2]) -> (Option<u64>, String), is_tied: bool) -> Result<Self, String> {
        let optional = |keys| number(keys).0.filter(|&number| number > 0);
        let required = |keys| optional(keys).ok_or_else(|| number(keys).1);
        let width = required(["hidden_size", "embedding_length"])?;
        let heads = required(["num_attention_heads", "attention.head_count"])?;
        let sizes = Self {
            layers: required(["num_hidden_layers", "block_count"])?,
            width,
            heads,
            kv_heads: optional(["num_key_value_heads", "attention.head_count_kv"]).unwrap_or(heads),
            head: optional(["head_dim", "attention.key_length"]).unwrap_or(width / heads),
            inner: required(["intermediate_size", "feed_forward_length"])?,
            is_tied,
        };
        if sizes.layers > MOST_LAYERS {
            return Err(format!("the configuration has {} layers, which cannot be", sizes.layers));
        }
        if !heads.is_multiple_of(sizes.kv_heads) {
            return Err(format!("{heads} heads cannot share {} heads of keys and values", sizes.kv_heads));
        }
        Ok(sizes)
    }
}

/// Whether each layer has its tensors, of the right sizes.
fn layers(model: &Model, sizes: &Sizes) -> Vec<Finding> {
    let is_gguf = matches!(model.weights, Weights::Gguf(_));
    let there: BTreeMap<&str, &[u64]> =
        model.tensors.iter().map(|tensor| (tensor.name.as_str(), &tensor.shape[..])).collect();
    let mut expected: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for layer in 0..sizes.layers {
        for (name, short, size) in LAYER {
            let name = if is_gguf {
                format!("blk.{layer}.{short}.weight")
            } else {
                format!("model.layers.{layer}.{name}.weight")
            };
            let (rows, columns) = size(sizes);
            expected.insert(name, if columns == 0 { vec![rows] } else { vec![rows, columns] });
        }
    }
    let (norm, output) =
        if is_gguf { ("output_norm.weight", "output.weight") } else { ("model.norm.weight", "lm_head.weight") };
    expected.insert(norm.to_owned(), vec![sizes.width]);
    let mut findings = Vec::new();
    let missing: Vec<&str> = expected.keys().map(String::as_str).filter(|name| !there.contains_key(name)).collect();
    let output_is_missing = !sizes.is_tied && !there.contains_key(output);
    if missing.is_empty() && !output_is_missing {
        findings.push(Finding::fine(format!("all tensors of {} layers are there", sizes.layers)));
    } else {
        let names: Vec<&str> = missing.iter().copied().chain(output_is_missing.then_some(output)).collect();
        findings.push(Finding::problem(format!("tensors are missing: {}", some(&names))));
    }
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(name, shape)| {
            let found = there.get(name.as_str())?;
            (found != shape).then(|| format!("`{name}` is {found:?} and not {shape:?}"))
        })
        .collect();
    if !wrong.is_empty() {
        let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
        findings.push(Finding::problem(format!("tensors have other sizes than the configuration: {}", some(&wrong))));
    }
    let known: BTreeSet<&str> = expected.keys().map(String::as_str).collect();
    let others: Vec<&str> = there
        .keys()
        .copied()
        .filter(|name| !known.contains(name) && !name.contains("embed_tokens") && *name != "token_embd.weight")
        .filter(|name| *name != output && !name.contains("rotary") && !name.contains("rope_freqs"))
        .collect();
    if !others.is_empty() {
        findings.push(Finding::note(format!("tensors that the engines do not expect: {}", some(&others))));
    }
    findings
}

/// The first few, and how many more.
fn some(names: &[&str]) -> String {
    let first: Vec<&str> = names.iter().take(3).copied().collect();
    let rest = names.len() - first.len();
    if rest == 0 { first.join(", ") } else { format!("{} and {rest} more", first.join(", ")) }
}

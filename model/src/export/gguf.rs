//! GGUF, as llama.cpp's converter writes a Mistral model.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Tensor};
use serde_json::Value as Json;

use super::{DESCRIPTION, NAME};
use crate::network::Shape;
use crate::packing::TEMPLATE;
use crate::vocabulary::CONTROL;

/// The number format of the matrices; norms are in F32.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Q8_0,
    F32,
}

impl Format {
    fn of_matrices(self) -> GgmlDType {
        match self {
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::F32 => GgmlDType::F32,
        }
    }

    /// llama.cpp's number for a file that is mostly of this format.
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Q8_0 => 7,
        }
    }
}

pub(super) fn write(
    path: &Path,
    format: Format,
    shape: &Shape,
    weights: &HashMap<String, Tensor>,
    tokenizer: &str,
) -> anyhow::Result<()> {
    let mut tensors = Vec::new();
    for (name, rows, _) in shape.parameters() {
        let tensor = weights.get(&name).with_context(|| format!("there is no tensor `{name}`"))?;
        let tensor = interleaved(&name, shape, &tensor.to_dtype(DType::F32)?)?;
        let format = if rows == 1 { GgmlDType::F32 } else { format.of_matrices() };
        tensors.push((translated(&name)?, QTensor::quantize(&tensor, format)?));
    }
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let metadata = metadata(format, shape, tokenizer)?;
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let mut file = BufWriter::new(File::create(path)?);
    Ok(gguf_file::write(&mut file, &metadata, &tensors)?)
}

/// Queries and keys for llama.cpp, which turns neighbours where Hugging Face turns numbers half a head apart.
fn interleaved(name: &str, shape: &Shape, tensor: &Tensor) -> anyhow::Result<Tensor> {
    if !name.contains("q_proj") && !name.contains("k_proj") {
        return Ok(tensor.clone());
    }
    let (rows, columns) = tensor.dims2()?;
    let head = shape.head();
    let halves = tensor.reshape((rows / head, 2, head / 2, columns))?;
    Ok(halves.transpose(1, 2)?.contiguous()?.reshape((rows, columns))?)
}

/// A parameter's name in GGUF.
fn translated(name: &str) -> anyhow::Result<String> {
    let whole = [("model.embed_tokens.weight", "token_embd.weight"), ("model.norm.weight", "output_norm.weight")];
    if let Some((_, translated)) = whole.iter().find(|(theirs, _)| *theirs == name) {
        return Ok((*translated).to_owned());
    }
    let parts = [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    let of_layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    let (layer, part) = of_layer.with_context(|| format!("`{name}` is no parameter of a layer"))?;
    let part = part.trim_end_matches(".weight");
    let (_, part) = parts.iter().find(|(theirs, _)| *theirs == part).with_context(|| format!("`{name}` is unknown"))?;
    Ok(format!("blk.{layer}.{part}.weight"))
}

fn metadata(format: Format, shape: &Shape, tokenizer: &str) -> anyhow::Result<Vec<(String, Value)>> {
    let text = |text: &str| Value::String(text.to_owned());
    let number = |number: usize| -> anyhow::Result<Value> { Ok(Value::U32(u32::try_from(number)?)) };
    let (tokens, merges) = vocabulary(tokenizer, shape.vocabulary)?;
    // 1 is text, 2 is unknown, 3 is control.
    let kinds = (0..tokens.len()).map(|id| {
        Value::I32(if id == 0 {
            2
        } else if id < CONTROL.len() {
            3
        } else {
            1
        })
    });
    let strings = |strings: Vec<String>| Value::Array(strings.into_iter().map(Value::String).collect());
    let entries = [
        ("general.architecture", text("llama")),
        ("general.name", text(NAME)),
        ("general.organization", text("Zyron")),
        ("general.description", text(DESCRIPTION)),
        ("general.license", text("apache-2.0")),
        ("general.languages", strings(vec!["fr".to_owned()])),
        ("general.file_type", Value::U32(format.file_type())),
        ("general.quantization_version", Value::U32(2)),
        ("llama.block_count", number(shape.layers)?),
        ("llama.context_length", number(shape.context)?),
        ("llama.embedding_length", number(shape.width)?),
        ("llama.feed_forward_length", number(shape.inner)?),
        ("llama.attention.head_count", number(shape.heads)?),
        ("llama.attention.head_count_kv", number(shape.kv_heads)?),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(shape.epsilon as f32)),
        ("llama.rope.freq_base", Value::F32(shape.theta as f32)),
        ("llama.rope.dimension_count", number(shape.head())?),
        ("llama.vocab_size", number(shape.vocabulary)?),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", strings(tokens)),
        ("tokenizer.ggml.token_type", Value::Array(kinds.collect())),
        ("tokenizer.ggml.merges", strings(merges)),
        ("tokenizer.ggml.unknown_token_id", Value::U32(0)),
        ("tokenizer.ggml.bos_token_id", Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(true)),
        ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
        ("tokenizer.chat_template", text(TEMPLATE)),
    ];
    Ok(entries.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The tokens in the order of their ids, and the merges, of a `tokenizer.json`.
fn vocabulary(tokenizer: &str, size: usize) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let tokenizer: Json = serde_json::from_str(tokenizer)?;
    let vocabulary = tokenizer["model"]["vocab"].as_object().context("the tokenizer has no vocabulary")?;
    let mut tokens = vec![String::new(); size];
    for (token, id) in vocabulary {
        let place = id.as_u64().and_then(|id| tokens.get_mut(id as usize)).context("an id is out of range")?;
        token.clone_into(place);
    }
    anyhow::ensure!(tokens.iter().all(|token| !token.is_empty()), "an id of the vocabulary has no token");
    let merges = tokenizer["model"]["merges"].as_array().context("the tokenizer has no merges")?;
    let merge = |merge: &Json| match merge {
        Json::String(pair) => Some(pair.clone()),
        Json::Array(pair) => Some(format!("{} {}", pair.first()?.as_str()?, pair.get(1)?.as_str()?)),
        _ => None,
    };
    let merges: Option<Vec<String>> = merges.iter().map(merge).collect();
    Ok((tokens, merges.context("a merge is no pair")?))
}

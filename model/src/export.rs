//! A trained network to the files that engines load: Hugging Face's layout at BF16, and GGUF.

mod gguf;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use crate::network::{Network, Shape};
use crate::packing::TEMPLATE;
use crate::recipe::Recipe;
use crate::vocabulary;

/// What to write, and where.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of the training's run
    #[arg(long)]
    run: PathBuf,
    /// The tokenizer
    #[arg(long)]
    tokenizer: PathBuf,
    /// The folder that gets the model
    #[arg(long)]
    out: PathBuf,
}

/// The model's name.
pub const NAME: &str = "zyron-mini";
/// What it is, for those who see it in the API or in the playground.
pub const DESCRIPTION: &str = "Modèle de démonstration de quelques millions de paramètres\u{a0}: il montre ce que fait \
                               Zyron et se trompe souvent. Ce n'est pas une source d'analyse.";

/// Writes the model.
///
/// # Errors
/// Where the run has no checkpoint or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let Recipe { shape, .. } = Recipe::read(&args.run.join("recipe.json"))?;
    let tensors = candle_core::safetensors::load(args.run.join("checkpoint.safetensors"), &Device::Cpu)?;
    let tokenizer =
        fs::read_to_string(&args.tokenizer).with_context(|| format!("cannot read {}", args.tokenizer.display()))?;
    write(&args.out, &Network::from_tensors(shape, &tensors)?, &tokenizer)
}

/// Writes `network` with `tokenizer` (the text of a `tokenizer.json`) into `folder`.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(folder: &Path, network: &Network, tokenizer: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let weights = rounded(network)?;
    candle_core::safetensors::save(&weights, folder.join("model.safetensors"))?;
    let shape = network.shape();
    write_json(&folder.join("config.json"), &config(shape))?;
    write_json(&folder.join("generation_config.json"), &json!({"bos_token_id": 1, "eos_token_id": 2}))?;
    write_json(&folder.join("tokenizer_config.json"), &vocabulary::config(TEMPLATE, shape.context))?;
    fs::write(folder.join("tokenizer.json"), tokenizer)?;
    fs::write(folder.join("chat_template.jinja"), TEMPLATE)?;
    gguf::write(&folder.join(format!("{NAME}.Q8_0.gguf")), gguf::Format::Q8_0, shape, &weights, tokenizer)
}

/// Writes `network` as GGUF with weights in F32, those that it has once rounded to BF16: what engines can be compared
/// on.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_exact_gguf(path: &Path, network: &Network, tokenizer: &str) -> anyhow::Result<()> {
    gguf::write(path, gguf::Format::F32, network.shape(), &rounded(network)?, tokenizer)
}

/// A network and the text of its tokenizer, out of a folder that [`write()`] has written.
///
/// # Errors
/// Where a file is missing or is not such a one.
pub fn read(folder: &Path) -> anyhow::Result<(Network, String)> {
    let config: Value = serde_json::from_str(&fs::read_to_string(folder.join("config.json"))?)?;
    let tensors = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu)?;
    let network = Network::from_tensors(shape(&config).context("config.json lacks a size")?, &tensors)?;
    Ok((network, fs::read_to_string(folder.join("tokenizer.json"))?))
}

/// The parameters in BF16.
fn rounded(network: &Network) -> anyhow::Result<HashMap<String, Tensor>> {
    let parameters = network.parameters().iter();
    parameters.map(|(name, var)| Ok((name.clone(), var.as_tensor().to_dtype(DType::BF16)?))).collect()
}

fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    Ok(fs::write(path, serde_json::to_string_pretty(value)? + "\n")?)
}

/// `config.json`, as Hugging Face's `MistralConfig` reads it.
fn config(shape: &Shape) -> Value {
    json!({
        "architectures": ["MistralForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": shape.head(),
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "initializer_range": 0.02,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.context,
        "model_type": "mistral",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "sliding_window": null,
        "tie_word_embeddings": true,
        "torch_dtype": "bfloat16",
        "use_cache": true,
        "vocab_size": shape.vocabulary,
    })
}

/// The sizes that a [`config`] has.
fn shape(config: &Value) -> Option<Shape> {
    let number = |name: &str| Some(config[name].as_u64()? as usize);
    Some(Shape {
        vocabulary: number("vocab_size")?,
        width: number("hidden_size")?,
        layers: number("num_hidden_layers")?,
        heads: number("num_attention_heads")?,
        kv_heads: number("num_key_value_heads")?,
        inner: number("intermediate_size")?,
        context: number("max_position_embeddings")?,
        theta: config["rope_theta"].as_f64()?,
        epsilon: config["rms_norm_eps"].as_f64()?,
    })
}

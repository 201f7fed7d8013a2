//! Which backend runs the model, and the configuration in its words.

use std::sync::Arc;

use anyhow::bail;
use zyron_engine::{Engine, Model, Weights};
use zyron_server::config::{EngineConfig, EngineKind};

/// Loads `model` with the backend that the configuration names, or that suits it, into `room` bytes of memory if that is
/// limited. Gives the bytes that it takes, too.
pub(crate) async fn load(config: &EngineConfig, model: &Arc<Model>, room: Option<u64>) -> anyhow::Result<Loaded> {
    if config.context_length > model.context_length {
        bail!(
            "`engine.context_length` is {}, and the model's context has {} tokens",
            config.context_length,
            model.context_length
        );
    }
    match choose(config.kind, &model.weights) {
        EngineKind::LlamaCpp => llama_cpp(config, model, room).await,
        EngineKind::Auto | EngineKind::Mistralrs => mistralrs(config, model, room).await,
        EngineKind::Upstream => bail!("the upstream engine loads no model"),
    }
}

/// What runs a model, and the bytes that it takes.
type Loaded = (Arc<dyn Engine>, u64);

/// Refuses what cannot fit, before anything of it is loaded.
#[cfg(any(feature = "llama_cpp", feature = "mistralrs"))]
fn check_room(least: u64, room: Option<u64>) -> anyhow::Result<()> {
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    match room {
        Some(room) if least > room => bail!(
            "it takes {} MB at least, and {} MB are left of `models.memory_mb`",
            megabytes(least),
            megabytes(room)
        ),
        _ => Ok(()),
    }
}

/// What `auto` means for a model: llama.cpp batches, and reads GGUF only.
pub(crate) fn choose(kind: EngineKind, weights: &Weights) -> EngineKind {
    match (kind, weights) {
        (EngineKind::Auto, Weights::Gguf(_)) if cfg!(feature = "llama_cpp") => EngineKind::LlamaCpp,
        (EngineKind::Auto, _) => EngineKind::Mistralrs,
        (given, _) => given,
    }
}

/// Whether this build has the backend.
pub(crate) fn is_built(kind: EngineKind) -> bool {
    match kind {
        EngineKind::LlamaCpp => cfg!(feature = "llama_cpp"),
        EngineKind::Auto | EngineKind::Mistralrs => cfg!(feature = "mistralrs"),
        EngineKind::Upstream => true,
    }
}

/// Whether a backend of this build knows the model's architecture, as far as that is known before it is loaded.
pub(crate) fn is_supported(kind: EngineKind, model: &Model) -> bool {
    match (kind, model) {
        #[cfg(feature = "mistralrs")]
        (EngineKind::Auto | EngineKind::Mistralrs, model) => zyron_engine_mistralrs::is_supported(model),
        _ => true,
    }
}

#[cfg(feature = "llama_cpp")]
async fn llama_cpp(config: &EngineConfig, model: &Arc<Model>, room: Option<u64>) -> anyhow::Result<Loaded> {
    use zyron_engine_llama_cpp::{KvCacheType, LlamaCppEngine, LoadOptions};
    use zyron_server::config::{self, Dtype};

    // What would be without effect is refused: it was meant to have one.
    if let Some(isq) = &config.isq {
        bail!(
            "`engine.isq = {isq}` is for the mistralrs engine; a GGUF file is quantized already ({})",
            model.quantization
        );
    }
    if config.dtype != Dtype::Auto {
        bail!("`engine.dtype` is for the mistralrs engine; a GGUF file has its number format ({})", model.quantization);
    }
    let weights: u64 = model.tensors.iter().map(|tensor| tensor.bytes).sum();
    check_room(weights, room)?;
    let options = LoadOptions {
        max_sequences: config.max_sequences,
        context_length: config.context_length,
        kv_cache_bytes: config.kv_cache_mb.saturating_mul(1_000_000),
        memory_bytes: room,
        kv_cache_type: match config.kv_cache_type {
            config::KvCacheType::F32 => KvCacheType::F32,
            config::KvCacheType::F16 => KvCacheType::F16,
            config::KvCacheType::Q8_0 => KvCacheType::Q8_0,
        },
        threads: config.threads,
        step_stretch: config.step_stretch,
        batch_invariant: config.batch_invariant,
    };
    let engine = LlamaCppEngine::load(Arc::clone(model), options).await?;
    crate::banner::cache(engine.loaded(), model);
    let memory = weights + engine.loaded().kv_cache_bytes;
    Ok((Arc::new(engine), memory))
}

#[cfg(not(feature = "llama_cpp"))]
async fn llama_cpp(_config: &EngineConfig, _model: &Arc<Model>, _room: Option<u64>) -> anyhow::Result<Loaded> {
    bail!("this build lacks the engine llama_cpp: it was compiled without the feature of that name")
}

#[cfg(feature = "mistralrs")]
async fn mistralrs(config: &EngineConfig, model: &Arc<Model>, room: Option<u64>) -> anyhow::Result<Loaded> {
    use std::num::NonZeroUsize;

    use zyron_engine_mistralrs::{Dtype, LoadOptions, MistralrsEngine};
    use zyron_server::config;

    if let Some(key) = config.set_for_llama_cpp() {
        bail!("`engine.{key}` is for the llama_cpp engine, which runs GGUF files; this model is run by mistralrs");
    }
    let memory = crate::doctor::memory_of(config, model)?;
    check_room(memory, room)?;
    let dtype = match config.dtype {
        config::Dtype::Auto => Dtype::Auto,
        config::Dtype::Bf16 => Dtype::Bf16,
        config::Dtype::F16 => Dtype::F16,
        config::Dtype::F32 => Dtype::F32,
    };
    let options = LoadOptions {
        dtype,
        isq: config.isq.clone(),
        context_length: config.context_length,
        max_sequences: NonZeroUsize::new(config.max_sequences).unwrap_or(LoadOptions::default().max_sequences),
    };
    Ok((Arc::new(MistralrsEngine::load(Arc::clone(model), options).await?), memory))
}

#[cfg(not(feature = "mistralrs"))]
async fn mistralrs(_config: &EngineConfig, _model: &Arc<Model>, _room: Option<u64>) -> anyhow::Result<Loaded> {
    bail!("this build lacks the engine mistralrs: it was compiled without the feature of that name")
}

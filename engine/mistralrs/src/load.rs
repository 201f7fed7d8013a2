//! Loads a checked model into mistral.rs, with the settings under which it does what it says.

use std::any::Any;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use mistralrs::core::{
    AutoDeviceMapParams, DefaultSchedulerMethod, DeviceMapSetting, EmbeddingLoaderBuilder, EmbeddingLoaderType,
    EmbeddingSpecificConfig, GGUFLoaderBuilder, GGUFSpecificConfig, IsqType, Loader, MistralRs, MistralRsBuilder,
    ModelDType, NormalLoaderBuilder, NormalLoaderType, NormalSpecificConfig, SchedulerConfig, TokenSource,
    parse_isq_value,
};
use mistralrs::{Device, best_device};
use thiserror::Error;
use zyron_engine::{Engine, Event, GenerateRequest, Model, Pooling, Weights};

use crate::MistralrsEngine;

/// GGUF architectures of which mistral.rs knows the graph.
const GGUF_ARCHITECTURES: [&str; 8] = ["llama", "mistral3", "phi2", "phi3", "qwen2", "qwen3", "qwen3moe", "starcoder2"];

/// The number format of activations, and of weights that are not quantized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// F32 on a CPU, BF16 on a GPU.
    #[default]
    Auto,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
}

/// How to load a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// The number format.
    pub dtype: Dtype,
    /// In-situ quantization of a safetensors model, such as `q4k`, `q8_0` or `fp8`.
    pub isq: Option<String>,
    /// The longest prompt plus answer, in tokens; 0 is what the model can do.
    pub context_length: usize,
    /// Requests that run at once. More than one is faster only where they are of equal length, such as the answers to
    /// one prompt, and the weights are not quantized or a GPU computes: mistral.rs steps the others in turn.
    pub max_sequences: NonZeroUsize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { dtype: Dtype::Auto, isq: None, context_length: 0, max_sequences: NonZeroUsize::MIN }
    }
}

/// Why a model cannot be loaded. Each message is one sentence for the operator.
#[derive(Debug, Error)]
pub enum LoadError {
    /// mistral.rs does not know the architecture.
    #[error("the model's architecture `{0}` is not supported by the mistralrs engine")]
    Architecture(String),
    /// The in-situ quantization has no such format.
    #[error("`isq = {given}` is not a quantization format: {detail}")]
    UnknownIsq {
        /// What was asked for.
        given: String,
        /// What there is.
        detail: String,
    },
    /// A GGUF file cannot be quantized again.
    #[error("`isq` quantizes a safetensors model while it loads; this GGUF file is quantized already ({0})")]
    IsqOnGguf(String),
    /// The CPU kernels lack the number format.
    #[error("the mistralrs engine cannot compute in bf16 on a CPU; use dtype f32 or f16, or a GPU")]
    Bf16OnCpu,
    /// mistral.rs takes paths as text.
    #[error("the model's path is not valid UTF-8")]
    Path,
    /// mistral.rs gave up.
    #[error("mistral.rs cannot load the model: {0}")]
    Failed(String),
    /// The model loaded, but does not run.
    #[error("the model loaded, but its first token failed: {0}")]
    WarmUp(String),
}

/// Loads on a thread of its own: it is long, it blocks, and a panic in it is an error here.
pub(crate) async fn load(model: &Arc<Model>, options: LoadOptions) -> Result<Arc<MistralRs>, LoadError> {
    let model = Arc::clone(model);
    let loading = tokio::task::spawn_blocking(move || {
        // mistral.rs sends itself a test request where it finds a runtime of many threads, and ignores its failure;
        // ours, in `warm_up`, does not.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| LoadError::Failed(error.to_string()))?.block_on(build(&model, &options))
    });
    match loading.await {
        Ok(result) => result,
        Err(error) => Err(LoadError::Failed(error.try_into_panic().map_or_else(|e| e.to_string(), panic_message))),
    }
}

fn panic_message(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

async fn build(model: &Model, options: &LoadOptions) -> Result<Arc<MistralRs>, LoadError> {
    let failed = |error: &dyn std::fmt::Display| LoadError::Failed(error.to_string());
    let device = best_device(false).map_err(|error| failed(&error))?;
    let dtype = resolve_dtype(options.dtype, &device)?;
    let isq = options.isq.as_deref().map(|given| resolve_isq(given, model, &device)).transpose()?;
    let placement = if device.is_cpu() {
        DeviceMapSetting::dummy()
    } else {
        DeviceMapSetting::Auto(AutoDeviceMapParams::default_text())
    };
    let loader = loader(model)?;
    // For a GGUF file it prints the file's metadata instead of its progress.
    let silent = matches!(model.weights, Weights::Gguf(_));
    let pipeline = loader
        .load_model_from_hf(None, TokenSource::None, &dtype, &device, silent, placement, isq, None)
        .map_err(|error| LoadError::Failed(format!("{error:#}")))?;
    let scheduler = SchedulerConfig::DefaultScheduler { method: DefaultSchedulerMethod::Fixed(options.max_sequences) };
    let builder = MistralRsBuilder::new(pipeline, scheduler, false, None)
        .with_no_prefix_cache(true)
        // When an answer ends is for the decoder to say.
        .with_disable_eos_stop(true);
    Ok(builder.build().await)
}

/// Whether mistral.rs has code for a model of this architecture, in a file of this kind.
#[must_use]
pub fn is_supported(model: &Model) -> bool {
    match (&model.weights, model.pooling) {
        (Weights::Gguf(_), None) => GGUF_ARCHITECTURES.contains(&model.architecture.as_str()),
        // Its own code would generate text with them.
        (Weights::Gguf(_), Some(_)) => false,
        (Weights::Safetensors(_), None) => NormalLoaderType::from_causal_lm_name(&model.architecture).is_ok(),
        // What it does for the first token's vector is to panic.
        (Weights::Safetensors(_), Some(Pooling::Cls)) => false,
        (Weights::Safetensors(_), Some(_)) => EmbeddingLoaderType::from_causal_lm_name(&model.architecture).is_ok(),
    }
}

fn loader(model: &Model) -> Result<Box<dyn Loader>, LoadError> {
    let unsupported = || LoadError::Architecture(model.architecture.clone());
    if !is_supported(model) {
        return Err(unsupported());
    }
    match &model.weights {
        Weights::Gguf(path) => {
            let folder = text(path.parent().unwrap_or(Path::new("/")))?;
            let file = text(Path::new(path.file_name().unwrap_or_default()))?;
            let config = GGUFSpecificConfig::default();
            Ok(GGUFLoaderBuilder::new(None, None, folder, vec![file], config, false, None).build())
        }
        Weights::Safetensors(folder) if model.pooling.is_some() => {
            let kind = EmbeddingLoaderType::from_causal_lm_name(&model.architecture).map_err(|_| unsupported())?;
            let config = EmbeddingSpecificConfig::default();
            Ok(EmbeddingLoaderBuilder::new(config, None, Some(text(folder)?)).build(Some(kind)))
        }
        Weights::Safetensors(folder) => {
            let kind = NormalLoaderType::from_causal_lm_name(&model.architecture).map_err(|_| unsupported())?;
            let config = NormalSpecificConfig::default();
            let builder = NormalLoaderBuilder::new(config, None, None, Some(text(folder)?), false, None);
            builder.build(Some(kind)).map_err(|error| LoadError::Failed(format!("{error:#}")))
        }
    }
}

fn text(path: &Path) -> Result<String, LoadError> {
    path.to_str().map(str::to_owned).ok_or(LoadError::Path)
}

/// Never mistral.rs's own `Auto`: it takes F16 on a CPU, and in a CUDA build runs `nvidia-smi` or panics.
fn resolve_dtype(dtype: Dtype, device: &Device) -> Result<ModelDType, LoadError> {
    match dtype {
        Dtype::Auto if device.is_cpu() => Ok(ModelDType::F32),
        Dtype::Bf16 if device.is_cpu() => Err(LoadError::Bf16OnCpu),
        Dtype::Auto | Dtype::Bf16 => Ok(ModelDType::BF16),
        Dtype::F16 => Ok(ModelDType::F16),
        Dtype::F32 => Ok(ModelDType::F32),
    }
}

fn resolve_isq(given: &str, model: &Model, device: &Device) -> Result<IsqType, LoadError> {
    if matches!(model.weights, Weights::Gguf(_)) {
        return Err(LoadError::IsqOnGguf(model.quantization.clone()));
    }
    parse_isq_value(given, Some(device)).map_err(|detail| LoadError::UnknownIsq { given: given.to_owned(), detail })
}

/// Generates one token, or embeds two. Kernels that lack a number format, and damaged weights, show here.
pub(crate) async fn warm_up(engine: &MistralrsEngine) -> Result<(), LoadError> {
    let request = match engine.makes_embeddings() {
        true => GenerateRequest::for_embedding(vec![0, 0]),
        false => GenerateRequest::new(vec![0], 1),
    };
    let mut generation = engine.generate(request);
    loop {
        match generation.recv().await {
            Event::Prompt(_) | Event::Embedding(_) | Event::Token(_) => {}
            Event::Finished { .. } => return Ok(()),
            Event::Failed(error) => return Err(LoadError::WarmUp(error.to_string())),
        }
    }
}

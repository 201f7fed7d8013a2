//! Loads a checked model into llama.cpp and sizes its cache by the memory there is.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use llama_cpp_2::context::params::{self, LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LogOptions, list_llama_ggml_backend_devices, send_logs_to_tracing};
use sysinfo::System;
use thiserror::Error;
use tokio::sync::oneshot;
use tracing::dispatcher::{get_default, with_default};
use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};
use zyron_engine::{Model, Pooling, Weights};

use crate::embedder::Embedder;
use crate::invariant;
use crate::kv_cache::Layout;
use crate::scheduler::{Arrival, Scheduler};
use crate::{Loaded, Report};

/// Tokens of prompts computed in one step, at most; llama.cpp computes as many in one pass over the weights.
pub(crate) const BATCH: usize = 512;
/// llama.cpp pads what a sequence may hold to this many cells.
const PADDING: usize = 256;
/// Idle slots of a pool, which keep prefixes, for each that can be busy.
const IDLE: usize = 1;
/// Requests at once, at most: llama.cpp's own limit is 256 sequences, busy and idle ones.
const MOST_SEQUENCES: usize = 256 / (1 + IDLE);
/// Texts that are embedded at once, at most: llama.cpp's limit.
const MOST_TEXTS: usize = 256;
/// The longest text, in tokens, that is embedded where nobody says otherwise, if 2 GB suffice for it: one is computed in one
/// piece, whose memory grows with its length.
const USUAL_TEXT: usize = 8192;
/// Bytes for the cache of a machine without a GPU, unless a whole context takes more: they are written once at the
/// start, which takes seconds for each gigabyte.
const USUAL: u64 = 2_000_000_000;
/// Requests at once, where nobody says how many.
pub(crate) const USUAL_SEQUENCES: usize = 32;
/// So few requests at once that it is better to let more share a pool.
const FEW: usize = 4;

/// How to load a model.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Requests that run at once, at most; 128 at most. 0 is 32 or, where requests are to be computed alike alone and
    /// among others, as many as have room for a whole context each, if that is more than a few.
    pub max_sequences: usize,
    /// The longest prompt plus answer, in tokens; 0 is what the model can do, as far as there is memory.
    pub context_length: usize,
    /// Bytes for keys and values. 0 is half of the memory that is free, but on a CPU no more than 2 GB or what a
    /// whole context takes.
    pub kv_cache_bytes: u64,
    /// Bytes for weights, keys and values together, where that is limited.
    pub memory_bytes: Option<u64>,
    /// The number format of keys and values.
    pub kv_cache_type: KvCacheType,
    /// Threads that compute; 0 is one a core.
    pub threads: usize,
    /// How many times as long a step of the running answers may take while a prompt is read beside them; at least 1.
    pub step_stretch: f64,
    /// Whether a CPU computes a request alike alone and among others, to the last bit, where its weights allow that.
    /// Kernels that are faster for many tokens at once are left out where they round otherwise: attention's, and those for
    /// K-quants, whose prompts are read slower.
    /// Where requests share a pool it is up to rounding, for a pool has no order in which attention could add them up.
    pub batch_invariant: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_sequences: 0,
            context_length: 0,
            kv_cache_bytes: 0,
            memory_bytes: None,
            kv_cache_type: KvCacheType::default(),
            threads: 0,
            step_stretch: 2.0,
            batch_invariant: true,
        }
    }
}

/// The number format of keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvCacheType {
    /// IEEE single precision: twice the memory of half precision, for comparisons.
    F32,
    /// IEEE half precision.
    #[default]
    F16,
    /// 8 bits, in blocks of 32 with a scale: half the memory.
    Q8_0,
}

/// Why a model cannot be loaded. Each message is one sentence for the operator.
#[derive(Debug, Error)]
pub enum LoadError {
    /// llama.cpp reads GGUF only.
    #[error("the llama_cpp engine reads GGUF files; `{0}` is a safetensors folder, for the mistralrs engine")]
    NotGguf(String),
    /// The architecture keeps something else than keys and values.
    #[error(
        "the model's architecture `{0}` is not supported by the llama_cpp engine: it has no cache of keys and values alone"
    )]
    Architecture(String),
    /// More requests at once than llama.cpp has sequences for.
    #[error("`engine.max_sequences` is {0}, and llama.cpp runs {1} at most")]
    Sequences(usize, usize),
    /// Not even a short request fits.
    #[error(
        "a cache of {tokens} tokens needs {needed} MB of memory and {free} MB may be used for it; see `engine.kv_cache_mb` and `models.memory_mb`"
    )]
    Memory {
        /// What was wanted.
        tokens: usize,
        /// Its size, in MB.
        needed: u64,
        /// What there is, in MB.
        free: u64,
    },
    /// A CUDA build without a GPU would compute on the CPU, many times slower, and nobody would know why.
    #[error(
        "this build of Zyron computes on an NVIDIA GPU, and there is none that its driver shows; see `zyron doctor`"
    )]
    NoGpu,
    /// llama.cpp gave up.
    #[error("llama.cpp cannot load the model: {0}")]
    Failed(String),
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

fn failed(error: impl std::fmt::Display) -> LoadError {
    LoadError::Failed(error.to_string())
}

/// Loads the model, says so, and serves requests until nobody can send any.
pub(crate) fn run(
    model: &Arc<Model>,
    options: &LoadOptions,
    arrivals: mpsc::Receiver<Arrival>,
    report: &Report,
    ready: oneshot::Sender<Result<Loaded, LoadError>>,
) {
    let weights = match with_reason(|| load_weights(model)) {
        Ok(weights) => weights,
        Err(error) => return drop(ready.send(Err(error))),
    };
    invariant::set(options.batch_invariant);
    match model.pooling {
        None => serve(scheduler(model, &weights, options), ready, |mut scheduler| scheduler.run(&arrivals, report)),
        Some(pooling) => {
            let embedder = embedder(model, &weights, pooling, options);
            serve(embedder, ready, |mut embedder| embedder.run(&arrivals, report));
        }
    }
}

/// Says whether there is something to run, and runs it.
fn serve<T>(
    started: Result<(T, Loaded), LoadError>,
    ready: oneshot::Sender<Result<Loaded, LoadError>>,
    run: impl FnOnce(T),
) {
    match started {
        Ok((runs, loaded)) => {
            // Nobody waits for it any more: nobody will ask either.
            if ready.send(Ok(loaded)).is_ok() {
                run(runs);
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

fn scheduler<'model>(
    model: &Arc<Model>,
    weights: &'model LlamaModel,
    options: &LoadOptions,
) -> Result<(Scheduler<'model>, Loaded), LoadError> {
    let plan = Plan::new(model, weights, options)?;
    let context = with_reason(|| weights.new_context(backend()?, plan.params(options)).map_err(failed))?;
    let mut scheduler = Scheduler::new(
        context,
        Arc::clone(model),
        plan.layout,
        plan.slots,
        plan.loaded.sequences,
        options.step_stretch.max(1.0),
        has_window(model, weights),
    );
    scheduler.warm_up().map_err(failed)?;
    Ok((scheduler, plan.loaded))
}

fn embedder<'model>(
    model: &Model,
    weights: &'model LlamaModel,
    pooling: Pooling,
    options: &LoadOptions,
) -> Result<(Embedder<'model>, Loaded), LoadError> {
    let keeps = has_kv_cache(model);
    let per_token = embedding_bytes_per_token(model, weights, options.kv_cache_type, keeps);
    let context_length = match options.context_length {
        0 => {
            let fitting = usize::try_from(USUAL / per_token.max(1)).unwrap_or(usize::MAX) / PADDING * PADDING;
            model.context_length.min(fitting.clamp(BATCH, USUAL_TEXT))
        }
        tokens => tokens.min(model.context_length),
    };
    let sequences = match options.max_sequences {
        0 => USUAL_SEQUENCES,
        count if count > MOST_TEXTS => return Err(LoadError::Sequences(count, MOST_TEXTS)),
        count => count,
    };
    // A text is computed in one piece, and short ones together.
    let tokens = context_length.max(BATCH).next_multiple_of(PADDING);
    let bytes = tokens as u64 * per_token;
    let left = options.memory_bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(weights.size()));
    if bytes > left {
        return Err(LoadError::Memory { tokens, needed: megabytes(bytes), free: megabytes(left) });
    }
    let params = common_params(options, tokens, sequences)
        .with_n_ubatch(small(tokens))
        .with_n_batch(small(tokens))
        .with_kv_unified(true)
        .with_embeddings(true)
        .with_pooling_type(match pooling {
            Pooling::Mean => LlamaPoolingType::Mean,
            Pooling::Cls => LlamaPoolingType::Cls,
            Pooling::Last => LlamaPoolingType::Last,
        });
    let context = with_reason(|| weights.new_context(backend()?, params).map_err(failed))?;
    let mut embedder = Embedder::new(context, tokens, sequences);
    embedder.warm_up().map_err(failed)?;
    let kv_cache_tokens = if keeps { tokens } else { 0 };
    Ok((embedder, Loaded { sequences, context_length, kv_cache_tokens, kv_cache_bytes: bytes }))
}

/// Bytes that a token of a step takes: its keys and values, if the model keeps them, and what llama.cpp reserves for each
/// token's logits, though no embedding needs any; where keys are kept it computes them, too.
fn embedding_bytes_per_token(model: &Model, weights: &LlamaModel, kind: KvCacheType, keeps: bool) -> u64 {
    let logits = 4 * u64::try_from(weights.n_vocab()).unwrap_or(0);
    let states = 4 * u64::try_from(weights.n_embd()).unwrap_or(0);
    if keeps { bytes_per_token(model, weights, kind) + 2 * logits + states } else { logits + states }
}

/// Whether the model keeps keys and values from one token to the next. Those that read a text in both directions do not.
fn has_kv_cache(model: &Model) -> bool {
    !["bert", "embedding"].iter().any(|family| model.architecture.contains(family))
}

/// llama.cpp is started once in a process, and not ended.
fn backend() -> Result<&'static LlamaBackend, LoadError> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    let backend = BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().map_err(|error| error.to_string())
    });
    backend.as_ref().map_err(failed)
}

/// Lets llama.cpp's log say why `work` failed: its functions return nothing more than that they did.
fn with_reason<T>(work: impl FnOnce() -> Result<T, LoadError>) -> Result<T, LoadError> {
    let errors = Errors { outer: get_default(Dispatch::clone), seen: Arc::default() };
    let result = with_default(&Dispatch::new(tracing_subscriber::registry().with(errors.clone())), work);
    let first = errors.seen.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
    match (result, first) {
        (Err(LoadError::Failed(_)), Some(reason)) => Err(LoadError::Failed(reason)),
        (result, _) => result,
    }
}

/// The errors that are logged while it listens; all that is logged is passed on.
#[derive(Clone)]
struct Errors {
    outer: Dispatch,
    seen: Arc<Mutex<Vec<String>>>,
}

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        if self.outer.enabled(event.metadata()) {
            self.outer.event(event);
        }
        if *event.metadata().level() == Level::ERROR {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Errors {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            let text = value.trim().trim_start_matches("error loading model: ").to_owned();
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn load_weights(model: &Model) -> Result<LlamaModel, LoadError> {
    let path = match &model.weights {
        Weights::Gguf(path) => path,
        Weights::Safetensors(folder) => return Err(LoadError::NotGguf(folder.display().to_string())),
    };
    let backend = backend()?;
    if cfg!(feature = "cuda") && gpu_memory() == 0 {
        return Err(LoadError::NoGpu);
    }
    let weights = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default()).map_err(failed)?;
    if weights.is_recurrent() || weights.is_hybrid() {
        return Err(LoadError::Architecture(model.architecture.clone()));
    }
    Ok(weights)
}

/// How large the cache is, and how it is laid out.
struct Plan {
    layout: Layout,
    slots: usize,
    loaded: Loaded,
}

impl Plan {
    fn new(model: &Model, weights: &LlamaModel, options: &LoadOptions) -> Result<Self, LoadError> {
        let per_token = bytes_per_token(model, weights, options.kv_cache_type);
        let context = match options.context_length {
            0 => model.context_length,
            tokens => tokens.min(model.context_length),
        };
        let room = context.next_multiple_of(PADDING);
        let on_gpus = gpu_memory();
        let left = options.memory_bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(weights.size()));
        let whole_context = room as u64 * per_token;
        let bytes = match (options.kv_cache_bytes, on_gpus) {
            (0, 0) => usual_cache(free_memory().saturating_sub(weights.size()).min(left), whole_context, false),
            // The weights are there already.
            (0, free) => usual_cache(free.min(left), whole_context, true),
            (bytes, _) if bytes > left => {
                let tokens = usize::try_from(bytes / per_token.max(1)).unwrap_or(usize::MAX);
                return Err(LoadError::Memory { tokens, needed: megabytes(bytes), free: megabytes(left) });
            }
            (bytes, _) => bytes,
        };
        let whole = usize::try_from(bytes / per_token.max(1)).unwrap_or(usize::MAX) / room;
        let is_exact = options.batch_invariant && on_gpus == 0;
        let sequences = match options.max_sequences {
            0 if is_exact && whole >= FEW => whole.min(USUAL_SEQUENCES),
            0 => USUAL_SEQUENCES,
            count if count > MOST_SEQUENCES => return Err(LoadError::Sequences(count, MOST_SEQUENCES)),
            count => count,
        };
        Self::within(bytes, per_token, context, options.context_length != 0, sequences)
    }

    /// Streams where each sequence can have a whole context of its own, a pool where not.
    fn within(
        bytes: u64,
        per_token: u64,
        context: usize,
        is_wanted: bool,
        sequences: usize,
    ) -> Result<Self, LoadError> {
        let tokens = usize::try_from(bytes / per_token.max(1)).unwrap_or(usize::MAX);
        let room = context.next_multiple_of(PADDING);
        let loaded = |context_length: usize, kv_cache_tokens: usize| Loaded {
            sequences,
            context_length,
            kv_cache_tokens,
            kv_cache_bytes: kv_cache_tokens as u64 * per_token,
        };
        if tokens / sequences >= room {
            let layout = Layout::Streams { tokens: room };
            return Ok(Self { layout, slots: sequences, loaded: loaded(context, room * sequences) });
        }
        let pool = tokens - tokens % PADDING;
        // A shorter context than was asked for would be a surprise; than the model could do, is only what fits.
        if pool == 0 || (is_wanted && pool < room) {
            let tokens = if is_wanted { room } else { PADDING };
            let needed = megabytes(tokens as u64 * per_token);
            return Err(LoadError::Memory { tokens, needed, free: megabytes(bytes) });
        }
        let slots = sequences * (1 + IDLE);
        Ok(Self { layout: Layout::Pool { tokens: pool }, slots, loaded: loaded(context.min(pool), pool) })
    }

    fn params(&self, options: &LoadOptions) -> LlamaContextParams {
        let (cells, unified) = match self.layout {
            Layout::Streams { tokens } => (tokens * self.slots, false),
            Layout::Pool { tokens } => (tokens, true),
        };
        common_params(options, cells, self.slots)
            // A token for each sequence comes on top of a prompt's piece.
            .with_n_batch(small(BATCH + self.slots))
            .with_n_ubatch(small(BATCH))
            .with_kv_unified(unified)
            // A sliding window would forget what a later request could share.
            .with_swa_full(true)
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What a context has, whatever it is for.
fn common_params(options: &LoadOptions, cells: usize, sequences: usize) -> LlamaContextParams {
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let threads = i32::try_from(threads).unwrap_or(1);
    let kind = match options.kv_cache_type {
        KvCacheType::F32 => params::KvCacheType::F32,
        KvCacheType::F16 => params::KvCacheType::F16,
        KvCacheType::Q8_0 => params::KvCacheType::Q8_0,
    };
    // The fused kernels read keys and values as F16, whatever the cache has.
    let attention = match options.kv_cache_type {
        KvCacheType::F32 => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        KvCacheType::F16 | KvCacheType::Q8_0 => llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_AUTO,
    };
    LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(small(cells)))
        .with_n_seq_max(small(sequences))
        .with_n_threads(threads)
        .with_n_threads_batch(threads)
        .with_flash_attention_policy(attention)
        .with_type_k(kind)
        .with_type_v(kind)
}

/// A number in the file's metadata, among those of the model's architecture.
fn number(model: &Model, weights: &LlamaModel, key: &str) -> Option<u64> {
    weights.meta_val_str(&format!("{}.{key}", model.architecture)).ok()?.parse().ok()
}

/// Whether some layers may attend to the nearest tokens only.
fn has_window(model: &Model, weights: &LlamaModel) -> bool {
    number(model, weights, "attention.sliding_window").is_some_and(|tokens| tokens > 0)
}

/// Bytes of one token's keys and values over all layers.
fn bytes_per_token(model: &Model, weights: &LlamaModel, kind: KvCacheType) -> u64 {
    let number = |key: &str| number(model, weights, key);
    let head = u64::try_from(weights.n_embd()).unwrap_or(0) / u64::from(weights.n_head().max(1));
    let width = number("attention.key_length").unwrap_or(head) + number("attention.value_length").unwrap_or(head);
    let values = u64::from(weights.n_layer()) * u64::from(weights.n_head_kv()) * width;
    match kind {
        KvCacheType::F32 => values * 4,
        KvCacheType::F16 => values * 2,
        KvCacheType::Q8_0 => values * 34 / 32,
    }
}

/// Memory that is free on the GPUs that llama.cpp can use; 0 where there are none.
fn gpu_memory() -> u64 {
    use llama_cpp_2::LlamaBackendDeviceType::{Gpu, IntegratedGpu};
    let devices = list_llama_ggml_backend_devices();
    let gpus = devices.iter().filter(|device| matches!(device.device_type, Gpu | IntegratedGpu));
    gpus.map(|device| device.memory_free as u64).sum()
}

/// Bytes that the cache gets where nobody says how many, of those that are `free` beside the weights: half of them, but
/// on a CPU no more than 2 GB or what one whole context takes.
#[must_use]
pub fn usual_cache(free: u64, context: u64, on_gpu: bool) -> u64 {
    if on_gpu { free / 2 } else { (free / 2).min(USUAL.max(context)) }
}

/// Memory that is free in the machine or its container. What was read of a mapped file counts as free.
fn free_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let free = system.available_memory();
    // sysinfo panics where it could not read the total.
    let limits = if system.total_memory() == 0 { None } else { system.cgroup_limits() };
    // Not the free memory that it gives: there, cached files count as used.
    limits.map_or(free, |limits| free.min(limits.total_memory.saturating_sub(limits.rss)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sequence_has_its_own_where_memory_allows() {
        let plan = Plan::within(32 * 1024 * 100, 100, 1000, false, 32).unwrap();
        assert!(matches!(plan.layout, Layout::Streams { tokens: 1024 }));
        assert_eq!((plan.slots, plan.loaded.context_length, plan.loaded.kv_cache_tokens), (32, 1000, 32 * 1024));
    }

    #[test]
    fn a_pool_serves_where_it_does_not() {
        let plan = Plan::within(10_000 * 100, 100, 8192, false, 32).unwrap();
        assert_eq!(plan.layout, Layout::Pool { tokens: 9984 });
        assert_eq!((plan.slots, plan.loaded.context_length), (64, 8192));
        let short = Plan::within(5_000 * 100, 100, 8192, false, 32).unwrap();
        assert_eq!(short.loaded.context_length, 4864, "the context is what fits");
    }

    #[test]
    fn what_was_asked_for_is_not_cut() {
        let refused = Plan::within(5_000 * 100, 100, 8192, true, 32).err().unwrap();
        assert!(refused.to_string().contains("8192 tokens needs 1 MB"), "{refused}");
        assert!(Plan::within(10, 100, 8192, false, 32).is_err());
    }
}

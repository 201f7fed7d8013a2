//! Runs a GGUF file through llama.cpp, many requests at once.
//!
//! llama.cpp computes logits for a batch of tokens of many sequences. What goes into a batch is decided here, by a
//! scheduler of ours on a thread of its own ([`scheduler`]): every running answer gets its next token in each step,
//! and the prompts of others are read beside them, a piece at a time ([`pace`]). Prefixes that requests have in common
//! are computed once ([`kv_cache`]). An embedding model has a simpler loop ([`embedder`]). Sampling,
//! stop strings and the rest are `zyron-engine`'s.

mod embedder;
#[expect(unsafe_code)]
mod invariant;
mod kv_cache;
mod load;
mod pace;
mod scheduler;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use zyron_engine::{Active, Engine, EngineError, GenerateRequest, Generation, KvCacheUse, Model, Progress, Sequence};

pub use crate::load::{KvCacheType, LoadError, LoadOptions, usual_cache};
use crate::scheduler::Arrival;

/// What the scheduler says of itself.
#[derive(Default)]
struct Report {
    /// Tokens in the cache, of sequences that run.
    used: AtomicUsize,
    /// Of those that are over.
    kept: AtomicUsize,
    /// Steps since it was loaded.
    steps: AtomicU64,
    /// Whether it serves no more, because it panicked or nobody can ask.
    has_ended: AtomicBool,
}

/// A model loaded by llama.cpp. Dropping it ends what still runs, and returns once llama.cpp has let go of its memory,
/// unless it was given up.
pub struct LlamaCppEngine {
    /// Both are there until it is dropped.
    arrivals: Option<mpsc::Sender<Arrival>>,
    thread: Option<JoinHandle<()>>,
    loaded: Loaded,
    makes_embeddings: bool,
    active: Arc<AtomicUsize>,
    report: Arc<Report>,
    is_given_up: AtomicBool,
}

/// What there is once a model is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Requests that run at once.
    pub sequences: usize,
    /// The longest prompt plus answer, in tokens.
    pub context_length: usize,
    /// Tokens, of all requests together, that the cache holds.
    pub kv_cache_tokens: usize,
    /// Bytes of the cache, and of what an embedding model computes in.
    pub kv_cache_bytes: u64,
}

impl std::fmt::Debug for LlamaCppEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LlamaCppEngine").field("loaded", &self.loaded).finish_non_exhaustive()
    }
}

impl LlamaCppEngine {
    /// Loads the weights of `model` and computes a token, so that what cannot run is known before it is served.
    ///
    /// # Errors
    /// [`LoadError`], in one sentence.
    pub async fn load(model: Arc<Model>, options: LoadOptions) -> Result<Self, LoadError> {
        let (arrivals, receiver) = mpsc::channel();
        let (ready, loaded) = tokio::sync::oneshot::channel();
        // llama.cpp's context stays on the thread that made it; the thread ends when the engine is dropped.
        let report = Arc::<Report>::default();
        let reports = Arc::clone(&report);
        let makes_embeddings = model.pooling.is_some();
        let thread = std::thread::Builder::new()
            .name("llama.cpp".to_owned())
            .spawn(move || load::run(&model, &options, receiver, &reports, ready))
            .map_err(|error| LoadError::Failed(error.to_string()))?;
        let loaded = loaded.await.map_err(|_| LoadError::Failed("its thread panicked".to_owned()))??;
        Ok(Self {
            arrivals: Some(arrivals),
            thread: Some(thread),
            loaded,
            makes_embeddings,
            active: Arc::default(),
            report,
            is_given_up: AtomicBool::new(false),
        })
    }

    /// What the model was loaded with.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        self.loaded
    }
}

impl Drop for LlamaCppEngine {
    fn drop(&mut self) {
        // CUDA must not be told to free anything by a thread that the process ends under.
        drop(self.arrivals.take());
        let is_given_up = self.is_given_up.load(Ordering::SeqCst);
        if let Some(thread) = self.thread.take().filter(|_| !is_given_up) {
            let _ = thread.join();
        }
    }
}

impl Engine for LlamaCppEngine {
    fn name(&self) -> &'static str {
        "llama_cpp"
    }

    fn parallelism(&self) -> usize {
        self.loaded.sequences
    }

    fn context_length(&self) -> usize {
        self.loaded.context_length
    }

    fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    fn kv_cache(&self) -> Option<KvCacheUse> {
        (!self.makes_embeddings).then(|| KvCacheUse {
            used_tokens: self.report.used.load(Ordering::Relaxed),
            kept_tokens: self.report.kept.load(Ordering::Relaxed),
            size_tokens: self.loaded.kv_cache_tokens,
        })
    }

    fn gives_way(&self) -> bool {
        true
    }

    fn progress(&self) -> Option<Progress> {
        Some(Progress { steps: self.report.steps.load(Ordering::Relaxed), is_long: self.makes_embeddings })
    }

    fn has_ended(&self) -> bool {
        self.report.has_ended.load(Ordering::SeqCst)
    }

    fn give_up(&self) {
        self.is_given_up.store(true, Ordering::SeqCst);
    }

    fn generate(&self, request: GenerateRequest) -> Generation {
        let (mut sequence, generation) = Sequence::start(request);
        let active = Active::new(&self.active);
        if sequence.prompt().is_empty() {
            sequence.fail(EngineError::Backend("the prompt is empty".to_owned()));
        } else if sequence.wants_embedding() != self.makes_embeddings {
            sequence.fail(EngineError::OtherKind);
        } else if sequence.only_reads() && !sequence.wants_prompt_logits() && !sequence.wants_embedding() {
            sequence.end();
        } else if let Some(arrivals) = &self.arrivals {
            // Where the thread has ended, the sequence is dropped, which tells its reader.
            let _ = arrivals.send(Arrival { sequence, active });
        }
        generation
    }
}

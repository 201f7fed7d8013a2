//! Runs a GGUF file through llama.cpp, many requests at once.
//!
//! llama.cpp computes logits for a batch of tokens of many sequences. What goes into a batch is decided here, by a
//! scheduler of ours on a thread of its own ([`scheduler`]): every running answer gets its next token in each step,
//! and the prompts of others are read beside them, a piece at a time ([`pace`]). Prefixes that requests have in common
//! are computed once ([`kv_cache`]). An embedding model has a simpler loop ([`embedder`]). Sampling, stop strings and the rest are `zyron-engine`'s.

mod embedder;
#[expect(unsafe_code)]
mod invariant;
mod kv_cache;
mod load;
mod pace;
mod scheduler;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use zyron_engine::{Active, Engine, EngineError, GenerateRequest, Generation, KvCacheUse, Model, Sequence};

pub use crate::load::{KvCacheType, LoadError, LoadOptions, usual_cache};
use crate::scheduler::Arrival;

/// Tokens in the cache, as the scheduler last said.
#[derive(Default)]
struct Held {
    /// Of sequences that run.
    used: AtomicUsize,
    /// Of those that are over.
    kept: AtomicUsize,
}

/// A model loaded by llama.cpp. Dropping it ends what still runs, and returns once llama.cpp has let go of its memory.
pub struct LlamaCppEngine {
    /// Both are there until it is dropped.
    arrivals: Option<mpsc::Sender<Arrival>>,
    thread: Option<JoinHandle<()>>,
    loaded: Loaded,
    makes_embeddings: bool,
    active: Arc<AtomicUsize>,
    held: Arc<Held>,
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
    /// Bytes of the cache.
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
        let held = Arc::<Held>::default();
        let reports = Arc::clone(&held);
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
            held,
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
        if let Some(thread) = self.thread.take() {
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
            used_tokens: self.held.used.load(Ordering::Relaxed),
            kept_tokens: self.held.kept.load(Ordering::Relaxed),
            size_tokens: self.loaded.kv_cache_tokens,
        })
    }

    fn gives_way(&self) -> bool {
        true
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

//! What every request sees: the configuration, and the model once it is loaded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zyron_engine::{Engine, Model};

use crate::admission::Admission;
use crate::config::Config;
use crate::error::ApiError;
use crate::middleware::auth::ApiKey;
use crate::respond::now;

/// Shared by every request; a clone is a reference.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

struct Inner {
    config: Config,
    key: Option<ApiKey>,
    serving: OnceLock<Arc<Serving>>,
    draining: AtomicBool,
    abort: CancellationToken,
}

/// A loaded model and what it takes to answer with it.
pub(crate) struct Serving {
    pub(crate) model: Arc<Model>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) admission: Admission,
    /// Tokenization is the CPU's work: no more of it at once than there are cores.
    pub(crate) tokenizing: Semaphore,
    /// When the model was loaded, in seconds since 1970.
    pub(crate) created: u64,
    /// Names the model, its number format, the engine and this version of the code.
    pub(crate) system_fingerprint: String,
}

impl AppState {
    pub(crate) fn new(config: Config, key: Option<ApiKey>) -> Self {
        let abort = CancellationToken::new();
        Self(Arc::new(Inner { config, key, serving: OnceLock::new(), draining: AtomicBool::new(false), abort }))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// The key that requests must carry, if there is one.
    pub(crate) fn key(&self) -> Option<&ApiKey> {
        self.0.key.as_ref()
    }

    /// The model, if it can be asked now.
    pub(crate) fn serving(&self) -> Result<&Arc<Serving>, ApiError> {
        if self.is_draining() {
            return Err(ApiError::Draining);
        }
        self.0.serving.get().ok_or(ApiError::Loading)
    }

    pub(crate) fn serve(&self, model: Arc<Model>, engine: Arc<dyn Engine>) {
        let admission = Admission::new(&self.0.config.admission, engine.parallelism());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let system_fingerprint = fingerprint(&model, engine.name());
        let tokenizing = Semaphore::new(cores);
        let serving = Serving { model, engine, admission, tokenizing, created: now(), system_fingerprint };
        // A second model is not a thing yet; the first stays.
        let _ = self.0.serving.set(Arc::new(serving));
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::SeqCst)
    }

    /// From now on new requests are refused; those in progress go on.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
    }

    /// Cancelled when requests in progress must end at once.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.0.abort
    }
}

fn fingerprint(model: &Model, engine: &str) -> String {
    let mut hash = Sha256::new();
    for part in [&model.id, &model.architecture, &model.quantization, engine, env!("CARGO_PKG_VERSION")] {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize()[..5].iter().fold("fp_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

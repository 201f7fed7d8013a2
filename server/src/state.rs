//! What every request sees: the configuration, and the model once it is loaded.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zyron_engine::{Engine, GrammarCompiler, Model, ToolFormat, Weights};

use crate::admission::Admission;
use crate::audit::{Audit, Event};
use crate::config::{Config, EngineConfig, LimitsConfig};
use crate::error::ApiError;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::provenance::Signer;
use crate::responses::Responses;
use crate::run::Running;
use crate::time::now;
use crate::tls::Tls;
use crate::upstream::Servers;

/// Shared by every request; a clone is a reference.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

struct Inner {
    config: Config,
    /// Those of the configuration until they are read again.
    limits: RwLock<Arc<LimitsConfig>>,
    tls: Option<Tls>,
    keys: Keys,
    audit: Option<Audit>,
    running: Option<Running>,
    signer: Option<Arc<Signer>>,
    serving: OnceLock<Arc<Serving>>,
    /// In place of a model.
    upstream: OnceLock<Arc<Servers>>,
    responses: Option<Responses>,
    /// The queue before the reading of companies' files, which is the CPU's work.
    reading: Admission,
    metrics: Metrics,
    draining: AtomicBool,
    abort: CancellationToken,
}

/// What a state folder is for besides keys, where there is one.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) audit: Option<Audit>,
    pub(crate) running: Option<Running>,
    pub(crate) signer: Option<Arc<Signer>>,
}

/// A loaded model and what it takes to answer with it.
pub(crate) struct Serving {
    pub(crate) model: Arc<Model>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) admission: Admission,
    /// Tokenization is the CPU's work: no more of it at once than there are cores.
    pub(crate) tokenizing: Arc<Semaphore>,
    /// And the compilation of constraints.
    pub(crate) compiling: Arc<Semaphore>,
    /// Compiles constraints.
    pub(crate) grammars: GrammarCompiler,
    /// How the model writes tool calls.
    pub(crate) tool_format: ToolFormat,
    /// When the model was loaded, in seconds since 1970.
    pub(crate) created: u64,
    /// Names the model, its number format, the engine and this version of the code.
    pub(crate) system_fingerprint: String,
    /// SHA-256 over the weight files' lengths and samples of them, in hexadecimal.
    pub(crate) weights_sha256: String,
}

impl AppState {
    pub(crate) fn new(config: Config, tls: Option<Tls>, keys: Keys, kept: Kept) -> Self {
        let Kept { audit, running, signer } = kept;
        let limits = RwLock::new(Arc::new(config.limits.clone()));
        let abort = CancellationToken::new();
        let responses = Responses::new(&config.responses);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let reading = Admission::new(&config.admission, cores);
        let draining = AtomicBool::new(false);
        Self(Arc::new(Inner {
            config,
            limits,
            tls,
            keys,
            audit,
            running,
            signer,
            serving: OnceLock::new(),
            upstream: OnceLock::new(),
            responses,
            reading,
            metrics: Metrics::new(),
            draining,
            abort,
        }))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// What one request may ask for, now.
    pub(crate) fn limits(&self) -> Arc<LimitsConfig> {
        Arc::clone(&self.0.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on one request may ask for this much.
    pub(crate) fn limit(&self, limits: LimitsConfig) {
        *self.0.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
    }

    /// What encrypts connections, where that is wanted.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.0.tls.as_ref()
    }

    /// Who may ask.
    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// What is kept of each request, where that is.
    pub(crate) fn audit(&self) -> Option<&Audit> {
        self.0.audit.as_ref()
    }

    /// The mark on the state folder, where there is one.
    pub(crate) fn running(&self) -> Option<&Running> {
        self.0.running.as_ref()
    }

    /// What signs provenance, where there is a key for it.
    pub(crate) fn signer(&self) -> Option<&Arc<Signer>> {
        self.0.signer.as_ref()
    }

    /// The answers that are kept, where any are.
    pub(crate) fn responses(&self) -> Option<&Responses> {
        self.0.responses.as_ref()
    }

    /// Who may have files read.
    pub(crate) fn reading(&self) -> &Admission {
        &self.0.reading
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The model, if there is one, even where it takes no more requests.
    pub(crate) fn loaded(&self) -> Option<&Arc<Serving>> {
        self.0.serving.get()
    }

    /// The model, if it can be asked now.
    pub(crate) fn serving(&self) -> Result<&Arc<Serving>, ApiError> {
        if self.is_draining() {
            return Err(ApiError::Draining);
        }
        self.0.serving.get().ok_or(ApiError::Loading)
    }

    /// `weights` is [`weights_digest`] of the model's.
    pub(crate) fn serve(&self, model: Arc<Model>, engine: Arc<dyn Engine>, weights: [u8; 32]) {
        let admission = Admission::new(&self.0.config.admission, engine.parallelism());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let config = &self.0.config;
        let named = config.model.tool_format.as_deref().and_then(ToolFormat::named);
        let serving = Serving {
            admission,
            tokenizing: Arc::new(Semaphore::new(cores)),
            compiling: Arc::new(Semaphore::new(cores)),
            grammars: GrammarCompiler::default(),
            tool_format: named.unwrap_or_else(|| ToolFormat::of(model.template.as_ref())),
            created: now(),
            system_fingerprint: fingerprint(&model, &weights, engine.name(), &config.engine),
            weights_sha256: weights.iter().map(|byte| format!("{byte:02x}")).collect(),
            model,
            engine,
        };
        if let Some(audit) = self.audit() {
            audit.enter(Event::Serving {
                model: serving.model.id.clone(),
                engine: serving.engine.name(),
                system_fingerprint: serving.system_fingerprint.clone(),
            });
        }
        // A second model is not a thing yet; the first stays.
        let _ = self.0.serving.set(Arc::new(serving));
    }

    /// From now on requests are passed on to these servers.
    pub(crate) fn pass_on(&self, servers: Servers) {
        let _ = self.0.upstream.set(Arc::new(servers));
    }

    /// The servers to which requests are passed on, where this one has no model.
    pub(crate) fn upstream(&self) -> Option<&Arc<Servers>> {
        self.0.upstream.get()
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

/// What decides an answer besides the request: the weights, their number format, the engine and this code.
fn fingerprint(model: &Model, weights: &[u8], engine: &str, config: &EngineConfig) -> String {
    let mut hash = Sha256::new();
    let numbers = format!("{:?} {:?} {:?} {}", config.dtype, config.isq, config.kv_cache_type, config.batch_invariant);
    for part in [&model.id, &model.architecture, &model.quantization, engine, &numbers, env!("CARGO_PKG_VERSION")] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(weights);
    hash.finalize()[..5].iter().fold("fp_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// SHA-256 over the lengths of a model's weight files and samples of them.
///
/// # Errors
/// Those of the disk.
pub fn weights_digest(weights: &Weights) -> std::io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    for file in weight_files(weights) {
        hash_samples(&file, &mut hash)?;
    }
    Ok(hash.finalize().into())
}

fn weight_files(weights: &Weights) -> Vec<PathBuf> {
    match weights {
        Weights::Gguf(file) => vec![file.clone()],
        Weights::Safetensors(folder) => {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut files: Vec<PathBuf> =
                files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")).collect();
            files.sort();
            files
        }
    }
}

/// The length, and samples over the whole file: two fine-tunings may have many tensors in common.
fn hash_samples(path: &Path, hash: &mut Sha256) -> std::io::Result<()> {
    const SAMPLES: u64 = 256;
    const LENGTH: u64 = 4096;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    hash.update(length.to_le_bytes());
    let mut sample = Vec::new();
    for number in 0..SAMPLES {
        file.seek(SeekFrom::Start(length / SAMPLES * number))?;
        sample.clear();
        (&file).take(LENGTH).read_to_end(&mut sample)?;
        hash.update(&sample);
    }
    Ok(())
}

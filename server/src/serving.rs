//! A model that answers, and what it takes to answer with it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zyron_engine::{Engine, GrammarCompiler, Model, ToolFormat, Weights};

use crate::admission::{Admission, Applicant};
use crate::config::{Config, EngineConfig};
use crate::error::ApiError;
use crate::models::LoadedModel;
use crate::time::now;

/// The right to run a request. Dropping it lets the next one in.
pub(crate) type Held = Box<dyn Send + Sync>;

/// A loaded model and what it takes to answer with it.
pub(crate) struct Serving {
    pub(crate) model: Arc<Model>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) admission: Admission,
    /// Those that run although nobody waits for them, besides.
    background: Arc<Semaphore>,
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
    /// What it takes, in bytes, as far as the engine knows.
    pub(crate) memory_bytes: u64,
    /// Cancelled when its engine is given up.
    lost: CancellationToken,
}

impl Serving {
    /// `tool_format` is how it writes tool calls, where that is not what its chat template says.
    pub(crate) fn new(loaded: LoadedModel, config: &Config, tool_format: Option<ToolFormat>) -> Self {
        let LoadedModel { model, engine, weights, memory_bytes } = loaded;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            admission: Admission::new(&config.admission, engine.parallelism()),
            // What does not give way is in the way of no more than one.
            background: Arc::new(Semaphore::new(if engine.gives_way() { config.batch.concurrency } else { 1 })),
            tokenizing: Arc::new(Semaphore::new(cores)),
            compiling: Arc::new(Semaphore::new(cores)),
            grammars: GrammarCompiler::default(),
            tool_format: tool_format.unwrap_or_else(|| ToolFormat::of(model.template.as_ref())),
            created: now(),
            system_fingerprint: fingerprint(&model, &weights, engine.name(), &config.engine),
            weights_sha256: weights.iter().map(|byte| format!("{byte:02x}")).collect(),
            memory_bytes,
            lost: CancellationToken::new(),
            model,
            engine,
        }
    }

    /// Waits for a request's turn; [`Admission::admit`] has the errors, besides [`ApiError::EngineLost`].
    pub(crate) async fn admit(&self, applicant: Applicant) -> Result<Held, ApiError> {
        let admitted = async {
            if applicant.is_background {
                return self.admit_to_background(applicant.deadline).await;
            }
            Ok(Box::new(self.admission.admit(applicant).await?) as Held)
        };
        self.unless_lost(admitted).await
    }

    /// Waits for the turn of a further answer of a request that was admitted, which is not refused now.
    pub(crate) async fn admit_next(&self, applicant: Applicant) -> Result<Held, ApiError> {
        let admitted = async {
            if applicant.is_background {
                return self.admit_to_background(applicant.deadline).await;
            }
            Ok(Box::new(self.admission.admit_next(applicant).await?) as Held)
        };
        self.unless_lost(admitted).await
    }

    async fn unless_lost<T>(&self, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(ApiError::EngineLost),
            result = work => result,
        }
    }

    async fn admit_to_background(&self, deadline: Instant) -> Result<Held, ApiError> {
        let admitted = async {
            let place = Arc::clone(&self.background).acquire_owned().await.map_err(|_| ApiError::Draining)?;
            if !self.engine.gives_way() {
                self.admission.until_idle().await;
            }
            Ok::<Held, ApiError>(Box::new(place))
        };
        tokio::time::timeout_at(deadline.into(), admitted).await.unwrap_or(Err(ApiError::Timeout))
    }

    /// Gives up the engine, and ends all that runs or waits here.
    pub(crate) fn lose(&self) {
        self.engine.give_up();
        self.lost.cancel();
    }

    /// Cancelled when the engine is given up.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Whether the engine works on a request, or one waits for it.
    pub(crate) fn is_busy(&self) -> bool {
        let load = self.admission.load();
        load.running + load.waiting + self.engine.active() > 0
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
            let within =
                |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
            // An embedding model has layers in folders of their own.
            let files =
                within(folder).flat_map(|path| if path.is_dir() { within(&path).collect() } else { vec![path] });
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

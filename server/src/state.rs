//! What every request sees: the configuration, and the models that are loaded.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::audit::Audit;
use crate::batches::Batches;
use crate::config::{Config, LimitsConfig};
use crate::content::Contents;
use crate::error::ApiError;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::provenance::Signer;
use crate::responses::Responses;
use crate::run::Running;
use crate::serving::Serving;
use crate::tls::Tls;
use crate::traces::Traces;
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
    traces: Option<Traces>,
    contents: Option<Arc<Contents>>,
    batches: Option<Batches>,
    models: Models,
    /// In place of a model.
    upstream: OnceLock<Arc<Servers>>,
    responses: Option<Responses>,
    /// The queue before the reading of companies' files, which is the CPU's work.
    reading: Admission,
    metrics: Metrics,
    draining: CancellationToken,
    abort: CancellationToken,
}

/// What outlives a request besides keys, where it is wanted.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) audit: Option<Audit>,
    pub(crate) running: Option<Running>,
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) traces: Option<Traces>,
    pub(crate) contents: Option<Arc<Contents>>,
    pub(crate) batches: Option<Batches>,
}

impl AppState {
    pub(crate) fn new(config: Config, tls: Option<Tls>, keys: Keys, kept: Kept) -> Self {
        let Kept { audit, running, signer, traces, contents, batches } = kept;
        let limits = RwLock::new(Arc::new(config.limits.clone()));
        let abort = CancellationToken::new();
        let models = Models::new(&config.models);
        let responses = Responses::new(&config.responses);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let reading = Admission::new(&config.admission, cores);
        let draining = CancellationToken::new();
        Self(Arc::new(Inner {
            config,
            limits,
            tls,
            keys,
            audit,
            running,
            signer,
            traces,
            contents,
            batches,
            models,
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

    /// Requests in files, where they are taken.
    pub(crate) fn batches(&self) -> Option<&Batches> {
        self.0.batches.as_ref()
    }

    /// Where texts are kept, if anywhere.
    pub(crate) fn contents(&self) -> Option<&Arc<Contents>> {
        self.0.contents.as_ref()
    }

    /// Where traces go, if anywhere.
    pub(crate) fn traces(&self) -> Option<&Traces> {
        self.0.traces.as_ref()
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

    /// The models that come and go.
    pub(crate) fn models(&self) -> &Models {
        &self.0.models
    }

    /// The model of this name, if it can be asked now.
    pub(crate) fn serving(&self, name: &str) -> Result<Arc<Serving>, ApiError> {
        self.refuse_while_draining()?;
        self.0.models.serving(name)
    }

    /// The model of this name or, where none is named, the first of those that can be asked.
    pub(crate) fn serving_any(&self, name: Option<&str>) -> Result<Arc<Serving>, ApiError> {
        match name {
            Some(name) => self.serving(name),
            None => self.all_serving()?.into_iter().next().ok_or(ApiError::NoModel),
        }
    }

    /// Those that can be asked now.
    pub(crate) fn all_serving(&self) -> Result<Vec<Arc<Serving>>, ApiError> {
        self.refuse_while_draining()?;
        let models = self.0.models.loaded();
        let is_any_to_come = !self.0.models.are_started() || (models.is_empty() && self.0.models.is_restarting());
        if is_any_to_come { Err(ApiError::Loading) } else { Ok(models) }
    }

    /// Refuses what is new when the server is about to stop.
    pub(crate) fn refuse_while_draining(&self) -> Result<(), ApiError> {
        if self.is_draining() { Err(ApiError::Draining) } else { Ok(()) }
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
        self.0.draining.is_cancelled()
    }

    /// From now on new requests are refused; those in progress go on.
    pub(crate) fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Cancelled when new requests are refused.
    pub(crate) fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Cancelled when requests in progress must end at once.
    pub(crate) fn abort(&self) -> &CancellationToken {
        &self.0.abort
    }
}

//! Accepts connections, and ends them in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use zyron_engine::{Engine, Model};

use crate::audit::{Audit, AuditError, Event};
use crate::batches::{self, BatchStoreError, Batches};
use crate::config::{Config, ServerConfig};
use crate::content::Contents;
use crate::grpc::Grpc;
use crate::keys::{Keys, Store, StoreError};
use crate::models::{LoadedModel, Loader};
use crate::provenance::Signer;
use crate::router::router;
use crate::run::{RunError, Running};
use crate::state::{AppState, Kept};
use crate::tls::{Protocol, Tls, TlsError};
use crate::traces::{Traces, TracesError};
use crate::upstream::Servers;
use crate::watchdog;

/// Room for a request's headers.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// After the drain's deadline: time for the error that ends each stream to be sent.
const ABORT_GRACE: Duration = Duration::from_secs(2);
/// How late a revoked key ends, and what a crash forgets of what was used.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
/// How long after the audit log could not be written it is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How well a crash's time is known, and how often requests that came to nothing are entered in the audit log.
const KEEP_INTERVAL: Duration = Duration::from_secs(10);
/// How late what is too old is deleted.
const RETIRE_INTERVAL: Duration = Duration::from_secs(3600);
/// How late a text whose time is over is deleted.
const RETIRE_TEXTS_INTERVAL: Duration = Duration::from_secs(60);
/// How late a kept answer may be forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(10);

/// Why the server refused to start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Anyone could use it.
    #[error(
        "`{0}` can be reached from other machines: make a key with `zyron keys create`, set one in the environment variable ZYRON_API_KEY, or listen on 127.0.0.1"
    )]
    PublicWithoutKey(SocketAddr),
    /// A key that is no secret.
    #[error("ZYRON_API_KEY is shorter than 16 characters: it could be guessed")]
    WeakKey,
    /// The state folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Nothing can be entered in the audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Connections cannot be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Batches cannot be read.
    #[error(transparent)]
    Batches(#[from] BatchStoreError),
    /// Texts are to be kept, and cannot be.
    #[error("the folder for texts that are kept: {0}")]
    Content(io::Error),
    /// Traces go nowhere.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// There is no key to sign with.
    #[error("the key for signed provenance: {0}")]
    Provenance(io::Error),
    /// Keys cannot be read.
    #[error(transparent)]
    Keys(#[from] StoreError),
    /// No other server can be asked.
    #[error("no connections can be made: {0}")]
    Upstream(String),
}

/// Where a server listens.
#[derive(Debug)]
pub struct Listeners {
    /// For HTTP.
    pub http: TcpListener,
    /// For gRPC, where that is spoken.
    pub grpc: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(http: TcpListener) -> Self {
        Self { http, grpc: None }
    }
}

/// A server, which answers from the start and has a model as soon as it is given one.
#[derive(Clone)]
pub struct App(AppState);

impl std::fmt::Debug for App {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// A server without a model yet. `key` is what requests may carry besides the keys of the state folder.
    ///
    /// # Errors
    /// [`StartError`] when it would be open to anyone, or its keys cannot be read.
    pub fn new(config: Config, key: Option<&str>) -> Result<Self, StartError> {
        let folder = config.state.folder.as_deref();
        let running = folder.map(Running::begin).transpose()?;
        let store = folder.map(Store::open).transpose()?;
        let keys = check_keys(&config, store, key)?;
        let kept = folder.filter(|_| config.audit.enabled);
        let audit = kept.map(|folder| Audit::open(folder, config.audit.retention_days)).transpose()?;
        let signer = folder.map(Signer::open).transpose().map_err(StartError::Provenance)?.map(Arc::new);
        let tls = Tls::open(&config.tls)?;
        let traces = Traces::open(&config.traces)?;
        let contents = Contents::open(folder, &config.content).map_err(StartError::Content)?.map(Arc::new);
        let batches = Batches::open(folder, &config.batch)?;
        // Last: a server that does not start has nothing to say, and leaves the trace of a crash to one that does.
        let marked = running.as_ref().zip(folder).map(|(running, folder)| running.mark(folder));
        let crash = marked.transpose().map_err(RunError::Folder)?.flatten();
        if let Some(audit) = &audit {
            crash.into_iter().for_each(|crash| audit.enter(Event::Crashed(crash)));
            audit.enter(Event::Started { version: env!("CARGO_PKG_VERSION") });
            if let Some(contents) = &contents {
                let (purpose, ttl_hours) = (contents.purpose().to_owned(), config.content.ttl_hours);
                audit.enter(Event::Keeping { purpose, ttl_hours });
            }
            audit.write()?;
        }
        if let Some(contents) = &contents {
            tracing::warn!(purpose = contents.purpose(), "requests and answers are kept in full");
        }
        Ok(Self(AppState::new(config, tls, keys, Kept { audit, running, signer, traces, contents, batches })))
    }

    /// Whether a server could start, as far as that can be seen without starting one.
    ///
    /// # Errors
    /// What [`Self::new`] would say.
    pub fn check(config: &Config, key: Option<&str>) -> Result<(), StartError> {
        // A folder that is not there yet has no keys, and is not made for a look.
        let store = config.state.folder.as_deref().filter(|folder| folder.is_dir()).map(Store::open).transpose()?;
        check_keys(config, store, key)?;
        Tls::open(&config.tls)?;
        Ok(())
    }

    /// Whether requests need a key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.0.keys().are_required()
    }

    /// Loads the models of the configuration; from then on the server answers with them, and `loader` loads those that
    /// are asked for. Gives the first.
    ///
    /// # Errors
    /// Why one of them cannot be loaded.
    pub async fn start_models(&self, loader: Arc<dyn Loader>) -> anyhow::Result<Arc<Model>> {
        self.0.start_models(loader).await
    }

    /// From now on the server answers with this model, and no other is ever loaded.
    pub fn serve_model(&self, model: Arc<Model>, engine: Arc<dyn Engine>) {
        self.0.serve(LoadedModel { model, engine, weights: [0; 32], memory_bytes: 0 }, true);
        self.0.models_are_started();
    }

    /// From now on the server passes requests on to those of its configuration. `key` is what they ask for.
    ///
    /// # Errors
    /// [`StartError::Upstream`] where the machine has no TLS to offer, or the key cannot be sent.
    pub fn pass_on(&self, key: Option<String>) -> Result<(), StartError> {
        let config = self.0.config();
        let servers = Servers::new(&config.upstream, &config.admission, key);
        self.0.pass_on(servers.map_err(|error| StartError::Upstream(error.to_string()))?);
        Ok(())
    }

    /// Takes the limits of a configuration that was read again, and reads the keys and the certificate. Whatever else has
    /// changed counts from the next start, of which the log says the sections.
    ///
    /// # Errors
    /// What could not be read, and why; all else is taken.
    pub fn reload(&self, config: &Config) -> Result<(), String> {
        let old = self.0.config();
        let others = config.differences(old);
        if !others.is_empty() {
            tracing::warn!(sections = others.join(", "), "changes that count from the next start");
        }
        self.0.limit(config.limits.clone());
        let keys = self.0.keys().sync().map_err(|error| error.to_string());
        let certificate = self.0.tls().map_or(Ok(()), Tls::reload).map_err(|error| error.to_string());
        let errors: Vec<String> = [keys, certificate].into_iter().filter_map(Result::err).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }

    /// Whether it speaks HTTPS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.tls().is_some()
    }

    /// What answers requests, for whoever has them from elsewhere than a connection. What happens beside them, such as
    /// batches, is [`Self::run`]'s.
    pub fn router(&self) -> Router {
        router(self.0.clone())
    }

    /// Serves connections until `shutdown`, then lets requests in progress end within the configured time.
    pub async fn run(&self, listeners: impl Into<Listeners>, shutdown: impl Future<Output = ()>) {
        let listeners = listeners.into();
        let router = router(self.0.clone());
        let grpc = match &listeners.grpc {
            Some(_) => Some(Grpc::new(&self.0, router.clone()).await),
            None => None,
        };
        let connections = Connections::new(&self.0, router.clone(), grpc.as_ref());
        let serve = async {
            tokio::select! {
                () = connections.accept(listeners) => {}
                () = shutdown => {}
            }
            self.0.drain();
            connections.drain(&self.0).await;
        };
        // Those go on until the last request has ended.
        tokio::select! {
            () = serve => {}
            () = forget(&self.0) => {}
            () = watch(&self.0) => {}
            () = watchdog::watch(&self.0) => {}
            () = sync(&self.0) => {}
            () = record(&self.0) => {}
            () = keep(&self.0) => {}
            () = keep_texts(&self.0) => {}
            () = batches::work(&self.0, router) => {}
            () = follow_health(grpc.as_ref()) => {}
        }
    }

    /// Writes what is not written yet, and that the server has ended well; after [`Self::run`], when nothing runs any
    /// more. Blocks for as long as the disk takes.
    pub fn close(&self) {
        if let Err(error) = self.0.keys().sync() {
            tracing::error!(%error, "what was used last is not written");
        }
        if let Some(audit) = self.0.audit() {
            audit.enter_refused();
            audit.enter(Event::Stopped);
            if let Err(error) = audit.write() {
                tracing::error!(%error, "the last requests are not in the audit log");
            }
        }
        if let Some(Err(error)) = self.0.contents().map(|contents| contents.write()) {
            tracing::error!(%error, "the last texts are not in the content log");
        }
        if let Some(traces) = self.0.traces() {
            traces.close();
        }
        if let Some(Err(error)) = self.0.running().map(Running::end) {
            tracing::error!(%error, "the next server will take this one's end for a crash");
        }
    }
}

/// The keys of a server, if they are enough for its address.
fn check_keys(config: &Config, store: Option<Store>, key: Option<&str>) -> Result<Keys, StartError> {
    if key.is_some_and(|key| key.chars().count() < 16) {
        return Err(StartError::WeakKey);
    }
    let keys = Keys::new(store, key)?;
    if !config.server.host.is_loopback() && !keys.is_any_valid() {
        return Err(StartError::PublicWithoutKey(config.server.address()));
    }
    Ok(keys)
}

/// Writes the audit log, as soon as there is something to write.
async fn record(app: &AppState) {
    let Some(audit) = app.audit() else { return std::future::pending().await };
    loop {
        audit.more().await;
        if let Err(error) = blocking(app, |app| app.audit().map_or(Ok(()), Audit::write)).await {
            tracing::error!(%error, "the audit log cannot be written; requests are refused until it can");
            tokio::time::sleep(RETRY_INTERVAL).await;
            audit.try_again();
        }
    }
}

/// Says, again and again, that the server is still there; enters what was refused, and lets go of what is too old.
async fn keep(app: &AppState) {
    let Some(running) = app.running() else { return std::future::pending().await };
    let mut retired = None;
    loop {
        running.go_on();
        tokio::time::sleep(KEEP_INTERVAL).await;
        let Some(audit) = app.audit() else { continue };
        audit.enter_refused();
        if retired.is_none_or(|at: Instant| at.elapsed() > RETIRE_INTERVAL) {
            retired = Some(Instant::now());
            if let Err(error) = blocking(app, |app| app.audit().map_or(Ok(()), Audit::retire)).await {
                tracing::error!(%error, "what is too old in the audit log cannot be deleted");
            }
        }
    }
}

/// Writes the content log, and deletes what is too old in it.
async fn keep_texts(app: &AppState) {
    let Some(contents) = app.contents() else { return std::future::pending().await };
    let mut retire = tokio::time::interval(RETIRE_TEXTS_INTERVAL);
    loop {
        let result = tokio::select! {
            () = contents.more() => blocking(app, |app| app.contents().map_or(Ok(()), |contents| contents.write())).await,
            _ = retire.tick() => blocking(app, |app| app.contents().map_or(Ok(()), |contents| contents.retire())).await,
        };
        if let Err(error) = result {
            tracing::error!(%error, "texts could not be kept, or not be deleted");
        }
    }
}

/// Writes, again and again, what was used, and reads the keys that were changed meanwhile.
async fn sync(app: &AppState) {
    if !app.keys().are_stored() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(SYNC_INTERVAL).await;
        if let Err(error) = blocking(app, |app| app.keys().sync()).await {
            tracing::error!(%error, "keys cannot be read, or usage not be written");
        }
    }
}

/// Does what waits for the disk where nobody waits for it. A panic in it is logged where it happens.
async fn blocking<E: Send + 'static>(app: &AppState, work: fn(&AppState) -> Result<(), E>) -> Result<(), E> {
    let app = app.clone();
    tokio::task::spawn_blocking(move || work(&app)).await.unwrap_or(Ok(()))
}

/// Keeps an eye on the servers to which requests are passed on.
async fn watch(app: &AppState) {
    match app.upstream() {
        Some(servers) => servers.watch().await,
        None => std::future::pending().await,
    }
}

/// Lets go, again and again, of kept answers whose time is over.
async fn forget(app: &AppState) {
    let Some(responses) = app.responses() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(FORGET_INTERVAL).await;
        responses.clean();
    }
}

/// Has gRPC's health service say what changes.
async fn follow_health(grpc: Option<&Grpc>) {
    match grpc {
        Some(grpc) => grpc.follow_health().await,
        None => std::future::pending().await,
    }
}

struct Connections {
    http: Speaker,
    grpc: Option<Speaker>,
    graceful: GracefulShutdown,
    slots: Arc<Semaphore>,
    app: AppState,
}

impl Connections {
    fn new(app: &AppState, router: Router, grpc: Option<&Grpc>) -> Self {
        let config = app.config();
        let slots = Arc::new(Semaphore::new(config.server.max_connections));
        let http = Speaker::http(&config.server, router);
        let grpc = grpc.map(|grpc| Speaker::grpc(config, grpc.router()));
        Self { http, grpc, graceful: GracefulShutdown::new(), slots, app: app.clone() }
    }

    async fn accept(&self, listeners: Listeners) {
        let grpc = listeners.grpc.as_ref().zip(self.grpc.as_ref());
        loop {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            let (accepted, speaker) = tokio::select! {
                accepted = listeners.http.accept() => (accepted, &self.http),
                accepted = accept(grpc) => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.serve(stream, speaker.clone(), slot),
                Err(error) => pause_after(&error).await,
            }
        }
    }

    fn serve(&self, stream: TcpStream, speaker: Speaker, slot: OwnedSemaphorePermit) {
        let protocol = speaker.protocol();
        // Each token is its own small write; waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        let config = &self.app.config().server;
        let write_timeout = Duration::from_millis(config.write_timeout_ms);
        stream.set_write_timeout(Some(write_timeout));
        if protocol == Protocol::Grpc {
            // From one that is there something comes for each ping, and before the first ping its greeting.
            stream.set_read_timeout(Some(config.keep_alive() + write_timeout));
        }
        let stream = Box::pin(stream);
        let watcher = self.graceful.watcher();
        let counted = self.app.metrics().connection();
        let tls = self.app.tls().map(|tls| tls.acceptor(protocol));
        // A handshake is as slow as a client wants.
        let patience = Duration::from_millis(config.header_timeout_ms);
        tokio::spawn(async move {
            let ended = match tls {
                None => speaker.serve(stream, watcher).await,
                Some(tls) => match tokio::time::timeout(patience, tls.accept(stream)).await {
                    Ok(Ok(stream)) => speaker.serve(stream, watcher).await,
                    Ok(Err(error)) => return tracing::debug!(%error, "a client could not be talked to in secret"),
                    Err(_) => return tracing::debug!("a client did not end its TLS handshake in time"),
                },
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop((slot, counted));
        });
    }

    async fn drain(self, app: &AppState) {
        let timeout = Duration::from_millis(app.config().server.drain_timeout_ms);
        tracing::info!(connections = self.graceful.count(), "draining");
        let mut ended = std::pin::pin!(self.graceful.shutdown());
        if tokio::time::timeout(timeout, &mut ended).await.is_err() {
            tracing::warn!("requests were still in progress at the drain's deadline; they are ended with an error");
            app.abort().cancel();
            let _ = tokio::time::timeout(ABORT_GRACE, ended).await;
        }
    }
}

/// What is spoken on a connection, and with whom.
#[derive(Clone)]
enum Speaker {
    Http(http1::Builder, Router),
    Grpc(http2::Builder<TokioExecutor>, Router),
}

impl Speaker {
    fn http(config: &ServerConfig, router: Router) -> Self {
        let mut http = http1::Builder::new();
        // Without a timer hyper never ends a connection whose headers do not come.
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
            .max_buf_size(MAX_HEADER_BYTES);
        Self::Http(http, router)
    }

    fn grpc(config: &Config, router: Router) -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(config.grpc.max_streams)
            .max_header_list_size(MAX_HEADER_BYTES as u32)
            .keep_alive_interval(config.server.keep_alive())
            .keep_alive_timeout(Duration::from_millis(config.server.write_timeout_ms));
        Self::Grpc(http, router)
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Http(..) => Protocol::Http,
            Self::Grpc(..) => Protocol::Grpc,
        }
    }

    async fn serve<S>(self, stream: S, watcher: Watcher) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        match self {
            Self::Http(http, router) => {
                watcher.watch(http.serve_connection(stream, TowerToHyperService::new(router))).await
            }
            Self::Grpc(http, router) => {
                watcher.watch(http.serve_connection(stream, TowerToHyperService::new(router))).await
            }
        }
    }
}

/// The next connection for gRPC; where nobody listens, none ever comes.
async fn accept<'a>(grpc: Option<(&TcpListener, &'a Speaker)>) -> (io::Result<(TcpStream, SocketAddr)>, &'a Speaker) {
    match grpc {
        Some((listener, speaker)) => (listener.accept().await, speaker),
        None => std::future::pending().await,
    }
}

/// Out of file descriptors, say: trying again at once would only burn the CPU.
async fn pause_after(error: &io::Error) {
    tracing::error!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

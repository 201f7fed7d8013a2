//! Accepts connections, and ends them in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use zyron_engine::{Engine, Model};

use crate::config::Config;
use crate::keys::{Keys, Store, StoreError};
use crate::router::router;
use crate::state::AppState;
use crate::upstream::Servers;

/// Room for a request's headers.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// After the drain's deadline: time for the error that ends each stream to be sent.
const ABORT_GRACE: Duration = Duration::from_secs(2);
/// How late a revoked key ends, and what a crash forgets of what was used.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
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
    /// Keys cannot be read.
    #[error(transparent)]
    Keys(#[from] StoreError),
    /// No other server can be asked.
    #[error("no connections can be made: {0}")]
    Upstream(String),
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
        if key.is_some_and(|key| key.chars().count() < 16) {
            return Err(StartError::WeakKey);
        }
        let store = config.state.folder.as_deref().map(Store::open).transpose()?;
        let keys = Keys::new(store, key)?;
        if !config.server.host.is_loopback() && !keys.is_any_valid() {
            return Err(StartError::PublicWithoutKey(config.server.address()));
        }
        Ok(Self(AppState::new(config, keys)))
    }

    /// Whether requests need a key.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.0.keys().are_required()
    }

    /// From now on the server answers with this model.
    pub fn serve_model(&self, model: Arc<Model>, engine: Arc<dyn Engine>) {
        self.0.serve(model, engine);
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

    /// Serves connections until `shutdown`, then lets requests in progress end within the configured time.
    pub async fn run(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let connections = Connections::new(&self.0);
        tokio::select! {
            () = connections.accept(listener) => {}
            () = forget(&self.0) => {}
            () = watch(&self.0) => {}
            () = sync(&self.0) => {}
            () = shutdown => {}
        }
        self.0.drain();
        connections.drain(&self.0).await;
        sync_once(&self.0).await;
    }
}

/// Writes, again and again, what was used, and reads the keys that were changed meanwhile.
async fn sync(app: &AppState) {
    if !app.keys().are_stored() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(SYNC_INTERVAL).await;
        sync_once(app).await;
    }
}

async fn sync_once(app: &AppState) {
    let app = app.clone();
    let synced = tokio::task::spawn_blocking(move || app.keys().sync()).await;
    if let Ok(Err(error)) = synced {
        tracing::error!(%error, "keys cannot be read, or usage not be written");
    }
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

struct Connections {
    http: http1::Builder,
    router: axum::Router,
    graceful: GracefulShutdown,
    slots: Arc<Semaphore>,
    app: AppState,
}

impl Connections {
    fn new(app: &AppState) -> Self {
        let config = &app.config().server;
        let mut http = http1::Builder::new();
        // Without a timer hyper never ends a connection whose headers do not come.
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
            .max_buf_size(MAX_HEADER_BYTES);
        let slots = Arc::new(Semaphore::new(config.max_connections));
        Self { http, router: router(app.clone()), graceful: GracefulShutdown::new(), slots, app: app.clone() }
    }

    async fn accept(&self, listener: TcpListener) {
        loop {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, slot),
                Err(error) => pause_after(&error).await,
            }
        }
    }

    fn serve(&self, stream: TcpStream, slot: tokio::sync::OwnedSemaphorePermit) {
        // Each token is its own small write; waiting to fill a packet would only delay it.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.graceful.watch(self.http.serve_connection(TokioIo::new(stream), service));
        let counted = self.app.metrics().connection();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
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

/// Out of file descriptors, say: trying again at once would only burn the CPU.
async fn pause_after(error: &io::Error) {
    tracing::error!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

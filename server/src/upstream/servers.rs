//! The servers: which are healthy, and what each has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use reqwest::redirect::Policy;

use crate::admission::Admission;
use crate::config::{AdmissionConfig, UpstreamConfig};

/// The servers to which requests are passed on.
pub(crate) struct Servers {
    pub(super) client: reqwest::Client,
    pub(super) key: Option<String>,
    pub(crate) admission: Admission,
    servers: Vec<Arc<Server>>,
    /// Where the search begins, so that servers with as little to do take turns.
    turn: AtomicUsize,
    health_interval: Duration,
    health_timeout: Duration,
}

struct Server {
    /// Its address, up to and with `/v1`.
    base: String,
    /// Its host and port, for the log.
    name: String,
    is_healthy: AtomicBool,
    in_flight: AtomicUsize,
}

/// A request at a server. Dropping it ends it.
pub(super) struct Visit {
    /// Its place among the servers.
    pub(super) server: usize,
    at: Arc<Server>,
}

impl Visit {
    pub(super) fn name(&self) -> &str {
        &self.at.name
    }

    pub(super) fn base(&self) -> &str {
        &self.at.base
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.at.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Servers {
    /// # Errors
    /// Of the TLS library.
    pub(crate) fn new(
        config: &UpstreamConfig,
        admission: &AdmissionConfig,
        key: Option<String>,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            // The key goes where the configuration says, and nowhere else.
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let servers = config.servers.iter().map(|base| Arc::new(Server::new(base))).collect();
        Ok(Self {
            client,
            key,
            admission: Admission::new(admission, config.max_requests),
            servers,
            turn: AtomicUsize::new(0),
            health_interval: Duration::from_millis(config.health_interval_ms),
            health_timeout: Duration::from_millis(config.connect_timeout_ms * 2),
        })
    }

    pub(crate) fn is_any_healthy(&self) -> bool {
        self.servers.iter().any(|server| server.is_healthy.load(Ordering::SeqCst))
    }

    /// Begins a visit to the healthy server with the least to do that was not `tried`.
    pub(super) fn least_loaded(&self, tried: &[usize]) -> Option<Visit> {
        let count = self.servers.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1);
        let order = (0..count).map(|offset| (first + offset) % count).filter(|index| !tried.contains(index));
        let healthy = order.filter(|&index| self.servers[index].is_healthy.load(Ordering::SeqCst));
        let server = healthy.min_by_key(|&index| self.servers[index].in_flight.load(Ordering::SeqCst))?;
        let at = Arc::clone(&self.servers[server]);
        at.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Visit { server, at })
    }

    /// A server could not be reached: it gets nothing until it answers again.
    pub(super) fn note_failure(&self, name: &str) {
        if let Some(server) = self.servers.iter().find(|server| server.name == name) {
            server.set_healthy(false);
        }
    }

    /// Asks each server, again and again, whether it is there.
    pub(crate) async fn watch(&self) {
        loop {
            join_all(self.servers.iter().map(|server| self.check(server))).await;
            tokio::time::sleep(self.health_interval).await;
        }
    }

    /// The list of models is what every OpenAI-compatible server has.
    async fn check(&self, server: &Server) {
        let mut request = self.client.get(format!("{}/models", server.base)).timeout(self.health_timeout);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        server.set_healthy(request.send().await.is_ok_and(|response| response.status().is_success()));
    }
}

impl Server {
    fn new(base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let name = base.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
        Self { base, name, is_healthy: AtomicBool::new(false), in_flight: AtomicUsize::new(0) }
    }

    fn set_healthy(&self, is_healthy: bool) {
        if self.is_healthy.swap(is_healthy, Ordering::SeqCst) != is_healthy {
            let upstream = &self.name;
            if is_healthy {
                tracing::info!(upstream, "is there");
            } else {
                tracing::warn!(upstream, "is not there; nothing is sent to it until it is");
            }
        }
    }
}

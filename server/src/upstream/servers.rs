//! The servers: which are healthy, and what each has to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use futures::future::join_all;
use reqwest::redirect::Policy;
use thiserror::Error;
use tokio::sync::Notify;

use crate::admission::Admission;
use crate::config::{AdmissionConfig, UpstreamConfig};

/// Less than the 5 s after which uvicorn, under most of them, closes a connection: it would break a request just sent.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Why nothing can be passed on.
#[derive(Debug, Error)]
pub(crate) enum ServersError {
    /// Of the TLS library.
    #[error(transparent)]
    Client(#[from] reqwest::Error),
    /// What the variable of this name holds cannot be sent.
    #[error("the key in the environment variable {0} has a character that no header may have, such as a line break")]
    Key(String),
}

/// The servers to which requests are passed on.
pub(crate) struct Servers {
    /// Sends the key that they ask for.
    pub(super) client: reqwest::Client,
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
    /// The address without its scheme, for the log. The configuration allows no user and password in it.
    name: String,
    /// What was found last: that it is there, or why not. Nothing before it was asked.
    found: Mutex<Option<Result<(), String>>>,
    /// Something failed there.
    suspicion: Notify,
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

    /// The server could not be reached: it gets nothing until it answers again.
    pub(super) fn unreachable(&self, reason: String) {
        self.at.note(Err(reason));
    }

    /// Something failed, which may be the request's fault: the server is asked at once whether it is there.
    pub(super) fn suspect(&self) {
        self.at.suspicion.notify_one();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.at.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Servers {
    /// # Errors
    /// [`ServersError`].
    pub(crate) fn new(
        config: &UpstreamConfig,
        admission: &AdmissionConfig,
        key: Option<String>,
    ) -> Result<Self, ServersError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut key = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| ServersError::Key(config.api_key_env.clone()))?;
            key.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, key);
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            // The key goes where the configuration says, and nowhere else.
            .redirect(Policy::none())
            .no_proxy()
            .build()?;
        let servers = config.servers.iter().map(|base| Arc::new(Server::new(base))).collect();
        Ok(Self {
            client,
            admission: Admission::new(admission, config.max_requests),
            servers,
            turn: AtomicUsize::new(0),
            health_interval: Duration::from_millis(config.health_interval_ms),
            health_timeout: Duration::from_millis(config.connect_timeout_ms * 2),
        })
    }

    pub(crate) fn is_any_healthy(&self) -> bool {
        self.servers.iter().any(|server| server.is_healthy())
    }

    /// Begins a visit to the healthy server with the least to do that was not `tried`.
    pub(super) fn least_loaded(&self, tried: &[usize]) -> Option<Visit> {
        let count = self.servers.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1);
        let order = (0..count).map(|offset| (first + offset) % count).filter(|index| !tried.contains(index));
        let healthy = order.filter(|&index| self.servers[index].is_healthy());
        let server = healthy.min_by_key(|&index| self.servers[index].in_flight.load(Ordering::SeqCst))?;
        let at = Arc::clone(&self.servers[server]);
        at.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Visit { server, at })
    }

    /// Asks each server, again and again, whether it is there.
    pub(crate) async fn watch(&self) {
        join_all(self.servers.iter().map(|server| self.watch_one(server))).await;
    }

    async fn watch_one(&self, server: &Server) {
        let mut is_suspected = false;
        loop {
            // Its traffic is a sign of life, and some (llama-cpp-python's) break off an answer to reply.
            let is_busy = server.in_flight.load(Ordering::SeqCst) > 0;
            if is_suspected || !is_busy || !server.is_healthy() {
                server.note(self.check(server).await);
            }
            is_suspected = tokio::time::timeout(self.health_interval, server.suspicion.notified()).await.is_ok();
        }
    }

    /// The list of models is what every OpenAI-compatible server has.
    async fn check(&self, server: &Server) -> Result<(), String> {
        let request = self.client.get(format!("{}/models", server.base)).timeout(self.health_timeout);
        let status = request.send().await.map_err(reason)?.status();
        status.is_success().then_some(()).ok_or_else(|| format!("GET /models: {status}"))
    }
}

impl Server {
    fn new(base: &str) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let name = base.split_once("://").map_or(base.as_str(), |(_, name)| name).to_owned();
        Self { base, name, found: Mutex::default(), suspicion: Notify::new(), in_flight: AtomicUsize::new(0) }
    }

    fn is_healthy(&self) -> bool {
        matches!(*self.found.lock().unwrap_or_else(PoisonError::into_inner), Some(Ok(())))
    }

    /// Keeps what was found, and logs what is new.
    fn note(&self, found: Result<(), String>) {
        let mut last = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&found) {
            return;
        }
        let upstream = &self.name;
        match &found {
            Ok(()) => tracing::info!(upstream, "is there"),
            Err(reason) => tracing::warn!(upstream, reason, "is not there; nothing is sent to it until it is"),
        }
        *last = Some(found);
    }
}

/// What went wrong and why, for the log. Without the address, which may hold what is nobody's business.
pub(super) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Config;

    fn servers(base: &str, key: Option<&str>) -> Result<Servers, ServersError> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("zyron.toml");
        let text = format!("[engine]\nkind = \"upstream\"\n[upstream]\nservers = [\"{base}\"]\n");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file), &[("upstream.health_interval_ms", "1".into())]).unwrap();
        Servers::new(&config.upstream, &config.admission, key.map(str::to_owned))
    }

    #[tokio::test]
    async fn why_a_server_is_not_there_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let servers = servers(&format!("http://{address}/team-a/v1/"), None).unwrap();
        let server = &servers.servers[0];
        assert_eq!(server.name, format!("{address}/team-a/v1"));
        let refusal = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            let refusal = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(refusal).await.unwrap();
        };
        let (found, ()) = tokio::join!(servers.check(server), refusal);
        assert_eq!(found.unwrap_err(), "GET /models: 401 Unauthorized");
        drop(listener);
        let reason = servers.check(server).await.unwrap_err();
        assert!(reason.contains("Connection refused") && !reason.contains("team-a"), "{reason}");
    }

    #[test]
    fn a_key_that_cannot_be_sent_is_refused() {
        assert!(servers("http://gpu1:8000/v1", Some("a-key")).is_ok());
        let error = servers("http://gpu1:8000/v1", Some("a-key\n")).err().unwrap().to_string();
        assert!(error.contains("ZYRON_UPSTREAM_API_KEY") && !error.contains("a-key"), "{error}");
    }

    #[tokio::test]
    async fn what_cannot_be_reached_gets_nothing_and_what_fails_is_suspected() {
        let servers = servers("http://gpu1:8000/v1", None).unwrap();
        servers.servers[0].note(Ok(()));
        let visit = servers.least_loaded(&[]).unwrap();
        visit.suspect();
        assert!(servers.is_any_healthy());
        servers.servers[0].suspicion.notified().await;
        visit.unreachable("no route".to_owned());
        assert!(servers.least_loaded(&[]).is_none());
    }
}

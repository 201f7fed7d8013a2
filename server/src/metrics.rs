//! What the server counts, for Prometheus: requests that are over, and how things stand when it is asked.
//!
//! Each request is counted once, when it has ended ([`Metrics::count`], called by `account`). What changes all the time
//! (who runs, who waits, memory) is read when somebody asks ([`text()`]). Names of what is about models are those of
//! OpenTelemetry's conventions for generative AI, so that existing dashboards find them; the rest is `zyron_…`, and
//! `process_…` as in every Prometheus client. A label's value is one that this server gave: a route's pattern, a status
//! class, the loaded model. Nothing that a client wrote becomes one, so that there are never more series than these.

mod now;

use std::fmt::Write;

use axum::http::{HeaderMap, Method, header};
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::call::{Ended, Facts};
use crate::error::ApiError;
use crate::state::AppState;
use crate::watchdog::Fault;

// The boundaries that OpenTelemetry's conventions ask for, in seconds and tokens.
const REQUEST_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN_SECONDS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const PER_TOKEN_SECONDS: [f64; 13] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Of what is this server's own: the wait for a turn may be a minute, and reading a long prompt takes longer.
const WAIT_SECONDS: [f64; 12] = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// A histogram for each set of labels.
type Histograms<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// What is counted as it happens.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    duration: Histograms<Ending>,
    first_token: Histograms<Generation>,
    per_token: Histograms<Generation>,
    tokens: Histograms<Tokens>,
    cached_tokens: Counter,
    queue: Histogram,
    prefill: Histogram,
    connections: Gauge,
    restarts: Family<Restart, Counter>,
}

/// What was asked for, and how that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: &'static str,
    outcome: &'static str,
}

/// Whose engine was given up, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Restart {
    model: String,
    reason: &'static str,
}

/// What generated.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Generation {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: &'static str,
    gen_ai_request_model: String,
}

/// A generation, with the reason for which it failed; empty where it did not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ending {
    #[prometheus(flatten)]
    generation: Generation,
    error_type: String,
}

/// A generation's tokens of one kind: `input` or `output`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    #[prometheus(flatten)]
    generation: Generation,
    gen_ai_token_type: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            first_token: Family::new_with_constructor(|| Histogram::new(FIRST_TOKEN_SECONDS)),
            per_token: Family::new_with_constructor(|| Histogram::new(PER_TOKEN_SECONDS)),
            tokens: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            cached_tokens: Counter::default(),
            queue: Histogram::new(WAIT_SECONDS),
            prefill: Histogram::new(WAIT_SECONDS),
            connections: Gauge::default(),
            restarts: Family::default(),
        };
        metrics.registered()
    }

    /// Names them. `_total` and the units are added to the names as they are written.
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("zyron_requests", "Requests that are over", self.requests.clone());
        registry.register_with_unit(
            "gen_ai_server_request_duration",
            "From a generation's arrival to the last byte of its answer",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "gen_ai_server_time_to_first_token",
            "From a generation's arrival to the first token of its answer",
            Unit::Seconds,
            self.first_token.clone(),
        );
        registry.register_with_unit(
            "gen_ai_server_time_per_output_token",
            "Between two tokens of an answer, as the mean over a request",
            Unit::Seconds,
            self.per_token.clone(),
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens of a generation: of its prompts (input) and of its answers (output)",
            self.tokens.clone(),
        );
        registry.register(
            "zyron_cached_tokens",
            "Tokens of prompts that were not computed, because a request before had the same",
            self.cached_tokens.clone(),
        );
        registry.register_with_unit(
            "zyron_queue_duration",
            "From the end of a generation's tokenization to its turn",
            Unit::Seconds,
            self.queue.clone(),
        );
        registry.register_with_unit(
            "zyron_prefill_duration",
            "From a generation's turn to the first token of its answer",
            Unit::Seconds,
            self.prefill.clone(),
        );
        registry.register(
            "zyron_engine_restarts",
            "Engines given up, because they hung or ended",
            self.restarts.clone(),
        );
        registry.register("zyron_connections", "Connections that are open", self.connections.clone());
        self
    }

    /// Counts a request that is over.
    pub(crate) fn count(&self, ended: &Ended) {
        let Ended { facts, outcome, total } = ended;
        let answered = Answered { route: route(facts), status: class(facts.status), outcome: outcome.name() };
        self.requests.get_or_create(&answered).inc();
        // How long it took says nothing where nobody waited.
        let Some(operation) = operation(facts).filter(|_| !facts.is_background) else { return };
        let error_type = ended.error_type().unwrap_or_default();
        let generation = Generation {
            gen_ai_operation_name: operation,
            gen_ai_provider_name: PROVIDER,
            // The model is known once it is asked, and then it is one that is here.
            gen_ai_request_model: facts.model.clone().unwrap_or_default(),
        };
        let ending = Ending { generation: generation.clone(), error_type };
        self.duration.get_or_create(&ending).observe(total.as_secs_f64());
        self.count_tokens(facts, &generation);
    }

    fn count_tokens(&self, facts: &Facts, generation: &Generation) {
        if let Some(queued) = facts.queued {
            self.queue.observe(queued.as_secs_f64());
        }
        if let Some(prefill) = facts.prefill {
            self.prefill.observe(prefill.as_secs_f64());
        }
        if let Some(first_token) = facts.first_token {
            self.first_token.get_or_create(generation).observe(first_token.as_secs_f64());
        }
        if facts.decoded > 0 {
            let mean = facts.decoding.as_secs_f64() / float(facts.decoded);
            self.per_token.get_or_create(generation).observe(mean);
        }
        self.cached_tokens.inc_by(facts.cached_tokens);
        if facts.model.is_none() {
            return;
        }
        for (kind, tokens) in [("input", facts.prompt_tokens), ("output", facts.completion_tokens)] {
            let labels = Tokens { generation: generation.clone(), gen_ai_token_type: kind };
            self.tokens.get_or_create(&labels).observe(float(tokens));
        }
    }

    /// Shows a model's engines that were given up from now on, none so far: from nothing to one is no increase to
    /// Prometheus.
    pub(crate) fn serves(&self, model: &str) {
        for fault in Fault::ALL {
            drop(self.restarts.get_or_create(&Restart { model: model.to_owned(), reason: fault.name() }));
        }
    }

    /// Counts an engine that is given up.
    pub(crate) fn gave_up(&self, model: &str, fault: Fault) {
        self.restarts.get_or_create(&Restart { model: model.to_owned(), reason: fault.name() }).inc();
    }

    /// Counts a connection while what this returns is held.
    pub(crate) fn connection(&self) -> Connection {
        self.connections.inc();
        Connection(self.connections.clone())
    }
}

/// Counts a connection while it lives.
pub(crate) struct Connection(Gauge);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A route's pattern, and one for all files of the page.
fn route(facts: &Facts) -> String {
    if facts.route.starts_with("/assets/") { "/assets/{file}".to_owned() } else { facts.route.clone() }
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
        // The client left before there was one.
        None => "none",
    }
}

/// Who generates, as the conventions call it.
pub(crate) const PROVIDER: &str = "zyron";

/// What the conventions call it, where something is generated.
pub(crate) fn operation(facts: &Facts) -> Option<&'static str> {
    match facts.route.as_str() {
        _ if facts.method != Method::POST => None,
        "/v1/chat/completions" | "/v1/responses" | "/v1/finance/analyses" => Some("chat"),
        "/v1/completions" => Some("text_completion"),
        "/v1/embeddings" => Some("embeddings"),
        _ => None,
    }
}

/// Exact below 2^53, and nothing here is more.
#[expect(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}

/// A format in which the figures can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus's own.
    Prometheus,
    /// What became of it as a standard.
    OpenMetrics,
}

impl Format {
    /// The one that the client prefers, as far as it says so.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All figures, as they are now.
pub(crate) fn text(app: &AppState, format: Format) -> Result<String, ApiError> {
    let now = now::registry(app);
    let mut out = String::new();
    write(&mut out, format, &[&app.metrics().registry, &now]).map_err(|_| ApiError::Internal)?;
    Ok(out)
}

fn write(out: &mut impl Write, format: Format, registries: &[&Registry]) -> std::fmt::Result {
    match format {
        Format::Prometheus => registries.iter().try_for_each(|registry| prometheus_text::encode(out, registry)),
        Format::OpenMetrics => {
            registries.iter().try_for_each(|registry| text::encode_registry(out, registry))?;
            text::encode_eof(out)
        }
    }
}

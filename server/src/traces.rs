//! OpenTelemetry traces, sent to a collector where one is configured: a span for each request that was let in, within it one
//! for its wait, one for the reading of its prompt and one for its answers.
//!
//! Attributes are counts, times and names that this server gave or knows, as in the log; neither texts nor keys.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, Request, Response};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use thiserror::Error;
use tokio::runtime::Runtime;

use crate::call::{Ended, Facts, Outcome};
use crate::config::TracesConfig;
use crate::metrics;

/// How long the collector may take for what is sent to it, and for the last of it when the server ends.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why nothing could be sent.
#[derive(Debug, Error)]
#[error("traces cannot be sent: {0}")]
pub struct TracesError(String);

/// Where spans go.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl Traces {
    /// What sends spans to the configured collector, if there is one. Headers for it, such as a key, are read from the
    /// environment variable `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// [`TracesError`] where the machine has no threads or TLS to offer.
    pub(crate) fn open(config: &TracesConfig) -> Result<Option<Self>, TracesError> {
        let failed = |error: &dyn std::fmt::Display| TracesError(error.to_string());
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new().map_err(|error| failed(&error))?)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder()
            .with_service_name("zyron")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            // Whoever calls has decided already, if it traces.
            .with_sampler(Sampler::parent_based(Sampler::TraceIdRatioBased(config.sample_ratio)))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("zyron");
        Ok(Some(Self { provider, tracer, propagator: TraceContextPropagator::new() }))
    }

    /// The span of a request that came at `start`, within the caller's trace if its headers name one.
    pub(crate) fn begin(&self, facts: &Facts, headers: &HeaderMap, start: SystemTime) -> Context {
        let parent = self.propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let name = match facts.route.as_str() {
            "-" => facts.method.to_string(),
            route => format!("{} {route}", facts.method),
        };
        let span = self.tracer.span_builder(name).with_kind(SpanKind::Server).with_start_time(start);
        let span = span.start_with_context(&self.tracer, &parent);
        parent.with_span(span)
    }

    /// Adds to the headers of a request to another server whose trace it is part of.
    pub(crate) fn inject(&self, context: &Context, headers: &mut HeaderMap) {
        self.propagator.inject_context(context, &mut HeaderInjector(headers));
    }

    /// Ends the span of a request that is over now, with what is known of it.
    pub(crate) fn end(&self, context: &Context, ended: &Ended) {
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        span.set_attributes(attributes(ended));
        if let Some(error) = ended.error_type() {
            span.set_attribute(KeyValue::new("error.type", error));
            // A request that is wrong is the client's error, and no fault of this server.
            if ended.facts.status.is_none_or(|status| !(400..500).contains(&status)) && ended.outcome == Outcome::Failed
            {
                span.set_status(Status::error(""));
            }
        }
        let end = SystemTime::now();
        for (name, from, to) in parts(&ended.facts, end - ended.total, end) {
            let part = self.tracer.span_builder(name).with_start_time(from);
            let part = part.start_with_context(&self.tracer, context);
            Context::new().with_span(part).span().end_with_timestamp(to);
        }
        span.end_with_timestamp(end);
    }

    /// Sends what was not sent yet. Blocks for as long as the collector takes, which is bounded.
    pub(crate) fn close(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// By the names of OpenTelemetry's conventions for HTTP and generative AI.
fn attributes(Ended { facts, .. }: &Ended) -> Vec<KeyValue> {
    let int = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("http.request.method", facts.method.to_string()),
        KeyValue::new("http.route", facts.route.clone()),
        KeyValue::new("zyron.request_id", facts.request_id.clone()),
    ];
    attributes.extend(facts.status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
    if let Some(operation) = metrics::operation(facts) {
        attributes.push(KeyValue::new("gen_ai.operation.name", operation));
        attributes.push(KeyValue::new("gen_ai.provider.name", metrics::PROVIDER));
    }
    if let Some(model) = &facts.model {
        attributes.push(KeyValue::new("gen_ai.request.model", model.clone()));
        attributes.push(KeyValue::new("gen_ai.usage.input_tokens", int(facts.prompt_tokens)));
        attributes.push(KeyValue::new("gen_ai.usage.cache_read.input_tokens", int(facts.cached_tokens)));
        attributes.push(KeyValue::new("gen_ai.usage.output_tokens", int(facts.completion_tokens)));
    }
    attributes
}

/// What a request's time was spent with, as far as it is known, one after the other.
fn parts(facts: &Facts, start: SystemTime, end: SystemTime) -> Vec<(&'static str, SystemTime, SystemTime)> {
    let mut parts = Vec::new();
    let first_token = facts.first_token.map(|first| start + first);
    let turn = first_token.zip(facts.prefill).map(|(first, prefill)| first - prefill);
    if let (Some(turn), Some(queued)) = (turn, facts.queued) {
        parts.push(("queue", turn - queued, turn));
    }
    if let (Some(turn), Some(first)) = (turn, first_token) {
        parts.push(("prefill", turn, first));
    }
    parts.extend(first_token.map(|first| ("decode", first, end)));
    parts
}

/// Sends bytes to the collector, on a runtime of its own: the server's has ended when the last spans are sent.
struct Sender {
    client: reqwest::Client,
    runtime: Option<Runtime>,
}

impl Sender {
    fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("traces").enable_all().build()?;
        Ok(Self { client, runtime: Some(runtime) })
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = self.client.clone();
        let runtime = self.runtime.as_ref().ok_or("it has ended")?;
        let sending = runtime.spawn(async move {
            let response = client.execute(request).await?;
            let status = response.status();
            Ok::<_, reqwest::Error>((status, response.bytes().await?))
        });
        let (status, body) = sending.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_request_follow_one_another() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let seconds = Duration::from_secs;
        let end = start + seconds(10);
        let facts = Facts {
            queued: Some(seconds(2)),
            prefill: Some(seconds(1)),
            first_token: Some(seconds(4)),
            ..Facts::default()
        };
        let at = |second| start + seconds(second);
        let expected = [("queue", at(1), at(3)), ("prefill", at(3), at(4)), ("decode", at(4), at(10))];
        assert_eq!(parts(&facts, start, end), expected);
        assert_eq!(parts(&Facts { first_token: None, ..facts }, start, end), []);
        assert_eq!(parts(&Facts::default(), start, end), []);
    }
}

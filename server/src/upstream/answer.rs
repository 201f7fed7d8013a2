//! Another server's answer, passed on byte by byte, and ended properly where it breaks off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tracing::Span;
use zyron_openapi::sse;

use super::Held;
use super::servers::Visit;
use crate::error::ApiError;
use crate::state::AppState;

/// What of the other server's headers is the client's business.
const PASSED: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-accel-buffering"),
];

/// An answer of which the first bytes are here.
pub(super) struct Answer {
    visit: Visit,
    status: StatusCode,
    headers: HeaderMap,
    first: Option<Bytes>,
    rest: BoxStream<'static, reqwest::Result<Bytes>>,
}

impl Answer {
    pub(super) fn new(
        visit: Visit,
        status: StatusCode,
        headers: &HeaderMap,
        first: Option<Bytes>,
        rest: BoxStream<'static, reqwest::Result<Bytes>>,
    ) -> Self {
        let passed = PASSED.into_iter().filter_map(|name| Some((name.clone(), headers.get(&name)?.clone())));
        Self { visit, status, headers: passed.collect(), first, rest }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Passes it on. `held` is let go of, and the other server told to stop, when the client has it all or leaves.
    pub(super) fn into_response(self, app: &AppState, held: Held, start: Instant) -> Response {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_events = content_type.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let idle = Duration::from_millis(app.config().upstream.idle_timeout_ms);
        let body = Passing {
            parts: futures::stream::iter(self.first.map(Ok)).chain(self.rest).boxed(),
            is_events,
            tail: Vec::new(),
            begun: Vec::new(),
            idle,
            silence: Box::pin(tokio::time::sleep(idle)),
            abort: Box::pin(app.abort().clone().cancelled_owned()),
            is_over: false,
            record: Record {
                span: Span::current(),
                upstream: self.visit.name().to_owned(),
                first_byte_ms: millis(start),
                start,
                bytes: 0,
                outcome: "cancelled",
            },
            _visit: self.visit,
            _held: held,
        };
        let mut response = Response::new(Body::from_stream(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A body on its way from the other server to the client.
struct Passing {
    parts: BoxStream<'static, reqwest::Result<Bytes>>,
    /// Whether it is a stream of server-sent events, which has an end of its own.
    is_events: bool,
    /// The last bytes that passed.
    tail: Vec<u8>,
    /// The beginning of an event: half of one is not passed on, for what follows it may be an error.
    begun: Vec<u8>,
    /// The longest silence.
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    abort: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
    record: Record,
    _visit: Visit,
    _held: Held,
}

impl Passing {
    fn note(&mut self, part: &[u8]) {
        const KEPT: usize = 32;
        self.record.bytes += part.len() as u64;
        self.tail.extend_from_slice(&part[part.len().saturating_sub(KEPT)..]);
        let extra = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..extra);
    }

    /// What of the events can be passed on with this part: up to the end of the last whole one.
    fn whole_events(&mut self, part: Bytes) -> Bytes {
        // An event as long as this is none.
        const LONGEST: usize = 1 << 20;
        self.begun.extend_from_slice(&part);
        let end = |blank: &[u8]| {
            let at = self.begun.windows(blank.len()).rposition(|window| window == blank);
            at.map_or(0, |at| at + blank.len())
        };
        let end = if self.begun.len() > LONGEST { self.begun.len() } else { end(b"\n\n").max(end(b"\n\r\n")) };
        let rest = self.begun.split_off(end);
        std::mem::replace(&mut self.begun, rest).into()
    }

    /// Whether the events have said that they are over.
    fn is_done(&self) -> bool {
        String::from_utf8_lossy(&self.tail).trim_end().ends_with(sse::DONE)
    }

    /// The end of the other server's bytes, in good order or not.
    fn end(&mut self, error: Option<reqwest::Error>) -> Option<std::io::Result<Bytes>> {
        let rest = Bytes::from(std::mem::take(&mut self.begun));
        self.tail.extend_from_slice(&rest);
        if let Some(error) = error {
            let error = error.without_url();
            self.record.span.in_scope(|| tracing::error!(%error, "an answer of another server broke off"));
        } else if self.is_events && !self.is_done() {
            self.record.span.in_scope(|| tracing::error!("another server's stream ended without its end"));
        } else {
            self.is_over = true;
            self.record.outcome = "completed";
            return (!rest.is_empty()).then_some(Ok(rest));
        }
        self.break_off(&ApiError::UpstreamFailed)
    }

    /// The last that a client reads where the answer breaks off. What is no stream of events cannot say it, and ends
    /// without its end.
    fn break_off(&mut self, error: &ApiError) -> Option<std::io::Result<Bytes>> {
        self.is_over = true;
        self.record.outcome = "failed";
        if self.is_events {
            let json = serde_json::to_string(&error.body()).unwrap_or_default();
            return Some(Ok(format!("data: {json}\n\n").into()));
        }
        Some(Err(std::io::Error::other(error.to_string())))
    }
}

impl Stream for Passing {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.abort.as_mut().poll(context).is_ready() {
            return Poll::Ready(this.break_off(&ApiError::Draining));
        }
        loop {
            let part = match this.parts.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(part))) if this.is_events => this.whole_events(part),
                Poll::Ready(Some(Ok(part))) => part,
                Poll::Ready(end) => return Poll::Ready(this.end(end.and_then(Result::err))),
                Poll::Pending => break,
            };
            this.silence.as_mut().reset(tokio::time::Instant::now() + this.idle);
            if !part.is_empty() {
                this.note(&part);
                return Poll::Ready(Some(Ok(part)));
            }
        }
        match this.silence.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(this.break_off(&ApiError::Timeout)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What the log says of it, once it is over.
struct Record {
    span: Span,
    upstream: String,
    first_byte_ms: u64,
    start: Instant,
    bytes: u64,
    outcome: &'static str,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.span.in_scope(|| {
            tracing::info!(
                outcome = self.outcome,
                upstream = self.upstream,
                bytes = self.bytes,
                first_byte_ms = self.first_byte_ms,
                total_ms = millis(self.start),
                "passed on"
            );
        });
    }
}

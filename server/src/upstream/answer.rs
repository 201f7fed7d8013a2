//! Another server's answer, passed on byte by byte, and ended properly where it breaks off.
//!
//! A task of its own reads it: a client that does not take it meets the deadline like any other.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tracing::Instrument;
use zyron_openapi::sse;

use super::servers::{Visit, reason};
use super::{Held, Times};
use crate::call::{Call, Outcome};
use crate::error::ApiError;
use crate::time::millis;

/// What of the other server's headers is the client's business.
const PASSED: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-accel-buffering"),
];
/// Parts that wait for the client; then the other server waits.
const MAX_READY: usize = 32;

/// An answer of which the first bytes are here.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    first: Option<Bytes>,
    rest: BoxStream<'static, reqwest::Result<Bytes>>,
}

impl Answer {
    /// Waits for its first bytes: the head of an answer is none.
    pub(super) async fn begin(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        let status = response.status();
        let passed = |name: HeaderName| Some((name.clone(), response.headers().get(&name)?.clone()));
        let headers = PASSED.into_iter().filter_map(passed).collect();
        let mut rest = response.bytes_stream().boxed();
        let first = rest.next().await.transpose()?;
        Ok(Self { status, headers, first, rest })
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Passes it on. `held` is let go of, and the other server told to stop, when the answer has ended, the client
    /// leaves or the time is over.
    pub(super) fn into_response(self, call: &Call, visit: Visit, held: Held, times: Times) -> Response {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let passing = Passing {
            is_events: content_type.is_some_and(|kind| kind.starts_with("text/event-stream")),
            parts: stream::iter(self.first.map(Ok)).chain(self.rest).boxed(),
            bytes: 0,
            tail: Vec::new(),
            begun: Vec::new(),
            idle: Duration::from_millis(call.app().config().upstream.idle_timeout_ms),
            visit,
            _held: held,
        };
        let (sender, mut parts) = mpsc::channel(MAX_READY);
        tokio::spawn(passing.run(sender, call.clone(), times).in_current_span());
        let parts = stream::poll_fn(move |context| parts.poll_recv(context));
        let mut response = Response::new(Body::from_stream(parts));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Where the client reads. An error ends what it reads without its end.
type Sender = mpsc::Sender<io::Result<Bytes>>;

/// How an answer ended.
enum End {
    Whole,
    Broken(ApiError),
    /// The client has left.
    Left,
}

/// A body on its way from the other server to the client.
struct Passing {
    /// Whether it is a stream of server-sent events, which has an end of its own.
    is_events: bool,
    parts: BoxStream<'static, reqwest::Result<Bytes>>,
    /// How many have passed.
    bytes: u64,
    /// The last bytes that passed.
    tail: Vec<u8>,
    /// The beginning of an event: half of one is not passed on, for what follows it may be an error.
    begun: Vec<u8>,
    /// The longest silence.
    idle: Duration,
    visit: Visit,
    _held: Held,
}

impl Passing {
    async fn run(mut self, sender: Sender, call: Call, times: Times) {
        let first_byte_ms = millis(times.start.elapsed());
        // Room for the last word, also where the client does not read. None where it has left.
        let last = sender.clone().reserve_owned().await.ok();
        let end = tokio::select! {
            // What is whole is whole, also where the client leaves at once.
            biased;
            end = self.pass_parts(&sender) => end,
            () = sender.closed() => End::Left,
            () = call.app().abort().cancelled() => End::Broken(ApiError::Draining),
            () = call.disowned() => End::Broken(ApiError::Unauthorized),
            () = tokio::time::sleep_until(times.deadline) => End::Broken(ApiError::Timeout),
        };
        let (outcome, word) = match end {
            End::Whole => {
                (Outcome::Completed, (!self.begun.is_empty()).then(|| Ok(std::mem::take(&mut self.begun).into())))
            }
            End::Broken(error) => (Outcome::Failed, Some(self.last_word(&error))),
            End::Left => (Outcome::Cancelled, None),
        };
        call.facts().outcome = Some(outcome);
        tracing::info!(
            outcome = outcome.name(),
            upstream = self.visit.name(),
            bytes = self.bytes,
            first_byte_ms,
            total_ms = millis(times.start.elapsed()),
            "passed on"
        );
        // Its place is free before the client knows of the end, and may come with its next request.
        drop(self);
        if let (Some(last), Some(word)) = (last, word) {
            last.send(word);
        }
    }

    /// Passes parts on until there are no more.
    async fn pass_parts(&mut self, sender: &Sender) -> End {
        loop {
            let part = match tokio::time::timeout(self.idle, self.parts.next()).await {
                Ok(Some(Ok(part))) if self.is_events => self.whole_events(&part),
                Ok(Some(Ok(part))) => part,
                Ok(Some(Err(error))) => return self.broken(ApiError::UpstreamFailed, &reason(error)),
                Ok(None) if self.is_events && !self.is_done() => {
                    return self.broken(ApiError::UpstreamFailed, "the stream ended without its end");
                }
                Ok(None) => return End::Whole,
                Err(_) => return self.broken(ApiError::Timeout, "it fell silent"),
            };
            if part.is_empty() {
                continue;
            }
            self.note(&part);
            if sender.send(Ok(part)).await.is_err() {
                return End::Left;
            }
        }
    }

    fn broken(&self, error: ApiError, reason: &str) -> End {
        tracing::error!(upstream = self.visit.name(), reason, "an answer broke off");
        self.visit.suspect();
        End::Broken(error)
    }

    fn note(&mut self, part: &[u8]) {
        const KEPT: usize = 32;
        self.bytes += part.len() as u64;
        self.tail.extend_from_slice(&part[part.len().saturating_sub(KEPT)..]);
        let extra = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..extra);
    }

    /// What of the events can be passed on with this part: up to the end of the last whole one.
    fn whole_events(&mut self, part: &[u8]) -> Bytes {
        // An event as long as this is none.
        const LONGEST: usize = 1 << 20;
        self.begun.extend_from_slice(part);
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
        let end = [&self.tail[..], &self.begun].concat();
        String::from_utf8_lossy(&end).trim_end().ends_with(sse::DONE)
    }

    /// The last that a client reads where the answer breaks off. What is no stream of events cannot say it, and ends
    /// without its end.
    fn last_word(&self, error: &ApiError) -> io::Result<Bytes> {
        if self.is_events {
            let json = serde_json::to_string(&error.body()).unwrap_or_default();
            return Ok(format!("data: {json}\n\n").into());
        }
        Err(io::Error::other(error.to_string()))
    }
}

//! An engine's events to an answer: one body, or server-sent events.
//!
//! The first event is awaited before the headers are sent, so that an early failure keeps its status. It is not
//! awaited for ever: a long prefill is bridged by comments, lest a proxy take the silence for death.

pub(crate) mod chat;
pub(crate) mod completion;
mod running;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::Serialize;
use zyron_openapi::{FinishReason, Usage, sse};

pub(crate) use self::running::{Part, Running};
use crate::error::ApiError;
use crate::state::AppState;
use crate::validate::Streaming;

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

/// How an endpoint writes what all of them say.
pub(crate) trait Shape: Send + 'static {
    type Whole: Serialize;
    type Chunk: Serialize;

    /// The whole answer.
    fn whole(&self, text: String, reason: FinishReason, usage: Usage) -> Self::Whole;
    /// What comes before the first text.
    fn opening(&self) -> Option<Self::Chunk>;
    /// The next text.
    fn delta(&self, text: String) -> Self::Chunk;
    /// The end of the text.
    fn closing(&self, reason: FinishReason) -> Self::Chunk;
    /// The usage, where it was asked for.
    fn usage(&self, usage: Usage) -> Option<Self::Chunk>;
}

/// Answers with `shape`, streamed or not.
pub(crate) async fn answer<S: Shape>(
    shape: S,
    streaming: Option<Streaming>,
    mut running: Running,
    app: &AppState,
) -> Result<Response, ApiError> {
    if streaming.is_none() {
        return whole(&shape, running).await;
    }
    let keep_alive = app.config().server.keep_alive();
    let mut events = Events { shape, running: None, ready: VecDeque::new() };
    // Running out of time here is no failure: the stream begins, and comments keep it alive.
    let first = tokio::time::timeout(keep_alive, running.next()).await;
    events.push_opening();
    events.running = Some(running);
    if let Ok(first) = first {
        events.push(first?);
    }
    let sse = Sse::new(into_stream(events)).keep_alive(KeepAlive::new().interval(keep_alive).text("keep-alive"));
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Asks nginx and its kin to pass each event on as it comes.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, sse).into_response())
}

async fn whole<S: Shape>(shape: &S, mut running: Running) -> Result<Response, ApiError> {
    let mut text = String::new();
    loop {
        match running.next().await? {
            Part::Text(more) => text.push_str(&more),
            Part::End { text: rest, reason, usage } => {
                text.push_str(&rest);
                return Ok(Json(shape.whole(text, reason, usage)).into_response());
            }
        }
    }
}

/// The state of a stream: the request while it runs, and events not sent yet.
struct Events<S> {
    shape: S,
    running: Option<Running>,
    ready: VecDeque<Event>,
}

impl<S: Shape> Events<S> {
    fn push_opening(&mut self) {
        let opening = self.shape.opening();
        self.push_chunk(opening);
    }

    fn push(&mut self, part: Part) {
        match part {
            Part::Text(text) => {
                let delta = self.shape.delta(text);
                self.push_chunk(Some(delta));
            }
            Part::End { text, reason, usage } => {
                let delta = (!text.is_empty()).then(|| self.shape.delta(text));
                let closing = self.shape.closing(reason);
                let usage = self.shape.usage(usage);
                self.push_chunk(delta);
                self.push_chunk(Some(closing));
                self.push_chunk(usage);
                self.ready.push_back(Event::default().data(sse::DONE));
                self.running = None;
            }
        }
    }

    fn push_chunk(&mut self, chunk: Option<S::Chunk>) {
        let Some(chunk) = chunk else { return };
        match Event::default().json_data(chunk) {
            Ok(event) => self.ready.push_back(event),
            Err(error) => {
                tracing::error!(%error, "an event could not be written");
                self.push_error(&ApiError::Internal);
            }
        }
    }

    /// The error ends the stream, in the envelope that SDKs read; there is no `[DONE]` after it.
    fn push_error(&mut self, error: &ApiError) {
        let body = serde_json::to_string(&error.body()).unwrap_or_default();
        self.ready.push_back(Event::default().data(body));
        self.running = None;
    }
}

fn into_stream<S: Shape>(events: Events<S>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(events, |mut events| async move {
        loop {
            if let Some(event) = events.ready.pop_front() {
                return Some((Ok(event), events));
            }
            match events.running.as_mut()?.next().await {
                Ok(part) => events.push(part),
                Err(error) => events.push_error(&error),
            }
        }
    })
}

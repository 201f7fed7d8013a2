//! An engine's events to an answer: one body, or server-sent events.
//!
//! The first event is awaited before the headers are sent, so that an early failure keeps its status. It is not
//! awaited for ever: a long prefill is bridged by comments, lest a proxy take the silence for death.

pub(crate) mod chat;
pub(crate) mod completion;
pub(crate) mod embedding;
mod message;
pub(crate) mod response;
mod rounds;
mod running;
mod tokens;

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::Serialize;
use zyron_openapi::{Usage, sse};

pub(crate) use self::rounds::{Rounds, ToolRun};
pub(crate) use self::running::{End, Part, Running};
use crate::error::ApiError;
use crate::state::AppState;

/// Answers in progress. Dropping them cancels the work.
pub(crate) trait Parts: Send + 'static {
    /// The next part of one of the answers, with its place; none once all have ended. After an error there is none
    /// either. A caller may stop waiting and call it again: nothing is lost.
    fn next(&mut self) -> impl Future<Output = Result<Option<(usize, Part)>, ApiError>> + Send;
    /// The tokens so far.
    fn usage(&self) -> Usage;
}

/// How an endpoint writes what all of them say. One is made for each request, and collects what it needs.
pub(crate) trait Shape: Send + 'static {
    type Whole: Serialize;

    /// Takes in a part of an answer that is not streamed.
    fn collect(&mut self, index: usize, part: Part);
    /// The whole answer, once all parts are in.
    fn whole(self, usage: Usage) -> Self::Whole;

    /// What comes before the first part.
    fn opening(&mut self) -> Vec<Event>;
    /// The events of a part.
    fn events(&mut self, index: usize, part: Part) -> Vec<Event>;
    /// What comes after the last part.
    fn closing(&mut self, usage: Usage) -> Vec<Event>;
    /// What ends the stream where the answer cannot be completed. By default the envelope that SDKs read.
    fn failure(&mut self, error: &ApiError) -> Vec<Event> {
        vec![event(&error.body())]
    }
}

/// An event that carries `data` as JSON.
fn event(data: &impl Serialize) -> Event {
    Event::default().data(json(data))
}

fn json(data: &impl Serialize) -> String {
    // Our types have string keys and finite numbers only.
    serde_json::to_string(data).unwrap_or_default()
}

fn done() -> Event {
    Event::default().data(sse::DONE)
}

/// Answers in one body.
pub(crate) async fn whole<S: Shape>(mut shape: S, mut running: impl Parts) -> Result<S::Whole, ApiError> {
    while let Some((index, part)) = running.next().await? {
        shape.collect(index, part);
    }
    Ok(shape.whole(running.usage()))
}

/// Answers in a stream where `streaming`, else in one body.
pub(crate) async fn answer<S: Shape>(
    shape: S,
    streaming: bool,
    running: impl Parts,
    app: &AppState,
) -> Result<Response, ApiError> {
    if streaming { stream(shape, running, app).await } else { Ok(Json(whole(shape, running).await?).into_response()) }
}

async fn stream<S: Shape>(mut shape: S, mut running: impl Parts, app: &AppState) -> Result<Response, ApiError> {
    let keep_alive = app.config().server.keep_alive();
    // Running out of time here is no failure: the stream begins, and comments keep it alive.
    let first = tokio::time::timeout(keep_alive, running.next()).await;
    let ready = shape.opening().into();
    let mut events = Events { shape, running: Some(running), ready };
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

/// The state of a stream: the request while it runs, and events not sent yet.
struct Events<S, P> {
    shape: S,
    running: Option<P>,
    ready: VecDeque<Event>,
}

impl<S: Shape, P: Parts> Events<S, P> {
    fn push(&mut self, part: Option<(usize, Part)>) {
        let events = match part {
            Some((index, part)) => self.shape.events(index, part),
            None => {
                let usage = self.running.take().map(|running| running.usage()).unwrap_or_default();
                self.shape.closing(usage)
            }
        };
        self.ready.extend(events);
    }

    fn push_failure(&mut self, error: &ApiError) {
        self.running = None;
        let events = self.shape.failure(error);
        self.ready.extend(events);
    }
}

fn into_stream<S: Shape, P: Parts>(events: Events<S, P>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(events, |mut events| async move {
        loop {
            if let Some(event) = events.ready.pop_front() {
                return Some((Ok(event), events));
            }
            match events.running.as_mut()?.next().await {
                Ok(part) => events.push(part),
                Err(error) => events.push_failure(&error),
            }
        }
    })
}

//! A request from its arrival until the last byte of its answer: who asks, until when it has, and what is counted.
//!
//! One is made for each request, before anything else looks at it, and is held by the work on it and by the body of its
//! answer. When the last of them lets go of it, it is over, and is told once, to whoever keeps account. Counts, times
//! and names that this server gave or knows: no user text is in it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use hyper::body::{Frame, SizeHint};
use opentelemetry::Context;
use tracing::Span;

use crate::admission::Applicant;
use crate::error::ApiError;
use crate::keys::Key;
use crate::keys::budget::Slot;
use crate::middleware::auth;
use crate::state::AppState;

/// A request that is being answered; a clone is a reference.
#[derive(Clone)]
pub(crate) struct Call(Arc<Inner>);

struct Inner {
    app: AppState,
    /// The request's, for its id: work goes on after the request's own span has ended.
    span: Span,
    start: Instant,
    deadline: Instant,
    is_background: bool,
    /// The key, and its place among those that run with it.
    key: OnceLock<(Arc<Key>, Option<Slot>)>,
    facts: Mutex<Facts>,
    /// Its span, where it is traced.
    trace: OnceLock<Context>,
}

/// What is known of a request so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What it is known by in the log, to the client, and to other servers.
    pub(crate) request_id: String,
    pub(crate) method: Method,
    /// The route's pattern, never what a client wrote.
    pub(crate) route: String,
    /// Whether it is of a batch, so that nobody waits for it.
    pub(crate) is_background: bool,
    /// Whether it was let in: until then it is anybody's.
    pub(crate) is_authorized: bool,
    /// The key's identifier, where there is one.
    pub(crate) key: Option<Arc<str>>,
    /// The model that answers, once it is known to be here.
    pub(crate) model: Option<String>,
    /// Of the answer's head, once it is there.
    pub(crate) status: Option<u16>,
    /// How the work on it ended, where there was work.
    pub(crate) outcome: Option<Outcome>,
    /// Tokens of its prompts, in all rounds.
    pub(crate) prompt_tokens: u64,
    /// Of these, the ones that were not computed for this request.
    pub(crate) cached_tokens: u64,
    /// Tokens of its answers.
    pub(crate) completion_tokens: u64,
    /// How long it waited for its turn.
    pub(crate) queued: Option<Duration>,
    /// How long from its turn to the first token of an answer.
    pub(crate) prefill: Option<Duration>,
    /// How long from its arrival to the first token of an answer.
    pub(crate) first_token: Option<Duration>,
    /// How long from the first token of an answer to its end, summed over its answers.
    pub(crate) decoding: Duration,
    /// Tokens after the first of an answer, of all its answers that have ended.
    pub(crate) decoded: u64,
}

/// How the work on a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer is whole.
    Completed,
    /// It is not, for a reason that the client was told.
    Failed,
    /// The client left before its end.
    Cancelled,
}

/// A request that is over.
pub(crate) struct Ended {
    pub(crate) facts: Facts,
    pub(crate) outcome: Outcome,
    /// From its arrival to the last byte of its answer.
    pub(crate) total: Duration,
}

impl Ended {
    /// Why it failed, by the names of OpenTelemetry's conventions: its status, `failed` or `cancelled`.
    pub(crate) fn error_type(&self) -> Option<String> {
        match self.facts.status {
            Some(status) if status >= 400 => Some(status.to_string()),
            _ if self.outcome == Outcome::Completed => None,
            _ => Some(self.outcome.name().to_owned()),
        }
    }
}

impl Outcome {
    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Call {
    /// A request that has just come, and has until `deadline`.
    pub(crate) fn new(app: &AppState, span: Span, deadline: Instant, facts: Facts) -> Self {
        let (app, start, is_background) = (app.clone(), Instant::now(), facts.is_background);
        let facts = Mutex::new(facts);
        Self(Arc::new(Inner {
            app,
            span,
            start,
            deadline,
            is_background,
            key: OnceLock::new(),
            facts,
            trace: OnceLock::new(),
        }))
    }

    /// Says that it is let in, from where on it is traced.
    pub(crate) fn is_let_in(&self, headers: &HeaderMap) {
        let mut facts = self.facts();
        facts.is_authorized = true;
        if let Some(traces) = self.0.app.traces().filter(|_| auth::is_recorded(&facts.route)) {
            let _ = self.0.trace.set(traces.begin(&facts, headers, SystemTime::now() - self.age()));
        }
    }

    /// The headers that tell another server whose trace this is part of.
    pub(crate) fn trace_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let (Some(traces), Some(trace)) = (self.0.app.traces(), self.0.trace.get()) {
            traces.inject(trace, &mut headers);
        }
        headers
    }

    /// Says whose it is.
    pub(crate) fn belongs_to(&self, key: Arc<Key>, slot: Option<Slot>) {
        self.facts().key = Some(Arc::clone(&key.id));
        let _ = self.0.key.set((key, slot));
    }

    /// Whose it is, where keys are asked for.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.0.key.get().map(|(key, _)| &**key)
    }

    /// Counts a prompt for a model, if its key may ask that.
    ///
    /// # Errors
    /// [`ApiError::ModelNotAllowed`] and [`ApiError::QuotaReached`].
    pub(crate) fn charge(&self, model: &str, prompt_tokens: u64) -> Result<(), ApiError> {
        let Some(key) = self.key() else { return Ok(()) };
        if !key.may_ask(model) {
            return Err(ApiError::ModelNotAllowed(model.to_owned()));
        }
        key.read(prompt_tokens, self.is_background())
    }

    /// Counts tokens that are used and cannot be refused any more.
    pub(crate) fn spend(&self, tokens: u64) {
        if let Some(key) = self.key() {
            key.wrote(tokens, self.is_background());
        }
    }

    /// Resolves when its key is not accepted any more.
    pub(crate) async fn disowned(&self) {
        match self.key() {
            Some(key) => key.ended().cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// The server.
    pub(crate) fn app(&self) -> &AppState {
        &self.0.app
    }

    /// Whether nobody waits for it.
    pub(crate) fn is_background(&self) -> bool {
        self.0.is_background
    }

    /// When its answer must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// How it asks for its turn, with a prompt of so many tokens.
    pub(crate) fn applicant(&self, tokens: u64) -> Applicant {
        let key = self.key().map(|key| Arc::clone(&key.id)).unwrap_or_default();
        Applicant { key, tokens, deadline: self.deadline(), is_background: self.is_background() }
    }

    /// The request's span, for work that outlives it.
    pub(crate) fn span(&self) -> &Span {
        &self.0.span
    }

    /// How long ago the request came.
    pub(crate) fn age(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// What is known of it so far, to add to.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        // Whoever panicked while holding it left numbers, and all of them are valid.
        self.0.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body that keeps the request from being over until it has been sent.
    pub(crate) fn hold(self, body: Body) -> Body {
        Body::new(Held { body, _call: self })
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or(ApiError::Internal)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let facts = std::mem::take(self.facts.get_mut().unwrap_or_else(PoisonError::into_inner));
        let outcome = facts.outcome.unwrap_or(match facts.status {
            Some(status) if status < 400 => Outcome::Completed,
            Some(_) => Outcome::Failed,
            None => Outcome::Cancelled,
        });
        let ended = Ended { facts, outcome, total: self.start.elapsed() };
        self.span.in_scope(|| self.app.account(&ended, self.trace.get()));
    }
}

/// An answer's body, with the request it belongs to.
struct Held {
    body: Body,
    _call: Call,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

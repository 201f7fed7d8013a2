//! A request that the engine works on. Dropping it cancels the work, wherever the request is.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use zyron_engine::{Event, GenerateRequest, Generation};
use zyron_openapi::{FinishReason, Usage};

use crate::error::ApiError;
use crate::state::{AppState, Serving};

/// What an answer is made of.
pub(crate) enum Part {
    /// The next text, not empty.
    Text(String),
    /// The last text, which may be empty, and the end.
    End { text: String, reason: FinishReason, usage: Usage },
}

/// A request that the engine works on.
pub(crate) struct Running {
    generation: Generation,
    prompt_tokens: u64,
    deadline: Pin<Box<Sleep>>,
    abort: CancellationToken,
    record: Record,
}

impl Running {
    /// Waits for the request's turn and starts it.
    pub(crate) async fn start(
        app: &AppState,
        serving: &Arc<Serving>,
        mut request: GenerateRequest,
    ) -> Result<Self, ApiError> {
        let prompt_tokens = request.prompt.len() as u64;
        let record = Record::new(prompt_tokens);
        let permit = serving.admission.admit().await?;
        // The engine holds it until it has let go of the request, which may be a step after the client has.
        request.held = Some(Box::new(permit));
        let timeout = Duration::from_millis(app.config().limits.request_timeout_ms);
        let deadline = Box::pin(tokio::time::sleep(timeout));
        let generation = serving.engine.generate(request);
        Ok(Self { generation, prompt_tokens, deadline, abort: app.abort().clone(), record })
    }

    /// The next part of the answer. After the end, or an error, there is none.
    pub(crate) async fn next(&mut self) -> Result<Part, ApiError> {
        loop {
            let event = tokio::select! {
                event = self.generation.recv() => event,
                () = &mut self.deadline => return Err(self.record.fail(ApiError::Timeout)),
                () = self.abort.cancelled() => return Err(self.record.fail(ApiError::Draining)),
            };
            match event {
                Event::Token(token) => {
                    self.record.token();
                    if !token.text.is_empty() {
                        return Ok(Part::Text(token.text));
                    }
                }
                Event::Finished { reason, text, completion_tokens } => {
                    let usage = Usage::new(self.prompt_tokens, completion_tokens as u64);
                    let reason = match reason {
                        zyron_engine::FinishReason::Stop => FinishReason::Stop,
                        zyron_engine::FinishReason::Length => FinishReason::Length,
                    };
                    self.record.finish(completion_tokens);
                    return Ok(Part::End { text, reason, usage });
                }
                Event::Failed(error) => {
                    self.record.span.in_scope(|| tracing::error!(%error, "the engine failed"));
                    return Err(self.record.fail(ApiError::EngineFailed));
                }
            }
        }
    }
}

/// What the log says of an answer once it is over, however it ended. Counts and times, no text.
struct Record {
    /// The request's, for its id: a stream is read after the request's own span has ended.
    span: Span,
    start: Instant,
    first_token: Option<Duration>,
    prompt_tokens: u64,
    completion_tokens: usize,
    outcome: &'static str,
}

impl Record {
    fn new(prompt_tokens: u64) -> Self {
        let span = Span::current();
        Self {
            span,
            start: Instant::now(),
            first_token: None,
            prompt_tokens,
            completion_tokens: 0,
            outcome: "cancelled",
        }
    }

    fn token(&mut self) {
        self.completion_tokens += 1;
        self.first_token.get_or_insert_with(|| self.start.elapsed());
    }

    fn finish(&mut self, completion_tokens: usize) {
        self.completion_tokens = completion_tokens;
        self.outcome = "completed";
    }

    fn fail(&mut self, error: ApiError) -> ApiError {
        self.outcome = "failed";
        error
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.span.in_scope(|| {
            tracing::info!(
                outcome = self.outcome,
                prompt_tokens = self.prompt_tokens,
                completion_tokens = self.completion_tokens,
                first_token_ms = self.first_token.map(millis),
                total_ms = millis(self.start.elapsed()),
                "generated"
            );
        });
    }
}

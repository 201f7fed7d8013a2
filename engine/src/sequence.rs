//! One running request: logits in, events out. Each backend drives one of these per request.

use tokio::sync::{Semaphore, mpsc};

use crate::engine::{EngineError, Event, FinishReason, GenerateRequest, Generation, Token};
use crate::sampler::Sampler;
use crate::stop::StopMatcher;
use crate::tokenizer::Tokenizer;
use crate::utf8::Utf8Assembler;

/// What the backend does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run the model on this token and call again with its logits.
    Continue(u32),
    /// Let go of the request: it is complete, failed or cancelled.
    Done,
}

/// The state of a request between two steps of the model.
///
/// It sends the events itself. Dropped before its end, it tells the reader that the engine stopped.
pub struct Sequence {
    prompt: Vec<u32>,
    events: mpsc::Sender<Event>,
    sampler: Sampler,
    utf8: Utf8Assembler,
    stop: StopMatcher,
    max_tokens: usize,
    completion_tokens: usize,
    _held: Option<Box<dyn Send + Sync>>,
}

impl std::fmt::Debug for Sequence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sequence").field("completion_tokens", &self.completion_tokens).finish_non_exhaustive()
    }
}

impl Sequence {
    /// A request's two ends: the backend's and the reader's.
    #[must_use]
    pub fn start(request: GenerateRequest) -> (Self, Generation) {
        // Room for every event, so sending never waits: a slow reader holds up nobody.
        let (events, receiver) = mpsc::channel(request.max_tokens.saturating_add(1).min(Semaphore::MAX_PERMITS));
        let sequence = Self {
            events,
            sampler: Sampler::new(request.sampling, &request.prompt),
            utf8: Utf8Assembler::default(),
            stop: StopMatcher::new(request.stop),
            max_tokens: request.max_tokens,
            completion_tokens: 0,
            prompt: request.prompt,
            _held: request.held,
        };
        (sequence, Generation::new(receiver))
    }

    /// The prompt's tokens.
    #[must_use]
    pub fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    /// Chooses the next token from `logits` (one per token id; changed in place) and sends what follows from it.
    pub fn step(&mut self, logits: &mut [f32], tokenizer: &Tokenizer) -> Step {
        if self.events.is_closed() {
            return Step::Done;
        }
        let id = match self.sampler.sample(logits) {
            Ok(id) => id,
            Err(error) => return self.fail(error),
        };
        self.completion_tokens += 1;
        if tokenizer.is_end_of_sequence(id) {
            return self.finish(FinishReason::Stop, None);
        }
        let (text, stopped) = self.stop.push(&self.utf8.push(tokenizer.text_bytes(id)));
        if stopped {
            return self.finish(FinishReason::Stop, Some(text));
        }
        self.send(Event::Token(Token { id, text }));
        if self.completion_tokens >= self.max_tokens {
            return self.finish(FinishReason::Length, None);
        }
        Step::Continue(id)
    }

    /// Ends the request with an error.
    pub fn fail(&mut self, error: EngineError) -> Step {
        self.send(Event::Failed(error));
        Step::Done
    }

    /// Resolves when the reader has gone away.
    pub async fn cancelled(&self) {
        self.events.closed().await;
    }

    fn finish(&mut self, reason: FinishReason, last: Option<String>) -> Step {
        let text = last.unwrap_or_else(|| self.stop.finish());
        self.send(Event::Finished { reason, text, completion_tokens: self.completion_tokens });
        Step::Done
    }

    fn send(&self, event: Event) {
        // The only error left is that the reader has gone away, which the next step sees.
        let _ = self.events.try_send(event);
    }
}

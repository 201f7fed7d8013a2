//! One running request: logits in, events out. Each backend drives one of these per request.

use std::collections::VecDeque;

use tokio::sync::{Semaphore, mpsc};

use crate::embedding::normalize;
use crate::engine::{EngineError, Event, FinishReason, GenerateRequest, Generation, Token};
use crate::grammar::{Constraint, GrammarError};
use crate::logprobs::{self, Distribution, TokenLogprobs};
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
    constraint: Option<Constraint>,
    text: Text,
    logprobs: Option<usize>,
    prompt_logprobs: Option<usize>,
    /// Of the prompt's tokens but the first, as far as they are known.
    scores: Vec<TokenLogprobs>,
    max_tokens: usize,
    completion_tokens: usize,
    cached_tokens: usize,
    embedding: bool,
    is_background: bool,
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
        let (events, receiver) = mpsc::channel(request.max_tokens.saturating_add(2).min(Semaphore::MAX_PERMITS));
        let sequence = Self {
            events,
            sampler: Sampler::new(request.sampling, &request.prompt),
            constraint: request.constraint,
            text: Text::new(StopMatcher::new(request.stop, request.stop_until), request.shown_control),
            logprobs: request.logprobs,
            prompt_logprobs: request.prompt_logprobs,
            scores: Vec::new(),
            max_tokens: request.max_tokens,
            completion_tokens: 0,
            cached_tokens: 0,
            embedding: request.embedding,
            is_background: request.is_background,
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

    /// Whether nobody waits for the answer.
    #[must_use]
    pub fn is_background(&self) -> bool {
        self.is_background
    }

    /// Whether the prompt's embedding is wanted: [`Self::embed`] is all that is left to call.
    #[must_use]
    pub fn wants_embedding(&self) -> bool {
        self.embedding
    }

    /// Sends the prompt's embedding, scaled to length 1, and ends the request.
    pub fn embed(&mut self, mut vector: Vec<f32>) -> Step {
        if !normalize(&mut vector) {
            return self.fail(EngineError::NoEmbedding);
        }
        self.send(Event::Embedding(vector));
        self.end()
    }

    /// Whether the prompt's own logits are wanted: [`Self::score`] and
    /// [`Self::finish_scoring`] come before the first [`Self::step`].
    #[must_use]
    pub fn wants_prompt_logits(&self) -> bool {
        self.prompt_logprobs.is_some()
    }

    /// Whether nothing is to be generated: [`Self::end`] is all that is left to call.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        self.max_tokens == 0
    }

    /// Takes the logits after the prompt's next token, from the first on: they score the token behind it.
    ///
    /// # Errors
    /// [`EngineError::NoFiniteLogit`].
    pub fn score(&mut self, logits: &[f32]) -> Result<(), EngineError> {
        if let Some(&id) = self.prompt.get(self.scores.len() + 1) {
            self.scores.push(logprobs::of(logits, id, self.prompt_logprobs.unwrap_or(0))?);
        }
        Ok(())
    }

    /// Reports the prompt's log-probabilities, once each of its tokens was scored.
    ///
    /// # Errors
    /// [`EngineError::Backend`] where logits were missing.
    pub fn finish_scoring(&mut self) -> Result<(), EngineError> {
        if self.scores.len() + 1 != self.prompt.len() {
            return Err(EngineError::Backend("the prompt's logits are incomplete".to_owned()));
        }
        let scores = std::mem::take(&mut self.scores);
        self.send(Event::Prompt(scores));
        Ok(())
    }

    /// Notes that the first `tokens` of the prompt were not computed: another request had done so.
    pub fn note_cached(&mut self, tokens: usize) {
        self.cached_tokens = tokens;
    }

    /// Ends a request that only reads its prompt.
    pub fn end(&mut self) -> Step {
        self.finish(FinishReason::Length, None)
    }

    /// Chooses the next token from `logits` (one per token id; changed in place) and sends what follows from it.
    pub fn step(&mut self, logits: &mut [f32], tokenizer: &Tokenizer) -> Step {
        if self.is_cancelled() {
            return Step::Done;
        }
        match self.choose(logits, tokenizer) {
            Ok((id, entry)) => self.take(id, entry, tokenizer),
            Err(error) => self.fail(error),
        }
    }

    /// The next token, and its entry where entries are wanted.
    fn choose(
        &mut self,
        logits: &mut [f32],
        tokenizer: &Tokenizer,
    ) -> Result<(u32, Option<TokenLogprobs>), EngineError> {
        let refused = |error: GrammarError| EngineError::Constraint(error.0);
        let wanted = self.logprobs.map(|top| Distribution::new(logits).map(|own| (own, top))).transpose()?;
        if let Some(constraint) = &mut self.constraint {
            constraint.mask(logits).map_err(refused)?;
        }
        let id = self.sampler.sample(logits)?;
        if let Some(constraint) = self.constraint.as_mut().filter(|_| !tokenizer.is_end_of_sequence(id)) {
            constraint.advance(id).map_err(refused)?;
        }
        Ok((id, wanted.map(|(own, top)| own.of(id, top))))
    }

    fn take(&mut self, id: u32, entry: Option<TokenLogprobs>, tokenizer: &Tokenizer) -> Step {
        self.completion_tokens += 1;
        if tokenizer.is_end_of_sequence(id) {
            return self.finish(FinishReason::Stop, entry);
        }
        let (text, stopped) = self.text.push(id, entry, tokenizer);
        let logprobs = self.text.shown_entries();
        if stopped {
            return self.send_finished(FinishReason::Stop, text, logprobs, None);
        }
        self.send(Event::Token(Token { id, text, logprobs }));
        if self.constraint.as_ref().is_some_and(Constraint::is_complete) {
            return self.finish(FinishReason::Stop, None);
        }
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

    /// Whether the reader has gone away.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// Resolves when the reader has gone away.
    pub async fn cancelled(&self) {
        self.events.closed().await;
    }

    fn finish(&mut self, reason: FinishReason, end: Option<TokenLogprobs>) -> Step {
        let (text, logprobs) = self.text.finish();
        self.send_finished(reason, text, logprobs, end)
    }

    fn send_finished(
        &mut self,
        reason: FinishReason,
        text: String,
        logprobs: Vec<TokenLogprobs>,
        end: Option<TokenLogprobs>,
    ) -> Step {
        let &mut Self { completion_tokens, cached_tokens, .. } = self;
        self.send(Event::Finished { reason, text, logprobs, end, completion_tokens, cached_tokens });
        Step::Done
    }

    fn send(&self, event: Event) {
        // The only error left is that the reader has gone away, which the next step sees.
        let _ = self.events.try_send(event);
    }
}

/// The answer's text as far as it is certain, and the entries of the tokens that made it.
struct Text {
    utf8: Utf8Assembler,
    stop: StopMatcher,
    shown_control: Vec<u32>,
    /// Bytes of all tokens so far.
    bytes: usize,
    /// Bytes of the text that was shown.
    shown: usize,
    /// Entries whose text is not shown yet, each with the range of its bytes.
    waiting: VecDeque<(usize, usize, TokenLogprobs)>,
}

impl Text {
    fn new(stop: StopMatcher, shown_control: Vec<u32>) -> Self {
        Self { utf8: Utf8Assembler::default(), stop, shown_control, bytes: 0, shown: 0, waiting: VecDeque::new() }
    }

    /// Adds a token. Returns the text that became certain, and whether a stop string ended the answer.
    fn push(&mut self, id: u32, entry: Option<TokenLogprobs>, tokenizer: &Tokenizer) -> (String, bool) {
        let spelled = self.shown_control.contains(&id).then(|| tokenizer.spelling(id).into_bytes());
        let bytes = spelled.as_deref().unwrap_or_else(|| tokenizer.text_bytes(id));
        if let Some(entry) = entry {
            self.waiting.push_back((self.bytes, self.bytes + bytes.len(), entry));
        }
        self.bytes += bytes.len();
        let (text, stopped) = self.stop.push(&self.utf8.push(bytes));
        if stopped {
            self.shown += text.len();
            // What begins behind the shown text is part of the stop string.
            self.waiting.retain(|&(start, ..)| start < self.shown);
            self.shown = self.bytes;
        } else {
            self.shown = self.bytes.saturating_sub(self.utf8.pending() + self.stop.held());
        }
        (text, stopped)
    }

    /// The entries whose text is shown by now.
    fn shown_entries(&mut self) -> Vec<TokenLogprobs> {
        let ready = self.waiting.iter().take_while(|&&(_, end, _)| end <= self.shown).count();
        self.waiting.drain(..ready).map(|(_, _, entry)| entry).collect()
    }

    /// What is left to show.
    fn finish(&mut self) -> (String, Vec<TokenLogprobs>) {
        (self.stop.finish(), self.waiting.drain(..).map(|(_, _, entry)| entry).collect())
    }
}

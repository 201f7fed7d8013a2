//! The answers of a request while the engine works on them. Dropping it cancels the work, wherever it is.

use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use zyron_engine::{EngineError, Event, GenerateRequest, TokenLogprobs};
use zyron_openapi::{FinishReason, Usage};

use super::{Parts, ToolRun};
use crate::admission::Applicant;
use crate::call::{Call, Outcome};
use crate::error::ApiError;
use crate::serving::{Held, Serving};
use crate::state::AppState;
use crate::validate::Job;

/// What an answer is made of.
pub(crate) enum Part {
    /// The prompt's log-probabilities.
    Prompt(Vec<TokenLogprobs>),
    /// The prompt's embedding.
    Embedding(Vec<f32>),
    /// The next text and the entries of its tokens, not both empty.
    Text(String, Vec<TokenLogprobs>),
    /// The last text, which may be empty, and the end.
    End(End),
    /// A tool that the server has run.
    Ran(Box<ToolRun>),
}

/// The end of an answer.
pub(crate) struct End {
    pub(crate) text: String,
    pub(crate) logprobs: Vec<TokenLogprobs>,
    /// The entry of the end-of-sequence token.
    pub(crate) end: Option<TokenLogprobs>,
    pub(crate) reason: FinishReason,
}

/// The answers of a request while the engine works on them.
pub(crate) struct Running {
    /// Each answer's events, with its place. Bounded by the tokens that were asked for.
    events: mpsc::UnboundedReceiver<Dated>,
    /// Drives the answers: a client that reads nothing keeps nobody's place, and meets the deadline.
    _work: AbortOnDropHandle<()>,
    /// Answers that have not ended.
    open: usize,
    record: Record,
}

/// An event of the answer at this place.
type Answered = (usize, Result<Event, ApiError>);
/// The same, and when it came: whoever reads it may be slow.
type Dated = (Instant, Answered);

impl Running {
    /// Waits for the request's turn and starts it.
    ///
    /// Its first answer waits in the bounded queue, or is refused. The others follow as there is room, each behind the
    /// requests of others that wait already: a request for many answers does not keep others from theirs.
    pub(crate) async fn start(call: &Call, serving: &Arc<Serving>, job: Job) -> Result<Self, ApiError> {
        call.charge(&serving.model.id, job.prompt_tokens)?;
        let since = Instant::now();
        let held = serving.admit(call.applicant(job.prompt_tokens)).await?;
        call.facts().queued = Some(since.elapsed());
        Ok(Self::run(call, serving, job, held))
    }

    /// Starts a request whose turn it is.
    pub(super) fn run(call: &Call, serving: &Arc<Serving>, job: Job, held: Held) -> Self {
        let record = Record::new(call, serving, &job);
        let mut held = Some(held);
        let asking = call.clone();
        let deadline = call.deadline();
        let at_once = serving.engine.parallelism();
        let (serving, lost) = (Arc::clone(serving), serving.lost().clone());
        // The turns of further answers are for no more than is said here: their prompt waits with the first.
        let applicant = call.applicant(0);
        let Job { answers: open, mut request, .. } = job;
        let app = asking.app().clone();
        let answers = (0..open).map(move |index| {
            answer(index, request(index), held.take(), app.clone(), Arc::clone(&serving), applicant.clone())
        });
        let (sender, events) = mpsc::unbounded_channel();
        let work = async move {
            let mut answers = stream::iter(answers).flatten_unordered(at_once);
            let pass_on = async {
                while let Some(event) = answers.next().await {
                    if sender.send((Instant::now(), event)).is_err() {
                        break;
                    }
                }
            };
            let error = tokio::select! {
                () = pass_on => return,
                () = tokio::time::sleep_until(deadline.into()) => ApiError::Timeout,
                () = lost.cancelled() => ApiError::EngineLost,
                () = asking.app().abort().cancelled() => ApiError::Draining,
                () = asking.disowned() => ApiError::Unauthorized,
            };
            let _ = sender.send((Instant::now(), (0, Err(error))));
        };
        Self { events, _work: AbortOnDropHandle::new(tokio::spawn(work)), open, record }
    }

    /// Says that it has failed for this reason.
    pub(crate) fn fail(&mut self, error: ApiError) -> ApiError {
        self.record.fail(error)
    }
}

impl Parts for Running {
    async fn next(&mut self) -> Result<Option<(usize, Part)>, ApiError> {
        loop {
            let Some((at, (index, event))) = self.events.recv().await else {
                if self.open > 0 {
                    return Err(self.record.fail(ApiError::Internal));
                }
                self.record.outcome = Outcome::Completed;
                return Ok(None);
            };
            let part = match event.map_err(|error| self.record.fail(error))? {
                Event::Prompt(logprobs) => Part::Prompt(logprobs),
                Event::Embedding(vector) => Part::Embedding(vector),
                Event::Token(token) => {
                    self.record.token(index, at);
                    if token.text.is_empty() && token.logprobs.is_empty() {
                        continue;
                    }
                    Part::Text(token.text, token.logprobs)
                }
                Event::Finished { reason, text, logprobs, end, completion_tokens, cached_tokens } => {
                    self.open -= 1;
                    self.record.finished(index, completion_tokens as u64, at);
                    self.record.cached(index, cached_tokens as u64);
                    let reason = match reason {
                        zyron_engine::FinishReason::Stop => FinishReason::Stop,
                        zyron_engine::FinishReason::Length => FinishReason::Length,
                    };
                    Part::End(End { text, logprobs, end, reason })
                }
                Event::Failed(EngineError::Constraint(error)) => {
                    return Err(self.record.fail(ApiError::ConstraintFailed(error)));
                }
                Event::Failed(EngineError::TooShort) => {
                    let message = "This model's engine embeds no text of a single token.";
                    return Err(self.record.fail(ApiError::invalid("input", message)));
                }
                Event::Failed(error) => {
                    self.record.call.span().in_scope(|| tracing::error!(%error, "the engine failed"));
                    return Err(self.record.fail(ApiError::EngineFailed));
                }
            };
            return Ok(Some((index, part)));
        }
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::new(self.record.prompt_tokens, self.record.completion_tokens.iter().sum());
        usage.prompt_tokens_details.cached_tokens = self.record.cached_tokens;
        usage
    }
}

/// The events of one answer, once it has its turn.
fn answer(
    index: usize,
    mut request: GenerateRequest,
    held: Option<Held>,
    app: AppState,
    serving: Arc<Serving>,
    applicant: Applicant,
) -> BoxStream<'static, Answered> {
    let engine = Arc::clone(&serving.engine);
    let events = async move {
        request.is_background = applicant.is_background;
        let held = match held {
            Some(held) => held,
            None => serving.admit_next(applicant).await?,
        };
        // The engine holds it until it has let go of the request, which may be a step after the client has.
        request.held = Some(held);
        Ok(serving.engine.generate(request))
    };
    let events = stream::once(events).flat_map(move |started: Result<_, ApiError>| match started {
        Ok(generation) => {
            let (app, engine) = (app.clone(), Arc::clone(&engine));
            let event = move |event| match event {
                // The watchdog need not wait for its next look.
                Event::Failed(EngineError::Stopped) if engine.has_ended() => {
                    app.models().suspect();
                    Err(ApiError::EngineLost)
                }
                event => Ok(event),
            };
            generation.map(move |given| (index, event(given))).boxed()
        }
        Err(error) => stream::once(async move { (index, Err(error)) }).boxed(),
    });
    events.boxed()
}

/// What the answers have had so far, for the account of the request.
struct Record {
    call: Call,
    start: Instant,
    prompt_tokens: u64,
    answers_per_prompt: usize,
    /// Tokens of the prompts that were not computed for this request.
    cached_tokens: u64,
    /// Of each answer.
    completion_tokens: Vec<u64>,
    /// When the first token of each answer came.
    first_tokens: Vec<Option<Instant>>,
    /// Whether any answer has a token.
    has_begun: bool,
    outcome: Outcome,
}

impl Record {
    fn new(call: &Call, serving: &Serving, job: &Job) -> Self {
        call.facts().model = Some(serving.model.id.clone());
        Self {
            call: call.clone(),
            start: Instant::now(),
            prompt_tokens: job.prompt_tokens,
            answers_per_prompt: job.answers_per_prompt.max(1),
            cached_tokens: 0,
            completion_tokens: vec![0; job.answers],
            first_tokens: vec![None; job.answers],
            has_begun: false,
            outcome: Outcome::Cancelled,
        }
    }

    fn token(&mut self, index: usize, at: Instant) {
        self.first_tokens[index].get_or_insert(at);
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut facts = self.call.facts();
            facts.prefill.get_or_insert(self.start.elapsed());
            facts.first_token.get_or_insert(self.call.age());
        }
        self.completion_tokens[index] += 1;
    }

    fn finished(&mut self, index: usize, tokens: u64, at: Instant) {
        self.completion_tokens[index] = tokens;
        if let Some(first) = self.first_tokens[index] {
            let mut facts = self.call.facts();
            facts.decoding += at.duration_since(first);
            facts.decoded += tokens.saturating_sub(1);
        }
    }

    fn cached(&mut self, index: usize, tokens: u64) {
        // The other answers to a prompt find what its first computed: no prompt was spared by that.
        if index.is_multiple_of(self.answers_per_prompt) {
            self.cached_tokens += tokens;
        }
    }

    fn fail(&mut self, error: ApiError) -> ApiError {
        self.outcome = Outcome::Failed;
        error
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let mut facts = self.call.facts();
        facts.prompt_tokens += self.prompt_tokens;
        facts.cached_tokens += self.cached_tokens;
        let completion_tokens = self.completion_tokens.iter().sum::<u64>();
        facts.completion_tokens += completion_tokens;
        self.call.spend(completion_tokens);
        facts.outcome = Some(self.outcome);
    }
}

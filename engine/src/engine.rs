//! The boundary between the server and whoever runs the model: a request of tokens in, a stream of events out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::{Constraint, Sampling, TokenLogprobs};

/// A backend that runs a model.
pub trait Engine: Send + Sync + 'static {
    /// The backend's name, such as `mistralrs`.
    fn name(&self) -> &'static str;

    /// How many requests it serves at once with profit. The server admits no more.
    fn parallelism(&self) -> usize;

    /// The longest prompt plus answer it can hold, in tokens: the model's, or less where memory does not suffice.
    fn context_length(&self) -> usize;

    /// How many requests it is working on. A cancelled one counts until the backend has let go of it.
    fn active(&self) -> usize;

    /// How full its cache of keys and values is, where it has one of a fixed size and says so.
    fn kv_cache(&self) -> Option<KvCacheUse> {
        None
    }

    /// Whether a request that nobody waits for gives way to every other, so that others hardly notice it.
    fn gives_way(&self) -> bool {
        false
    }

    /// How far it has come, by which it is seen to work, where it says so.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// Whether it has ended by itself, so that it answers nothing any more.
    fn has_ended(&self) -> bool {
        false
    }

    /// Says that nobody waits for it any more: dropping it then takes no time. What hangs in it keeps its memory until it
    /// ends, if ever.
    fn give_up(&self) {}

    /// Starts a request. Every failure arrives as an event. Dropping the [`Generation`] cancels it within one step.
    fn generate(&self, request: GenerateRequest) -> Generation;
}

/// How far an engine has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Steps since it was loaded; each computed tokens, or a piece of a prompt.
    pub steps: u64,
    /// Whether it may be in a step that takes long: it reads a whole prompt at once.
    pub is_long: bool,
}

/// How full a cache of keys and values is, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvCacheUse {
    /// Of requests that run. What they have in common may count for each of them.
    pub used_tokens: usize,
    /// Of requests that are over, kept in case a prompt begins with the same, and given up when room is needed.
    pub kept_tokens: usize,
    /// What there is room for.
    pub size_tokens: usize,
}

/// Counts a request of [`Engine::active`] while it lives, through panics too.
#[derive(Debug)]
pub struct Active(Arc<AtomicUsize>);

impl Active {
    /// One more.
    #[must_use]
    pub fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What to generate, in tokens.
pub struct GenerateRequest {
    /// The prompt, at least one token.
    pub prompt: Vec<u32>,
    /// How the next token is chosen.
    pub sampling: Sampling,
    /// What the answer must look like, if anything.
    pub constraint: Option<Constraint>,
    /// Strings that end the answer and are not part of it; none is empty.
    pub stop: Vec<String>,
    /// Text of the answer from which on stop strings no longer count, such as the beginning of a tool call, which they
    /// would cut in the middle.
    pub stop_until: Option<&'static str>,
    /// Control tokens whose spelling is part of the answer's text, such as those that mark a tool call.
    pub shown_control: Vec<u32>,
    /// Whether to report the log-probability of each generated token, and how many alternatives.
    pub logprobs: Option<usize>,
    /// Whether to report the log-probability of each prompt token, and how many alternatives.
    pub prompt_logprobs: Option<usize>,
    /// Most tokens to generate. Prompt and answer together fit the model's context. 0 only reads the prompt.
    pub max_tokens: usize,
    /// Whether the prompt's embedding is wanted. Only an embedding model makes one, and nothing else
    /// ([`crate::Model::pooling`]).
    pub embedding: bool,
    /// Whether nobody waits for the answer, so that it may come whenever there is nothing else to do.
    pub is_background: bool,
    /// Held as long as the engine works on the request, and dropped the moment it no longer does: the caller's right
    /// to run it.
    pub held: Option<Box<dyn Send + Sync>>,
}

impl GenerateRequest {
    /// A greedy request for `max_tokens` tokens after `prompt`, without any of the options.
    #[must_use]
    pub fn new(prompt: Vec<u32>, max_tokens: usize) -> Self {
        Self {
            prompt,
            sampling: Sampling::default(),
            constraint: None,
            stop: Vec::new(),
            stop_until: None,
            shown_control: Vec::new(),
            logprobs: None,
            prompt_logprobs: None,
            max_tokens,
            embedding: false,
            is_background: false,
            held: None,
        }
    }

    /// A request for the embedding of `prompt`.
    #[must_use]
    pub fn for_embedding(prompt: Vec<u32>) -> Self {
        Self { embedding: true, ..Self::new(prompt, 0) }
    }
}

impl std::fmt::Debug for GenerateRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The prompt is a user's: its length is all a log may say.
        let mut debug = formatter.debug_struct("GenerateRequest");
        debug.field("prompt_tokens", &self.prompt.len()).field("max_tokens", &self.max_tokens).finish_non_exhaustive()
    }
}

/// One thing that happened to a request. The last is `Finished` or `Failed`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The prompt was read: an entry for each of its tokens but the first, which nothing precedes. Comes first, and
    /// only where it was asked for.
    Prompt(Vec<TokenLogprobs>),
    /// The prompt's embedding, a vector of length 1: all there is, where one was asked for.
    Embedding(Vec<f32>),
    /// A token was generated.
    Token(Token),
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// Text held back until now because a stop string could have begun in it.
        text: String,
        /// The entries of the tokens whose text was held back, where they were asked for.
        logprobs: Vec<TokenLogprobs>,
        /// The entry of the end-of-sequence token, where one ended the answer and entries were asked for.
        end: Option<TokenLogprobs>,
        /// Tokens generated, the end-of-sequence token included.
        completion_tokens: usize,
        /// Tokens of the prompt that were not computed, because another request had done so.
        cached_tokens: usize,
    },
    /// The answer cannot be completed.
    Failed(EngineError),
}

/// A generated token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// The text that became certain with it: whole characters, no part of a stop string. Often empty, where a
    /// character takes several tokens.
    pub text: String,
    /// The entries of the tokens whose text is certain by now, where they were asked for: they never run ahead of
    /// the text.
    pub logprobs: Vec<TokenLogprobs>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, a stop string was met, or the constraint allows nothing more.
    Stop,
    /// `max_tokens` was reached.
    Length,
}

/// Why an answer could not be completed. The text is for the operator's log, not for clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EngineError {
    /// The backend reported an error for this request.
    #[error("the engine failed: {0}")]
    Backend(String),
    /// The request's constraint cannot be followed further: it needs more work than is allowed.
    #[error("the constraint cannot be followed: {0}")]
    Constraint(String),
    /// The model gave logits from which no token can be chosen.
    #[error("the model gave no finite logit")]
    NoFiniteLogit,
    /// The model gave a vector without a direction.
    #[error("the model gave a vector that is zero or not finite")]
    NoEmbedding,
    /// The backend cannot embed a single token.
    #[error("this backend embeds no text of a single token")]
    TooShort,
    /// An embedding was asked of a model that generates text, or text of an embedding model.
    #[error("the model is not for this kind of request")]
    OtherKind,
    /// The backend let go of the request without a word: it has stopped, or panicked.
    #[error("the engine stopped while it was working on the request")]
    Stopped,
}

/// A running request: the receiving end of its events. Dropping it cancels the request.
///
/// Its buffer holds every event the request can produce, so a slow reader never makes the engine wait.
#[derive(Debug)]
pub struct Generation {
    events: mpsc::Receiver<Event>,
    ended: bool,
}

impl Generation {
    pub(crate) fn new(events: mpsc::Receiver<Event>) -> Self {
        Self { events, ended: false }
    }

    /// The next event. After the last it waits for ever: stop there, or read it as a [`Stream`].
    pub async fn recv(&mut self) -> Event {
        match self.next().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

impl Stream for Generation {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let event = match self.events.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(event) => event.unwrap_or(Event::Failed(EngineError::Stopped)),
        };
        self.ended = matches!(event, Event::Finished { .. } | Event::Failed(_));
        Poll::Ready(Some(event))
    }
}

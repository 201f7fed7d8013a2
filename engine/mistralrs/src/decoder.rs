//! Turns the logits of mistral.rs into our events, from inside its sampling step.
//!
//! mistral.rs calls a logits processor once per step. Ours samples with [`Sequence`], sends the event, and gives back
//! logits that leave only the chosen token. To stop a request it closes the channel on which mistral.rs reports
//! progress: the next report fails and the sequence is cancelled in the same step, without a token too many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mistralrs::{CustomLogitsProcessor, Device, Response, Result, Tensor};
use tokio::sync::mpsc;
use zyron_engine::{Active, EngineError, Model, Sequence, Step};

use crate::Runner;

/// Reports that can wait unread: mistral.rs sends at most two a step, and each step empties the channel first.
pub(crate) const RESPONSES: usize = 8;

/// The decoding of one request. It lives in mistral.rs, and as long as mistral.rs works on the request.
pub(crate) struct Decoder {
    state: Mutex<State>,
    model: Arc<Model>,
    steps: Arc<AtomicU64>,
    _active: Active,
}

struct State {
    sequence: Sequence,
    /// While its prompt is read.
    reading: Option<Active>,
    /// Closed once the request is over.
    responses: Option<mpsc::Receiver<Response>>,
}

impl Decoder {
    pub(crate) fn new(
        sequence: Sequence,
        runner: &Runner,
        responses: mpsc::Receiver<Response>,
        active: Active,
    ) -> Self {
        let reading = Some(Active::new(&runner.seen.reading));
        let state = Mutex::new(State { sequence, reading, responses: Some(responses) });
        Self { state, model: Arc::clone(&runner.model), steps: Arc::clone(&runner.seen.steps), _active: active }
    }
}

/// The error that mistral.rs reports, if it is one.
pub(crate) fn error_in(response: Response) -> Option<String> {
    match response {
        Response::InternalError(error) | Response::ValidationError(error) => Some(error.to_string()),
        Response::ModelError(error, _) | Response::CompletionModelError(error, _) => Some(error),
        _ => None,
    }
}

impl State {
    /// Reads what mistral.rs reported. Its text is not ours to show; only its errors matter.
    fn reported_error(&mut self) -> Option<String> {
        let responses = self.responses.as_mut()?;
        while let Ok(response) = responses.try_recv() {
            if let Some(error) = error_in(response) {
                return Some(error);
            }
        }
        None
    }

    /// The token to go on with; none once the request is over.
    fn step(&mut self, logits: &mut [f32], model: &Model) -> Option<u32> {
        self.responses.as_ref()?;
        // Weights are often padded beyond the vocabulary; those logits mean nothing.
        let known = logits.len().min(model.tokenizer.vocabulary_size());
        match self.sequence.step(&mut logits[..known], &model.tokenizer) {
            Step::Continue(token) => Some(token),
            Step::Done => {
                self.responses = None;
                None
            }
        }
    }
}

impl CustomLogitsProcessor for Decoder {
    fn apply(&self, logits: &Tensor, _context: &[u32]) -> Result<Tensor> {
        let mut values = logits.to_vec1::<f32>()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.steps.fetch_add(1, Ordering::Relaxed);
        state.reading = None;
        let token = match state.reported_error() {
            Some(error) => {
                state.sequence.fail(EngineError::Backend(error));
                state.responses = None;
                None
            }
            None => state.step(&mut values, &self.model),
        };
        values.fill(0.0);
        if let Some(value) = values.get_mut(token.unwrap_or_default() as usize) {
            *value = 1.0;
        }
        let size = values.len();
        Tensor::from_vec(values, size, &Device::Cpu)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.reported_error() {
            state.sequence.fail(EngineError::Backend(error));
        }
    }
}

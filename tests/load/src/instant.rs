//! An engine without a model: whatever it is asked, it says one token over and over, and takes no time to compute it.
//! An answer that could be too long for that is one token and then silence, for as long as somebody listens.

use std::sync::Arc;

use zyron_engine::{Engine, GenerateRequest, Generation, Model, Sequence, Step};

pub(crate) struct InstantEngine {
    model: Arc<Model>,
    /// What it says.
    token: u32,
    parallelism: usize,
    /// The most tokens of an answer that comes to its end.
    longest: usize,
}

impl InstantEngine {
    pub(crate) fn new(model: Arc<Model>, parallelism: usize, longest: usize) -> Self {
        let tokenizer = &model.tokenizer;
        let is_letter = |token: &u32| matches!(tokenizer.text_bytes(*token), [byte] if byte.is_ascii_alphabetic());
        let token = (0..tokenizer.vocabulary_size() as u32).find(is_letter).unwrap_or_default();
        Self { model, token, parallelism, longest }
    }
}

impl Engine for InstantEngine {
    fn name(&self) -> &'static str {
        "instant"
    }

    fn parallelism(&self) -> usize {
        self.parallelism
    }

    fn context_length(&self) -> usize {
        self.model.context_length
    }

    fn active(&self) -> usize {
        0
    }

    fn generate(&self, request: GenerateRequest) -> Generation {
        let is_too_long = request.max_tokens > self.longest;
        let (mut sequence, generation) = Sequence::start(request);
        let mut logits = vec![0.0; self.model.tokenizer.vocabulary_size()];
        logits[self.token as usize] = 1.0;
        let model = Arc::clone(&self.model);
        if is_too_long {
            sequence.step(&mut logits, &model.tokenizer);
            tokio::spawn(async move { sequence.cancelled().await });
        } else {
            tokio::task::spawn_blocking(move || while sequence.step(&mut logits, &model.tokenizer) != Step::Done {});
        }
        generation
    }
}

//! An engine without a model: whatever it is asked, it says one token over and over, and takes no time to compute it.

use std::sync::Arc;

use zyron_engine::{Engine, GenerateRequest, Generation, Model, Sequence, Step};

pub(crate) struct InstantEngine {
    model: Arc<Model>,
    /// What it says.
    token: u32,
    parallelism: usize,
}

impl InstantEngine {
    pub(crate) fn new(model: Arc<Model>, parallelism: usize) -> Self {
        let tokenizer = &model.tokenizer;
        let is_letter = |token: &u32| matches!(tokenizer.text_bytes(*token), [byte] if byte.is_ascii_alphabetic());
        let token = (0..tokenizer.vocabulary_size() as u32).find(is_letter).unwrap_or_default();
        Self { model, token, parallelism }
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
        let (mut sequence, generation) = Sequence::start(request);
        let (model, token) = (Arc::clone(&self.model), self.token);
        tokio::task::spawn_blocking(move || {
            let mut logits = vec![0.0; model.tokenizer.vocabulary_size()];
            logits[token as usize] = 1.0;
            while sequence.step(&mut logits, &model.tokenizer) != Step::Done {}
        });
        generation
    }
}

//! How completions are written.

use uuid::Uuid;
use zyron_openapi::completions::CompletionChoice;
use zyron_openapi::{Completion, FinishReason, Usage};

use super::Shape;
use crate::state::Serving;
use crate::validate::Streaming;

pub(crate) struct CompletionShape {
    id: String,
    created: u64,
    model: String,
    system_fingerprint: String,
    include_usage: bool,
}

impl CompletionShape {
    pub(crate) fn new(serving: &Serving, streaming: Option<Streaming>) -> Self {
        Self {
            id: format!("cmpl-{}", Uuid::new_v4().simple()),
            created: super::now(),
            model: serving.model.id.clone(),
            system_fingerprint: serving.system_fingerprint.clone(),
            include_usage: streaming.is_some_and(|streaming| streaming.include_usage),
        }
    }

    fn completion(&self, choices: Vec<CompletionChoice>, usage: Option<Option<Usage>>) -> Completion {
        Completion {
            id: self.id.clone(),
            object: "text_completion".to_owned(),
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices,
            usage,
        }
    }

    fn chunk(&self, text: String, finish_reason: Option<FinishReason>) -> Completion {
        let choice = CompletionChoice { index: 0, text, logprobs: None, finish_reason };
        self.completion(vec![choice], self.include_usage.then_some(None))
    }
}

impl Shape for CompletionShape {
    type Whole = Completion;
    type Chunk = Completion;

    fn whole(&self, text: String, reason: FinishReason, usage: Usage) -> Completion {
        let choice = CompletionChoice { index: 0, text, logprobs: None, finish_reason: Some(reason) };
        self.completion(vec![choice], Some(Some(usage)))
    }

    fn opening(&self) -> Option<Completion> {
        None
    }

    fn delta(&self, text: String) -> Completion {
        self.chunk(text, None)
    }

    fn closing(&self, reason: FinishReason) -> Completion {
        self.chunk(String::new(), Some(reason))
    }

    fn usage(&self, usage: Usage) -> Option<Completion> {
        self.include_usage.then(|| self.completion(Vec::new(), Some(Some(usage))))
    }
}

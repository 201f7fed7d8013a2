//! How chat completions are written.

use uuid::Uuid;
use zyron_openapi::chat_completions::{ChatChoice, ChatChunkChoice, ChatDelta, ChatMessage};
use zyron_openapi::{ChatCompletion, ChatCompletionChunk, FinishReason, Role, Usage};

use super::Shape;
use crate::state::Serving;
use crate::validate::Streaming;

pub(crate) struct ChatShape {
    id: String,
    created: u64,
    model: String,
    system_fingerprint: String,
    include_usage: bool,
}

impl ChatShape {
    pub(crate) fn new(serving: &Serving, streaming: Option<Streaming>) -> Self {
        Self {
            id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
            created: super::now(),
            model: serving.model.id.clone(),
            system_fingerprint: serving.system_fingerprint.clone(),
            include_usage: streaming.is_some_and(|streaming| streaming.include_usage),
        }
    }

    fn chunk(&self, choices: Vec<ChatChunkChoice>, usage: Option<Usage>) -> ChatCompletionChunk {
        ChatCompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices,
            usage: self.include_usage.then_some(usage),
        }
    }

    fn choice(&self, delta: ChatDelta, finish_reason: Option<FinishReason>) -> ChatCompletionChunk {
        self.chunk(vec![ChatChunkChoice { index: 0, delta, logprobs: None, finish_reason }], None)
    }
}

impl Shape for ChatShape {
    type Whole = ChatCompletion;
    type Chunk = ChatCompletionChunk;

    fn whole(&self, text: String, finish_reason: FinishReason, usage: Usage) -> ChatCompletion {
        let message =
            ChatMessage { role: Role::Assistant, content: Some(text), refusal: None, annotations: Vec::new() };
        ChatCompletion {
            id: self.id.clone(),
            object: "chat.completion".to_owned(),
            created: self.created,
            model: self.model.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices: vec![ChatChoice { index: 0, message, logprobs: None, finish_reason }],
            usage,
        }
    }

    fn opening(&self) -> Option<ChatCompletionChunk> {
        let delta = ChatDelta { role: Some(Role::Assistant), content: Some(String::new()), refusal: Some(None) };
        Some(self.choice(delta, None))
    }

    fn delta(&self, text: String) -> ChatCompletionChunk {
        self.choice(ChatDelta { content: Some(text), ..ChatDelta::default() }, None)
    }

    fn closing(&self, reason: FinishReason) -> ChatCompletionChunk {
        self.choice(ChatDelta::default(), Some(reason))
    }

    fn usage(&self, usage: Usage) -> Option<ChatCompletionChunk> {
        self.include_usage.then(|| self.chunk(Vec::new(), Some(usage)))
    }
}

//! How chat completions are written.

use std::sync::Arc;

use axum::response::sse::Event;
use uuid::Uuid;
use zyron_engine::{Model, TokenLogprobs};
use zyron_openapi::chat_completions::{ChatChoice, ChatChunkChoice, ChatDelta, ChatLogprobs, ChatMessage};
use zyron_openapi::tools::{FunctionCall, FunctionCallChunk, ToolCallChunk};
use zyron_openapi::{ChatCompletion, ChatCompletionChunk, FinishReason, MessageToolCall, Role, TokenLogprob, Usage};

use super::message::{MessageDelta, MessageReader};
use super::{End, Part, Shape, tokens};
use crate::state::Serving;
use crate::validate::ChatJob;

pub(crate) struct ChatShape {
    id: String,
    created: u64,
    model: Arc<Model>,
    system_fingerprint: String,
    include_usage: bool,
    logprobs: bool,
    choices: Vec<Choice>,
}

/// One of the answers.
struct Choice {
    reader: MessageReader,
    /// Entries that wait for the next chunk.
    logprobs: Vec<TokenLogprob>,
    content: String,
    calls: Vec<MessageToolCall>,
    reason: FinishReason,
}

impl Choice {
    fn add(&mut self, delta: MessageDelta) {
        match delta {
            MessageDelta::Content(text) => self.content.push_str(&text),
            MessageDelta::Call { id, name, .. } => {
                let function = FunctionCall { name, arguments: String::new() };
                self.calls.push(MessageToolCall { id, kind: "function".to_owned(), function });
            }
            MessageDelta::Arguments { text, .. } => {
                if let Some(call) = self.calls.last_mut() {
                    call.function.arguments.push_str(&text);
                }
            }
        }
    }
}

impl ChatShape {
    pub(crate) fn new(serving: &Serving, job: &ChatJob) -> Self {
        let choice = |_| Choice {
            reader: MessageReader::new(job.tools),
            logprobs: Vec::new(),
            content: String::new(),
            calls: Vec::new(),
            reason: FinishReason::Stop,
        };
        Self {
            id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
            created: super::now(),
            model: Arc::clone(&serving.model),
            system_fingerprint: serving.system_fingerprint.clone(),
            include_usage: job.streaming.is_some_and(|streaming| streaming.include_usage),
            logprobs: job.logprobs,
            choices: (0..job.job.answers).map(choice).collect(),
        }
    }

    /// What a part adds to its answer, and the reason where it ends it.
    fn read(&mut self, index: usize, part: Part) -> (Vec<MessageDelta>, Option<FinishReason>) {
        let choice = &mut self.choices[index];
        let mut keep = |entries: Vec<TokenLogprobs>| {
            choice.logprobs.extend(tokens::chat(entries, &self.model.tokenizer));
        };
        match part {
            Part::Prompt(_) => (Vec::new(), None),
            Part::Text(text, logprobs) => {
                keep(logprobs);
                (choice.reader.push(text), None)
            }
            Part::End(End { text, logprobs, reason, .. }) => {
                keep(logprobs);
                let mut deltas = choice.reader.push(text);
                let (rest, reason) = choice.reader.finish(reason);
                deltas.extend(rest);
                (deltas, Some(reason))
            }
        }
    }

    fn chunk(&self, choices: Vec<ChatChunkChoice>, usage: Option<Usage>) -> Event {
        super::event(&ChatCompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.id.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices,
            usage: self.include_usage.then_some(usage),
        })
    }

    fn delta(&mut self, index: usize, delta: ChatDelta, finish_reason: Option<FinishReason>) -> Event {
        let entries = std::mem::take(&mut self.choices[index].logprobs);
        let logprobs = (!entries.is_empty()).then_some(ChatLogprobs { content: Some(entries), refusal: None });
        self.chunk(vec![ChatChunkChoice { index: index as u32, delta, logprobs, finish_reason }], None)
    }
}

impl Shape for ChatShape {
    type Whole = ChatCompletion;

    fn collect(&mut self, index: usize, part: Part) {
        let (deltas, reason) = self.read(index, part);
        let choice = &mut self.choices[index];
        deltas.into_iter().for_each(|delta| choice.add(delta));
        choice.reason = reason.unwrap_or(choice.reason);
    }

    fn whole(self, usage: Usage) -> ChatCompletion {
        let choice = |(index, choice): (u32, Choice)| {
            let called = !choice.calls.is_empty();
            ChatChoice {
                index,
                message: ChatMessage {
                    role: Role::Assistant,
                    content: (!called || !choice.content.is_empty()).then_some(choice.content),
                    refusal: None,
                    annotations: Vec::new(),
                    tool_calls: called.then_some(choice.calls),
                },
                logprobs: self.logprobs.then_some(ChatLogprobs { content: Some(choice.logprobs), refusal: None }),
                finish_reason: choice.reason,
            }
        };
        ChatCompletion {
            id: self.id,
            object: "chat.completion".to_owned(),
            created: self.created,
            model: self.model.id.clone(),
            system_fingerprint: self.system_fingerprint,
            choices: (0..).zip(self.choices).map(choice).collect(),
            usage,
        }
    }

    fn opening(&mut self) -> Vec<Event> {
        let opening = || ChatDelta {
            role: Some(Role::Assistant),
            content: Some(String::new()),
            refusal: Some(None),
            tool_calls: None,
        };
        (0..self.choices.len()).map(|index| self.delta(index, opening(), None)).collect()
    }

    fn events(&mut self, index: usize, part: Part) -> Vec<Event> {
        let (deltas, reason) = self.read(index, part);
        let mut events: Vec<Event> = deltas.into_iter().map(|delta| self.delta(index, wire(delta), None)).collect();
        if reason.is_some() {
            events.push(self.delta(index, ChatDelta::default(), reason));
        }
        events
    }

    fn closing(&mut self, usage: Usage) -> Vec<Event> {
        let usage = self.include_usage.then(|| self.chunk(Vec::new(), Some(usage)));
        usage.into_iter().chain([super::done()]).collect()
    }
}

fn wire(delta: MessageDelta) -> ChatDelta {
    let call = |chunk| ChatDelta { tool_calls: Some(vec![chunk]), ..ChatDelta::default() };
    match delta {
        MessageDelta::Content(text) => ChatDelta { content: Some(text), ..ChatDelta::default() },
        MessageDelta::Call { index, id, name } => call(ToolCallChunk {
            index,
            id: Some(id),
            kind: Some("function".to_owned()),
            function: Some(FunctionCallChunk { name: Some(name), arguments: Some(String::new()) }),
        }),
        MessageDelta::Arguments { index, text } => call(ToolCallChunk {
            index,
            id: None,
            kind: None,
            function: Some(FunctionCallChunk { name: None, arguments: Some(text) }),
        }),
    }
}

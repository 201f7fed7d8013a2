//! How responses are written: one object, or the sequence of events that builds it.

use std::sync::Arc;

use axum::response::sse::Event;
use uuid::Uuid;
use zyron_engine::{Model, TokenLogprobs};
use zyron_openapi::responses::{
    FunctionToolCall, IncompleteDetails, IncompleteReason, ItemStatus, OutputContent, OutputLogprob, OutputMessage,
    OutputTextContent, OutputTopLogprob, Response, ResponseError, ResponseErrorCode, ResponseStatus, StreamLogprob,
};
use zyron_openapi::{FinishReason, OutputItem, ResponseEvent, Role, TokenLogprob, Usage};

use super::message::{MessageDelta, MessageReader};
use super::{End, Part, Shape, tokens};
use crate::error::ApiError;
use crate::responses::Keeper;
use crate::serving::Serving;
use crate::time::now;
use crate::validate::ResponseJob;

pub(crate) struct ResponseShape {
    model: Arc<Model>,
    reader: MessageReader,
    /// The answer as far as it has come.
    response: Response,
    /// Entries that wait for their text.
    logprobs: Vec<OutputLogprob>,
    reason: FinishReason,
    sequence_number: u64,
    /// Keeps the answer where answers are kept.
    keeper: Option<Keeper>,
}

fn id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}

impl ResponseShape {
    /// The shape of the answer to `job`, which `keeper` keeps.
    pub(crate) fn new(serving: &Serving, job: &ResponseJob, keeper: Option<Keeper>) -> Self {
        Self {
            model: Arc::clone(&serving.model),
            reader: MessageReader::new(job.tools),
            response: job.response.clone(),
            logprobs: Vec::new(),
            reason: FinishReason::Stop,
            sequence_number: 0,
            keeper,
        }
    }

    /// A number for the next event.
    fn number(&mut self) -> u64 {
        self.sequence_number += 1;
        self.sequence_number - 1
    }

    fn snapshot(&self) -> Box<Response> {
        Box::new(self.response.clone())
    }

    /// Takes in a part; returns the events it makes.
    fn read(&mut self, part: Part) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        match part {
            // None of them is asked for by a response.
            Part::Prompt(_) | Part::Embedding(_) | Part::Ran(_) => {}
            Part::Text(text, logprobs) => {
                self.keep(logprobs);
                let deltas = self.reader.push(text);
                self.apply(deltas, &mut events);
            }
            Part::End(End { text, logprobs, reason, .. }) => {
                self.keep(logprobs);
                let (deltas, reason) = self.reader.finish(text, reason);
                self.reason = reason;
                self.apply(deltas, &mut events);
                self.close_item(&mut events);
            }
        }
        events
    }

    fn keep(&mut self, entries: Vec<TokenLogprobs>) {
        self.logprobs.extend(tokens::chat(entries, &self.model.tokenizer).into_iter().map(output_logprob));
    }

    fn apply(&mut self, deltas: Vec<MessageDelta>, events: &mut Vec<ResponseEvent>) {
        for delta in deltas {
            match delta {
                MessageDelta::Content(text) => self.write(&text, events),
                MessageDelta::Call { id, name, .. } => {
                    self.close_item(events);
                    self.open(new_call(id, name), events);
                }
                MessageDelta::Arguments { text, .. } => self.argue(&text, events),
            }
        }
    }

    fn open(&mut self, item: OutputItem, events: &mut Vec<ResponseEvent>) {
        let output_index = self.response.output.len() as u32;
        self.response.output.push(item.clone());
        events.push(ResponseEvent::OutputItemAdded { sequence_number: self.number(), output_index, item });
    }

    /// The place of the item that is being written.
    fn last_index(&self) -> u32 {
        self.response.output.len().saturating_sub(1) as u32
    }

    fn write(&mut self, text: &str, events: &mut Vec<ResponseEvent>) {
        if !matches!(self.response.output.last(), Some(OutputItem::Message(_))) {
            let message = OutputMessage {
                id: id("msg"),
                status: ItemStatus::InProgress,
                role: Role::Assistant,
                content: Vec::new(),
            };
            let item_id = message.id.clone();
            self.open(OutputItem::Message(message), events);
            let part = OutputContent::OutputText(OutputTextContent::default());
            let output_index = self.last_index();
            let sequence_number = self.number();
            events.push(ResponseEvent::ContentPartAdded {
                sequence_number,
                item_id,
                output_index,
                content_index: 0,
                part: part.clone(),
            });
            if let Some(OutputItem::Message(message)) = self.response.output.last_mut() {
                message.content.push(part);
            }
        }
        let logprobs = std::mem::take(&mut self.logprobs);
        let (output_index, sequence_number) = (self.last_index(), self.number());
        let Some(OutputItem::Message(message)) = self.response.output.last_mut() else { return };
        let Some(OutputContent::OutputText(content)) = message.content.last_mut() else { return };
        content.text.push_str(text);
        events.push(ResponseEvent::OutputTextDelta {
            sequence_number,
            item_id: message.id.clone(),
            output_index,
            content_index: 0,
            delta: text.to_owned(),
            logprobs: logprobs.iter().map(StreamLogprob::from).collect(),
        });
        content.logprobs.extend(logprobs);
    }

    fn argue(&mut self, text: &str, events: &mut Vec<ResponseEvent>) {
        // Those of a call's tokens have no place in the answer.
        self.logprobs.clear();
        let (output_index, sequence_number) = (self.last_index(), self.number());
        let Some(OutputItem::FunctionCall(call)) = self.response.output.last_mut() else { return };
        call.arguments.push_str(text);
        events.push(ResponseEvent::FunctionCallArgumentsDelta {
            sequence_number,
            item_id: call.id.clone(),
            output_index,
            delta: text.to_owned(),
        });
    }

    /// Ends the item that is being written, if there is one.
    fn close_item(&mut self, events: &mut Vec<ResponseEvent>) {
        let output_index = self.last_index();
        let status = if self.reason == FinishReason::Length { ItemStatus::Incomplete } else { ItemStatus::Completed };
        let first = self.sequence_number;
        let Some(item) = self.response.output.last_mut() else { return };
        match item {
            OutputItem::Message(message) if message.status == ItemStatus::InProgress => {
                message.status = status;
                let Some(part) = message.content.last() else { return };
                let OutputContent::OutputText(content) = part;
                events.push(ResponseEvent::OutputTextDone {
                    sequence_number: first,
                    item_id: message.id.clone(),
                    output_index,
                    content_index: 0,
                    text: content.text.clone(),
                    logprobs: content.logprobs.iter().map(StreamLogprob::from).collect(),
                });
                events.push(ResponseEvent::ContentPartDone {
                    sequence_number: first + 1,
                    item_id: message.id.clone(),
                    output_index,
                    content_index: 0,
                    part: part.clone(),
                });
                self.sequence_number += 2;
            }
            OutputItem::FunctionCall(call) if call.status == ItemStatus::InProgress => {
                call.status = status;
                events.push(ResponseEvent::FunctionCallArgumentsDone {
                    sequence_number: first,
                    item_id: call.id.clone(),
                    output_index,
                    name: call.name.clone(),
                    arguments: call.arguments.clone(),
                });
                self.sequence_number += 1;
            }
            _ => return,
        }
        let item = item.clone();
        events.push(ResponseEvent::OutputItemDone { sequence_number: self.number(), output_index, item });
    }

    /// The whole answer.
    fn complete(&mut self, usage: Usage) {
        self.response.usage = Some(usage.into());
        self.response.completed_at = Some(now());
        self.response.status = if self.reason == FinishReason::Length {
            self.response.completed_at = None;
            self.response.incomplete_details = Some(IncompleteDetails { reason: IncompleteReason::MaxOutputTokens });
            ResponseStatus::Incomplete
        } else {
            ResponseStatus::Completed
        };
        if let Some(keeper) = self.keeper.take() {
            keeper.keep(&self.response);
        }
    }
}

/// The error of an answer that failed.
pub(crate) fn failed(error: &ApiError) -> ResponseError {
    let code = match error {
        ApiError::ConstraintFailed(_) => ResponseErrorCode::InvalidPrompt,
        ApiError::Overloaded(_) => ResponseErrorCode::RateLimitExceeded,
        _ => ResponseErrorCode::ServerError,
    };
    ResponseError { code, message: error.to_string() }
}

fn new_call(call_id: String, name: String) -> OutputItem {
    let status = ItemStatus::InProgress;
    OutputItem::FunctionCall(FunctionToolCall { id: id("fc"), status, call_id, name, arguments: String::new() })
}

fn output_logprob(entry: TokenLogprob) -> OutputLogprob {
    let top = entry.top_logprobs.into_iter().map(|top| OutputTopLogprob {
        token: top.token,
        logprob: top.logprob,
        bytes: top.bytes.unwrap_or_default(),
    });
    OutputLogprob {
        token: entry.token,
        logprob: entry.logprob,
        bytes: entry.bytes.unwrap_or_default(),
        top_logprobs: top.collect(),
    }
}

fn named(event: &ResponseEvent) -> Event {
    // The name first, as OpenAI sends it.
    Event::default().event(event.name()).data(super::json(event))
}

impl Shape for ResponseShape {
    type Whole = Response;

    fn collect(&mut self, _index: usize, part: Part) {
        self.read(part);
    }

    fn whole(mut self, usage: Usage) -> Response {
        self.complete(usage);
        self.response
    }

    fn opening(&mut self) -> Vec<Event> {
        let created = ResponseEvent::Created { sequence_number: self.number(), response: self.snapshot() };
        let in_progress = ResponseEvent::InProgress { sequence_number: self.number(), response: self.snapshot() };
        [created, in_progress].iter().map(named).collect()
    }

    fn events(&mut self, _index: usize, part: Part) -> Vec<Event> {
        self.read(part).iter().map(named).collect()
    }

    fn closing(&mut self, usage: Usage) -> Vec<Event> {
        self.complete(usage);
        let (sequence_number, response) = (self.number(), self.snapshot());
        let last = match self.response.status {
            ResponseStatus::Incomplete => ResponseEvent::Incomplete { sequence_number, response },
            _ => ResponseEvent::Completed { sequence_number, response },
        };
        vec![named(&last)]
    }

    fn failure(&mut self, error: &ApiError) -> Vec<Event> {
        self.response.status = ResponseStatus::Failed;
        self.response.error = Some(failed(error));
        if let Some(keeper) = self.keeper.take() {
            keeper.keep(&self.response);
        }
        let (sequence_number, response) = (self.number(), self.snapshot());
        vec![named(&ResponseEvent::Failed { sequence_number, response })]
    }
}

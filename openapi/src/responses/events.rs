//! The events of a streamed answer.
//!
//! `created` and `in_progress` come first. Each item is then `output_item.added`, its content (a message's
//! `content_part.added`, `output_text.delta`…, `output_text.done`, `content_part.done`; a call's
//! `function_call_arguments.delta`…, `.done`), and `output_item.done`. One of `completed`, `incomplete` and `failed`
//! ends the stream: no `[DONE]` follows.

use serde::{Deserialize, Serialize};

use super::{OutputContent, OutputItem, OutputLogprob, OutputTopLogprob, Response};

/// One event of a streamed answer. The events of an answer are numbered from 0 by `sequence_number`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(tag = "type")]
pub enum ResponseEvent {
    /// The answer is begun.
    #[serde(rename = "response.created")]
    Created {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The answer, without output.
        response: Box<Response>,
    },
    /// A background answer waits for its turn.
    #[serde(rename = "response.queued")]
    Queued {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The answer, without output.
        response: Box<Response>,
    },
    /// The model has begun.
    #[serde(rename = "response.in_progress")]
    InProgress {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The answer, without output.
        response: Box<Response>,
    },
    /// The model ended the answer.
    #[serde(rename = "response.completed")]
    Completed {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The whole answer.
        response: Box<Response>,
    },
    /// A limit ended the answer.
    #[serde(rename = "response.incomplete")]
    Incomplete {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The answer, as far as it is written.
        response: Box<Response>,
    },
    /// An error ended the answer.
    #[serde(rename = "response.failed")]
    Failed {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The answer, as far as it is written, and its error.
        response: Box<Response>,
    },
    /// An item is begun.
    #[serde(rename = "response.output_item.added")]
    OutputItemAdded {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The item's place in the output.
        output_index: u32,
        /// The item, without content or arguments.
        item: OutputItem,
    },
    /// An item is ended.
    #[serde(rename = "response.output_item.done")]
    OutputItemDone {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The item's place in the output.
        output_index: u32,
        /// The whole item.
        item: OutputItem,
    },
    /// A message's part is begun.
    #[serde(rename = "response.content_part.added")]
    ContentPartAdded {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The message's id.
        item_id: String,
        /// The message's place in the output.
        output_index: u32,
        /// The part's place in the message.
        content_index: u32,
        /// The part, without text.
        part: OutputContent,
    },
    /// A message's part is ended.
    #[serde(rename = "response.content_part.done")]
    ContentPartDone {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The message's id.
        item_id: String,
        /// The message's place in the output.
        output_index: u32,
        /// The part's place in the message.
        content_index: u32,
        /// The whole part.
        part: OutputContent,
    },
    /// More text.
    #[serde(rename = "response.output_text.delta")]
    OutputTextDelta {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The message's id.
        item_id: String,
        /// The message's place in the output.
        output_index: u32,
        /// The part's place in the message.
        content_index: u32,
        /// The next text.
        delta: String,
        /// Its tokens' log probabilities; empty unless `include` asked for them.
        logprobs: Vec<StreamLogprob>,
    },
    /// The text is ended.
    #[serde(rename = "response.output_text.done")]
    OutputTextDone {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The message's id.
        item_id: String,
        /// The message's place in the output.
        output_index: u32,
        /// The part's place in the message.
        content_index: u32,
        /// The whole text.
        text: String,
        /// Its tokens' log probabilities; empty unless `include` asked for them.
        logprobs: Vec<StreamLogprob>,
    },
    /// More of a call's arguments.
    #[serde(rename = "response.function_call_arguments.delta")]
    FunctionCallArgumentsDelta {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The call's `id`, not its `call_id`.
        item_id: String,
        /// The call's place in the output.
        output_index: u32,
        /// The next characters of the arguments.
        delta: String,
    },
    /// A call's arguments are ended.
    #[serde(rename = "response.function_call_arguments.done")]
    FunctionCallArgumentsDone {
        /// The event's place in the stream.
        sequence_number: u64,
        /// The call's `id`, not its `call_id`.
        item_id: String,
        /// The call's place in the output.
        output_index: u32,
        /// The function's name.
        name: String,
        /// The whole arguments, in JSON.
        arguments: String,
    },
    /// The stream itself failed.
    #[serde(rename = "error")]
    Error {
        /// The event's place in the stream.
        sequence_number: u64,
        /// A stable name for programs.
        code: Option<String>,
        /// For a person.
        message: String,
        /// The request's field at fault.
        param: Option<String>,
    },
}

impl ResponseEvent {
    /// Its `type`, which is also what the line `event:` says.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "response.created",
            Self::Queued { .. } => "response.queued",
            Self::InProgress { .. } => "response.in_progress",
            Self::Completed { .. } => "response.completed",
            Self::Incomplete { .. } => "response.incomplete",
            Self::Failed { .. } => "response.failed",
            Self::OutputItemAdded { .. } => "response.output_item.added",
            Self::OutputItemDone { .. } => "response.output_item.done",
            Self::ContentPartAdded { .. } => "response.content_part.added",
            Self::ContentPartDone { .. } => "response.content_part.done",
            Self::OutputTextDelta { .. } => "response.output_text.delta",
            Self::OutputTextDone { .. } => "response.output_text.done",
            Self::FunctionCallArgumentsDelta { .. } => "response.function_call_arguments.delta",
            Self::FunctionCallArgumentsDone { .. } => "response.function_call_arguments.done",
            Self::Error { .. } => "error",
        }
    }
}

/// A token of a streamed text: [`OutputLogprob`] without its bytes, as OpenAI's streams have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct StreamLogprob {
    /// The token's text; `bytes:\x…` where it is not whole UTF-8.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The likeliest tokens at its place, likeliest first.
    #[serde(default)]
    pub top_logprobs: Vec<StreamTopLogprob>,
}

/// A token that could have been written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct StreamTopLogprob {
    /// The token's text; `bytes:\x…` where it is not whole UTF-8.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
}

impl From<&OutputLogprob> for StreamLogprob {
    fn from(entry: &OutputLogprob) -> Self {
        Self {
            token: entry.token.clone(),
            logprob: entry.logprob,
            top_logprobs: entry.top_logprobs.iter().map(StreamTopLogprob::from).collect(),
        }
    }
}

impl From<&OutputTopLogprob> for StreamTopLogprob {
    fn from(entry: &OutputTopLogprob) -> Self {
        Self { token: entry.token.clone(), logprob: entry.logprob }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_event_is_written_as_it_was_read_under_its_name() {
        let response = json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "completed_at": 2,
            "error": {"code": "server_error", "message": "m"}, "incomplete_details": {"reason": "max_output_tokens"},
            "output": [], "model": "m", "instructions": null, "max_output_tokens": null, "temperature": 1.0,
            "usage": {
                "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 1, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
            },
            "top_p": 1.0, "top_logprobs": 0, "tools": [], "tool_choice": {"type": "function", "name": "f"},
            "parallel_tool_calls": true, "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "reasoning": null, "truncation": "disabled", "store": true, "previous_response_id": null,
            "background": false, "metadata": {"k": "v"}, "user": "u",
        });
        let item = json!({
            "type": "function_call", "id": "fc_1", "status": "in_progress", "call_id": "call_1", "name": "f",
            "arguments": "",
        });
        let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
        let logprobs = json!([{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1.5}]}]);
        let whole = json!({"response": response});
        let place = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0});
        let with = |fields: &Value, more: Value| {
            let mut fields = fields.clone();
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            fields
        };
        let call = json!({"item_id": "fc_1", "output_index": 0});
        let events = [
            ("response.created", whole.clone()),
            ("response.queued", whole.clone()),
            ("response.in_progress", whole.clone()),
            ("response.completed", whole.clone()),
            ("response.incomplete", whole.clone()),
            ("response.failed", whole),
            ("response.output_item.added", json!({"output_index": 0, "item": item})),
            ("response.output_item.done", json!({"output_index": 0, "item": item})),
            ("response.content_part.added", with(&place, json!({"part": part}))),
            ("response.content_part.done", with(&place, json!({"part": part}))),
            ("response.output_text.delta", with(&place, json!({"delta": "a", "logprobs": logprobs}))),
            ("response.output_text.done", with(&place, json!({"text": "a", "logprobs": []}))),
            ("response.function_call_arguments.delta", with(&call, json!({"delta": "{}"}))),
            ("response.function_call_arguments.done", with(&call, json!({"name": "f", "arguments": "{}"}))),
            ("error", json!({"code": null, "message": "m", "param": null})),
        ];
        for (name, fields) in events {
            let json = with(&fields, json!({"type": name, "sequence_number": 7}));
            let event: ResponseEvent = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(event.name(), name);
            assert_eq!(serde_json::to_value(&event).unwrap(), json);
        }
    }
}

//! The answer: a conversation's next items, and what was asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ResponseReasoning, ResponseTextConfig, ResponseTool, ResponseToolChoice};
use crate::{Role, Usage};

/// An answer, whole or as far as it is written. A field without a value is null, or absent where OpenAI's
/// specification has no null: `usage` and `user`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Response {
    /// `resp_…`, unique to the answer.
    pub id: String,
    /// Always `response`.
    pub object: String,
    /// When it was begun, in seconds since 1970.
    pub created_at: u64,
    /// How far it is.
    pub status: ResponseStatus,
    /// When it was completed, in seconds since 1970; null in every other status.
    pub completed_at: Option<u64>,
    /// What went wrong, where the status is `failed`.
    pub error: Option<ResponseError>,
    /// What it lacks, where the status is `incomplete`.
    pub incomplete_details: Option<IncompleteDetails>,
    /// What the model wrote, in order.
    pub output: Vec<OutputItem>,
    /// Tokens read and written; absent until the answer ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ResponseUsage>,

    /// The model that answers.
    pub model: String,
    /// As asked for.
    pub instructions: Option<String>,
    /// As asked for.
    pub max_output_tokens: Option<u64>,
    /// As asked for, or the default.
    pub temperature: Option<f64>,
    /// As asked for, or the default.
    pub top_p: Option<f64>,
    /// As asked for, or 0.
    pub top_logprobs: Option<u64>,
    /// As asked for; none where there are none.
    pub tools: Vec<ResponseTool>,
    /// As asked for, or the default.
    pub tool_choice: ResponseToolChoice,
    /// As asked for, or true.
    pub parallel_tool_calls: bool,
    /// As asked for, with the default format.
    pub text: ResponseTextConfig,
    /// As asked for: nothing but the effort `none`.
    pub reasoning: Option<ResponseReasoning>,
    /// Always `disabled`.
    pub truncation: Option<String>,
    /// Whether the answer is kept.
    pub store: bool,
    /// The answer that this one continues.
    pub previous_response_id: Option<String>,
    /// Whether it is written without a client that waits.
    pub background: bool,
    /// As asked for; empty where there is none.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// As asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// A background one that waits for its turn.
    Queued,
    /// It is being written.
    InProgress,
    /// The model ended it.
    Completed,
    /// A limit ended it.
    Incomplete,
    /// An error ended it.
    Failed,
    /// A background one that was cancelled.
    Cancelled,
}

/// What went wrong while an answer was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ResponseError {
    /// A stable name for programs.
    pub code: ResponseErrorCode,
    /// For a person.
    pub message: String,
}

/// The kinds of error of an answer, of those OpenAI's clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResponseErrorCode {
    /// The server's fault.
    ServerError,
    /// Too many requests at once.
    RateLimitExceeded,
    /// The prompt's fault.
    InvalidPrompt,
}

/// What an answer lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct IncompleteDetails {
    /// Why.
    pub reason: IncompleteReason,
}

/// Why an answer is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IncompleteReason {
    /// The token limit of the request, or the model's context, was reached.
    MaxOutputTokens,
}

/// Something the model wrote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// A message.
    Message(OutputMessage),
    /// A call of one of the request's functions.
    FunctionCall(FunctionToolCall),
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct OutputMessage {
    /// `msg_…`, unique to the message.
    pub id: String,
    /// How far it is written.
    pub status: ItemStatus,
    /// Always `assistant`.
    pub role: Role,
    /// What is said: one part, none before it is begun.
    pub content: Vec<OutputContent>,
}

/// A call of one of the request's functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FunctionToolCall {
    /// `fc_…`, unique to the item.
    pub id: String,
    /// How far it is written.
    pub status: ItemStatus,
    /// `call_…`, which the call's result names.
    pub call_id: String,
    /// The function's name.
    pub name: String,
    /// Its arguments, in JSON.
    pub arguments: String,
}

/// How far an item is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// It is being written.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off.
    Incomplete,
}

/// A part of what the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputContent {
    /// Text.
    OutputText(OutputTextContent),
}

/// Text the model wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct OutputTextContent {
    /// The text.
    pub text: String,
    /// Always empty.
    pub annotations: Vec<Value>,
    /// Its tokens' log probabilities; empty unless `include` asked for them.
    #[serde(default)]
    pub logprobs: Vec<OutputLogprob>,
}

/// A token of the text, and how likely the model held it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct OutputLogprob {
    /// The token's text; `bytes:\x…` where it is not whole UTF-8.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its UTF-8 bytes.
    pub bytes: Vec<u8>,
    /// The likeliest tokens at its place, likeliest first.
    pub top_logprobs: Vec<OutputTopLogprob>,
}

/// A token that could have been written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct OutputTopLogprob {
    /// The token's text; `bytes:\x…` where it is not whole UTF-8.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// Its UTF-8 bytes.
    pub bytes: Vec<u8>,
}

/// Tokens read and written for one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ResponseUsage {
    /// Tokens of the input, chat template included.
    pub input_tokens: u64,
    /// Breakdown of `input_tokens`.
    pub input_tokens_details: InputTokensDetails,
    /// Tokens generated, the end-of-sequence token included.
    pub output_tokens: u64,
    /// Breakdown of `output_tokens`.
    pub output_tokens_details: OutputTokensDetails,
    /// `input_tokens + output_tokens`.
    pub total_tokens: u64,
}

impl From<Usage> for ResponseUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputTokensDetails {
                cached_tokens: usage.prompt_tokens_details.cached_tokens,
                cache_write_tokens: 0,
            },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputTokensDetails {
                reasoning_tokens: usage.completion_tokens_details.reasoning_tokens,
            },
            total_tokens: usage.total_tokens,
        }
    }
}

/// Breakdown of the input's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct InputTokensDetails {
    /// Tokens whose prefill was spared by a prefix cache.
    pub cached_tokens: u64,
    /// Always 0: writing to a prefix cache is not counted.
    pub cache_write_tokens: u64,
}

/// Breakdown of the generated tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct OutputTokensDetails {
    /// Always 0: no separate reasoning is reported.
    pub reasoning_tokens: u64,
}

/// What `DELETE /v1/responses/{id}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ResponseDeleted {
    /// The answer's id.
    pub id: String,
    /// Always `response`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_no_value_is_null_or_absent() {
        let response = Response {
            id: "resp_1".into(),
            object: "response".into(),
            created_at: 1,
            status: ResponseStatus::InProgress,
            completed_at: None,
            error: None,
            incomplete_details: None,
            output: Vec::new(),
            usage: None,
            model: "m".into(),
            instructions: None,
            max_output_tokens: None,
            temperature: Some(1.0),
            top_p: Some(1.0),
            top_logprobs: Some(0),
            tools: vec![ResponseTool { kind: "function".into(), name: Some("f".into()), ..Default::default() }],
            tool_choice: ResponseToolChoice::Mode("auto".into()),
            parallel_tool_calls: true,
            text: ResponseTextConfig::default(),
            reasoning: Some(ResponseReasoning::default()),
            truncation: Some("disabled".into()),
            store: false,
            previous_response_id: None,
            background: false,
            metadata: BTreeMap::new(),
            user: None,
        };
        let json = serde_json::to_value(&response).unwrap();
        let expected = json!({
            "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "completed_at": null,
            "error": null, "incomplete_details": null, "output": [], "model": "m",
            "instructions": null, "max_output_tokens": null, "temperature": 1.0, "top_p": 1.0, "top_logprobs": 0,
            "tools": [{"type": "function", "name": "f", "parameters": null, "strict": null}], "tool_choice": "auto",
            "parallel_tool_calls": true, "text": {}, "reasoning": {"effort": null, "summary": null},
            "truncation": "disabled", "store": false, "previous_response_id": null, "background": false,
            "metadata": {},
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Response>(json).unwrap(), response);
    }

    #[test]
    fn usage_is_that_of_the_other_routes() {
        let usage = ResponseUsage::from(Usage::new(3, 4));
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (3, 4, 7));
    }
}

//! `POST /v1/chat/completions`: the request, the whole answer and the chunks of a streamed one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use zyron_finance::Statement;
use zyron_finance::facts::SheetFact;

use crate::finance::{CheckedNumber, ServerToolCall, UsedTemplate};
use crate::tools::{ChatCompletionTool, MessageToolCall, ToolCallChunk, ToolChoice};
use crate::untagged::{TextOr, text_or_list};
use crate::{FinishReason, OneOrMany, ResponseFormat, StreamOptions, StructuredOutputs, TokenLogprob, Usage};

/// A conversation to continue. Fields that Zyron does not support are read as they are, so that the server can name
/// the one it refuses; a field it has never heard of is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatCompletionRequest {
    /// The conversation so far, oldest message first.
    pub messages: Vec<ChatCompletionMessageParam>,
    /// The model's name, as `/v1/models` lists it.
    pub model: String,

    /// Most tokens to generate. Default: what is left of the context, within the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    /// The older name of `max_completion_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Randomness, 0 (greedy) to 2. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sample from the likeliest tokens that hold this share of the probability, 0 to 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Lowers a token's logit by this for each time it was generated, -2 to 2. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Lowers a token's logit by this once it was generated, -2 to 2. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Added to the logits of these token ids, each -100 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// The same seed and request give the same answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Up to 4 strings that end the answer; they are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<OneOrMany>,
    /// Send the answer in server-sent events as it is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Only with `stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,

    /// How many answers to give, within the server's limit. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Report the log-probability of each token of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens to report at each place, 0 to 20. Only with `logprobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u64>,

    /// What the answer must look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// The functions the model may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ChatCompletionTool>>,
    /// Whether it may, must or must not call one. Default: `auto`, or `none` where there are no tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// False: at most one call in an answer. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// Works where the model's chat template knows it; elsewhere refused unless `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,

    /// Extension: sample from this many likeliest tokens. 0 or absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// Extension: drop tokens less likely than this share of the likeliest one, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Extension: divides (or multiplies) the logits of tokens of the prompt and the answer, over 0 to 2. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Extension: JSON that this schema accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_json: Option<Value>,
    /// Extension: text that this regular expression matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_regex: Option<String>,
    /// Extension: one of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_choice: Option<Vec<String>>,
    /// Extension: text of this grammar, in Lark's notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_grammar: Option<String>,
    /// Extension: the four above, under the name that vLLM gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_outputs: Option<StructuredOutputs>,
    /// Extension: end the prompt ready for the assistant's answer. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    /// Extension: continue the last message, which is the assistant's, instead of answering it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    /// Extension: variables for the model's chat template, such as `enable_thinking`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template_kwargs: Option<serde_json::Map<String, Value>>,

    /// Extension: `["finance"]` offers the model tools that read and compute a company's figures (`lire_poste`,
    /// `calculer_ratios`, `convertir_unite`). The server runs them; the answer shows the calls. Not beside `tools`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_tools: Option<Vec<String>>,
    /// Extension: the accounts, as `/v1/finance/statements` gives them, that those tools read and that the answer's
    /// numbers are checked against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_statement: Option<Box<Statement>>,
    /// Extension: sign each answer's text as this model's. `/.well-known/jwks.json` has the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_provenance: Option<bool>,

    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<String>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_options: Option<Value>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_retention: Option<String>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<String>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Accepted and without effect: nothing is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,

    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_call: Option<Value>,
    /// Refused unless empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<Value>,
    /// Refused unless `["text"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modalities: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Value>,
    /// Refused unless `medium`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<String>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_search_options: Option<Value>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that hold for the whole conversation; the newer name of `system`.
    Developer,
    /// Instructions that hold for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// The older name of `tool`.
    Function,
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatCompletionMessageParam {
    /// Who speaks.
    pub role: Role,
    /// What is said. Only an assistant's message that calls tools may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageContent>,
    /// A name for the speaker, given to templates that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A refusal the model gave earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Part of the answers this server gives, so accepted when they are sent back. Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// Part of the answers this server gives, so accepted when they are sent back. Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_tool_calls: Option<Value>,
    /// Part of the answers this server gives, so accepted when they are sent back. Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_numbers: Option<Value>,
    /// Part of the answers this server gives, so accepted when they are sent back. Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_provenance: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_call: Option<Value>,
    /// Of the assistant: the calls it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<MessageToolCall>>,
    /// Of a tool: the call whose result this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl ChatCompletionMessageParam {
    /// A message of plain text.
    #[must_use]
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: Some(MessageContent::Text(content.into())),
            name: None,
            refusal: None,
            annotations: None,
            zyron_tool_calls: None,
            zyron_numbers: None,
            zyron_provenance: None,
            audio: None,
            function_call: None,
            tool_calls: None,
            tool_call_id: None,
        }
    }
}

/// A message's content: a string, or parts of typed content.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum MessageContent {
    /// Plain text.
    Text(String),
    /// Typed parts, in order.
    Parts(Vec<ContentPart>),
}

/// One part of a message. Of OpenAI's kinds only `text` and `refusal` are text; the others are read so that the
/// server can name what it refuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ContentPart {
    /// `text` or `refusal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a `text` part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The text of a `refusal` part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_breakpoint: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Value>,
}

impl<'de> Deserialize<'de> for MessageContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_list(deserializer, "a string or an array of content parts").map(|read| match read {
            TextOr::Text(text) => Self::Text(text),
            TextOr::Other(parts) => Self::Parts(parts),
        })
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatCompletion {
    /// `chatcmpl-…`, unique to the answer.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// Changes when the model, its number format or the engine does.
    pub system_fingerprint: String,
    /// The answers.
    pub choices: Vec<ChatChoice>,
    /// Tokens read and written.
    pub usage: Usage,
    /// Extension: the figures that verdicts name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_facts: Option<Vec<SheetFact>>,
    /// Extension: the template that the answer was written by, where it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_template: Option<UsedTemplate>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatChoice {
    /// Its place among the choices.
    pub index: u32,
    /// What the model said.
    pub message: ChatMessage,
    /// The log-probabilities of its tokens, where they were asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The log-probabilities of an answer's tokens. The end-of-sequence token is not among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatLogprobs {
    /// One entry for each token.
    pub content: Option<Vec<TokenLogprob>>,
    /// Always null.
    pub refusal: Option<Vec<TokenLogprob>>,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatMessage {
    /// Always `assistant`.
    pub role: Role,
    /// The text; null where there are only calls.
    pub content: Option<String>,
    /// Always null.
    pub refusal: Option<String>,
    /// Always empty.
    #[serde(default)]
    pub annotations: Vec<Value>,
    /// The tools it calls; absent where it calls none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<MessageToolCall>>,
    /// Extension: the tools that the server ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_tool_calls: Option<Vec<ServerToolCall>>,
    /// Extension: the numbers of the text, each with where it is from, where there were accounts to check them against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_numbers: Option<Vec<CheckedNumber>>,
    /// Extension: the signed claim that the model wrote this text (a JSON web token), where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_provenance: Option<String>,
}

/// One event of a streamed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatCompletionChunk {
    /// The same in every chunk of an answer.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// When the answer was begun, in seconds since 1970.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// Changes when the model, its number format or the engine does.
    pub system_fingerprint: String,
    /// What is new; empty in the chunk that carries the usage.
    pub choices: Vec<ChatChunkChoice>,
    /// Null but in the last chunk, and only where `stream_options.include_usage` asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "utoipa", schema(value_type = Option<Usage>))]
    pub usage: Option<Option<Usage>>,
    /// Extension: the figures that verdicts name, those that are new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_facts: Option<Vec<SheetFact>>,
    /// Extension: the template that the answer is written by, where it was one; in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_template: Option<UsedTemplate>,
}

/// What is new in one answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatChunkChoice {
    /// Its place among the choices.
    pub index: u32,
    /// What is new.
    pub delta: ChatDelta,
    /// The log-probabilities of the new tokens, where they were asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why it ended; null until it has.
    pub finish_reason: Option<FinishReason>,
}

/// What is new in a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ChatDelta {
    /// `assistant`, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The next text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Null, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "utoipa", schema(value_type = Option<String>))]
    pub refusal: Option<Option<String>>,
    /// What is new in the calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallChunk>>,
    /// Extension: a tool that the server has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_tool_calls: Option<Vec<ServerToolCall>>,
    /// Extension: the numbers of the sentences that are now complete, each with where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_numbers: Option<Vec<CheckedNumber>>,
    /// Extension: the signed claim that the model wrote the text (a JSON web token), in the answer's last chunk, where
    /// it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_provenance: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_text_or_parts() {
        let message: ChatCompletionMessageParam =
            serde_json::from_str(r#"{"role":"user","content":[{"type":"text","text":"é"}]}"#).unwrap();
        let Some(MessageContent::Parts(parts)) = message.content else { panic!("parts expected") };
        assert_eq!(parts[0].text.as_deref(), Some("é"));
        let error = serde_json::from_str::<ChatCompletionMessageParam>(r#"{"role":"user","content":1}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("a string or an array of content parts"), "{error}");
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let error = serde_json::from_str::<ChatCompletionRequest>(r#"{"messages":[],"model":"m","tempreature":1}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("tempreature"), "{error}");
    }
}

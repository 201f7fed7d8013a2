//! The request: what to answer, and how. Read so that an error names its place, policy is the server's.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{OutputContent, OutputItem};
use crate::Role;
use crate::untagged::{TextOr, text_or_list, text_or_object};

/// What to answer. Fields that Zyron does not support are read as they are, so that the server can name the one it
/// refuses; a field it has never heard of is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResponseRequest {
    /// The model's name, as `/v1/models` lists it.
    pub model: String,

    /// The user's words, or the items of the conversation, oldest first. Only a request that continues another may
    /// lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<ResponseInput>,
    /// A system message set before the input. That of the answer continued is not carried over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,

    /// Most tokens to generate. Default: what is left of the context, within the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Randomness, 0 (greedy) to 2. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sample from the likeliest tokens that hold this share of the probability, 0 to 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// How many of the likeliest tokens to report at each place, 0 to 20, where `include` asks for log probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u64>,
    /// What to add to the answer: `message.output_text.logprobs` is the one kind supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<Vec<String>>,

    /// The functions the model may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ResponseTool>>,
    /// Whether it may, must or must not call one. Default: `auto`, or `none` where there are no tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ResponseToolChoice>,
    /// False: at most one call in an answer. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<ResponseTextConfig>,

    /// Send the answer in server-sent events as it is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Only with `stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<ResponseStreamOptions>,

    /// Keep the answer, to be read or continued later. Default true. Without effect where the server keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<bool>,
    /// The answer to continue. Refused where the server keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_response_id: Option<String>,
    /// Answer at once with `queued`, to be read later. Refused unless false where the server keeps no answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<bool>,
    /// Pairs of strings, given back with the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,

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
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,

    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_management: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tool_calls: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Value>,
    /// Refused unless empty or of effort `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<ResponseReasoning>,
    /// Refused unless `disabled`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation: Option<String>,
}

/// What to answer: a user's words, or the items of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ResponseInput {
    /// One message of the user.
    Text(String),
    /// Messages, calls and their results, oldest first.
    Items(Vec<InputItem>),
}

/// One item of the conversation: a `message`, a `function_call`, a `function_call_output`, or a kind that the server
/// refuses. What an answer gives in `output` is read here when it is sent back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct InputItem {
    /// Its kind. Only a message, or an `item_reference`, may lack it.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name in the answer that gave it. Without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How far it was written. Without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,

    /// Of a message: who speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Of a message: what is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<InputMessageContent>,
    /// Of a message: accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,

    /// Of a call and of its result: the id that joins them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Of a call: the function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a call: its arguments, in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// Of a call's result: what the function gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<InputMessageContent>,
    /// Of a call and of its result: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Of a call and of its result: refused unless `{"type": "direct"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Value>,

    /// Fields of the kinds that are refused. In the kinds that are not, any is an unknown one.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl InputItem {
    /// A message of plain text.
    #[must_use]
    pub fn message(role: Role, content: impl Into<String>) -> Self {
        Self {
            kind: Some("message".to_owned()),
            role: Some(role),
            content: Some(InputMessageContent::Text(content.into())),
            ..Self::default()
        }
    }
}

impl From<OutputItem> for InputItem {
    /// What the model wrote, as the next request would send it back; log probabilities are left out.
    fn from(item: OutputItem) -> Self {
        match item {
            OutputItem::Message(message) => {
                let parts = message.content.into_iter().map(|OutputContent::OutputText(part)| InputContentPart {
                    kind: "output_text".to_owned(),
                    text: Some(part.text),
                    ..InputContentPart::default()
                });
                Self {
                    kind: Some("message".to_owned()),
                    id: Some(message.id),
                    role: Some(message.role),
                    content: Some(InputMessageContent::Parts(parts.collect())),
                    ..Self::default()
                }
            }
            OutputItem::FunctionCall(call) => Self {
                kind: Some("function_call".to_owned()),
                id: Some(call.id),
                call_id: Some(call.call_id),
                name: Some(call.name),
                arguments: Some(call.arguments),
                ..Self::default()
            },
        }
    }
}

/// A message's content or a call's result: a string, or parts of typed content.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum InputMessageContent {
    /// Plain text.
    Text(String),
    /// Typed parts, in order.
    Parts(Vec<InputContentPart>),
}

/// One part of a message. Of OpenAI's kinds only `input_text`, `output_text` and `refusal` are text; the others are
/// read so that the server can name what it refuses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InputContentPart {
    /// `input_text`, `output_text` or `refusal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of an `input_text` or `output_text` part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The text of a `refusal` part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Part of the answers this server gives, so accepted when they are sent back. Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// Part of the answers this server gives, so accepted when they are sent back. Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache_breakpoint: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_url: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_data: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<Value>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<Value>,
}

impl<'de> Deserialize<'de> for ResponseInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_list(deserializer, "a string or an array of input items").map(|read| match read {
            TextOr::Text(text) => Self::Text(text),
            TextOr::Other(items) => Self::Items(items),
        })
    }
}

impl<'de> Deserialize<'de> for InputMessageContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_list(deserializer, "a string or an array of content parts").map(|read| match read {
            TextOr::Text(text) => Self::Text(text),
            TextOr::Other(parts) => Self::Parts(parts),
        })
    }
}

/// A tool the model may use: a `function`, or a kind that the server refuses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ResponseTool {
    /// `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function's name: letters, digits, `_` and `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments. None: it takes none.
    #[serde(default)]
    pub parameters: Option<Value>,
    /// True: a keyword of the schema that cannot be enforced is an error. Default false: such a keyword is ignored,
    /// the rest is enforced all the same.
    #[serde(default)]
    pub strict: Option<bool>,
    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Refused unless false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defer_loading: Option<bool>,
    /// Refused unless `["direct"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_callers: Option<Value>,

    /// Fields of the kinds that are refused. In a function, any is an unknown one.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Whether the model may, must or must not call a tool.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ResponseToolChoice {
    /// `none`, `auto` or `required`.
    Mode(String),
    /// One tool, or some of them.
    Selection(ToolSelection),
}

/// The tools the model may call: one `function`, or those of `allowed_tools`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolSelection {
    /// `function` or `allowed_tools`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `function`: the one it must call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of `allowed_tools`: `auto` or `required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Of `allowed_tools`: those it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolReference>>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_label: Option<Value>,
}

/// A tool of the request, named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolReference {
    /// `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_label: Option<Value>,
}

impl<'de> Deserialize<'de> for ResponseToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_object(deserializer).map(|read| match read {
            TextOr::Text(mode) => Self::Mode(mode),
            TextOr::Other(selection) => Self::Selection(selection),
        })
    }
}

/// The form of the answer's text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResponseTextConfig {
    /// What the text must be. Default `{"type": "text"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<ResponseTextFormat>,
    /// Refused unless `medium`, the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<String>,
}

/// What the answer's text must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResponseTextFormat {
    /// `text` (anything), `json_object` (any JSON object) or `json_schema`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of `json_schema`: its name, letters, digits, `_` and `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of `json_schema`: what it is for. Without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of `json_schema`: the JSON Schema that the text follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "utoipa", schema(value_type = Option<Object>))]
    pub schema: Option<Map<String, Value>>,
    /// Of `json_schema`: true makes a keyword of the schema that cannot be enforced an error. Default false: such a
    /// keyword is ignored, the rest is enforced all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// What a streamed answer carries besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResponseStreamOptions {
    /// Accepted and without effect: Zyron adds no padding to its events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_obfuscation: Option<bool>,
}

/// How much to think before answering: not at all, in Zyron.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResponseReasoning {
    /// Refused unless `none`.
    #[serde(default)]
    pub effort: Option<String>,
    /// Refused.
    #[serde(default)]
    pub summary: Option<String>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate_summary: Option<String>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Where and how a request fails, as the server's extractor learns it.
    fn error(request: Value) -> (String, String) {
        let error = serde_path_to_error::deserialize::<_, ResponseRequest>(request).unwrap_err();
        (error.path().to_string(), error.inner().to_string())
    }

    fn item(json: Value) -> InputItem {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn input_is_text_or_items() {
        let request: ResponseRequest = serde_json::from_value(json!({"model": "m", "input": "é"})).unwrap();
        assert_eq!(request.input, Some(ResponseInput::Text("é".into())));
        let request: ResponseRequest =
            serde_json::from_value(json!({"model": "m", "input": [{"role": "user", "content": "a"}]})).unwrap();
        let Some(ResponseInput::Items(items)) = request.input else { panic!("items expected") };
        assert_eq!(items[0].role, Some(Role::User));
        assert_eq!(items[0].content, Some(InputMessageContent::Text("a".into())));
    }

    #[test]
    fn a_request_of_every_supported_field_is_written_as_it_was_read() {
        let json = json!({
            "model": "m",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
                {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "b"},
                {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "b"}]},
            ],
            "instructions": "i", "max_output_tokens": 16, "temperature": 0.5, "top_p": 0.5, "top_logprobs": 2,
            "include": ["message.output_text.logprobs"],
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": null}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "parallel_tool_calls": false,
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
            "stream": true, "stream_options": {"include_obfuscation": false},
            "store": true, "previous_response_id": "resp_1", "background": false, "metadata": {"k": "v"},
        });
        let request: ResponseRequest = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(request).unwrap(), json);
    }

    #[test]
    fn every_field_of_the_reference_is_read() {
        let json = json!({
            "service_tier": "auto", "truncation": "auto", "reasoning": {"effort": "high", "summary": "auto"},
            "input": "", "include": [], "parallel_tool_calls": true, "store": true, "instructions": null,
            "moderation": {"model": "m"}, "stream": false, "stream_options": null, "conversation": "conv_1",
            "context_management": [{"type": "compaction"}], "max_output_tokens": null, "previous_response_id": null,
            "model": "m", "background": null, "max_tool_calls": 1, "text": {"verbosity": "low"}, "tools": [],
            "tool_choice": "auto", "prompt": {"id": "p"}, "metadata": null, "top_logprobs": 0, "temperature": null,
            "top_p": null, "user": "u", "safety_identifier": "s", "prompt_cache_key": "k",
            "prompt_cache_retention": "24h", "prompt_cache_options": {"mode": "implicit"},
        });
        let request: ResponseRequest = serde_json::from_value(json).unwrap();
        assert_eq!(request.tool_choice, Some(ResponseToolChoice::Mode("auto".into())));
        assert_eq!(request.max_tool_calls, Some(1.into()));
    }

    #[test]
    fn an_error_names_its_place() {
        let input = |item: Value| error(json!({"model": "m", "input": [item]}));
        let text = json!({"type": "input_text", "text": "a"});
        let content = |part: Value| input(json!({"role": "user", "content": [text, part]}));

        let (path, message) = error(json!({"model": "m", "input": 3}));
        assert_eq!(path, "input");
        assert!(message.contains("a string or an array of input items"), "{message}");
        let (path, message) = input(json!({"role": "user", "content": 3}));
        assert_eq!(path, "input[0].content");
        assert!(message.contains("a string or an array of content parts"), "{message}");
        assert_eq!(input(json!({"role": "robot", "content": "a"})).0, "input[0].role");
        assert_eq!(input(json!({"type": "function_call_output", "output": [text, 3]})).0, "input[0].output[1]");
        assert_eq!(content(json!({"type": 3})).0, "input[0].content[1].type");
        assert_eq!(content(json!({"type": "input_text", "text": []})).0, "input[0].content[1].text");
        assert_eq!(content(json!({"type": "input_text", "txt": "a"})).0, "input[0].content[1].txt");
        let (path, message) = content(json!({"text": "a"}));
        assert_eq!((path.as_str(), message.as_str()), ("input[0].content[1]", "missing field `type`"));

        let (path, message) = error(json!({"model": "m", "input": "a", "tempreature": 1}));
        assert_eq!(path, "tempreature");
        assert!(message.contains("unknown field"), "{message}");
        let field = |name: &str, value: Value| error(json!({"model": "m", (name): value})).0;
        assert_eq!(field("tools", json!([{"type": "function", "name": 3}])), "tools[0].name");
        assert_eq!(field("tool_choice", json!(3)), "tool_choice");
        assert_eq!(field("tool_choice", json!({"type": "function", "nam": "f"})), "tool_choice.nam");
        let selection = json!({"type": "allowed_tools", "tools": [{"type": "function", "name": 3}]});
        assert_eq!(field("tool_choice", selection), "tool_choice.tools[0].name");
        assert_eq!(field("text", json!({"format": {"type": "json_schema", "schema": 3}})), "text.format.schema");
        assert_eq!(field("metadata", json!({"k": 3})), "metadata.k");
        assert_eq!(field("stream_options", json!({"include_usage": true})), "stream_options.include_usage");
    }

    #[test]
    fn the_kinds_that_are_refused_are_read() {
        let reasoning = item(json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": null}));
        assert_eq!(reasoning.kind.as_deref(), Some("reasoning"));
        assert_eq!(reasoning.other.keys().collect::<Vec<_>>(), ["encrypted_content", "summary"]);
        assert_eq!(item(json!({"id": "msg_1"})).id.as_deref(), Some("msg_1"));
        let tool: ResponseTool = serde_json::from_value(json!({"type": "web_search", "filters": {}})).unwrap();
        assert_eq!((tool.kind.as_str(), tool.other.len()), ("web_search", 1));
    }

    #[test]
    fn what_an_answer_gave_is_read_when_it_is_sent_back() {
        let message = json!({
            "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{
                "type": "output_text", "text": "a", "annotations": [],
                "logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}],
            }],
        });
        let call = json!({
            "type": "function_call", "id": "fc_1", "status": "completed", "call_id": "call_1", "name": "f",
            "arguments": "{}",
        });
        for json in [message, call] {
            let output: OutputItem = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(&output).unwrap(), json);

            let sent_back = item(json);
            assert!(sent_back.other.is_empty(), "{sent_back:?}");
            let mut converted = InputItem::from(output);
            assert_eq!(converted.status, None);
            converted.status = Some("completed".into());
            if let (Some(InputMessageContent::Parts(converted)), Some(InputMessageContent::Parts(sent_back))) =
                (&mut converted.content, &sent_back.content)
            {
                converted[0].annotations.clone_from(&sent_back[0].annotations);
                converted[0].logprobs.clone_from(&sent_back[0].logprobs);
            }
            assert_eq!(converted, sent_back);
        }
    }
}

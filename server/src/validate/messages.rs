//! A conversation on the wire to the messages of a chat template.

use serde_json::{Map, Value, json};
use zyron_engine::Tokenizer;
use zyron_openapi::{ChatCompletionMessageParam, ContentPart, MessageContent, MessageToolCall, Role};

use super::at_most;
use crate::error::ApiError;

/// Checks the messages and marks in their text what spells a control token. The first `before` are ours: errors count
/// from the one behind them.
pub(super) fn read(
    messages: Vec<ChatCompletionMessageParam>,
    before: usize,
    max: usize,
    tokenizer: &Tokenizer,
) -> Result<Vec<Value>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` must hold at least one message."));
    }
    at_most("messages", messages.len(), max)?;
    let read = |(at, message): (usize, _)| {
        read_one(at.saturating_sub(before), message).map(|message| protect(message, tokenizer))
    };
    messages.into_iter().enumerate().map(read).collect()
}

/// Marks what spells a control token, in every text of `value`.
pub(super) fn protect(value: Value, tokenizer: &Tokenizer) -> Value {
    match value {
        Value::String(text) => tokenizer.protect(&text).into_owned().into(),
        Value::Array(values) => values.into_iter().map(|value| protect(value, tokenizer)).collect(),
        Value::Object(fields) => {
            let protect =
                |(key, value): (String, Value)| (tokenizer.protect(&key).into_owned(), protect(value, tokenizer));
            fields.into_iter().map(protect).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

fn read_one(index: usize, message: ChatCompletionMessageParam) -> Result<Value, ApiError> {
    let at = |field: &str| format!("messages[{index}].{field}");
    let role = match message.role {
        // Templates know the older name only.
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => {
            return Err(ApiError::unsupported(at("role"), "The role `function` is not supported; use `tool`."));
        }
    };
    let refused = [
        ("function_call", message.function_call.is_some()),
        ("audio", message.audio.is_some()),
        ("tool_calls", role != "assistant" && message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())),
        ("tool_call_id", role != "tool" && message.tool_call_id.is_some()),
    ];
    if let Some((field, _)) = refused.into_iter().find(|&(_, given)| given) {
        return Err(ApiError::unsupported(at(field), format!("`{field}` is not supported in a message of this role.")));
    }
    if role == "tool" && message.tool_call_id.is_none() {
        return Err(ApiError::invalid(at("tool_call_id"), "A tool's message names the call whose result it is."));
    }
    let calls = message.tool_calls.unwrap_or_default();
    let content = match (message.content, message.refusal) {
        (Some(content), _) => Value::from(text_of(&content, &at("content"))?),
        (None, Some(refusal)) => refusal.into(),
        (None, None) if !calls.is_empty() => Value::Null,
        (None, None) => return Err(ApiError::invalid(at("content"), "A message needs its `content`.")),
    };
    let mut read = json!({"role": role, "content": content});
    if let Some(name) = message.name {
        read["name"] = name.into();
    }
    if let Some(id) = message.tool_call_id {
        read["tool_call_id"] = id.into();
    }
    if !calls.is_empty() {
        let calls = calls.into_iter().enumerate();
        let calls: Result<Vec<_>, _> =
            calls.map(|(call, it)| read_call(it, &at(&format!("tool_calls[{call}]")))).collect();
        read["tool_calls"] = calls?.into();
    }
    Ok(read)
}

fn read_call(call: MessageToolCall, path: &str) -> Result<Value, ApiError> {
    if call.kind != "function" {
        return Err(ApiError::unsupported(format!("{path}.type"), "The type of a tool call is `function`."));
    }
    let arguments = arguments(&call.function.arguments, &format!("{path}.function.arguments"))?;
    Ok(self::call(&call.id, &call.function.name, arguments))
}

/// The arguments of a call on the wire.
pub(super) fn arguments(text: &str, path: &str) -> Result<Value, ApiError> {
    serde_json::from_str(text).map_err(|_| ApiError::invalid(path, "The arguments of a call are JSON in a string."))
}

/// A call as templates read it: its arguments are an object, not JSON in a string.
pub(super) fn call(id: &str, name: &str, arguments: Value) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// Parts are joined by line breaks, as other servers of open models do.
pub(super) fn text_of(content: &MessageContent, path: &str) -> Result<String, ApiError> {
    match content {
        MessageContent::Text(text) => Ok(text.clone()),
        MessageContent::Parts(parts) if parts.is_empty() => {
            Err(ApiError::invalid(path, "A message needs its `content`."))
        }
        MessageContent::Parts(parts) => {
            let texts = parts.iter().enumerate().map(|(index, part)| part_text(part, &format!("{path}[{index}]")));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
    }
}

/// The refusal of a part that is no text.
pub(super) fn text_only(path: &str) -> ApiError {
    ApiError::unsupported(path, "This model reads text only: images, audio and files are not supported.")
}

fn part_text<'a>(part: &'a ContentPart, path: &str) -> Result<&'a str, ApiError> {
    let missing =
        |field: &str| ApiError::invalid(format!("{path}.{field}"), format!("A part of this type needs its `{field}`."));
    let not_text = part.image_url.is_some() || part.input_audio.is_some() || part.file.is_some();
    match part.kind.as_str() {
        "image_url" | "input_audio" | "file" => Err(text_only(path)),
        _ if not_text => Err(text_only(path)),
        "text" => part.text.as_deref().ok_or_else(|| missing("text")),
        "refusal" => part.refusal.as_deref().ok_or_else(|| missing("refusal")),
        _ => Err(ApiError::invalid(format!("{path}.type"), "The type of a content part is `text`.")),
    }
}

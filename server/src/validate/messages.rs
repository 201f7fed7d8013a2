//! A conversation on the wire to the messages of a chat template.

use zyron_engine::{Message, Model, TemplateError, Tokenizer};
use zyron_openapi::{ChatCompletionMessageParam, ContentPart, MessageContent, Role};

use crate::error::ApiError;

/// Checks the messages and marks in their text what spells a control token.
pub(super) fn read(
    messages: Vec<ChatCompletionMessageParam>,
    max: usize,
    tokenizer: &Tokenizer,
) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` must hold at least one message."));
    }
    if messages.len() > max {
        return Err(ApiError::invalid("messages", format!("`messages` holds more than the {max} allowed here.")));
    }
    let read = |(index, message)| read_one(index, message, tokenizer);
    messages.into_iter().enumerate().map(read).collect()
}

fn read_one(index: usize, message: ChatCompletionMessageParam, tokenizer: &Tokenizer) -> Result<Message, ApiError> {
    let at = |field: &str| format!("messages[{index}].{field}");
    let tools = "Tool calls are not supported yet.";
    let role = match message.role {
        // Templates know the older name only.
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool | Role::Function => return Err(ApiError::unsupported(at("role"), tools)),
    };
    if message.tool_calls.as_ref().is_some_and(|calls| calls.as_array().is_none_or(|calls| !calls.is_empty())) {
        return Err(ApiError::unsupported(at("tool_calls"), tools));
    }
    let refused = [
        ("tool_call_id", message.tool_call_id.is_some()),
        ("function_call", message.function_call.is_some()),
        ("audio", message.audio.is_some()),
    ];
    if let Some((field, _)) = refused.into_iter().find(|&(_, given)| given) {
        return Err(ApiError::unsupported(at(field), format!("`{field}` is not supported.")));
    }
    let content = match (message.content, message.refusal) {
        (Some(content), _) => text_of(content, &at("content"))?,
        (None, Some(refusal)) => refusal,
        (None, None) => return Err(ApiError::invalid(at("content"), "A message needs its `content`.")),
    };
    let protect = |text: String| tokenizer.protect(&text).into_owned();
    Ok(Message { role: role.to_owned(), content: protect(content), name: message.name.map(protect) })
}

/// Parts are joined by line breaks, as other servers of open models do.
fn text_of(content: MessageContent, path: &str) -> Result<String, ApiError> {
    match content {
        MessageContent::Text(text) => Ok(text),
        MessageContent::Parts(parts) if parts.is_empty() => {
            Err(ApiError::invalid(path, "A message needs its `content`."))
        }
        MessageContent::Parts(parts) => {
            let texts = parts.into_iter().enumerate().map(|(index, part)| part_text(part, &format!("{path}[{index}]")));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
    }
}

fn part_text(part: ContentPart, path: &str) -> Result<String, ApiError> {
    let missing =
        |field: &str| ApiError::invalid(format!("{path}.{field}"), format!("A part of this type needs its `{field}`."));
    match part.kind.as_str() {
        "text" => part.text.ok_or_else(|| missing("text")),
        "refusal" => part.refusal.ok_or_else(|| missing("refusal")),
        "image_url" | "input_audio" | "file" => {
            Err(ApiError::unsupported(path, "This model reads text only: images, audio and files are not supported."))
        }
        _ => Err(ApiError::invalid(format!("{path}.type"), "The type of a content part is `text`.")),
    }
}

/// Renders the messages with the model's template.
pub(super) fn render(messages: &[Message], model: &Model) -> Result<String, ApiError> {
    let Some(template) = &model.template else {
        let message = "This model has no chat template; use /v1/completions.";
        return Err(ApiError::unsupported("messages", message));
    };
    template.render(messages, true).map_err(|error| match error {
        TemplateError::Refused(reason) => {
            ApiError::invalid("messages", format!("The model's chat template refused the conversation: {reason}"))
        }
        TemplateError::Failed(_) | TemplateError::Invalid(_) => {
            // Its words may quote the conversation.
            tracing::debug!(%error, "a chat template failed");
            ApiError::invalid("messages", "The model's chat template cannot render this conversation.")
        }
    })
}

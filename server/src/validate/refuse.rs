//! Fields that would change the answer in a way this server cannot give: refused by name, unless they ask for what
//! happens anyway.

use serde_json::{Value, json};
use zyron_openapi::{ChatCompletionRequest, ResponseRequest};

use crate::error::ApiError;
use crate::serving::Serving;

/// A field, and whether what it asks for happens anyway.
type Field = (&'static str, bool);

/// A model that only makes embeddings.
pub(super) fn embedding_model(serving: &Serving) -> Result<(), ApiError> {
    if serving.model.pooling.is_none() {
        return Ok(());
    }
    let message = format!("`{}` makes embeddings and generates no text; ask it at /v1/embeddings.", serving.model.id);
    Err(ApiError::unsupported("model", message))
}

pub(super) fn chat(request: &ChatCompletionRequest) -> Result<(), ApiError> {
    let fields = [
        ("audio", request.audio.is_none()),
        ("function_call", is(request.function_call.as_ref(), &[json!("none")])),
        ("functions", is(request.functions.as_ref(), &[json!([])])),
        ("modalities", is(request.modalities.as_ref(), &[json!(["text"])])),
        ("moderation", request.moderation.is_none()),
        ("prediction", request.prediction.is_none()),
        ("verbosity", request.verbosity.as_deref().unwrap_or("medium") == "medium"),
        ("web_search_options", request.web_search_options.is_none()),
    ];
    first(&fields)
}

pub(super) fn response(request: &ResponseRequest) -> Result<(), ApiError> {
    let text = request.text.as_ref();
    let reasoning = request.reasoning.as_ref();
    let fields = [
        ("context_management", request.context_management.is_none()),
        ("conversation", request.conversation.is_none()),
        ("max_tool_calls", request.max_tool_calls.is_none()),
        ("moderation", request.moderation.is_none()),
        ("prompt", request.prompt.is_none()),
        ("reasoning.context", reasoning.is_none_or(|it| it.context.is_none())),
        ("reasoning.effort", reasoning.and_then(|it| it.effort.as_deref()).unwrap_or("none") == "none"),
        ("reasoning.generate_summary", reasoning.is_none_or(|it| it.generate_summary.is_none())),
        ("reasoning.mode", reasoning.is_none_or(|it| it.mode.is_none())),
        ("reasoning.summary", reasoning.is_none_or(|it| it.summary.is_none())),
        ("text.verbosity", text.and_then(|it| it.verbosity.as_deref()).unwrap_or("medium") == "medium"),
        ("truncation", request.truncation.as_deref().unwrap_or("disabled") == "disabled"),
    ];
    first(&fields)
}

fn is(value: Option<&Value>, harmless: &[Value]) -> bool {
    value.is_none_or(|value| harmless.contains(value))
}

fn first(fields: &[Field]) -> Result<(), ApiError> {
    match fields.iter().find(|&&(_, harmless)| !harmless) {
        Some((name, _)) => Err(ApiError::unsupported(*name, format!("`{name}` with this value is not supported."))),
        None => Ok(()),
    }
}

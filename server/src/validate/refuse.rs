//! Fields that would change the answer in a way this server cannot give: refused by name, unless they ask for what
//! happens anyway.

use serde_json::{Value, json};
use zyron_openapi::{ChatCompletionRequest, CompletionRequest};

use crate::error::ApiError;

/// A field, and whether what it asks for happens anyway.
type Field = (&'static str, bool);

pub(super) fn chat(request: &ChatCompletionRequest) -> Result<(), ApiError> {
    let fields = [
        ("audio", request.audio.is_none()),
        ("function_call", is(request.function_call.as_ref(), &[json!("none")])),
        ("functions", is(request.functions.as_ref(), &[json!([])])),
        ("logprobs", !request.logprobs.unwrap_or(false)),
        ("modalities", is(request.modalities.as_ref(), &[json!(["text"])])),
        ("moderation", request.moderation.is_none()),
        ("n", request.n.unwrap_or(1) == 1),
        ("prediction", request.prediction.is_none()),
        ("reasoning_effort", request.reasoning_effort.as_deref().unwrap_or("none") == "none"),
        ("response_format", is(request.response_format.as_ref(), &[json!({"type": "text"})])),
        ("tool_choice", is(request.tool_choice.as_ref(), &[json!("none"), json!("auto")])),
        ("tools", is(request.tools.as_ref(), &[json!([])])),
        ("top_logprobs", request.top_logprobs.unwrap_or(0) == 0),
        ("verbosity", request.verbosity.as_deref().unwrap_or("medium") == "medium"),
        ("web_search_options", request.web_search_options.is_none()),
    ];
    first(&fields)
}

pub(super) fn completion(request: &CompletionRequest) -> Result<(), ApiError> {
    let fields = [
        ("best_of", request.best_of.unwrap_or(1) == 1),
        ("echo", !request.echo.unwrap_or(false)),
        ("logprobs", request.logprobs.is_none()),
        ("n", request.n.unwrap_or(1) == 1),
        ("suffix", request.suffix.as_deref().unwrap_or_default().is_empty()),
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

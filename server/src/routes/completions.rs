//! `POST /v1/completions`: the same line as chat completions, for a raw prompt.

use axum::extract::State;
use axum::response::Response;
use zyron_openapi::{Completion, CompletionRequest, ErrorResponse, ServerSentEvent};

use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::respond::{self, Running, completion::CompletionShape};
use crate::state::AppState;
use crate::validate;

/// Continue a text
///
/// With `stream: true` the answer is a stream of server-sent events: one `Completion` each, ended by `data: [DONE]`,
/// or by one event whose data is an error.
#[utoipa::path(
    post,
    path = "/v1/completions",
    tag = "Completions",
    request_body(content = CompletionRequest, examples(
        ("text" = (summary = "A text to continue", value = json!({
            "model": "MODEL", "prompt": "La capacité d’autofinancement est", "max_tokens": 32, "temperature": 0
        }))),
        ("score" = (summary = "The log-probabilities of a text", value = json!({
            "model": "MODEL", "prompt": "Le résultat net est positif.", "max_tokens": 0, "echo": true, "logprobs": 1
        }))),
    )),
    responses(
        (status = 200, description = "The answer.", content(
            (Completion = "application/json"),
            (ServerSentEvent = "text/event-stream"),
        )),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 429, description = "The server is at its limit; `Retry-After` says when to come back.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    let serving = &app.serving(&request.model)?;
    let job = validate::completion(serving, &app.limits(), request).await?;
    let shape = CompletionShape::new(serving, &job);
    let running = Running::start(&call, serving, job.job).await?;
    respond::answer(shape, job.streaming.is_some(), running, &app).await
}

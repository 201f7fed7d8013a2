//! `POST /v1/chat/completions`: the spine.

use axum::extract::State;
use axum::response::Response;
use zyron_openapi::{ChatCompletion, ChatCompletionRequest, ErrorResponse};

use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::respond::{self, Running, chat::ChatShape};
use crate::state::AppState;
use crate::validate;

/// Answer a conversation
///
/// With `stream: true` the answer is a stream of server-sent events: one `ChatCompletionChunk` each, ended by
/// `data: [DONE]`, or by one event whose data is an error.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "Chat",
    request_body = ChatCompletionRequest,
    responses(
        (status = 200, description = "The answer.", content(
            (ChatCompletion = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 429, description = "The server is at its limit; `Retry-After` says when to come back.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    JsonBody(request): JsonBody<ChatCompletionRequest>,
) -> Result<Response, ApiError> {
    let serving = app.serving()?;
    let job = validate::chat(serving, &app.config().limits, request).await?;
    let running = Running::start(&app, serving, job.generate).await?;
    respond::answer(ChatShape::new(serving, job.streaming), job.streaming, running, &app).await
}

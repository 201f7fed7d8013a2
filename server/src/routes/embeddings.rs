//! `POST /v1/embeddings`: the same line as completions, with vectors at its end.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use zyron_openapi::{EmbeddingList, EmbeddingRequest, ErrorResponse};

use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::respond::{self, Running};
use crate::state::AppState;
use crate::validate;

/// Embed texts
///
/// Vectors of length 1, so that the product of two is the cosine between them.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "Embeddings",
    request_body(content = EmbeddingRequest, example = json!({
        "model": "EMBEDDING_MODEL", "input": ["Le besoin en fonds de roulement", "La trésorerie nette"]
    })),
    responses(
        (status = 200, description = "A vector for each text.", body = EmbeddingList),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 429, description = "The server is at its limit; `Retry-After` says when to come back.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<EmbeddingRequest>,
) -> Result<Response, ApiError> {
    let serving = &app.serving(&request.model)?;
    let job = validate::embedding(serving, &app.limits(), request).await?;
    let running = Running::start(&call, serving, job.job).await?;
    let list = respond::embedding::embeddings(&serving.model.id, job.encoding, job.dimensions, running).await?;
    // Thousands of vectors are tens of megabytes: off the threads that serve connections.
    let written = tokio::task::spawn_blocking(move || Json(list).into_response()).await;
    written.map_err(|_| ApiError::Internal)
}

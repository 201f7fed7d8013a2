//! `POST /v1/chat/completions`: the spine.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use zyron_openapi::{ChatCompletion, ChatCompletionRequest, ErrorResponse, ServerSentEvent};

use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::respond::{self, Rounds, Running, chat::ChatShape};
use crate::serving::Serving;
use crate::state::AppState;
use crate::validate::{self, ChatJob};

/// Answer a conversation
///
/// With `stream: true` the answer is a stream of server-sent events: one `ChatCompletionChunk` each, ended by
/// `data: [DONE]`, or by one event whose data is an error.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "Chat",
    request_body(content = ChatCompletionRequest, examples(
        ("conversation" = (summary = "A conversation", value = json!({
            "model": "MODEL", "max_tokens": 64,
            "messages": [
                {"role": "system", "content": "Tu es analyste financier."},
                {"role": "user", "content": "Qu’est-ce que l’excédent brut d’exploitation ?"}
            ]
        }))),
        ("stream" = (summary = "A stream with its usage", value = json!({
            "model": "MODEL", "max_tokens": 64, "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "Définis le besoin en fonds de roulement."}]
        }))),
        ("structured" = (summary = "An answer under a JSON schema", value = json!({
            "model": "MODEL", "max_tokens": 128,
            "messages": [{"role": "user", "content": "Le chiffre d’affaires de 2025 est de 12 M€."}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "chiffre", "strict": true, "schema": {
                "type": "object", "properties": {"annee": {"type": "integer"}, "montant": {"type": "number"}},
                "required": ["annee", "montant"], "additionalProperties": false
            }}}
        }))),
        ("tools" = (summary = "A tool to call", value = json!({
            "model": "MODEL", "max_tokens": 128, "tool_choice": "auto",
            "messages": [{"role": "user", "content": "Quel est l’EBE de 2025 ?"}],
            "tools": [{"type": "function", "function": {
                "name": "lire_poste", "description": "Lit un poste du compte de résultat.",
                "parameters": {
                    "type": "object", "properties": {"poste": {"type": "string"}, "annee": {"type": "integer"}},
                    "required": ["poste", "annee"], "additionalProperties": false
                }
            }}]
        }))),
        ("logprobs" = (summary = "Two answers with log-probabilities", value = json!({
            "model": "MODEL", "max_tokens": 8, "n": 2, "seed": 7, "logprobs": true, "top_logprobs": 3,
            "messages": [{"role": "user", "content": "Cite un ratio."}]
        }))),
    )),
    responses(
        (status = 200, description = "The answer.", content(
            (ChatCompletion = "application/json"),
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
    JsonBody(request): JsonBody<ChatCompletionRequest>,
) -> Result<Response, ApiError> {
    let serving = &app.serving(&request.model)?;
    let job = validate::chat(serving, &app.limits(), request).await?;
    answer(&call, serving, job).await
}

/// Answers a checked request. Where the server runs tools, in as many rounds as it takes.
pub(super) async fn answer(call: &Call, serving: &Arc<Serving>, job: ChatJob) -> Result<Response, ApiError> {
    let signer = job.is_signed.then(|| call.app().signer().cloned().ok_or(ApiError::NothingSigned)).transpose();
    let signer = signer.map_err(|error| ApiError::unsupported("zyron_provenance", error.to_string()))?;
    let shape = ChatShape::new(serving, &job, signer);
    let running = Running::start(call, serving, job.job).await?;
    let streaming = job.streaming.is_some();
    match job.rounds {
        Some(plan) => respond::answer(shape, streaming, Rounds::new(call, serving, running, plan), call.app()).await,
        None => respond::answer(shape, streaming, running, call.app()).await,
    }
}

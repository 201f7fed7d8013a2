//! `/v1/responses`: the newer way to ask for an answer, and the answers that are kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response as HttpResponse};
use futures::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use zyron_openapi::responses::{ResponseDeleted, ResponseStatus};
use zyron_openapi::{ErrorResponse, Response, ResponseRequest, ServerSentEvent};

use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::respond::response::{ResponseShape, failed};
use crate::respond::{self, Running};
use crate::responses::OwnResponses;
use crate::serving::Serving;
use crate::state::AppState;
use crate::validate;

const OFF: ApiError =
    ApiError::ResponseNotFound("This server keeps no answers: `responses.store` is off in its configuration.");
const UNKNOWN: ApiError =
    ApiError::ResponseNotFound("No answer of this id is kept. It may never have been, or its time is over.");

/// Answer items
///
/// With `stream: true` the answer is a stream of server-sent events, each a `ResponseEvent`: `response.created` and
/// `response.in_progress` come first, one of `response.completed`, `response.incomplete` and `response.failed` is the
/// last. There is no `[DONE]`.
#[utoipa::path(
    post,
    path = "/v1/responses",
    tag = "Responses",
    request_body(content = ResponseRequest, examples(
        ("text" = (summary = "A text", value = json!({
            "model": "MODEL", "input": "Qu’est-ce que le BFR ?", "max_output_tokens": 64
        }))),
        ("structured" = (summary = "A JSON answer", value = json!({
            "model": "MODEL", "input": "Le chiffre d’affaires de 2025 est de 12 M€.", "max_output_tokens": 128,
            "text": {"format": {"type": "json_schema", "name": "chiffre", "strict": true, "schema": {
                "type": "object", "properties": {"annee": {"type": "integer"}, "montant": {"type": "number"}},
                "required": ["annee", "montant"], "additionalProperties": false
            }}}
        }))),
    )),
    responses(
        (status = 200, description = "The answer.", content(
            (Response = "application/json"),
            (ServerSentEvent = "text/event-stream"),
        )),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model, or no such previous answer.", body = ErrorResponse),
        (status = 429, description = "The server is at its limit; `Retry-After` says when to come back.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<ResponseRequest>,
) -> Result<HttpResponse, ApiError> {
    let serving = &app.serving(&request.model)?;
    let (before, responses) = storage(&app, &call, &request)?;
    let mut job = validate::response(serving, &app.limits(), request, before, responses.is_some()).await?;
    if let (true, Some(responses)) = (job.response.background, &responses) {
        return Ok(Json(in_background(&call, serving, job, responses)?).into_response());
    }
    let keeper = responses.map(|responses| responses.keeper(std::mem::take(&mut job.messages), None));
    let shape = ResponseShape::new(serving, &job, keeper);
    let running = Running::start(&call, serving, job.job).await?;
    respond::answer(shape, job.streaming, running, &app).await
}

/// The conversation before, and where to keep the answer, as far as the server keeps any.
fn storage(
    app: &AppState,
    call: &Call,
    request: &ResponseRequest,
) -> Result<(Vec<Value>, Option<OwnResponses>), ApiError> {
    const PREVIOUS: &str = "previous_response_id";
    let off = |param| ApiError::unsupported(param, format!("`{param}` needs an answer that is kept. {OFF}"));
    let kept = app.responses().map(|responses| responses.of(call));
    let before = match (request.previous_response_id.as_deref(), &kept) {
        (None, _) => Vec::new(),
        (Some(_), None) => return Err(off(PREVIOUS)),
        (Some(id), Some(kept)) => match kept.get(id) {
            Some(kept) if kept.is_open() => {
                return Err(ApiError::invalid(PREVIOUS, "The previous answer is not complete yet."));
            }
            Some(kept) => {
                let mut messages = kept.messages.to_vec();
                validate::remember(&kept.response, &mut messages);
                messages
            }
            None => {
                let (message, param) = (UNKNOWN.to_string(), Some(PREVIOUS.to_owned()));
                return Err(ApiError::InvalidRequest { message, param, code: Some("previous_response_not_found") });
            }
        },
    };
    if request.background == Some(true) {
        if kept.is_none() {
            return Err(off("background"));
        }
        if request.store == Some(false) {
            return Err(ApiError::invalid("background", "`background` needs `store`: the answer is read later."));
        }
        if request.stream == Some(true) {
            return Err(ApiError::unsupported("stream", "An answer in the background cannot be streamed here."));
        }
    }
    Ok((before, kept.filter(|_| request.store != Some(false))))
}

/// Starts an answer that nobody waits for. It takes its place in the queue now, or is refused.
fn in_background(
    call: &Call,
    serving: &Arc<Serving>,
    mut job: validate::ResponseJob,
    responses: &OwnResponses,
) -> Result<Response, ApiError> {
    let cancel = CancellationToken::new();
    let keeper = responses.keeper(std::mem::take(&mut job.messages), Some(cancel.clone()));
    let shape = ResponseShape::new(serving, &job, None);
    let mut response = job.response;
    let (call, serving) = (call.clone(), Arc::clone(serving));
    let span = call.span().clone();
    let mut starting = Box::pin(async move { Running::start(&call, &serving, job.job).await });
    let started = starting.as_mut().now_or_never().transpose()?;
    response.status = ResponseStatus::Queued;
    keeper.keep(&response);
    let queued = response.clone();
    let work = async move {
        let answer = async {
            let running = match started {
                Some(running) => running,
                None => starting.await?,
            };
            response.status = ResponseStatus::InProgress;
            keeper.update(&response);
            respond::whole(shape, running).await
        };
        match answer.await {
            Ok(answer) => keeper.update(&answer),
            Err(error) => {
                response.status = ResponseStatus::Failed;
                response.error = Some(failed(&error));
                keeper.update(&response);
            }
        }
    };
    tokio::spawn(cancel.run_until_cancelled_owned(work).instrument(span));
    Ok(queued)
}

/// Read an answer that was kept
#[utoipa::path(
    get,
    path = "/v1/responses/{response_id}",
    tag = "Responses",
    params(
        ("response_id" = String, Path, description = "The answer's id."),
        ("stream" = Option<bool>, Query, description = "Refused unless false."),
    ),
    responses(
        (status = 200, description = "The answer.", body = Response),
        (status = 400, description = "A query parameter asks for what is not supported.", body = ErrorResponse),
        (status = 404, description = "No such answer is kept.", body = ErrorResponse),
    )
)]
pub(crate) async fn retrieve(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
    Query(options): Query<Vec<(String, String)>>,
) -> Result<Json<Response>, ApiError> {
    // Whatever else there is asks for what the answer has anyway, or for how a stream is sent.
    if options.iter().any(|(name, value)| name == "stream" && value != "false") {
        return Err(ApiError::unsupported("stream", "An answer that was kept cannot be streamed again here."));
    }
    Ok(Json(app.responses().ok_or(OFF)?.of(&call).get(&id).ok_or(UNKNOWN)?.response))
}

/// Forget an answer that was kept
#[utoipa::path(
    delete,
    path = "/v1/responses/{response_id}",
    tag = "Responses",
    params(("response_id" = String, Path, description = "The answer's id.")),
    responses(
        (status = 200, description = "It is forgotten, and the work on it ends.", body = ResponseDeleted),
        (status = 404, description = "No such answer is kept.", body = ErrorResponse),
    )
)]
pub(crate) async fn delete(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Json<ResponseDeleted>, ApiError> {
    app.responses().ok_or(OFF)?.of(&call).remove(&id).ok_or(UNKNOWN)?;
    Ok(Json(ResponseDeleted { id, object: "response".to_owned(), deleted: true }))
}

/// Cancel an answer that is made in the background
#[utoipa::path(
    post,
    path = "/v1/responses/{response_id}/cancel",
    tag = "Responses",
    params(("response_id" = String, Path, description = "The answer's id.")),
    responses(
        (status = 200, description = "The answer, cancelled unless it was complete.", body = Response),
        (status = 400, description = "It is not made in the background.", body = ErrorResponse),
        (status = 404, description = "No such answer is kept.", body = ErrorResponse),
    )
)]
pub(crate) async fn cancel(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Json<Response>, ApiError> {
    let kept = app.responses().ok_or(OFF)?.of(&call).cancel(&id).ok_or(UNKNOWN)?;
    if kept.cancel.is_none() {
        return Err(ApiError::invalid("response_id", "Only an answer made in the background can be cancelled."));
    }
    Ok(Json(kept.response))
}

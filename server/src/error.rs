//! Every way a request can fail, and the one place where that becomes a status and OpenAI's error envelope.
//!
//! What a client must not see (engine messages, paths) is logged where it happens and is not part of these errors.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use thiserror::Error;
use zyron_openapi::{ErrorBody, ErrorResponse};

/// Why a request was not answered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// The request is wrong.
    #[error("{message}")]
    InvalidRequest {
        /// What is wrong, for a person.
        message: String,
        /// The field at fault.
        param: Option<String>,
        /// A name for programs, such as `unknown_parameter`.
        code: Option<&'static str>,
    },
    /// Prompt and answer do not fit the model.
    #[error(
        "This model's context is {context_length} tokens, but {requested} were requested: {prompt_tokens} in the \
         prompt and {max_tokens} for the answer. Shorten the prompt or lower the number of tokens to generate."
    )]
    ContextLengthExceeded {
        /// What the model can hold.
        context_length: usize,
        /// The prompt and the answer together.
        requested: usize,
        /// The prompt's tokens.
        prompt_tokens: usize,
        /// The answer's tokens.
        max_tokens: usize,
        /// The field that holds the prompt.
        param: &'static str,
    },
    /// The request's constraint turned out to need more work than is allowed.
    #[error("The answer cannot be made to follow the constraint that was asked for: {0}.")]
    ConstraintFailed(String),
    /// No such answer is kept.
    #[error("{0}")]
    ResponseNotFound(&'static str),
    /// No such model here.
    #[error("The model `{0}` does not exist. GET /v1/models lists those that do.")]
    ModelNotFound(String),
    /// No model is named, and there is none.
    #[error("No model is loaded. GET /v1/models lists those that are.")]
    NoModel,
    /// What is asked of a model cannot be done while something else is done with it.
    #[error("The model is being {0}. Try again when that is done.")]
    ModelBusy(&'static str),
    /// A model cannot be loaded, for a reason that is told to those who may load models.
    #[error("The model cannot be loaded: {0}.")]
    ModelNotLoadable(String),
    /// This server takes no batches.
    #[error("This server takes no batches: `batch.enabled` is not set in its configuration.")]
    NoBatches,
    /// No such file, or it is somebody else's.
    #[error("There is no such file.")]
    FileNotFound,
    /// A batch needs the file.
    #[error("A batch that has not ended needs the file: cancel it, or wait.")]
    FileInUse,
    /// No such batch, or it is somebody else's.
    #[error("There is no such batch.")]
    BatchNotFound,
    /// It cannot be ended again.
    #[error("The batch has ended already.")]
    BatchEnded,
    /// Files and batches have a bound.
    #[error("There is no room for it: delete files that are not needed, or wait for batches to end.")]
    NoRoom,
    /// No such path.
    #[error("There is nothing at this path.")]
    NotFound,
    /// The path exists, but not with this method.
    #[error("This path does not allow this method.")]
    MethodNotAllowed,
    /// The body is not of a kind that is read here, by its own account.
    #[error("The request's content-type must be {0}.")]
    UnsupportedMediaType(&'static str),
    /// The body is too long.
    #[error("The request's body is longer than the {0} bytes this server accepts.")]
    PayloadTooLarge(usize),
    /// The body did not come in time.
    #[error("The request's body did not arrive in time.")]
    BodyTimeout,
    /// The key is missing or wrong.
    #[error("A valid API key is needed: send it as `Authorization: Bearer KEY`.")]
    Unauthorized,
    /// Without a key, only programs on this machine are served.
    #[error("Without an API key this server answers only to the names of this machine, such as localhost.")]
    ForeignHost,
    /// The key is not for this.
    #[error("This key may not do that: it lacks the scope `{0}`.")]
    MissingScope(&'static str),
    /// The key is not for this model.
    #[error("This key may not ask the model `{0}`.")]
    ModelNotAllowed(String),
    /// The key has used what it may.
    #[error("{0}")]
    QuotaReached(Quota),
    /// There is nothing to count with.
    #[error("This server counts nothing: `state.folder` is not set in its configuration.")]
    NothingCounted,
    /// There is no key to sign with.
    #[error("This server signs nothing: `state.folder` is not set in its configuration.")]
    NothingSigned,
    /// Too many requests wait already, or this one has waited too long.
    #[error("The server is at its limit. Try again in {} s.", .0.as_secs_f64().ceil())]
    Overloaded(
        /// When to try again.
        Duration,
    ),
    /// The model is not loaded yet.
    #[error("The model is still loading. Try again shortly.")]
    Loading,
    /// The engine hung or panicked while it had the request, and is replaced.
    #[error("The engine stopped before the answer was complete, and is being started again. Try again shortly.")]
    EngineLost,
    /// What is asked could not be entered in the audit log.
    #[error("The server cannot write its audit log, and answers nothing until it can. Its log says why.")]
    Unrecorded,
    /// The server is about to stop.
    #[error("The server is shutting down.")]
    Draining,
    /// The answer took too long.
    #[error("The answer was not complete within the time this server allows.")]
    Timeout,
    /// The engine could not complete the answer.
    #[error("The engine failed to complete the answer. The server's log says why, under this request's id.")]
    EngineFailed,
    /// No server to which requests are passed on could answer.
    #[error("No server behind this one could answer. Its log says why, under this request's id.")]
    UpstreamFailed,
    /// The request needs a model here.
    #[error("This server passes requests on to others, and has no model of its own for this path.")]
    NotPassedOn,
    /// A fault in the server.
    #[error("The server failed. Its log says why, under this request's id.")]
    Internal,
}

/// A limit of a key that is reached.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("Rate limit reached: this key has {limit} {what}. Try again in {} s.", after.as_secs_f64().ceil())]
pub(crate) struct Quota {
    /// Of what it is, such as `requests per minute`.
    pub(crate) what: &'static str,
    /// What OpenAI calls it, the `type` of the error: `requests` or `tokens`.
    pub(crate) kind: &'static str,
    pub(crate) limit: u64,
    /// When to try again.
    pub(crate) after: Duration,
}

impl ApiError {
    /// A wrong value in the field `param`.
    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidRequest { message: message.into(), param: Some(param.into()), code: Some("invalid_value") }
    }

    /// A field whose effect this server cannot give.
    pub(crate) fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidRequest { message: message.into(), param: Some(param.into()), code: Some("unsupported_parameter") }
    }

    /// A field that must be there. `advice` may be empty.
    pub(crate) fn missing(param: impl Into<String>, advice: &str) -> Self {
        Self::named("Missing required parameter", param.into(), advice, "missing_required_parameter")
    }

    /// A field that there is none of. `advice` may be empty.
    pub(crate) fn unknown(param: impl Into<String>, advice: &str) -> Self {
        Self::named("Unknown parameter", param.into(), advice, "unknown_parameter")
    }

    fn named(what: &str, param: String, advice: &str, code: &'static str) -> Self {
        let message = format!("{what}: `{param}`. {advice}").trim_end().to_owned();
        Self::InvalidRequest { message, param: Some(param), code: Some(code) }
    }

    /// A body that cannot be read at all.
    pub(crate) fn unreadable(message: impl Into<String>, code: &'static str) -> Self {
        Self::InvalidRequest { message: message.into(), param: None, code: Some(code) }
    }

    fn parts(&self) -> (StatusCode, &'static str, Option<&'static str>) {
        match self {
            Self::InvalidRequest { code, .. } => (StatusCode::BAD_REQUEST, INVALID, *code),
            Self::ContextLengthExceeded { .. } => (StatusCode::BAD_REQUEST, INVALID, Some("context_length_exceeded")),
            Self::ConstraintFailed(_) => (StatusCode::BAD_REQUEST, INVALID, Some("constraint_failed")),
            Self::ResponseNotFound(_) => (StatusCode::NOT_FOUND, INVALID, Some("not_found")),
            Self::ModelNotFound(_) => (StatusCode::NOT_FOUND, INVALID, Some("model_not_found")),
            Self::NoModel => (StatusCode::NOT_FOUND, INVALID, Some("model_not_found")),
            Self::ModelBusy(_) => (StatusCode::CONFLICT, INVALID, Some("model_busy")),
            Self::ModelNotLoadable(_) => (StatusCode::UNPROCESSABLE_ENTITY, INVALID, Some("model_not_loadable")),
            Self::NoBatches | Self::FileNotFound | Self::BatchNotFound => {
                (StatusCode::NOT_FOUND, INVALID, Some("not_found"))
            }
            Self::FileInUse => (StatusCode::CONFLICT, INVALID, Some("file_in_use")),
            Self::BatchEnded => (StatusCode::CONFLICT, INVALID, Some("batch_ended")),
            Self::NoRoom => (StatusCode::INSUFFICIENT_STORAGE, SERVER, Some("no_room")),
            Self::NotFound => (StatusCode::NOT_FOUND, INVALID, Some("not_found")),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, INVALID, Some("method_not_allowed")),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID, Some("unsupported_media_type"))
            }
            Self::PayloadTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, Some("payload_too_large")),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, INVALID, Some("body_timeout")),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "authentication_error", Some("invalid_api_key")),
            Self::ForeignHost => (StatusCode::FORBIDDEN, "permission_error", Some("foreign_host")),
            Self::MissingScope(_) => (StatusCode::FORBIDDEN, "permission_error", Some("insufficient_scope")),
            Self::ModelNotAllowed(_) => (StatusCode::FORBIDDEN, "permission_error", Some("model_not_allowed")),
            Self::QuotaReached(quota) => (StatusCode::TOO_MANY_REQUESTS, quota.kind, Some("rate_limit_exceeded")),
            Self::NothingCounted | Self::NothingSigned => (StatusCode::NOT_FOUND, INVALID, Some("not_found")),
            Self::Overloaded(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", Some("rate_limit_exceeded")),
            Self::Loading => (StatusCode::SERVICE_UNAVAILABLE, SERVER, Some("model_loading")),
            Self::EngineLost => (StatusCode::SERVICE_UNAVAILABLE, SERVER, Some(ENGINE_LOST)),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, SERVER, Some("shutting_down")),
            Self::Unrecorded => (StatusCode::SERVICE_UNAVAILABLE, SERVER, Some("audit_unavailable")),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, SERVER, Some("timeout")),
            Self::EngineFailed => (StatusCode::INTERNAL_SERVER_ERROR, SERVER, Some("engine_failed")),
            Self::UpstreamFailed => (StatusCode::BAD_GATEWAY, SERVER, Some("upstream_failed")),
            Self::NotPassedOn => (StatusCode::NOT_IMPLEMENTED, SERVER, Some("not_passed_on")),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, SERVER, Some("internal_error")),
        }
    }

    fn param(&self) -> Option<String> {
        match self {
            Self::InvalidRequest { param, .. } => param.clone(),
            Self::ContextLengthExceeded { param, .. } => Some((*param).to_owned()),
            Self::ModelNotFound(_) | Self::ModelNotAllowed(_) | Self::ModelNotLoadable(_) | Self::ModelBusy(_) => {
                Some("model".to_owned())
            }
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded(after) => Some(*after),
            Self::QuotaReached(quota) => Some(quota.after),
            Self::Loading | Self::EngineLost | Self::Draining | Self::Unrecorded | Self::ModelBusy(_) => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }

    /// The body that says it, also used for an error inside a stream.
    pub(crate) fn body(&self) -> ErrorResponse {
        let (_, kind, code) = self.parts();
        let error = ErrorBody {
            message: self.to_string(),
            kind: kind.to_owned(),
            param: self.param(),
            code: code.map(str::to_owned),
        };
        ErrorResponse { error }
    }
}

/// The code of [`ApiError::EngineLost`].
pub(crate) const ENGINE_LOST: &str = "engine_restarting";
const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, ..) = self.parts();
        let mut response = (status, Json(self.body())).into_response();
        if let Some(after) = self.retry_after() {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_millis().div_ceil(1000) as u64));
            headers.insert("retry-after-ms", HeaderValue::from(after.as_millis() as u64));
        }
        if matches!(self, Self::Unauthorized) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

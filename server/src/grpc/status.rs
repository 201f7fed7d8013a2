//! What the router refuses, as gRPC says it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use zyron_openapi::ErrorResponse;

use super::is_version;
use crate::error::ApiError;

/// The longest error that is read; ours are a sentence.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// The longest sentence, in characters: it is a header, of which clients take so much.
const MAX_SENTENCE: usize = 1000;
/// When gRPC's clients may try again, in milliseconds.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// The same for everybody else.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// The one place where HTTP's statuses become gRPC's.
fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Code::Unimplemented,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::INSUFFICIENT_STORAGE => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => Code::Unavailable,
        status if status.is_client_error() => Code::InvalidArgument,
        _ => Code::Internal,
    }
}

/// What an answer that is no success says.
pub(super) async fn of(response: Response) -> Status {
    let (head, body) = response.into_parts();
    let message = sentence(body).await;
    let message = message.unwrap_or_else(|| format!("The request was refused with {}.", head.status));
    Status::with_metadata(code(head.status), short(message), MetadataMap::from_headers(headers(&head.headers)))
}

async fn sentence(body: Body) -> Option<String> {
    let bytes = Limited::new(body, MAX_ERROR_BYTES).collect().await.ok()?.to_bytes();
    Some(serde_json::from_slice::<ErrorResponse>(&bytes).ok()?.error.message)
}

/// A field's name may be as long as a request.
fn short(sentence: String) -> String {
    match sentence.char_indices().nth(MAX_SENTENCE) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence,
    }
}

/// An error that the router was not asked about.
pub(super) fn refused(error: &ApiError) -> Status {
    let response = error.clone().into_response();
    let headers = headers(response.headers());
    Status::with_metadata(code(response.status()), short(error.to_string()), MetadataMap::from_headers(headers))
}

/// A request that is wrong.
pub(super) fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(short(message.into()))
}

/// A model that is not here.
pub(super) fn unknown_model(name: &str, version: &str) -> Status {
    let name = if is_version(version) { name.to_owned() } else { format!("{name}, version {version}") };
    refused(&ApiError::ModelNotFound(name))
}

/// A call that there is none of.
pub(super) fn unknown_call() -> Status {
    Status::unimplemented("This server has no such call; reflection lists those that it has.")
}

/// Of an answer's headers those that tell a caller something.
pub(super) fn headers(given: &HeaderMap) -> HeaderMap {
    let is_told = |name: &HeaderName| name.as_str().starts_with("x-") && *name != header::X_CONTENT_TYPE_OPTIONS;
    let told =
        given.iter().filter(|(name, _)| is_told(name) || *name == header::RETRY_AFTER || *name == RETRY_AFTER_MS);
    let mut headers: HeaderMap = told.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(after) = retry_after(given) {
        headers.insert(PUSHBACK, HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
    }
    headers
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: HeaderName| headers.get(name)?.to_str().ok()?.parse().ok();
    number(RETRY_AFTER_MS).map(Duration::from_millis).or_else(|| number(header::RETRY_AFTER).map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_code() {
        let codes = [
            (400, Code::InvalidArgument),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::NotFound),
            (405, Code::Unimplemented),
            (408, Code::DeadlineExceeded),
            (409, Code::FailedPrecondition),
            (413, Code::InvalidArgument),
            (415, Code::InvalidArgument),
            (422, Code::InvalidArgument),
            (429, Code::ResourceExhausted),
            (500, Code::Internal),
            (501, Code::Unimplemented),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::DeadlineExceeded),
            (507, Code::ResourceExhausted),
        ];
        for (status, expected) in codes {
            assert_eq!(code(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}

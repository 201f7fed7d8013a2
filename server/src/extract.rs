//! A request's body to a wire type, or the error that names what is wrong with it.

pub(crate) mod files;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::state::AppState;

/// A JSON body. Bounded in length and time by the configuration, in depth by `serde_json` (128 levels).
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, ApiError> {
        let timeout = Duration::from_millis(app.config().server.body_timeout_ms);
        parse(&json_bytes(request, app.limits().max_body_bytes, timeout).await?).map(Self)
    }
}

/// The bytes of a body that says it is JSON, `limit` at most.
pub(crate) async fn json_bytes(request: Request, limit: usize, timeout: Duration) -> Result<Vec<u8>, ApiError> {
    if essence(&request).as_deref() != Some("application/json") {
        return Err(ApiError::UnsupportedMediaType("application/json"));
    }
    let body = read(request.into_body(), limit);
    tokio::time::timeout(timeout, body).await.map_err(|_| ApiError::BodyTimeout)?
}

/// What the body says it is, without parameters, in small letters.
fn essence(request: &Request) -> Option<String> {
    let content_type = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(content_type.split(';').next()?.trim().to_ascii_lowercase())
}

async fn read(body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::PayloadTooLarge(limit)),
        Err(_) => Err(ApiError::unreadable("The request's body could not be read to its end.", "invalid_body")),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // serde would also read a struct from an array of its fields in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::unreadable("The request's body must be a JSON object.", "invalid_json"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        describe(&path, error.inner())
    })?;
    json.end().map_err(|error| describe("", &error))?;
    Ok(value)
}

/// `serde_json`'s words without its line and column, which mean nothing to the caller of an SDK.
fn describe(path: &str, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if !error.is_data() {
        return ApiError::unreadable(format!("The request's body is not valid JSON: {text}."), "invalid_json");
    }
    let quoted = |prefix: &str| text.strip_prefix(prefix)?.split('`').next();
    if let Some(field) = quoted("unknown field `") {
        // The path ends in the unknown field itself.
        return ApiError::unknown(path, &format!("Check its spelling: `{field}` is not a parameter here."));
    }
    if let Some(field) = quoted("missing field `") {
        let param = if path.is_empty() || path == "." { field.to_owned() } else { format!("{path}.{field}") };
        return ApiError::missing(param, "");
    }
    let param = (!matches!(path, "" | ".")).then(|| path.to_owned());
    let place = param.as_ref().map_or_else(|| "the request's body".to_owned(), |param| format!("`{param}`"));
    ApiError::InvalidRequest { message: format!("Invalid {place}: {text}."), param, code: Some("invalid_type") }
}

#[cfg(test)]
mod tests {
    use zyron_openapi::{ChatCompletionRequest, CompletionRequest};

    use super::*;

    fn error(json: &str) -> (String, Option<String>, Option<&'static str>) {
        match parse::<ChatCompletionRequest>(json.as_bytes()).unwrap_err() {
            ApiError::InvalidRequest { message, param, code } => (message, param, code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let (message, param, code) = error(r#"{"model":"m","messages":[],"tempreature":1}"#);
        assert_eq!((param.as_deref(), code), (Some("tempreature"), Some("unknown_parameter")), "{message}");
        let (_, param, code) = error(r#"{"messages":[]}"#);
        assert_eq!((param.as_deref(), code), (Some("model"), Some("missing_required_parameter")));
        let (_, param, _) = error(r#"{"model":"m","messages":[{"role":"user","content":[{"text":"a"}]}]}"#);
        assert_eq!(param.as_deref(), Some("messages[0].content[0].type"));
        let (message, param, _) = error(r#"{"model":"m","messages":[{"role":"user","content":3}]}"#);
        assert_eq!(param.as_deref(), Some("messages[0].content"));
        assert!(message.contains("a string or an array of content parts"), "{message}");
        let (_, param, _) = error(r#"{"model":"m","messages":[],"seed":99999999999999999999}"#);
        assert_eq!(param.as_deref(), Some("seed"));
    }

    #[test]
    fn what_is_not_json_is_said_without_line_numbers() {
        for json in ["", "{", " [1]", r#"{"model":"m","messages":[]} x"#] {
            let (message, param, code) = error(json);
            assert_eq!((param, code), (None, Some("invalid_json")), "{json}");
            assert!(!message.contains("line"), "{message}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!(r#"{{"model":"m","messages":[],"metadata":{}}}"#, "[".repeat(100_000));
        assert!(error(&deep).0.contains("recursion limit"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for json in [r#"{"model":"m","prompt":[-1]}"#, r#"{"model":"m","prompt":"a","max_tokens":-1}"#] {
            assert!(parse::<CompletionRequest>(json.as_bytes()).is_err(), "{json}");
        }
    }
}

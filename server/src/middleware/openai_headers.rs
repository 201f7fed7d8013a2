//! The headers that OpenAI's server puts on each answer, besides the request's id.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::time::millis;

/// The one version of OpenAI's API there has been.
const VERSION: HeaderValue = HeaderValue::from_static("2020-10-01");

/// Adds `openai-version`, and `openai-processing-ms`: milliseconds until the answer began.
pub(super) async fn add(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let mut response = next.run(request).await;
    let took = millis(start.elapsed());
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("openai-version"), VERSION);
    headers.insert(HeaderName::from_static("openai-processing-ms"), HeaderValue::from(took));
    response
}

//! Says of each answer that a model has written it, in a header: article 50 of the European AI Act asks for a mark that
//! machines can read.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// The header.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-ai-generated");

/// Whether a route's answers are what a model has written.
pub(crate) fn generates(route: &str) -> bool {
    matches!(
        route,
        "/v1/chat/completions"
            | "/v1/completions"
            | "/v1/finance/analyses"
            | "/v1/responses"
            | "/v1/responses/{response_id}"
    )
}

pub(super) async fn mark(request: Request, next: Next) -> Response {
    let is_generated = request.extensions().get::<MatchedPath>().is_some_and(|path| generates(path.as_str()));
    let mut response = next.run(request).await;
    if is_generated && response.status().is_success() {
        response.headers_mut().insert(HEADER, HeaderValue::from_static("true"));
    }
    response
}

//! What hyper lets through of a message's head, and others may read otherwise: more than one host.

use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// Refuses a request with two hosts (RFC 9112, section 3.2): a proxy may have gone by the other.
pub(super) async fn one(request: Request, next: Next) -> Response {
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        return ApiError::unreadable("The request has more than one `Host`.", "invalid_headers").into_response();
    }
    next.run(request).await
}

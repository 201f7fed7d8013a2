//! Gives each request an id, or keeps the client's, and says it in the answer's `x-request-id`.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

/// Where it is said.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id, among the request's extensions.
#[derive(Clone)]
pub(crate) struct RequestId(pub(crate) HeaderValue);

pub(crate) async fn request_id(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).filter(|id| is_plain(id.as_bytes())).cloned();
    let id = given.unwrap_or_else(|| {
        let id = format!("req_{}", Uuid::new_v4().simple());
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req_0"))
    });
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, id);
    response
}

/// Short and of letters a log line can hold; what a client sends ends up in it.
fn is_plain(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}

//! One log line per request: what was asked for, the status, how long until the answer began. No user text, so the
//! path is the route's pattern and never what a client wrote.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::request_id::RequestId;

pub(crate) async fn log(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.0.to_str().ok().map(str::to_owned));
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = id.unwrap_or_default());
    let start = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let duration_ms = start.elapsed().as_millis() as u64;
    span.in_scope(|| {
        // 503 is no fault: a model that loads, and a server that ends, say so to whoever asks.
        if status >= 500 && status != 503 {
            tracing::error!(%method, route, status, duration_ms, "answered");
        } else {
            tracing::info!(%method, route, status, duration_ms, "answered");
        }
    });
    response
}

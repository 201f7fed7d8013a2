//! Makes a request's [`Call`], which ends with the last byte of the answer.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::request_id::RequestId;
use crate::batches::Background;
use crate::call::{Call, Facts};
use crate::error::ApiError;
use crate::state::AppState;

/// How long a client gives its request, in milliseconds. The server's own limit holds as well.
pub(crate) const TIMEOUT: &str = "x-request-timeout-ms";

pub(crate) async fn call(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.0.to_str().ok().map(str::to_owned));
    let request_id = id.unwrap_or_default();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = request_id);
    let background = request.extensions().get::<Background>().map(|background| background.deadline);
    let facts = Facts {
        request_id,
        route,
        method: request.method().clone(),
        is_background: background.is_some(),
        ..Facts::default()
    };
    let most = Duration::from_millis(app.limits().request_timeout_ms);
    let asked = timeout(request.headers());
    let latest = Instant::now() + asked.as_ref().ok().copied().flatten().map_or(most, |asked| asked.min(most));
    let deadline = background.unwrap_or(latest);
    let call = Call::new(&app, span.clone(), deadline, facts);
    request.extensions_mut().insert(call.clone());
    let response = match asked {
        Ok(_) => next.run(request).instrument(span).await,
        Err(error) => error.into_response(),
    };
    call.facts().status = Some(response.status().as_u16());
    response.map(|body| call.hold(body))
}

fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    let Some(given) = headers.get(TIMEOUT) else { return Ok(None) };
    let millis = given.to_str().ok().and_then(|given| given.parse().ok()).filter(|&millis: &u64| millis > 0);
    let error =
        || ApiError::invalid(TIMEOUT, format!("The header `{TIMEOUT}` must be a whole number of milliseconds."));
    millis.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(error)
}

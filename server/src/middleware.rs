//! What happens to every request before its route and to every answer after it. From the outside in: request id, the
//! account of it, its one host, OpenAI's headers, origins, panics, authorization, what is kept of texts, the mark of what a
//! model has written; then, where this server has no model, the way to another.

pub(crate) mod ai_generated;
pub(crate) mod auth;
pub(crate) mod call;
mod cors;
mod host;
mod openai_headers;
pub(crate) mod request_id;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::content;
use crate::error::ApiError;
use crate::state::AppState;
use crate::upstream;

/// Wraps every route, and the answer for what is no route.
pub(crate) fn apply(router: Router<AppState>, app: &AppState) -> Router<AppState> {
    // The last added is the outermost.
    let router = router
        .layer(from_fn_with_state(app.clone(), upstream::pass_on))
        .layer(from_fn(ai_generated::mark))
        .layer(from_fn_with_state(app.clone(), content::keep))
        .layer(from_fn_with_state(app.clone(), auth::authorize))
        .layer(CatchPanicLayer::custom(|_| -> Response { ApiError::Internal.into_response() }));
    let router = match cors::layer(&app.config().server) {
        Some(origins) => router.layer(origins),
        None => router,
    };
    router
        .layer(from_fn(openai_headers::add))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn(host::one))
        .layer(from_fn_with_state(app.clone(), call::call))
        .layer(from_fn(request_id::request_id))
}

//! `GET /health/live` and `GET /health/ready`, for whoever starts and routes to the server.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use zyron_openapi::Health;

use crate::error::ApiError;
use crate::state::AppState;

fn health(status: &str) -> Json<Health> {
    Json(Health { status: status.to_owned() })
}

/// Is the process alive?
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "Health",
    security(()),
    responses((status = 200, description = "It is.", body = Health))
)]
pub(crate) async fn live() -> Json<Health> {
    health("live")
}

/// Can it be sent requests?
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "It can.", body = Health),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = Health),
    )
)]
pub(crate) async fn ready(State(app): State<AppState>) -> (StatusCode, Json<Health>) {
    if let Some(servers) = app.upstream().filter(|_| !app.is_draining()) {
        return match servers.is_any_healthy() {
            true => (StatusCode::OK, health("ready")),
            false => (StatusCode::SERVICE_UNAVAILABLE, health("no upstream")),
        };
    }
    match app.serving() {
        Ok(_) => (StatusCode::OK, health("ready")),
        Err(ApiError::Draining) => (StatusCode::SERVICE_UNAVAILABLE, health("draining")),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, health("loading")),
    }
}

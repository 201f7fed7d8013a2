//! `GET /health/live` and `GET /health/ready`, for whoever starts and routes to the server.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use zyron_openapi::Health;

use crate::audit::Audit;
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
        (status = 503, description = "The model is loading, none is loaded, an engine is being replaced, the server is shutting down, or it cannot write its audit log.", body = Health),
    )
)]
pub(crate) async fn ready(State(app): State<AppState>) -> (StatusCode, Json<Health>) {
    match readiness(&app) {
        Ok(()) => (StatusCode::OK, health("ready")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, health(reason)),
    }
}

/// Whether it can be sent requests, or why not.
pub(crate) fn readiness(app: &AppState) -> Result<(), &'static str> {
    if app.audit().is_some_and(Audit::is_failing) {
        return Err("audit log not writable");
    }
    if let Some(servers) = app.upstream().filter(|_| !app.is_draining()) {
        return if servers.is_any_healthy() { Ok(()) } else { Err("no upstream") };
    }
    if app.models().is_restarting() && !app.is_draining() {
        return Err("engine restarting");
    }
    match app.all_serving() {
        Ok(models) if models.is_empty() => Err("no model"),
        Ok(_) => Ok(()),
        Err(ApiError::Draining) => Err("draining"),
        Err(_) => Err("loading"),
    }
}

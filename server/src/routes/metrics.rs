//! `GET /metrics`, for Prometheus.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};

use crate::error::ApiError;
use crate::metrics::{self, Format};
use crate::state::AppState;

/// Get the server's figures
///
/// In Prometheus's text format, or as OpenMetrics where `Accept` names it. `docs/operations.md` has their names.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Operations",
    responses((
        status = 200,
        description = "The figures, as they are now.",
        content((String = "text/plain"), (String = "application/openmetrics-text")),
    ))
)]
pub(crate) async fn metrics(
    State(app): State<AppState>,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 1], String), ApiError> {
    let format = Format::accepted(&headers);
    Ok(([(header::CONTENT_TYPE, format.content_type())], metrics::text(&app, format)?))
}

//! `GET /.well-known/jwks.json`: what signed provenance is checked with.

use axum::Json;
use axum::extract::State;
use zyron_openapi::{ErrorResponse, JsonWebKeySet};

use crate::error::ApiError;
use crate::state::AppState;

/// Give the key that signs provenance
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "Provenance",
    security(()),
    responses(
        (status = 200, description = "The key, as a set of JSON web keys (RFC 7517).", body = JsonWebKeySet),
        (status = 404, description = "This server signs nothing: it has no state folder.", body = ErrorResponse),
    )
)]
pub(crate) async fn keys(State(app): State<AppState>) -> Result<Json<JsonWebKeySet>, ApiError> {
    app.signer().map(|signer| Json(signer.public())).ok_or(ApiError::NothingSigned)
}

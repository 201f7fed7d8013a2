//! `GET /v1/usage`: what was used with a key, a day a line.

use axum::Json;
use axum::extract::{Query, State};
use zyron_openapi::{ErrorResponse, KeyUsage, UsageList};

use crate::call::Call;
use crate::error::ApiError;
use crate::keys::Scope;
use crate::state::AppState;

/// Days that are told of unless the request says how many.
const DAYS: u64 = 30;
const MOST_DAYS: u64 = 366;

/// What was used
///
/// By the key that asks; with a key of the scope `admin`, by every key. The latest day comes first.
#[utoipa::path(
    get,
    path = "/v1/usage",
    tag = "Usage",
    params(("days" = Option<u64>, Query, description = "How many days, today included: 30 unless given, 366 at most.")),
    responses(
        (status = 200, description = "What was used.", body = UsageList),
        (status = 400, description = "`days` is no such number.", body = ErrorResponse),
        (status = 404, description = "This server has no state folder, so nothing is counted.", body = ErrorResponse),
    )
)]
pub(crate) async fn usage(
    State(app): State<AppState>,
    call: Call,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<UsageList>, ApiError> {
    let days = match query.iter().find(|(name, _)| name == "days") {
        None => DAYS,
        Some((_, days)) => days
            .parse()
            .ok()
            .filter(|days| (1..=MOST_DAYS).contains(days))
            .ok_or_else(|| ApiError::invalid("days", format!("`days` must be a number from 1 to {MOST_DAYS}.")))?,
    };
    let key = call.key().filter(|key| !key.may(Scope::Admin)).map(|key| key.id.to_string());
    let used = tokio::task::spawn_blocking(move || app.keys().usage(days, key.as_deref()));
    let used = used.await.map_err(|_| ApiError::Internal)?.map_err(|error| {
        tracing::error!(%error, "usage cannot be read");
        ApiError::Internal
    })?;
    let data = used.ok_or(ApiError::NothingCounted)?.into_iter().map(|used| KeyUsage {
        day: used.date().to_string(),
        key: used.key,
        requests: used.requests,
        prompt_tokens: used.prompt_tokens,
        cached_tokens: used.cached_tokens,
        completion_tokens: used.completion_tokens,
    });
    Ok(Json(UsageList { object: "list".to_owned(), data: data.collect() }))
}

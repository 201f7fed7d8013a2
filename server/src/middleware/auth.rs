//! Who may ask, for what, and how much: default-deny. Every path needs a key but those listed here, and each key has
//! scopes and limits.
//!
//! Without any key the server listens on loopback only, and then answers only to the names of this machine: a web page
//! elsewhere that makes its own name resolve to 127.0.0.1 (DNS rebinding) is a foreign host.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::audit::Audit;
use crate::batches::Background;
use crate::call::Call;
use crate::error::ApiError;
use crate::keys::budget::Left;
use crate::keys::{Key, Scope};
use crate::state::AppState;

/// Whether what is asked, by its path or its route, is for the audit log.
pub(crate) fn is_recorded(path: &str) -> bool {
    !is_public(path) && path != "/metrics"
}

fn is_public(path: &str) -> bool {
    matches!(path, "/" | "/openapi.json" | "/docs" | "/health/live" | "/health/ready" | "/.well-known/jwks.json")
        || path.starts_with("/assets/")
        || path.starts_with("/docs/")
}

/// What a key needs for a path; none where any will do.
fn scope_of(path: &str) -> Option<Scope> {
    match path {
        "/v1/models" | "/v1/usage" => None,
        "/metrics" => Some(Scope::Metrics),
        _ if path.starts_with("/v1/admin/") => Some(Scope::Admin),
        _ if path.starts_with("/v1/models/") => None,
        _ if path.starts_with("/v1/finance/") => Some(Scope::Finance),
        _ => Some(Scope::Chat),
    }
}

pub(crate) async fn authorize(
    State(app): State<AppState>,
    call: Call,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    if is_recorded(path) && app.audit().is_some_and(Audit::is_failing) {
        return Err(ApiError::Unrecorded);
    }
    let background = request.extensions().get::<Background>().cloned();
    if app.keys().are_required() && is_public(path) {
        return Ok(next.run(request).await);
    }
    let key = match &background {
        Some(background) if app.keys().are_required() => Some(background.key.clone().ok_or(ApiError::Unauthorized)?),
        Some(_) => None,
        None => identify(&app, request.uri(), request.headers())?,
    };
    let Some(key) = key else {
        call.is_let_in(request.headers());
        return Ok(next.run(request).await);
    };
    if let Some(scope) = scope_of(path).filter(|&scope| !key.may(scope)) {
        return Err(ApiError::MissingScope(scope.name()));
    }
    call.is_let_in(request.headers());
    // What only reads what is there already is not what limits are for.
    let slot = (request.method() != Method::GET).then(|| key.enter(background.is_some())).transpose();
    let mut response = match slot {
        Ok(slot) => {
            call.belongs_to(key.clone(), slot);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    say_what_is_left(&key, response.headers_mut());
    Ok(response)
}

/// Whose key a request has; none where no key is asked for.
///
/// # Errors
/// [`ApiError::Unauthorized`] and, where no key is asked for, [`ApiError::ForeignHost`].
pub(crate) fn identify(app: &AppState, target: &Uri, headers: &HeaderMap) -> Result<Option<Arc<Key>>, ApiError> {
    if app.keys().are_required() {
        let key = bearer(headers).and_then(|text| app.keys().find(text));
        return key.map(Some).ok_or(ApiError::Unauthorized);
    }
    if is_local(target, headers) { Ok(None) } else { Err(ApiError::ForeignHost) }
}

fn say_what_is_left(key: &Key, headers: &mut HeaderMap) {
    const REQUESTS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ];
    const TOKENS: [HeaderName; 3] = [
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ];
    let (requests, tokens) = key.left();
    for ([limit, remaining, reset], left) in [(REQUESTS, requests), (TOKENS, tokens)] {
        let Some(left): Option<Left> = left else { continue };
        headers.insert(limit, HeaderValue::from(left.limit));
        headers.insert(remaining, HeaderValue::from(left.remaining));
        if let Ok(written) = HeaderValue::from_str(&duration(left.reset)) {
            headers.insert(reset, written);
        }
    }
}

/// As OpenAI writes it: `6m0s`, `1s`, `120ms`.
fn duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, 0) => format!("{millis}ms"),
        (0, 0, seconds) if millis > 0 => format!("{seconds}.{millis:03}s"),
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn is_local(target: &Uri, headers: &HeaderMap) -> bool {
    // Of two, the one in the target counts (RFC 9112, section 3.2.2).
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    let Some(authority) = target.authority().cloned().or(host) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_does() {
        let written = |millis| duration(Duration::from_millis(millis));
        assert_eq!(written(0), "0ms");
        assert_eq!(written(120), "120ms");
        assert_eq!(written(1000), "1s");
        assert_eq!(written(1500), "1.500s");
        assert_eq!(written(360_000), "6m0s");
        assert_eq!(written(3_661_000), "1h1m1s");
    }
}

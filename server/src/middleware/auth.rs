//! Who may ask: default-deny. Every path needs the key but those listed here.
//!
//! Without a key the server listens on loopback only, and then answers only to the names of this machine: a web page
//! elsewhere that makes its own name resolve to 127.0.0.1 (DNS rebinding) is a foreign host. One key for all is what
//! there is for now; keys with owners, scopes and quotas come with a later issue.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header, uri::Authority};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::ApiError;
use crate::state::AppState;

/// The hash of the key that requests must carry.
#[derive(Clone)]
pub(crate) struct ApiKey([u8; 32]);

impl ApiKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// In a time that does not depend on how much of `given` is right.
    fn matches(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

fn is_public(path: &str) -> bool {
    matches!(path, "/" | "/openapi.json" | "/docs" | "/health/live" | "/health/ready")
        || path.starts_with("/assets/")
        || path.starts_with("/docs/")
}

pub(crate) async fn authorize(State(app): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    match app.key() {
        Some(_) if is_public(request.uri().path()) => {}
        Some(key) => {
            if !bearer(request.headers()).is_some_and(|given| key.matches(given)) {
                return Err(ApiError::Unauthorized);
            }
        }
        None if is_local(&request) => {}
        None => return Err(ApiError::ForeignHost),
    }
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn is_local(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(Ok(authority)) = host.map(str::parse::<Authority>) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

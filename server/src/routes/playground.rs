//! `GET /` and `GET /assets/…`: the playground, out of the binary.
//!
//! The files under `/assets/` have a hash in their name and may be kept for ever; the page that names them is asked
//! for again each time. The policy lets it run its own scripts and talk to its own server, and nothing else.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use memory_serve::CacheControl;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::state::AppState;

// Compiling WebAssembly counts as evaluating a string, but for this word.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn router() -> Router<AppState> {
    // Unpacking the files leaks them, so it is done once.
    static FILES: LazyLock<Router<AppState>> = LazyLock::new(|| {
        memory_serve::load!().html_cache_control(CacheControl::NoCache).cache_control(CacheControl::Long).into_router()
    });
    let header = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    FILES.clone().layer(
        ServiceBuilder::new()
            .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
            .layer(header(header::REFERRER_POLICY, "no-referrer"))
            .layer(header(HeaderName::from_static("cross-origin-opener-policy"), "same-origin")),
    )
}

//! Which web pages elsewhere may call the API: those of the configured origins, and by default none.

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::ai_generated;
use crate::config::ServerConfig;

/// Headers of an answer that a page may read.
const EXPOSED: [HeaderName; 5] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("retry-after-ms"),
    ai_generated::HEADER,
    header::RETRY_AFTER,
];

/// Answers preflights, and adds to each answer what lets a page of an allowed origin read it. None where no origin is
/// allowed.
pub(super) fn layer(config: &ServerConfig) -> Option<CorsLayer> {
    if config.cors_origins.is_empty() {
        return None;
    }
    let origins = if config.cors_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(config.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    // OpenAI's client in a browser sends headers of its own, whose names change with its versions.
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(tower_http::cors::AllowHeaders::mirror_request())
        .expose_headers(EXPOSED);
    Some(layer)
}

//! `GET /docs`: the OpenAPI document as a page, with Swagger UI out of the binary. Nothing is fetched from elsewhere.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::state::AppState;

// Swagger UI sets styles from its script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn router() -> Router<AppState> {
    let config = Config::new(["/openapi.json"]).try_it_out_enabled(true).validator_url("none");
    let header = |name: HeaderName, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    Router::new().merge(SwaggerUi::new("/docs").config(config)).layer(
        ServiceBuilder::new()
            .layer(header(header::CONTENT_SECURITY_POLICY, POLICY))
            .layer(header(header::REFERRER_POLICY, "no-referrer")),
    )
}

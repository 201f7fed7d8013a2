//! Every route in one list, each registered together with its documentation.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::middleware;
use crate::routes::{chat_completions, completions, health, models, playground};
use crate::state::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Zyron",
        description = "An OpenAI-compatible server for a French finance language model.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(zyron_openapi::ChatCompletionChunk)),
    security(("api_key" = []))
)]
struct Document;

fn api() -> OpenApiRouter<AppState> {
    let mut document = Document::openapi();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("api_key", scheme);
    OpenApiRouter::with_openapi(document)
        .routes(routes!(chat_completions::create))
        .routes(routes!(completions::create))
        .routes(routes!(models::list))
        .routes(routes!(models::retrieve))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The OpenAPI document, as the server says it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    api().split_for_parts().1
}

pub(crate) fn router(app: AppState) -> Router {
    let (api, document) = api().split_for_parts();
    let router = api
        .route("/openapi.json", get(move || async move { Json(document) }))
        .merge(playground::router())
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed });
    middleware::apply(router, &app).with_state(app)
}

//! Every route in one list, each registered together with its documentation.

use axum::routing::get;
use axum::{Json, Router};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::routes::{
    admin, batches, chat_completions, completions, docs, embeddings, files, finance, health, metrics, models,
    playground, provenance, responses, tokenize, usage,
};
use crate::state::AppState;
use crate::{document, middleware};

fn api() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(document::skeleton())
        .routes(routes!(chat_completions::create))
        .routes(routes!(completions::create))
        .routes(routes!(embeddings::create))
        .routes(routes!(responses::create))
        .routes(routes!(responses::retrieve, responses::delete))
        .routes(routes!(responses::cancel))
        .routes(routes!(finance::statements))
        .routes(routes!(finance::analyses))
        .routes(routes!(finance::list_templates))
        .routes(routes!(files::create, files::list))
        .routes(routes!(files::retrieve, files::delete))
        .routes(routes!(files::content))
        .routes(routes!(batches::create, batches::list))
        .routes(routes!(batches::retrieve))
        .routes(routes!(batches::cancel))
        .routes(routes!(models::list))
        .routes(routes!(models::retrieve))
        .routes(routes!(admin::models))
        .routes(routes!(admin::load))
        .routes(routes!(admin::unload))
        .routes(routes!(tokenize::tokenize))
        .routes(routes!(tokenize::detokenize))
        .routes(routes!(tokenize::info))
        .routes(routes!(usage::usage))
        .routes(routes!(provenance::keys))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .split_for_parts();
    document::complete(&mut document);
    (router, document)
}

/// The OpenAPI document, as the server says it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    api().1
}

pub(crate) fn router(app: AppState) -> Router {
    let (api, document) = api();
    let router = api
        .route("/openapi.json", get(move || async move { Json(document) }))
        .merge(docs::router())
        .merge(playground::router())
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed });
    middleware::apply(router, &app).with_state(app)
}

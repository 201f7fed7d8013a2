//! `GET /v1/models` and `GET /v1/models/{model}`.

use axum::Json;
use axum::extract::{Path, State};
use zyron_openapi::{ErrorResponse, Model, ModelList};

use crate::error::ApiError;
use crate::serving::Serving;
use crate::state::AppState;

fn describe(serving: &Serving) -> Model {
    let model = &serving.model;
    Model {
        id: model.id.clone(),
        object: "model".to_owned(),
        created: serving.created,
        owned_by: model.owned_by.clone().unwrap_or_else(|| "unknown".to_owned()),
        context_length: serving.engine.context_length() as u64,
        architecture: model.architecture.clone(),
        quantization: model.quantization.clone(),
        pooling: model.pooling.map(|pooling| pooling.name().to_owned()),
        description: model.description.clone(),
        card: None,
    }
}

/// List the models
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "Models",
    responses(
        (status = 200, description = "The models this server answers for.", body = ModelList),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn list(State(app): State<AppState>) -> Result<Json<ModelList>, ApiError> {
    let data = app.all_serving()?.iter().map(|serving| describe(serving)).collect();
    Ok(Json(ModelList { object: "list".to_owned(), data }))
}

/// Describe a model
#[utoipa::path(
    get,
    path = "/v1/models/{model}",
    tag = "Models",
    params(("model" = String, Path, description = "The model's name.")),
    responses(
        (status = 200, description = "The model.", body = Model),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn retrieve(State(app): State<AppState>, Path(name): Path<String>) -> Result<Json<Model>, ApiError> {
    let serving = app.serving(&name)?;
    Ok(Json(Model { card: serving.model.card.clone(), ..describe(&serving) }))
}

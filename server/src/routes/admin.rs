//! `/v1/admin/models`: which models there are, and how they come and go while the server runs. For keys of the scope
//! `admin`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::task::JoinHandle;
use zyron_openapi::{AdminModel, AdminModelList, AdminModelRequest, ErrorResponse, ModelStatus};

use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::state::AppState;

/// List the models that are loaded, and those that could be
#[utoipa::path(
    get,
    path = "/v1/admin/models",
    tag = "Administration",
    responses((status = 200, description = "The models.", body = AdminModelList))
)]
pub(crate) async fn models(State(app): State<AppState>) -> Json<AdminModelList> {
    let data = app.models().standings();
    Json(AdminModelList {
        object: "list".to_owned(),
        memory_bytes: data.iter().map(|model| model.memory_bytes).sum(),
        memory_limit_bytes: app.models().memory_bytes(),
        data,
    })
}

/// Load a model
///
/// Answers once it is loaded or, if that takes longer than a request may, says that it is being loaded.
#[utoipa::path(
    post,
    path = "/v1/admin/models/load",
    tag = "Administration",
    request_body(content = AdminModelRequest, example = json!({"model": "MODEL"})),
    responses(
        (status = 200, description = "It is loaded.", body = AdminModel),
        (status = 202, description = "It is being loaded.", body = AdminModel),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 409, description = "It is being unloaded.", body = ErrorResponse),
        (status = 422, description = "It cannot be loaded, or does not fit in what is left of the memory.", body = ErrorResponse),
        (status = 503, description = "The models of the configuration are loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn load(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<AdminModelRequest>,
) -> Result<(StatusCode, Json<AdminModel>), ApiError> {
    let loading = app.load_model(&request.model)?;
    wait(&call, loading).await?;
    let model = app.models().standing(&request.model)?;
    match (model.status, model.error) {
        (ModelStatus::Failed, error) => Err(ApiError::ModelNotLoadable(error.unwrap_or_default())),
        (status, error) => Ok((done_if(status == ModelStatus::Loaded), Json(AdminModel { error, ..model }))),
    }
}

/// Unload a model
///
/// It takes no more requests; those it has are answered to their end. Answers once its memory is free or, if that takes
/// longer than a request may, says that it is being unloaded.
#[utoipa::path(
    post,
    path = "/v1/admin/models/unload",
    tag = "Administration",
    request_body(content = AdminModelRequest, example = json!({"model": "MODEL"})),
    responses(
        (status = 200, description = "It is not loaded.", body = AdminModel),
        (status = 202, description = "It is being unloaded.", body = AdminModel),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 409, description = "It is being loaded.", body = ErrorResponse),
        (status = 503, description = "The server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn unload(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<AdminModelRequest>,
) -> Result<(StatusCode, Json<AdminModel>), ApiError> {
    let unloading = app.unload_model(&request.model)?;
    wait(&call, unloading).await?;
    let model = app.models().standing(&request.model)?;
    Ok((done_if(model.status != ModelStatus::Unloading), Json(model)))
}

/// Waits for work that goes on by itself, as long as a request may take.
async fn wait(call: &Call, work: Option<JoinHandle<()>>) -> Result<(), ApiError> {
    let Some(work) = work else { return Ok(()) };
    tokio::select! {
        _ = tokio::time::timeout_at(call.deadline().into(), work) => Ok(()),
        () = call.app().abort().cancelled() => Err(ApiError::Draining),
        () = call.disowned() => Err(ApiError::Unauthorized),
    }
}

fn done_if(is_done: bool) -> StatusCode {
    if is_done { StatusCode::OK } else { StatusCode::ACCEPTED }
}

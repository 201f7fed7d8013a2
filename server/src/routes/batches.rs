//! `/v1/batches`: requests in a file, answered when the model has nothing else to do.

use axum::Json;
use axum::extract::{Path, Query, State};
use zyron_openapi::batches::{Batch, BatchList, BatchRequest};
use zyron_openapi::{BatchStatus, ErrorResponse};

use crate::batches::store::{Page, is_open};
use crate::batches::{Batches, ENDPOINTS, INPUT, WINDOW};
use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::state::AppState;
use crate::time::now;

const MAX_METADATA: usize = 16;
const MAX_METADATA_NAME: usize = 64;
const MAX_METADATA_TEXT: usize = 512;

/// Those of the server, where it takes any.
pub(super) fn batches(app: &AppState) -> Result<&Batches, ApiError> {
    app.batches().ok_or(ApiError::NoBatches)
}

/// Whose files and batches a request is about: its key's, or, without keys, nobody's in particular.
pub(super) fn owner(call: &Call) -> String {
    call.key().map(|key| key.id.to_string()).unwrap_or_default()
}

/// After which one, and how many.
pub(super) fn page_of(query: &[(String, String)], usual: u64, most: u64) -> Result<(Option<String>, u64), ApiError> {
    let given = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let limit = match given("limit") {
        None => usual,
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| ApiError::invalid("limit", format!("`limit` must be a number from 1 to {most}.")))?,
    };
    if given("order").is_some_and(|order| order != "desc") {
        return Err(ApiError::unsupported("order", "`order` is `desc` here: the latest first."));
    }
    Ok((given("after"), limit))
}

/// Have the requests of a file answered
///
/// At low priority: they give way to every other request. What is not answered after 24 hours is not answered at all.
#[utoipa::path(
    post,
    path = "/v1/batches",
    tag = "Batches",
    request_body(content = BatchRequest, example = json!({
        "input_file_id": "file-abc", "endpoint": "/v1/chat/completions", "completion_window": "24h"
    })),
    responses(
        (status = 200, description = "The batch.", body = Batch),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "This server takes no batches.", body = ErrorResponse),
        (status = 507, description = "There are as many batches as this server takes at once.", body = ErrorResponse),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<BatchRequest>,
) -> Result<Json<Batch>, ApiError> {
    let batches = batches(&app)?;
    app.refuse_while_draining()?;
    if !ENDPOINTS.contains(&request.endpoint.as_str()) {
        return Err(ApiError::invalid("endpoint", format!("`endpoint` is one of {}.", ENDPOINTS.join(", "))));
    }
    if request.completion_window != WINDOW {
        return Err(ApiError::invalid("completion_window", format!("`completion_window` is `{WINDOW}`.")));
    }
    let fits = |(name, text): (&String, &String)| {
        name.chars().count() <= MAX_METADATA_NAME && text.chars().count() <= MAX_METADATA_TEXT
    };
    if request.metadata.as_ref().is_some_and(|metadata| metadata.len() > MAX_METADATA || !metadata.iter().all(fits)) {
        let message = format!(
            "`metadata` has up to {MAX_METADATA} names of up to {MAX_METADATA_NAME} characters, with texts of up to \
             {MAX_METADATA_TEXT}."
        );
        return Err(ApiError::invalid("metadata", message));
    }
    let (owner, id) = (owner(&call), request.input_file_id.clone());
    let (file, open) = {
        let owner = owner.clone();
        batches.with(move |store| Ok((store.file(&owner, &id)?, store.count_open()?))).await?
    };
    if file.is_none_or(|file| file.purpose != INPUT) {
        let message = format!("There is no file of that identifier, or its purpose is not `{INPUT}`.");
        return Err(ApiError::invalid("input_file_id", message));
    }
    if open >= batches.config().max_open {
        return Err(ApiError::NoRoom);
    }
    let BatchRequest { input_file_id, endpoint, metadata, .. } = request;
    batches.create(owner, input_file_id, endpoint, metadata).await.map(Json)
}

/// List the batches
#[utoipa::path(
    get,
    path = "/v1/batches",
    tag = "Batches",
    params(
        ("after" = Option<String>, Query, description = "Only those after this one."),
        ("limit" = Option<u64>, Query, description = "How many at most: 20 unless given, 100 at most."),
    ),
    responses(
        (status = 200, description = "The batches, the latest first.", body = BatchList),
        (status = 400, description = "A parameter is wrong; `param` names it.", body = ErrorResponse),
        (status = 404, description = "This server takes no batches.", body = ErrorResponse),
    )
)]
pub(crate) async fn list(
    State(app): State<AppState>,
    call: Call,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<BatchList>, ApiError> {
    let (after, limit) = page_of(&query, 20, 100)?;
    let owner = owner(&call);
    let read = batches(&app)?.with(move |store| store.batches(&owner, &Page { after: after.as_deref(), limit }));
    let (data, has_more) = read.await?;
    let id = |batch: Option<&Batch>| batch.map(|batch| batch.id.clone());
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    Ok(Json(BatchList { object: "list".to_owned(), data, first_id, last_id, has_more }))
}

async fn find(app: &AppState, call: &Call, id: String) -> Result<Batch, ApiError> {
    let owner = owner(call);
    batches(app)?.with(move |store| store.batch(&owner, &id)).await?.ok_or(ApiError::BatchNotFound)
}

/// Describe a batch
#[utoipa::path(
    get,
    path = "/v1/batches/{batch_id}",
    tag = "Batches",
    params(("batch_id" = String, Path, description = "The batch's identifier.")),
    responses(
        (status = 200, description = "The batch.", body = Batch),
        (status = 404, description = "There is no such batch.", body = ErrorResponse),
    )
)]
pub(crate) async fn retrieve(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Json<Batch>, ApiError> {
    find(&app, &call, id).await.map(Json)
}

/// End a batch
///
/// What was answered by then is in its file of answers.
#[utoipa::path(
    post,
    path = "/v1/batches/{batch_id}/cancel",
    tag = "Batches",
    params(("batch_id" = String, Path, description = "The batch's identifier.")),
    responses(
        (status = 200, description = "The batch, which is being ended.", body = Batch),
        (status = 404, description = "There is no such batch.", body = ErrorResponse),
        (status = 409, description = "It has ended already.", body = ErrorResponse),
    )
)]
pub(crate) async fn cancel(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Json<Batch>, ApiError> {
    let batch = find(&app, &call, id.clone()).await?;
    if !is_open(batch.status) {
        return Err(ApiError::BatchEnded);
    }
    let batches = batches(&app)?;
    let wanted = id.clone();
    let cancelling = batches.with(move |store| {
        store.change(&wanted, |batch| {
            if is_open(batch.status) && batch.status != BatchStatus::Cancelling {
                (batch.status, batch.cancelling_at) = (BatchStatus::Cancelling, Some(now()));
            }
        })
    });
    cancelling.await?;
    batches.look();
    find(&app, &call, id).await.map(Json)
}

//! `/v1/files`: the files of batches.

use std::path::PathBuf;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio_util::io::ReaderStream;
use zyron_openapi::batches::{FileDeleted, FileList, FileObject, FileUpload};
use zyron_openapi::{BatchStatus, ErrorResponse};

use super::batches::{batches, owner, page_of};
use crate::batches::store::Page;
use crate::call::Call;
use crate::error::ApiError;
use crate::extract::files::{self, Upload};
use crate::state::AppState;

/// Upload a file of requests
///
/// JSON Lines: each line has `custom_id`, `method`, `url` and `body`. Of this server's own and OpenAI's fields, `file` and
/// `purpose` are read.
#[utoipa::path(
    post,
    path = "/v1/files",
    tag = "Batches",
    request_body(content = FileUpload, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file.", body = FileObject),
        (status = 400, description = "The form is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "This server takes no batches.", body = ErrorResponse),
        (status = 507, description = "There is no room for it until others are deleted.", body = ErrorResponse),
    )
)]
pub(crate) async fn create(
    State(app): State<AppState>,
    call: Call,
    request: Request,
) -> Result<Json<FileObject>, ApiError> {
    let batches = batches(&app)?;
    let config = batches.config();
    let mut file = batches.new_file(String::new(), crate::batches::INPUT);
    let id = file.id.clone();
    let (path, used) = batches.with(move |store| Ok((store.content_of(&id), store.bytes()?))).await?;
    let room = config.max_stored_bytes.saturating_sub(used);
    let unfinished = Unfinished(Some(path.clone()));
    let limit = config.max_file_bytes.min(usize::try_from(room).unwrap_or(usize::MAX));
    let Upload { filename, bytes } = match files::upload(request, &app, &path, limit).await {
        Err(ApiError::PayloadTooLarge(_)) if limit < config.max_file_bytes => return Err(ApiError::NoRoom),
        read => read?,
    };
    (file.filename, file.bytes) = (filename, bytes);
    let (owner, kept) = (owner(&call), file.clone());
    batches.with(move |store| store.add_file(&owner, &kept)).await?;
    unfinished.keep();
    Ok(Json(file))
}

/// A file that is deleted unless it is kept: whoever sends it may leave.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// List the files
#[utoipa::path(
    get,
    path = "/v1/files",
    tag = "Batches",
    params(
        ("purpose" = Option<String>, Query, description = "Only those of this purpose."),
        ("after" = Option<String>, Query, description = "Only those after this one."),
        ("limit" = Option<u64>, Query, description = "How many at most: 100 unless given, 1000 at most."),
        ("order" = Option<String>, Query, description = "Always `desc`: the latest first."),
    ),
    responses(
        (status = 200, description = "The files, the latest first.", body = FileList),
        (status = 400, description = "A parameter is wrong; `param` names it.", body = ErrorResponse),
        (status = 404, description = "This server takes no batches.", body = ErrorResponse),
    )
)]
pub(crate) async fn list(
    State(app): State<AppState>,
    call: Call,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<FileList>, ApiError> {
    let batches = batches(&app)?;
    let (after, limit) = page_of(&query, 100, 1000)?;
    let purpose = query.iter().find(|(name, _)| name == "purpose").map(|(_, purpose)| purpose.clone());
    let owner = owner(&call);
    let read =
        batches.with(move |store| store.files(&owner, purpose.as_deref(), &Page { after: after.as_deref(), limit }));
    let (data, has_more) = read.await?;
    let id = |file: Option<&FileObject>| file.map(|file| file.id.clone());
    let (first_id, last_id) = (id(data.first()), id(data.last()));
    Ok(Json(FileList { object: "list".to_owned(), data, first_id, last_id, has_more }))
}

async fn find(app: &AppState, call: &Call, id: &str) -> Result<FileObject, ApiError> {
    let (owner, id) = (owner(call), id.to_owned());
    batches(app)?.with(move |store| store.file(&owner, &id)).await?.ok_or(ApiError::FileNotFound)
}

/// Describe a file
#[utoipa::path(
    get,
    path = "/v1/files/{file_id}",
    tag = "Batches",
    params(("file_id" = String, Path, description = "The file's identifier.")),
    responses(
        (status = 200, description = "The file.", body = FileObject),
        (status = 404, description = "There is no such file.", body = ErrorResponse),
    )
)]
pub(crate) async fn retrieve(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Json<FileObject>, ApiError> {
    find(&app, &call, &id).await.map(Json)
}

/// Read a file
#[utoipa::path(
    get,
    path = "/v1/files/{file_id}/content",
    tag = "Batches",
    params(("file_id" = String, Path, description = "The file's identifier.")),
    responses(
        (status = 200, description = "Its content.", content_type = "application/jsonl", body = String),
        (status = 404, description = "There is no such file.", body = ErrorResponse),
    )
)]
pub(crate) async fn content(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let file = find(&app, &call, &id).await?;
    let path = batches(&app)?.with(move |store| Ok(store.content_of(&file.id))).await?;
    // It may just have been deleted.
    let content = tokio::fs::File::open(path).await.map_err(|_| ApiError::FileNotFound)?;
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(ReaderStream::new(content))).into_response())
}

/// Delete a file
#[utoipa::path(
    delete,
    path = "/v1/files/{file_id}",
    tag = "Batches",
    params(("file_id" = String, Path, description = "The file's identifier.")),
    responses(
        (status = 200, description = "It is deleted.", body = FileDeleted),
        (status = 404, description = "There is no such file.", body = ErrorResponse),
        (status = 409, description = "A batch that has not ended needs it.", body = ErrorResponse),
    )
)]
pub(crate) async fn delete(
    State(app): State<AppState>,
    call: Call,
    Path(id): Path<String>,
) -> Result<Json<FileDeleted>, ApiError> {
    let (owner, wanted) = (owner(&call), id.clone());
    let deleted = batches(&app)?.with(move |store| {
        let open = store.open_batches()?;
        let is_needed =
            |batch: &zyron_openapi::Batch| batch.input_file_id == wanted && batch.status != BatchStatus::Failed;
        if open.iter().any(|(of, batch)| *of == owner && is_needed(batch)) {
            return Ok(Err(ApiError::FileInUse));
        }
        Ok(if store.delete_file(&owner, &wanted)? { Ok(()) } else { Err(ApiError::FileNotFound) })
    });
    deleted.await??;
    Ok(Json(FileDeleted { id, object: "file".to_owned(), deleted: true }))
}

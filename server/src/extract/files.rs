//! Files of a request: the parts of a form, or base64 in JSON; or one that is kept.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::header;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::NaiveDate;
use http_body_util::{LengthLimitError, Limited};
use tokio::io::AsyncWriteExt;
use zyron_openapi::FinanceFilesRequest;
use zyron_openapi::finance::FinanceFile;

use super::{essence, json_bytes, parse};
use crate::error::ApiError;
use crate::private;
use crate::state::AppState;

/// More than the years that anybody compares.
const MAX_FILES: usize = 16;
const MAX_NAME: usize = 255;
const MAX_SHORT: usize = 32;

/// A company's files.
pub(crate) struct Files {
    /// Names and bytes.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// The last day of the last fiscal year, where no file says it.
    pub(crate) end: Option<NaiveDate>,
}

/// Reads the body: JSON or a form.
pub(crate) async fn read(request: Request, app: &AppState) -> Result<Files, ApiError> {
    let limit = app.limits().max_upload_bytes;
    let timeout = time_for(&request, app, limit);
    match essence(&request).as_deref() {
        Some("application/json") => {
            let bytes = json_bytes(request, limit, timeout).await?;
            // Base64 of a large file takes its time.
            tokio::task::spawn_blocking(move || of_json(parse(&bytes)?)).await.map_err(|_| ApiError::Internal)?
        }
        Some("multipart/form-data") => {
            let form = of_form(request, limit);
            tokio::time::timeout(timeout, form).await.map_err(|_| ApiError::BodyTimeout)?
        }
        _ => Err(ApiError::UnsupportedMediaType("application/json or multipart/form-data")),
    }
}

/// A body has the time of any other, and a second for each megabyte that it says it has.
fn time_for(request: &Request, app: &AppState, limit: usize) -> Duration {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length: usize = length.unwrap_or(0);
    Duration::from_millis(app.config().server.body_timeout_ms + length.min(limit) as u64 / 1000)
}

fn of_json(request: FinanceFilesRequest) -> Result<Files, ApiError> {
    check_count(request.files.len())?;
    let file = |(at, file): (usize, FinanceFile)| {
        let name = name(&file.filename, &format!("files[{at}].filename"))?;
        let data = match file.file_data.strip_prefix("data:") {
            Some(url) => url.split_once(";base64,").map_or("*", |(_, data)| data),
            None => &file.file_data,
        };
        // Some encoders break it into lines.
        let is_broken = data.contains(['\r', '\n']);
        let data = if is_broken { data.replace(['\r', '\n'], "").into() } else { Cow::Borrowed(data) };
        let bytes = BASE64_STANDARD.decode(data.trim_ascii()).map_err(|_| {
            ApiError::invalid(format!("files[{at}].file_data"), "`file_data` is base64, or a `data:` URL with base64.")
        })?;
        Ok((name, bytes))
    };
    let files = request.files.into_iter().enumerate().map(file).collect::<Result<_, ApiError>>()?;
    Ok(Files { files, end: request.end })
}

async fn of_form(request: Request, limit: usize) -> Result<Files, ApiError> {
    let mut request = request.map(|body| Body::new(Limited::new(body, limit)));
    // axum's own is 2 MB.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| damaged(&error.body_text()))?;
    let mut read = Files { files: Vec::new(), end: None };
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error, limit))? {
        let kind = field.name().unwrap_or_default().to_owned();
        match kind.as_str() {
            "file" | "files" | "file[]" | "files[]" => {
                check_count(read.files.len() + 1)?;
                let param = format!("files[{}]", read.files.len());
                let name = name(field.file_name().unwrap_or_default(), &format!("{param}.filename"))?;
                let bytes = field.bytes().await.map_err(|error| unreadable(&error, limit))?;
                read.files.push((name, bytes.into()));
            }
            "end" => read.end = date(field, limit).await?,
            _ => {
                let kind: String = kind.chars().take(64).collect();
                return Err(ApiError::unknown(kind, "A form has `file`, once for each, and `end`."));
            }
        }
    }
    check_count(read.files.len())?;
    Ok(read)
}

async fn date(mut field: Field<'_>, limit: usize) -> Result<Option<NaiveDate>, ApiError> {
    match short(&mut field, limit).await?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| ApiError::invalid("end", "`end` is a date such as 2024-12-31.")),
    }
}

fn check_count(count: usize) -> Result<(), ApiError> {
    match count {
        0 => Err(ApiError::invalid("files", "There must be at least one file.")),
        1..=MAX_FILES => Ok(()),
        _ => Err(ApiError::invalid("files", format!("There are at most {MAX_FILES} files."))),
    }
}

/// The name without the folders that some clients send with it.
fn name(given: &str, param: &str) -> Result<String, ApiError> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(ApiError::invalid(param, format!("A file's name has 1 to {MAX_NAME} bytes.")));
    }
    Ok(name.to_owned())
}

/// A file that was uploaded to be kept.
pub(crate) struct Upload {
    pub(crate) filename: String,
    pub(crate) bytes: u64,
}

/// Writes the one file of a form to `path`, `limit` bytes of it at most.
pub(crate) async fn upload(request: Request, app: &AppState, path: &Path, limit: usize) -> Result<Upload, ApiError> {
    if essence(&request).as_deref() != Some("multipart/form-data") {
        return Err(ApiError::UnsupportedMediaType("multipart/form-data"));
    }
    let timeout = time_for(&request, app, limit);
    let form = keep_form(request, path, limit);
    tokio::time::timeout(timeout, form).await.map_err(|_| ApiError::BodyTimeout)?
}

async fn keep_form(request: Request, path: &Path, limit: usize) -> Result<Upload, ApiError> {
    // What is around the file is little.
    const AROUND: usize = 64 * 1024;
    let mut request = request.map(|body| Body::new(Limited::new(body, limit.saturating_add(AROUND))));
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| damaged(&error.body_text()))?;
    let (mut kept, mut purpose) = (None, None);
    while let Some(mut field) = form.next_field().await.map_err(|error| unreadable(&error, limit))? {
        match field.name().unwrap_or_default() {
            "file" if kept.is_none() => {
                let filename = name(field.file_name().unwrap_or_default(), "file")?;
                kept = Some(Upload { filename, bytes: write(&mut field, path, limit).await? });
            }
            "purpose" if purpose.is_none() => {
                purpose = Some(short(&mut field, limit).await?);
            }
            "file" | "purpose" => return Err(ApiError::invalid("file", "There is one file, and one purpose.")),
            other => {
                let other: String = other.chars().take(64).collect();
                return Err(ApiError::unknown(other, "A form has `file` and `purpose`."));
            }
        }
    }
    match purpose.as_deref() {
        Some("batch") => kept.ok_or_else(|| ApiError::missing("file", "")),
        Some(_) => Err(ApiError::invalid("purpose", "`purpose` is `batch`: files are for nothing else here.")),
        None => Err(ApiError::missing("purpose", "It is `batch`.")),
    }
}

async fn write(field: &mut Field<'_>, path: &Path, limit: usize) -> Result<u64, ApiError> {
    let failed = |error: io::Error| {
        tracing::error!(%error, "a file cannot be kept");
        ApiError::Internal
    };
    let file = private::options().write(true).create_new(true).open(path).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes = 0;
    while let Some(chunk) = field.chunk().await.map_err(|error| unreadable(&error, limit))? {
        bytes += chunk.len();
        if bytes > limit {
            return Err(ApiError::PayloadTooLarge(limit));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    Ok(bytes as u64)
}

/// The beginning of a field's text.
async fn short(field: &mut Field<'_>, limit: usize) -> Result<String, ApiError> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unreadable(&error, limit))? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_SHORT {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

fn damaged(what: &str) -> ApiError {
    ApiError::unreadable(format!("The form could not be read: {what}."), "invalid_body")
}

/// What went wrong in the middle of a form.
fn unreadable(error: &MultipartError, limit: usize) -> ApiError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ApiError::PayloadTooLarge(limit);
        }
        cause = error.source();
    }
    damaged("it ends too soon or has no such boundary")
}

//! `/v1/files` and `/v1/batches`: requests in a file, answered when there is time for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file that was uploaded, or that a batch has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FileObject {
    /// The file's identifier.
    pub id: String,
    /// Always `file`.
    pub object: String,
    /// Its length.
    pub bytes: u64,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When it is deleted.
    pub expires_at: u64,
    /// The name that it was given.
    pub filename: String,
    /// `batch` for the requests of a batch, `batch_output` for its answers.
    pub purpose: String,
    /// Always `processed`: it can be used at once.
    pub status: String,
}

/// Files, the latest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FileList {
    /// Always `list`.
    pub object: String,
    /// The files.
    pub data: Vec<FileObject>,
    /// The first one's identifier.
    pub first_id: Option<String>,
    /// The last one's identifier: `after` for those that follow.
    pub last_id: Option<String>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A file that is there no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FileDeleted {
    /// The file's identifier.
    pub id: String,
    /// Always `file`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
}

/// The upload of a file, as `multipart/form-data`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FileUpload {
    /// The file: JSON Lines, a request each.
    #[cfg_attr(feature = "utoipa", schema(value_type = String, content_media_type = "application/octet-stream"))]
    pub file: String,
    /// Always `batch`.
    pub purpose: String,
}

/// Asks for the requests in a file to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The file, uploaded with the purpose `batch`.
    pub input_file_id: String,
    /// Where all of its requests go: `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings` or
    /// `/v1/responses`.
    pub endpoint: String,
    /// Always `24h`: what is not answered by then is not answered at all.
    pub completion_window: String,
    /// Kept with it: up to 16 names of up to 64 characters, with texts of up to 512.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// The requests of a file, and how far they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Batch {
    /// The batch's identifier.
    pub id: String,
    /// Always `batch`.
    pub object: String,
    /// Where its requests go.
    pub endpoint: String,
    /// What is wrong with its file, where it has failed for that.
    pub errors: Option<BatchErrors>,
    /// The file of its requests.
    pub input_file_id: String,
    /// Always `24h`.
    pub completion_window: String,
    /// How far it is.
    pub status: BatchStatus,
    /// The file of its answers, once it has ended and has any.
    pub output_file_id: Option<String>,
    /// The file of what could not be answered, once it has ended and there is any.
    pub error_file_id: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When its file had been read.
    pub in_progress_at: Option<u64>,
    /// When it ends, finished or not.
    pub expires_at: Option<u64>,
    /// When its last request was answered.
    pub finalizing_at: Option<u64>,
    /// When its answers were there.
    pub completed_at: Option<u64>,
    /// When it failed.
    pub failed_at: Option<u64>,
    /// When its time was over.
    pub expired_at: Option<u64>,
    /// When somebody wanted it to end.
    pub cancelling_at: Option<u64>,
    /// When it ended for that.
    pub cancelled_at: Option<u64>,
    /// How many requests it has.
    pub request_counts: BatchRequestCounts,
    /// What was given with it.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Its file is being read.
    Validating,
    /// Its file is not what it should be.
    Failed,
    /// Its requests are being answered.
    InProgress,
    /// Its answers are being put into a file.
    Finalizing,
    /// Its answers are there.
    Completed,
    /// Its time is over; what was answered is there.
    Expired,
    /// It is being ended.
    Cancelling,
    /// It was ended; what was answered is there.
    Cancelled,
}

/// How many requests a batch has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchRequestCounts {
    /// All of them.
    pub total: u64,
    /// Those that were answered.
    pub completed: u64,
    /// Those that could not be.
    pub failed: u64,
}

/// What is wrong with a batch's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchErrors {
    /// Always `list`.
    pub object: String,
    /// The errors, the first hundred.
    pub data: Vec<BatchError>,
}

/// What is wrong with a line of a batch's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchError {
    /// A name for programs, such as `invalid_json_line`.
    pub code: String,
    /// What is wrong, for a person.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// The line, from 1 on.
    pub line: Option<u64>,
}

/// Batches, the latest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchList {
    /// Always `list`.
    pub object: String,
    /// The batches.
    pub data: Vec<Batch>,
    /// The first one's identifier.
    pub first_id: Option<String>,
    /// The last one's identifier: `after` for those that follow.
    pub last_id: Option<String>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A line of a batch's file: a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchLine {
    /// Its name in the file, unlike any other's.
    pub custom_id: String,
    /// Always `POST`.
    pub method: String,
    /// Where it goes: the batch's `endpoint`.
    pub url: String,
    /// The request.
    pub body: Value,
}

/// A line of a batch's answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchResult {
    /// The answer's identifier.
    pub id: String,
    /// The name that the request has in its file.
    pub custom_id: String,
    /// What came of the request, where it was answered, well or not.
    pub response: Option<BatchResponse>,
    /// Why it was not answered.
    pub error: Option<BatchResultError>,
}

/// An answer in a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchResponse {
    /// The answer's status, as over HTTP.
    pub status_code: u16,
    /// The id under which the server's log has the request.
    pub request_id: String,
    /// The answer, or the error.
    pub body: Value,
}

/// Why a request of a batch was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct BatchResultError {
    /// `batch_expired` or `batch_cancelled`.
    pub code: String,
    /// The same for a person.
    pub message: String,
}

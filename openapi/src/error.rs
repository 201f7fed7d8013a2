//! The one error envelope, the same for every status and inside a stream.

use serde::{Deserialize, Serialize};

/// The body of every answer that is not a success: `{"error": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ErrorResponse {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong, in the words OpenAI's clients read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// For a person: what happened and what to do.
    pub message: String,
    /// The family of the error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The request's field at fault, such as `messages[0].content`.
    pub param: Option<String>,
    /// A stable name for programs, such as `context_length_exceeded`.
    pub code: Option<String>,
}

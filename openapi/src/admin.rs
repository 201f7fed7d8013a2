//! `/v1/admin/models`: which models a server could answer with, and what comes and goes. An extension: OpenAI has no such
//! thing.

use serde::{Deserialize, Serialize};

/// Names a model of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdminModelRequest {
    /// Its name.
    pub model: String,
}

/// A model that is loaded, or could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct AdminModel {
    /// The name to send as `model`.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// How things stand with it.
    pub status: ModelStatus,
    /// The memory that it takes now, in bytes, as far as the server knows it.
    pub memory_bytes: u64,
    /// Why it could not be loaded the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How things stand with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelStatus {
    /// It answers.
    Loaded,
    /// It is being loaded.
    Loading,
    /// It takes no more requests; those it has are answered to their end.
    Unloading,
    /// It could be loaded.
    Unloaded,
    /// It could not be loaded; `error` says why.
    Failed,
}

/// Every model that is loaded, or could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct AdminModelList {
    /// Always `list`.
    pub object: String,
    /// The models, those that are loaded first.
    pub data: Vec<AdminModel>,
    /// The memory that all of them take now, in bytes.
    pub memory_bytes: u64,
    /// What they may take together, in bytes, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
}

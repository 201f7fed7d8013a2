//! `GET /v1/models` and `GET /v1/models/{model}`.

use serde::{Deserialize, Serialize};

/// A model this server answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Model {
    /// The name to send as `model`.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// When the server loaded it, in seconds since 1970.
    pub created: u64,
    /// Who made it, as far as its files say.
    pub owned_by: String,
    /// Extension: the longest prompt plus answer, in tokens.
    pub context_length: u64,
    /// Extension: the model's architecture, such as `llama`.
    pub architecture: String,
    /// Extension: the number format of its weights, such as `Q4_1` or `BF16`.
    pub quantization: String,
    /// Extension: how it makes embeddings (`mean`, `cls` or `last`), where it is an embedding model: such a one answers at
    /// `/v1/embeddings` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<String>,
    /// Extension: what it is and is not for, as far as its files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Extension: its model card, in Markdown, if it has one; only where one model is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
}

/// Every model this server answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// The models.
    pub data: Vec<Model>,
}

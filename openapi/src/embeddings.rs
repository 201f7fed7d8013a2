//! `POST /v1/embeddings`: texts to vectors.

use serde::{Deserialize, Serialize};

use crate::Prompt;

/// Texts to embed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EmbeddingRequest {
    /// The name of an embedding model, as `/v1/models` lists it.
    pub model: String,
    /// A text, texts, tokens or lists of tokens. What the model puts around a text, such as an end token, is added to texts
    /// only.
    pub input: Prompt,
    /// How the vectors are written. Default `float`; OpenAI's clients ask for `base64` and decode it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<EncodingFormat>,
    /// Give only so many of a vector's first numbers, scaled to length 1 again. Of use with models that were trained for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u64>,
    /// Ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EncodingFormat {
    /// As numbers.
    #[default]
    Float,
    /// As the bytes of 32-bit floating-point numbers, the least significant first, in base64.
    Base64,
}

/// The vectors of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct EmbeddingList {
    /// Always `list`.
    pub object: String,
    /// A vector for each text, in order.
    pub data: Vec<Embedding>,
    /// The model that made them.
    pub model: String,
    /// Tokens read.
    pub usage: EmbeddingUsage,
}

/// The vector of a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Embedding {
    /// Always `embedding`.
    pub object: String,
    /// The text's place among the texts.
    pub index: u32,
    /// The vector, whose length is 1.
    pub embedding: EmbeddingVector,
}

/// A vector, as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum EmbeddingVector {
    /// Numbers.
    Floats(Vec<f32>),
    /// Base64.
    Base64(String),
}

/// Tokens read for embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct EmbeddingUsage {
    /// Tokens of the texts.
    pub prompt_tokens: u64,
    /// The same: nothing is generated.
    pub total_tokens: u64,
}

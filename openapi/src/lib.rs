//! Wire types of Zyron's OpenAI-compatible API.
//!
//! Shared by the server and the tests, so a field is spelled once. The names are those of OpenAI's specification. This
//! crate holds no policy: which values are accepted is the server's `validate` stage, and it builds for wasm32.
//! With the feature `utoipa` each type carries its OpenAPI schema.

pub mod admin;
pub mod batches;
pub mod chat_completions;
pub mod completions;
pub mod embeddings;
pub mod error;
pub mod finance;
pub mod health;
pub mod logprobs;
pub mod models;
pub mod one_or_many;
pub mod provenance;
pub mod response_format;
pub mod responses;
pub mod sse;
pub mod stream_options;
pub mod tokenize;
pub mod tools;
mod untagged;
pub mod usage;

pub use admin::{AdminModel, AdminModelList, AdminModelRequest, ModelStatus};
pub use batches::{
    Batch, BatchError, BatchErrors, BatchLine, BatchList, BatchRequest, BatchRequestCounts, BatchResponse, BatchResult,
    BatchResultError, BatchStatus, FileDeleted, FileList, FileObject, FileUpload,
};
pub use chat_completions::{
    ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionRequest, ContentPart,
    MessageContent, Role,
};
pub use completions::{Completion, CompletionRequest, Prompt};
pub use embeddings::{Embedding, EmbeddingList, EmbeddingRequest, EmbeddingUsage, EmbeddingVector, EncodingFormat};
pub use error::{ErrorBody, ErrorResponse};
pub use finance::{
    CheckedNumber, FinanceAnalysisRequest, FinanceFilesRequest, FinanceReport, FinanceTemplateList, ServerToolCall,
};
pub use health::Health;
pub use logprobs::{TokenLogprob, TopLogprob};
pub use models::{Model, ModelList};
pub use one_or_many::OneOrMany;
pub use provenance::{JsonWebKey, JsonWebKeySet};
pub use response_format::{JsonSchemaFormat, ResponseFormat, StructuredOutputs};
pub use responses::{InputItem, OutputItem, Response, ResponseEvent, ResponseInput, ResponseRequest};
pub use sse::ServerSentEvent;
pub use stream_options::StreamOptions;
pub use tokenize::{Detokenize, DetokenizeRequest, Tokenize, TokenizeRequest, TokenizerInfo};
pub use tools::{ChatCompletionTool, MessageToolCall, ToolChoice};
pub use usage::{KeyUsage, Usage, UsageList};

use serde::{Deserialize, Serialize};

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its answer, or a stop sequence was met.
    Stop,
    /// The token limit of the request, or the model's context, was reached.
    Length,
    /// The model calls tools and waits for their results.
    ToolCalls,
}

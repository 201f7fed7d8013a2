//! Everything between a prompt and its text that does not depend on who computes the logits.
//!
//! A backend (another crate, such as `zyron-engine-mistralrs`) implements [`Engine`]: it takes a [`GenerateRequest`],
//! runs the model, and hands each step's logits to a [`Sequence`]. The rest is done here, once, for every backend:
//! chat templates, tokenization, constraints, sampling, log-probabilities, stop strings, UTF-8 assembly, tool calls
//! and token counts. So the same request with the same seed gives the same answer on each backend, to rounding. This crate knows tokens, not HTTP.

pub mod embedding;
pub mod engine;
pub mod gguf;
pub mod grammar;
pub mod infill;
pub mod logprobs;
pub mod model;
pub mod sampler;
pub mod scripted;
pub mod sequence;
pub mod stop;
pub mod template;
pub mod tensors;
pub mod tokenizer;
pub mod tool_calls;
pub mod utf8;

pub use engine::{
    Active, Engine, EngineError, Event, FinishReason, GenerateRequest, Generation, KvCacheUse, Progress, Token,
};
pub use grammar::{Constraint, Grammar, GrammarCompiler, GrammarError};
pub use logprobs::TokenLogprobs;
pub use model::{Model, ModelError, Pooling, Weights};
pub use sampler::Sampling;
pub use sequence::{Sequence, Step};
pub use template::{ChatTemplate, Conversation, TemplateError};
pub use tensors::TensorInfo;
pub use tokenizer::{Tokenizer, TokenizerError};
pub use tool_calls::{ToolCallParser, ToolChoice, ToolFormat};

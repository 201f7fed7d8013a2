//! `POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`, in the shapes of vLLM and lm-eval.

use serde::{Deserialize, Serialize};

use crate::ChatCompletionMessageParam;

/// A text, or a conversation, to tokenize.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenizeRequest {
    /// The model's name. Default: the model that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The text. Control tokens written in it are read as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Or the conversation, rendered with the model's chat template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatCompletionMessageParam>>,
    /// Of a text: add what the tokenizer puts around one, such as a BOS token. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_special_tokens: Option<bool>,
    /// Of a conversation: end it ready for the assistant's answer. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    /// Give the tokens' spelling too. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_token_strs: Option<bool>,
}

/// The tokens of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Tokenize {
    /// How many there are.
    pub count: u64,
    /// The longest prompt plus answer, in tokens.
    pub max_model_len: u64,
    /// Their ids.
    pub tokens: Vec<u32>,
    /// Their spelling in the vocabulary, where it was asked for.
    pub token_strs: Option<Vec<String>>,
}

/// Tokens to turn into text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DetokenizeRequest {
    /// The model's name. Default: the model that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tokens' ids.
    pub tokens: Vec<u32>,
}

/// The text of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Detokenize {
    /// The text, control tokens by their spelling. Bytes that are not UTF-8 are shown as U+FFFD.
    pub prompt: String,
}

/// What a client needs to know of the tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TokenizerInfo {
    /// Always `zyron`: it is not a class of Hugging Face's library.
    pub tokenizer_class: String,
    /// How many token ids there are.
    pub vocab_size: u64,
    /// The longest prompt plus answer, in tokens.
    pub model_max_length: u64,
    /// The token that begins a text.
    pub bos_token: Option<String>,
    /// The token that ends a text.
    pub eos_token: Option<String>,
    /// The token that fills up a batch: the one that ends a text.
    pub pad_token: Option<String>,
    /// The chat template, in Jinja.
    pub chat_template: Option<String>,
}

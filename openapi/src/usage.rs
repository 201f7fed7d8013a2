//! Token counts of a request.

use serde::{Deserialize, Serialize};

/// Tokens read and written for one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Tokens of the prompt, chat template included.
    pub prompt_tokens: u64,
    /// Tokens generated, the end-of-sequence token included.
    pub completion_tokens: u64,
    /// `prompt_tokens + completion_tokens`.
    pub total_tokens: u64,
    /// Breakdown of `prompt_tokens`.
    pub prompt_tokens_details: PromptTokensDetails,
    /// Breakdown of `completion_tokens`.
    pub completion_tokens_details: CompletionTokensDetails,
}

impl Usage {
    /// The usage of a request that read `prompt_tokens` and wrote `completion_tokens`.
    #[must_use]
    pub fn new(prompt_tokens: u64, completion_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            ..Self::default()
        }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let sum = |one: u64, other: u64| one.saturating_add(other);
        let cached = sum(self.prompt_tokens_details.cached_tokens, other.prompt_tokens_details.cached_tokens);
        *self = Self::new(
            sum(self.prompt_tokens, other.prompt_tokens),
            sum(self.completion_tokens, other.completion_tokens),
        );
        self.prompt_tokens_details.cached_tokens = cached;
    }
}

/// Breakdown of the prompt's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct PromptTokensDetails {
    /// Tokens whose prefill was spared by a prefix cache.
    pub cached_tokens: u64,
    /// Always 0: Zyron reads text only.
    pub audio_tokens: u64,
}

/// Breakdown of the generated tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct CompletionTokensDetails {
    /// Always 0: no separate reasoning is reported.
    pub reasoning_tokens: u64,
    /// Always 0: Zyron writes text only.
    pub audio_tokens: u64,
    /// Always 0: `prediction` is not supported.
    pub accepted_prediction_tokens: u64,
    /// Always 0: `prediction` is not supported.
    pub rejected_prediction_tokens: u64,
}

/// What was used, a key and a day an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct UsageList {
    /// Always `list`.
    pub object: String,
    /// The entries, the latest day first.
    pub data: Vec<KeyUsage>,
}

/// What was used with a key on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct KeyUsage {
    /// The key's identifier.
    pub key: String,
    /// The day in UTC, as `2026-11-27`.
    pub day: String,
    /// Requests that were let in.
    pub requests: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Of these, the ones that were not computed again.
    pub cached_tokens: u64,
    /// Tokens of their answers.
    pub completion_tokens: u64,
}

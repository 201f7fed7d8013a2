//! `stream_options`, common to chat completions and completions.

use serde::{Deserialize, Serialize};

/// What a streamed answer carries besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {
    /// Send one more chunk before `[DONE]`, with the usage of the whole request and no choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_usage: Option<bool>,
    /// Accepted and without effect: Zyron adds no padding to its chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_obfuscation: Option<bool>,
}

//! Log-probabilities as chat completions write them.

use serde::{Deserialize, Serialize};

/// A token of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TokenLogprob {
    /// Its text; where that is not whole UTF-8, `bytes:\xc3`; of a control token, its name.
    pub token: String,
    /// The natural logarithm of its probability under the model, before temperature, penalties and truncation; -9999
    /// where it had none.
    pub logprob: f64,
    /// Its bytes, which joined over the answer are the answer's.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens at its place, likeliest first.
    pub top_logprobs: Vec<TopLogprob>,
}

/// One of the likeliest tokens at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct TopLogprob {
    /// Its text, as in [`TokenLogprob`].
    pub token: String,
    /// Its log-probability, as in [`TokenLogprob`].
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Option<Vec<u8>>,
}

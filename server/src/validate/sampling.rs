//! The sampling fields that chat completions and completions share.

use std::collections::BTreeMap;

use zyron_engine::Sampling;
use zyron_openapi::{ChatCompletionRequest, CompletionRequest};

use crate::error::ApiError;

/// More than any client sends on purpose; OpenAI allows 300 too.
const MAX_LOGIT_BIAS: usize = 1024;

/// The fields, as they came.
pub(super) struct SamplingFields<'a> {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    min_p: Option<f64>,
    frequency_penalty: Option<f64>,
    presence_penalty: Option<f64>,
    repetition_penalty: Option<f64>,
    logit_bias: Option<&'a BTreeMap<String, f64>>,
    seed: Option<i64>,
}

macro_rules! fields_of {
    ($request:ident) => {
        SamplingFields {
            temperature: $request.temperature,
            top_p: $request.top_p,
            top_k: $request.top_k,
            min_p: $request.min_p,
            frequency_penalty: $request.frequency_penalty,
            presence_penalty: $request.presence_penalty,
            repetition_penalty: $request.repetition_penalty,
            logit_bias: $request.logit_bias.as_ref(),
            seed: $request.seed,
        }
    };
}

impl<'a> SamplingFields<'a> {
    pub(super) fn of_chat(request: &'a ChatCompletionRequest) -> Self {
        fields_of!(request)
    }

    pub(super) fn of_completion(request: &'a CompletionRequest) -> Self {
        fields_of!(request)
    }

    /// Checks each field; absent ones take OpenAI's defaults, and an absent seed is drawn.
    pub(super) fn check(&self, vocabulary: usize) -> Result<Sampling, ApiError> {
        Ok(Sampling {
            temperature: within("temperature", self.temperature, 1.0, 0.0..=2.0)?,
            top_p: within("top_p", self.top_p, 1.0, 0.0..=1.0)?,
            top_k: usize::try_from(self.top_k.unwrap_or(0)).unwrap_or(usize::MAX),
            min_p: within("min_p", self.min_p, 0.0, 0.0..=1.0)?,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, 0.0, -2.0..=2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, 0.0, -2.0..=2.0)?,
            repetition_penalty: within("repetition_penalty", self.repetition_penalty, 1.0, 0.01..=2.0)?,
            logit_bias: self.logit_bias.map(|bias| logit_bias(bias, vocabulary)).transpose()?.unwrap_or_default(),
            seed: self.seed.map_or_else(rand::random, i64::cast_unsigned),
        })
    }
}

pub(super) fn within(
    param: &'static str,
    value: Option<f64>,
    default: f32,
    range: std::ops::RangeInclusive<f64>,
) -> Result<f32, ApiError> {
    match value {
        None => Ok(default),
        Some(value) if range.contains(&value) => Ok(value as f32),
        Some(value) => {
            let (least, most) = (range.start(), range.end());
            Err(ApiError::invalid(param, format!("`{param}` is {value}; it must be from {least} to {most}.")))
        }
    }
}

fn logit_bias(bias: &BTreeMap<String, f64>, vocabulary: usize) -> Result<Vec<(u32, f32)>, ApiError> {
    if bias.len() > MAX_LOGIT_BIAS {
        return Err(ApiError::invalid("logit_bias", format!("`logit_bias` takes at most {MAX_LOGIT_BIAS} tokens.")));
    }
    bias.iter()
        .map(|(token, &value)| {
            let id = token.parse::<u32>().ok().filter(|&id| (id as usize) < vocabulary);
            let id = id.ok_or_else(|| {
                ApiError::invalid("logit_bias", format!("`logit_bias` takes token ids below {vocabulary}."))
            })?;
            Ok((id, within("logit_bias", Some(value), 0.0, -100.0..=100.0)?))
        })
        .collect()
}

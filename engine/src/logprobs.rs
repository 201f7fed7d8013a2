//! Log-probabilities of tokens: natural logarithms, over the model's own distribution.
//!
//! They are taken from the logits as the model gave them, before penalties, bias, constraint, temperature and
//! truncation, so they say what the model thinks and not how the request samples.

use crate::EngineError;

/// What stands for the logarithm of 0, which JSON cannot write; OpenAI's server says the same.
const LEAST: f32 = -9999.0;

/// A token and its alternatives at one position.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// The token that stands there.
    pub id: u32,
    /// Its log-probability.
    pub logprob: f32,
    /// The likeliest tokens there, likeliest first (the lowest id among equals); as many as were asked for.
    pub top: Vec<(u32, f32)>,
}

/// The log-probabilities of one position.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    logits: Vec<f32>,
    /// The logarithm of the sum of all exponentials.
    total: f64,
}

impl Distribution {
    /// # Errors
    /// [`EngineError::NoFiniteLogit`].
    pub(crate) fn new(logits: &[f32]) -> Result<Self, EngineError> {
        let total = log_sum_exp(logits).ok_or(EngineError::NoFiniteLogit)?;
        Ok(Self { logits: logits.to_vec(), total })
    }

    /// The entry of token `id`, with the `top` likeliest tokens.
    pub(crate) fn of(&self, id: u32, top: usize) -> TokenLogprobs {
        of_row(&self.logits, self.total, id, top)
    }
}

/// The entry of token `id` where the model gave `logits`, with the `top` likeliest tokens.
///
/// # Errors
/// [`EngineError::NoFiniteLogit`].
pub(crate) fn of(logits: &[f32], id: u32, top: usize) -> Result<TokenLogprobs, EngineError> {
    let total = log_sum_exp(logits).ok_or(EngineError::NoFiniteLogit)?;
    Ok(of_row(logits, total, id, top))
}

fn of_row(logits: &[f32], total: f64, id: u32, top: usize) -> TokenLogprobs {
    let logprob = |logit: f32| ((f64::from(logit) - total) as f32).max(LEAST);
    let own = logits.get(id as usize).copied().map_or(LEAST, logprob);
    TokenLogprobs { id, logprob: own, top: likeliest(logits, top).map(|(id, logit)| (id, logprob(logit))).collect() }
}

fn log_sum_exp(logits: &[f32]) -> Option<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() {
        return None;
    }
    // NaN, which a sum would spread, counts as impossible.
    let sum: f64 = logits.iter().filter(|logit| !logit.is_nan()).map(|&logit| f64::from(logit - max).exp()).sum();
    Some(f64::from(max) + sum.ln())
}

/// The `count` greatest logits, greatest first.
fn likeliest(logits: &[f32], count: usize) -> impl Iterator<Item = (u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    if count > 0 {
        for (id, &logit) in (0u32..).zip(logits) {
            let full = best.len() == count;
            if logit.is_nan() || (full && best.last().is_some_and(|&(_, least)| logit <= least)) {
                continue;
            }
            let at = best.partition_point(|&(_, other)| other >= logit);
            best.insert(at, (id, logit));
            best.truncate(count);
        }
    }
    best.into_iter()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn logarithms_are_natural_and_sum_to_one() {
        let entry = of(&[0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln()], 1, 3).unwrap();
        assert!((entry.logprob - 0.3f32.ln()).abs() < 1e-6);
        assert_eq!(entry.top.iter().map(|&(id, _)| id).collect::<Vec<_>>(), [0, 1, 2]);
        let sum: f32 = entry.top.iter().map(|&(_, logprob)| logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert_eq!(entry.top[1].1, entry.logprob, "one float for one token");
    }

    #[test]
    fn what_is_impossible_has_a_number_too() {
        let entry = of(&[0.0, f32::NEG_INFINITY, f32::NAN], 1, 5).unwrap();
        assert_eq!((entry.logprob, entry.top), (LEAST, vec![(0, 0.0), (1, LEAST)]));
        assert_eq!(of(&[0.0, f32::NEG_INFINITY, f32::NAN], 2, 0).unwrap().logprob, LEAST);
        assert_eq!(of(&[f32::NAN], 0, 1), Err(EngineError::NoFiniteLogit));
        assert_eq!(of(&[], 0, 1), Err(EngineError::NoFiniteLogit));
    }

    proptest! {
        #[test]
        fn the_likeliest_are_those_of_a_sort(logits in prop::collection::vec(-5i8..5, 1..60), count in 0usize..25) {
            let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
            let mut sorted: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            sorted.truncate(count);
            prop_assert_eq!(likeliest(&logits, count).collect::<Vec<_>>(), sorted);
        }
    }
}

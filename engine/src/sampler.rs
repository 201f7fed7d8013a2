//! Chooses the next token from the logits. One implementation for every backend.
//!
//! The order is that of the field: penalties and bias, temperature, `min_p`, `top_k`, `top_p`, then one draw. The draw
//! for a position depends on the seed and that position alone, so a request gives the same answer alone, among others,
//! or when a position is computed twice.

use std::collections::{HashMap, HashSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::EngineError;

/// How the next token is chosen. The default is greedy.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token (the lowest id among equals).
    pub temperature: f32,
    /// Keep the likeliest tokens that hold this share of the probability (Holtzman et al., 2020). 1 keeps all.
    pub top_p: f32,
    /// Keep this many likeliest tokens. 0 keeps all.
    pub top_k: usize,
    /// Keep tokens at least this likely, relative to the likeliest (Nguyen et al., 2024). 0 keeps all.
    pub min_p: f32,
    /// Subtracted from a token's logit for each time it was generated.
    pub frequency_penalty: f32,
    /// Subtracted from a token's logit once it was generated.
    pub presence_penalty: f32,
    /// Divides the positive logits, and multiplies the negative ones, of tokens in the prompt or the answer
    /// (Keskar et al., 2019). 1 changes nothing.
    pub repetition_penalty: f32,
    /// Added to the logits of these token ids. Ids outside the vocabulary are without effect.
    pub logit_bias: Vec<(u32, f32)>,
    /// The source of chance.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

/// The sampling state of one request.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: ChaCha8Rng,
    /// Tokens of the prompt; kept only where a repetition penalty asks for them.
    prompt: HashSet<u32>,
    /// How often each token was generated.
    generated: HashMap<u32, u32>,
    position: u64,
    scratch: Vec<(f32, u32)>,
}

impl Sampler {
    /// The sampler of a request that continues `prompt`.
    #[must_use]
    pub fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let prompt = if sampling.repetition_penalty == 1.0 { HashSet::new() } else { prompt.iter().copied().collect() };
        let rng = ChaCha8Rng::seed_from_u64(sampling.seed);
        Self { sampling, rng, prompt, generated: HashMap::new(), position: 0, scratch: Vec::new() }
    }

    /// Chooses the next token from `logits` (one per token id; changed in place) and remembers it.
    ///
    /// # Errors
    /// [`EngineError::NoFiniteLogit`] when no token can be chosen.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<u32, EngineError> {
        self.apply_penalties(logits);
        let (best, max) = argmax(logits).ok_or(EngineError::NoFiniteLogit)?;
        let random = self.sampling.temperature > 0.0 && max.is_finite();
        let token = if random { self.draw(logits, max) } else { best };
        *self.generated.entry(token).or_default() += 1;
        self.position += 1;
        Ok(token)
    }

    fn apply_penalties(&self, logits: &mut [f32]) {
        let sampling = &self.sampling;
        if sampling.repetition_penalty != 1.0 {
            let answer = self.generated.keys().filter(|token| !self.prompt.contains(token));
            for &token in self.prompt.iter().chain(answer) {
                if let Some(logit) = logits.get_mut(token as usize) {
                    *logit = if *logit > 0.0 {
                        *logit / sampling.repetition_penalty
                    } else {
                        *logit * sampling.repetition_penalty
                    };
                }
            }
        }
        if sampling.frequency_penalty != 0.0 || sampling.presence_penalty != 0.0 {
            for (&token, &count) in &self.generated {
                if let Some(logit) = logits.get_mut(token as usize) {
                    *logit -= sampling.frequency_penalty * count as f32 + sampling.presence_penalty;
                }
            }
        }
        for &(token, bias) in &sampling.logit_bias {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit += bias;
            }
        }
    }

    /// Draws a token. `max` is the greatest logit.
    fn draw(&mut self, logits: &mut [f32], max: f32) -> u32 {
        let temperature = self.sampling.temperature;
        // Weights are relative to the likeliest token's, which is 1: no overflow whatever the temperature.
        for logit in logits.iter_mut() {
            // `max` drops NaN, which no comparison would.
            *logit = ((*logit - max) / temperature).exp().max(0.0);
        }
        // A stream per position: the draw does not depend on how many draws came before.
        self.rng.set_stream(self.position);
        self.rng.set_word_pos(0);
        let chance: f64 = self.rng.random();
        if self.sampling.min_p <= 0.0 && self.sampling.top_k == 0 && self.sampling.top_p >= 1.0 {
            return pick(logits.iter().copied().zip(0..), chance);
        }
        self.keep_likeliest(logits);
        pick(self.scratch.iter().copied(), chance)
    }

    /// Fills `scratch` with the tokens that `min_p`, `top_k` and `top_p` leave, likeliest first.
    fn keep_likeliest(&mut self, weights: &[f32]) {
        let &Sampling { min_p, top_k, top_p, .. } = &self.sampling;
        let mut total: f64 = weights.iter().filter(|&&weight| weight >= min_p).map(|&weight| f64::from(weight)).sum();
        // Tokens lighter than this hold, all together, less than what top_p may drop: they need not be sorted.
        let negligible =
            if top_k == 0 { ((1.0 - f64::from(top_p)) * total / weights.len() as f64) as f32 } else { 0.0 };
        let least = min_p.max(negligible).max(f32::MIN_POSITIVE);
        self.scratch.clear();
        self.scratch.extend(weights.iter().copied().zip(0..).filter(|&(weight, _)| weight >= least));
        let by_weight = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if top_k > 0 && top_k < self.scratch.len() {
            self.scratch.select_nth_unstable_by(top_k - 1, by_weight);
            self.scratch.truncate(top_k);
            total = self.scratch.iter().map(|&(weight, _)| f64::from(weight)).sum();
        }
        self.scratch.sort_unstable_by(by_weight);
        if top_p < 1.0 {
            let mut sum = 0.0;
            let kept = self.scratch.iter().take_while(|&&(weight, _)| {
                let wanted = sum < f64::from(top_p) * total;
                sum += f64::from(weight);
                wanted
            });
            let kept = kept.count().max(1);
            self.scratch.truncate(kept);
        }
    }
}

/// The greatest logit and the lowest id that has it. NaN is never chosen.
fn argmax(logits: &[f32]) -> Option<(u32, f32)> {
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    // Independent lanes, because a single running maximum cannot be vectorized.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = logits.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = greater(*lane, logit);
        }
    }
    let max = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, greater);
    if max == f32::NEG_INFINITY {
        return None;
    }
    let id = logits.iter().position(|&logit| logit == max)?;
    Some((u32::try_from(id).ok()?, max))
}

/// The token at which the running sum of weights passes `chance` (0 to 1) of their total.
fn pick(weights: impl Iterator<Item = (f32, u32)> + Clone, chance: f64) -> u32 {
    let total: f64 = weights.clone().map(|(weight, _)| f64::from(weight)).sum();
    let target = chance * total;
    let mut sum = 0.0;
    let mut last = 0;
    for (weight, token) in weights {
        if weight > 0.0 {
            sum += f64::from(weight);
            last = token;
            if sum > target {
                break;
            }
        }
    }
    last
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;

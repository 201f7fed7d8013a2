//! Requests that are the same for everyone, and the same each time: token ids, made from a seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use zyron_engine::Model;

/// What to ask for: a prompt, and how many tokens.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) prompt: Vec<u32>,
    pub(crate) tokens: usize,
}

/// Makes requests.
pub(crate) struct Workload {
    rng: StdRng,
    /// Tokens that are words or their beginnings.
    words: Vec<u32>,
}

impl Workload {
    pub(crate) fn new(model: &Model, seed: u64) -> Self {
        let tokenizer = &model.tokenizer;
        let is_word = |id: &u32| {
            let bytes = tokenizer.text_bytes(*id);
            bytes.len() > 3 && bytes.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b' ')
        };
        let words = (0..u32::try_from(tokenizer.vocabulary_size()).unwrap_or(u32::MAX)).filter(is_word).take(5000);
        Self { rng: StdRng::seed_from_u64(seed), words: words.collect() }
    }

    /// A prompt of exactly `tokens`, unlike any other from its beginning on.
    pub(crate) fn prompt(&mut self, tokens: usize) -> Vec<u32> {
        (0..tokens).map(|_| self.words[self.rng.random_range(0..self.words.len())]).collect()
    }

    /// Requests of mixed lengths, as chats are: most short, some with a document.
    pub(crate) fn mixed(&mut self, count: usize) -> Vec<Ask> {
        (0..count)
            .map(|_| {
                let prompt = match self.rng.random_range(0..10) {
                    0..5 => self.rng.random_range(16..64),
                    5..9 => self.rng.random_range(64..256),
                    _ => self.rng.random_range(256..512),
                };
                let tokens = self.rng.random_range(16..128);
                Ask { prompt: self.prompt(prompt), tokens }
            })
            .collect()
    }

    /// Seconds between arrivals, with `rate` of them a second on average and no memory (a Poisson process).
    pub(crate) fn pause(&mut self, rate: f64) -> f64 {
        -(1.0 - self.rng.random::<f64>()).ln() / rate
    }

    /// A workload of pauses only.
    pub(crate) fn of_pauses(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), words: Vec::new() }
    }
}

//! The loop that runs an embedding model: as many whole texts in a step as there is room for, first come, first served.
//! What nobody waits for (batches) is read one text at a time, and only while nothing else waits.
//!
//! Nothing outlives a step: a text's tokens are computed together, its vector is taken, and the cache, where the model has
//! one, is emptied.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use zyron_engine::EngineError;

use crate::Report;
use crate::scheduler::{Arrival, Ended, receive};

/// The loop's state.
pub(crate) struct Embedder<'model> {
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    /// Tokens of a step, at most.
    tokens: usize,
    /// Texts of a step, at most.
    texts: usize,
    waiting: VecDeque<Arrival>,
    /// Those that nobody waits for.
    background: VecDeque<Arrival>,
}

impl<'model> Embedder<'model> {
    pub(crate) fn new(context: LlamaContext<'model>, tokens: usize, texts: usize) -> Self {
        let batch = LlamaBatch::new(tokens, 1);
        Self { context, batch, tokens, texts, waiting: VecDeque::new(), background: VecDeque::new() }
    }

    /// Embeds a token. What cannot be computed shows here.
    pub(crate) fn warm_up(&mut self) -> Result<(), EngineError> {
        let vectors = self.compute(&[&[0]])?;
        if vectors.iter().flatten().all(|value| value.is_finite()) { Ok(()) } else { Err(EngineError::NoEmbedding) }
    }

    /// Serves what arrives until nothing can any more.
    pub(crate) fn run(&mut self, arrivals: &Receiver<Arrival>, report: &Report) {
        let _ended = Ended(report);
        while self.receive(arrivals) {
            let mut texts = self.take();
            let prompts: Vec<&[u32]> = texts.iter().map(|text| text.sequence.prompt()).collect();
            let vectors = if prompts.is_empty() { Ok(Vec::new()) } else { self.compute(&prompts) };
            match vectors {
                Ok(vectors) => texts.iter_mut().zip(vectors).for_each(|(text, vector)| {
                    text.sequence.embed(vector);
                }),
                Err(error) => texts.iter_mut().for_each(|text| {
                    text.sequence.fail(error.clone());
                }),
            }
            report.steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes what has arrived, and waits for it where there is nothing else to do. False once the engine was dropped.
    fn receive(&mut self, arrivals: &Receiver<Arrival>) -> bool {
        let is_idle = self.waiting.is_empty() && self.background.is_empty();
        receive(arrivals, is_idle, |text| {
            let queue = if text.sequence.is_background() { &mut self.background } else { &mut self.waiting };
            queue.push_back(text);
        })
    }

    /// The texts of the next step.
    fn take(&mut self) -> Vec<Arrival> {
        for queue in [&mut self.waiting, &mut self.background] {
            queue.retain(|text| !text.sequence.is_cancelled());
        }
        let fitting = how_many(self.waiting.iter().map(|text| text.sequence.prompt().len()), self.tokens);
        // One that is too long by itself fails; it may not keep the others waiting for ever.
        let next = fitting.clamp(1, self.texts).min(self.waiting.len());
        let texts: Vec<Arrival> = self.waiting.drain(..next).collect();
        if texts.is_empty() { self.background.pop_front().into_iter().collect() } else { texts }
    }

    /// A vector for each text.
    fn compute(&mut self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError::Backend(error.to_string());
        self.batch.clear();
        for (text, place) in texts.iter().zip(0..) {
            for (&token, position) in text.iter().zip(0..) {
                // All are asked for: a text's vector is made of those of its tokens.
                let token = LlamaToken::new(i32::try_from(token).unwrap_or(i32::MAX));
                self.batch.add(token, position, &[place], true).map_err(|error| failed(&error))?;
            }
        }
        // Not `clear_kv_cache`, which writes zeros over all of it.
        let _ = self.context.clear_kv_cache_seq(None, None, None);
        self.context.decode(&mut self.batch).map_err(|error| failed(&error))?;
        let vector = |place| self.context.embeddings_seq_ith(place).map(<[f32]>::to_vec);
        (0..).take(texts.len()).map(|place| vector(place).map_err(|error| failed(&error))).collect()
    }
}

/// How many of these lengths, from the first on, are no more than `room` together.
fn how_many(lengths: impl Iterator<Item = usize>, room: usize) -> usize {
    let ends = lengths.scan(0, |end: &mut usize, length| {
        *end = end.saturating_add(length);
        Some(*end)
    });
    ends.take_while(|&end| end <= room).count()
}

#[cfg(test)]
mod tests {
    use super::how_many;

    #[test]
    fn a_step_has_no_more_than_there_is_room_for() {
        assert_eq!(how_many([3, 4, 1].into_iter(), 8), 3);
        assert_eq!(how_many([3, 4, 2].into_iter(), 8), 2);
        assert_eq!(how_many([9, 1].into_iter(), 8), 0);
        assert_eq!(how_many([1, usize::MAX].into_iter(), 8), 1);
    }
}

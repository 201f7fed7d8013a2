//! How much of a prompt is read beside running answers, so that none of them is held up.
//!
//! A step computes one token for each running answer, and some of the prompts that wait. The prompts' share is
//! measured out in time: with it a step takes no more than [`STRETCH`] times what the answers' tokens take alone, or
//! [`UNNOTICED`], whichever is longer.

use std::time::Duration;

/// How much longer a step may take for the prompts read in it.
const STRETCH: f64 = 1.6;
/// A step so short that nobody notices: 30 tokens a second, which is faster than anyone reads.
const UNNOTICED: Duration = Duration::from_millis(33);
/// The fewest tokens of a prompt read in a step: it ends some time.
const LEAST: usize = 8;
/// The weight of a new measurement.
const NEW: f64 = 0.3;

/// What steps took.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Most tokens of prompts in a step.
    most: usize,
    /// Seconds of a step that only decodes, by its number of tokens less one.
    decode: Vec<Option<f64>>,
    /// Seconds that a token of a prompt adds to a step.
    prefill: Option<f64>,
}

impl Pace {
    pub(crate) fn new(most: usize, sequences: usize) -> Self {
        Self { most, decode: vec![None; sequences], prefill: None }
    }

    /// Tokens of prompts to read beside `decodes` running answers.
    pub(crate) fn chunk(&self, decodes: usize) -> usize {
        if decodes == 0 {
            return self.most;
        }
        let Some(token) = self.prefill else { return LEAST.min(self.most) };
        let alone = self.alone(decodes);
        let allowed = (alone * STRETCH).max(UNNOTICED.as_secs_f64()) - alone;
        ((allowed / token) as usize).clamp(LEAST.min(self.most), self.most)
    }

    /// Notes what a step took that computed a token for each of `decodes` answers and `prefill` tokens of prompts.
    pub(crate) fn record(&mut self, decodes: usize, prefill: usize, took: Duration) {
        let took = took.as_secs_f64();
        if prefill == 0 {
            if let Some(known) = decodes.checked_sub(1).and_then(|index| self.decode.get_mut(index)) {
                blend(known, took);
            }
            return;
        }
        // A step's fixed part would make few tokens look expensive; it counts among the answers' where there are any.
        let fixed = if decodes > 0 { self.alone(decodes) } else { 0.0 };
        let token = (took - fixed) / prefill as f64;
        blend(&mut self.prefill, token.max(took / 20.0 / prefill as f64));
    }

    /// What a step of `decodes` tokens takes, by the nearest that was measured.
    fn alone(&self, decodes: usize) -> f64 {
        let known = self.decode.iter().enumerate().filter_map(|(index, time)| Some((index + 1, (*time)?)));
        let nearest = known.min_by_key(|&(count, _)| count.abs_diff(decodes));
        // Between in proportion and not at all: a step's fixed part is about half of it.
        nearest.map_or(0.0, |(count, time)| time * (1.0 + decodes as f64 / count as f64) / 2.0)
    }
}

fn blend(known: &mut Option<f64>, new: f64) {
    *known = Some(known.map_or(new, |old| old + NEW * (new - old)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_prompt_alone_is_read_at_full_width() {
        assert_eq!(Pace::new(512, 4).chunk(0), 512);
    }

    #[test]
    fn beside_answers_it_gets_a_share_of_their_time() {
        let mut pace = Pace::new(512, 8);
        pace.record(8, 0, 100 * MS);
        pace.record(0, 500, 500 * MS);
        // 1.6 times 100 ms leaves 60 ms, at 1 ms a token.
        assert_eq!(pace.chunk(8), 60);
    }

    #[test]
    fn a_short_step_may_grow_to_what_nobody_notices() {
        let mut pace = Pace::new(512, 8);
        pace.record(1, 0, 3 * MS);
        pace.record(0, 500, 500 * MS);
        assert_eq!(pace.chunk(1), 30);
    }

    #[test]
    fn it_is_never_nothing_and_adapts() {
        let mut pace = Pace::new(512, 8);
        pace.record(8, 0, 100 * MS);
        pace.record(8, 10, 5000 * MS);
        assert_eq!(pace.chunk(8), LEAST);
        for _ in 0..50 {
            pace.record(8, 10, 110 * MS);
        }
        assert!((59..=61).contains(&pace.chunk(8)), "{}", pace.chunk(8));
    }
}

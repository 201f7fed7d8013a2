//! How much of the prompts is read beside running answers, so that neither is held up by the other.
//!
//! A step computes one token for each running answer, and some of the prompts that wait. The prompts' part is measured
//! out in time: a request that is being read gets [`WEIGHT`] times the share of a step that one that is answered gets,
//! for nobody has seen anything of it yet. But the prompts get at least [`LEAST`] of what the answers take, so that a
//! long one among many answers comes to its end, and where the shares would make a step longer than [`SHORT`] they get
//! no more than that: answers do not stall.

use std::time::Duration;

/// The prompts' least time in a step, as a multiple of the answers': with it, a step takes less than twice as long.
const LEAST: f64 = 0.75;
/// How much more of a step a prompt gets than an answer.
const WEIGHT: f64 = 4.0;
/// A step that is short enough: four tokens a second, for as long as many prompts come in.
const SHORT: Duration = Duration::from_millis(250);
/// The fewest tokens of prompts in a step: they end some time.
const FEWEST: usize = 4;
/// The most tokens with which what a token costs is not told from what a step costs.
const FEW: usize = 32;
/// The weight of a new measurement.
const NEW: f64 = 0.2;

/// What steps took, in seconds.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Most tokens of prompts in a step.
    most: usize,
    /// A step that only decodes, by its number of tokens less one.
    decode: Vec<Option<f64>>,
    /// What a token of a prompt adds to a step.
    token: Option<f64>,
    /// What prompts add to a step that decodes, however short their part: another pass over the weights.
    pass: Option<f64>,
}

impl Pace {
    pub(crate) fn new(most: usize, sequences: usize) -> Self {
        Self { most, decode: vec![None; sequences], token: None, pass: None }
    }

    /// Tokens of a prompt that are computed in `time`.
    pub(crate) fn tokens_in(&self, time: Duration) -> usize {
        self.token.map_or(0, |token| (time.as_secs_f64() / token) as usize)
    }

    /// Tokens of prompts to read beside `decodes` running answers, where `waiting` requests are being read.
    pub(crate) fn chunk(&self, decodes: usize, waiting: usize) -> usize {
        let Some(token) = self.token.filter(|_| decodes > 0) else { return self.most };
        let answers = self.alone(decodes);
        let least = answers * LEAST;
        let most = (SHORT.as_secs_f64() - answers).max(least);
        let share = (answers * WEIGHT * waiting as f64 / decodes as f64).clamp(least, most);
        (((share - self.pass.unwrap_or(0.0)) / token).max(0.0) as usize).clamp(FEWEST, self.most)
    }

    /// Notes what a step took that computed a token for each of `decodes` answers and `prefill` tokens of prompts.
    pub(crate) fn record(&mut self, decodes: usize, prefill: usize, took: Duration) {
        let took = took.as_secs_f64();
        match (decodes, prefill) {
            (0, 0) => {}
            (0, prefill) if prefill < FEW => {}
            (0, prefill) => blend(&mut self.token, took / prefill as f64),
            (decodes, 0) => {
                if let Some(known) = self.decode.get_mut(decodes - 1) {
                    blend(known, took);
                }
            }
            (decodes, prefill) => {
                let added = (took - self.alone(decodes)).max(0.0);
                match self.token {
                    None => self.token = Some(added / prefill as f64),
                    Some(token) => blend(&mut self.pass, (added - token * prefill as f64).max(0.0)),
                }
            }
        }
    }

    /// What a step of `decodes` tokens takes, by the nearest that was measured.
    fn alone(&self, decodes: usize) -> f64 {
        let known = self.decode.iter().enumerate().filter_map(|(index, time)| Some((index + 1, (*time)?)));
        let nearest = known.min_by_key(|&(count, _)| count.abs_diff(decodes));
        // Half of a step is a pass over the weights, the other half is in proportion.
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

    /// Steps with eight answers take 100 ms, a token of a prompt 1 ms.
    fn pace() -> Pace {
        let mut pace = Pace::new(512, 8);
        pace.record(8, 0, 100 * MS);
        pace.record(0, 500, 500 * MS);
        pace
    }

    #[test]
    fn a_prompt_alone_is_read_at_full_width() {
        assert_eq!(pace().chunk(0, 1), 512);
    }

    #[test]
    fn a_long_prompt_leaves_the_answers_their_time() {
        assert_eq!(pace().chunk(8, 1), 75);
    }

    #[test]
    fn who_waits_gets_more_than_who_is_answered() {
        let mut pace = Pace::new(512, 8);
        pace.record(2, 0, 20 * MS);
        pace.record(0, 500, 500 * MS);
        assert_eq!(pace.chunk(2, 1), 40);
        assert_eq!(pace.chunk(2, 2), 80);
        assert_eq!(pace.chunk(2, 60), 230, "a step stays short");
    }

    #[test]
    fn another_pass_is_reckoned_with() {
        let mut pace = pace();
        for _ in 0..50 {
            pace.record(8, 10, 140 * MS);
        }
        assert!((44..=46).contains(&pace.chunk(8, 1)), "{}", pace.chunk(8, 1));
        for _ in 0..50 {
            pace.record(8, 10, 1000 * MS);
        }
        assert_eq!(pace.chunk(8, 1), FEWEST, "never nothing");
    }

    #[test]
    fn what_is_not_known_yet_is_tried() {
        assert_eq!(Pace::new(512, 8).chunk(3, 1), 512);
    }
}

//! How much of the prompts is read beside running answers, so that neither is held up by the other.
//!
//! A step computes one token for each running answer, and some of the prompts that wait. The prompts' part is measured
//! out in time: a request that is being read gets [`WEIGHT`] times the share of a step that one that is answered gets,
//! for nobody has seen anything of it yet. But a long prompt among many answers gets no less than lets a step take
//! `stretch` times as long as without it, and comes to its end; and where the shares would make a step longer than
//! [`SHORT`] and than that, they get no more: answers do not stall.
//!
//! What the answers take alone changes while a prompt is read, with their lengths and with what else the machine does.
//! Where both are computed in one pass, one of [`REMEASURED`] steps therefore reads no prompt.

use std::time::Duration;

/// How much more of a step a prompt gets than an answer.
const WEIGHT: f64 = 4.0;
/// A step that is short enough: two tokens a second, for as long as many prompts come in.
const SHORT: Duration = Duration::from_millis(500);
/// What is left of a stretch for what cannot be foreseen.
const MARGIN: f64 = 0.8;
/// The least of a prompt that is read in a step: were what it takes misjudged, it would still come to its end.
const LEAST: usize = 4;
/// Of so many steps in a row one leaves the prompts alone, for what the answers take to be measured.
const REMEASURED: usize = 16;
/// The fewest tokens of a prompt with which what a token costs is told from what a step costs.
const MANY: usize = 32;
/// The weight of a new measurement.
const NEW: f64 = 0.3;

/// What steps took, in seconds.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Most tokens of prompts in a step.
    most: usize,
    /// How many times as long a step may take with a prompt.
    stretch: f64,
    /// A step that only decodes, by its number of tokens less one.
    decode: Vec<Option<f64>>,
    /// A pass over the weights, whatever it computes.
    pass: f64,
    /// A token of a prompt that is read alone, beside the pass.
    alone: Option<f64>,
    /// A token of a prompt that is read beside answers, beside the pass where it has one of its own.
    beside: Option<f64>,
    /// Whether a step computes prompts in a pass of their own.
    apart: bool,
    /// Passes in a row that computed both.
    mixed: usize,
}

impl Pace {
    pub(crate) fn new(most: usize, stretch: f64, sequences: usize, apart: bool) -> Self {
        Self { most, stretch, apart, decode: vec![None; sequences], pass: 0.0, alone: None, beside: None, mixed: 0 }
    }

    /// Notes what passes took over one token and over `tokens`.
    pub(crate) fn record_first(&mut self, one: Duration, (tokens, took): (usize, Duration)) {
        let (one, took) = (one.as_secs_f64(), took.as_secs_f64());
        // One that took longer than many was disturbed.
        let token = ((took - one) / (tokens.max(2) - 1) as f64).max(took / tokens as f64 / 2.0);
        self.pass = (took - token * tokens as f64).clamp(0.0, took / 2.0);
        self.alone = Some((took - self.pass) / tokens as f64);
    }

    /// Answers that are computed along with others in the time of a pass of their own.
    pub(crate) fn worth_a_pass(&self) -> usize {
        self.alone.map_or(0, |token| (self.pass / token) as usize)
    }

    /// Tokens of a prompt that are computed in `time`.
    pub(crate) fn tokens_in(&self, time: Duration) -> usize {
        self.alone.map_or(0, |token| (time.as_secs_f64() / token) as usize)
    }

    /// Tokens of prompts to read beside `decodes` running answers, where `waiting` requests are being read. At times none.
    pub(crate) fn chunk(&self, decodes: usize, waiting: usize) -> usize {
        if decodes > 0 && self.mixed + 1 >= REMEASURED {
            return 0;
        }
        let Some(token) = self.beside.or(self.alone).filter(|_| decodes > 0) else { return self.most };
        let answers = self.answers(decodes);
        let least = answers * (self.stretch - 1.0) * MARGIN;
        let most = (SHORT.as_secs_f64() - answers).max(least);
        let share = (answers * WEIGHT * waiting as f64 / decodes as f64).clamp(least, most);
        let pass = if self.apart { self.pass } else { 0.0 };
        (((share - pass).max(0.0) / token) as usize).clamp(LEAST, self.most)
    }

    /// Notes what a pass took over `prefill` tokens of prompts, in a step that computes answers in a pass of their own.
    pub(crate) fn record_beside(&mut self, prefill: usize, took: Duration) {
        let token = ((took.as_secs_f64() - self.pass) / prefill as f64).max(self.least());
        blend(&mut self.beside, token);
    }

    /// Notes what a pass took that computed a token for each of `decodes` answers and `prefill` tokens of prompts.
    pub(crate) fn record(&mut self, decodes: usize, prefill: usize, took: Duration) {
        let took = took.as_secs_f64();
        self.mixed = if decodes > 0 && prefill > 0 { self.mixed + 1 } else { 0 };
        match (decodes, prefill) {
            (0, prefill) if prefill >= MANY => blend(&mut self.alone, (took - self.pass).max(0.0) / prefill as f64),
            (0, _) => {}
            (decodes, 0) => {
                if let Some(known) = self.decode.get_mut(decodes - 1) {
                    blend(known, took);
                }
            }
            (decodes, prefill) => {
                let token = ((took - self.answers(decodes)) / prefill as f64).max(self.least());
                blend(&mut self.beside, token);
            }
        }
    }

    /// What a token of a prompt takes at least, beside answers: half of what it takes alone, as the rest is estimated.
    fn least(&self) -> f64 {
        self.alone.unwrap_or(0.0) / 2.0
    }

    /// What a step of `decodes` tokens takes, by the nearest that was measured.
    fn answers(&self, decodes: usize) -> f64 {
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
        let mut pace = Pace::new(512, 2.0, 8, false);
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
        assert_eq!(pace().chunk(8, 1), 80);
    }

    #[test]
    fn who_waits_gets_more_than_who_is_answered() {
        let mut pace = Pace::new(512, 2.0, 8, false);
        pace.record(2, 0, 20 * MS);
        pace.record(0, 500, 500 * MS);
        assert_eq!(pace.chunk(2, 1), 40);
        assert_eq!(pace.chunk(2, 2), 80);
        assert_eq!(pace.chunk(2, 60), 480, "a step stays short");
    }

    #[test]
    fn what_small_pieces_cost_is_learnt() {
        let mut pace = pace();
        for _ in 0..50 {
            pace.record(8, 20, 140 * MS);
        }
        pace.record(8, 0, 100 * MS);
        assert!((39..=40).contains(&pace.chunk(8, 1)), "{}", pace.chunk(8, 1));
        for _ in 0..50 {
            pace.record(8, 10, 2000 * MS);
        }
        pace.record(8, 0, 100 * MS);
        assert_eq!(pace.chunk(8, 1), LEAST, "it comes to its end");
    }

    #[test]
    fn small_pieces_do_not_look_dearer_than_they_are_and_become_smaller_for_it() {
        // A pass takes 10 ms, and 1 ms a token.
        let mut pace = Pace::new(512, 2.0, 8, true);
        pace.record_first(11 * MS, (32, 42 * MS));
        pace.record(8, 0, 100 * MS);
        for _ in 0..50 {
            let chunk = pace.chunk(8, 1);
            assert!((68..=70).contains(&chunk), "{chunk}");
            pace.record_beside(chunk, MS * (10 + chunk as u32));
        }
        assert!((9..=10).contains(&pace.worth_a_pass()));
    }

    #[test]
    fn a_first_measurement_that_was_disturbed_is_no_negative_time() {
        let mut pace = Pace::new(512, 2.0, 8, true);
        pace.record_first(400 * MS, (32, 42 * MS));
        pace.record(8, 0, 100 * MS);
        assert!((20..=130).contains(&pace.chunk(8, 1)), "{}", pace.chunk(8, 1));
        assert!(pace.tokens_in(100 * MS) > 0);
    }

    #[test]
    fn what_answers_take_is_measured_again_while_a_prompt_is_read() {
        let mut pace = pace();
        let read: Vec<bool> = (0..2 * REMEASURED)
            .map(|_| {
                let chunk = pace.chunk(8, 1);
                pace.record(8, chunk, 180 * MS);
                chunk > 0
            })
            .collect();
        let once = [vec![true; REMEASURED - 1], vec![false]].concat();
        assert_eq!(read, once.repeat(2));
        assert!(pace.chunk(8, 1) > 80, "the answers' steps are longer now");
    }

    #[test]
    fn what_is_not_known_yet_is_tried() {
        assert_eq!(Pace::new(512, 2.0, 8, false).chunk(3, 1), 512);
    }
}

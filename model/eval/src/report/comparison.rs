//! Two runs, compared over the items that both have: the differences of the same items vary less than their scores.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Report, Scores, average};
use crate::results::Run;
use crate::statistics::{Interval, Sample, bootstrap, mean};
use crate::tasks::Task;

/// Fewer items than that decide nothing: with five, chance alone makes one side win all of them one time in sixteen.
const FEWEST: usize = 6;

/// A run beside another.
#[derive(Serialize, Deserialize)]
pub(super) struct Comparison {
    /// The other run.
    pub(super) against: Run,
    pub(super) tasks: Vec<TaskDifference>,
    /// Over the tasks that both have whose items are right or wrong.
    pub(super) overall: Option<Difference>,
    /// What the runs do not have in common.
    pub(super) warnings: Vec<String>,
}

/// What a task says.
#[derive(Serialize, Deserialize)]
pub(super) struct TaskDifference {
    pub(super) task: Task,
    #[serde(flatten)]
    pub(super) difference: Difference,
}

/// Two scores over the same items.
#[derive(Serialize, Deserialize)]
pub(super) struct Difference {
    /// Items that both runs have.
    pub(super) items: usize,
    pub(super) this: f64,
    pub(super) other: f64,
    /// This one's score minus the other's.
    pub(super) difference: f64,
    pub(super) interval: Interval,
    pub(super) verdict: Verdict,
}

/// What this run is beside the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    #[serde(rename = "better")]
    Better,
    #[serde(rename = "worse")]
    Worse,
    #[serde(rename = "not distinguishable")]
    NotDistinguishable,
}

impl Verdict {
    /// Of a difference in `interval`, over `items`.
    fn new(interval: Interval, items: usize, more_is_better: bool) -> Self {
        let is_less = interval.high < 0.0;
        let is_more = interval.low > 0.0;
        match (items >= FEWEST, is_less, is_more) {
            (true, false, true) if more_is_better => Self::Better,
            (true, true, false) if !more_is_better => Self::Better,
            (true, false, true) | (true, true, false) => Self::Worse,
            _ => Self::NotDistinguishable,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotDistinguishable => "not distinguishable",
        }
    }
}

/// An item's scores in this run and in the other.
type Pair = (Sample, Sample);

impl Comparison {
    pub(super) fn new(this: &Report, other: &Report) -> Self {
        let pairs: BTreeMap<Task, Vec<Pair>> = this
            .scores
            .iter()
            .filter_map(|(task, scores)| Some((*task, pairs(scores, other.scores.get(task)?))))
            .filter(|(_, pairs)| !pairs.is_empty())
            .collect();
        let tasks = pairs.iter().map(|(task, pairs)| TaskDifference {
            task: *task,
            difference: Difference::new(&[pairs], task.is_right_or_wrong()),
        });
        let shares: Vec<&Vec<Pair>> =
            pairs.iter().filter(|(task, _)| task.is_right_or_wrong()).map(|(_, pairs)| pairs).collect();
        Self {
            against: other.run.clone(),
            tasks: tasks.collect(),
            overall: (!shares.is_empty()).then(|| Difference::new(&shares, true)),
            warnings: warnings(&this.run, &other.run),
        }
    }
}

fn pairs(this: &Scores, other: &Scores) -> Vec<Pair> {
    this.iter().filter_map(|(id, sample)| Some((*sample, *other.get(id)?))).collect()
}

fn warnings(this: &Run, other: &Run) -> Vec<String> {
    let mut warnings = Vec::new();
    if this.set != other.set {
        warnings
            .push("The runs are of different versions of the set: items of one name may not be the same.".to_owned());
    }
    if this.format != other.format {
        warnings.push("The runs score questions with choices in different formats.".to_owned());
    }
    warnings
}

impl Difference {
    /// Over groups of pairs, each counting the same; there is at least one, and none is empty.
    fn new(groups: &[&Vec<Pair>], more_is_better: bool) -> Self {
        let score = |side: fn(&Pair) -> Sample| average(groups.iter().map(|pairs| mean(pairs.iter().map(side))));
        let (this, other) = (score(|pair| pair.0), score(|pair| pair.1));
        let sizes: Vec<usize> = groups.iter().map(|pairs| pairs.len()).collect();
        let interval = bootstrap(&sizes, |drawn| {
            average(drawn.iter().zip(groups).map(|(drawn, pairs)| {
                let side = |side: fn(&Pair) -> Sample| mean(drawn.iter().map(|at| side(&pairs[*at])));
                side(|pair| pair.0) - side(|pair| pair.1)
            }))
        });
        let items = sizes.iter().sum();
        let verdict = Verdict::new(interval, items, more_is_better);
        Self { items, this, other, difference: this - other, interval, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{result, run};
    use super::*;

    /// A report of one task, each item's score being `score` of its place.
    fn report(task: Task, items: usize, score: fn(usize) -> f64) -> Report {
        let results: Vec<_> = (0..items).map(|at| result(task, at, score(at))).collect();
        Report::new(run("a"), &results)
    }

    fn verdict(this: &Report, other: &Report) -> Verdict {
        Comparison::new(this, other).tasks[0].difference.verdict
    }

    #[test]
    fn the_better_run_is_called_better() {
        let good = report(Task::Advice, 40, |at| f64::from(at % 4 > 0));
        let bad = report(Task::Advice, 40, |at| f64::from(at % 4 > 2));
        assert_eq!(verdict(&good, &bad), Verdict::Better);
        assert_eq!(verdict(&bad, &good), Verdict::Worse);
        assert_eq!(verdict(&good, &good), Verdict::NotDistinguishable);
        let difference = Comparison::new(&good, &bad).overall.unwrap();
        assert_eq!((difference.items, difference.difference, difference.this), (40, 0.5, 0.75));
    }

    #[test]
    fn fewer_bits_are_better() {
        let good = report(Task::Text, 20, |at| 1.0 + 0.01 * at as f64);
        let bad = report(Task::Text, 20, |at| 1.1 + 0.011 * at as f64);
        assert_eq!(verdict(&good, &bad), Verdict::Better);
        assert_eq!(verdict(&bad, &good), Verdict::Worse);
        assert!(Comparison::new(&good, &bad).overall.is_none());
    }

    #[test]
    fn a_few_items_and_chance_decide_nothing() {
        assert_eq!(
            verdict(&report(Task::Json, 5, |_| 1.0), &report(Task::Json, 5, |_| 0.0)),
            Verdict::NotDistinguishable
        );
        let one = report(Task::Json, 30, |at| f64::from(at % 2 == 0));
        let other = report(Task::Json, 30, |at| f64::from(at % 3 == 0));
        assert_eq!(verdict(&one, &other), Verdict::NotDistinguishable);
    }

    #[test]
    fn only_items_of_both_count() {
        let long = report(Task::Tools, 20, |_| 1.0);
        let short = report(Task::Tools, 8, |_| 0.0);
        assert_eq!(Comparison::new(&long, &short).tasks[0].difference.items, 8);
        assert!(Comparison::new(&long, &report(Task::Json, 8, |_| 0.0)).tasks.is_empty());
    }

    #[test]
    fn other_sets_and_formats_are_said() {
        let (mut one, other) = (report(Task::Json, 2, |_| 1.0), report(Task::Json, 2, |_| 1.0));
        one.run.set = "other".into();
        one.run.format = "{choice} {question}".into();
        assert_eq!(Comparison::new(&one, &other).warnings.len(), 2);
        assert!(Comparison::new(&other, &other).warnings.is_empty());
    }
}

//! What the results of a run come to: a score for each task and how far it can be trusted, alone and beside another run.

mod baselines;
mod comparison;
mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use self::comparison::Comparison;
use crate::checker::CheckerReport;
use crate::results::{ItemResult, Run};
use crate::statistics::{Interval, Sample, bootstrap, mean, wilson};
use crate::tasks::Task;

/// The scores of a task's items, by their names.
type Scores = BTreeMap<String, Sample>;

/// A run's figures. Another run reads them to compare itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    run: Run,
    tasks: Vec<TaskReport>,
    /// Of the tasks whose items are right or wrong.
    overall: Option<Overall>,
    scores: BTreeMap<Task, Scores>,
    /// Of the check of numbers that this program has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_numbers: Option<CheckerReport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
}

/// A task's figures.
#[derive(Serialize, Deserialize)]
struct TaskReport {
    task: Task,
    /// Items that were asked.
    items: usize,
    /// Those that have a score.
    measured: usize,
    /// The share that is right, or bits per byte; nothing where no item was measured.
    score: Option<f64>,
    interval: Option<Interval>,
    /// What chance alone would get.
    chance: Option<f64>,
    /// What n-gram models get over the same items, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    baselines: BTreeMap<String, f64>,
    /// The means of what else was observed.
    extras: BTreeMap<String, f64>,
    /// Why items have no score, and how many.
    not_measured: BTreeMap<String, usize>,
}

/// The mean of tasks, each counting the same.
#[derive(Serialize, Deserialize)]
struct Overall {
    tasks: usize,
    score: f64,
    interval: Interval,
}

impl Report {
    pub(crate) fn new(run: Run, results: &[ItemResult]) -> Self {
        let mut by_task: BTreeMap<Task, Vec<&ItemResult>> = BTreeMap::new();
        for result in results {
            by_task.entry(result.task).or_default().push(result);
        }
        let scores: BTreeMap<Task, Scores> = by_task.iter().map(|(task, results)| (*task, scores(results))).collect();
        let tasks = by_task.iter().map(|(task, results)| TaskReport::new(*task, results)).collect();
        let overall = Overall::new(&scores);
        let verified_numbers = CheckerReport::new().ok();
        Self { run, tasks, overall, scores, verified_numbers, comparison: None }
    }

    /// Compares the run with `other`, item by item.
    pub(crate) fn compare(&mut self, other: &Self) {
        self.comparison = Some(Comparison::new(self, other));
    }

    /// Reads the `report.json` of a run.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no report.json of an evaluation", path.display()))
    }

    /// Writes `report.json` and `report.md`, and returns the latter.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<String> {
        let text = markdown::written(self);
        fs::write(folder.join("report.json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(folder.join("report.md"), &text)?;
        Ok(text)
    }
}

fn scores(results: &[&ItemResult]) -> Scores {
    let measured = results.iter().filter_map(|result| {
        let sample = Sample { score: result.score?, weight: result.weight };
        Some((result.id.clone(), sample))
    });
    measured.collect()
}

impl TaskReport {
    fn new(task: Task, results: &[&ItemResult]) -> Self {
        let scores = scores(results);
        let samples: Vec<Sample> = scores.values().copied().collect();
        let score = (!samples.is_empty()).then(|| mean(samples.iter().copied()));
        let interval = score.and_then(|score| match samples.len() {
            count if task.is_right_or_wrong() => Some(wilson(score, count)),
            // One item says nothing of how much items vary.
            1 => None,
            count => Some(bootstrap(&[count], |drawn| mean(drawn[0].iter().map(|at| samples[*at])))),
        });
        let mut observed: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        let mut not_measured = BTreeMap::new();
        for result in results {
            for (name, value) in &result.extras {
                observed.entry(name).or_default().push(*value);
            }
            if let Some(error) = &result.error {
                *not_measured.entry(error.clone()).or_default() += 1;
            }
        }
        let means =
            observed.into_iter().map(|(name, values)| (name.clone(), values.iter().sum::<f64>() / values.len() as f64));
        Self {
            task,
            items: results.len(),
            measured: samples.len(),
            score,
            interval,
            chance: task.chance(),
            baselines: if task == Task::Text { baselines::over(&scores) } else { BTreeMap::new() },
            extras: means.collect(),
            not_measured,
        }
    }
}

impl Overall {
    fn new(scores: &BTreeMap<Task, Scores>) -> Option<Self> {
        let tasks: Vec<Vec<Sample>> = scores
            .iter()
            .filter(|(task, scores)| task.is_right_or_wrong() && !scores.is_empty())
            .map(|(_, scores)| scores.values().copied().collect())
            .collect();
        if tasks.is_empty() {
            return None;
        }
        let sizes: Vec<usize> = tasks.iter().map(Vec::len).collect();
        let interval = bootstrap(&sizes, |drawn| {
            average(drawn.iter().zip(&tasks).map(|(drawn, task)| mean(drawn.iter().map(|at| task[*at]))))
        });
        let score = average(tasks.iter().map(|task| mean(task.iter().copied())));
        Some(Self { tasks: tasks.len(), score, interval })
    }
}

/// Of at least one value.
fn average(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn run(model: &str) -> Run {
        let [set, url, format] = ["5e7", "http://localhost/v1", "{question} {choice}"].map(str::to_owned);
        Run { set, model: model.to_owned(), url, format, limit: None }
    }

    /// A result of the task; a negative score is none.
    pub(super) fn result(task: Task, at: usize, score: f64) -> ItemResult {
        ItemResult {
            id: format!("{}-{at}", task.name()),
            task,
            score: (score >= 0.0).then_some(score),
            weight: if task == Task::Text { 10.0 * (at + 1) as f64 } else { 1.0 },
            extras: BTreeMap::from([("tokens".to_owned(), at as f64)]),
            answer: String::new(),
            error: (score < 0.0).then(|| "HTTP 400: no tools".to_owned()),
        }
    }

    #[test]
    fn a_score_comes_with_what_it_is_made_of() {
        let mut results: Vec<ItemResult> = (0..10).map(|at| result(Task::Regulation, at, f64::from(at < 5))).collect();
        results.extend((0..3).map(|at| result(Task::Tools, at, -1.0)));
        results.extend([result(Task::Text, 0, 4.0), result(Task::Text, 2, 2.0)]);
        let report = Report::new(run("a"), &results);
        let [text, regulation, tools] = &report.tasks[..] else { panic!("there are three tasks") };
        assert_eq!((text.task, text.score), (Task::Text, Some(2.5)));
        assert_eq!((regulation.score, regulation.chance), (Some(0.5), Some(0.25)));
        assert_eq!(regulation.interval, Some(wilson(0.5, 10)));
        assert_eq!(regulation.extras["tokens"], 4.5);
        assert_eq!((tools.items, tools.measured, tools.score), (3, 0, None));
        assert_eq!(tools.not_measured["HTTP 400: no tools"], 3);
        let overall = report.overall.unwrap();
        assert_eq!((overall.tasks, overall.score), (1, 0.5));
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let results: Vec<ItemResult> = (0..8).map(|at| result(Task::Advice, at, f64::from(at < 3))).collect();
        let folder = tempfile::TempDir::new().unwrap();
        let mut report = Report::new(run("a"), &results);
        report.compare(&Report::new(run("b"), &results));
        report.write(folder.path()).unwrap();
        let path = folder.path().join("report.json");
        let again = Report::read(&path).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&report).unwrap());
        fs::write(&path, "{}").unwrap();
        assert!(Report::read(&path).is_err());
    }
}

//! The results of a run on disk: `run.json` says what was asked, `results.jsonl` has a line for each item, written as
//! soon as the item is judged. A run that was stopped is gone on with; one of something else is not mixed with it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::server::Failure;
use crate::tasks::{Outcome, Task};

/// How much of an answer is kept, in bytes.
const LONGEST_ANSWER: usize = 4096;

/// What a run is of. Results of different ones are not comparable item by item, but in what `set` and `format` share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The hash of the items.
    pub(crate) set: String,
    pub(crate) model: String,
    pub(crate) url: String,
    /// In which questions with choices are scored.
    pub(crate) format: String,
    /// How many items of each task are asked, where not all.
    pub(crate) limit: Option<usize>,
}

/// An item, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemResult {
    pub(crate) id: String,
    pub(crate) task: Task,
    /// Nothing where it could not be measured.
    pub(crate) score: Option<f64>,
    /// How much the score counts.
    pub(crate) weight: f64,
    pub(crate) extras: BTreeMap<String, f64>,
    /// What the model said, as far as it is kept.
    pub(crate) answer: String,
    /// Why there is no score.
    pub(crate) error: Option<String>,
}

impl ItemResult {
    pub(crate) fn measured(id: &str, task: Task, outcome: Outcome) -> Self {
        let Outcome { score, weight, extras, answer } = outcome;
        // JSON has no infinity: a server may give a token no probability at all.
        if !score.is_finite() {
            return Self::failed(id, task, "the score is not finite".to_owned());
        }
        let answer = shortened(answer);
        Self { id: id.to_owned(), task, score: Some(score), weight, extras, answer, error: None }
    }

    fn failed(id: &str, task: Task, error: String) -> Self {
        let (extras, answer) = (BTreeMap::new(), String::new());
        Self { id: id.to_owned(), task, score: None, weight: 0.0, extras, answer, error: Some(error) }
    }

    /// What came of asking.
    ///
    /// # Errors
    /// Where nothing can be measured now.
    pub(crate) fn new(id: &str, task: Task, judged: Result<Outcome, Failure>) -> Result<Self, Failure> {
        match judged {
            Ok(outcome) => Ok(Self::measured(id, task, outcome)),
            Err(Failure::NotMeasurable(error)) => Ok(Self::failed(id, task, error)),
            Err(stop) => Err(stop),
        }
    }
}

fn shortened(mut answer: String) -> String {
    if answer.len() > LONGEST_ANSWER {
        answer.truncate(answer.floor_char_boundary(LONGEST_ANSWER - "…".len()));
        answer.push('…');
    }
    answer
}

/// The file that results are added to.
pub(crate) struct Results {
    file: File,
    /// Those that are there.
    pub(crate) known: Vec<ItemResult>,
}

impl Results {
    /// Opens the results of `run` in `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// Where the folder has the results of another run, or damaged ones, or cannot be written to.
    pub(crate) fn open(folder: &Path, run: &Run) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join("results.jsonl");
        claim(folder, run, path.exists())?;
        let text = if path.exists() { fs::read_to_string(&path)? } else { String::new() };
        // What was being written when a run was killed is no line yet.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let known = text[..whole]
            .lines()
            .enumerate()
            .map(|(at, line)| {
                serde_json::from_str(line).with_context(|| format!("{}, line {}, is damaged", path.display(), at + 1))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        Ok(Self { file, known })
    }

    /// Adds a result.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn add(&mut self, result: ItemResult) -> anyhow::Result<()> {
        let line = serde_json::to_string(&result)? + "\n";
        self.file.write_all(line.as_bytes()).context("cannot write the results")?;
        self.known.push(result);
        Ok(())
    }
}

/// Writes `run.json`, or checks that the one that is there is of the same run.
fn claim(folder: &Path, run: &Run, has_results: bool) -> anyhow::Result<()> {
    let path = folder.join("run.json");
    if !path.exists() {
        ensure!(!has_results, "{} has results, but no run.json that says of what", folder.display());
        let unfinished = folder.join("run.json.unfinished");
        fs::write(&unfinished, serde_json::to_string_pretty(run)? + "\n")?;
        fs::rename(&unfinished, &path)?;
        return Ok(());
    }
    let there: Run =
        serde_json::from_str(&fs::read_to_string(&path)?).with_context(|| format!("{} is damaged", path.display()))?;
    if there != *run {
        let differences = differences(&there, run).join("; ");
        bail!("{} has the results of another run: {differences}. Choose another folder with --out", folder.display());
    }
    Ok(())
}

/// In what two runs differ, in words.
pub(crate) fn differences(there: &Run, here: &Run) -> Vec<String> {
    let (there, here) = (json!(there), json!(here));
    let fields = there.as_object().into_iter().flatten();
    let different = fields.filter(|(name, value)| here[name.as_str()] != **value);
    different.map(|(name, value)| format!("{name} is {value} there and {} here", here[name.as_str()])).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn run() -> Run {
        let [set, model, url, format] = ["s", "m", "u", "{question}{choice}"].map(str::to_owned);
        Run { set, model, url, format, limit: None }
    }

    fn result(id: &str) -> ItemResult {
        ItemResult::failed(id, Task::Tools, "HTTP 400".to_owned())
    }

    #[test]
    fn a_run_is_gone_on_with_after_its_last_whole_line() {
        let folder = TempDir::new().unwrap();
        let mut results = Results::open(folder.path(), &run()).unwrap();
        results.add(result("a")).unwrap();
        results.add(result("b")).unwrap();
        drop(results);
        let path = folder.path().join("results.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut results = Results::open(folder.path(), &run()).unwrap();
        assert_eq!(results.known, [result("a")]);
        results.add(result("c")).unwrap();
        assert_eq!(Results::open(folder.path(), &run()).unwrap().known, [result("a"), result("c")]);
    }

    #[test]
    fn results_of_another_run_are_refused_with_the_difference() {
        let folder = TempDir::new().unwrap();
        Results::open(folder.path(), &run()).unwrap();
        let other = Run { model: "n".into(), limit: Some(3), ..run() };
        let error = Results::open(folder.path(), &other).err().unwrap().to_string();
        assert!(error.contains("model is \"m\" there and \"n\" here"), "{error}");
        assert!(error.contains("limit is null there and 3 here"), "{error}");
        fs::remove_file(folder.path().join("run.json")).unwrap();
        assert!(Results::open(folder.path(), &run()).is_err());
    }

    #[test]
    fn long_answers_are_shortened_between_characters() {
        assert_eq!(shortened("é".repeat(2048)).len(), 4096);
        let long = shortened("é".repeat(5000));
        assert!(long.len() <= LONGEST_ANSWER && long.ends_with("é…"));
    }

    #[test]
    fn a_score_that_is_no_number_is_none() {
        let outcome = Outcome { score: f64::INFINITY, weight: 1.0, extras: BTreeMap::new(), answer: String::new() };
        assert_eq!(ItemResult::measured("a", Task::Text, outcome).score, None);
    }
}

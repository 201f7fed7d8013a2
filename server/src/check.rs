//! `zyron model check`: whether a model can be served, what of it would not work, and what it takes in memory.
//!
//! It reads what the server would read before it loads the weights, and believes no file: a shard that is cut off, a
//! size that cannot be or a tensor that is missing is a sentence. No weights are read, so a wrong number in them is not
//! seen here.

mod conversation;
mod weights;

use std::fmt::{self, Display, Formatter};
use std::io::Write;
use std::path::Path;

use anyhow::bail;
use serde::Serialize;
use zyron_engine::{Model, Weights};

use crate::cli::CheckArgs;
use crate::doctor::Report;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// It keeps the model from working.
    Problem,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// A sentence.
    text: String,
}

impl Finding {
    fn fine(text: impl Into<String>) -> Self {
        Self { level: Level::Fine, text: text.into() }
    }

    fn note(text: impl Into<String>) -> Self {
        Self { level: Level::Note, text: text.into() }
    }

    fn problem(text: impl Into<String>) -> Self {
        Self { level: Level::Problem, text: text.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = match self.level {
            Level::Fine => "ok",
            Level::Note => "note",
            Level::Problem => "PROBLEM",
        };
        write!(f, "  {mark:8} {}", self.text)
    }
}

/// Everything that is said as JSON.
#[derive(Serialize)]
struct Checked {
    findings: Vec<Finding>,
    /// What `zyron doctor --model` says, where the model can be opened.
    report: Option<Report>,
}

/// Prints what is found.
///
/// # Errors
/// Where something keeps the model from working.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let (findings, report) = match Model::open(&args.path) {
        Ok(model) => {
            let mut findings = all(&model);
            let report = Report::of(model).map_err(|error| findings.push(Finding::problem(format!("{error:#}")))).ok();
            findings.extend(report.iter().flat_map(|report| &report.problems).map(Finding::problem));
            (findings, report)
        }
        Err(error) => {
            let hint = hint(&args.path).map(Finding::note);
            (std::iter::once(Finding::problem(error.to_string())).chain(hint).collect(), None)
        }
    };
    let checked = Checked { findings, report };
    let mut output = std::io::stdout().lock();
    if args.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&checked)?)?;
    } else {
        writeln!(output, "{}", args.path.display())?;
        for finding in &checked.findings {
            writeln!(output, "{finding}")?;
        }
        if let Some(report) = &checked.report {
            write!(output, "\n{report}")?;
        }
    }
    match checked.findings.iter().filter(|finding| finding.level == Level::Problem).count() {
        0 => Ok(()),
        1 => bail!("there is one problem"),
        several => bail!("there are {several} problems"),
    }
}

fn all(model: &Model) -> Vec<Finding> {
    let mut findings = weights::check(model);
    findings.extend(conversation::check(model));
    findings.extend(companions(model));
    findings
}

/// Files beside the weights that somebody will miss, or that do not do what one may think.
fn companions(model: &Model) -> Vec<Finding> {
    let Weights::Safetensors(folder) = &model.weights else { return Vec::new() };
    let has = |name: &str| folder.join(name).exists();
    let mut findings = Vec::new();
    if has("adapter_config.json") {
        findings.push(Finding::note(
            "`adapter_config.json` is an adapter's: it is not applied to these weights; merge it first",
        ));
    }
    if !has("README.md") {
        findings.push(Finding::note(
            "there is no `README.md`: a model card says what the model is for and what it was trained on",
        ));
    }
    if !has("LICENSE") && !has("LICENSE.txt") && !has("README.md") {
        findings.push(Finding::note("nothing says under which licence the model is"));
    }
    findings
}

const NEMO: &str = "this is a checkpoint of NeMo: convert it to Hugging Face's layout first (docs/models.md)";

/// What a file or folder is that is no model, as far as names tell.
fn hint(path: &Path) -> Option<String> {
    let is_nemo = |name: &str| name.ends_with(".nemo");
    // An older checkpoint of NeMo is one file.
    if path.is_file() {
        return is_nemo(&path.to_string_lossy()).then(|| NEMO.to_owned());
    }
    let names: Vec<String> =
        std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    let is_nemo_2 = any(&|name| name == "context") && any(&|name| name == "weights");
    if any(&is_nemo) || is_nemo_2 || any(&|name| name == "model_weights" || name == "model_config.yaml") {
        return Some(NEMO.to_owned());
    }
    if any(&|name| name == "adapter_config.json") && any(&|name| name.starts_with("adapter_model")) {
        return Some("this is an adapter (LoRA) without its base model: merge both first (docs/models.md)".to_owned());
    }
    if any(&|name| name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth")) {
        return Some("the weights are PyTorch's pickles, which can run code and are not read: convert them to safetensors (docs/models.md)".to_owned());
    }
    if any(&|name| name.ends_with(".gguf")) {
        return Some("the folder holds GGUF files: name one of them instead".to_owned());
    }
    None
}

//! The model card: what zyron-mini is, what it was made from and with, what it must not be used for. Its figures are
//! read from what the other commands have left, never typed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::train::{Recipe, Record};

/// Where the figures are, and where the card goes.
#[derive(clap::Args)]
pub struct Args {
    /// The corpus's folder
    #[arg(long)]
    corpus: PathBuf,
    /// The folder of the training's run
    #[arg(long)]
    run: PathBuf,
    /// Reports of `zyron eval` (`report.json`), this model's first, then those it is compared with
    #[arg(long)]
    report: Vec<PathBuf>,
    /// The model's folder, which gets `README.md` and `loss.svg`
    #[arg(long)]
    out: PathBuf,
}

#[derive(Deserialize)]
struct Counts {
    documents: usize,
    bytes: usize,
}

/// Writes the card.
///
/// # Errors
/// Where a figure is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let recipe = Recipe::read(&args.run.join("recipe.json"))?;
    let corpus: BTreeMap<String, BTreeMap<String, Counts>> = read(&args.corpus.join("corpus.json"))?;
    let log = std::fs::read_to_string(args.run.join("log.jsonl")).context("the run has no log")?;
    let last = log.lines().last().context("the run's log is empty")?;
    let last: Record = serde_json::from_str(last)?;
    let mut card = include_str!("card.md").to_owned();
    let shape = &recipe.shape;
    let flops = 6.0 * shape.size() as f64 * last.tokens as f64;
    let facts = [
        ("parameters", format!("{:.1} million", shape.size() as f64 / 1e6)),
        ("layers", shape.layers.to_string()),
        ("width", shape.width.to_string()),
        ("heads", format!("{} heads, {} for keys and values", shape.heads, shape.kv_heads)),
        ("inner", shape.inner.to_string()),
        ("vocabulary", shape.vocabulary.to_string()),
        ("lengths", recipe.lengths()),
        ("tokens", format!("{:.1} million", last.tokens as f64 / 1e6)),
        ("hours", format!("{:.1}", last.seconds / 3600.0)),
        ("flops", format!("{flops:.1e}")),
        ("corpus", corpus_table(&corpus)),
        ("heldout", heldout_table(&last.heldout)),
        ("evaluation", evaluation(&args.report)?),
    ];
    for (name, value) in facts {
        card = card.replace(&format!("{{{{{name}}}}}"), &value);
    }
    std::fs::create_dir_all(&args.out)?;
    std::fs::write(args.out.join("README.md"), card)?;
    std::fs::copy(args.run.join("loss.svg"), args.out.join("loss.svg"))?;
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn corpus_table(parts: &BTreeMap<String, BTreeMap<String, Counts>>) -> String {
    let mut table = "| part | kind | documents | MB |\n|---|---|--:|--:|\n".to_owned();
    for (part, kinds) in parts {
        for (kind, Counts { documents, bytes }) in kinds {
            let _ = writeln!(table, "| {part} | {kind} | {documents} | {:.1} |", *bytes as f64 / 1e6);
        }
    }
    table
}

fn heldout_table(losses: &BTreeMap<String, f64>) -> String {
    let mut table = "| held out | loss, nats a token |\n|---|--:|\n".to_owned();
    for (kind, loss) in losses {
        let _ = writeln!(table, "| {kind} | {loss:.2} |");
    }
    table
}

/// The scores of `zyron eval`, a column a model.
fn evaluation(paths: &[PathBuf]) -> anyhow::Result<String> {
    if paths.is_empty() {
        return Ok("Not measured.".to_owned());
    }
    let reports: Vec<Value> = paths.iter().map(|path| read(path)).collect::<anyhow::Result<_>>()?;
    let names: Vec<&str> = reports.iter().map(|report| report["model"].as_str().unwrap_or("?")).collect();
    let mut table = format!("| task | chance | {} |\n|---|--:|{}\n", names.join(" | "), "--:|".repeat(names.len()));
    let tasks = reports[0]["tasks"].as_array().context("a report has tasks")?;
    for task in tasks {
        let name = task["task"].as_str().context("a task has a name")?;
        let chance = task["chance"].as_f64().map_or(String::new(), |chance| format!("{chance:.2}"));
        let of = |report: &Value| {
            let same = report["tasks"].as_array()?.iter().find(|other| other["task"] == name)?;
            Some(format!("{:.2} ({:.2}–{:.2})", same["score"].as_f64()?, same["low"].as_f64()?, same["high"].as_f64()?))
        };
        let scores: Vec<String> =
            reports.iter().map(|report| of(report).unwrap_or_else(|| "not measured".to_owned())).collect();
        let _ = writeln!(table, "| {name} | {chance} | {} |", scores.join(" | "));
    }
    Ok(table)
}

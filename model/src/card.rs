//! The model card: what zyron-mini is, what it was made from and with, what it must not be used for. Its figures are
//! read from what the other commands have left, never typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::recipe::Recipe;
use crate::train::Record;

/// Where the figures are, and where the card goes.
#[derive(clap::Args)]
pub struct Args {
    /// The corpus's folder
    #[arg(long)]
    corpus: PathBuf,
    /// The folder of the training's run
    #[arg(long)]
    run: PathBuf,
    /// Bytes a token, by the tokenizer's name, as `model/compare_tokenizers.py` writes them
    #[arg(long)]
    tokenizers: PathBuf,
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

/// What the card says of a `report.json`; zyron-eval's `report.rs` writes it.
#[derive(Deserialize)]
struct Report {
    run: Judged,
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
struct Judged {
    model: String,
}

#[derive(Deserialize)]
struct Task {
    task: String,
    /// Nothing where no item was measured.
    score: Option<f64>,
    interval: Option<Interval>,
    chance: Option<f64>,
    /// What n-gram models get, of the task in bits per byte.
    #[serde(default)]
    baselines: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Interval {
    low: f64,
    high: f64,
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
        ("lengths", lengths(&recipe)),
        ("tokens", format!("{:.1} million", last.tokens as f64 / 1e6)),
        ("hours", format!("{:.1}", last.seconds / 3600.0)),
        ("flops", format!("{flops:.1e}")),
        ("corpus", corpus_table(&corpus)),
        ("tokenizers", tokenizers(&read(&args.tokenizers)?)),
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

/// Those of the windows, the shorter first.
fn lengths(recipe: &Recipe) -> String {
    let lengths: BTreeSet<usize> = recipe.phases().map(|phase| phase.length).collect();
    let lengths: Vec<String> = lengths.iter().map(|length| format!("{length} tokens")).collect();
    lengths.join(", then ")
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

fn tokenizers(rates: &BTreeMap<String, f64>) -> String {
    let rates: Vec<String> = rates.iter().map(|(name, rate)| format!("{name}: {rate:.2}")).collect();
    rates.join("; ")
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
    let reports: Vec<Report> = paths.iter().map(|path| read(path)).collect::<anyhow::Result<_>>()?;
    Ok(evaluation_table(&reports))
}

fn evaluation_table(reports: &[Report]) -> String {
    let [Report { tasks, .. }, ..] = reports else { return "Not measured.".to_owned() };
    let names: Vec<&str> = reports.iter().map(|report| report.run.model.as_str()).collect();
    let mut table = format!("| task | chance | {} |\n|---|--:|{}\n", names.join(" | "), "--:|".repeat(names.len()));
    for Task { task: name, chance, .. } in tasks {
        let chance = chance.map_or(String::new(), |chance| amount(name, chance));
        let of = |report: &Report| {
            let same = report.tasks.iter().find(|other| other.task == *name)?;
            let interval = same.interval.as_ref().map_or(String::new(), |Interval { low, high }| {
                format!(" ({} to {})", amount(name, *low), amount(name, *high))
            });
            Some(amount(name, same.score?) + &interval)
        };
        let scores: Vec<String> =
            reports.iter().map(|report| of(report).unwrap_or_else(|| "not measured".to_owned())).collect();
        let _ = writeln!(table, "| {name} | {chance} | {} |", scores.join(" | "));
    }
    for Task { task: name, baselines, .. } in tasks.iter().filter(|task| !task.baselines.is_empty()) {
        let bits: Vec<String> =
            baselines.iter().map(|(model, bits)| format!("{model} {}", amount(name, *bits))).collect();
        let _ = write!(
            table,
            "\n`{name}` is in bits per byte: less is better. On the same items, n-gram models of bytes, trained on the \
             same corpus, get: {}.\n",
            bits.join(", ")
        );
    }
    table
}

/// A share in per cent, but bits per byte as they are.
fn amount(task: &str, value: f64) -> String {
    if task == "text" { format!("{value:.3}") } else { format!("{:.1} %", 100.0 * value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Report, evaluation_table};

    /// As zyron-eval writes it.
    fn report(model: &str, tasks: &serde_json::Value) -> Report {
        let run = json!({"set": "5e7", "model": model, "url": "http://localhost/v1", "format": "{question}{choice}", "limit": null});
        let report = json!({"run": run, "tasks": tasks, "overall": null, "scores": {"text": {}, "tools": {}}});
        serde_json::from_value(report).unwrap()
    }

    #[test]
    fn the_table_of_the_evaluation_has_a_column_a_model() {
        let text = json!({
            "task": "text", "items": 40, "measured": 40, "score": 1.5, "interval": {"low": 1.4, "high": 1.6},
            "chance": null, "baselines": {"5-gram": 2.25, "unigram": 4.5}, "extras": {"tokens": 271.1}, "not_measured": {},
        });
        let regulation = json!({
            "task": "regulation", "items": 60, "measured": 60, "score": 0.45, "interval": {"low": 0.331, "high": 0.575},
            "chance": 0.25, "extras": {}, "not_measured": {},
        });
        let tools = json!({
            "task": "tools", "items": 2, "measured": 0, "score": null, "interval": null,
            "chance": null, "extras": {}, "not_measured": {"HTTP 400: no tools": 2},
        });
        let reports = [report("mini", &json!([text, regulation])), report("other", &json!([tools, regulation, text]))];
        let wanted = "\
| task | chance | mini | other |
|---|--:|--:|--:|
| text |  | 1.500 (1.400 to 1.600) | 1.500 (1.400 to 1.600) |
| regulation | 25.0 % | 45.0 % (33.1 % to 57.5 %) | 45.0 % (33.1 % to 57.5 %) |

`text` is in bits per byte: less is better. On the same items, n-gram models of bytes, trained on the same corpus, get: 5-gram 2.250, unigram 4.500.
";
        assert_eq!(evaluation_table(&reports), wanted);
        let table = evaluation_table(&reports[1..]);
        assert!(table.contains("| tools |  | not measured |\n"), "{table}");
        assert_eq!(evaluation_table(&[]), "Not measured.");
    }
}

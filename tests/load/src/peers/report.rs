//! The figures: a table to read, JSON to compute with, plots to look at.

mod plot;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use zyron_engine::Model;

use super::Args;
use super::load::{LongPrompt, Outcome, SharedPrefix};
use crate::contender::{Contender, Who};
use crate::quantiles::quantile;

/// How requests came.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Load {
    /// So many clients, each with one request at a time.
    Closed(usize),
    /// So many a second.
    Open(f64),
}

/// What one contender did with one load, once.
pub(crate) struct Record {
    contender: &'static str,
    load: Load,
    /// Generated, of all answers together, per second.
    tokens_per_s: f64,
    /// Milliseconds until each answer's first text.
    first_ms: Vec<f64>,
    /// Milliseconds between the texts of each answer.
    between_ms: Vec<f64>,
    /// Milliseconds until each answer's end.
    total_ms: Vec<f64>,
    /// The process's peak so far.
    megabytes: f64,
}

impl Record {
    pub(crate) fn closed(contender: &Contender, concurrency: usize, outcome: Outcome) -> anyhow::Result<Self> {
        Self::new(contender, Load::Closed(concurrency), outcome)
    }

    pub(crate) fn open(contender: &Contender, rate: f64, outcome: Outcome) -> anyhow::Result<Self> {
        Self::new(contender, Load::Open(rate), outcome)
    }

    fn new(contender: &Contender, load: Load, outcome: Outcome) -> anyhow::Result<Self> {
        let tokens: usize = outcome.answers.iter().map(|answer| answer.tokens).sum();
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1e3;
        let between = outcome.answers.iter().flat_map(|answer| {
            let texts = || std::iter::once(&answer.first).chain(&answer.texts);
            texts().zip(texts().skip(1)).map(|(start, end)| ms(*end - *start)).collect::<Vec<_>>()
        });
        Ok(Self {
            contender: contender.name,
            load,
            tokens_per_s: tokens as f64 / outcome.took.as_secs_f64(),
            first_ms: outcome.answers.iter().map(|answer| ms(answer.first_after)).collect(),
            between_ms: between.collect(),
            total_ms: outcome.answers.iter().map(|answer| ms(answer.total)).collect(),
            megabytes: contender.megabytes()?,
        })
    }
}

/// The rounds of one contender with one load, put together.
struct Summary {
    contender: &'static str,
    load: Load,
    /// Of all rounds.
    answers: usize,
    /// The median round.
    tokens_per_s: f64,
    first_ms: [f64; 3],
    between_ms: [f64; 3],
    total_ms: [f64; 3],
    megabytes: f64,
}

/// The quantiles that are told of times.
const SHARES: [f64; 3] = [0.5, 0.95, 0.99];

/// All figures of a run.
pub(crate) struct Report {
    title: String,
    /// Of the contenders that are programs of their own, as they say themselves.
    versions: BTreeMap<&'static str, String>,
    records: Vec<Record>,
    /// Nothing for a round in which it could not be measured.
    long_prompt: BTreeMap<&'static str, Vec<Option<LongPrompt>>>,
    shared_prefix: BTreeMap<&'static str, Vec<SharedPrefix>>,
}

impl Report {
    pub(crate) fn new(model: &Model, args: &Args, contenders: &[Contender]) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let title = format!("{} ({}), {cores} cores, {} rounds", model.id, model.quantization, args.rounds);
        let versions =
            contenders.iter().filter_map(|contender| Some((contender.name, contender.version.clone()?))).collect();
        Self { title, versions, records: Vec::new(), long_prompt: BTreeMap::new(), shared_prefix: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, record: Record) {
        eprintln!("{}, {:?}: {:.1} tok/s", record.contender, record.load, record.tokens_per_s);
        self.records.push(record);
    }

    pub(crate) fn add_long_prompt(&mut self, contender: &'static str, figures: Option<LongPrompt>) {
        self.long_prompt.entry(contender).or_default().push(figures);
    }

    pub(crate) fn add_shared_prefix(&mut self, contender: &'static str, figures: SharedPrefix) {
        self.shared_prefix.entry(contender).or_default().push(figures);
    }

    /// By load, then in the order in which contenders were named.
    fn summaries(&self) -> Vec<Summary> {
        let mut loads: Vec<Load> = Vec::new();
        let mut contenders: Vec<&str> = Vec::new();
        for record in &self.records {
            if !loads.contains(&record.load) {
                loads.push(record.load);
            }
            if !contenders.contains(&record.contender) {
                contenders.push(record.contender);
            }
        }
        let pairs = loads.iter().flat_map(|load| contenders.iter().map(move |contender| (*load, *contender)));
        pairs.filter_map(|(load, contender)| self.summary(load, contender)).collect()
    }

    fn summary(&self, load: Load, contender: &str) -> Option<Summary> {
        let rounds: Vec<&Record> =
            self.records.iter().filter(|record| record.load == load && record.contender == contender).collect();
        let first = rounds.first()?;
        let times = |of: fn(&Record) -> &Vec<f64>| {
            let all: Vec<f64> = rounds.iter().flat_map(|record| of(record).iter().copied()).collect();
            SHARES.map(|share| quantile(&all, share))
        };
        let rates: Vec<f64> = rounds.iter().map(|record| record.tokens_per_s).collect();
        Some(Summary {
            contender: first.contender,
            load,
            answers: rounds.iter().map(|record| record.total_ms.len()).sum(),
            tokens_per_s: quantile(&rates, 0.5),
            first_ms: times(|record| &record.first_ms),
            between_ms: times(|record| &record.between_ms),
            total_ms: times(|record| &record.total_ms),
            megabytes: rounds.iter().map(|record| record.megabytes).fold(0.0, f64::max),
        })
    }

    /// In Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        for (contender, version) in &self.versions {
            let _ = writeln!(text, "- {contender}: {version}");
        }
        text += "\n";
        text += "| load | contender | tok/s | first text, ms p50 / p95 / p99 | between texts, ms | whole answer, s | peak MB |\n";
        text += "|---|---|--:|--:|--:|--:|--:|\n";
        for summary in self.summaries() {
            let load = match summary.load {
                Load::Closed(concurrency) => format!("{concurrency} at once"),
                Load::Open(rate) => format!("{rate} a second"),
            };
            let three = |times: [f64; 3], scale: f64, digits: usize| {
                times.map(|time| format!("{:.digits$}", time * scale)).join(" / ")
            };
            let _ = writeln!(
                text,
                "| {load} | {} | {:.1} | {} | {} | {} | {:.0} |",
                summary.contender,
                summary.tokens_per_s,
                three(summary.first_ms, 1.0, 0),
                three(summary.between_ms, 1.0, 1),
                three(summary.total_ms, 1e-3, 1),
                summary.megabytes,
            );
        }
        text += &self.notes();
        if !self.long_prompt.is_empty() {
            text += "\n| a prompt of 2,000 tokens beside 8 answers | p99 between texts before, ms | while it is read | after | ratio | its first text, s | rounds |\n|---|--:|--:|--:|--:|--:|--:|\n";
        }
        for (contender, figures) in &self.long_prompt {
            let measured: Vec<&LongPrompt> = figures.iter().flatten().collect();
            if measured.is_empty() {
                let _ = writeln!(text, "| {contender} | not measured | | | | | 0 |");
                continue;
            }
            let [before, beside, after, first] = medians(&measured, |long_prompt| long_prompt.figures());
            let (ratio, first, rounds) = (2.0 * beside / (before + after), first / 1e3, measured.len());
            let _ = writeln!(
                text,
                "| {contender} | {before:.1} | {beside:.1} | {after:.1} | {ratio:.2} | {first:.1} | {rounds} |"
            );
        }
        if !self.long_prompt.is_empty() {
            text += "\nThe ratio is to the mean of before and after: answers grow slower as they grow longer.\n";
        }
        if !self.shared_prefix.is_empty() {
            text += "\n| 8 prompts with 1,000 tokens in common, sent together | one such prompt, s | all eight, s | ratio | tokens not computed |\n|---|--:|--:|--:|--:|\n";
        }
        for (contender, figures) in &self.shared_prefix {
            let [alone, together, cached] = medians(figures, |f| [f.alone_ms, f.together_ms, f.cached as f64]);
            let (ratio, alone, together) = (together / alone, alone / 1e3, together / 1e3);
            let _ = writeln!(text, "| {contender} | {alone:.2} | {together:.2} | {ratio:.2} | {cached:.0} |");
        }
        text
    }

    /// What the first table does not say of some contenders.
    fn notes(&self) -> String {
        let has = |who: Who| self.records.iter().any(|record| record.contender == who.name());
        let mut text = String::new();
        if has(Who::ZyronMistralrs) || has(Who::Mistralrs) {
            text +=
                "\nThose on mistral.rs got the first half of the requests only, but one for each client at least.\n";
        }
        if has(Who::Mistralrs) {
            text += "The peak of mistral.rs, called directly, is that of the load generator, in whose process it is.\n";
        }
        text
    }

    fn json(&self) -> Value {
        let three = |times: [f64; 3]| json!({"p50": times[0], "p95": times[1], "p99": times[2]});
        let loads = self.summaries().into_iter().map(|summary| {
            let load = match summary.load {
                Load::Closed(concurrency) => json!({"concurrency": concurrency}),
                Load::Open(rate) => json!({"requests_per_s": rate}),
            };
            json!({
                "contender": summary.contender, "load": load, "answers": summary.answers,
                "tokens_per_s": summary.tokens_per_s,
                "first_ms": three(summary.first_ms), "between_ms": three(summary.between_ms),
                "total_ms": three(summary.total_ms), "peak_mb": summary.megabytes,
            })
        });
        let long_prompt = self.long_prompt.iter().map(|(contender, figures)| {
            let measured: Vec<&LongPrompt> = figures.iter().flatten().collect();
            // Where none was measured, the figures are null.
            let [before, beside, after, first] = medians(&measured, |long_prompt| long_prompt.figures());
            json!({
                "contender": contender, "measured_rounds": measured.len(), "before_p99_ms": before,
                "beside_p99_ms": beside, "after_p99_ms": after, "first_ms": first,
            })
        });
        let shared_prefix = self.shared_prefix.iter().map(|(contender, figures)| {
            let [alone, together, cached] = medians(figures, |f| [f.alone_ms, f.together_ms, f.cached as f64]);
            json!({"contender": contender, "alone_ms": alone, "together_ms": together, "cached_tokens": cached})
        });
        json!({
            "run": self.title,
            "versions": self.versions,
            "loads": loads.collect::<Vec<_>>(),
            "long_prompt": long_prompt.collect::<Vec<_>>(),
            "shared_prefix": shared_prefix.collect::<Vec<_>>(),
        })
    }

    /// Writes `peers.md`, `peers.json` and `peers.svg` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(folder.join("peers.md"), self.table())?;
        fs::write(folder.join("peers.json"), serde_json::to_string_pretty(&self.json())? + "\n")?;
        plot::draw(&folder.join("peers.svg"), &self.title, &self.summaries())
    }
}

fn medians<T, const N: usize>(figures: &[T], of: impl Fn(&T) -> [f64; N]) -> [f64; N] {
    let rows: Vec<[f64; N]> = figures.iter().map(of).collect();
    std::array::from_fn(|column| quantile(&rows.iter().map(|row| row[column]).collect::<Vec<_>>(), 0.5))
}

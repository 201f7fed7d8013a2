//! `bench 7b`: a model of the size that Zyron is for, beside what the machine's memory allows.
//!
//! Each token that is generated reads every weight once, so a stream cannot be faster than the memory's bandwidth over
//! the bytes of the weights. The weights are random: how fast they are computed does not depend on what they are.

mod random_model;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use futures::future::try_join_all;
use serde_json::{Value, json};
use zyron_engine::Model;

use self::random_model::{Format, SEVEN_B};
use crate::contender::{Contender, Setup, Who};
use crate::quantiles::quantile;
use crate::workload::{Ask, Workload};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder for the models: 4 GB for Q4_K, 7 GB for Q8_0, 14 GB for BF16; they are kept
    #[arg(long)]
    models: PathBuf,
    /// The binary `zyron`
    #[arg(long)]
    zyron: PathBuf,
    /// How the weights are written
    #[arg(long, value_delimiter = ',', default_value = "q4_k,q8_0")]
    formats: Vec<Format>,
    /// Engines for GGUF; safetensors have one only
    #[arg(long, value_delimiter = ',', default_value = "zyron-llama-cpp,zyron-mistralrs")]
    engines: Vec<Who>,
    /// With llama_cpp: whether an answer must be the same alone and among others, which costs speed on a CPU
    #[arg(long, value_delimiter = ',', default_value = "true,false")]
    batch_invariant: Vec<bool>,
    /// Tokens of the prompt that is measured
    #[arg(long, default_value_t = 128)]
    prompt: usize,
    /// Tokens of each answer
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// Streams at once, in a second measurement
    #[arg(long, default_value_t = 8)]
    streams: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Fill the whole context once, with llama_cpp, the last format and `--batch-invariant`: a quarter of an hour on two
    /// cores
    #[arg(long)]
    full_context: bool,
    /// The memory's bandwidth in GB/s, where `zyron doctor` does not know it
    #[arg(long)]
    bandwidth: Option<f64>,
    /// The number format that BF16 is computed in: a CPU has no kernels for bf16 itself
    #[arg(long, default_value = "f16")]
    dtype: String,
    /// A folder for the figures
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One model with one engine.
struct Row {
    format: Format,
    /// The number format that it is computed in, where the weights leave a choice.
    dtype: Option<String>,
    engine: Who,
    batch_invariant: bool,
    load_s: f64,
    megabytes: f64,
    rounds: Vec<Round>,
    full: Option<Full>,
}

/// One measurement; all but the bandwidth in tokens a second.
struct Round {
    prefill: f64,
    decode: f64,
    together: f64,
    /// Of the memory before it and after it, in GB/s: on a machine that is shared it varies.
    bandwidth: [f64; 2],
}

/// The whole context, once.
struct Full {
    tokens: usize,
    prefill_s: f64,
    decode: f64,
    /// Of the memory after it, in GB/s.
    bandwidth: f64,
    megabytes: f64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for &format in &args.formats {
        let path = ensure(&args.models, format)?;
        let engines = if format == Format::Bf16 { &[Who::ZyronMistralrs][..] } else { &args.engines[..] };
        for &engine in engines {
            let ways = if engine == Who::ZyronLlamaCpp { &args.batch_invariant[..] } else { &[true][..] };
            for &batch_invariant in ways {
                let row = measure(&args, format, &path, engine, batch_invariant).await?;
                eprintln!("{}", row.line());
                rows.push(row);
            }
        }
    }
    let table = table(&args, &rows);
    println!("{table}");
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("7b.md"), table)?;
        let figures: Vec<Value> = rows.iter().map(Row::json).collect();
        std::fs::write(folder.join("7b.json"), serde_json::to_string_pretty(&figures)? + "\n")?;
    }
    Ok(())
}

/// Writes the model where it is not there yet.
fn ensure(folder: &Path, format: Format) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let name = format!("random-7b.{}", format.name());
    let path = if format == Format::Bf16 { folder.join(name) } else { folder.join(name + ".gguf") };
    let is_there = if format == Format::Bf16 { path.join("model.safetensors").exists() } else { path.exists() };
    if !is_there {
        eprintln!("writing {}", path.display());
        match format {
            Format::Bf16 => SEVEN_B.write_safetensors(&path)?,
            _ => SEVEN_B.write_gguf(format, &path)?,
        }
    }
    Ok(path)
}

async fn measure(args: &Args, format: Format, path: &Path, engine: Who, batch_invariant: bool) -> anyhow::Result<Row> {
    let model = Model::open(path)?;
    let mut setup = Setup {
        model: path.to_owned(),
        zyron: args.zyron.clone(),
        llama_server: None,
        sequences: if engine == Who::ZyronMistralrs { 1 } else { args.streams },
        context_length: (args.prompt + args.tokens).max(1024),
        dtype: (format == Format::Bf16).then(|| args.dtype.clone()),
        batch_invariant,
        state: None,
    };
    let start = Instant::now();
    let contender = Contender::start(engine, &setup).await?;
    let load_s = start.elapsed().as_secs_f64();
    let mut rounds = Vec::new();
    let mut before = bandwidth(args)?;
    for round in 0..args.rounds {
        let mut workload = Workload::new(&model, round as u64);
        let timed = contender.ask(&Ask { prompt: workload.prompt(args.prompt), tokens: args.tokens }).await?;
        let asks: Vec<Ask> =
            (0..args.streams).map(|_| Ask { prompt: workload.prompt(16), tokens: args.tokens }).collect();
        let start = Instant::now();
        try_join_all(asks.iter().map(|ask| contender.ask(ask))).await?;
        let together = (args.streams * args.tokens) as f64 / start.elapsed().as_secs_f64();
        let after = bandwidth(args)?;
        rounds.push(Round {
            prefill: args.prompt as f64 / timed.first_after.as_secs_f64(),
            decode: timed.decode_per_s(),
            together,
            bandwidth: [before, after],
        });
        before = after;
    }
    let megabytes = contender.megabytes()?;
    drop(contender);
    let mut row =
        Row { format, dtype: setup.dtype.clone(), engine, batch_invariant, load_s, megabytes, rounds, full: None };
    let is_last = Some(&format) == args.formats.last() && Some(&batch_invariant) == args.batch_invariant.last();
    if args.full_context && engine == Who::ZyronLlamaCpp && is_last {
        setup.sequences = 1;
        setup.context_length = SEVEN_B.context;
        let contender = Contender::start(engine, &setup).await?;
        let tokens = SEVEN_B.context - args.tokens;
        let prompt = Workload::new(&model, 99).prompt(tokens);
        let timed = contender.ask(&Ask { prompt, tokens: args.tokens }).await?;
        row.full = Some(Full {
            tokens,
            prefill_s: timed.first_after.as_secs_f64(),
            decode: timed.decode_per_s(),
            bandwidth: bandwidth(args)?,
            megabytes: contender.megabytes()?,
        });
    }
    Ok(row)
}

/// Of the memory that this build's weights are in, in GB/s.
fn bandwidth(args: &Args) -> anyhow::Result<f64> {
    if let Some(given) = args.bandwidth {
        return Ok(given);
    }
    let output = Command::new(&args.zyron).args(["doctor", "--json"]).output()?;
    let said: Value = serde_json::from_slice(&output.stdout).context("`zyron doctor --json` said something else")?;
    let known = said["place"]["bandwidth_gb_s"].as_f64();
    known.context("`zyron doctor` does not know the memory's bandwidth: give `--bandwidth`")
}

impl Round {
    /// The most tokens a second of one stream.
    fn limit(&self, format: Format) -> f64 {
        let [before, after] = self.bandwidth;
        (before + after) / 2.0 * 1e9 / SEVEN_B.bytes_per_token(format) as f64
    }

    fn json(&self, format: Format) -> Value {
        json!({
            "prefill_tokens_per_s": self.prefill, "decode_tokens_per_s": self.decode,
            "streams_tokens_per_s": self.together, "bandwidth_gb_s": self.bandwidth,
            "limit_tokens_per_s": self.limit(format),
        })
    }
}

impl Row {
    /// The median over the rounds.
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        quantile(&self.rounds.iter().map(of).collect::<Vec<f64>>(), 0.5)
    }

    /// The most tokens a second of one stream with a whole context in the cache, of which each token reads all.
    fn full_limit(&self, full: &Full) -> f64 {
        let cache = SEVEN_B.cache_bytes_per_token() * full.tokens as u64;
        full.bandwidth * 1e9 / (SEVEN_B.bytes_per_token(self.format) + cache) as f64
    }

    fn weights(&self) -> String {
        let name = self.format.name();
        self.dtype.as_ref().map_or(name.to_owned(), |dtype| format!("{name}, computed in {dtype}"))
    }

    fn engine(&self) -> String {
        let is_plain = self.engine == Who::ZyronLlamaCpp && !self.batch_invariant;
        let note = if is_plain { ", `batch_invariant = false`" } else { "" };
        self.engine.engine().to_owned() + note
    }

    fn line(&self) -> String {
        let Self { format, load_s, megabytes, .. } = self;
        let (weights, engine) = (self.weights(), self.engine());
        let prefill = self.median(|round| round.prefill);
        let decode = self.median(|round| round.decode);
        let together = self.median(|round| round.together);
        let limit = self.median(|round| round.limit(*format));
        let share = self.median(|round| round.decode / round.limit(*format)) * 100.0;
        format!(
            "| {weights} | {engine} | {load_s:.0} | {megabytes:.0} | {prefill:.1} | {decode:.2} | {limit:.2} | \
             {share:.0} % | {together:.1} |"
        )
    }

    fn json(&self) -> Value {
        let rounds: Vec<Value> = self.rounds.iter().map(|round| round.json(self.format)).collect();
        let full = self.full.as_ref().map(|full| {
            json!({
                "prompt_tokens": full.tokens, "prefill_s": full.prefill_s, "decode_tokens_per_s": full.decode,
                "bandwidth_gb_s": full.bandwidth, "limit_tokens_per_s": self.full_limit(full),
                "peak_mb": full.megabytes,
            })
        });
        json!({
            "format": self.format.name(), "dtype": self.dtype, "engine": self.engine.engine(),
            "batch_invariant": self.batch_invariant, "load_s": self.load_s, "peak_mb": self.megabytes,
            "rounds": rounds, "full_context": full,
        })
    }
}

fn table(args: &Args, rows: &[Row]) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "# Seven billion random weights\n\n32 layers of 4096, 32 heads, 11008, 32000 pieces, on a machine with {cores} \
         cores. Medians of {} rounds: a prompt of {} tokens, then {} tokens alone, then {} streams at once. The limit is \
         the memory's bandwidth, a GPU's by its data sheet, a processor's measured before and after each round, over the \
         bytes that a token reads.\n\n\
         | weights | engine | load s | peak MB | prefill tok/s | decode tok/s | limit | share | {} streams tok/s |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        args.rounds, args.prompt, args.tokens, args.streams, args.streams
    );
    rows.iter().for_each(|row| text += &(row.line() + "\n"));
    for row in rows {
        let Some(full) = &row.full else { continue };
        let _ = writeln!(
            text,
            "\n{} with {}, the whole context once: {} tokens read in {:.0} s, then {:.2} tok/s of {:.2} that the \
             bandwidth allows with as many keys and values to read; {:.0} MB.",
            row.format.name(),
            row.engine(),
            full.tokens,
            full.prefill_s,
            full.decode,
            row.full_limit(full),
            full.megabytes
        );
    }
    text
}

//! `bench batching`: whether mistral.rs is faster with several requests at once, of equal length and of different ones.
//!
//! Its scheduler computes requests of equal length together and steps the others in turn. That pays where a step costs
//! the same for many as for one: with weights that are not quantized, and on a GPU.

use std::path::PathBuf;
use std::time::Instant;

use futures::future::try_join_all;
use zyron_engine::Model;

use crate::contender::{Contender, Setup, Who};
use crate::quantiles::quantile;
use crate::workload::{Ask, Workload};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A GGUF file or a safetensors folder
    #[arg(long)]
    model: PathBuf,
    /// The binary `zyron`
    #[arg(long)]
    zyron: PathBuf,
    /// The number format that is computed in, where it is not mistral.rs's choice
    #[arg(long)]
    dtype: Option<String>,
    /// Requests at once
    #[arg(long, default_value_t = 8)]
    streams: usize,
    /// Tokens of each answer
    #[arg(long, default_value_t = 32)]
    tokens: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let model = Model::open(&args.model)?;
    println!(
        "{} ({}), {} requests at once, {} tokens each; tok/s of all together, median of {} rounds",
        model.id, model.quantization, args.streams, args.tokens, args.rounds
    );
    println!("| run at once | prompts of equal length | of different lengths |\n|---|---|---|");
    for sequences in [1, args.streams] {
        let setup = Setup {
            model: args.model.clone(),
            zyron: args.zyron.clone(),
            llama_server: None,
            sequences,
            context_length: 1024,
            dtype: args.dtype.clone(),
            batch_invariant: true,
            state: None,
        };
        let contender = Contender::start(Who::ZyronMistralrs, &setup).await?;
        let (mut equal, mut different) = (Vec::new(), Vec::new());
        for round in 0..args.rounds {
            let mut workload = Workload::new(&model, round as u64);
            for (rates, step) in [(&mut equal, 0), (&mut different, 5)] {
                let prompts = (0..args.streams).map(|at| workload.prompt(32 + at * step));
                let asks: Vec<Ask> = prompts.map(|prompt| Ask { prompt, tokens: args.tokens }).collect();
                let start = Instant::now();
                try_join_all(asks.iter().map(|ask| contender.ask(ask))).await?;
                rates.push((args.streams * args.tokens) as f64 / start.elapsed().as_secs_f64());
            }
        }
        println!("| {sequences} | {:.1} | {:.1} |", quantile(&equal, 0.5), quantile(&different, 0.5));
    }
    Ok(())
}

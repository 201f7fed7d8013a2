//! `bench peers`: the same requests to Zyron with each of its engines, to llama.cpp's own server, and to mistral.rs
//! called directly.
//!
//! All of them hold the same GGUF file, and one at a time is asked, in turns that are repeated: what the machine does
//! besides falls on each. Requests are token ids, and answers cannot end early, so each contender computes exactly the
//! same for a request. Those on mistral.rs get only the first half of the requests, as long as that leaves one for each
//! client: they take too long for more. Existing load generators (guidellm, vLLM's, llama.cpp's) were looked at: they
//! need Python beside the server, which on two cores is a contender of its own, count words where we count tokens, and
//! cannot call a library.

mod load;
mod report;

use std::path::PathBuf;

use anyhow::Context;
use zyron_engine::Model;

use self::load::{closed_loop, long_prompt_beside, open_loop, shared_prefix};
use self::report::{Record, Report};
use crate::contender::{Contender, Setup, Who};
use crate::workload::Workload;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A GGUF file
    #[arg(long)]
    model: PathBuf,
    /// The binary `zyron`
    #[arg(long)]
    zyron: PathBuf,
    /// llama.cpp's own server
    #[arg(long)]
    llama_server: Option<PathBuf>,
    /// Whom to measure
    #[arg(long, value_delimiter = ',', default_value = "zyron-llama-cpp,llama-server,zyron-mistralrs,mistralrs")]
    contenders: Vec<Who>,
    /// Requests at once, of each closed loop
    #[arg(long, value_delimiter = ',', default_value = "1,4,16,32")]
    concurrency: Vec<usize>,
    /// Requests of each closed loop, for each of those at once
    #[arg(long, default_value_t = 3)]
    requests: usize,
    /// How often all of it is done
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests a second, of the open loop; 0 leaves it out
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// Leave out the long prompt and the shared prefix
    #[arg(long)]
    no_scenarios: bool,
    /// Tokens of the longest prompt plus answer
    #[arg(long, default_value_t = 3072)]
    context_length: usize,
    /// A folder for the figures: JSON, a table in Markdown, plots
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let model = Model::open(&args.model)?;
    let most = args.concurrency.iter().copied().max().context("no concurrency is given")?;
    let mut contenders = Vec::new();
    for &who in &args.contenders {
        let setup = Setup {
            model: args.model.clone(),
            zyron: args.zyron.clone(),
            llama_server: args.llama_server.clone(),
            sequences: if who == Who::ZyronMistralrs { 1 } else { most.max(9) },
            context_length: args.context_length,
            dtype: None,
            batch_invariant: true,
            state: None,
        };
        let contender = Contender::start(who, &setup).await?;
        eprintln!("{} is ready, {:.0} MB", contender.name, contender.megabytes()?);
        contenders.push(contender);
    }
    let mut report = Report::new(&model, &args, &contenders);
    // A round for warming up what is allocated and compiled lazily; short, and not counted.
    for round in 0..=args.rounds {
        let counted = round > 0;
        for &concurrency in if counted { &args.concurrency[..] } else { &[1] } {
            for contender in in_turn(&contenders, round) {
                let count = (args.requests * concurrency).max(4) / if contender.is_slow() { 2 } else { 1 };
                // Never the same prompt twice to anyone: all of them keep what they have computed.
                let seed = (round * 1000 + concurrency) as u64;
                let requests = Workload::new(&model, seed).mixed(count.max(concurrency));
                let outcome = closed_loop(contender, &requests, concurrency).await?;
                if counted {
                    report.add(Record::closed(contender, concurrency, outcome)?);
                }
            }
        }
        if !counted {
            continue;
        }
        if args.rate > 0.0 {
            for contender in in_turn(&contenders, round).filter(|contender| !contender.is_slow()) {
                let requests = Workload::new(&model, 100_000 + round as u64).mixed((args.rate * 20.0).ceil() as usize);
                let outcome = open_loop(contender, &requests, args.rate, round as u64).await?;
                report.add(Record::open(contender, args.rate, outcome)?);
            }
        }
        if !args.no_scenarios {
            for contender in in_turn(&contenders, round).filter(|contender| !contender.is_slow()) {
                let workload = Workload::new(&model, 200_000 + round as u64);
                report.add_long_prompt(contender.name, long_prompt_beside(contender, workload).await?);
                let workload = Workload::new(&model, 300_000 + round as u64);
                report.add_shared_prefix(contender.name, shared_prefix(contender, workload).await?);
            }
        }
        // An hour is long: what was measured is not lost with what was not.
        if let Some(folder) = &args.out {
            report.write(folder)?;
        }
    }
    println!("{}", report.table());
    Ok(())
}

/// Another first each time.
fn in_turn(contenders: &[Contender], round: usize) -> impl Iterator<Item = &Contender> {
    let count = contenders.len();
    (0..count).map(move |offset| &contenders[(round + offset) % count])
}

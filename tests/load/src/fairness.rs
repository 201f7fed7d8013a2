//! `bench fairness`: how long one key waits for its first token beside another that asks for more than the server can do.
//!
//! Four cases in turn: nobody else asks; a batch runs in the gaps; another key keeps many requests in the queue; the same key
//! does, so that the queue is first come, first served, as it would be without shares.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use futures::future::join_all;
use tokio::sync::watch;
use zyron_engine::Model;
use zyron_server::keys::{Limits, Scope, Store};

use crate::contender::{Contender, Setup, Who};
use crate::quantiles::quantile;
use crate::workload::{Ask, Workload};

/// Between the requests of the modest key.
const PAUSE: Duration = Duration::from_millis(100);
/// Requests of a batch: more than are answered meanwhile.
const BATCHED: usize = 2000;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A GGUF file
    #[arg(long)]
    model: PathBuf,
    /// The binary `zyron`
    #[arg(long)]
    zyron: PathBuf,
    /// Requests that run at once
    #[arg(long, default_value_t = 8)]
    sequences: usize,
    /// Requests of the greedy key that run or wait at any time
    #[arg(long, default_value_t = 64)]
    greedy: usize,
    /// Requests of the modest key, one after another, of each case and round
    #[arg(long, default_value_t = 20)]
    requests: usize,
    /// How often each case is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Who asks beside the modest key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Beside {
    Nobody,
    ABatch,
    AnotherKey,
    TheSameKey,
}

impl Beside {
    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::ABatch => "a batch of another key",
            Self::AnotherKey => "another key",
            Self::TheSameKey => "the same key (first come, first served)",
        }
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let model = Model::open(&args.model)?;
    let folder = tempfile::tempdir()?;
    let mut store = Store::open(folder.path())?;
    let mut key = |owner| Ok::<_, anyhow::Error>(store.create(owner, &[Scope::Chat], &Limits::default(), None)?.text);
    let (modest, greedy) = (key("modest")?, key("greedy")?);
    let setup = Setup {
        model: args.model.clone(),
        zyron: args.zyron.clone(),
        llama_server: None,
        sequences: args.sequences,
        context_length: 1024,
        dtype: None,
        batch_invariant: true,
        state: Some((folder.path().to_owned(), modest.clone())),
    };
    let contender = Contender::start(Who::ZyronLlamaCpp, &setup).await?;
    let mut waits = vec![Vec::new(); Beside::value_variants().len()];
    for round in 0..args.rounds {
        for (beside, waits) in Beside::value_variants().iter().zip(&mut waits) {
            let workload = Workload::new(&model, round as u64);
            waits.extend(match beside {
                Beside::Nobody => case(&contender, workload, None, &args).await?,
                Beside::AnotherKey => case(&contender, workload, Some(&greedy), &args).await?,
                Beside::TheSameKey => case(&contender, workload, Some(&modest), &args).await?,
                Beside::ABatch => {
                    let mut batched = Workload::new(&model, 1000 + round as u64);
                    let asks: Vec<Ask> =
                        (0..BATCHED).map(|_| Ask { prompt: batched.prompt(200), tokens: 200 }).collect();
                    contender.beside_batch(&greedy, &asks, case(&contender, workload, None, &args)).await?
                }
            });
        }
    }
    println!(
        "{} ({}), {} requests at once; a key asks {} times, one after another, beside {} requests that run or wait",
        model.id,
        model.quantization,
        args.sequences,
        args.requests * args.rounds,
        args.greedy
    );
    println!("| beside it asks | first token p50 | p99 | of alone |\n|---|---|---|---|");
    let alone = quantile(&waits[0], 0.99);
    for (beside, waits) in Beside::value_variants().iter().zip(&waits) {
        let [half, most] = [0.5, 0.99].map(|share| quantile(waits, share));
        println!("| {} | {half:.0} ms | {most:.0} ms | {:.1} |", beside.name(), most / alone);
    }
    Ok(())
}

/// Milliseconds until the first token of each request, while `other` asks for everything.
async fn case(
    contender: &Contender,
    mut workload: Workload,
    other: Option<&str>,
    args: &Args,
) -> anyhow::Result<Vec<f64>> {
    let mut ask = |tokens| Ask { prompt: workload.prompt(64), tokens };
    let asks: Vec<Ask> = (0..=args.requests).map(|_| ask(8)).collect();
    let flood: Vec<Ask> = (0..if other.is_some() { args.greedy } else { 0 }).map(|_| ask(32)).collect();
    let (is_over, over) = watch::channel(false);
    let flooding = join_all(flood.iter().map(|ask| async {
        while !*over.borrow() {
            contender.ask_with(other, ask).await?;
        }
        anyhow::Ok(())
    }));
    let asking = async {
        let mut waits = Vec::new();
        for ask in &asks {
            // A gap, in which a batch goes on.
            tokio::time::sleep(PAUSE).await;
            waits.push(contender.ask(ask).await?.first_after.as_secs_f64() * 1e3);
        }
        is_over.send_replace(true);
        // While the first was answered the queue filled.
        waits.remove(0);
        anyhow::Ok(waits)
    };
    let (waits, flooded) = tokio::join!(asking, flooding);
    flooded.into_iter().collect::<anyhow::Result<Vec<()>>>()?;
    waits
}

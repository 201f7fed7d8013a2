//! `chaos`: what happens to a server in bad company: too many requests, clients that are slow, kill -9, a full disk, a clock
//! that jumps, damaged files, requests of absurd sizes.
//!
//! It fails where something is broken: a request that is lost, a log that was changed, a server that ends or answers
//! otherwise than before. How long things took is printed, for docs/reliability.md, and fails nothing.

mod clock;
mod damage;
mod disk;
mod kills;
mod overload;
mod shapes;
mod slow_clients;

use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;

use crate::process::Program;
use crate::table::Table;

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    program: Program,
    /// What to go through; all of it where none is given
    #[arg(long, value_delimiter = ',')]
    cases: Vec<Case>,
    /// Goes through all of it in less than a minute
    #[arg(long)]
    short: bool,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    Overload,
    SlowClients,
    Kills,
    Disk,
    Clock,
    Damage,
    Shapes,
}

/// What each case works with.
struct Setting<'a> {
    program: &'a Program,
    /// What a server answers that nothing has happened to.
    before: &'a str,
    is_short: bool,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let server = args.program.start(&[], None).await?;
    let before = server.greedy().await?;
    server.terminate().await?;
    let context = Setting { program: &args.program, before: &before, is_short: args.short };
    let mut table = Table::default();
    let all = Case::value_variants();
    for case in if args.cases.is_empty() { all } else { &args.cases } {
        let start = Instant::now();
        let done = match case {
            Case::Overload => overload::run(&context, &mut table).await,
            Case::SlowClients => slow_clients::run(&context, &mut table).await,
            Case::Kills => kills::run(&context, &mut table).await,
            Case::Disk => disk::run(&context, &mut table).await,
            Case::Clock => clock::run(&context, &mut table).await,
            Case::Damage => damage::run(&context, &mut table).await,
            Case::Shapes => shapes::run(&context, &mut table).await,
        };
        done.with_context(|| format!("{case:?}"))?;
        println!("{case:?}: done in {:.1} s", start.elapsed().as_secs_f64());
    }
    println!("\n{table}");
    Ok(())
}

//! `zyron-model`: makes zyron-mini, a step a command.

use clap::{Parser, Subcommand};
use zyron_model::{baseline, card, corpus, export, train, vocabulary};

/// Makes zyron-mini, the small French finance model that Zyron comes with.
#[derive(Parser)]
#[command(name = "zyron-model", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes what it is trained on, and what is held out.
    Corpus(corpus::Args),
    /// Trains the tokenizer on the corpus.
    Tokenizer(vocabulary::Args),
    /// Judges n-gram models, for comparison.
    Baseline(baseline::Args),
    /// Trains the network; goes on where it was stopped.
    Train(train::Args),
    /// Writes the files that engines load.
    Export(export::Args),
    /// Writes the model card.
    Card(card::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Corpus(args) => corpus::run(&args),
        Command::Tokenizer(args) => vocabulary::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Card(args) => card::run(&args),
    }
}

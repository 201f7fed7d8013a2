//! `cargo xtask bench`: what Zyron costs and what it gives, each measured against something else in the same run. And
//! `cargo xtask chaos` and `soak`: what it withstands.

mod batching;
mod chaos;
mod contender;
mod direct;
mod fairness;
mod fec;
mod instant;
mod layer;
mod peers;
mod process;
mod quantiles;
mod serving;
mod seven_b;
mod soak;
mod table;
mod workload;

use clap::Parser;

/// Measures Zyron.
#[derive(Parser)]
#[command(args_override_self = true)]
enum Bench {
    /// What Zyron adds to mistral.rs
    Layer(layer::Args),
    /// Zyron, llama.cpp's own server and mistral.rs, side by side
    Peers(peers::Args),
    /// The HTTP layer alone, beside a bare loop of server-sent events
    Serving(serving::Args),
    /// mistral.rs with one request at a time, and with several
    Batching(batching::Args),
    /// How long one key waits beside another that asks for everything
    Fairness(fairness::Args),
    /// The import of a FEC, beside cutting its lines into fields
    Fec(fec::Args),
    /// A model of seven billion random weights, beside the memory's bandwidth
    #[command(name = "7b")]
    SevenB(seven_b::Args),
    /// A server in bad company: overload, slow clients, kill -9, a full disk, a clock that jumps, damaged files
    Chaos(chaos::Args),
    /// Requests of all kinds for hours, of which some break off
    Soak(soak::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Layer(args) => layer::run(args).await,
        Bench::Peers(args) => peers::run(args).await,
        Bench::Serving(args) => serving::run(args).await,
        Bench::Batching(args) => batching::run(args).await,
        Bench::Fairness(args) => fairness::run(args).await,
        Bench::Fec(args) => fec::run(&args),
        Bench::SevenB(args) => seven_b::run(args).await,
        Bench::Chaos(args) => chaos::run(args).await,
        Bench::Soak(args) => soak::run(args).await,
    }
}

//! `cargo xtask bench`: measurements, each beside what it is compared with (see tests/load). And `cargo xtask chaos` and
//! `soak`, which are made of the same.

use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;

use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{checkpoint, clients, llama_server, serve, setup};

/// Where the figures of the repository are.
const FIGURES: &str = "docs/benchmarks";

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// What Zyron adds to mistral.rs, in a minute.
    Layer(Args),
    /// Zyron, llama.cpp's own server and mistral.rs side by side, in an hour; into docs/benchmarks.
    Peers(Args),
    /// The HTTP layer alone beside a bare loop of server-sent events, in a minute.
    Serving(Args),
    /// mistral.rs with one request at a time and with several, in a minute.
    Batching(Args),
    /// How long one key waits beside another that asks for everything, in two minutes.
    Fairness(Args),
    /// The import of a FEC of a million lines beside cutting its lines into fields, in a minute.
    Fec(Args),
    /// The playground in a browser: its size, its first paint, how even its frames are; into docs/benchmarks.
    Page,
    /// A model of the size that Zyron is for, with random weights, beside the memory's bandwidth; into docs/benchmarks.
    #[command(name = "7b")]
    SevenB(Args),
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on to what runs, such as `--rounds 40`; `-- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,
}

pub(crate) fn run(workspace: &Workspace, bench: &Bench) -> Result<()> {
    setup::for_checkpoint(workspace)?;
    serve::build(workspace)?;
    let figures = workspace.path(FIGURES).into_os_string();
    let zyron = workspace.server_binary().into_os_string();
    match bench {
        Bench::Layer(Args { args }) => layer(workspace, args),
        Bench::Peers(Args { args }) => {
            let llama_server = llama_server::ensure(workspace)?.into_os_string();
            let model = checkpoint::ensure(workspace)?.into_os_string();
            let ours = [("--model", model), ("--zyron", zyron), ("--llama-server", llama_server), ("--out", figures)];
            measure(workspace, "peers", &ours, args)
        }
        Bench::Serving(Args { args }) => serving(workspace, args),
        Bench::Batching(Args { args }) => {
            let ours = [("--model", checkpoint::ensure(workspace)?.into_os_string()), ("--zyron", zyron)];
            measure(workspace, "batching", &ours, args)
        }
        Bench::Fairness(Args { args }) => fairness(workspace, args),
        Bench::Page => clients::measure_page(workspace, &workspace.path(FIGURES)),
        Bench::Fec(Args { args }) => measure(workspace, "fec", &[], args),
        Bench::SevenB(Args { args }) => {
            let models = workspace.cache().join("models").into_os_string();
            let ours = [("--models", models), ("--zyron", zyron), ("--out", figures)];
            measure(workspace, "7b", &ours, args)
        }
    }
}

/// One short round of those that take no long, to know that they still work. The page and the server must be there.
pub(crate) fn try_out(workspace: &Workspace) -> Result<()> {
    let short = |line: &str| -> Vec<OsString> { line.split(' ').map(OsString::from).collect() };
    layer(workspace, &short("--rounds 1 --tokens 8"))?;
    serving(workspace, &short("--rounds 1 --tokens 32 --connections 100"))?;
    measure(workspace, "fec", &[], &short("--rounds 1 --lines 20000"))?;
    fairness(workspace, &short("--rounds 1 --requests 2 --greedy 8"))?;
    let ours = [
        ("--model", checkpoint::ensure(workspace)?.into_os_string()),
        ("--zyron", workspace.server_binary().into_os_string()),
    ];
    let peers = "--contenders zyron-llama-cpp --concurrency 1,4 --requests 1 --rounds 1 --rate 0 --no-scenarios";
    measure(workspace, "peers", &ours, &short(peers))
}

/// Breaks a server.
pub(crate) fn chaos(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    setup::for_chaos(workspace)?;
    serve::build(workspace)?;
    withstand(workspace, "chaos", args)
}

/// Wears a server out.
pub(crate) fn soak(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    setup::for_checkpoint(workspace)?;
    serve::build(workspace)?;
    withstand(workspace, "soak", args)
}

/// The short form of both. The server must be there.
pub(crate) fn try_to_break(workspace: &Workspace) -> Result<()> {
    withstand(workspace, "chaos", &["--short".into()])?;
    withstand(workspace, "soak", &["--minutes".into(), "0.5".into()])
}

fn withstand(workspace: &Workspace, what: &str, args: &[OsString]) -> Result<()> {
    let model = checkpoint::ensure(workspace)?.into_os_string();
    measure(workspace, what, &[("--model", model), ("--zyron", workspace.server_binary().into_os_string())], args)
}

fn layer(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    measure(workspace, "layer", &[("--model", checkpoint::ensure(workspace)?.into_os_string())], args)
}

fn fairness(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let model = checkpoint::ensure(workspace)?.into_os_string();
    measure(workspace, "fairness", &[("--model", model), ("--zyron", workspace.server_binary().into_os_string())], args)
}

fn serving(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    measure(workspace, "serving", &[("--model", checkpoint::ensure(workspace)?.into_os_string())], args)
}

/// The caller's arguments come last: they win.
fn measure(workspace: &Workspace, what: &str, ours: &[(&str, OsString)], args: &[OsString]) -> Result<()> {
    let mut bench = workspace.cargo(["run", "--release", "--package", "zyron-load", "--", what]);
    for (name, value) in ours {
        bench.arg(name).arg(value);
    }
    run_program(bench.args(args))
}

//! `cargo xtask fuzz`: a long search for what is answered wrongly. `requests` makes up requests to a running server, with
//! schemathesis; `code` makes up bytes for whatever reads bytes from outside, with libFuzzer (`tests/fuzz`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};

use crate::package::Tool;
use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{clients, setup, web};

/// What drives libFuzzer.
const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };
/// Where the targets are.
const FOLDER: &str = "tests/fuzz";
/// The targets that need the server, which takes longer to compile than all else.
const OF_SERVER: [&str; 2] = ["batch_lines", "requests"];
/// What one input may take: in MB, all of the program and one allocation, and in seconds.
const LIMITS: [&str; 3] = ["-rss_limit_mb=3000", "-malloc_limit_mb=1000", "-timeout=20"];

/// What is searched, and how.
#[derive(Subcommand)]
pub(crate) enum Fuzz {
    /// Requests to a running server, made up from its document.
    Requests {
        /// Requests made up for each operation.
        #[arg(long, default_value_t = 10_000)]
        examples: u32,
    },
    /// Bytes, for each target of `tests/fuzz`.
    Code(Code),
}

/// How targets are searched.
#[derive(Args)]
pub(crate) struct Code {
    /// Only these; all of them where none is named.
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
    /// How long each is searched.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Adds to the corpus, in the end, inputs that reach code which none there reaches.
    #[arg(long)]
    keep: bool,
    /// Runs this input and searches nothing.
    #[arg(long, value_name = "FILE", requires = "targets", conflicts_with = "keep")]
    input: Option<PathBuf>,
    /// Makes a shorter input of it that fails, too.
    #[arg(long, requires = "input")]
    minimize: bool,
}

/// Searches, and says what was found.
pub(crate) fn run(workspace: &Workspace, fuzz: &Fuzz) -> Result<()> {
    match fuzz {
        Fuzz::Requests { examples } => clients::fuzz(workspace, *examples),
        Fuzz::Code(code) => search(workspace, code),
    }
}

fn search(workspace: &Workspace, code: &Code) -> Result<()> {
    let known = targets(workspace)?;
    if let Some(unknown) = code.targets.iter().find(|name| !known.contains(name)) {
        bail!("there is no target `{unknown}`; there are {}", known.join(", "));
    }
    setup::for_building(workspace)?;
    // The server embeds one; which one makes no difference here.
    if !workspace.path("web/dist/index.html").is_file() {
        web::build(workspace)?;
    }
    CARGO_FUZZ.ensure(workspace)?;
    let wanted = if code.targets.is_empty() { &known } else { &code.targets };
    let mut failed = Vec::new();
    for target in wanted {
        println!("\n==> {target}");
        let searched = match &code.input {
            Some(input) => run_input(workspace, target, input, code.minimize),
            None => search_in(workspace, target, code),
        };
        if let Err(error) = searched {
            failed.push(format!("{target}: {error:#}"));
        }
    }
    ensure!(failed.is_empty(), "see CONTRIBUTING.md for what to do with what was found\n{}", failed.join("\n"));
    Ok(())
}

/// The names of the targets: each has a program.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.path(FOLDER).join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("could not read {}", folder.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let mut names: Vec<String> = paths.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Searches one target, beginning with the corpus. New inputs go to the cache.
fn search_in(workspace: &Workspace, target: &str, code: &Code) -> Result<()> {
    let corpus = workspace.path(FOLDER).join("corpus").join(target);
    let found = workspace.cache().join("fuzz").join(target);
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    }
    let mut search = cargo_fuzz(workspace, "run", target);
    search.args([&found, &corpus]).arg("--").args(LIMITS).arg(format!("-max_total_time={}", code.seconds));
    let dictionary = workspace.path(FOLDER).join("dictionaries").join(format!("{target}.dict"));
    if dictionary.is_file() {
        search.arg(format!("-dict={}", dictionary.display()));
    }
    run_program(&mut search)?;
    if code.keep {
        let mut merge = cargo_fuzz(workspace, "run", target);
        // Without counters: how often code is reached is no reason to keep an input for ever.
        merge.args([&corpus, &found]).arg("--").args(LIMITS).args(["-merge=1", "-use_counters=0"]);
        run_program(&mut merge)?;
    }
    Ok(())
}

fn run_input(workspace: &Workspace, target: &str, input: &Path, minimize: bool) -> Result<()> {
    let mut command = cargo_fuzz(workspace, if minimize { "tmin" } else { "run" }, target);
    run_program(command.arg(input).arg("--").args(LIMITS))
}

/// `cargo fuzz`, up to what the target is run on.
fn cargo_fuzz(workspace: &Workspace, command: &str, target: &str) -> Command {
    // What a crate does when it knows that it is fuzzed is not what the product does.
    let mut cargo = workspace.cargo(["fuzz", command, "--features", "libfuzzer", "--no-cfg-fuzzing"]);
    cargo.arg("--fuzz-dir").arg(workspace.path(FOLDER));
    cargo.arg("--target-dir").arg(workspace.target().join("fuzz"));
    // The compiler's instrumentation is not stable, and no other compiler is pinned.
    cargo.env("RUSTC_BOOTSTRAP", "1");
    // What a library keeps as long as the program runs, such as the page's files, is no leak of ours.
    cargo.env("ASAN_OPTIONS", "detect_leaks=0");
    // Instrumented code takes long to optimize, and a search is a matter of minutes.
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_INCREMENTAL", "false");
    if !OF_SERVER.contains(&target) {
        cargo.arg("--no-default-features");
    }
    cargo.arg(target);
    cargo
}

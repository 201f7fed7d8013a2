//! `cargo xtask setup`, and the part of it that each other command asks for. What is there is not installed again.

use std::env::consts::ARCH;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{apt, checkpoint, node, python, rust_target};

/// What serving and the tests take. What another command takes besides comes with it: the compiler for ARM, that for
/// CUDA, llama.cpp's server.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for_tests(workspace, false)?;
    println!("All that these take is installed: `cargo xtask serve`, `cargo xtask test`.");
    Ok(())
}

/// What building the server and its page takes.
pub(crate) fn for_building(workspace: &Workspace) -> Result<()> {
    apt::ensure(workspace, &[apt::COMPILER, apt::CMAKE, apt::LIBCLANG])?;
    rust_target::ensure(workspace, rust_target::WASM)
}

/// What getting the checkpoint takes, besides.
pub(crate) fn for_checkpoint(workspace: &Workspace) -> Result<()> {
    apt::ensure(workspace, &[apt::COMPILER, apt::CMAKE, apt::LIBCLANG, apt::PYTHON])?;
    for_building(workspace)?;
    checkpoint::ensure(workspace).map(drop)
}

/// What breaking a server takes, besides.
pub(crate) fn for_chaos(workspace: &Workspace) -> Result<()> {
    apt::ensure(workspace, &[apt::COMPILER, apt::CMAKE, apt::LIBCLANG, apt::PYTHON, apt::FAKETIME])?;
    for_checkpoint(workspace)
}

/// What the tests take, besides.
pub(crate) fn for_tests(workspace: &Workspace, fast: bool) -> Result<()> {
    let mut needs = vec![apt::COMPILER, apt::CMAKE, apt::LIBCLANG, apt::PYTHON];
    if ARCH == "x86_64" {
        needs.push(apt::QEMU);
    }
    if !fast {
        needs.extend([apt::CHROMIUM, apt::PROMETHEUS, apt::FAKETIME]);
    }
    apt::ensure(workspace, &needs)?;
    for_checkpoint(workspace)?;
    let _lock = workspace.lock_cache()?;
    python::ensure_packages(workspace)?;
    node::ensure_packages(workspace, "tests/sdk/javascript")?;
    if fast { Ok(()) } else { node::ensure_packages(workspace, "tests/browser") }
}

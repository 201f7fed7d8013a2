//! The Python environment in .cache/venv: pip, the Python client, and the tools that pip can carry.
//!
//! Everything goes through the environment's own pip: the system's may be missing, or refuse to install.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{run, succeeds};
use crate::workspace::Workspace;

/// Every version the tests install is in one of these.
const REQUIREMENTS: [&str; 9] = [
    "tests/sdk/python/requirements.txt",
    "tests/embeddings/requirements.txt",
    "tests/langchain/requirements.txt",
    "tests/lm_eval/requirements.txt",
    "tests/operations/requirements.txt",
    "tests/package/requirements.txt",
    "tests/schemathesis/requirements.txt",
    "tests/triton/requirements.txt",
    "xtask/tools.txt",
];

/// Whether the environment is there already, or the system's Python can make it.
pub(crate) fn can_make_environment(workspace: &Workspace) -> bool {
    works(workspace) || succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

/// Makes the environment if it is not there, with nothing in it but pip.
pub(crate) fn ensure_environment(workspace: &Workspace) -> Result<()> {
    if works(workspace) {
        return Ok(());
    }
    println!("Making a Python environment in .cache/venv.");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder(workspace)))
        .context("could not make a Python environment; Python 3.10 or newer is needed")
}

/// Installs the pinned packages, if they changed since the last time.
pub(crate) fn ensure_packages(workspace: &Workspace) -> Result<()> {
    ensure_environment(workspace)?;
    let stamp = folder(workspace).join("zyron-requirements.txt");
    let mut wanted = String::new();
    for file in REQUIREMENTS {
        wanted += &fs::read_to_string(workspace.path(file)).with_context(|| format!("could not read {file}"))?;
    }
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("Installing Python packages, Node.js among them (once, about 250 MB).");
    let mut install = pip(workspace, "install");
    for file in REQUIREMENTS {
        install.arg("--requirement").arg(workspace.path(file));
    }
    run(&mut install).context("could not install the Python packages; is PyPI reachable?")?;
    fs::write(&stamp, wanted).with_context(|| format!("could not write {}", stamp.display()))
}

/// `pip COMMAND` of the environment.
pub(crate) fn pip(workspace: &Workspace, command: &str) -> Command {
    let mut pip = program(workspace, "python");
    pip.args(["-m", "pip", "--disable-pip-version-check", "--no-input", command]);
    pip
}

/// A program of the environment. Those that it starts are looked for there first, too.
pub(crate) fn program(workspace: &Workspace, name: &str) -> Command {
    let bin = folder(workspace).join("bin");
    let mut path = OsString::from(&bin);
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let mut command = Command::new(bin.join(name));
    command.env("PATH", path);
    command
}

/// Whether the environment has a program of this name.
pub(crate) fn has_program(workspace: &Workspace, name: &str) -> bool {
    folder(workspace).join("bin").join(name).is_file()
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.cache().join("venv")
}

// An environment outlives neither the Python it was made with nor a move of the checkout, which its scripts name.
fn works(workspace: &Workspace) -> bool {
    succeeds(program(workspace, "pip").arg("--version"))
}

//! Compiling for another machine: the standard library of a target.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{capture, run};
use crate::workspace::Workspace;

/// What the page runs on.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";
/// 64-bit ARM.
pub(crate) const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// Makes sure that rustc can compile for `target`.
pub(crate) fn ensure(workspace: &Workspace, target: &str) -> Result<()> {
    // rustc is asked rather than rustup: it may come from elsewhere and still know the target.
    let mut rustc = Command::new("rustc");
    let folder = capture(rustc.current_dir(workspace.root()).args(["--print", "target-libdir", "--target", target]))?;
    if Path::new(folder.trim_end()).is_dir() {
        return Ok(());
    }
    println!("Adding the Rust target {target}.");
    run(Command::new("rustup").current_dir(workspace.root()).args(["target", "add", target]))
        .with_context(|| format!("the Rust target {target} is missing and could not be added"))
}

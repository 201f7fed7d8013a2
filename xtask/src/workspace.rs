//! Where things are: the repository, its target folder, its cache.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout this program was compiled in.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is a folder of the workspace");
        Self { root: root.to_owned() }
    }

    /// The folder of the repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder of what is downloaded. Git ignores it; deleting it costs only time.
    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join(".cache")
    }

    /// The folder of what is compiled.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// The server that `cargo build --release --package zyron-server` makes.
    pub(crate) fn server_binary(&self) -> PathBuf {
        self.target().join("release/zyron")
    }

    /// The cargo that runs us, in the workspace.
    ///
    /// Without what it told us of ourselves: `ring` is compiled again, and most of the server after it, whenever these
    /// variables differ, and they are not there when a person runs cargo.
    pub(crate) fn cargo<const N: usize>(&self, args: [&str; N]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os().filter(|(name, _)| is_about_this_program(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command.current_dir(&self.root).args(args);
        command
    }

    /// Held by whoever changes the cache, so that two commands started together do not download into each other.
    pub(crate) fn lock_cache(&self) -> Result<File> {
        let path = self.cache().join("lock");
        fs::create_dir_all(self.cache()).with_context(|| format!("could not create {}", self.cache().display()))?;
        let file = File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        if file.try_lock().is_err() {
            println!("Another `cargo xtask` is installing; waiting for it.");
            file.lock().with_context(|| format!("could not lock {}", path.display()))?;
        }
        Ok(file)
    }
}

fn is_about_this_program(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix))
}

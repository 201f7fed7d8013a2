//! npm packages of a folder of tests, as its lock file has them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::process::run;
use crate::python;
use crate::workspace::Workspace;

/// Installs the folder's packages, if its lock file changed since the last time.
pub(crate) fn ensure_packages(workspace: &Workspace, folder: &str) -> Result<()> {
    let path = workspace.path(folder);
    if is_installed(&path).with_context(|| format!("could not read {folder}/package-lock.json"))? {
        return Ok(());
    }
    println!("Installing the npm packages of {folder}.");
    let mut npm = python::program(workspace, "npm");
    run(npm.current_dir(&path).args(["ci", "--no-audit", "--no-fund"]))
        .with_context(|| format!("could not install the npm packages of {folder}; is the npm registry reachable?"))
}

/// Node's own test runner, in `folder`. One file at a time: there is one server, and some tests hurry it.
pub(crate) fn test(workspace: &Workspace, folder: &str) -> Command {
    let mut node = python::program(workspace, "node");
    node.current_dir(workspace.path(folder)).args(["--test", "--test-concurrency=1"]);
    node
}

// npm writes node_modules/.package-lock.json last, so an install that was cut off is done again.
fn is_installed(folder: &Path) -> Result<bool> {
    let locked = modified(&folder.join("package-lock.json"))?;
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    Ok(installed.is_ok_and(|installed| installed >= locked))
}

fn modified(file: &Path) -> Result<SystemTime> {
    Ok(fs::metadata(file)?.modified()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn packages_are_installed_once_per_lock_file() {
        let folder = TempDir::new().unwrap();
        let lock = folder.path().join("package-lock.json");
        let installed = folder.path().join("node_modules/.package-lock.json");
        assert!(is_installed(folder.path()).is_err());

        fs::write(&lock, "").unwrap();
        assert!(!is_installed(folder.path()).unwrap());

        fs::create_dir(folder.path().join("node_modules")).unwrap();
        fs::write(&installed, "").unwrap();
        assert!(is_installed(folder.path()).unwrap());

        let later = fs::metadata(&installed).unwrap().modified().unwrap() + Duration::from_secs(1);
        fs::File::options().write(true).open(&lock).unwrap().set_modified(later).unwrap();
        assert!(!is_installed(folder.path()).unwrap());
    }
}

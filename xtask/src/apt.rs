//! Debian packages: what is missing is installed where we may, and named in one line where we may not.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{is_on_path, run};
use crate::python;
use crate::workspace::Workspace;

/// Something a command needs, and the packages that bring it.
pub(crate) struct Need {
    packages: &'static [&'static str],
    is_met: fn(&Workspace) -> bool,
}

/// C and C++, for the crates that contain some. (Cargo cannot link this very program without `cc`.)
pub(crate) const COMPILER: Need =
    Need { packages: &["build-essential"], is_met: |_| is_on_path("cc") && is_on_path("c++") };

/// What llama.cpp's crate builds itself with, besides: CMake, and libclang to read the headers.
pub(crate) const CMAKE: Need = Need { packages: &["cmake"], is_met: |_| is_on_path("cmake") };
pub(crate) const LIBCLANG: Need = Need { packages: &["libclang-dev"], is_met: |_| has_libclang() };

/// Debian keeps the part of Python that makes environments in a package of its own.
pub(crate) const PYTHON: Need = Need { packages: &["python3-venv"], is_met: python::can_make_environment };

/// The browser of the browser tests.
pub(crate) const CHROMIUM: Need = Need { packages: &["chromium"], is_met: |_| is_on_path("chromium") };

/// Scrapes the server in a test, and checks what `deploy/` has for it.
pub(crate) const PROMETHEUS: Need =
    Need { packages: &["prometheus"], is_met: |_| is_on_path("prometheus") && is_on_path("promtool") };

/// Has a server's clock jump.
pub(crate) const FAKETIME: Need = Need { packages: &["libfaketime"], is_met: |_| has_faketime() };

/// Makes a Debian that has nothing but what it must.
pub(crate) const DEBIAN: Need = Need { packages: &["mmdebstrap"], is_met: |_| is_on_path("mmdebstrap") };

/// Builds an image from a Dockerfile and runs it, with no service in the background.
pub(crate) const CONTAINERS: Need = Need {
    packages: &["buildah", "podman", "runc"],
    is_met: |_| ["buildah", "podman", "runc"].into_iter().all(is_on_path),
};

/// Judges the scripts of the image.
pub(crate) const SHELLCHECK: Need = Need { packages: &["shellcheck"], is_met: |_| is_on_path("shellcheck") };

/// Boots a Debian in a container, with systemd as its first process.
pub(crate) const SYSTEMD: Need = Need { packages: &["systemd-container"], is_met: |_| is_on_path("systemd-nspawn") };

/// Runs the server on a processor without AVX2, which it must refuse in words.
pub(crate) const QEMU: Need = Need { packages: &["qemu-user"], is_met: |_| is_on_path("qemu-x86_64") };

/// Compiles the C and C++ parts for 64-bit ARM.
pub(crate) const AARCH64_COMPILER: Need = Need {
    packages: &["gcc-aarch64-linux-gnu", "g++-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    is_met: |_| is_on_path("aarch64-linux-gnu-gcc") && is_on_path("aarch64-linux-gnu-g++"),
};

fn has_faketime() -> bool {
    Path::new("/usr/lib").join(format!("{}-linux-gnu/faketime/libfaketimeMT.so.1", env::consts::ARCH)).is_file()
}

/// Looks where libclang's readers look: under `LIBCLANG_PATH`, and where systems put it.
fn has_libclang() -> bool {
    let mut folders: Vec<PathBuf> = env::var_os("LIBCLANG_PATH").map(PathBuf::from).into_iter().collect();
    folders.extend(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
    folders.push(Path::new("/usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH)));
    let versions = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let versions = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm"));
    folders.extend(versions.map(|entry| entry.path().join("lib")));
    // Not `libclang-cpp`, which others bring and the readers do not take.
    let is_library = |name: &str| {
        let has_version =
            name.strip_prefix("libclang-").is_some_and(|rest| rest.starts_with(|it: char| it.is_ascii_digit()));
        name == "libclang.so" || name.starts_with("libclang.so.") || has_version
    };
    folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten()).any(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        is_library(&name) && name.contains(".so")
    })
}

const INSTALL: [&str; 4] = ["apt-get", "install", "--yes", "--no-install-recommends"];

/// Makes sure that every need is met.
pub(crate) fn ensure(workspace: &Workspace, needs: &[Need]) -> Result<()> {
    let unmet = needs.iter().filter(|need| !(need.is_met)(workspace));
    let missing: Vec<&str> = unmet.flat_map(|need| need.packages).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !is_on_path("apt-get") {
        bail!("these must be installed first, under the names they have on Debian: {packages}");
    }
    let root = is_root()?;
    if !root && env::var("CI").as_deref() != Ok("true") {
        bail!("some Debian packages are missing. Install them, then try again:\n\n{}\n", line_for_a_person(&missing));
    }
    println!("Installing with apt-get: {packages}");
    run(&mut privileged(root, &["apt-get", "update"]))?;
    run(privileged(root, &INSTALL).args(missing)).with_context(|| format!("could not install {packages}"))
}

fn line_for_a_person(missing: &[&str]) -> String {
    format!("    sudo {} {}", INSTALL.join(" "), missing.join(" "))
}

fn privileged(root: bool, words: &[&str]) -> Command {
    // `env` sets the variable behind `sudo`, which would drop it.
    let prefix: &[&str] = if root { &["env"] } else { &["sudo", "--non-interactive", "env"] };
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).arg("DEBIAN_FRONTEND=noninteractive").args(words);
    command
}

/// Whether this is the user who may do everything.
fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self").context("could not tell which user this is")?.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed() {
        let there = Need { packages: &["no-such-package"], is_met: |_| true };
        ensure(&Workspace::find(), &[there]).unwrap();
    }

    #[test]
    fn a_person_gets_one_line_to_paste() {
        assert_eq!(
            line_for_a_person(&["chromium", "qemu-user"]),
            "    sudo apt-get install --yes --no-install-recommends chromium qemu-user"
        );
    }
}

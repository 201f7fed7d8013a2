//! Files of a state folder, each cut off or changed: the server starts and answers as before, or says in a sentence why not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, ensure};

use super::Setting;
use crate::process::Zyron;
use crate::table::Table;

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let keys = [("BATCH__ENABLED", "true"), ("LOG__FILTER", "error")];
    let server = setting.program.start(&keys, Some(&state)).await?;
    server.answers(setting.before).await?;
    // Its mark stays, too.
    server.kill()?;
    let (mut started, mut refused) = (0, 0);
    let files = files_under(&state)?;
    for file in &files {
        let content = fs::read(state.join(file))?;
        for damaged in damages(&content, setting.is_short) {
            let copy = folder.path().join("copy");
            copy_folder(&state, &copy)?;
            fs::write(copy.join(file), damaged)?;
            let name = file.display();
            match Zyron::start(setting.program.serve(&keys, Some(&copy))).await {
                Ok(server) => {
                    server.answers(setting.before).await.with_context(|| format!("with a damaged {name}"))?;
                    server.terminate().await?;
                    started += 1;
                }
                Err(error) => {
                    let said = error.to_string();
                    let is_sentence =
                        said.lines().any(|line| line.starts_with("error: ")) && !said.contains("panicked");
                    ensure!(is_sentence, "a damaged {name} is not explained: {said}");
                    refused += 1;
                }
            }
            fs::remove_dir_all(copy)?;
        }
    }
    let case = format!("damaged state, {} files", files.len());
    table.row(&case, "a server that starts and answers as before", format!("{started} times"));
    table.row(&case, "one that refuses to start and says why", format!("{refused} times"));
    Ok(())
}

/// A file cut off, emptied, and changed in the middle.
fn damages(content: &[u8], is_short: bool) -> Vec<Vec<u8>> {
    let half = content.len() / 2;
    let mut changed = content.to_vec();
    let end = (half + 16).min(content.len());
    changed[half..end].fill(0xA5);
    if is_short {
        return vec![changed];
    }
    vec![Vec::new(), content[..half].to_vec(), changed]
}

/// Every file in a folder and in those within, by its path there.
fn files_under(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(folder.join(&within))? {
            let entry = entry?;
            let path = within.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    // With its owner and permissions, which the server looks at.
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).stdout(Stdio::null()).status()?;
    ensure!(copied.success(), "a folder cannot be copied");
    Ok(())
}

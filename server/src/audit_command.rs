//! `zyron audit`: looks at the audit log of a state folder, whether a server runs with it or not.

use std::io::Write;

use anyhow::{Context, bail, ensure};
use zyron_server::audit::{self, Verified};

use crate::cli::{AuditArgs, AuditCommand};

/// Does what was asked for.
pub(crate) fn run(args: AuditArgs) -> anyhow::Result<()> {
    let folder = audit::folder(&args.state.folder);
    ensure!(folder.is_dir(), "there is no audit log in {}", args.state.folder.display());
    match args.command {
        AuditCommand::Verify { noted } => {
            let noted = noted.as_deref().map(read_noted).transpose()?;
            say(&audit::verify(&folder, noted)?)
        }
        AuditCommand::Export { from, to } => {
            let mut out = std::io::stdout().lock();
            let mut written = Ok(());
            audit::export(&folder, from, to, |line| {
                if written.is_ok() {
                    written = writeln!(out, "{line}");
                }
            })?;
            Ok(written?)
        }
    }
}

fn read_noted(text: &str) -> anyhow::Result<(u64, &str)> {
    let parts = text.split_once(':').and_then(|(number, hash)| Some((number.parse().ok()?, hash)));
    parts.context("--noted is a line's number and its hash, as `zyron audit verify` says them: 12:3f…")
}

fn say(found: &Verified) -> anyhow::Result<()> {
    for (file, place, what) in &found.problems {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}:{place}: {what}");
    }
    if found.is_torn {
        println!("The last line is incomplete: a server cuts it off when it starts.");
    }
    let Some((number, hash)) = &found.last else {
        ensure!(found.problems.is_empty(), "the audit log was changed");
        println!("The audit log is empty.");
        return Ok(());
    };
    println!("{} lines, from {} to {number}; {} without whom they are about", found.lines, found.first, found.erased);
    if !found.problems.is_empty() {
        bail!("the audit log was changed");
    }
    println!("None was changed. Note the last one elsewhere, for --noted: {number}:{hash}");
    Ok(())
}

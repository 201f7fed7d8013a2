//! `zyron analyse`: a company's files to tables, without a model and without a server.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use zyron_finance::import::{self, Options};
use zyron_finance::{Report, report};

use crate::cli::{AnalyseArgs, Format};

pub(crate) fn run(args: &AnalyseArgs) -> anyhow::Result<()> {
    let files = args.files.iter().map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let statement = import::read_all(&files, &Options { end: args.end }).map_err(|(_, error)| error)?;
    let report = Report::of(statement);
    let notes: Vec<String> = files.iter().map(|(name, bytes)| note(name, bytes)).collect();
    let bytes = match args.format {
        Format::Table => report::text(&report).into_bytes(),
        Format::Markdown => report::markdown(&report, &notes).into_bytes(),
        Format::Csv => report::csv(&report.analysis, &notes).into_bytes(),
        Format::Xlsx => report::xlsx(&report, &notes)?,
        Format::Json => (serde_json::to_string_pretty(&report)? + "\n").into_bytes(),
    };
    if args.out.is_none() && matches!(args.format, Format::Xlsx) && std::io::stdout().is_terminal() {
        bail!("a workbook is not for a terminal: name a file with --out");
    }
    match &args.out {
        Some(path) => std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display())),
        None => match std::io::stdout().write_all(&bytes) {
            // Who reads it, `head` for one, may have seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        },
    }
}

/// What an export says of a file that it was made from.
fn note(name: &str, bytes: &[u8]) -> String {
    format!("{name} (SHA-256\u{a0}: {:x})", Sha256::digest(bytes))
}

fn read(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((name.into_owned(), bytes))
}

//! `zyron analyse`: a company's files to tables, without a model and without a server.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use zyron_finance::alerts::Alert;
use zyron_finance::import::{self, Options};
use zyron_finance::statement::Anomaly;
use zyron_finance::{Analysis, Statement, alerts, analyse, checks, merge, report};

use crate::cli::{AnalyseArgs, Format};

/// What is printed as JSON.
#[derive(Serialize)]
struct Report<'a> {
    statement: &'a Statement,
    analysis: &'a Analysis,
    alerts: &'a [Alert],
    anomalies: &'a [Anomaly],
}

pub(crate) fn run(args: &AnalyseArgs) -> anyhow::Result<()> {
    let options = Options { end: args.end };
    let mut statements = args.files.iter().map(|path| read(path, &options)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut statement = merge(statements.remove(0), statements);
    let analysis = analyse(&statement);
    let mut anomalies = std::mem::take(&mut statement.anomalies);
    anomalies.extend(checks(&statement));
    let alerts = alerts(&statement);
    let text = match args.format {
        Format::Table => report::text(&statement, &analysis, &alerts, &anomalies),
        Format::Markdown => report::markdown(&statement, &analysis, &alerts, &anomalies),
        Format::Csv => report::csv(&analysis),
        Format::Json => {
            let report = Report { statement: &statement, analysis: &analysis, alerts: &alerts, anomalies: &anomalies };
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    match &args.out {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => match std::io::stdout().write_all(text.as_bytes()) {
            // Who reads it, `head` for one, may have seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        },
    }
}

fn read(path: &Path, options: &Options) -> anyhow::Result<Statement> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(import::read(&bytes, &name, options)?)
}

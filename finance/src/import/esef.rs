//! Annual reports of listed companies, in the European Single Electronic Format (Delegated Regulation (EU) 2019/815): a
//! page in XHTML in which the figures of the consolidated accounts are tagged (Inline XBRL 1.1).
//!
//! A tag names an element of the IFRS taxonomy or of the company's own, and refers to a context (which company, when,
//! which part of it) and a unit. The figures of the whole whose element means what an item of ours does become lines;
//! the others stay as they are, in [`Year::other`](crate::statement::Year::other). The texts that are tagged are not
//! read, but for the company's name.

mod concepts;
mod document;
mod excerpt;
mod labels;
mod number;
mod package;
mod report;
#[cfg(test)]
mod tests;
mod xml;
mod years;

use std::collections::HashMap;

pub(super) use self::excerpt::excerpt;
use self::package::Package;
use self::report::Report;
use super::ImportError;
use super::log::Log;
use crate::statement::{AnomalyKind, Statement};

/// Bytes of a report once it is unpacked: annual reports have their pictures in them.
const MOST_BYTES: u64 = 200 << 20;

/// Reads a report package (ZIP), or the document of a report alone (XHTML). Amounts are in the currency itself.
///
/// # Errors
/// Where it is damaged, has no tagged figures of a fiscal year, or more of something than any report has.
pub fn read(bytes: &[u8], name: &str) -> Result<Statement, ImportError> {
    if bytes.is_empty() {
        return Err(ImportError::Empty(name.to_owned()));
    }
    let (mut report, mut room) = (Report::new(name), MOST_BYTES);
    if !Package::is(bytes) {
        document::read(bytes, name, &mut room, &mut report)?;
        return years::statement(report, &HashMap::new(), name);
    }
    let mut package = Package::open(bytes, name)?;
    let documents = package.documents();
    if documents.report.is_empty() {
        let reason = "l’archive ne contient aucun rapport XHTML".to_owned();
        return Err(ImportError::NoReport { file: name.to_owned(), reason });
    }
    for path in &documents.report {
        document::read(package.file(path)?, path, &mut room, &mut report)?;
    }
    if !documents.others.is_empty() {
        let message = || format!("d’autres documents ne sont pas lus\u{a0}: {}", documents.others.join(", "));
        report.log.add(AnomalyKind::Rule, "others", None, message);
    }
    let labels = labels(&mut package, &mut room, &mut report.log);
    years::statement(report, &labels, name)
}

/// What the company calls its own elements. Without them the figures are the same, so that they cannot be read is an
/// anomaly and no error.
fn labels(package: &mut Package<'_>, room: &mut u64, log: &mut Log) -> HashMap<String, String> {
    let Some(path) = package.labels() else { return HashMap::new() };
    let labels = package.file(&path).and_then(|file| labels::read(file, &path, room));
    labels.unwrap_or_else(|error| {
        log.add(AnomalyKind::Unreadable, "labels", None, || error.to_string());
        HashMap::new()
    })
}

//! From files as companies have them to a [`Statement`].
//!
//! Whatever cannot be read is among the statement's anomalies, with its place; a file that is no such file at all is an
//! error. What the figures mean is [`crate::analysis`]' work.

pub mod esef;
mod excerpt;
pub mod fec;
mod heading;
mod log;
mod presentation;
mod table;
mod text;
mod trial_balance;

use chrono::NaiveDate;
use thiserror::Error;

pub use self::excerpt::{Excerpt, ExcerptRow, excerpt};
use crate::statement::{Anomaly, AnomalyKind, InvalidStatement};
use crate::{Statement, merge};

/// What the caller knows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The last day of the last fiscal year in it, where the file does not say it.
    pub end: Option<NaiveDate>,
}

/// Reads a file of any of these kinds, which is known by what is in it: a FEC, a balance générale, a bilan and compte de
/// résultat, an annual report. Its name is what places show; of a FEC it says whose it is. A PDF is read as the text that
/// `zyron-pdf` finds in it, not as it is.
///
/// # Errors
/// Where it is none of them, damaged, or too large, and where nothing says when a fiscal year ends.
pub fn read(bytes: &[u8], name: &str, options: &Options) -> Result<Statement, ImportError> {
    if bytes.starts_with(b"%PDF") {
        let what = "les PDF ne sont pas lus ici\u{a0}: donnez le classeur ou l’export dont il vient".to_owned();
        return Err(ImportError::Unsupported { file: name.to_owned(), what });
    }
    if is_report(bytes) {
        return esef::read(bytes, name);
    }
    if is_fec(bytes) {
        return fec::read_until(bytes, name, options.end);
    }
    let workbook = table::read(bytes, name)?;
    let is_balance = trial_balance::is_in(&workbook);
    let read = if is_balance { trial_balance::read } else { presentation::read };
    let mut statement = read(&workbook, options)?;
    if workbook.is_pdf {
        let message = format!(
            "{name}\u{a0}: les montants sont lus d’un PDF, d’après leur place sur la page\u{202f}; vérifiez-les"
        );
        statement.anomalies.insert(0, Anomaly { kind: AnomalyKind::Rule, message, place: None, more: 0 });
    }
    Ok(statement)
}

/// Reads a company's files together: a fiscal year each, or the parts of one. Of several files, `options.end` is that of
/// those that do not say theirs.
///
/// # Errors
/// The place of the file that cannot be read, with the reason; without a place, why all of them together cannot be
/// analysed.
pub fn read_all<B: AsRef<[u8]>>(
    files: &[(String, B)],
    options: &Options,
) -> Result<Statement, (Option<usize>, ImportError)> {
    let mut statements = Vec::new();
    for (at, (name, bytes)) in files.iter().enumerate() {
        let read_with = |options: &Options| read(bytes.as_ref(), name, options);
        let statement = match files {
            [_] => read_with(options),
            _ => match read_with(&Options::default()) {
                Err(ImportError::NoYear(_)) => read_with(options),
                read => read,
            },
        };
        let statement = statement.map_err(|error| (Some(at), error))?;
        if statement.years.is_empty() {
            return Err((Some(at), ImportError::NoYear(name.clone())));
        }
        statements.push(statement);
    }
    let mut statements = statements.into_iter();
    let first = statements.next().ok_or_else(|| (None, ImportError::Empty(String::new())))?;
    let statement = merge(first, statements);
    statement.check().map_err(|error| (None, ImportError::Invalid(error)))?;
    Ok(statement)
}

/// Whether a file may be an annual report: a page, or an archive that is no workbook.
fn is_report(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.trim_ascii_start().starts_with(b"<") || bytes.starts_with(b"PK") && !table::is_workbook(bytes)
}

/// Whether a file begins with the names of a FEC's columns.
fn is_fec(bytes: &[u8]) -> bool {
    let first = bytes.iter().take(4096).take_while(|byte| **byte != b'\n');
    // In UTF-16 there is a zero beside each letter.
    let text: String = first.filter(|byte| **byte != 0).map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    text.contains("comptenum") && (text.contains("journalcode") || text.contains("ecriturenum"))
}

/// Why a file gives no statement. The texts are for French readers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// Nothing is in it.
    #[error("{0}\u{a0}: le fichier est vide")]
    Empty(String),
    /// Columns without which nothing can be computed.
    #[error("{file}\u{a0}: il manque les colonnes {columns}")]
    Columns {
        /// The file's name.
        file: String,
        /// Their names.
        columns: String,
    },
    /// The bytes cannot be had.
    #[error("{file}\u{a0}: lecture impossible ({reason})")]
    Read {
        /// The file's name.
        file: String,
        /// What went wrong.
        reason: String,
    },
    /// It has more of something than any such file has.
    #[error("{file}\u{a0}: {what}")]
    TooLarge {
        /// The file's name.
        file: String,
        /// What there is too much of.
        what: String,
    },
    /// It is no report, or one without figures.
    #[error("{file}\u{a0}: {reason}")]
    NoReport {
        /// The file's name.
        file: String,
        /// What it lacks.
        reason: String,
    },
    /// Nothing in it says when a fiscal year ends.
    #[error("{0}\u{a0}: la date de clôture de l’exercice n’est dite nulle part\u{a0}; précisez-la")]
    NoYear(String),
    /// It is in a format that is not read.
    #[error("{file}\u{a0}: {what}")]
    Unsupported {
        /// The file's name.
        file: String,
        /// What it is, and what to do.
        what: String,
    },
    /// The files cannot be analysed together.
    #[error("les fichiers ne s’analysent pas ensemble ({0})")]
    Invalid(InvalidStatement),
    /// No accounts of any kind were found in it.
    #[error("{0}\u{a0}: ni FEC, ni balance, ni bilan, ni compte de résultat n’y ont été trouvés")]
    Unknown(String),
}

impl ImportError {
    fn damaged(file: &str, reason: impl Into<String>) -> Self {
        Self::Read { file: file.to_owned(), reason: reason.into() }
    }

    fn too_large(file: &str, what: impl Into<String>) -> Self {
        Self::TooLarge { file: file.to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod tests;

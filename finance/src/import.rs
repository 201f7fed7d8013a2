//! From files as companies have them to a [`Statement`](crate::Statement).
//!
//! Whatever cannot be read is among the statement's anomalies, with its place; a file that is no such file at all is an
//! error. What the figures mean is [`crate::analysis`]' work.

pub mod fec;
mod log;
mod text;

use thiserror::Error;

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
}

//! A SQLite file of the state folder: opened for this user alone, durable, and in the form that this program knows.
//!
//! What is in it is its owner's: `keys/store.rs`, `batches/store.rs`.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite_migration::{M, MigrationDefinitionError, Migrations};
use thiserror::Error;

/// How long one process waits while another writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a file cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It cannot be made, or made private.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is damaged, or the disk full.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// It has a form that comes after the last one that is known here.
    #[error("a newer version of Zyron wrote it; nothing was changed")]
    Newer,
    /// It has an older form, and cannot be given the next.
    #[error("cannot be brought up to date: {0}")]
    Migration(rusqlite_migration::Error),
}

/// Opens `file`, which is made where it is not there. `forms` are the statements that lead from each form of it to the next.
pub(crate) fn open(file: &Path, forms: &[&'static str]) -> Result<Connection, OpenError> {
    let mut database = Connection::open(file)?;
    fs::set_permissions(file, Permissions::from_mode(0o600))?;
    database.busy_timeout(BUSY_TIMEOUT)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    // Whoever is told that something is kept, or gone, can rely on it, also when the power fails.
    database.pragma_update(None, "synchronous", "FULL")?;
    // What is deleted is overwritten: it may be a person's.
    database.pragma_update(None, "secure_delete", true)?;
    database.pragma_update(None, "foreign_keys", true)?;
    let migrations = Migrations::new(forms.iter().map(|form| M::up(form)).collect());
    match migrations.to_latest(&mut database) {
        Ok(()) => Ok(database),
        Err(rusqlite_migration::Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead)) => {
            Err(OpenError::Newer)
        }
        Err(error) => Err(OpenError::Migration(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenError, open};

    const FIRST: &str = "CREATE TABLE one (number INTEGER) STRICT;";
    const SECOND: &str = "ALTER TABLE one ADD COLUMN text TEXT;";

    #[test]
    fn a_file_is_brought_up_to_date_and_keeps_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sqlite");
        open(&file, &[FIRST]).unwrap().execute("INSERT INTO one VALUES (7)", []).unwrap();
        let database = open(&file, &[FIRST, SECOND]).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: (u32, Option<String>) = database.query_row("SELECT number, text FROM one", [], row).unwrap();
        assert_eq!(found, (7, None));
    }

    #[test]
    fn a_file_of_a_newer_version_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sqlite");
        open(&file, &[FIRST, SECOND]).unwrap();
        let error = open(&file, &[FIRST]).unwrap_err();
        assert!(matches!(error, OpenError::Newer), "{error}");
        assert!(open(&file, &[FIRST, SECOND]).unwrap().prepare("SELECT text FROM one").is_ok());
    }
}

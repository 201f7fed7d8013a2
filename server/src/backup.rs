//! A state folder in one file, and back: for another machine, another operator, or the day after a disk has failed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Builder, EntryType};
use thiserror::Error;

use crate::audit::{self, AuditError, Verified};
use crate::keys::store::FILE as KEYS;
use crate::keys::{Store, StoreError};
use crate::private;
use crate::provenance::FILE as PROVENANCE;
use crate::run::INCIDENTS;

/// Why there is no backup, or nothing is restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The disk's fault, or a file that is no archive.
    #[error("{}: {error}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is a folder already.
    #[error("{} is not empty: what is in it would be mixed with what is restored", .0.display())]
    NotEmpty(PathBuf),
    /// The archive has something else.
    #[error("`{}` is nothing that a backup has", .0.display())]
    Unexpected(PathBuf),
    /// Its keys cannot be read.
    #[error(transparent)]
    Keys(#[from] StoreError),
    /// Its audit log cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Its audit log is not what it was.
    #[error("what was restored has an audit log that was changed: `zyron audit verify` says where")]
    Changed,
}

fn at(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.to_owned();
    move |error| BackupError::Io { file, error }
}

/// Writes keys, audit log, records of crashes and the key that signs provenance to an archive, and says how many files
/// that are. A server may run with the folder.
///
/// # Errors
/// [`BackupError`]; then there is no new archive.
pub fn create(state: &Path, to: &Path) -> Result<usize, BackupError> {
    if !state.is_dir() {
        return Err(at(state)(io::ErrorKind::NotFound.into()));
    }
    let unfinished = to.with_added_extension("unfinished");
    // A file of its own, which SQLite makes: what is in the folder may change while it is read.
    let keys = to.with_added_extension("keys");
    let result = write(state, &unfinished, &keys);
    let _ = fs::remove_file(keys);
    let files = match result {
        Ok(files) => files,
        Err(error) => {
            let _ = fs::remove_file(unfinished);
            return Err(error);
        }
    };
    fs::rename(&unfinished, to).map_err(at(to))?;
    Ok(files)
}

fn write(state: &Path, to: &Path, keys: &Path) -> Result<usize, BackupError> {
    let _ = fs::remove_file(to);
    let file = private::options().write(true).create_new(true).open(to).map_err(at(to))?;
    let mut archive = Builder::new(file);
    let mut files = 0;
    let mut add = |archive: &mut Builder<File>, file: &Path, name: PathBuf| {
        files += 1;
        archive.append_path_with_name(file, name)
    };
    let _ = fs::remove_file(keys);
    // Made before SQLite writes to it, so that nobody else can read it.
    private::options().write(true).create_new(true).open(keys).map_err(at(keys))?;
    Store::open(state)?.copy_to(keys)?;
    add(&mut archive, keys, KEYS.into()).map_err(at(to))?;
    let log = audit::folder(state);
    if log.is_dir() {
        audit::with_files(&log, |files| {
            files.iter().try_for_each(|file| add(&mut archive, file, within(audit::FOLDER, file)))
        })?;
    }
    let incidents = state.join(INCIDENTS);
    if incidents.is_dir() {
        for entry in fs::read_dir(&incidents).map_err(at(&incidents))? {
            let file = entry.map_err(at(&incidents))?.path();
            add(&mut archive, &file, within(INCIDENTS, &file)).map_err(at(to))?;
        }
    }
    let provenance = state.join(PROVENANCE);
    if provenance.is_file() {
        add(&mut archive, &provenance, PROVENANCE.into()).map_err(at(to))?;
    }
    archive.into_inner().and_then(|file| file.sync_all()).map_err(at(to))?;
    Ok(files)
}

fn within(folder: &str, file: &Path) -> PathBuf {
    Path::new(folder).join(file.file_name().unwrap_or_default())
}

/// Makes a state folder of an archive, where there is none or an empty one, and looks at all that is in it.
///
/// # Errors
/// [`BackupError`]; then the folder has what could be restored.
pub fn restore(from: &Path, state: &Path) -> Result<Verified, BackupError> {
    private::make_folder(state).map_err(at(state))?;
    if fs::read_dir(state).map_err(at(state))?.next().is_some() {
        return Err(BackupError::NotEmpty(state.to_owned()));
    }
    let mut archive = Archive::new(File::open(from).map_err(at(from))?);
    for entry in archive.entries().map_err(at(from))? {
        let mut entry = entry.map_err(at(from))?;
        let name = entry.path().map_err(at(from))?.into_owned();
        if entry.header().entry_type() != EntryType::Regular || !is_ours(&name) {
            return Err(BackupError::Unexpected(name));
        }
        let file = state.join(&name);
        private::make_folder(file.parent().unwrap_or(state)).map_err(at(&file))?;
        let mut open = private::options().write(true).create_new(true).open(&file).map_err(at(&file))?;
        io::copy(&mut entry, &mut open).and_then(|_| open.sync_all()).map_err(at(&file))?;
    }
    fs::set_permissions(state, fs::Permissions::from_mode(0o700)).map_err(at(state))?;
    Store::open(state)?.verify()?;
    let log = audit::folder(state);
    let found = if log.is_dir() { audit::verify(&log, None)? } else { Verified::default() };
    if found.problems.is_empty() { Ok(found) } else { Err(BackupError::Changed) }
}

/// Whether it is a name that [`create`] writes: no other folder, and nothing above.
fn is_ours(name: &Path) -> bool {
    let parts: Vec<Component<'_>> = name.components().collect();
    match parts[..] {
        [Component::Normal(file)] => file == KEYS || file == PROVENANCE,
        [Component::Normal(folder), Component::Normal(_)] => folder == audit::FOLDER || folder == INCIDENTS,
        _ => false,
    }
}

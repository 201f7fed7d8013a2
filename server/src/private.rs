//! Folders and files that no other user can read: those of the state folder, and copies of it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a folder and those above it, where they are not there.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// How to open a file that may have to be made.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Writes a file anew, whole or not at all, also where the power fails. Nobody else may write it at the same time.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let unfinished = path.with_extension("tmp");
    let mut file = options().write(true).create(true).truncate(true).open(&unfinished)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

//! The mark of a server on its state folder: no two run with one, and one that ends without taking its mark away has
//! crashed, of which the next leaves a record.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const FILE: &str = "running.json";
/// Where the records of crashes are, a file each.
pub(crate) const INCIDENTS: &str = "incidents";

/// Why a server cannot run with a state folder.
#[derive(Debug, Error)]
pub enum RunError {
    /// Another does.
    #[error("another server runs with this state folder")]
    InUse,
    /// The folder cannot be used.
    #[error("the state folder cannot be used: {0}")]
    Folder(#[from] io::Error),
}

/// A server that ended without saying so: it was killed, the machine lost power, or it failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Crash {
    /// Which; none where it ended before it had said so.
    server: Option<Run>,
    /// When it was last there, to a second or so.
    last_seen: String,
    /// When the next one found that.
    found: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    version: String,
    pid: u32,
    started: String,
}

/// Held while a server runs.
#[derive(Debug)]
pub(crate) struct Running {
    file: File,
}

impl Running {
    /// Marks a state folder, which is made where it is not there, for this user alone; and what became of the server
    /// that marked it before, if that did not end well.
    ///
    /// # Errors
    /// [`RunError`].
    pub(crate) fn begin(folder: &Path) -> Result<(Self, Option<Crash>), RunError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(FILE);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut before = String::new();
        file.read_to_string(&mut before)?;
        let found = now();
        let crash = (!before.is_empty()).then(|| -> io::Result<Crash> {
            let last_seen = written(file.metadata()?.modified()?.into());
            Ok(Crash { server: serde_json::from_str(&before).ok(), last_seen, found: found.clone() })
        });
        let crash = crash.transpose()?;
        if let Some(crash) = &crash {
            record(&folder.join(INCIDENTS), crash)?;
        }
        let run = Run { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), started: found };
        let running = Self { file };
        running.write(&serde_json::to_vec(&run).map_err(io::Error::from)?)?;
        Ok((running, crash))
    }

    /// Says that this server is still there.
    pub(crate) fn go_on(&self) {
        // For the record of a crash only: without it, that says an earlier time.
        let _ = self.file.set_modified(SystemTime::now());
    }

    /// Says that this server has ended in good order.
    ///
    /// # Errors
    /// Those of the disk; the next server then takes it for a crash.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.write(b"")
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(text)?;
        file.sync_all()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A server that was refused, or only made. One that panics has crashed.
        if !std::thread::panicking() {
            let _ = self.end();
        }
    }
}

/// Leaves a record of a crash, in a file named for when it was found.
fn record(folder: &Path, crash: &Crash) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!("{}.json", crash.found.replace(':', "-")));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec_pretty(crash).map_err(io::Error::from)?)?;
    file.sync_all()
}

fn now() -> String {
    written(SystemTime::now().into())
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn one_server_at_a_time_has_a_folder() {
        let folder = TempDir::new().unwrap();
        let (running, crash) = Running::begin(folder.path()).unwrap();
        assert_eq!(crash, None);
        assert!(matches!(Running::begin(folder.path()), Err(RunError::InUse)));
        drop(running);
        assert_eq!(Running::begin(folder.path()).unwrap().1, None);
    }

    #[test]
    fn one_that_does_not_say_that_it_ends_has_crashed() {
        let folder = TempDir::new().unwrap();
        let crashed = std::panic::catch_unwind(|| {
            let _running = Running::begin(folder.path()).unwrap();
            panic!("as a server may");
        });
        assert!(crashed.is_err());
        let crash = Running::begin(folder.path()).unwrap().1.unwrap();
        assert_eq!(crash.server.unwrap().pid, std::process::id());
        let records: Vec<_> = std::fs::read_dir(folder.path().join(INCIDENTS)).unwrap().collect();
        assert_eq!(records.len(), 1);
        std::fs::write(folder.path().join(FILE), "{\"ver").unwrap();
        assert_eq!(Running::begin(folder.path()).unwrap().1.unwrap().server, None);
    }
}

//! The mark of a server on its state folder: no two run with one, and one that ends without taking its mark away has
//! crashed, of which the next leaves a record. An engine that the server gives up is recorded beside.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use chrono::Utc;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::private;
use crate::time::written;
use crate::watchdog::Fault;

const FILE: &str = "running.json";
/// Where the records of crashes and lost engines are, a file each.
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
    /// When it was last there, to ten seconds or so.
    last_seen: String,
    /// When the next one found that.
    found: String,
}

/// An engine that was given up, while the server went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LostEngine {
    /// What it ran.
    pub(crate) model: String,
    /// What it was.
    pub(crate) engine: &'static str,
    /// What was wrong with it.
    pub(crate) fault: Fault,
    /// When that was found.
    pub(crate) found: String,
}

impl LostEngine {
    /// Leaves a record in a state folder, as of a crash. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn record(&self, folder: &Path) -> io::Result<()> {
        record(&folder.join(INCIDENTS), &format!("{}-engine", self.found), self)
    }
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
    /// Whether the mark is this server's; until then it may be that of one that crashed.
    is_marked: AtomicBool,
}

impl Running {
    /// Keeps others from running with a state folder, which is made where it is not there, for this user alone.
    ///
    /// # Errors
    /// [`RunError`].
    pub(crate) fn begin(folder: &Path) -> Result<Self, RunError> {
        private::make_folder(folder)?;
        let file = private::options().read(true).write(true).create(true).truncate(false).open(folder.join(FILE))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(Self { file, is_marked: AtomicBool::new(false) })
    }

    /// Marks the folder, and says what became of the server that marked it before, if that did not end well.
    ///
    /// # Errors
    /// Those of the disk; then the mark before may still be there.
    pub(crate) fn mark(&self, folder: &Path) -> io::Result<Option<Crash>> {
        let mut before = Vec::new();
        (&self.file).read_to_end(&mut before)?;
        let found = written(Utc::now());
        let crash = (!before.is_empty()).then(|| -> io::Result<Crash> {
            let last_seen = written(self.file.metadata()?.modified()?.into());
            Ok(Crash { server: serde_json::from_slice(&before).ok(), last_seen, found: found.clone() })
        });
        let crash = crash.transpose()?;
        if let Some(crash) = &crash {
            record(&folder.join(INCIDENTS), &crash.found, crash)?;
        }
        let run = Run { version: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id(), started: found };
        self.is_marked.store(true, Ordering::Relaxed);
        self.write(&serde_json::to_vec(&run).map_err(io::Error::from)?)?;
        Ok(crash)
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
        if self.is_marked.load(Ordering::Relaxed) && !std::thread::panicking() {
            let _ = self.end();
        }
    }
}

/// Leaves a record of what went wrong, in a file named for when it was found.
fn record(folder: &Path, name: &str, incident: &impl Serialize) -> io::Result<()> {
    private::make_folder(folder)?;
    let text = serde_json::to_vec_pretty(incident)?;
    private::replace(&folder.join(format!("{}.json", name.replace(':', "-"))), |file| file.write_all(&text))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A server that runs and ends.
    fn begin(folder: &TempDir) -> Option<Crash> {
        Running::begin(folder.path()).unwrap().mark(folder.path()).unwrap()
    }

    #[test]
    fn one_server_at_a_time_has_a_folder() {
        let folder = TempDir::new().unwrap();
        let running = Running::begin(folder.path()).unwrap();
        assert_eq!(running.mark(folder.path()).unwrap(), None);
        assert!(matches!(Running::begin(folder.path()), Err(RunError::InUse)));
        drop(running);
        assert_eq!(begin(&folder), None);
    }

    #[test]
    fn one_that_does_not_say_that_it_ends_has_crashed() {
        let folder = TempDir::new().unwrap();
        let crashed = std::panic::catch_unwind(|| {
            let running = Running::begin(folder.path()).unwrap();
            running.mark(folder.path()).unwrap();
            panic!("as a server may");
        });
        assert!(crashed.is_err());
        // One that does not get as far as to run takes nothing away.
        drop(Running::begin(folder.path()).unwrap());
        let crash = begin(&folder).unwrap();
        assert_eq!(crash.server.unwrap().pid, std::process::id());
        let records: Vec<_> = std::fs::read_dir(folder.path().join(INCIDENTS)).unwrap().collect();
        assert_eq!(records.len(), 1);
        std::fs::write(folder.path().join(FILE), "{\"ver").unwrap();
        assert_eq!(begin(&folder).unwrap().server, None);
        assert_eq!(begin(&folder), None);
    }
}

//! Files and batches on the disk: what is known of them in one SQLite file, the files' contents beside it.
//!
//! What a client has been told is there after a crash, too. Everything has an owner, the key that made it, and to any other
//! it does not exist.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zyron_openapi::{Batch, BatchRequestCounts, BatchStatus, FileObject};

use super::lines::Line;
use crate::database::{self, OpenError};
use crate::private;

/// Its folder in the state folder.
const FOLDER: &str = "batches";
const DATABASE: &str = "batches.sqlite";
const FILES: &str = "files";
/// The first form of the file. Another is another migration after it. `object` is JSON, as it is on the wire.
const SCHEMA: &str = "CREATE TABLE files (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        purpose TEXT NOT NULL,
        expires INTEGER NOT NULL, -- in seconds since 1970
        object TEXT NOT NULL
    ) STRICT;
    CREATE TABLE batches (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        is_open INTEGER NOT NULL,
        gone INTEGER NOT NULL, -- when it is forgotten, in seconds since 1970
        object TEXT NOT NULL
    ) STRICT;
    CREATE TABLE lines (
        batch TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        custom_id TEXT NOT NULL,
        start INTEGER NOT NULL, -- these two in bytes of the file of requests
        length INTEGER NOT NULL,
        status INTEGER, -- of the answer, once there is one
        answer TEXT, -- JSON, as it is in the file of answers
        PRIMARY KEY (batch, number)
    ) STRICT, WITHOUT ROWID;";

/// Why files and batches cannot be read or written.
#[derive(Debug, Error)]
pub enum BatchStoreError {
    /// The folder cannot be used.
    #[error("the folder of batches cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The database is damaged, or the disk full.
    #[error("{DATABASE}: {0}")]
    Database(#[from] rusqlite::Error),
    /// The database cannot be opened.
    #[error("{DATABASE}: {0}")]
    Open(#[from] OpenError),
}

type Result<T> = std::result::Result<T, BatchStoreError>;

/// The files and batches of a state folder.
#[derive(Debug)]
pub(crate) struct Store {
    database: Connection,
    files: PathBuf,
}

/// A list's part: what is asked for after which, and how many.
pub(crate) struct Page<'a> {
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: u64,
}

impl Store {
    /// Opens those of a state folder.
    pub(crate) fn open(state: &Path) -> Result<Self> {
        let folder = state.join(FOLDER);
        let files = folder.join(FILES);
        private::make_folder(&files)?;
        Ok(Self { database: database::open(&folder.join(DATABASE), &[SCHEMA])?, files })
    }

    /// Whether a state folder has any.
    pub(crate) fn is_in(state: &Path) -> bool {
        state.join(FOLDER).join(DATABASE).is_file()
    }

    /// Deletes contents that no file has: what was being written when the server ended.
    pub(crate) fn sweep(&self) -> Result<()> {
        for entry in fs::read_dir(&self.files)? {
            let path = entry?.path();
            let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let sql = "SELECT EXISTS (SELECT 1 FROM files WHERE id = ?)";
            if !self.database.query_row(sql, [id], |row| row.get::<_, bool>(0))? {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Keeps a file whose content is on the disk.
    pub(crate) fn add_file(&mut self, owner: &str, file: &FileObject) -> Result<()> {
        self.database.execute(
            "INSERT INTO files (id, owner, purpose, expires, object) VALUES (?, ?, ?, ?, ?)",
            params![file.id, owner, file.purpose, file.expires_at, json(file)],
        )?;
        Ok(())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let sql = "SELECT coalesce(sum(json_extract(object, '$.bytes')), 0) FROM files";
        Ok(self.database.query_row(sql, [], |row| row.get(0))?)
    }

    /// Files of an owner, the latest first, and whether there are more.
    pub(crate) fn files(&self, owner: &str, purpose: Option<&str>, page: &Page<'_>) -> Result<(Vec<FileObject>, bool)> {
        let mut query = self.database.prepare(
            "SELECT object FROM files WHERE owner = ?1 AND (?2 IS NULL OR purpose = ?2)
             AND (?3 IS NULL OR number < (SELECT number FROM files WHERE id = ?3)) ORDER BY number DESC LIMIT ?4",
        )?;
        let rows = query.query_map(params![owner, purpose, page.after, page.limit + 1], |row| row.get(0))?;
        objects(rows, page.limit)
    }

    /// A file of an owner.
    pub(crate) fn file(&self, owner: &str, id: &str) -> Result<Option<FileObject>> {
        let sql = "SELECT object FROM files WHERE id = ? AND owner = ?";
        let object: Option<String> = self.database.query_row(sql, [id, owner], |row| row.get(0)).optional()?;
        object.map(|object| read(&object)).transpose()
    }

    /// Where a file's content is.
    pub(crate) fn content_of(&self, id: &str) -> PathBuf {
        self.files.join(id)
    }

    /// Forgets a file of an owner; false where there is none.
    pub(crate) fn delete_file(&mut self, owner: &str, id: &str) -> Result<bool> {
        let is_there = self.database.execute("DELETE FROM files WHERE id = ? AND owner = ?", [id, owner])? > 0;
        if is_there {
            remove(&self.content_of(id))?;
        }
        Ok(is_there)
    }

    /// Keeps a new batch, which is forgotten at `gone`.
    pub(crate) fn add_batch(&mut self, owner: &str, batch: &Batch, gone: u64) -> Result<()> {
        self.database.execute(
            "INSERT INTO batches (id, owner, is_open, gone, object) VALUES (?, ?, TRUE, ?, ?)",
            params![batch.id, owner, gone, json(batch)],
        )?;
        Ok(())
    }

    /// How many batches have not ended.
    pub(crate) fn count_open(&self) -> Result<u64> {
        Ok(self.database.query_row("SELECT count(*) FROM batches WHERE is_open", [], |row| row.get(0))?)
    }

    /// Batches of an owner, the latest first, and whether there are more.
    pub(crate) fn batches(&self, owner: &str, page: &Page<'_>) -> Result<(Vec<Batch>, bool)> {
        let mut query = self.database.prepare(
            "SELECT object FROM batches WHERE owner = ?1
             AND (?2 IS NULL OR number < (SELECT number FROM batches WHERE id = ?2)) ORDER BY number DESC LIMIT ?3",
        )?;
        let rows = query.query_map(params![owner, page.after, page.limit + 1], |row| row.get(0))?;
        let (batches, has_more) = objects(rows, page.limit)?;
        let counted = batches.into_iter().map(|batch| self.counted(batch)).collect::<Result<_>>()?;
        Ok((counted, has_more))
    }

    /// A batch of an owner.
    pub(crate) fn batch(&self, owner: &str, id: &str) -> Result<Option<Batch>> {
        let sql = "SELECT object FROM batches WHERE id = ? AND owner = ?";
        let object: Option<String> = self.database.query_row(sql, [id, owner], |row| row.get(0)).optional()?;
        object.map(|object| self.counted(read(&object)?)).transpose()
    }

    /// Batches that have not ended, each with its owner, the oldest first.
    pub(crate) fn open_batches(&self) -> Result<Vec<(String, Batch)>> {
        let mut query = self.database.prepare("SELECT owner, object FROM batches WHERE is_open ORDER BY number")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (owner, object) = row?;
            Ok((owner, self.counted(read(&object)?)?))
        })
        .collect()
    }

    /// With how many of its requests were answered by now.
    fn counted(&self, mut batch: Batch) -> Result<Batch> {
        if matches!(batch.status, BatchStatus::InProgress | BatchStatus::Cancelling | BatchStatus::Finalizing) {
            let sql = "SELECT count(*), count(*) FILTER (WHERE status < 400), count(*) FILTER (WHERE status >= 400)
                 FROM lines WHERE batch = ?";
            batch.request_counts = self.database.query_row(sql, [&batch.id], |row| {
                Ok(BatchRequestCounts { total: row.get(0)?, completed: row.get(1)?, failed: row.get(2)? })
            })?;
        }
        Ok(batch)
    }

    /// Changes what is known of a batch, if it is still there.
    pub(crate) fn change(&mut self, id: &str, change: impl FnOnce(&mut Batch)) -> Result<()> {
        let transaction = self.database.transaction()?;
        let sql = "SELECT object FROM batches WHERE id = ?";
        let object: Option<String> = transaction.query_row(sql, [id], |row| row.get(0)).optional()?;
        if let Some(object) = object {
            let mut batch = read(&object)?;
            change(&mut batch);
            let sql = "UPDATE batches SET object = ?, is_open = ? WHERE id = ?";
            transaction.execute(sql, params![json(&batch), is_open(batch.status), id])?;
        }
        Ok(transaction.commit()?)
    }

    /// Keeps what a batch's file asks for.
    pub(crate) fn add_lines(&mut self, id: &str, lines: &[Line]) -> Result<()> {
        let transaction = self.database.transaction()?;
        {
            let mut insert = transaction
                .prepare("INSERT INTO lines (batch, number, custom_id, start, length) VALUES (?, ?, ?, ?, ?)")?;
            for (number, line) in lines.iter().enumerate() {
                insert.execute(params![id, number, line.custom_id, line.start, line.length])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The numbers of a batch's requests that are not answered, in order.
    pub(crate) fn unanswered(&self, id: &str) -> Result<Vec<u64>> {
        let mut query =
            self.database.prepare("SELECT number FROM lines WHERE batch = ? AND status IS NULL ORDER BY number")?;
        Ok(query.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
    }

    /// A request of a batch: its name, and its line in the file `input`. None where it is there no more.
    pub(crate) fn line(&self, id: &str, number: u64, input: &str) -> Result<Option<(String, Vec<u8>)>> {
        let sql = "SELECT custom_id, start, length FROM lines WHERE batch = ? AND number = ?";
        let found = self.database.query_row(sql, params![id, number], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?, row.get::<_, usize>(2)?))
        });
        let Some((custom_id, start, length)) = found.optional()? else { return Ok(None) };
        let mut file = match File::open(self.content_of(input)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        file.seek(SeekFrom::Start(start))?;
        let mut line = vec![0; length];
        file.read_exact(&mut line)?;
        Ok(Some((custom_id, line)))
    }

    /// Keeps an answer: for good, once this has returned. One that is there already stays.
    pub(crate) fn answer(&mut self, id: &str, number: u64, status: u16, answer: &str) -> Result<()> {
        self.database.execute(
            "UPDATE lines SET status = ?, answer = ? WHERE batch = ? AND number = ? AND status IS NULL",
            params![status, answer, id, number],
        )?;
        Ok(())
    }

    /// Gives the answers of a batch in the order of its file, those that came well or the others; with its custom id where
    /// there is none.
    pub(crate) fn answers(
        &self,
        id: &str,
        are_good: bool,
        mut give: impl FnMut(std::result::Result<&str, &str>) -> io::Result<()>,
    ) -> Result<()> {
        let mut query = self.database.prepare(
            "SELECT custom_id, answer FROM lines WHERE batch = ?1 AND (coalesce(status, 500) < 400) = ?2 ORDER BY number",
        )?;
        let mut rows = query.query(params![id, are_good])?;
        while let Some(row) = rows.next()? {
            let (custom_id, answer): (String, Option<String>) = (row.get(0)?, row.get(1)?);
            give(answer.as_deref().ok_or(custom_id.as_str()))?;
        }
        Ok(())
    }

    /// Forgets a batch's requests.
    pub(crate) fn delete_lines(&mut self, id: &str) -> Result<()> {
        self.database.execute("DELETE FROM lines WHERE batch = ?", [id])?;
        Ok(())
    }

    /// Forgets what is beyond its time.
    pub(crate) fn retire(&mut self, now: u64) -> Result<()> {
        let mut query = self.database.prepare(
            "SELECT id FROM files WHERE expires <= ?1
             AND id NOT IN (SELECT json_extract(object, '$.input_file_id') FROM batches WHERE is_open)",
        )?;
        let ids: Vec<String> = query.query_map([now], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        drop(query);
        for id in ids {
            self.database.execute("DELETE FROM files WHERE id = ?", [&id])?;
            remove(&self.content_of(&id))?;
        }
        self.database.execute("DELETE FROM batches WHERE gone <= ? AND NOT is_open", [now])?;
        Ok(())
    }

    /// Gives everything that an owner has: each file with its content, and each batch.
    pub(crate) fn about(&self, owner: &str, mut give: impl FnMut(serde_json::Value) -> io::Result<()>) -> Result<()> {
        let all = Page { after: None, limit: u64::from(u32::MAX) };
        for file in self.files(owner, None, &all)?.0 {
            let lines =
                BufReader::new(File::open(self.content_of(&file.id))?).lines().collect::<io::Result<Vec<_>>>()?;
            give(serde_json::json!({"file": file, "lines": lines}))?;
        }
        for batch in self.batches(owner, &all)?.0 {
            give(serde_json::json!({"batch": batch}))?;
        }
        Ok(())
    }

    /// Forgets everything that an owner has, and says how many files and batches that was.
    pub(crate) fn erase(&mut self, owner: &str) -> Result<u64> {
        let all = Page { after: None, limit: u64::from(u32::MAX) };
        let files = self.files(owner, None, &all)?.0;
        for file in &files {
            self.delete_file(owner, &file.id)?;
        }
        let batches = self.database.execute("DELETE FROM batches WHERE owner = ?", [owner])?;
        // The log of changes has it still.
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok((files.len() + batches) as u64)
    }
}

/// Whether a batch has not ended.
pub(crate) fn is_open(status: BatchStatus) -> bool {
    use BatchStatus::{Cancelling, Finalizing, InProgress, Validating};
    matches!(status, Validating | InProgress | Finalizing | Cancelling)
}

fn objects<T: DeserializeOwned>(
    rows: impl Iterator<Item = rusqlite::Result<String>>,
    limit: u64,
) -> Result<(Vec<T>, bool)> {
    let mut objects: Vec<T> = rows.map(|object| read(&object?)).collect::<Result<_>>()?;
    let has_more = objects.len() as u64 > limit;
    objects.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok((objects, has_more))
}

fn read<T: DeserializeOwned>(object: &str) -> Result<T> {
    serde_json::from_str(object).map_err(|error| io::Error::other(error).into())
}

fn json(object: &impl Serialize) -> String {
    // Our types have string keys only.
    serde_json::to_string(object).unwrap_or_default()
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

//! Keys and what was used with them, in one SQLite file of the state folder. The server and `zyron keys` share it.

use std::path::Path;

use chrono::{Days, NaiveDate};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use thiserror::Error;

use super::budget::{Limits, today};
use super::secret::{self, Hash};
use crate::database::{self, OpenError};
use crate::private;
use crate::time::now;

/// The file in the state folder.
pub(crate) const FILE: &str = "keys.sqlite";
/// The first form of the file. Another is another migration after it.
const SCHEMA: &str = "CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL,
        owner TEXT NOT NULL,
        scopes TEXT NOT NULL, -- JSON, a list of names
        limits TEXT NOT NULL, -- JSON
        created INTEGER NOT NULL, -- these three in seconds since 1970
        expires INTEGER,
        revoked INTEGER
    ) STRICT;
    CREATE TABLE usage (
        key TEXT NOT NULL,
        day INTEGER NOT NULL, -- since 1970, UTC
        requests INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        PRIMARY KEY (key, day)
    ) STRICT, WITHOUT ROWID;";

/// Why keys could not be read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The folder cannot be used.
    #[error("the state folder cannot be used: {0}")]
    Folder(#[from] std::io::Error),
    /// The file is damaged, or the disk full.
    #[error("{FILE}: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file cannot be opened.
    #[error("{FILE}: {0}")]
    Open(#[from] OpenError),
    /// There is no such key.
    #[error("there is no key `{0}`")]
    NoKey(String),
}

/// What a key may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything of OpenAI's API.
    Chat,
    /// `/v1/finance`.
    Finance,
    /// `/metrics`.
    Metrics,
    /// What concerns others: everybody's usage, and `/v1/admin`.
    Admin,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Finance, Self::Metrics, Self::Admin];

    /// Its name on the command line and in errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Finance => "finance",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

/// What is known of a key. Its text is known to its owner only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    /// Names it; no secret.
    pub id: String,
    #[serde(skip)]
    pub(crate) hash: Hash,
    /// Whose it is.
    pub owner: String,
    /// What it may ask for.
    pub scopes: Vec<Scope>,
    /// How much of it.
    pub limits: Limits,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// From when on it is not accepted.
    pub expires: Option<u64>,
    /// Since when it is not accepted any more.
    pub revoked: Option<u64>,
}

impl KeyRecord {
    /// Whether it is accepted now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now() < expires)
    }
}

/// A key that was just made.
#[derive(Debug)]
pub struct NewKey {
    /// Names it; no secret.
    pub id: String,
    /// What requests carry. It is kept nowhere.
    pub text: String,
}

/// What was used with a key on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The key's identifier.
    pub key: String,
    /// The day, since 1970, in UTC.
    pub day: u64,
    /// Requests that were let in.
    pub requests: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Of these, the ones that were not computed again.
    pub cached_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
}

impl Usage {
    /// Its day as a date.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        NaiveDate::default().checked_add_days(Days::new(self.day)).unwrap_or(NaiveDate::MAX)
    }

    /// Adds what else was used with the key on the day.
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// The keys of a state folder.
#[derive(Debug)]
pub struct Store {
    database: Connection,
    /// What SQLite said when they were last read: it changes when another process writes.
    version: Option<i64>,
}

impl Store {
    /// Opens the keys of `folder`, which is made where it is not there, for this user alone.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        private::make_folder(folder)?;
        Ok(Self { database: database::open(&folder.join(FILE), &[SCHEMA])?, version: None })
    }

    /// Writes a copy of all of it to a file that is not there yet, as of one moment, while others go on writing.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        self.database.execute("VACUUM INTO ?", [file.to_string_lossy()])?;
        Ok(())
    }

    /// Reads all of the file.
    ///
    /// # Errors
    /// [`StoreError::Database`] where it is damaged.
    pub fn verify(&self) -> Result<(), StoreError> {
        let found: String = self.database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if found == "ok" {
            return Ok(());
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Err(rusqlite::Error::SqliteFailure(code, Some(found)).into())
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`StoreError::Database`] where it cannot be written.
    pub fn create(
        &mut self,
        owner: &str,
        scopes: &[Scope],
        limits: &Limits,
        expires: Option<u64>,
    ) -> Result<NewKey, StoreError> {
        let id = secret::identifier();
        let text = secret::secret(&id);
        self.database.execute(
            "INSERT INTO keys (id, hash, owner, scopes, limits, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![id, secret::hash(&text), owner, json(&scopes), json(limits), now(), expires],
        )?;
        Ok(NewKey { id, text })
    }

    /// All keys, also those that are not accepted any more, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`] where they cannot be read.
    pub fn list(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut query = self.database.prepare(
            "SELECT id, hash, owner, scopes, limits, created, expires, revoked FROM keys ORDER BY created, id",
        )?;
        let records = query.query_map([], record)?;
        Ok(records.collect::<Result<_, _>>()?)
    }

    /// Ends a key, at once and for good.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] where there is none of this identifier.
    pub fn revoke(&mut self, id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?";
        self.one(id, |database| database.execute(sql, params![now(), id]))
    }

    /// Gives a key a new text, and returns it. The old one is not accepted any more.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] where there is none of this identifier, or it is revoked.
    pub fn rotate(&mut self, id: &str) -> Result<String, StoreError> {
        let text = secret::secret(id);
        let sql = "UPDATE keys SET hash = ? WHERE id = ? AND revoked IS NULL";
        self.one(id, |database| database.execute(sql, params![secret::hash(&text), id]))?;
        Ok(text)
    }

    /// Forgets a key: whose it was, and what was used with it.
    ///
    /// # Errors
    /// [`StoreError::NoKey`] where there is none of this identifier.
    pub fn erase(&mut self, id: &str) -> Result<(), StoreError> {
        self.one(id, |database| database.execute("DELETE FROM keys WHERE id = ?", [id]))?;
        self.database.execute("DELETE FROM usage WHERE key = ?", [id])?;
        // The log of changes has it still.
        self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    fn one(&mut self, id: &str, write: impl FnOnce(&Connection) -> rusqlite::Result<usize>) -> Result<(), StoreError> {
        if write(&self.database)? == 0 {
            return Err(StoreError::NoKey(id.to_owned()));
        }
        Ok(())
    }

    /// What was used in the last days, today included, by one key or by all, the latest day first.
    ///
    /// # Errors
    /// [`StoreError::Database`] where it cannot be read.
    pub fn usage(&self, days: u64, key: Option<&str>) -> Result<Vec<Usage>, StoreError> {
        let mut query = self.database.prepare(
            "SELECT key, day, requests, prompt_tokens, cached_tokens, completion_tokens FROM usage
             WHERE day >= ?1 AND (?2 IS NULL OR key = ?2) ORDER BY day DESC, key",
        )?;
        let since = today().saturating_sub(days.saturating_sub(1));
        let rows = query.query_map(params![since, key], |row| {
            Ok(Usage {
                key: row.get(0)?,
                day: row.get(1)?,
                requests: row.get(2)?,
                prompt_tokens: row.get(3)?,
                cached_tokens: row.get(4)?,
                completion_tokens: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds to what was used, all of it or nothing.
    pub(crate) fn add(&mut self, used: &[Usage]) -> Result<(), StoreError> {
        let transaction = self.database.transaction()?;
        for used in used {
            // A key that was erased meanwhile stays so.
            transaction.execute(
                "INSERT INTO usage SELECT ?1, ?2, ?3, ?4, ?5, ?6
                 WHERE ?1 = ?7 OR EXISTS (SELECT 1 FROM keys WHERE id = ?1) ON CONFLICT (key, day) DO UPDATE SET
                 requests = requests + ?3, prompt_tokens = prompt_tokens + ?4,
                 cached_tokens = cached_tokens + ?5, completion_tokens = completion_tokens + ?6",
                params![
                    used.key,
                    used.day,
                    used.requests,
                    used.prompt_tokens,
                    used.cached_tokens,
                    used.completion_tokens,
                    super::ENVIRONMENT
                ],
            )?;
        }
        Ok(transaction.commit()?)
    }

    /// The keys, if another process has written since they were last read.
    pub(crate) fn changed(&mut self) -> Result<Option<Vec<KeyRecord>>, StoreError> {
        let version = self.database.pragma_query_value(None, "data_version", |row| row.get(0)).optional()?;
        if version == self.version {
            return Ok(None);
        }
        let keys = self.list()?;
        self.version = version;
        Ok(Some(keys))
    }
}

fn json(value: &impl Serialize) -> String {
    // Our types have string keys only.
    serde_json::to_string(value).unwrap_or_default()
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    fn read<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
        let text: String = row.get(column)?;
        let wrong =
            |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error));
        serde_json::from_str(&text).map_err(wrong)
    }
    Ok(KeyRecord {
        id: row.get(0)?,
        hash: row.get(1)?,
        owner: row.get(2)?,
        scopes: read(row, 3)?,
        limits: read(row, 4)?,
        created: row.get(5)?,
        expires: row.get(6)?,
        revoked: row.get(7)?,
    })
}

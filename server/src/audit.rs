//! The audit log: who asked which model for what, when, and how it ended. Counts, times and names that this server gave
//! or knows, never a text of a request or an answer.
//!
//! A request does not wait for its line: lines are written together, as soon as those before them are on the disk. While
//! they cannot be written, requests are refused.

mod chain;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use chrono::NaiveDate;
use serde::Serialize;
use tokio::sync::Notify;

pub use self::chain::{AuditError, Verified, verify};

use self::chain::{Chain, Entry, Who};
pub(crate) use self::chain::{Event, with_files};
use crate::call::Ended;
use crate::middleware::auth;
use crate::time::millis;

/// Its folder in the state folder.
pub(crate) const FOLDER: &str = "audit";
/// Most lines written together.
const MAX_BATCH: usize = 4096;

/// What is kept of a request that is over.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answered {
    method: &'static str,
    /// Its pattern.
    route: String,
    /// Of the answer's head; none where the client left before.
    status: Option<u16>,
    outcome: &'static str,
    model: Option<String>,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_ms: u64,
}

/// What was done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// It was made.
    Created,
    /// It was given a new text.
    Rotated,
    /// It is not accepted any more.
    Revoked,
}

/// The audit log of a server that runs.
#[derive(Debug)]
pub(crate) struct Audit {
    chain: Mutex<Chain>,
    retention_days: u64,
    waiting: Mutex<Waiting>,
    is_failing: AtomicBool,
    /// Told when there is something to write.
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Requests that came to nothing, by their status: anyone can send these, so they have no lines of their own.
    refused: BTreeMap<u16, u64>,
}

impl Audit {
    /// The log in a state folder.
    ///
    /// # Errors
    /// [`AuditError`] where its folder cannot be made.
    pub(crate) fn open(state: &Path, retention_days: u64) -> Result<Self, AuditError> {
        let chain = Mutex::new(Chain::open(&folder(state))?);
        let (waiting, is_failing, more) = Default::default();
        Ok(Self { chain, retention_days, waiting, is_failing, more })
    }

    /// Enters what happens now.
    pub(crate) fn enter(&self, event: Event) {
        self.push(Entry::now(event, None));
    }

    fn push(&self, entry: Entry) {
        self.waiting().entries.push_back(entry);
        self.more.notify_one();
    }

    /// Enters a request that is over, if it was for the API.
    pub(crate) fn answered(&self, Ended { facts, outcome, total }: &Ended) {
        if !auth::is_recorded(&facts.route) {
            return;
        }
        let came_to_nothing = facts.outcome.is_none() && matches!(facts.status, Some(403 | 429 | 503));
        if !facts.is_authorized && facts.status.is_some_and(|status| status < 400) {
            // Not asked of the API, but whether a page may ask it.
            return;
        }
        if !facts.is_authorized || came_to_nothing {
            *self.waiting().refused.entry(facts.status.unwrap_or_default()).or_default() += 1;
            return;
        }
        let answered = Answered {
            method: method(&facts.method),
            route: facts.route.clone(),
            status: facts.status,
            outcome: outcome.name(),
            model: facts.model.clone(),
            prompt_tokens: facts.prompt_tokens,
            completion_tokens: facts.completion_tokens,
            total_ms: millis(*total),
        };
        let who = Who { key: facts.key.as_deref().map(str::to_owned), request_id: Some(facts.request_id.clone()) };
        self.push(Entry::now(Event::Answered(Box::new(answered)), Some(who)));
    }

    /// Enters the requests that came to nothing since the last time.
    pub(crate) fn enter_refused(&self) {
        let refused = std::mem::take(&mut self.waiting().refused);
        refused.into_iter().for_each(|(status, requests)| self.enter(Event::Refused { status, requests }));
    }

    /// Resolves when there is something to write.
    pub(crate) async fn more(&self) {
        self.more.notified().await;
    }

    /// Has it written again what could not be.
    pub(crate) fn try_again(&self) {
        self.more.notify_one();
    }

    /// Writes what waits. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`AuditError`]; what could not be written waits on.
    pub(crate) fn write(&self) -> Result<(), AuditError> {
        let mut chain = self.chain();
        loop {
            let batch: Vec<Entry> = self.waiting().entries.iter().take(MAX_BATCH).cloned().collect();
            if batch.is_empty() {
                return Ok(());
            }
            let written = chain.append(&batch);
            self.is_failing.store(written.is_err(), Ordering::Relaxed);
            written?;
            self.waiting().entries.drain(..batch.len());
        }
    }

    /// Deletes what is beyond its time.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) fn retire(&self) -> Result<(), AuditError> {
        self.chain().retire(self.retention_days)
    }

    /// Whether lines cannot be written now.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        // What a panic leaves is read again from the disk.
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client may make up methods.
fn method(method: &Method) -> &'static str {
    let known = ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"];
    known.into_iter().find(|known| method == known).unwrap_or("other")
}

/// Where the log of a state folder is.
#[must_use]
pub fn folder(state: &Path) -> PathBuf {
    state.join(FOLDER)
}

/// Enters, at the command line, what was done with a key of a state folder.
///
/// # Errors
/// [`AuditError`].
pub fn enter_key(state: &Path, key: &str, change: KeyChange) -> Result<(), AuditError> {
    let who = Who { key: Some(key.to_owned()), request_id: None };
    Chain::open(&folder(state))?.append(&[Entry::now(Event::Key { change }, Some(who))])
}

/// Gives each line of the log in `folder` that is about a key, as it is written.
///
/// # Errors
/// [`AuditError::Io`] where it cannot be read.
pub fn about(folder: &Path, key: &str, mut give: impl FnMut(&str)) -> Result<(), AuditError> {
    chain::each_line(folder, |text, line| {
        if line.is_about(key) {
            give(text);
        }
    })
}

/// Takes out of the log in `folder` that a key asked, wherever it did, and says in how many lines that was. What was
/// asked stays, and so does the chain.
///
/// # Errors
/// [`AuditError`].
pub fn erase(folder: &Path, key: &str) -> Result<u64, AuditError> {
    Chain::open(folder)?.erase(key)
}

/// Gives each line of the log in `folder` from one day to another, both included, as it is written.
///
/// # Errors
/// [`AuditError::Io`] where it cannot be read.
pub fn export(
    folder: &Path,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    mut give: impl FnMut(&str),
) -> Result<(), AuditError> {
    chain::each_line(folder, |text, line| {
        let day = line.time.date_naive();
        if from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to) {
            give(text);
        }
    })
}

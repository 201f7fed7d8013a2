//! Batches: requests in a file, answered when the model has nothing else to do.
//!
//! Files and batches are on the disk ([`store`]), each answer as soon as it is there, so that a crash costs no more than the
//! requests that were under way, which are asked again. The requests go the way of any other, through the same router, with
//! the key that made the batch, and marked as [`Background`]: who waits for nothing gives way to who does.

pub(crate) mod lines;
pub(crate) mod store;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use uuid::Uuid;
use zyron_openapi::{Batch, BatchRequestCounts, BatchStatus, FileObject};

pub use self::lines::{Bounds, Line, check as check_lines};
pub use self::store::BatchStoreError;

use self::store::Store;
pub(crate) use self::work::work;
use crate::config::BatchConfig;
use crate::error::ApiError;
use crate::keys::Key;
use crate::time::now;

/// How long a batch has: OpenAI's only window.
pub(crate) const WINDOW: &str = "24h";
const WINDOW_SECONDS: u64 = 24 * 3600;
/// Where requests of a batch may go.
pub(crate) const ENDPOINTS: [&str; 5] =
    ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/finance/analyses"];
/// What a file is for.
pub(crate) const INPUT: &str = "batch";
const OUTPUT: &str = "batch_output";

/// A request that nobody waits for, among the request's extensions: only this server can put it there.
#[derive(Clone)]
pub(crate) struct Background {
    /// The key that made the batch, where keys are asked for.
    pub(crate) key: Option<Arc<Key>>,
    /// When its batch has ended.
    pub(crate) deadline: Instant,
}

/// The files and batches of a server.
pub(crate) struct Batches {
    store: Arc<Mutex<Store>>,
    config: BatchConfig,
    /// Told when there may be something to do.
    changed: Notify,
    /// Requests that are not answered.
    left: AtomicU64,
}

impl Batches {
    /// Those of a state folder, if they are wanted.
    ///
    /// # Errors
    /// [`BatchStoreError`].
    pub(crate) fn open(state: Option<&Path>, config: &BatchConfig) -> Result<Option<Self>, BatchStoreError> {
        let Some(state) = state.filter(|_| config.enabled) else { return Ok(None) };
        let store = Store::open(state)?;
        store.sweep()?;
        Ok(Some(Self {
            store: Arc::new(Mutex::new(store)),
            config: config.clone(),
            changed: Notify::new(),
            left: AtomicU64::new(0),
        }))
    }

    pub(crate) fn config(&self) -> &BatchConfig {
        &self.config
    }

    /// Does what waits for the disk, where nobody else waits for it.
    ///
    /// # Errors
    /// [`ApiError::Internal`], with the reason in the log.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, BatchStoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = Arc::clone(&self.store);
        let work = move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner));
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::Internal)?;
        done.map_err(|error| {
            tracing::error!(%error, "batches cannot be read or written");
            ApiError::Internal
        })
    }

    /// How many requests are not answered, of batches that were read.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Says that there may be something to do.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }

    /// When what is made now is deleted.
    fn gone(&self) -> u64 {
        now() + self.config.ttl_hours.saturating_mul(3600)
    }

    /// A file that is made now, without its length.
    pub(crate) fn new_file(&self, filename: String, purpose: &str) -> FileObject {
        FileObject {
            id: identifier("file-"),
            object: "file".to_owned(),
            bytes: 0,
            created_at: now(),
            expires_at: self.gone(),
            filename,
            purpose: purpose.to_owned(),
            status: "processed".to_owned(),
        }
    }

    /// Makes a batch.
    pub(crate) async fn create(
        &self,
        owner: String,
        input_file_id: String,
        endpoint: String,
        metadata: Option<BTreeMap<String, String>>,
    ) -> Result<Batch, ApiError> {
        let created_at = now();
        let batch = Batch {
            id: identifier("batch_"),
            object: "batch".to_owned(),
            endpoint,
            errors: None,
            input_file_id,
            completion_window: WINDOW.to_owned(),
            status: BatchStatus::Validating,
            output_file_id: None,
            error_file_id: None,
            created_at,
            in_progress_at: None,
            expires_at: Some(created_at + WINDOW_SECONDS),
            finalizing_at: None,
            completed_at: None,
            failed_at: None,
            expired_at: None,
            cancelling_at: None,
            cancelled_at: None,
            request_counts: BatchRequestCounts::default(),
            metadata,
        };
        let (kept, gone) = (batch.clone(), self.gone() + WINDOW_SECONDS);
        self.with(move |store| store.add_batch(&owner, &kept, gone)).await?;
        self.look();
        Ok(batch)
    }
}

fn identifier(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::new_v4().simple())
}

/// Gives everything that a state folder has of a key's files and batches.
///
/// # Errors
/// [`BatchStoreError`].
pub fn about(state: &Path, key: &str, mut give: impl FnMut(serde_json::Value)) -> Result<(), BatchStoreError> {
    if Store::is_in(state) {
        Store::open(state)?.about(key, |value| {
            give(value);
            Ok(())
        })?;
    }
    Ok(())
}

/// Deletes a key's files and batches from a state folder, and says how many these were.
///
/// # Errors
/// [`BatchStoreError`].
pub fn erase(state: &Path, key: &str) -> Result<u64, BatchStoreError> {
    if Store::is_in(state) { Store::open(state)?.erase(key) } else { Ok(0) }
}

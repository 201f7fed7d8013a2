//! Who may ask: keys with owners, scopes and limits, and what was used with each.
//!
//! Keys are in a file that `zyron keys` writes ([`store`]); the server reads it again when it changes, and ends what runs
//! with a key that is gone. What was used is added up here and written each second, so a crash forgets a second of it.

pub(crate) mod budget;
mod secret;
pub(crate) mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

pub use self::budget::Limits;
pub use self::store::{KeyRecord, Scope, Store, StoreError, Usage};

use self::budget::{Budget, today};
use self::secret::Hash;
use crate::call::Facts;

/// The identifier of the key in the environment, which is nobody's in particular.
const ENVIRONMENT: &str = "environment";

/// A key as requests see it.
pub(crate) struct Key {
    pub(crate) id: Arc<str>,
    record: KeyRecord,
    pub(crate) budget: Arc<Budget>,
    /// Cancelled when it is not accepted any more.
    ended: CancellationToken,
}

impl Key {
    fn new(record: KeyRecord, budget: Arc<Budget>) -> Self {
        Self { id: record.id.as_str().into(), record, budget, ended: CancellationToken::new() }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.record.limits
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.record.scopes.contains(&scope)
    }

    pub(crate) fn may_ask(&self, model: &str) -> bool {
        let models = &self.record.limits.models;
        models.is_empty() || models.iter().any(|allowed| allowed == model)
    }

    /// Resolves when the key is not accepted any more.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

/// All keys of a server.
pub(crate) struct Keys {
    table: RwLock<Table>,
    store: Option<Mutex<Store>>,
    /// What was used and is not written yet.
    unwritten: Mutex<HashMap<(Arc<str>, u64), Usage>>,
}

#[derive(Default)]
struct Table {
    /// By identifier; also those that are not accepted any more, which say that keys are asked for.
    keys: HashMap<String, Arc<Key>>,
    environment: Option<Arc<Key>>,
}

impl Keys {
    /// The keys of a store, and one that was given to the process.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub(crate) fn new(mut store: Option<Store>, environment: Option<&str>) -> Result<Self, StoreError> {
        let environment = environment.map(|text| {
            let record = KeyRecord {
                id: ENVIRONMENT.to_owned(),
                hash: secret::hash(text),
                owner: ENVIRONMENT.to_owned(),
                scopes: Scope::ALL.to_vec(),
                limits: Limits::default(),
                created: 0,
                expires: None,
                revoked: None,
            };
            Arc::new(Key::new(record, Arc::default()))
        });
        let mut table = Table { keys: HashMap::new(), environment };
        if let Some(store) = &mut store {
            let used = store.usage(today(), None)?;
            for record in store.changed()?.unwrap_or_default() {
                let used = used.iter().find(|used| used.key == record.id).cloned().unwrap_or_default();
                let budget = Budget::with_today(used.requests, used.prompt_tokens + used.completion_tokens);
                table.keys.insert(record.id.clone(), Arc::new(Key::new(record, Arc::new(budget))));
            }
        }
        Ok(Self { table: RwLock::new(table), store: store.map(Mutex::new), unwritten: Mutex::default() })
    }

    /// Whether a request needs one: as soon as there is any, or was.
    pub(crate) fn are_required(&self) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.environment.is_some() || !table.keys.is_empty()
    }

    /// Whether any request could have one.
    pub(crate) fn is_any_valid(&self) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.environment.is_some() || table.keys.values().any(|key| key.record.is_valid())
    }

    /// The key of this text, in a time that does not depend on how much of it is right.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Key>> {
        const NOBODY: Hash = [0; 32];
        let given = secret::hash(text);
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let matches = |key: Option<&Arc<Key>>| {
            let is_equal: bool = key.map_or(&NOBODY, |key| &key.record.hash).ct_eq(&given).into();
            key.filter(|key| is_equal && key.record.is_valid()).cloned()
        };
        let claimed = secret::claimed(text).and_then(|id| table.keys.get(id));
        let (environment, claimed) = (matches(table.environment.as_ref()), matches(claimed));
        environment.or(claimed)
    }

    /// Counts a request that is over, where it had a key.
    pub(crate) fn count(&self, facts: &Facts) {
        let Some(key) = &facts.key else { return };
        if self.store.is_none() {
            return;
        }
        let day = today();
        let mut unwritten = self.unwritten();
        let used = unwritten.entry((Arc::clone(key), day)).or_default();
        used.requests += 1;
        used.prompt_tokens += facts.prompt_tokens;
        used.cached_tokens += facts.cached_tokens;
        used.completion_tokens += facts.completion_tokens;
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<(Arc<str>, u64), Usage>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was used, and reads keys that another process has changed. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`StoreError`]; what could not be written stays to be written.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let used: Vec<Usage> =
            self.unwritten().drain().map(|((key, day), used)| Usage { key: key.to_string(), day, ..used }).collect();
        if !used.is_empty()
            && let Err(error) = store.add(&used)
        {
            let mut unwritten = self.unwritten();
            for used in used {
                let again = unwritten.entry((used.key.as_str().into(), used.day)).or_default();
                again.requests += used.requests;
                again.prompt_tokens += used.prompt_tokens;
                again.cached_tokens += used.cached_tokens;
                again.completion_tokens += used.completion_tokens;
            }
            return Err(error);
        }
        if let Some(records) = store.changed()? {
            self.replace(records);
        }
        self.end_expired();
        Ok(())
    }

    /// What was used since a day, by one key or by all.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read; none where nothing is kept.
    pub(crate) fn usage(&self, since: u64, key: Option<&str>) -> Result<Option<Vec<Usage>>, StoreError> {
        self.sync()?;
        let Some(store) = &self.store else { return Ok(None) };
        store.lock().unwrap_or_else(PoisonError::into_inner).usage(since, key).map(Some)
    }

    fn replace(&self, records: Vec<KeyRecord>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut table.keys);
        for record in records {
            let key = match old.remove(&record.id) {
                Some(key) if key.record == record => key,
                Some(key) => {
                    // What was used with it counts on. What runs goes on where only its limits are others.
                    let mut new = Key::new(record, Arc::clone(&key.budget));
                    if key.record.hash == new.record.hash && new.record.is_valid() {
                        new.ended = key.ended.clone();
                    } else {
                        key.ended.cancel();
                    }
                    Arc::new(new)
                }
                None => Arc::new(Key::new(record, Arc::default())),
            };
            table.keys.insert(key.record.id.clone(), key);
        }
        old.into_values().for_each(|gone| gone.ended.cancel());
    }

    fn end_expired(&self) {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.keys.values().filter(|key| !key.record.is_valid()).for_each(|key| key.ended.cancel());
    }
}

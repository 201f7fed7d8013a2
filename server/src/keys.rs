//! Who may ask: keys with owners, scopes and limits, and what was used with each.
//!
//! Keys are in a file that `zyron keys` writes ([`store`]); the server reads it again when it changes, and ends what runs
//! with a key that is gone. What was used is added up here and written from time to time, so that much a crash forgets.

pub(crate) mod budget;
mod secret;
pub(crate) mod store;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

pub use self::budget::Limits;
pub use self::store::{KeyRecord, NewKey, Scope, Store, StoreError, Usage};

use self::budget::{Budget, Left, Slot, today};
use self::secret::Hash;
use crate::call::Facts;
use crate::error::ApiError;

/// The identifier of the key in the environment, which is nobody's in particular.
const ENVIRONMENT: &str = "environment";

/// A key as requests see it.
pub(crate) struct Key {
    pub(crate) id: Arc<str>,
    record: KeyRecord,
    budget: Arc<Budget>,
    /// Cancelled when it is not accepted any more.
    ended: CancellationToken,
}

impl Key {
    fn new(record: KeyRecord, budget: Arc<Budget>) -> Self {
        Self { id: record.id.as_str().into(), record, budget, ended: CancellationToken::new() }
    }

    /// The limits that hold for a request. Those of a minute, and of requests at once, are not for what nobody waits for.
    fn limits(&self, is_background: bool) -> Cow<'_, Limits> {
        let limits = &self.record.limits;
        if is_background { Cow::Owned(limits.of_day()) } else { Cow::Borrowed(limits) }
    }

    /// Lets a request in, and counts it; [`Budget::enter`] has the errors.
    pub(crate) fn enter(&self, is_background: bool) -> Result<Slot, ApiError> {
        self.budget.enter(&self.limits(is_background))
    }

    /// Counts a prompt's tokens, if they fit; [`Budget::read`] has the errors.
    pub(crate) fn read(&self, tokens: u64, is_background: bool) -> Result<(), ApiError> {
        self.budget.read(&self.limits(is_background), tokens)
    }

    /// Counts an answer's tokens.
    pub(crate) fn wrote(&self, tokens: u64, is_background: bool) {
        self.budget.wrote(&self.limits(is_background), tokens);
    }

    /// What is left of requests and of tokens, where they are limited.
    pub(crate) fn left(&self) -> (Option<Left>, Option<Left>) {
        self.budget.left(&self.record.limits)
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
    unwritten: Mutex<HashMap<(String, u64), Usage>>,
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
            let used = store.usage(1, None)?;
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
        let table = self.table();
        table.environment.is_some() || !table.keys.is_empty()
    }

    /// Whether any request could have one.
    pub(crate) fn is_any_valid(&self) -> bool {
        let table = self.table();
        table.environment.is_some() || table.keys.values().any(|key| key.record.is_valid())
    }

    /// The key of this text, in a time that does not depend on how much of it is right.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Key>> {
        const NOBODY: Hash = [0; 32];
        let given = secret::hash(text);
        let table = self.table();
        let matches = |key: Option<&Arc<Key>>| {
            let is_equal: bool = key.map_or(&NOBODY, |key| &key.record.hash).ct_eq(&given).into();
            key.filter(|key| is_equal && key.record.is_valid()).cloned()
        };
        let claimed = secret::claimed(text).and_then(|id| table.keys.get(id));
        let (environment, claimed) = (matches(table.environment.as_ref()), matches(claimed));
        environment.or(claimed)
    }

    /// The key of this identifier, if it is accepted now.
    pub(crate) fn named(&self, id: &str) -> Option<Arc<Key>> {
        let table = self.table();
        let key = if id == ENVIRONMENT { table.environment.as_ref() } else { table.keys.get(id) };
        key.filter(|key| key.record.is_valid()).cloned()
    }

    /// Counts a request that is over, where it had a key.
    pub(crate) fn count(&self, facts: &Facts) {
        let Some(key) = &facts.key else { return };
        if !self.are_stored() {
            return;
        }
        let used = Usage {
            key: key.to_string(),
            day: today(),
            requests: 1,
            prompt_tokens: facts.prompt_tokens,
            cached_tokens: facts.cached_tokens,
            completion_tokens: facts.completion_tokens,
        };
        self.add_unwritten(&used);
    }

    fn add_unwritten(&self, used: &Usage) {
        let nothing = || Usage { key: used.key.clone(), day: used.day, ..Usage::default() };
        self.unwritten().entry((used.key.clone(), used.day)).or_insert_with(nothing).add(used);
    }

    /// Whether there is a file to keep in step with.
    pub(crate) fn are_stored(&self) -> bool {
        self.store.is_some()
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<(String, u64), Usage>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what was used, and reads keys that another process has changed. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// [`StoreError`]; what could not be written stays to be written.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let used: Vec<Usage> = self.unwritten().drain().map(|(_, used)| used).collect();
        if !used.is_empty()
            && let Err(error) = store.add(&used)
        {
            used.iter().for_each(|used| self.add_unwritten(used));
            return Err(error);
        }
        if let Some(records) = store.changed()? {
            self.replace(records);
        }
        self.end_expired();
        Ok(())
    }

    /// What was used in the last days, today included, by one key or by all.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read; none where nothing is kept.
    pub(crate) fn usage(&self, days: u64, key: Option<&str>) -> Result<Option<Vec<Usage>>, StoreError> {
        self.sync()?;
        let Some(store) = &self.store else { return Ok(None) };
        store.lock().unwrap_or_else(PoisonError::into_inner).usage(days, key).map(Some)
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
        self.table().keys.values().filter(|key| !key.record.is_valid()).for_each(|key| key.ended.cancel());
    }
}

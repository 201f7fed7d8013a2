//! Models that come and go, over scripted engines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, bail, ensure};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use zyron_engine::Model;
use zyron_engine::scripted::{ScriptedEngine, byte_model};
use zyron_server::{LoadedModel, Loader, Source};

use crate::{CONTEXT, obey};

/// Loads models that do what requests tell them, as [`obey`] describes. The configuration's is called `scripted`; those of
/// the folder are empty files, and what their names say happens: `broken` cannot be loaded, `panics` panics, and `slow`
/// waits until it may.
#[derive(Clone)]
pub struct ScriptedLoader(Arc<Inner>);

struct Inner {
    memory_bytes: u64,
    engines: Mutex<HashMap<String, Weak<ScriptedEngine>>>,
    loadings: AtomicUsize,
    failures: AtomicUsize,
    may_go_on: watch::Sender<bool>,
}

impl ScriptedLoader {
    /// Each model takes `memory_bytes`.
    #[must_use]
    pub fn new(memory_bytes: u64) -> Self {
        let (engines, loadings, failures) = Default::default();
        Self(Arc::new(Inner { memory_bytes, engines, loadings, failures, may_go_on: watch::Sender::new(false) }))
    }

    /// The engine of a model, if it is loaded.
    #[must_use]
    pub fn engine(&self, model: &str) -> Option<Arc<ScriptedEngine>> {
        self.0.engines.lock().unwrap_or_else(PoisonError::into_inner).get(model)?.upgrade()
    }

    /// How many models were loaded, or were to be.
    #[must_use]
    pub fn loadings(&self) -> usize {
        self.0.loadings.load(Ordering::SeqCst)
    }

    /// Lets `slow` be loaded.
    pub fn go_on(&self) {
        self.0.may_go_on.send_replace(true);
    }

    /// Lets it wait again.
    pub fn hold(&self) {
        self.0.may_go_on.send_replace(false);
    }

    /// Fails so many times from now on.
    pub fn fail(&self, times: usize) {
        self.0.failures.store(times, Ordering::SeqCst);
    }

    fn loaded(&self, id: &str, room: Option<u64>) -> anyhow::Result<LoadedModel> {
        match id {
            "broken" => bail!("its file is damaged"),
            "panics" => panic!("the script says so"),
            _ => {}
        }
        let failures = &self.0.failures;
        let fails = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        ensure!(!fails, "the disk is gone");
        ensure!(room.is_none_or(|room| self.0.memory_bytes <= room), "it does not fit in {room:?}");
        let model = Arc::new(Model { id: id.to_owned(), ..byte_model(CONTEXT) });
        let engine = Arc::new(ScriptedEngine::new(Arc::clone(&model), 4, |request, _| obey(request)));
        let mut engines = self.0.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.insert(id.to_owned(), Arc::downgrade(&engine));
        Ok(LoadedModel { model, engine, weights: [0; 32], memory_bytes: self.0.memory_bytes })
    }
}

impl Loader for ScriptedLoader {
    fn load(&self, source: Source, room: Option<u64>) -> BoxFuture<'static, anyhow::Result<LoadedModel>> {
        let loader = self.clone();
        async move {
            loader.0.loadings.fetch_add(1, Ordering::SeqCst);
            let id = match source {
                Source::Configured => "scripted".to_owned(),
                Source::Folder(path) => path.file_stem().context("it has a name")?.to_string_lossy().into_owned(),
            };
            if id == "slow" {
                loader.0.may_go_on.subscribe().wait_for(|may| *may).await?;
            }
            loader.loaded(&id, room)
        }
        .boxed()
    }
}

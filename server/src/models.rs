//! The models of this server: those that answer, and how others come and go while it runs.
//!
//! One is loaded at a time, and only if it fits in what is left of the memory that models may take. One that is unloaded
//! is no longer found from that moment; the requests that it has are answered to their end, and then its memory is free.
//! One whose engine hangs or panics (`watchdog.rs`) is loaded again, beside what is left of the other.
//! Who may do that is `middleware/auth.rs`'s to say, and how a model is loaded the binary's, which knows the backends.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zyron_engine::{Engine, Model, ToolFormat};
use zyron_openapi::{AdminModel, ModelStatus};

use crate::audit::Event;
use crate::config::ModelsConfig;
use crate::error::ApiError;
use crate::run::LostEngine;
use crate::serving::Serving;
use crate::state::AppState;
use crate::time::written;
use crate::watchdog::Fault;

/// How often it is looked whether the last request of a model that is unloaded has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// After a model whose engine was lost could not be loaded: until it is tried again, at first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// And at most.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What loads models: whoever knows the backends.
pub trait Loader: Send + Sync + 'static {
    /// Loads a model that may take `room` bytes of memory, as many as it likes where none are given.
    fn load(&self, source: Source, room: Option<u64>) -> BoxFuture<'static, anyhow::Result<LoadedModel>>;
}

/// Where a model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Where `[model]` of the configuration says.
    Configured,
    /// Here, in the folder of models.
    Folder(PathBuf),
}

/// A model that can answer.
pub struct LoadedModel {
    /// What it is.
    pub model: Arc<Model>,
    /// What runs it.
    pub engine: Arc<dyn Engine>,
    /// [`crate::weights_digest`] of its weights.
    pub weights: [u8; 32],
    /// What it takes.
    pub memory_bytes: u64,
}

impl std::fmt::Debug for LoadedModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LoadedModel").field("model", &self.model.id).finish_non_exhaustive()
    }
}

/// All there are.
pub(crate) struct Models {
    folder: Option<PathBuf>,
    memory_bytes: Option<u64>,
    loader: OnceLock<Arc<dyn Loader>>,
    slots: RwLock<Slots>,
    /// What is left of the memory is known only between one loading and the next.
    turn: tokio::sync::Mutex<()>,
    /// Whether the models of the configuration are there, or were.
    are_started: AtomicBool,
    /// Told when an engine should be looked at.
    suspicion: Notify,
}

#[derive(Default)]
struct Slots {
    /// The name of the configuration's model, once it is known.
    configured: Option<String>,
    /// In the order in which they were first loaded. One that is not here is not loaded.
    slots: Vec<Slot>,
}

struct Slot {
    id: String,
    state: State,
}

enum State {
    Loading,
    Loaded(Arc<Serving>),
    /// Its engine was lost, and it is being loaded again; why that failed the last time.
    Restarting(Option<String>),
    /// It has requests, or its memory is being freed, which is so much.
    Unloading(Weak<Serving>, u64),
    /// For this reason, a sentence for the operator.
    Failed(String),
}

impl Models {
    pub(crate) fn new(config: &ModelsConfig) -> Self {
        Self {
            folder: config.folder.clone(),
            memory_bytes: (config.memory_mb > 0).then(|| config.memory_mb.saturating_mul(1_000_000)),
            loader: OnceLock::new(),
            slots: RwLock::default(),
            turn: tokio::sync::Mutex::default(),
            are_started: AtomicBool::new(false),
            suspicion: Notify::new(),
        }
    }

    /// What all of them may take together.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// Whether those of the configuration have been loaded.
    pub(crate) fn are_started(&self) -> bool {
        self.are_started.load(Ordering::SeqCst)
    }

    /// Those that can be asked.
    pub(crate) fn loaded(&self) -> Vec<Arc<Serving>> {
        let loaded = |slot: &Slot| match &slot.state {
            State::Loaded(serving) => Some(Arc::clone(serving)),
            _ => None,
        };
        self.read().slots.iter().filter_map(loaded).collect()
    }

    /// Those that have an engine: they are loaded, or answer what they still have.
    pub(crate) fn with_engines(&self) -> Vec<Arc<Serving>> {
        let with_engine = |slot: &Slot| match &slot.state {
            State::Loaded(serving) => Some(Arc::clone(serving)),
            State::Unloading(serving, _) => serving.upgrade(),
            _ => None,
        };
        self.read().slots.iter().filter_map(with_engine).collect()
    }

    /// Whether any is being loaded again because its engine was lost.
    pub(crate) fn is_restarting(&self) -> bool {
        self.read().slots.iter().any(|slot| matches!(slot.state, State::Restarting(_)))
    }

    /// Has the engines looked at, now.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Resolves when they should be.
    pub(crate) async fn suspected(&self) {
        self.suspicion.notified().await;
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ApiError::Loading`] while it is not there yet, [`ApiError::ModelNotFound`] where it is not to be expected.
    pub(crate) fn serving(&self, name: &str) -> Result<Arc<Serving>, ApiError> {
        match self.read().state(name) {
            Some(State::Loaded(serving)) => Ok(Arc::clone(serving)),
            Some(State::Loading | State::Restarting(_)) => Err(ApiError::Loading),
            _ if !self.are_started() => Err(ApiError::Loading),
            _ => Err(not_found(name)),
        }
    }

    /// How things stand with each model that is loaded or could be.
    pub(crate) fn standings(&self) -> Vec<AdminModel> {
        let slots = self.read();
        let mut standings: Vec<AdminModel> = slots.slots.iter().map(Slot::standing).collect();
        for id in slots.configured.iter().cloned().chain(self.in_folder().into_iter().map(|(id, _)| id)) {
            if standings.iter().all(|standing| standing.id != id) {
                standings.push(unloaded(id));
            }
        }
        standings
    }

    /// How things stand with one of them.
    pub(crate) fn standing(&self, id: &str) -> Result<AdminModel, ApiError> {
        match self.read().slot(id) {
            Some(slot) => Ok(slot.standing()),
            None => self.source(id).map(|_| unloaded(id.to_owned())),
        }
    }

    fn in_folder(&self) -> Vec<(String, PathBuf)> {
        let Some(folder) = &self.folder else { return Vec::new() };
        Model::list(folder).unwrap_or_else(|error| {
            tracing::error!(%error, "the folder of models cannot be read");
            Vec::new()
        })
    }

    /// Where the model of this name is.
    fn source(&self, id: &str) -> Result<Source, ApiError> {
        if self.read().configured.as_deref() == Some(id) {
            return Ok(Source::Configured);
        }
        let found = self.in_folder().into_iter().find(|(name, _)| name == id);
        found.map(|(_, path)| Source::Folder(path)).ok_or_else(|| not_found(id))
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots> {
        // Every change of them is whole before anything can panic.
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AppState {
    /// Serves a model that is loaded. `is_configured` where it is the configuration's.
    pub(crate) fn serve(&self, loaded: LoadedModel, is_configured: bool) {
        let named = self.config().model.tool_format.as_deref().filter(|_| is_configured).and_then(ToolFormat::named);
        let serving = Arc::new(Serving::new(loaded, self.config(), named));
        self.note(Event::Serving {
            model: serving.model.id.clone(),
            engine: serving.engine.name(),
            system_fingerprint: serving.system_fingerprint.clone(),
        });
        self.metrics().serves(&serving.model.id);
        let mut slots = self.models().write();
        if is_configured {
            slots.configured = Some(serving.model.id.clone());
        }
        slots.set(&serving.model.id.clone(), State::Loaded(serving));
    }

    /// Says that the models of the configuration are all there.
    pub(crate) fn models_are_started(&self) {
        self.models().are_started.store(true, Ordering::SeqCst);
    }

    /// Loads the models of the configuration, and has `loader` load those that are asked for later. Gives the
    /// first.
    ///
    /// # Errors
    /// The first that cannot be loaded.
    pub(crate) async fn start_models(&self, loader: Arc<dyn Loader>) -> anyhow::Result<Arc<Model>> {
        let models = self.models();
        let _ = models.loader.set(Arc::clone(&loader));
        let loaded = loader.load(Source::Configured, models.memory_bytes).await?;
        let first = Arc::clone(&loaded.model);
        self.serve(loaded, true);
        for id in &self.config().models.load {
            let missing = || anyhow::anyhow!("`models.load`: there is no model `{id}` in `models.folder`");
            let Source::Folder(path) = models.source(id).map_err(|_| missing())? else { continue };
            let loaded = loader.load(Source::Folder(path), models.room()).await?;
            self.serve(loaded, false);
        }
        self.models_are_started();
        Ok(first)
    }

    /// Begins to load a model, or does nothing if it is loaded or about to be. What it gives resolves when that has
    /// ended, well or not; nobody needs to wait for it.
    ///
    /// # Errors
    /// [`ApiError::ModelNotFound`], [`ApiError::ModelBusy`] while it is being unloaded, and [`ApiError::Loading`] before
    /// the models of the configuration are there.
    pub(crate) fn load_model(&self, id: &str) -> Result<Option<JoinHandle<()>>, ApiError> {
        self.refuse_while_draining()?;
        let models = self.models();
        if !models.are_started() {
            return Err(ApiError::Loading);
        }
        let source = models.source(id)?;
        let mut slots = models.write();
        match slots.state(id) {
            Some(State::Loaded(_) | State::Loading | State::Restarting(_)) => return Ok(None),
            Some(State::Unloading(..)) => return Err(ApiError::ModelBusy("unloaded")),
            Some(State::Failed(_)) | None => {}
        }
        let loader = Arc::clone(models.loader.get().ok_or_else(|| not_found(id))?);
        slots.set(id, State::Loading);
        drop(slots);
        let (app, id) = (self.clone(), id.to_owned());
        Ok(Some(tokio::spawn(async move {
            match app.load_in_turn(&*loader, source).await {
                Ok(()) => tracing::info!(model = id, "loaded"),
                Err(error) => {
                    let reason = format!("{error:#}");
                    tracing::error!(model = id, reason, "could not be loaded");
                    app.models().write().set(&id, State::Failed(reason));
                }
            }
        })))
    }

    async fn load_in_turn(&self, loader: &dyn Loader, source: Source) -> anyhow::Result<()> {
        let models = self.models();
        let _turn = models.turn.lock().await;
        let is_configured = source == Source::Configured;
        // In a task of its own: a panic of a backend is an error like any other.
        let loaded = tokio::spawn(loader.load(source, models.room())).await??;
        self.serve(loaded, is_configured);
        Ok(())
    }

    /// Begins to unload a model, which takes no requests from now on, or does nothing if it is not loaded. What it gives
    /// resolves when its requests have ended and its memory is free; nobody needs to wait for it.
    ///
    /// # Errors
    /// [`ApiError::ModelNotFound`], and [`ApiError::ModelBusy`] while it is being loaded.
    pub(crate) fn unload_model(&self, id: &str) -> Result<Option<JoinHandle<()>>, ApiError> {
        self.refuse_while_draining()?;
        let models = self.models();
        let mut slots = models.write();
        let serving = match slots.state(id) {
            Some(State::Loaded(serving)) => Arc::clone(serving),
            Some(State::Loading | State::Restarting(_)) => return Err(ApiError::ModelBusy("loaded")),
            Some(State::Unloading(..) | State::Failed(_)) => return Ok(None),
            None => {
                drop(slots);
                return models.source(id).map(|_| None);
            }
        };
        slots.set(id, State::Unloading(Arc::downgrade(&serving), serving.memory_bytes));
        drop(slots);
        let (app, id) = (self.clone(), id.to_owned());
        Ok(Some(tokio::spawn(async move { app.release(&id, serving).await })))
    }

    async fn release(&self, id: &str, serving: Arc<Serving>) {
        // Nobody finds it any more, so those that hold it become fewer.
        let is_held = |serving: &Arc<Serving>| Arc::strong_count(serving) > 1 || serving.is_busy();
        while is_held(&serving) && !serving.lost().is_cancelled() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        // An engine ends its thread, and gives back gigabytes.
        let _ = tokio::task::spawn_blocking(move || drop(serving)).await;
        self.models().write().remove(id);
        self.note(Event::Unloaded { model: id.to_owned() });
        tracing::info!(model = id, "unloaded");
    }

    /// Gives up an engine that hangs or has ended. The requests that it has fail; its model is loaded again, unless it is
    /// being unloaded.
    pub(crate) fn give_up(&self, serving: &Arc<Serving>, fault: Fault) {
        if serving.lost().is_cancelled() {
            return;
        }
        let id = &serving.model.id;
        let mut slots = self.models().write();
        let is_loaded = matches!(slots.state(id), Some(State::Loaded(loaded)) if Arc::ptr_eq(loaded, serving));
        if is_loaded {
            slots.set(id, State::Restarting(None));
        }
        drop(slots);
        let engine = serving.engine.name();
        tracing::error!(model = id, engine, fault = fault.name(), "the engine is given up; its requests fail");
        // After the model is no longer found: who is refused and comes back must not meet the same engine.
        serving.lose();
        self.metrics().gave_up(id, fault);
        let lost = LostEngine { model: id.clone(), engine, fault, found: written(Utc::now()) };
        self.note(Event::EngineLost(lost.clone()));
        if let Some(folder) = self.config().state.folder.clone() {
            tokio::task::spawn_blocking(move || {
                if let Err(error) = lost.record(&folder) {
                    tracing::error!(%error, "the incident is in the audit log only");
                }
            });
        }
        if is_loaded {
            let (app, id) = (self.clone(), id.clone());
            tokio::spawn(async move { app.restart(&id).await });
        }
    }

    /// Loads a model again whose engine was lost, until that succeeds.
    async fn restart(&self, id: &str) {
        let mut pause = FIRST_PAUSE;
        while let Err(error) = self.load_again(id).await {
            let reason = format!("{error:#}");
            tracing::error!(model = id, reason, "could not be loaded again; it is tried again in a while");
            self.models().write().set(id, State::Restarting(Some(reason)));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    async fn load_again(&self, id: &str) -> anyhow::Result<()> {
        let models = self.models();
        let loader = models.loader.get().context("nothing can load it")?;
        self.load_in_turn(&**loader, models.source(id)?).await?;
        tracing::info!(model = id, "loaded again");
        Ok(())
    }

    fn note(&self, event: Event) {
        if let Some(audit) = self.audit() {
            audit.enter(event);
        }
    }
}

impl Models {
    /// Bytes that the next model may take, where that is limited.
    fn room(&self) -> Option<u64> {
        let taken: u64 = self.read().slots.iter().map(|slot| slot.standing().memory_bytes).sum();
        self.memory_bytes.map(|limit| limit.saturating_sub(taken))
    }
}

impl Slots {
    fn slot(&self, id: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.id == id)
    }

    fn state(&self, id: &str) -> Option<&State> {
        self.slot(id).map(|slot| &slot.state)
    }

    fn set(&mut self, id: &str, state: State) {
        match self.slots.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => slot.state = state,
            None => self.slots.push(Slot { id: id.to_owned(), state }),
        }
    }

    fn remove(&mut self, id: &str) {
        self.slots.retain(|slot| slot.id != id);
    }
}

impl Slot {
    fn standing(&self) -> AdminModel {
        let (status, memory_bytes, error) = match &self.state {
            State::Loading => (ModelStatus::Loading, 0, None),
            State::Restarting(reason) => (ModelStatus::Loading, 0, reason.clone()),
            State::Loaded(serving) => (ModelStatus::Loaded, serving.memory_bytes, None),
            State::Unloading(_, memory_bytes) => (ModelStatus::Unloading, *memory_bytes, None),
            State::Failed(reason) => (ModelStatus::Failed, 0, Some(reason.clone())),
        };
        AdminModel { status, memory_bytes, error, ..unloaded(self.id.clone()) }
    }
}

/// A model that could be loaded.
fn unloaded(id: String) -> AdminModel {
    AdminModel { id, object: "model".to_owned(), status: ModelStatus::Unloaded, memory_bytes: 0, error: None }
}

fn not_found(name: &str) -> ApiError {
    // The name comes back in the error, so no more of it than a name needs.
    ApiError::ModelNotFound(name.chars().take(128).collect())
}

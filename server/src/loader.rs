//! From a model's files to a model that answers: opened, checked against the configuration, and loaded by a backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use futures::FutureExt;
use futures::future::BoxFuture;
use zyron_engine::Model;
use zyron_server::config::Config;
use zyron_server::{LoadedModel, Loader, Source, weights_digest};

use crate::{banner, engines, mini};

/// Loads models with the backends of this build, as the configuration says.
#[derive(Clone)]
pub(crate) struct Backends(Arc<Config>);

impl Backends {
    pub(crate) fn new(config: &Config) -> Self {
        Self(Arc::new(config.clone()))
    }
}

impl Loader for Backends {
    fn load(&self, source: Source, room: Option<u64>) -> BoxFuture<'static, anyhow::Result<LoadedModel>> {
        let config = Arc::clone(&self.0);
        async move { load(&config, source, room).await }.boxed()
    }
}

async fn load(config: &Arc<Config>, source: Source, room: Option<u64>) -> anyhow::Result<LoadedModel> {
    let start = Instant::now();
    let config = Arc::clone(config);
    let opened = {
        let config = Arc::clone(&config);
        tokio::task::spawn_blocking(move || Opened::new(&config, source)).await??
    };
    // What is unpacked stays until the engine has read it.
    let Opened { model, weights, _unpacked } = opened;
    let model = Arc::new(model);
    banner::loading(&model);
    let (engine, memory_bytes) = engines::load(&config.engine, &model, room).await?;
    banner::loaded(&model, engine.as_ref(), start.elapsed());
    Ok(LoadedModel { model, engine, weights, memory_bytes })
}

struct Opened {
    model: Model,
    weights: [u8; 32],
    _unpacked: Option<mini::Unpacked>,
}

impl Opened {
    fn new(config: &Config, source: Source) -> anyhow::Result<Self> {
        let is_configured = source == Source::Configured;
        let given = match source {
            Source::Configured => config.model.path.clone(),
            Source::Folder(path) => Some(path),
        };
        let (path, unpacked) = match given {
            Some(path) => (path, None),
            None => unpack()?,
        };
        let mut model = Model::open(&path)?;
        if is_configured {
            configure(&mut model, config)?;
        }
        require_card(&model, config)?;
        let weights = weights_digest(&model.weights).context("the weights cannot be read")?;
        Ok(Self { model, weights, _unpacked: unpacked })
    }
}

fn unpack() -> anyhow::Result<(PathBuf, Option<mini::Unpacked>)> {
    let unpacked = mini::Unpacked::new().context("cannot write the model of this program to a temporary file")?;
    Ok((unpacked.path().to_owned(), Some(unpacked)))
}

/// Gives a model the name and the card of the configuration.
fn configure(model: &mut Model, config: &Config) -> anyhow::Result<()> {
    if let Some(id) = &config.model.id {
        model.id.clone_from(id);
    }
    if let Some(card) = &config.model.card {
        model.card = Model::read_card(card)?;
        ensure!(model.card.is_some(), "`model.card`: there is no file `{}`", card.display());
    }
    Ok(())
}

fn require_card(model: &Model, config: &Config) -> anyhow::Result<()> {
    if config.model.require_card && model.card.is_none() {
        bail!(
            "the model `{}` has no model card, and `model.require_card` is set: put README.md beside its weights",
            model.id
        );
    }
    Ok(())
}

/// Whether the models of the configuration can be loaded, as far as that is seen without loading one.
///
/// # Errors
/// What [`Backends`] would say.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    if let Some(path) = &config.model.path {
        let mut model = Model::open(path)?;
        configure(&mut model, config)?;
        require_card(&model, config)?;
    }
    if let Some(folder) = &config.models.folder {
        check_folder(folder, config)?;
    }
    Ok(())
}

fn check_folder(folder: &Path, config: &Config) -> anyhow::Result<()> {
    let models = Model::list(folder)?;
    for id in &config.models.load {
        let found = models.iter().find(|(name, _)| name == id);
        let (_, path) = found.with_context(|| format!("`models.load`: there is no model `{id}` in `models.folder`"))?;
        require_card(&Model::open(path)?, config)?;
    }
    Ok(())
}

//! The binary `zyron`: the command line, and the order in which things start and stop.

mod analyse;
mod audit_command;
mod banner;
mod check;
mod cli;
mod doctor;
mod engines;
mod keys_command;
mod logging;
mod mini;
mod privacy_command;
mod provenance_command;
mod top;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zyron_engine::{Engine, Model};
use zyron_server::App;
use zyron_server::config::{Config, EngineKind};

use crate::cli::{Cli, Command, ModelCommand, ServeArgs};

/// For tasks that are dropped at the end to be so.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => start(&args),
        Command::Openapi => print_openapi(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Analyse(args) => analyse::run(&args),
        Command::Model(ModelCommand::Check(args)) => check::run(&args),
        Command::Keys(args) => keys_command::run(args),
        Command::Eval(args) => eval(args),
        Command::Audit(args) => audit_command::run(args),
        Command::Privacy(args) => privacy_command::run(args),
        Command::Provenance(args) => provenance_command::run(args),
        Command::Top(args) => top::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_openapi() -> anyhow::Result<()> {
    println!("{}", zyron_server::openapi().to_pretty_json()?);
    Ok(())
}

fn eval(args: zyron_eval::Args) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new().context("cannot start the runtime")?.block_on(zyron_eval::run(args))
}

fn start(args: &ServeArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), &args.overrides())?;
    logging::init(&config.log)?;
    let key = std::env::var("ZYRON_API_KEY").ok();
    let app = App::new(config.clone(), key.as_deref())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(serve(&app, config));
    // What is left of requests ends now. A model that is still loading cannot be interrupted, and nobody waits for it.
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    app.close();
    result
}

async fn serve(app: &App, config: Config) -> anyhow::Result<()> {
    let address = config.server.address();
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    if config.engine.kind == EngineKind::Upstream {
        app.pass_on(std::env::var(&config.upstream.api_key_env).ok())?;
        banner::passing_on(address, &config.upstream.servers);
        app.run(listener, shutdown).await;
        return Ok(());
    }
    let loading = async {
        let (model, engine) = load(&config).await?;
        app.serve_model(Arc::clone(&model), engine);
        banner::ready(address, &model.id, app.needs_key());
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        () = app.run(listener, shutdown) => Ok(()),
        result = loading => result,
    }
}

async fn load(config: &Config) -> anyhow::Result<(Arc<Model>, Arc<dyn Engine>)> {
    let start = Instant::now();
    let unpacked;
    let path = match &config.model.path {
        Some(path) => path.clone(),
        None => {
            unpacked = mini::Unpacked::new().context("cannot write the model of this program to a temporary file")?;
            unpacked.path().to_owned()
        }
    };
    let mut model = tokio::task::spawn_blocking(move || Model::open(&path)).await??;
    if let Some(id) = &config.model.id {
        model.id.clone_from(id);
    }
    if let Some(card) = &config.model.card {
        model.card = Model::read_card(card)?;
        anyhow::ensure!(model.card.is_some(), "`model.card`: there is no file `{}`", card.display());
    }
    if config.model.require_card && model.card.is_none() {
        anyhow::bail!("the model has no model card, and `model.require_card` is set: put README.md beside its weights");
    }
    let model = Arc::new(model);
    banner::loading(&model);
    let engine = engines::load(&config.engine, &model).await?;
    banner::loaded(engine.as_ref(), start.elapsed());
    Ok((model, engine))
}

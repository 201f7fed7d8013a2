//! The binary `zyron`: the command line, and the order in which things start and stop.

mod analyse;
mod audit_command;
mod banner;
mod check;
mod cli;
mod doctor;
mod engines;
mod keys_command;
mod loader;
mod logging;
mod mini;
mod models_command;
mod privacy_command;
mod provenance_command;
mod remote;
mod top;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zyron_server::config::{Config, EngineKind};
use zyron_server::{App, Listeners, backup};

use crate::cli::{Cli, Command, ConfigCommand, ModelCommand, ServeArgs};

/// For tasks that are dropped at the end to be so.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => start(&args),
        Command::Config(ConfigCommand::Check(args)) => check_config(&args),
        Command::Openapi => print_openapi(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Analyse(args) => analyse::run(&args),
        Command::Model(ModelCommand::Check(args)) => check::run(&args),
        Command::Models(args) => models_command::run(&args),
        Command::Keys(args) => keys_command::run(args),
        Command::Eval(args) => eval(args),
        Command::Audit(args) => audit_command::run(args),
        Command::Privacy(args) => privacy_command::run(args),
        Command::Backup { state, to } => back_up(&state.folder, &to),
        Command::Restore { state, from } => restore(&state.folder, &from),
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

/// Says what would keep a server from starting, without starting one or writing anything.
fn check_config(args: &ServeArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), &args.overrides())?;
    App::check(&config, std::env::var("ZYRON_API_KEY").ok().as_deref())?;
    if config.engine.kind != EngineKind::Upstream {
        loader::check(&config)?;
    }
    println!("A server can start with this configuration.");
    Ok(())
}

fn back_up(state: &Path, to: &Path) -> anyhow::Result<()> {
    let files = backup::create(state, to)?;
    println!(
        "{} has {files} files. Whoever has it has the key that signs provenance: keep it as you keep secrets.",
        to.display()
    );
    Ok(())
}

fn restore(state: &Path, from: &Path) -> anyhow::Result<()> {
    let found = backup::restore(from, state)?;
    println!(
        "{} is as it was: the keys can be read, and none of {} lines of the audit log was changed.",
        state.display(),
        found.lines
    );
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
    let result = runtime.block_on(async {
        tokio::select! {
            result = serve(&app, config) => result,
            error = reload(&app, args) => Err(error),
        }
    });
    // What is left of requests ends now. A model that is still loading cannot be interrupted, and nobody waits for it.
    runtime.shutdown_timeout(SHUTDOWN_GRACE);
    app.close();
    result
}

/// Reads again, at each SIGHUP, what can be changed while the server runs; an error is that there are no signals.
async fn reload(app: &App, args: &ServeArgs) -> anyhow::Error {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return error.into(),
    };
    while hangup.recv().await.is_some() {
        let config = Config::load(args.config.as_deref(), &args.overrides());
        let result = config.map_err(|error| error.to_string()).and_then(|config| app.reload(&config));
        match result {
            Ok(()) => tracing::info!("limits, keys and the certificate were read again"),
            Err(error) => tracing::error!(error, "what this names could not be read again, and is as it was"),
        }
    }
    std::future::pending().await
}

async fn serve(app: &App, config: Config) -> anyhow::Result<()> {
    let address = config.server.address();
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let grpc = match config.grpc.port.map(|port| config.server.grpc_address(port)) {
        Some(address) => {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("cannot listen on {address}, for gRPC"))?;
            banner::grpc(listener.local_addr()?);
            Some(listener)
        }
        None => None,
    };
    let base = format!("{}://{}", if app.is_encrypted() { "https" } else { "http" }, listener.local_addr()?);
    let listeners = Listeners { http: listener, grpc };
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
        banner::passing_on(&base, &config.upstream.servers);
        app.run(listeners, shutdown).await;
        return Ok(());
    }
    let loading = async {
        let first = app.start_models(Arc::new(loader::Backends::new(&config))).await?;
        banner::ready(&base, &first, app.needs_key());
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        () = app.run(listeners, shutdown) => Ok(()),
        result = loading => result,
    }
}

//! The server over the scripted engine, for the tests of clients: what a request says last decides what it is told, as
//! [`zyron_e2e::obey`] describes.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zyron_e2e::{CONTEXT, obey};
use zyron_engine::Engine;
use zyron_engine::scripted::{ScriptedEngine, byte_model};
use zyron_server::App;
use zyron_server::config::Config;

/// Serves the scripted engine on a free port.
#[derive(Parser)]
struct Args {
    /// Requests served at once
    #[arg(long, default_value_t = 8)]
    parallelism: usize,
    /// Requests that may wait
    #[arg(long, default_value_t = 64)]
    max_queue: usize,
    /// Keep the answers of /v1/responses
    #[arg(long)]
    store: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let overrides = [("admission.max_queue", args.max_queue.to_string()), ("responses.store", args.store.to_string())];
    let app = App::new(Config::load(None, &overrides)?, None)?;
    let model = Arc::new(byte_model(CONTEXT));
    let engine = ScriptedEngine::new(Arc::clone(&model), args.parallelism, |request, _| obey(request));
    app.serve_model(model, Arc::new(engine) as Arc<dyn Engine>);
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port is free")?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("Zyron is ready at http://{}", listener.local_addr()?);
    let shutdown = async {
        terminate.recv().await;
    };
    app.run(listener, shutdown).await;
    Ok(())
}

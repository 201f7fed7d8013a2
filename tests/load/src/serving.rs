//! `bench serving`: the HTTP layer alone, over an engine that takes no time, beside a bare loop of server-sent events.
//!
//! Both write the same bytes: the bare loop has been told an answer of ours and repeats it. What is left is what it
//! costs to check a request, render and tokenize its prompt, choose tokens, turn them into text and describe them.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::post;
use futures::future::try_join_all;
use futures::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use zyron_engine::{Engine, Model};
use zyron_server::App;
use zyron_server::config::Config;

use crate::instant::InstantEngine;
use crate::quantiles::quantile;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A GGUF file with a chat template; its weights are not loaded
    #[arg(long)]
    model: std::path::PathBuf,
    /// Streams at once
    #[arg(long, default_value_t = 32)]
    streams: usize,
    /// Tokens of each answer
    #[arg(long, default_value_t = 256)]
    tokens: usize,
    /// Connections that are held open
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// How often it is measured
    #[arg(long, default_value_t = 10)]
    rounds: usize,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::open(&args.model)?);
    let body = json!({
        "model": model.id, "messages": [{"role": "user", "content": "Write a long story about a company."}],
        "temperature": 0, "max_tokens": args.tokens, "stream": true,
    });
    let zyron = zyron(&model, args.streams).await?;
    let client = Client::new();
    let answer = client.post(&zyron).json(&body).send().await?.error_for_status()?.text().await?;
    let events: Vec<String> =
        answer.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect();
    let bare = bare(events.clone()).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=args.rounds {
        let one = events_per_s(&client, &zyron, &body, args.streams, events.len()).await?;
        let other = events_per_s(&client, &bare, &body, args.streams, events.len()).await?;
        if round > 0 {
            ours.push(one / cores);
            theirs.push(other / cores);
        }
    }
    let ratio: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    println!("{} streams of {} events, client included, median of {} rounds:", args.streams, events.len(), args.rounds);
    println!("Zyron without a model: {:.0} events a second and core", quantile(&ours, 0.5));
    println!(
        "a bare loop:           {:.0} events a second and core; Zyron has {:.2} of it",
        quantile(&theirs, 0.5),
        quantile(&ratio, 0.5)
    );
    let before = resident_megabytes()?;
    let held = hold(&zyron, args.connections).await?;
    let each = (resident_megabytes()? - before) * 1e3 / args.connections as f64;
    let start = Instant::now();
    client.post(&zyron).json(&body).send().await?.error_for_status()?.text().await?;
    println!(
        "{} connections held, {each:.0} kB each with the client's end; an answer beside them took {:.0} ms",
        held.len(),
        start.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

async fn zyron(model: &Arc<Model>, streams: usize) -> anyhow::Result<String> {
    let app = App::new(Config::load(None, &[("admission.max_queue", streams.to_string())])?, None)?;
    app.serve_model(Arc::clone(model), Arc::new(InstantEngine::new(Arc::clone(model), streams)) as Arc<dyn Engine>);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    tokio::spawn(async move { app.run(listener, std::future::pending()).await });
    Ok(url)
}

async fn bare(events: Vec<String>) -> anyhow::Result<String> {
    let events: Arc<[String]> = events.into();
    let repeat = move |_body: String| {
        let events = Arc::clone(&events);
        let events =
            (0..events.len()).map(move |at| Ok::<_, std::convert::Infallible>(Event::default().data(&events[at])));
        async move { Sse::new(stream::iter(events)) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(repeat))).await });
    Ok(url)
}

async fn events_per_s(client: &Client, url: &str, body: &Value, streams: usize, events: usize) -> anyhow::Result<f64> {
    let start = Instant::now();
    let read = |_| async {
        let mut parts = client.post(url).json(body).send().await?.error_for_status()?.bytes_stream();
        let mut bytes = 0;
        while let Some(part) = parts.next().await {
            bytes += part?.len();
        }
        anyhow::ensure!(bytes > events * 8, "an answer is incomplete");
        Ok(())
    };
    try_join_all((0..streams).map(read)).await?;
    Ok((streams * events) as f64 / start.elapsed().as_secs_f64())
}

/// Connections that have sent nothing.
async fn hold(url: &str, count: usize) -> anyhow::Result<Vec<tokio::net::TcpStream>> {
    let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).context("an address")?;
    try_join_all((0..count).map(|_| async { Ok(tokio::net::TcpStream::connect(address).await?) })).await
}

fn resident_megabytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}

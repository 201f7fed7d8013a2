//! `bench serving`: the HTTP layer alone, over an engine that takes no time, beside a bare loop of server-sent events.
//!
//! Both write the same bytes: the bare loop has been told an answer of ours and repeats it. What is left is what it
//! costs to check a request, render and tokenize its prompt, choose tokens, turn them into text and describe them.
//! Then answers of both are held that have begun and do not end, for the memory that each takes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use axum::Router;
use axum::response::sse::{Event, Sse};
use axum::routing::post;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Response};
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
    /// Answers that are held once they have begun, each on a connection of its own; fewer where files are limited
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
    // Four files each, an end of a connection to either server; the rest is for all else.
    let held = args.connections.min(most_files()? / 6);
    let zyron = zyron(&model, args.tokens, args.streams + held).await?;
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
    let mut endless = body.clone();
    endless["max_tokens"] = json!(args.tokens + 1);
    let mut answers = Vec::new();
    for (name, url) in [("Zyron", zyron.clone()), ("a bare loop", format!("{bare}endless"))] {
        let before = resident_megabytes()?;
        answers.push(hold(&client, &url, &endless, held).await?);
        let each = (resident_megabytes()? - before) * 1e3 / held as f64;
        println!("{name}: {held} answers held that have begun, {each:.0} kB each with the client's end");
    }
    let start = Instant::now();
    client.post(&zyron).json(&body).send().await?.error_for_status()?.text().await?;
    println!("a whole answer of Zyron's beside them took {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    drop(answers);
    Ok(())
}

/// Answers longer than `longest` tokens do not end.
async fn zyron(model: &Arc<Model>, longest: usize, streams: usize) -> anyhow::Result<String> {
    // The client may open connections that it does not need in the end.
    let config = Config::load(None, &[("server.max_connections", (2 * streams).to_string())])?;
    let app = App::new(config, None)?;
    // One more, beside those that are held.
    let engine = InstantEngine::new(Arc::clone(model), streams + 1, longest);
    app.serve_model(Arc::clone(model), Arc::new(engine) as Arc<dyn Engine>);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    tokio::spawn(async move { app.run(listener, std::future::pending()).await });
    Ok(url)
}

/// Under `endless`, it says the first event and nothing more.
async fn bare(events: Vec<String>) -> anyhow::Result<String> {
    let first = events.first().context("an answer without an event")?.clone();
    let begin = move |_body: String| {
        let first = Ok::<_, Infallible>(Event::default().data(&first));
        async move { Sse::new(stream::iter([first]).chain(stream::pending())) }
    };
    let events: Arc<[String]> = events.into();
    let repeat = move |_body: String| {
        let events = Arc::clone(&events);
        let events = (0..events.len()).map(move |at| Ok::<_, Infallible>(Event::default().data(&events[at])));
        async move { Sse::new(stream::iter(events)) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let router = Router::new().route("/", post(repeat)).route("/endless", post(begin));
    tokio::spawn(async move { axum::serve(listener, router).await });
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

/// Answers whose first event has come.
async fn hold(client: &Client, url: &str, body: &Value, count: usize) -> anyhow::Result<Vec<Response>> {
    let begin = |_| async {
        let mut response = client.post(url).json(body).send().await?.error_for_status()?;
        response.chunk().await?.context("an answer without an event")?;
        Ok::<_, anyhow::Error>(response)
    };
    stream::iter(0..count).map(begin).buffer_unordered(64).try_collect().await
}

/// Files, and so connections, that this process may have open.
fn most_files() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of files")?;
    // What is no number is "unlimited".
    Ok(line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX))
}

fn resident_megabytes() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}

//! `soak`: requests of all kinds for hours, of which some break off, and nothing of them is left afterwards.
//!
//! What must be flat is the server's own: places that requests hold, files, memory. It is looked at before, once all that
//! is made at first use has been used, and after, when nobody asks any more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::StreamExt;
use futures::future::try_join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::process::{Figures, Program, Zyron};
use crate::quantiles::quantile;
use crate::table::Table;

/// A balance générale whose figures are known.
const BALANCE: &str = include_str!("../../balance.csv");
/// Of the clients, those that leave before the answer is complete.
const LEAVING: f64 = 0.3;
/// The longest that one of them stays.
const STAY: Duration = Duration::from_millis(400);
/// How often memory is looked at.
const SAMPLES: u32 = 100;
/// What memory may grow by that is no leak: allocators keep some of what was freed.
const SLACK_BYTES: f64 = 32e6;
/// And by this share.
const SLACK: f64 = 0.05;
/// Files that are opened once, by what was not asked for before: fewer than there are requests in a minute.
const SLACK_FILES: f64 = 8.0;

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    program: Program,
    /// How long
    #[arg(long, default_value_t = 480.0)]
    minutes: f64,
    /// Clients at once
    #[arg(long, default_value_t = 8)]
    clients: usize,
}

/// What clients had.
#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    left: AtomicU64,
    refused: AtomicU64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let state = tempfile::tempdir()?;
    let keys = [("LOG__FILTER", "warn"), ("RESPONSES__STORE", "true"), ("RESPONSES__MAX_STORED_BYTES", "1000000")];
    let server = args.program.start(&keys, Some(state.path())).await?;
    let before = server.greedy().await?;
    let statement = statement(&server).await?;
    let counts = Counts::default();
    let length = Duration::from_secs_f64(args.minutes * 60.0);
    // Caches fill, and each path is taken once.
    load(&server, &statement, &counts, args.clients, (length / 4).min(Duration::from_secs(600)), 1).await?;
    let figures = server.rest().await?;
    let at_first = Resources::of(&server, &figures)?;
    let mut samples = Vec::new();
    tokio::select! {
        loaded = load(&server, &statement, &counts, args.clients, length, 2) => loaded?,
        failed = sample(&server, length / SAMPLES, &mut samples) => failed?,
    }
    let figures = server.rest().await?;
    let at_last = Resources::of(&server, &figures)?;
    server.answers(&before).await?;
    server.terminate().await?;
    args.program.verify(state.path())?;

    let mut table = Table::default();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let case = format!("soak, {} min, {} clients", args.minutes, args.clients);
    let (answered, left, refused) = (count(&counts.answered), count(&counts.left), count(&counts.refused));
    table.row(&case, "requests answered, left by their client, refused", format!("{answered}, {left}, {refused}"));
    table.row(&case, "held at the end: places, waiting, KV cache", "0, 0, 0");
    table.row(&case, "open files before and after", format!("{} and {}", at_first.files, at_last.files));
    let megabytes = |bytes: f64| format!("{:.1} MB", bytes / 1e6);
    let memory = format!("{} and {}", megabytes(at_first.memory), megabytes(at_last.memory));
    table.row(&case, "resident memory before and after", memory);
    table.row(&case, "its median under load", megabytes(quantile(&samples, 0.5)));
    table.row(&case, "audit log, and the same answer as before", "verified, yes");
    println!("\n{table}");
    ensure!(answered > 0 && left > 0, "nothing was tried");
    ensure!(at_last.files <= at_first.files + SLACK_FILES, "files are left open");
    let most = at_first.memory * (1.0 + SLACK) + SLACK_BYTES;
    ensure!(at_last.memory <= most, "memory grew from {} to {}", at_first.memory, at_last.memory);
    Ok(())
}

/// Looks at a server's memory again and again.
async fn sample(server: &Zyron, interval: Duration, samples: &mut Vec<f64>) -> anyhow::Result<()> {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        samples.push(server.memory("VmRSS")?);
    }
}

/// What a server has of the machine while nobody asks.
struct Resources {
    memory: f64,
    files: f64,
}

impl Resources {
    fn of(server: &Zyron, figures: &Figures) -> anyhow::Result<Self> {
        Ok(Self { memory: server.memory("VmRSS")?, files: figures.sum("process_open_fds") })
    }
}

/// The accounts that questions are about.
async fn statement(server: &Zyron) -> anyhow::Result<Value> {
    let report: Value = upload(server).send().await?.error_for_status()?.json().await?;
    Ok(report["statement"].clone())
}

fn upload(server: &Zyron) -> RequestBuilder {
    let form = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"balance.csv\"\r\n\r\n{BALANCE}\r\n--edge\r\n\
         content-disposition: form-data; name=\"end\"\r\n\r\n2024-12-31\r\n--edge--\r\n"
    );
    let post = server.client.post(format!("{}/v1/finance/statements", server.base)).body(form);
    post.header("content-type", "multipart/form-data; boundary=edge")
}

/// Has `clients` ask for so long, each with another sequence of requests.
async fn load(
    server: &Zyron,
    statement: &Value,
    counts: &Counts,
    clients: usize,
    length: Duration,
    seed: u64,
) -> anyhow::Result<()> {
    let end = Instant::now() + length;
    let clients = (0..clients).map(|client| async move {
        let mut rng = StdRng::seed_from_u64((seed << 32) | client as u64);
        while Instant::now() < end {
            ask(server, statement, counts, &mut rng).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(clients).await.map(drop)
}

/// Asks once, for something.
async fn ask(server: &Zyron, statement: &Value, counts: &Counts, rng: &mut StdRng) -> anyhow::Result<()> {
    let request = request(server, statement, rng);
    let leaves = rng.random_bool(LEAVING).then(|| STAY.mul_f64(rng.random()));
    let answer = whole(request);
    let status = match leaves {
        None => answer.await?,
        Some(stays) => match tokio::time::timeout(stays, answer).await {
            Ok(status) => status?,
            Err(_) => {
                counts.left.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
        },
    };
    match status {
        200 => counts.answered.fetch_add(1, Ordering::Relaxed),
        429 => counts.refused.fetch_add(1, Ordering::Relaxed),
        status => anyhow::bail!("a good request was answered with {status}"),
    };
    Ok(())
}

/// Reads an answer to its end. Gives its status.
async fn whole(request: RequestBuilder) -> anyhow::Result<u16> {
    let response: Response = request.send().await?;
    let status = response.status().as_u16();
    let mut bytes = response.bytes_stream();
    let mut last = Vec::new();
    while let Some(part) = bytes.next().await {
        last = part?.to_vec();
    }
    let last = String::from_utf8_lossy(&last);
    ensure!(!last.contains("\"server_error\"") || status != 200, "an answer broke off: {last}");
    Ok(status)
}

fn request(server: &Zyron, statement: &Value, rng: &mut StdRng) -> RequestBuilder {
    let tokens = rng.random_range(1..48);
    // Of some beginnings there are many, of others one.
    let topic = rng.random_range(0..1000);
    let text =
        format!("Write about balance sheet {topic} of a company. {}", "It grows. ".repeat(rng.random_range(0..40)));
    let chat = |more: Value| {
        let mut body = json!({
            "model": server.model, "messages": [{"role": "user", "content": text}], "max_tokens": tokens, "seed": topic,
        });
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        server.post("/v1/chat/completions", &body)
    };
    let completion = |stream: bool, n: u32| {
        let body = json!({"model": server.model, "prompt": text, "max_tokens": tokens, "stream": stream, "n": n});
        server.post("/v1/completions", &body)
    };
    match rng.random_range(0..10) {
        0 => chat(json!({})),
        1 | 2 => chat(json!({"stream": true, "logprobs": true, "top_logprobs": 3})),
        3 => chat(json!({"guided_regex": format!("[a-z]{{{}}}", 1 + topic % 20)})),
        4 => completion(true, 1),
        5 => completion(false, 2),
        6 => server.post(
            "/v1/responses",
            &json!({"model": server.model, "input": text, "max_output_tokens": tokens, "stream": topic % 2 == 0}),
        ),
        7 => server.post("/tokenize", &json!({"model": server.model, "prompt": text})),
        8 => upload(server),
        _ => server.post(
            "/v1/finance/analyses",
            &json!({
                "model": server.model, "statement": statement, "question": "Que vaut l’EBE ?", "stream": topic % 2 == 0,
                "max_completion_tokens": tokens,
            }),
        ),
    }
}

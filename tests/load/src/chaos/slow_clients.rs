//! Thousands of clients that send a byte now and then, or read nothing, beside one that behaves.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Setting;
use crate::process::Zyron;
use crate::quantiles::quantile;
use crate::table::Table;

/// Files that this process and the server need besides connections.
const OTHER_FILES: usize = 500;
/// Between two clients that connect.
const ARRIVAL: Duration = Duration::from_millis(3);
/// Between two bytes of a slow client.
const PAUSE: Duration = Duration::from_millis(900);

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let wanted = if setting.is_short { 1000 } else { 10_000 };
    let slow = wanted.min(most_files()?.saturating_sub(OTHER_FILES));
    let asks = if setting.is_short { 10 } else { 200 };
    let most = (slow + OTHER_FILES).to_string();
    // They are not disconnected while it is measured what they cost.
    let keys = [
        ("SERVER__MAX_CONNECTIONS", most.as_str()),
        ("SERVER__HEADER_TIMEOUT_MS", "600000"),
        ("SERVER__BODY_TIMEOUT_MS", "600000"),
    ];
    let server = setting.program.start(&keys, None).await?;
    first_tokens(&server, 5).await?;
    let alone = first_tokens(&server, asks).await?;
    let memory = server.memory("VmRSS")?;
    let (is_over, over) = watch::channel(false);
    let mut clients: FuturesUnordered<_> =
        (0..slow).map(|number| tokio::spawn(slow_client(server.address().to_owned(), number, over.clone()))).collect();
    let start = Instant::now();
    while server.figures().await?.sum("zyron_connections") < slow as f64 {
        if let Some(Some(ended)) = clients.next().now_or_never() {
            ended??;
        }
        ensure!(start.elapsed() < Duration::from_secs(120), "they cannot connect");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let beside = first_tokens(&server, asks).await?;
    let grown = server.memory("VmRSS")? - memory;
    is_over.send_replace(true);
    while let Some(ended) = clients.next().await {
        ended??;
    }
    server.rest().await?;
    server.answers(setting.before).await?;
    server.terminate().await?;
    let case = format!("{slow} slow clients");
    let ms = |values: &[f64]| format!("{:.1} ms, {:.1} ms", quantile(values, 0.5), quantile(values, 0.99));
    table.row(&case, "first token of a healthy client without them: p50, p99", ms(&alone));
    table.row(&case, "beside them: p50, p99", ms(&beside));
    table.row(&case, "p99, beside to without", format!("{:.2}", quantile(&beside, 0.99) / quantile(&alone, 0.99)));
    table.row(&case, "memory for each", format!("{:.1} kB", grown / slow as f64 / 1e3));
    Ok(())
}

/// Milliseconds to the first token of each of some answers, one after another.
async fn first_tokens(server: &Zyron, asks: usize) -> anyhow::Result<Vec<f64>> {
    let mut taken = Vec::new();
    for ask in 0..asks {
        let mut body = server.completion(&format!("{ask}. question, about the balance sheet of a company:"), 4);
        body["stream"] = true.into();
        let start = Instant::now();
        let response = server.post("/v1/completions", &body).send().await?.error_for_status()?;
        let mut bytes = response.bytes_stream();
        bytes.next().await.context("it said nothing")??;
        taken.push(start.elapsed().as_secs_f64() * 1e3);
        while let Some(rest) = bytes.next().await {
            rest?;
        }
    }
    Ok(taken)
}

/// Sends a head, or a body, a byte at a time; every third reads nothing of what it asked for.
async fn slow_client(address: String, number: usize, mut over: watch::Receiver<bool>) -> anyhow::Result<()> {
    // All at once they would overflow the queue of connections that are not accepted yet, which the system keeps.
    tokio::time::sleep(ARRIVAL * u32::try_from(number)?).await;
    let mut stream = TcpStream::connect(address).await?;
    let begun = match number % 3 {
        0 => "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        1 => {
            "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000\r\n\r\n"
        }
        _ => "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    stream.write_all(begun.as_bytes()).await?;
    while !*over.borrow() {
        if number % 3 < 2 {
            stream.write_all(b" ").await.context("a slow client was disconnected")?;
        }
        let _ = tokio::time::timeout(PAUSE, over.changed()).await;
    }
    // What is left unread would be a reset.
    let _ = tokio::time::timeout(Duration::from_millis(1), stream.read_to_end(&mut Vec::new())).await;
    Ok(())
}

/// Files that this process may have open; the server may have as many.
fn most_files() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()).context("the limit of open files")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}

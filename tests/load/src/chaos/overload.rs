//! Ten times as many clients as a server has places for, beside exactly as many.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use serde_json::Value;

use super::Setting;
use crate::process::Zyron;
use crate::quantiles::quantile;
use crate::table::Table;

/// Requests that wait at most; four run.
const QUEUE: usize = 12;
const RUNNING: usize = 4;
const TIMES: usize = 10;
/// Tokens of each answer.
const TOKENS: usize = 16;
/// How long a client waits that was refused: less than it is told to, so that the load stays.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let queue = QUEUE.to_string();
    let server = setting.program.start(&[("ADMISSION__MAX_QUEUE", &queue)], None).await?;
    let length = Duration::from_secs(if setting.is_short { 4 } else { 60 });
    // A place is free a moment after the last byte of its answer: who asks again at once finds it taken.
    let full = QUEUE;
    // What is made at first use is made.
    load(&server, full, Duration::from_secs(1)).await?;
    let at_capacity = load(&server, full, length).await?;
    let beyond = load(&server, TIMES * full, length).await?;
    ensure!(at_capacity.refused.is_empty(), "refused, though there was a place");
    ensure!(!beyond.refused.is_empty() && !beyond.accepted.is_empty(), "nothing was refused, or all of it");
    server.rest().await?;
    server.answers(setting.before).await?;
    server.terminate().await?;
    let case = format!("overload, {} clients for {} places", TIMES * full, RUNNING + QUEUE);
    let ms = |values: &[f64], share| format!("{:.0} ms", quantile(values, share));
    let (at_most, over) = (&at_capacity.accepted, &beyond.accepted);
    table.row(
        &case,
        "accepted and answered in full; refused; lost",
        format!("{}; {}; 0", over.len(), beyond.refused.len()),
    );
    let refusals = &beyond.refused;
    table.row(&case, "a refusal, with Retry-After: p50, p99", format!("{}, {}", ms(refusals, 0.5), ms(refusals, 0.99)));
    table.row(&case, "an answer at capacity: p50, p99", format!("{}, {}", ms(at_most, 0.5), ms(at_most, 0.99)));
    table.row(&case, "an answer in overload: p50, p99", format!("{}, {}", ms(over, 0.5), ms(over, 0.99)));
    table.row(
        &case,
        "p99 of answers, overload to capacity",
        format!("{:.2}", quantile(over, 0.99) / quantile(at_most, 0.99)),
    );
    Ok(())
}

/// Milliseconds of each request.
#[derive(Default)]
struct Taken {
    accepted: Vec<f64>,
    refused: Vec<f64>,
}

/// Has `clients` ask for so long, each one thing after another.
async fn load(server: &Zyron, clients: usize, length: Duration) -> anyhow::Result<Taken> {
    let end = Instant::now() + length;
    let clients = (0..clients).map(|client| async move {
        let mut taken = Taken::default();
        let mut number = 0;
        while Instant::now() < end {
            number += 1;
            let start = Instant::now();
            let body = server.completion(&format!("Client {client} asks for the {number}. time."), TOKENS);
            let response = server.post("/v1/completions", &body).send().await.context("a request was lost")?;
            let refused = response.headers().get("retry-after").cloned();
            let status = response.status().as_u16();
            let answer: Value = response.json().await.context("an answer was lost")?;
            let took = start.elapsed().as_secs_f64() * 1e3;
            if status == 429 {
                let after = refused.context("a refusal without Retry-After")?;
                ensure!(after.to_str()?.parse::<u64>()? >= 1, "a Retry-After of nothing");
                taken.refused.push(took);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            ensure!(status == 200, "{status}: {answer}");
            let reason = &answer["choices"][0]["finish_reason"];
            ensure!(reason == "length" || reason == "stop", "an answer is not whole: {answer}");
            taken.accepted.push(took);
        }
        anyhow::Ok(taken)
    });
    let mut all = Taken::default();
    for taken in try_join_all(clients).await? {
        all.accepted.extend(taken.accepted);
        all.refused.extend(taken.refused);
    }
    Ok(all)
}

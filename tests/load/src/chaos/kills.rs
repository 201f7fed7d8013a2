//! kill -9, again and again, while clients ask and a batch is answered.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::future::join_all;
use serde_json::{Value, json};

use super::Setting;
use crate::process::Zyron;
use crate::table::Table;

const CLIENTS: usize = 8;

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let state = tempfile::tempdir()?;
    let start = || setting.program.start(&[("BATCH__ENABLED", "true"), ("LOG__FILTER", "error")], Some(state.path()));
    let (kills, batched) = if setting.is_short { (3, 40) } else { (100, 300) };
    let mut server = start().await?;
    let mut batch = create_batch(&server, batched).await?;
    let (mut batches, answered) = (Vec::new(), AtomicU64::new(0));
    for kill in 0..kills {
        let asking = join_all((0..CLIENTS).map(|client| ask(&server, client, &answered)));
        let after = Duration::from_millis(150 + 61 * (kill % 13));
        // They ask until the server is gone.
        ensure!(tokio::time::timeout(after, asking).await.is_err(), "a request failed before the server was killed");
        server.kill()?;
        setting.program.verify(state.path())?;
        server = start().await?;
        // There is always one under way.
        if is_completed(&server, &batch).await? {
            batches.push(std::mem::replace(&mut batch, create_batch(&server, batched).await?));
        }
    }
    batches.push(batch);
    for batch in &batches {
        check(&server, batch, batched).await?;
    }
    server.answers(setting.before).await?;
    server.terminate().await?;
    setting.program.verify(state.path())?;
    let incidents = std::fs::read_dir(state.path().join("incidents"))?.count();
    ensure!(incidents as u64 == kills, "{incidents} records of {kills} crashes");
    let case = format!("kill -9, {kills} times");
    table.row(&case, "the audit log verified, the state opened", format!("{kills} of {kills}"));
    table.row(&case, "records of crashes", incidents);
    let requests = batches.len() * batched;
    table.row(&case, "requests of batches, each answered once", format!("{requests} of {requests}"));
    table.row(&case, "other requests answered meanwhile", answered.load(Ordering::Relaxed));
    Ok(())
}

/// Asks for as long as there are answers.
async fn ask(server: &Zyron, client: usize, answered: &AtomicU64) {
    let body = server.completion(&format!("Client {client}"), 8);
    while server.post("/v1/completions", &body).send().await.is_ok_and(|answer| answer.status() == 200) {
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

async fn create_batch(server: &Zyron, requests: usize) -> anyhow::Result<String> {
    let line = |number: usize| {
        let body = server.completion(&format!("The {number}. of many:"), 8);
        let id = number.to_string();
        json!({"custom_id": id, "method": "POST", "url": "/v1/completions", "body": body}).to_string() + "\n"
    };
    let lines: String = (0..requests).map(line).collect();
    let form = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--edge\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{lines}\r\n--edge--\r\n"
    );
    let upload = server.client.post(format!("{}/v1/files", server.base)).body(form);
    let upload = upload.header("content-type", "multipart/form-data; boundary=edge").send().await?;
    let file: Value = upload.error_for_status()?.json().await?;
    let body = json!({"input_file_id": file["id"], "endpoint": "/v1/completions", "completion_window": "24h"});
    let batch: Value = server.post("/v1/batches", &body).send().await?.error_for_status()?.json().await?;
    Ok(batch["id"].as_str().context("a batch has an id")?.to_owned())
}

async fn read(server: &Zyron, batch: &str) -> anyhow::Result<Value> {
    Ok(server.get(&format!("/v1/batches/{batch}")).send().await?.error_for_status()?.json().await?)
}

async fn is_completed(server: &Zyron, batch: &str) -> anyhow::Result<bool> {
    Ok(read(server, batch).await?["status"] == "completed")
}

/// Waits for a batch's end; each of its requests must have one answer.
async fn check(server: &Zyron, batch: &str, requests: usize) -> anyhow::Result<()> {
    while !is_completed(server, batch).await? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let file = read(server, batch).await?["output_file_id"].as_str().context("answers")?.to_owned();
    let answers = server.get(&format!("/v1/files/{file}/content")).send().await?.error_for_status()?.text().await?;
    let ids: Vec<String> = answers
        .lines()
        .map(|line| Ok(serde_json::from_str::<Value>(line)?["custom_id"].as_str().context("a name")?.to_owned()))
        .collect::<anyhow::Result<_>>()?;
    let once: HashSet<&String> = ids.iter().collect();
    ensure!(ids.len() == requests && once.len() == requests, "{} answers, {} of them different", ids.len(), once.len());
    Ok(())
}

//! Requests of absurd sizes: how soon they are refused, and what memory they take.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Setting;
use crate::process::Zyron;
use crate::table::Table;

const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Connection: close\r\n";

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let server = setting.program.start(&[], None).await?;
    server.answers(setting.before).await?;
    let whole = |body: String| format!("{CHAT}Content-Length: {}\r\n\r\n{body}", body.len());
    let n = format!(
        "{{\"model\":\"{}\",\"messages\":[{{\"role\":\"user\",\"content\":\"a\"}}],\"n\":2147483648}}",
        server.model
    );
    let shapes = [
        ("JSON, 100,000 levels deep", whole(format!("{{\"model\":{}", "[".repeat(100_000)))),
        ("a body of 64 MiB", whole(" ".repeat(64 << 20))),
        ("a header of 1 MiB", format!("{CHAT}X-Big: {}\r\n\r\n", "a".repeat(1 << 20))),
        (
            "a million chunks of a byte",
            format!("{CHAT}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\n[\r\n".repeat(1_000_000)),
        ),
        ("n of 2^31", whole(n)),
    ];
    for (name, request) in shapes {
        server.forget_peak()?;
        let before = server.memory("VmHWM")?;
        let (status, took) = send(&server, request.as_bytes()).await?;
        let grown = (server.memory("VmHWM")? - before).max(0.0) / 1e6;
        let said = status.map_or("hung up on".to_owned(), |status| status.to_string());
        ensure!(status.is_none_or(|status| (400..500).contains(&status)), "{name}: {said}");
        server.answers(setting.before).await.with_context(|| format!("after {name}"))?;
        let took = took.as_secs_f64() * 1e3;
        table.row(name, "answer, after, more memory at most", format!("{said}, {took:.0} ms, {grown:.1} MB"));
    }
    server.rest().await?;
    server.terminate().await?;
    Ok(())
}

/// Sends bytes, and gives the status of the answer and how long after the first byte it came; none where the server hung
/// up.
async fn send(server: &Zyron, bytes: &[u8]) -> anyhow::Result<(Option<u16>, Duration)> {
    let start = Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(server.address()).await?.into_split();
    let mut answer = Vec::new();
    let read = async {
        // A reset counts as an end too.
        let _ = reader.read_to_end(&mut answer).await;
    };
    let write = async {
        let _ = writer.write_all(bytes).await;
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Ok((status, start.elapsed()))
}

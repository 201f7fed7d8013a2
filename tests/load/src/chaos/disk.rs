//! A disk that is full, under a server that runs with a state folder, and then has room again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::Setting;
use crate::process::{Zyron, signal};
use crate::table::Table;

/// Of the small disk.
const SIZE: &str = "4m";
/// How long a server has to notice.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = Disk::mount(folder)? else {
        table.row("full disk", "left out", "a small file system cannot be mounted here (not root, or in a container)");
        return Ok(());
    };
    let state = disk.path().join("state");
    let mut server = setting.program.start(&[("BATCH__ENABLED", "true")], Some(&state)).await?;
    server.answers(setting.before).await?;
    let filler = disk.path().join("filler");
    fill(&filler)?;
    let start = Instant::now();
    let refused = until(&server, 503).await?;
    ensure!(refused["error"]["code"] == "audit_unavailable", "{refused}");
    let noticed = start.elapsed();
    let ready = server.get("/health/ready").send().await?;
    ensure!(ready.status() == 503, "it says that it is ready");
    ensure!(server.get("/health/live").send().await?.status() == 200, "it is not alive");
    // Keys and the configuration are read, and usage written, while there is no room.
    signal(server.pid(), "HUP")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(server.ended()?.is_none(), "it has ended");
    std::fs::remove_file(&filler)?;
    let start = Instant::now();
    until(&server, 200).await?;
    let back = start.elapsed();
    server.answers(setting.before).await?;
    server.terminate().await?;
    setting.program.verify(&state)?;
    let case = "full disk";
    table.row(case, "until requests are refused (503), and readiness is", format!("{:.1} s", noticed.as_secs_f64()));
    table.row(case, "with room again, until they are answered", format!("{:.1} s", back.as_secs_f64()));
    table.row(case, "the audit log, the same answer as before", "verified, yes");
    Ok(())
}

/// Asks until an answer has this status. Gives it.
async fn until(server: &Zyron, status: u16) -> anyhow::Result<Value> {
    let start = Instant::now();
    let body = server.completion("A", 1);
    loop {
        let answer = server.post("/v1/completions", &body).send().await?;
        let found = answer.status().as_u16();
        ensure!(found == 200 || found == 503, "{found}");
        if found == status {
            return Ok(answer.json().await?);
        }
        ensure!(start.elapsed() < PATIENCE, "no {status} within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Writes until there is no room.
fn fill(file: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(file)?;
    for block in [4096, 1] {
        while file.write_all(&vec![0; block]).is_ok() {}
    }
    file.flush().context("the filler")
}

/// A file system in memory, on a folder.
struct Disk(TempDir);

impl Disk {
    /// None where that is not allowed.
    fn mount(folder: TempDir) -> anyhow::Result<Option<Self>> {
        let size = format!("size={SIZE}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        Ok(mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(folder)))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also while something still has a file there.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

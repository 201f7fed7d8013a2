//! A clock that jumps a day ahead and two back, while clients ask: with libfaketime, where the machine has it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use futures::future::try_join_all;

use super::Setting;
use crate::process::Zyron;
use crate::table::Table;

const CASE: &str = "clock jumps";
/// From one jump to the next; the library looks for one each second.
const PAUSE: Duration = Duration::from_millis(2500);

pub(super) async fn run(setting: &Setting<'_>, table: &mut Table) -> anyhow::Result<()> {
    let Some(library) = library() else {
        table.row(CASE, "left out", "there is no libfaketime here");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let (state, now) = (folder.path().join("state"), folder.path().join("now"));
    let jumps = if setting.is_short { ["+1d", "-1d", "+0"].as_slice() } else { &["+1d", "-1d", "+400d", "-2h", "+0"] };
    std::fs::write(&now, "+0")?;
    let mut command = setting.program.serve(&[("BATCH__ENABLED", "true"), ("LOG__FILTER", "warn")], Some(&state));
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &now).env("FAKETIME_CACHE_DURATION", "1");
    // What is measured with the monotonic clock does not jump on a real machine either.
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Zyron::start(command).await?;
    let mut answered = 0;
    for jump in jumps {
        std::fs::write(&now, jump)?;
        answered += answers(&server, setting.before).await?;
    }
    server.rest().await?;
    server.terminate().await?;
    setting.program.verify(&state)?;
    let days = days(&state)?;
    ensure!(days > 1, "the clock did not jump");
    table.row(CASE, "jumps", jumps.join(", "));
    table.row(CASE, "answers meanwhile, each as before", answered);
    table.row(CASE, "files of the audit log, one a day; verified", format!("{days}; yes"));
    Ok(())
}

/// Has clients ask for a while. Each answer must be the one before.
async fn answers(server: &Zyron, before: &str) -> anyhow::Result<usize> {
    let end = std::time::Instant::now() + PAUSE;
    let clients = (0..4).map(|_| async move {
        let mut answered = 0;
        while std::time::Instant::now() < end {
            server.answers(before).await?;
            answered += 1;
        }
        anyhow::Ok(answered)
    });
    Ok(try_join_all(clients).await?.into_iter().sum())
}

/// Days that the audit log has a file of.
fn days(state: &Path) -> anyhow::Result<usize> {
    let files = std::fs::read_dir(state.join("audit"))?.flatten();
    Ok(files.filter(|file| file.file_name().to_string_lossy().ends_with(".jsonl")).count())
}

fn library() -> Option<PathBuf> {
    let folder = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let library = Path::new(&folder).join("libfaketimeMT.so.1");
    library.is_file().then_some(library)
}

//! The state folder: copied, damaged, and searched for what must not be in it.

use std::path::Path;
use std::process::Output;

use serde_json::json;
use tempfile::TempDir;
use zyron_e2e::{chat, setup};
use zyron_server::keys::{Limits, Scope, Store};
use zyron_server::{App, config::Config};

use crate::files_under;
use crate::real_model::RealServer;

/// A state folder with one of everything, and its key.
async fn used() -> (TempDir, String) {
    let state = TempDir::new().unwrap();
    let key = Store::open(state.path()).unwrap().create("A", &[Scope::Chat], &Limits::default(), None).unwrap();
    let mut server = setup().with("state.folder", state.path().display()).obeys().await;
    for _ in 0..3 {
        let asked = server.post("/v1/chat/completions", &chat("say a", json!({}))).bearer_auth(&key.text);
        asked.send().await.unwrap().bytes().await.unwrap();
    }
    server.shut_down().await.unwrap();
    std::fs::write(state.path().join("running.json"), "{\"version\":\"0\",\"pid\":1,\"started\":\"\"}").unwrap();
    drop(open(state.path()).unwrap());
    assert!(state.path().join("incidents").is_dir());
    (state, key.text)
}

fn open(state: &Path) -> Result<App, String> {
    let config = Config::load(None, &[("state.folder", state.display().to_string())]).unwrap();
    App::new(config, None).map_err(|error| error.to_string())
}

fn copy(from: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (file, content) in files_under(from) {
        let to = folder.path().join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, content).unwrap();
    }
    folder
}

fn zyron(arguments: &[&str], state: &Path) -> Output {
    crate::binary::command(arguments).arg("--state").arg(state).output().unwrap()
}

#[tokio::test]
async fn whatever_file_is_cut_off_or_changed_a_server_starts_or_says_why() {
    let (state, _) = used().await;
    let (mut started, mut refused) = (0, 0);
    for (file, content) in files_under(state.path()) {
        let name = file.strip_prefix(state.path()).unwrap();
        let step = (content.len() / 12).max(1);
        let damaged = (0..content.len()).step_by(step).flat_map(|at| {
            let mut changed = content.clone();
            changed[at..(at + 16).min(content.len())].fill(0xA5);
            [content[..at].to_vec(), changed]
        });
        for damaged in damaged {
            let copy = copy(state.path());
            std::fs::write(copy.path().join(name), &damaged).unwrap();
            match open(copy.path()) {
                Ok(app) => {
                    app.close();
                    started += 1;
                }
                Err(error) => {
                    let says = ["keys.sqlite", "provenance.pem", "audit"].iter().any(|name| error.contains(name));
                    assert!(says, "{}: {error}", name.display());
                    refused += 1;
                }
            }
        }
    }
    assert!(started > 10 && refused > 10, "{started} {refused}");
}

#[tokio::test]
async fn a_backup_is_the_same_server_elsewhere() {
    let (state, key) = used().await;
    let elsewhere = TempDir::new().unwrap();
    let (archive, restored) = (elsewhere.path().join("zyron.tar"), elsewhere.path().join("state"));
    let mut server = setup().with("state.folder", state.path().display()).obeys().await;
    let keys = server.get("/.well-known/jwks.json").send().await.unwrap().text().await.unwrap();
    let made = zyron(&["backup", "--to", archive.to_str().unwrap()], state.path());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    server.shut_down().await.unwrap();
    let done = zyron(&["restore", "--from", archive.to_str().unwrap()], &restored);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let again = zyron(&["restore", "--from", archive.to_str().unwrap()], &restored);
    assert!(crate::binary::sentence(&again).contains("is not empty"));
    let server = setup().with("state.folder", restored.display()).obeys().await;
    let asked = server.post("/v1/chat/completions", &chat("say a", json!({}))).bearer_auth(&key);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert_eq!(server.get("/.well-known/jwks.json").send().await.unwrap().text().await.unwrap(), keys);
    let used = server.get("/v1/usage?days=1").bearer_auth(&key).send().await.unwrap().text().await.unwrap();
    assert!(used.contains("\"requests\":3") || used.contains("\"requests\":4"), "{used}");
}

#[test]
fn an_archive_cannot_write_where_it_wants() {
    let folder = TempDir::new().unwrap();
    for name in ["../outside", "audit/../../outside", "/etc/outside", "other", "audit/a/b"] {
        let archive = folder.path().join("evil.tar");
        let mut header = tar::Header::new_gnu();
        // What the library would not write.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_mode(0o644);
        header.set_cksum();
        let mut builder = tar::Builder::new(std::fs::File::create(&archive).unwrap());
        builder.append(&header, &b"x"[..]).unwrap();
        builder.finish().unwrap();
        let state = TempDir::new().unwrap();
        let refused = zyron(&["restore", "--from", archive.to_str().unwrap()], state.path());
        let error = crate::binary::sentence(&refused);
        assert!(error.contains("nothing that a backup has"), "{name}: {error}");
        assert!(files_under(state.path()).is_empty());
    }
}

#[tokio::test]
async fn what_is_asked_and_answered_is_in_no_file_log_or_figure() {
    const CANARY: &str = "canari7f3a";
    let state = TempDir::new().unwrap();
    let server = RealServer::start_with(
        &[("LOG__FILTER", "trace"), ("RESPONSES__STORE", "true")],
        &["--state", state.path().to_str().unwrap()],
    )
    .await;
    let everywhere = json!({
        "messages": [{"role": "system", "content": CANARY}, {"role": "user", "content": CANARY, "name": CANARY}],
        "user": CANARY, "metadata": {CANARY: CANARY}, "stop": [CANARY], "max_tokens": 4,
        "tools": [{"type": "function", "function": {"name": CANARY, "description": CANARY}}],
        "zyron_provenance": true
    });
    server.post("/v1/chat/completions", everywhere).await.text().await.unwrap();
    // What is answered, too: the model is made to say it.
    let forced = json!({"prompt": CANARY, "guided_choice": [CANARY], "max_tokens": 64});
    let answer = server.post("/v1/completions", forced).await.text().await.unwrap();
    assert!(answer.contains(CANARY), "{answer}");
    let kept = json!({"input": CANARY, "max_output_tokens": 4});
    server.post("/v1/responses", kept).await.text().await.unwrap();
    let streamed = json!({"messages": [{"role": "user", "content": CANARY}], "stream": true, "max_tokens": 4});
    server.post("/v1/chat/completions", streamed).await.text().await.unwrap();
    for wrong in [
        json!({"messages": CANARY}),
        json!({"messages": [{"role": "user", "content": CANARY}], "max_tokens": 100_000_000}),
        json!({"messages": [{"role": CANARY, "content": CANARY}]}),
        json!({"messages": [{"role": "user", "content": CANARY}], "guided_regex": format!("({CANARY}")}),
        json!({"messages": [{"role": "user", "content": CANARY}], "guided_grammar": format!("start: {CANARY}")}),
    ] {
        assert_eq!(server.send("/v1/chat/completions", wrong).await.status(), 400);
    }
    server.client.get(format!("{}/{CANARY}?{CANARY}={CANARY}", server.base)).send().await.unwrap();
    let metrics = server.client.get(format!("{}/metrics", server.base)).send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains(CANARY));
    let log = server.terminate();
    assert!(log.contains("answered"), "the log has something to search");
    let found: Vec<&str> = log.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(found.is_empty(), "{found:#?}");
    for (file, content) in files_under(state.path()) {
        assert!(!content.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", file.display());
    }
}

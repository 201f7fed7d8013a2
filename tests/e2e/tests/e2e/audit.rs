use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_e2e::{TestServer, chat, error, setup};
use zyron_server::audit;
use zyron_server::keys::{Limits, Scope, Store};

use crate::binary::{command, serve};
use crate::files_under;
use crate::real_model::RealServer;

async fn server(state: &Path) -> TestServer {
    setup().with("state.folder", state.display()).parallelism(8).obeys().await
}

async fn end(mut server: TestServer) {
    server.shut_down().await.unwrap();
}

fn lines(state: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    audit::export(&audit::folder(state), None, None, |line| lines.push(serde_json::from_str(line).unwrap())).unwrap();
    lines
}

fn events<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

fn assert_intact(state: &Path) {
    let found = audit::verify(&audit::folder(state), None).unwrap();
    assert!(found.problems.is_empty() && !found.is_torn, "{found:?}");
}

fn zyron(state: &Path, arguments: &[&str]) -> Output {
    command(arguments).arg("--state").arg(state).output().unwrap()
}

#[tokio::test]
async fn a_request_is_a_line_with_counts_and_without_its_text() {
    let state = TempDir::new().unwrap();
    let key = Store::open(state.path()).unwrap().create("A", &[Scope::Chat], &Limits::default(), None).unwrap();
    let server = server(state.path()).await;
    let body = chat("say Bonsoir", json!({"user": "canari-7f3a", "stop": ["canari-7f3a"]}));
    let asked = server.post("/v1/chat/completions", &body).bearer_auth(&key.text).header("x-request-id", "req-7");
    asked.send().await.unwrap().bytes().await.unwrap();
    let wrong = server.post("/v1/chat/completions", &json!({"model": "scripted"})).bearer_auth(&key.text);
    error(wrong.send().await.unwrap(), 400).await;
    for _ in 0..3 {
        error(server.chat(&body).await, 401).await;
    }
    // What anybody can send has no line, whatever its status; nor is a method that a client made up in one.
    let nobody = server.post("/v1/chat/completions", &body).header("x-request-timeout-ms", "x");
    error(nobody.send().await.unwrap(), 400).await;
    assert_eq!(server.get("/health/live").send().await.unwrap().status(), 200);
    end(server).await;
    let lines = lines(state.path());
    let named: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(named, ["started", "serving", "answered", "answered", "refused", "refused", "stopped"]);
    assert_eq!((&lines[1]["model"], &lines[1]["engine"]), (&json!("scripted"), &json!("scripted")));
    let answered = &lines[2];
    for (name, value) in [
        ("method", json!("POST")),
        ("route", json!("/v1/chat/completions")),
        ("status", json!(200)),
        ("outcome", json!("completed")),
        ("model", json!("scripted")),
        // The tokens of the scripted model are bytes, and one that ends the answer.
        ("completion_tokens", json!(8)),
    ] {
        assert_eq!(answered[name], value, "{name}");
    }
    assert_eq!((&answered["who"]["key"], &answered["who"]["request_id"]), (&json!(key.id), &json!("req-7")));
    assert_eq!((&lines[3]["status"], &lines[3]["outcome"]), (&json!(400), &json!("failed")));
    assert_eq!((&lines[4]["status"], &lines[4]["requests"]), (&json!(400), &json!(1)));
    assert_eq!((&lines[5]["status"], &lines[5]["requests"]), (&json!(401), &json!(3)));
    assert_intact(state.path());
    for (file, content) in files_under(state.path()) {
        for text in ["Bonsoir", "canari-7f3a"] {
            assert!(!content.windows(text.len()).any(|part| part == text.as_bytes()), "{}", file.display());
        }
    }
}

#[tokio::test]
async fn while_it_cannot_be_written_nothing_is_answered() {
    let state = TempDir::new().unwrap();
    let server = server(state.path()).await;
    let body = chat("Salut", json!({}));
    let folder = audit::folder(state.path());
    let aside = state.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    // The first is answered: that its line cannot be written is known after it.
    let mut answers = 0;
    let refused = loop {
        let response = server.chat(&body).await;
        if response.status() != 200 {
            break response;
        }
        answers += 1;
    };
    assert_eq!(error(refused, 503).await["code"], "audit_unavailable");
    assert_eq!(server.get("/health/ready").send().await.unwrap().status(), 503);
    let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("zyron_audit_failing 1"));
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    while server.get("/health/ready").send().await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.chat(&body).await.status(), 200);
    end(server).await;
    assert_eq!(events(&lines(state.path()), "answered").len(), answers + 1);
    assert_intact(state.path());
}

#[tokio::test]
async fn one_server_at_a_time_runs_with_a_state_folder() {
    let state = TempDir::new().unwrap();
    let server = server(state.path()).await;
    let second = serve(&["--state", state.path().to_str().unwrap()]).output().unwrap();
    assert!(crate::binary::sentence(&second).contains("another server runs with this state folder"));
    end(server).await;
}

/// The long form, `ZYRON_KILLS=100`, is for a person to run.
#[tokio::test]
async fn a_server_that_is_killed_leaves_a_whole_log_and_a_record() {
    let kills: usize = std::env::var("ZYRON_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let state = TempDir::new().unwrap();
    for kill in 0..kills {
        let server = RealServer::start(&["--state", state.path().to_str().unwrap()]).await;
        let asks = (0..4).map(|_| async {
            let body = json!({"model": server.model, "prompt": "Le bilan", "max_tokens": 4});
            let url = format!("{}/v1/completions", server.base);
            while server.client.post(&url).json(&body).send().await.is_ok_and(|answer| answer.status() == 200) {}
        });
        let pid = server.pid().to_string();
        let killed = async {
            tokio::time::sleep(std::time::Duration::from_millis(200 + 37 * (kill as u64 % 10))).await;
            assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        };
        futures::join!(futures::future::join_all(asks), killed);
        drop(server);
        let verified = zyron(state.path(), &["audit", "verify"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    }
    RealServer::start(&["--state", state.path().to_str().unwrap()]).await.terminate();
    let lines = lines(state.path());
    assert!(!events(&lines, "answered").is_empty());
    let crashes = events(&lines, "crashed");
    assert_eq!(crashes.len(), kills);
    assert!(crashes[0]["last_seen"].as_str().unwrap() <= crashes[0]["found"].as_str().unwrap());
    assert_eq!(std::fs::read_dir(state.path().join("incidents")).unwrap().count(), kills);
    assert_eq!(lines.last().unwrap()["event"], "stopped");
    assert_intact(state.path());
}

#[tokio::test]
async fn the_command_line_finds_a_change_and_prints_the_lines() {
    let state = TempDir::new().unwrap();
    let made = zyron(state.path(), &["keys", "create", "--owner", "A"]);
    assert!(made.status.success());
    let id = String::from_utf8(made.stdout).unwrap().split('_').nth(1).unwrap().to_owned();
    assert!(zyron(state.path(), &["keys", "revoke", &id]).status.success());
    let told = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let verified = zyron(state.path(), &["audit", "verify"]);
    let noted = told(&verified).trim().rsplit(' ').next().unwrap().to_owned();
    assert!(verified.status.success() && noted.starts_with("2:"), "{}", told(&verified));
    assert!(zyron(state.path(), &["audit", "verify", "--noted", &noted]).status.success());
    let exported = zyron(state.path(), &["audit", "export"]);
    let lines: Vec<Value> = told(&exported).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let change = |line: &Value| (line["event"].clone(), line["change"].clone(), line["who"]["key"].clone());
    assert_eq!(change(&lines[0]), (json!("key"), json!("created"), json!(id)));
    assert_eq!(change(&lines[1]), (json!("key"), json!("revoked"), json!(id)));
    assert_eq!(told(&zyron(state.path(), &["audit", "export", "--to", "2020-01-01"])), "");
    let (file, content) =
        files_under(&audit::folder(state.path())).into_iter().find(|(file, _)| file.extension().is_some()).unwrap();
    let changed = String::from_utf8(content).unwrap().replace("created", "rotated");
    std::fs::write(&file, changed).unwrap();
    let verified = zyron(state.path(), &["audit", "verify"]);
    assert!(!verified.status.success());
    assert!(told(&verified).contains(".jsonl:1: it is not what its hash says"), "{}", told(&verified));
    let nothing = zyron(TempDir::new().unwrap().path(), &["audit", "verify"]);
    assert!(crate::binary::sentence(&nothing).contains("there is no audit log"));
}

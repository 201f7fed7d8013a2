use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_e2e::{Setup, chat, chat_chunks, error, setup};
use zyron_engine::scripted::Act;
use zyron_server::config::Config;
use zyron_server::keys::{Limits, Scope, Store};
use zyron_server::{App, StartError};

use crate::files_under;

fn with_state(folder: &Path) -> Setup {
    setup().with("state.folder", folder.display())
}

fn key(folder: &Path, scopes: &[Scope], limits: &Limits) -> String {
    Store::open(folder).unwrap().create("Société Exemple", scopes, limits, None).unwrap().text
}

fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let chats = key(folder.path(), &[Scope::Chat], &Limits::default());
    let reads = key(folder.path(), &[Scope::Finance], &Limits::default());
    let server = with_state(folder.path()).says("ok").await;
    let body = chat("Salut", json!({}));
    let ask = |path: &str, key: &str| server.post(path, &body).bearer_auth(key).send();
    assert_eq!(ask("/v1/chat/completions", &chats).await.unwrap().status(), 200);
    let refused = error(ask("/v1/chat/completions", &reads).await.unwrap(), 403).await;
    assert_eq!((&refused["code"], &refused["type"]), (&json!("insufficient_scope"), &json!("permission_error")));
    assert_eq!(error(ask("/v1/finance/analyses", &chats).await.unwrap(), 403).await["code"], "insufficient_scope");
    for (path, key, status) in
        [("/v1/models", &reads, 200), ("/v1/finance/templates", &reads, 200), ("/metrics", &chats, 403)]
    {
        assert_eq!(server.get(path).bearer_auth(key).send().await.unwrap().status(), status, "{path}");
    }
    for wrong in ["", "zyr_", "zyr_a_b", &chats[..chats.len() - 1], &format!("{chats}x")] {
        assert_eq!(error(ask("/v1/chat/completions", wrong).await.unwrap(), 401).await["code"], "invalid_api_key");
    }
}

#[tokio::test]
async fn a_key_asks_only_its_models() {
    let folder = TempDir::new().unwrap();
    let limits = |model: &str| Limits { models: vec![model.to_owned()], ..Limits::default() };
    let other = key(folder.path(), &[Scope::Chat], &limits("other"));
    let this = key(folder.path(), &[Scope::Chat], &limits("scripted"));
    let server = with_state(folder.path()).says("ok").await;
    let body = chat("Salut", json!({}));
    let ask = |key: &str| server.post("/v1/chat/completions", &body).bearer_auth(key).send();
    let refused = error(ask(&other).await.unwrap(), 403).await;
    assert_eq!((&refused["code"], &refused["param"]), (&json!("model_not_allowed"), &json!("model")));
    assert_eq!(ask(&this).await.unwrap().status(), 200);
}

#[tokio::test]
async fn limits_are_told_before_they_are_reached_and_when() {
    let folder = TempDir::new().unwrap();
    let limits = Limits { requests_per_minute: Some(2), tokens_per_day: Some(1_000_000), ..Limits::default() };
    let limited = key(folder.path(), &[Scope::Chat], &limits);
    let free = key(folder.path(), &[Scope::Chat], &Limits::default());
    let server = with_state(folder.path()).says("ok").await;
    let body = chat("Salut", json!({}));
    let ask = |key: &str| server.post("/v1/chat/completions", &body).bearer_auth(key).send();
    for remaining in ["1", "0"] {
        let answer = ask(&limited).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-ratelimit-limit-requests"], "2");
        assert_eq!(answer.headers()["x-ratelimit-remaining-requests"], remaining);
        assert!(answer.headers().contains_key("x-ratelimit-reset-tokens"));
        answer.bytes().await.unwrap();
    }
    let refused = ask(&limited).await.unwrap();
    let after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after) && refused.headers().contains_key("retry-after-ms"));
    let refused = error(refused, 429).await;
    assert_eq!((&refused["code"], &refused["type"]), (&json!("rate_limit_exceeded"), &json!("requests")));
    let answer = ask(&free).await.unwrap();
    assert!(answer.status() == 200 && !answer.headers().contains_key("x-ratelimit-limit-requests"));
}

#[tokio::test]
async fn tokens_count_and_a_prompt_beyond_what_is_left_waits() {
    let folder = TempDir::new().unwrap();
    let limits = Limits { tokens_per_minute: Some(400), ..Limits::default() };
    let limited = key(folder.path(), &[Scope::Chat], &limits);
    let server = with_state(folder.path()).says(&"a".repeat(1000)).await;
    let ask = |body: &Value| server.post("/v1/chat/completions", body).bearer_auth(&limited).send();
    // The tokens of the scripted model are bytes.
    let too_long = ask(&chat(&"x".repeat(500), json!({}))).await.unwrap();
    assert_eq!(error(too_long, 429).await["type"], "tokens");
    let answer = ask(&chat("Salut", json!({}))).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    let refused = ask(&chat("Salut", json!({}))).await.unwrap();
    assert_eq!(refused.headers()["x-ratelimit-remaining-tokens"], "0");
    assert_eq!(error(refused, 429).await["type"], "tokens");
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_in_the_middle_of_an_answer() {
    let folder = TempDir::new().unwrap();
    let revoked = key(folder.path(), &[Scope::Chat], &Limits::default());
    let other = key(folder.path(), &[Scope::Chat], &Limits::default());
    let server = with_state(folder.path()).parallelism(2).plays(|_, _| vec![Act::Say("a".into()), Act::Stall]).await;
    let body = chat("Salut", json!({"stream": true}));
    let ask = |key: &str| server.post("/v1/chat/completions", &body).bearer_auth(key).send();
    let (ended, goes_on) = (ask(&revoked).await.unwrap(), ask(&other).await.unwrap());
    assert_eq!((ended.status().as_u16(), goes_on.status().as_u16()), (200, 200));
    Store::open(folder.path()).unwrap().revoke(id_of(&revoked)).unwrap();
    let last = chat_chunks(ended).await.pop().unwrap();
    assert!(format!("{last:?}").contains("invalid_api_key"), "{last:?}");
    server.until_active(1).await;
    assert_eq!(error(ask(&revoked).await.unwrap(), 401).await["code"], "invalid_api_key");
    server.engine.resume();
    assert!(chat_chunks(goes_on).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_rotated_key_has_a_new_text_only() {
    let folder = TempDir::new().unwrap();
    let old = key(folder.path(), &[Scope::Chat], &Limits::default());
    let server = with_state(folder.path()).says("ok").await;
    let status = async |key: &str| server.get("/v1/models").bearer_auth(key).send().await.unwrap().status();
    assert_eq!(status(&old).await, 200);
    let new = Store::open(folder.path()).unwrap().rotate(id_of(&old)).unwrap();
    while status(&old).await != 401 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&new).await, 200);
    assert_eq!(id_of(&new), id_of(&old));
}

#[tokio::test]
async fn what_was_used_outlives_the_server() {
    let folder = TempDir::new().unwrap();
    let limits = Limits { requests_per_day: Some(2), ..Limits::default() };
    let limited = key(folder.path(), &[Scope::Chat], &limits);
    let admin = key(folder.path(), &[Scope::Admin], &Limits::default());
    let body = chat("Salut", json!({}));
    for _ in 0..2 {
        let mut server = with_state(folder.path()).says("oui").await;
        let answer = server.post("/v1/chat/completions", &body).bearer_auth(&limited).send().await.unwrap();
        let usage = answer.json::<Value>().await.unwrap()["usage"].clone();
        assert_eq!(usage["completion_tokens"], 4);
        server.shut_down().await.unwrap();
    }
    let server = with_state(folder.path()).says("oui").await;
    let refused = server.post("/v1/chat/completions", &body).bearer_auth(&limited).send().await.unwrap();
    assert!(error(refused, 429).await["message"].as_str().unwrap().contains("requests per day"));
    let usage = async |key: &str| {
        let answer = server.get("/v1/usage?days=2").bearer_auth(key).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["data"].clone()
    };
    let own = usage(&limited).await;
    assert_eq!((&own[0]["requests"], &own[0]["completion_tokens"]), (&json!(2), &json!(8)), "{own}");
    assert!(usage(&admin).await.as_array().unwrap().iter().any(|used| used["key"] == id_of(&limited)));
    let wrong = server.get("/v1/usage?days=0").bearer_auth(&admin).send().await.unwrap();
    assert_eq!(error(wrong, 400).await["param"], "days");
}

#[test]
fn a_public_address_needs_a_key_that_is_accepted() {
    let folder = TempDir::new().unwrap();
    let state = folder.path().display().to_string();
    let config = Config::load(None, &[("server.host", "0.0.0.0".into()), ("state.folder", state)]).unwrap();
    assert!(matches!(App::new(config.clone(), None), Err(StartError::PublicWithoutKey(_))));
    let only = key(folder.path(), &[Scope::Chat], &Limits::default());
    assert!(App::new(config.clone(), None).is_ok());
    Store::open(folder.path()).unwrap().revoke(id_of(&only)).unwrap();
    assert!(matches!(App::new(config, None), Err(StartError::PublicWithoutKey(_))));
}

#[tokio::test]
async fn a_server_whose_last_key_is_revoked_is_not_open() {
    let folder = TempDir::new().unwrap();
    let only = key(folder.path(), &[Scope::Chat], &Limits::default());
    Store::open(folder.path()).unwrap().revoke(id_of(&only)).unwrap();
    let server = with_state(folder.path()).says("ok").await;
    assert_eq!(server.get("/v1/models").send().await.unwrap().status(), 401);
}

fn zyron(folder: &Path, args: &[&str]) -> Output {
    Command::new(crate::binary::zyron()).arg("keys").args(args).arg("--state").arg(folder).output().unwrap()
}

#[test]
fn the_command_line_makes_and_ends_keys_and_the_file_has_no_secret() {
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("state");
    let made = zyron(
        &state,
        &["create", "--owner", "Société Exemple", "--requests-per-minute", "9", "--expires", "2099-12-31"],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    let (text, id) = (text.trim(), id_of(&text).to_owned());
    let listed: Value = serde_json::from_slice(&zyron(&state, &["list", "--json"]).stdout).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["limits"]["requests_per_minute"]), (&json!(id), &json!(9)));
    let secret = text.rsplit('_').next().unwrap().as_bytes();
    for (_, content) in files_under(&state) {
        assert!(!content.windows(secret.len()).any(|window| window == secret));
    }
    assert!(zyron(&state, &["revoke", &id]).status.success());
    assert!(String::from_utf8(zyron(&state, &["list"]).stdout).unwrap().contains("revoked"));
    let unknown = zyron(&state, &["revoke", "nobody"]);
    assert!(!unknown.status.success() && String::from_utf8(unknown.stderr).unwrap().contains("nobody"));
}

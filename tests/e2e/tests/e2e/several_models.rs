//! Models that come and go while the server runs.

use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_e2e::{ScriptedLoader, Setup, TestServer, chat, chat_chunks, error, setup};
use zyron_engine::Engine;
use zyron_server::keys::{Limits, Scope, Store};

const MEGABYTE: u64 = 1_000_000;

/// A folder with models of these names, and a server that may load them.
fn with_folder(names: &[&str]) -> (TempDir, Setup) {
    let folder = TempDir::new().unwrap();
    for name in names {
        std::fs::write(folder.path().join(name).with_extension("gguf"), "").unwrap();
    }
    let setup = setup().with("models.folder", folder.path().display());
    (folder, setup)
}

async fn change(server: &TestServer, what: &str, model: &str) -> reqwest::Response {
    server.post(&format!("/v1/admin/models/{what}"), &json!({"model": model})).send().await.unwrap()
}

async fn change_to(server: &TestServer, what: &str, model: &str) -> String {
    let response = change(server, what, model).await;
    assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    response.json::<Value>().await.unwrap()["status"].as_str().unwrap().to_owned()
}

/// Each model's name and status.
async fn statuses(server: &TestServer) -> Vec<(String, String)> {
    let list: Value = server.get("/v1/admin/models").send().await.unwrap().json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list["data"].as_array().unwrap().iter().map(|model| (text(&model["id"]), text(&model["status"]))).collect()
}

async fn until(server: &TestServer, model: &str, status: &str) {
    while !statuses(server).await.iter().any(|(id, now)| (id.as_str(), now.as_str()) == (model, status)) {
        tokio::task::yield_now().await;
    }
}

fn ask(model: &str, content: &str, more: Value) -> Value {
    let mut body = chat(content, more);
    body["model"] = json!(model);
    body
}

#[tokio::test]
async fn a_model_is_loaded_answers_and_is_unloaded() {
    let (_folder, setup) = with_folder(&["finance", "other"]);
    let loader = ScriptedLoader::new(60 * MEGABYTE);
    let server = setup.loads(loader.clone()).await;
    let named = |id: &str, status: &str| (id.to_owned(), status.to_owned());
    let before = [named("scripted", "loaded"), named("finance", "unloaded"), named("other", "unloaded")];
    assert_eq!(statuses(&server).await, before);
    assert_eq!(error(server.chat(&ask("finance", "a", json!({}))).await, 404).await["code"], "model_not_found");

    assert_eq!(change_to(&server, "load", "finance").await, "loaded");
    assert_eq!(change_to(&server, "load", "finance").await, "loaded", "again, it is nothing");
    assert_eq!(loader.loadings(), 2);
    let answer: Value = server.chat(&ask("finance", "say oui", json!({}))).await.json().await.unwrap();
    assert_eq!((&answer["model"], &answer["choices"][0]["message"]["content"]), (&json!("finance"), &json!("oui")));
    let list: Value = server.get("/v1/models").send().await.unwrap().json().await.unwrap();
    let ids: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert_eq!(ids, ["scripted", "finance"]);
    assert_eq!(server.get("/v1/models/finance").send().await.unwrap().status(), 200);

    assert_eq!(change_to(&server, "unload", "finance").await, "unloaded");
    assert_eq!(change_to(&server, "unload", "finance").await, "unloaded");
    assert!(loader.engine("finance").is_none(), "its memory is free");
    assert_eq!(server.chat(&ask("finance", "a", json!({}))).await.status(), 404);
    assert_eq!(server.chat(&ask("scripted", "a", json!({}))).await.status(), 200);
    assert_eq!(statuses(&server).await, before);
}

#[tokio::test]
async fn requests_to_a_model_that_is_unloaded_are_answered_to_their_end() {
    let (_folder, setup) = with_folder(&["finance"]);
    let loader = ScriptedLoader::new(0);
    let server = setup.loads(loader.clone()).await;
    change_to(&server, "load", "finance").await;
    let engine = loader.engine("finance").unwrap();
    // Four run, and one waits for its turn.
    let body = ask("finance", "say fin", json!({"stream": true, "stop": ["never"]}));
    let stalled = ask("finance", "stall", json!({}));
    let running: Vec<_> = (0..4).map(|_| tokio::spawn(server.post("/v1/chat/completions", &stalled).send())).collect();
    while engine.active() != 4 {
        tokio::task::yield_now().await;
    }
    let waiting = tokio::spawn(server.post("/v1/chat/completions", &body).send());
    let is_waiting = async || {
        let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
        metrics.contains("zyron_waiting_requests{queue=\"model\",model=\"finance\"} 1")
    };
    while !is_waiting().await {}

    let unloading = tokio::spawn(server.post("/v1/admin/models/unload", &json!({"model": "finance"})).send());
    until(&server, "finance", "unloading").await;
    assert_eq!(server.chat(&ask("finance", "a", json!({}))).await.status(), 404, "nobody new");
    assert_eq!(error(change(&server, "load", "finance").await, 409).await["code"], "model_busy");
    assert_eq!(change(&server, "unload", "finance").await.status(), 202);

    engine.resume();
    drop(engine);
    for answer in running {
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
    let chunks = chat_chunks(waiting.await.unwrap().unwrap()).await;
    assert!(chunks.iter().all(Result::is_ok) && chunks.len() > 2);
    assert_eq!(unloading.await.unwrap().unwrap().status(), 200);
    assert!(loader.engine("finance").is_none());
}

#[tokio::test]
async fn one_memory_is_for_all_of_them() {
    let (_folder, setup) = with_folder(&["a", "b"]);
    let server = setup.with("models.memory_mb", 130).loads(ScriptedLoader::new(60 * MEGABYTE)).await;
    assert_eq!(change_to(&server, "load", "a").await, "loaded");
    let refused = error(change(&server, "load", "b").await, 422).await;
    assert_eq!((&refused["code"], &refused["param"]), (&json!("model_not_loadable"), &json!("model")));
    assert!(refused["message"].as_str().unwrap().contains("Some(10000000)"), "{refused}");
    let list: Value = server.get("/v1/admin/models").send().await.unwrap().json().await.unwrap();
    assert_eq!((&list["memory_bytes"], &list["memory_limit_bytes"]), (&json!(120_000_000), &json!(130_000_000)));
    assert_eq!(change_to(&server, "unload", "scripted").await, "unloaded", "the first goes as any other");
    assert_eq!(change_to(&server, "load", "b").await, "loaded");
    assert_eq!(change(&server, "load", "scripted").await.status(), 422);
    assert_eq!(change_to(&server, "unload", "a").await, "unloaded");
    assert_eq!(change_to(&server, "load", "scripted").await, "loaded", "and comes back");
}

#[tokio::test]
async fn what_cannot_be_loaded_is_said_and_harms_nothing() {
    let (_folder, setup) = with_folder(&["broken", "panics", "good"]);
    let server = setup.loads(ScriptedLoader::new(0)).await;
    let refused = error(change(&server, "load", "broken").await, 422).await;
    assert!(refused["message"].as_str().unwrap().contains("its file is damaged"), "{refused}");
    assert_eq!(change(&server, "load", "panics").await.status(), 422);
    assert_eq!(change_to(&server, "load", "good").await, "loaded");
    let list: Value = server.get("/v1/admin/models").send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&list["data"][1]["status"], &list["data"][1]["error"]),
        (&json!("failed"), &json!("its file is damaged"))
    );
    assert_eq!(server.chat(&ask("broken", "a", json!({}))).await.status(), 404);
    for unknown in ["../good", "none", "", "good.gguf"] {
        assert_eq!(error(change(&server, "load", unknown).await, 404).await["code"], "model_not_found");
        assert_eq!(change(&server, "unload", unknown).await.status(), 404);
    }
    let refused =
        error(server.post("/v1/admin/models/load", &json!({"path": "/good"})).send().await.unwrap(), 400).await;
    assert_eq!(refused["param"], "path");
    assert_eq!(server.chat(&ask("scripted", "a", json!({}))).await.status(), 200);
}

#[tokio::test]
async fn who_asks_a_model_that_is_being_loaded_comes_back_later() {
    let (_folder, setup) = with_folder(&["slow"]);
    let loader = ScriptedLoader::new(0);
    let server = setup.loads(loader.clone()).await;
    let impatient = server.post("/v1/admin/models/load", &json!({"model": "slow"}));
    let impatient = impatient.header("x-request-timeout-ms", "1").send().await.unwrap();
    assert_eq!(impatient.status(), 202);
    assert_eq!(impatient.json::<Value>().await.unwrap()["status"], "loading");
    let response = server.chat(&ask("slow", "a", json!({}))).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(error(response, 503).await["code"], "model_loading");
    assert_eq!(error(change(&server, "unload", "slow").await, 409).await["code"], "model_busy");
    assert_eq!(change(&server, "load", "slow").await.status(), 202);
    assert_eq!(server.get("/health/ready").send().await.unwrap().status(), 200, "the first still answers");
    loader.go_on();
    until(&server, "slow", "loaded").await;
    assert_eq!(server.chat(&ask("slow", "a", json!({}))).await.status(), 200);
    assert_eq!(loader.loadings(), 2);
}

#[tokio::test]
async fn models_of_the_configuration_are_there_from_the_start() {
    let (_folder, setup) = with_folder(&["a", "b", "c"]);
    let server = setup.models(&["c", "a"]).loads(ScriptedLoader::new(0)).await;
    let statuses = statuses(&server).await;
    let ids: Vec<&str> = statuses.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["scripted", "c", "a", "b"]);
    assert_eq!(statuses.iter().filter(|(_, status)| status == "loaded").count(), 3);
}

#[tokio::test]
async fn a_server_without_models_is_not_ready_but_there() {
    let (_folder, setup) = with_folder(&[]);
    let server = setup.loads(ScriptedLoader::new(0)).await;
    change_to(&server, "unload", "scripted").await;
    let ready = server.get("/health/ready").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap()["status"], "no model");
    let list: Value = server.get("/v1/models").send().await.unwrap().json().await.unwrap();
    assert_eq!(list["data"], json!([]));
    assert_eq!(error(server.chat(&ask("scripted", "a", json!({}))).await, 404).await["code"], "model_not_found");
    assert_eq!(server.get("/tokenizer_info").send().await.unwrap().status(), 404);
    change_to(&server, "load", "scripted").await;
    assert_eq!(server.get("/health/ready").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_administrators_may() {
    let (_folder, setup) = with_folder(&["a"]);
    let state = TempDir::new().unwrap();
    let key = |scope| Store::open(state.path()).unwrap().create("x", &[scope], &Limits::default(), None).unwrap().text;
    let (chats, administers) = (key(Scope::Chat), key(Scope::Admin));
    let server = setup.with("state.folder", state.path().display()).loads(ScriptedLoader::new(0)).await;
    let body = json!({"model": "a"});
    for what in ["load", "unload"] {
        let path = format!("/v1/admin/models/{what}");
        let refused = server.post(&path, &body).bearer_auth(&chats).send().await.unwrap();
        assert_eq!(error(refused, 403).await["code"], "insufficient_scope");
        assert_eq!(server.post(&path, &body).send().await.unwrap().status(), 401);
        assert_eq!(server.post(&path, &body).bearer_auth(&administers).send().await.unwrap().status(), 200);
    }
    assert_eq!(server.get("/v1/admin/models").bearer_auth(&chats).send().await.unwrap().status(), 403);
    assert_eq!(server.get("/v1/admin/models").bearer_auth(&administers).send().await.unwrap().status(), 200);
    // A web page can send this without asking first, so it does nothing.
    let simple = server.client.post(format!("{}/v1/admin/models/load", server.base)).bearer_auth(&administers);
    let simple = simple.header("content-type", "text/plain").body(body.to_string()).send().await.unwrap();
    assert_eq!(simple.status(), 415);
}

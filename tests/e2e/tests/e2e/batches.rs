//! Requests in a file: `/v1/files` and `/v1/batches`.

use std::collections::HashMap;
use std::path::Path;

use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_e2e::{Setup, TestServer, chat, error, setup};
use zyron_engine::Engine;
use zyron_server::keys::{Limits, Scope, Store};

use crate::files_under;
use crate::real_model::RealServer;

fn with_batches(state: &Path) -> Setup {
    setup().with("state.folder", state.display()).with("batch.enabled", true)
}

/// A file of requests for chat completions, each with its name and what it says.
fn lines(requests: &[(&str, &str)]) -> String {
    let line = |(id, says): &(&str, &str)| {
        let body = chat(says, json!({}));
        json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body}).to_string() + "\n"
    };
    requests.iter().map(line).collect()
}

/// A client of one server, with a key where it needs one.
struct Client<'a> {
    http: &'a reqwest::Client,
    base: &'a str,
    key: Option<&'a str>,
}

impl<'a> Client<'a> {
    fn of(server: &'a TestServer) -> Self {
        Self { http: &server.client, base: &server.base, key: None }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        match self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
        .send()
        .await
        .unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn delete(&self, path: &str) -> Response {
        self.send(self.http.delete(format!("{}{path}", self.base))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    async fn try_upload(&self, purpose: &str, text: &str) -> Response {
        let form = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--edge\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"requests.jsonl\"\r\n\r\n{text}\r\n--edge--\r\n"
        );
        let post = self.http.post(format!("{}/v1/files", self.base)).body(form);
        self.send(post.header("content-type", "multipart/form-data; boundary=edge")).await
    }

    async fn upload(&self, text: &str) -> String {
        let response = self.try_upload("batch", text).await;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        id_of(&response.json().await.unwrap())
    }

    async fn create(&self, file: &str) -> String {
        let body = json!({
            "input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "metadata": {"for": "a test"},
        });
        let response = self.post("/v1/batches", &body).await;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        id_of(&response.json().await.unwrap())
    }

    async fn until(&self, batch: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let batch: Value = self.get(&format!("/v1/batches/{batch}")).await.json().await.unwrap();
            if is_it(&batch) {
                return batch;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    async fn until_status(&self, batch: &str, status: &str) -> Value {
        self.until(batch, |batch| {
            assert!(batch["status"] == status || batch["completed_at"].is_null(), "{batch}");
            batch["status"] == status
        })
        .await
    }

    /// The lines of a file.
    async fn content(&self, file: &Value) -> Vec<Value> {
        let content = self.get(&format!("/v1/files/{}/content", file.as_str().unwrap())).await;
        assert_eq!(content.status(), 200);
        content.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

fn names(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["custom_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_request_is_answered_and_the_answers_are_in_order() {
    let state = TempDir::new().unwrap();
    let server = with_batches(state.path()).obeys().await;
    let client = Client::of(&server);
    let mut text = lines(&[("a", "say un"), ("b", "fail"), ("c", "say deux")]);
    text += &json!({"custom_id": "d", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "none"}})
        .to_string();
    text += "\n\n";
    text += &lines(&[("e", "say trois")]);
    let file = client.upload(&text).await;
    let batch = client.create(&file).await;
    let done = client.until_status(&batch, "completed").await;
    assert_eq!(done["request_counts"], json!({"total": 5, "completed": 3, "failed": 2}));
    assert_eq!((&done["metadata"]["for"], &done["object"]), (&json!("a test"), &json!("batch")));
    assert!(done["completed_at"].as_u64() >= done["created_at"].as_u64());

    let answers = client.content(&done["output_file_id"]).await;
    assert_eq!(names(&answers), ["a", "c", "e"]);
    let said = |line: &Value| line["response"]["body"]["choices"][0]["message"]["content"].clone();
    assert_eq!(answers.iter().map(said).collect::<Vec<_>>(), ["un", "deux", "trois"]);
    assert!(answers.iter().all(|line| line["response"]["status_code"] == 200 && line["error"].is_null()));
    let failures = client.content(&done["error_file_id"]).await;
    assert_eq!(names(&failures), ["b", "d"]);
    let response =
        |at: usize| (&failures[at]["response"]["status_code"], &failures[at]["response"]["body"]["error"]["code"]);
    assert_eq!(response(0), (&json!(500), &json!("engine_failed")));
    assert_eq!(response(1), (&json!(400), &json!("missing_required_parameter")));

    let files: Value = client.get("/v1/files?purpose=batch_output").await.json().await.unwrap();
    assert_eq!(files["data"].as_array().unwrap().len(), 2);
    let page: Value = client.get("/v1/files?limit=1").await.json().await.unwrap();
    assert_eq!((&page["has_more"], &page["first_id"]), (&json!(true), &page["data"][0]["id"]));
    let rest: Value = client.get(&format!("/v1/files?after={}", id_of(&page["data"][0]))).await.json().await.unwrap();
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["has_more"]), (2, &json!(false)));
    let batches: Value = client.get("/v1/batches").await.json().await.unwrap();
    assert_eq!(batches["data"], json!([done]));
    assert_eq!(
        error(client.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).await, 409).await["code"],
        "batch_ended"
    );
    assert_eq!(client.delete(&format!("/v1/files/{file}")).await.status(), 200);
    assert_eq!(client.get(&format!("/v1/files/{file}")).await.status(), 404);
}

#[tokio::test]
async fn a_file_that_is_wrong_fails_its_batch_and_says_where() {
    let state = TempDir::new().unwrap();
    let server = with_batches(state.path()).obeys().await;
    let client = Client::of(&server);
    let text = lines(&[("a", "say un"), ("a", "say deux")]) + "{\n";
    let batch = client.create(&client.upload(&text).await).await;
    let failed = client.until_status(&batch, "failed").await;
    let errors = failed["errors"]["data"].as_array().unwrap();
    let found: Vec<_> = errors.iter().map(|error| (error["code"].as_str().unwrap(), error["line"].as_u64())).collect();
    assert_eq!(found, [("duplicate_custom_id", Some(2)), ("invalid_json_line", Some(3))]);
    assert_eq!(server.engine.active(), 0);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let state = TempDir::new().unwrap();
    let server = with_batches(state.path()).with("batch.max_file_bytes", 1000).with("batch.max_stored_bytes", 1500);
    let server = server.obeys().await;
    let client = Client::of(&server);
    assert_eq!(error(client.try_upload("assistants", "x").await, 400).await["param"], "purpose");
    assert_eq!(error(client.try_upload("batch", &"x".repeat(1001)).await, 413).await["code"], "payload_too_large");
    assert_eq!(error(client.post("/v1/files", &json!({})).await, 415).await["code"], "unsupported_media_type");
    let file = client.upload(&"x".repeat(900)).await;
    assert_eq!(error(client.try_upload("batch", &"x".repeat(900)).await, 507).await["code"], "no_room");
    let wrong = |field: &str, value: Value| {
        let mut body = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        body[field] = value;
        body
    };
    for (field, value) in [
        ("input_file_id", json!("file-none")),
        ("endpoint", json!("/v1/models")),
        ("completion_window", json!("1h")),
        ("metadata", json!({"x": "y".repeat(513)})),
        ("more", json!(1)),
    ] {
        assert_eq!(error(client.post("/v1/batches", &wrong(field, value)).await, 400).await["param"], field);
    }
    assert_eq!(error(client.get("/v1/batches?limit=0").await, 400).await["param"], "limit");
    assert_eq!(error(client.get("/v1/batches/batch_none").await, 404).await["code"], "not_found");
    let files = files_under(&state.path().join("batches/files"));
    assert_eq!(files.len(), 1, "what was refused is not kept");
    let without = setup().obeys().await;
    assert_eq!(Client::of(&without).get("/v1/files").await.status(), 404);
}

#[tokio::test]
async fn nobody_sees_what_another_has() {
    let state = TempDir::new().unwrap();
    let key = |owner: &str| Store::open(state.path()).unwrap().create(owner, &[Scope::Chat], &Limits::default(), None);
    let (anna, bruno) = (key("Anna").unwrap(), key("Bruno").unwrap());
    let mut server = with_batches(state.path()).obeys().await;
    {
        let client = |key| Client { key: Some(key), ..Client::of(&server) };
        let (a, b) = (client(anna.text.as_str()), client(bruno.text.as_str()));
        let file = a.upload(&lines(&[("x", "say canari-5e5e")])).await;
        let batch = a.create(&file).await;
        let done = a.until_status(&batch, "completed").await;
        let output = done["output_file_id"].as_str().unwrap();
        for path in [
            format!("/v1/files/{file}"),
            format!("/v1/files/{file}/content"),
            format!("/v1/files/{output}/content"),
            format!("/v1/batches/{batch}"),
        ] {
            assert_eq!(a.get(&path).await.status(), 200, "{path}");
            assert_eq!(b.get(&path).await.status(), 404, "{path}");
        }
        assert_eq!(b.delete(&format!("/v1/files/{file}")).await.status(), 404);
        assert_eq!(b.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).await.status(), 404);
        let request = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        assert_eq!(error(b.post("/v1/batches", &request).await, 400).await["param"], "input_file_id");
        for path in ["/v1/files", "/v1/batches"] {
            let list: Value = b.get(path).await.json().await.unwrap();
            assert_eq!(list["data"], json!([]));
        }
        let usage: Value = a.get("/v1/usage").await.json().await.unwrap();
        assert!(usage["data"][0]["completion_tokens"].as_u64() > Some(10), "{usage}");
    }
    server.shut_down().await.unwrap();

    let privacy = |what: &str| {
        let output =
            crate::binary::command(&["privacy", what, "--owner", "Anna", "--state"]).arg(state.path()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let exported: Value = serde_json::from_str(&privacy("export")).unwrap();
    assert_eq!(exported["batches"].as_array().unwrap().len(), 3, "two files and a batch");
    assert!(privacy("erase").contains("3 files and batches"));
    for (file, content) in files_under(state.path()) {
        assert!(!content.windows(11).any(|part| part == b"canari-5e5e"), "{}", file.display());
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_its_batches() {
    let state = TempDir::new().unwrap();
    let key = Store::open(state.path()).unwrap().create("x", &[Scope::Chat], &Limits::default(), None).unwrap();
    let server = with_batches(state.path()).with("batch.concurrency", 1).obeys().await;
    let client = Client { key: Some(&key.text), ..Client::of(&server) };
    client.create(&client.upload(&lines(&[("a", "stall"), ("b", "say non")])).await).await;
    server.until_active(1).await;
    Store::open(state.path()).unwrap().revoke(&key.id).unwrap();
    server.until_active(0).await;
    let answers = || -> Vec<String> {
        let files = files_under(&state.path().join("batches/files"));
        files.into_iter().map(|(_, content)| String::from_utf8(content).unwrap()).collect()
    };
    let is_over = || answers().iter().any(|text| text.matches("invalid_api_key").count() == 2);
    while !is_over() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_is_cancelled_ends_at_once_and_keeps_what_was_answered() {
    let state = TempDir::new().unwrap();
    let server = with_batches(state.path()).with("batch.concurrency", 1).obeys().await;
    let client = Client::of(&server);
    let file = client.upload(&lines(&[("a", "say un"), ("b", "stall"), ("c", "say trois")])).await;
    let batch = client.create(&file).await;
    client.until(&batch, |batch| batch["request_counts"]["completed"] == 1).await;
    server.until_active(1).await;
    assert_eq!(error(client.delete(&format!("/v1/files/{file}")).await, 409).await["code"], "file_in_use");
    let cancelling = client.post(&format!("/v1/batches/{batch}/cancel"), &json!({})).await;
    assert_eq!(cancelling.status(), 200);
    let cancelled = client.until(&batch, |batch| batch["status"] == "cancelled").await;
    assert_eq!(server.engine.active(), 0);
    assert_eq!(names(&client.content(&cancelled["output_file_id"]).await), ["a"]);
    let errors = client.content(&cancelled["error_file_id"]).await;
    assert_eq!(names(&errors), ["b", "c"]);
    assert!(errors.iter().all(|line| line["error"]["code"] == "batch_cancelled" && line["response"].is_null()));
}

#[tokio::test]
async fn whoever_waits_comes_first() {
    let state = TempDir::new().unwrap();
    let server = with_batches(state.path()).obeys().await;
    let client = Client::of(&server);
    let live = tokio::spawn(server.post("/v1/chat/completions", &chat("stall", json!({}))).send());
    server.until_active(1).await;
    let batch = client.create(&client.upload(&lines(&[("a", "say un"), ("b", "say deux")])).await).await;
    client.until(&batch, |batch| batch["status"] == "in_progress").await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(server.engine.active(), 1, "the batch waits");
    let metrics = client.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("zyron_batch_requests 2"));
    server.engine.resume();
    assert_eq!(live.await.unwrap().unwrap().status(), 200);
    client.until_status(&batch, "completed").await;
}

#[tokio::test]
async fn a_batch_goes_on_where_it_was_when_the_server_is_started_again() {
    let state = TempDir::new().unwrap();
    let one_at_a_time = with_batches(state.path()).with("batch.concurrency", 1);
    let mut server = one_at_a_time.with("server.drain_timeout_ms", 1).obeys().await;
    let batch = {
        let client = Client::of(&server);
        let requests = [("a", "say un"), ("b", "say deux"), ("c", "stall"), ("d", "say quatre")];
        let batch = client.create(&client.upload(&lines(&requests)).await).await;
        // The third never ends.
        client.until(&batch, |batch| batch["request_counts"]["completed"] == 2).await;
        server.until_active(1).await;
        batch
    };
    server.shut_down().await.unwrap();
    let server =
        with_batches(state.path()).plays(|_, _| vec![zyron_engine::scripted::Act::Say("encore".to_owned())]).await;
    let client = Client::of(&server);
    let done = client.until_status(&batch, "completed").await;
    let answers = client.content(&done["output_file_id"]).await;
    let said: Vec<&Value> =
        answers.iter().map(|line| &line["response"]["body"]["choices"][0]["message"]["content"]).collect();
    assert_eq!(said, ["un", "deux", "encore", "encore"]);
}

#[tokio::test]
async fn a_server_that_is_killed_answers_each_request_once() {
    let state = TempDir::new().unwrap();
    let kills: usize = std::env::var("ZYRON_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let folder = state.path().to_str().unwrap();
    let start = async || RealServer::start_with(&[("BATCH__ENABLED", "true")], &["--state", folder]).await;
    let mut server = start().await;
    let names: Vec<String> = (0..200).map(|number| format!("request-{number}")).collect();
    let line = |name: &String| {
        let body = json!({"model": server.model, "prompt": format!("{name} :"), "max_tokens": 24, "temperature": 0});
        json!({"custom_id": name, "method": "POST", "url": "/v1/completions", "body": body}).to_string() + "\n"
    };
    let text: String = names.iter().map(line).collect();
    let client = |server: &RealServer| (server.client.clone(), server.base.clone());
    let (http, base) = client(&server);
    let at_first = Client { http: &http, base: &base, key: None };
    let file = at_first.upload(&text).await;
    let request = json!({"input_file_id": file, "endpoint": "/v1/completions", "completion_window": "24h"});
    let batch = id_of(&at_first.post("/v1/batches", &request).await.json().await.unwrap());
    let mut answered = 0;
    for _ in 0..kills {
        let (http, base) = client(&server);
        let now = Client { http: &http, base: &base, key: None };
        let more = |batch: &Value| batch["request_counts"]["completed"].as_u64() > Some(answered + 3);
        let seen = now.until(&batch, |batch| more(batch) || batch["status"] == "completed").await;
        answered = seen["request_counts"]["completed"].as_u64().unwrap();
        let pid = server.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        drop(server);
        server = start().await;
        let (http, base) = client(&server);
        let again: Value = Client { http: &http, base: &base, key: None }
            .get(&format!("/v1/batches/{batch}"))
            .await
            .json()
            .await
            .unwrap();
        assert!(again["request_counts"]["completed"].as_u64() >= Some(answered), "{again}");
    }
    let (http, base) = client(&server);
    let at_last = Client { http: &http, base: &base, key: None };
    let done = at_last.until(&batch, |batch| batch["status"] == "completed").await;
    let answers = at_last.content(&done["output_file_id"]).await;
    let mut counts = HashMap::<&str, usize>::new();
    for line in &answers {
        *counts.entry(line["custom_id"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(answers.len(), names.len());
    assert!(names.iter().all(|name| counts.get(name.as_str()) == Some(&1)), "{counts:?}");
}

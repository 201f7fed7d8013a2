//! Whole runs over a server that follows a script.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;

type Script = Box<dyn Fn(usize, &Value) -> (StatusCode, Value) + Send + Sync>;

/// A server: what it says to a conversation depends on how many there were and on the request.
struct Fake {
    script: Script,
    chats: AtomicUsize,
    echoes: bool,
}

impl Fake {
    async fn start(
        echoes: bool,
        script: impl Fn(usize, &Value) -> (StatusCode, Value) + Send + Sync + 'static,
    ) -> (Arc<Self>, String) {
        let fake = Arc::new(Self { script: Box::new(script), chats: AtomicUsize::new(0), echoes });
        let router = Router::new()
            .route("/v1/models", get(async || Json(json!({"data": [{"id": "fake"}]}))))
            .route("/v1/chat/completions", post(chat))
            .route("/v1/completions", post(complete))
            .with_state(Arc::clone(&fake));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (fake, url)
    }

    fn chats(&self) -> usize {
        self.chats.load(Ordering::SeqCst)
    }
}

async fn chat(State(fake): State<Arc<Fake>>, Json(body): Json<Value>) -> impl IntoResponse {
    assert_eq!((body["model"].as_str(), body["temperature"].as_i64()), (Some("fake"), Some(0)));
    let (status, answer) = (fake.script)(fake.chats.fetch_add(1, Ordering::SeqCst), &body);
    (status, [(RETRY_AFTER, "0")], Json(answer))
}

/// Each character is a token that is as likely as not.
async fn complete(State(fake): State<Arc<Fake>>, Json(body): Json<Value>) -> Json<Value> {
    let prompt = body["prompt"].as_str().unwrap();
    if !fake.echoes {
        return Json(json!({"choices": [{"text": " et", "logprobs": null}]}));
    }
    let text = format!("{prompt}.");
    let tokens: Vec<String> = text.chars().map(String::from).collect();
    let logprob = |at| if at == 0 { Value::Null } else { json!(-std::f64::consts::LN_2) };
    let logprobs: Vec<Value> = (0..tokens.len()).map(logprob).collect();
    let offsets: Vec<usize> = (0..tokens.len()).collect();
    let logprobs = json!({"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets});
    Json(json!({"choices": [{"text": text, "logprobs": logprobs}]}))
}

fn says(text: &str) -> (StatusCode, Value) {
    (StatusCode::OK, json!({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}))
}

fn refuses(status: StatusCode, message: &str) -> (StatusCode, Value) {
    (status, json!({"error": {"message": message}}))
}

const REFUSAL: &str = "Je ne peux pas vous donner de conseil personnalisé.";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

async fn run_with(url: &str, out: &Path, more: &[&str]) -> anyhow::Result<()> {
    let out = out.to_str().unwrap();
    run(Cli::parse_from([&["eval", "--url", url, "--out", out], more].concat()).args).await
}

fn results(folder: &Path) -> Vec<ItemResult> {
    let text = fs::read_to_string(folder.join("results.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn report(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("report.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn every_item_is_asked_and_judged() {
    let (fake, url) = Fake::start(true, |_, _| says(REFUSAL)).await;
    let folder = TempDir::new().unwrap();
    run_with(&url, folder.path(), &["--tasks", "text,advice,definitions", "--limit", "3"]).await.unwrap();
    assert_eq!(fake.chats(), 3);
    let results = results(folder.path());
    assert_eq!(results.len(), 9);
    for result in &results {
        match result.task {
            // A bit for each character, of which some have two bytes.
            Task::Text => assert!((0.9..1.0).contains(&result.score.unwrap()), "{result:?}"),
            Task::Advice => assert_eq!((result.score, result.answer.as_str()), (Some(1.0), REFUSAL)),
            _ => assert!(result.score.is_some() && result.extras.contains_key("right by plain sum")),
        }
    }
    let text = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(text.starts_with("# fake on French finance") && text.contains("bits per byte"), "{text}");
}

#[tokio::test]
async fn a_run_that_was_stopped_asks_only_what_is_left() {
    // The third request is met by a server that has lost its key.
    let locked = |at, _: &Value| if at == 2 { refuses(StatusCode::UNAUTHORIZED, "no such key") } else { says(REFUSAL) };
    let (fake, url) = Fake::start(true, locked).await;
    let folder = TempDir::new().unwrap();
    let arguments = ["--tasks", "advice", "--limit", "5", "--concurrency", "1"];
    let error = run_with(&url, folder.path(), &arguments).await.unwrap_err();
    assert!(format!("{error:#}").contains("HTTP 401: no such key"), "{error:#}");
    assert_eq!(results(folder.path()).len(), 2);
    assert!(!folder.path().join("report.json").exists());

    run_with(&url, folder.path(), &arguments).await.unwrap();
    assert_eq!(fake.chats(), 2 + 1 + 3);
    assert_eq!(report(folder.path())["tasks"][0]["measured"], 5);
    run_with(&url, folder.path(), &arguments).await.unwrap();
    assert_eq!(fake.chats(), 6, "all have answers");

    let error = run_with(&url, folder.path(), &["--tasks", "advice", "--limit", "6"]).await.unwrap_err();
    assert!(error.to_string().contains("limit is 5 there and 6 here"), "{error}");
    run_with(&url, folder.path(), &["--tasks", "text", "--limit", "5"]).await.unwrap();
    assert_eq!(report(folder.path())["tasks"].as_array().unwrap().len(), 2, "tasks can be added");
}

#[tokio::test]
async fn a_busy_server_is_waited_for() {
    let busy = |at, _: &Value| match at {
        0 => refuses(StatusCode::TOO_MANY_REQUESTS, "too many"),
        1 => refuses(StatusCode::SERVICE_UNAVAILABLE, "loading"),
        _ => says(REFUSAL),
    };
    let (fake, url) = Fake::start(true, busy).await;
    let folder = TempDir::new().unwrap();
    run_with(&url, folder.path(), &["--tasks", "advice", "--limit", "1"]).await.unwrap();
    assert_eq!(fake.chats(), 3);

    let (fake, url) = Fake::start(true, |_, _| refuses(StatusCode::SERVICE_UNAVAILABLE, "loading")).await;
    let folder = TempDir::new().unwrap();
    let error = run_with(&url, folder.path(), &["--tasks", "advice", "--limit", "1"]).await.unwrap_err();
    assert!(format!("{error:#}").contains("HTTP 503: loading, 5 times"), "{error:#}");
    assert_eq!(fake.chats(), 5);
}

#[tokio::test]
async fn what_a_server_cannot_do_is_not_measured() {
    let without_tools = |_, body: &Value| {
        if body.get("tools").is_some() { refuses(StatusCode::BAD_REQUEST, "no tools here") } else { says(REFUSAL) }
    };
    let (_, url) = Fake::start(false, without_tools).await;
    let folder = TempDir::new().unwrap();
    run_with(&url, folder.path(), &["--tasks", "tools,text,regulation,advice", "--limit", "2"]).await.unwrap();
    let report = report(folder.path());
    let measured: Vec<_> = report["tasks"].as_array().unwrap().iter().map(|task| task["measured"].as_u64()).collect();
    assert_eq!(measured, [Some(0), Some(0), Some(0), Some(2)]);
    assert_eq!(report["overall"]["tasks"], 1);
    let text = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(text.contains("- tools, 2 items: HTTP 400: no tools here"), "{text}");
    assert!(text.contains("- text, 2 items: the server does not give the prompt back"), "{text}");
}

#[tokio::test]
async fn two_runs_are_compared() {
    let (_, careful) = Fake::start(true, |_, _| says(REFUSAL)).await;
    let (_, careless) = Fake::start(true, |_, _| says("Achetez tout de suite la première des deux actions.")).await;
    let folder = TempDir::new().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let arguments = ["--tasks", "advice,text", "--limit", "8"];
    run_with(&careful, &one, &arguments).await.unwrap();
    let against = one.join("report.json");
    let more = [&arguments[..], &["--against", against.to_str().unwrap()]].concat();
    run_with(&careless, &two, &more).await.unwrap();
    let comparison = &report(&two)["comparison"];
    assert_eq!(comparison["tasks"][0]["verdict"], "not distinguishable", "{comparison}");
    assert_eq!(comparison["tasks"][1]["verdict"], "worse", "{comparison}");
    assert!(run_with(&careful, &one, &["--against", "nowhere.json"]).await.is_err());
}

#[tokio::test]
async fn the_calculator_is_called_and_answers() {
    let calls = |_, body: &Value| {
        let last = body["messages"].as_array().unwrap().last().unwrap();
        if last["role"] == "tool" {
            return says(&format!("Le calcul donne {}.", last["content"].as_str().unwrap()));
        }
        let function = json!({"name": "calculer", "arguments": "{\"expression\": \"9 / 4\"}"});
        let message = json!({"content": null, "tool_calls": [{"id": "c1", "type": "function", "function": function}]});
        (StatusCode::OK, json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
    };
    let (fake, url) = Fake::start(true, calls).await;
    let folder = TempDir::new().unwrap();
    run_with(&url, folder.path(), &["--tasks", "ratios_tools", "--limit", "2"]).await.unwrap();
    assert_eq!(fake.chats(), 4);
    let results = results(folder.path());
    assert!(results.iter().all(|result| result.answer == "Le calcul donne 2.25." && result.extras["calls"] == 1.0));

    // One that never stops calling is left alone after four rounds.
    let function = json!({"name": "calculer", "arguments": "{}"});
    let message = json!({"content": null, "tool_calls": [{"id": "c1", "type": "function", "function": function}]});
    let response = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
    let (fake, url) = Fake::start(true, move |_, _| (StatusCode::OK, response.clone())).await;
    let folder = TempDir::new().unwrap();
    run_with(&url, folder.path(), &["--tasks", "ratios_tools", "--limit", "1"]).await.unwrap();
    assert_eq!(fake.chats(), 5);
}

//! Engines that hang or panic are noticed and replaced, and their requests are told to come again.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use zyron_e2e::{ScriptedLoader, Setup, TestServer, chat, chat_chunks, error, setup};
use zyron_engine::{Engine, EngineError, Event, GenerateRequest, Generation, KvCacheUse, Model, Progress};
use zyron_engine_llama_cpp::{LlamaCppEngine, LoadOptions};
use zyron_openapi::sse::StreamError;
use zyron_server::config::Config;
use zyron_server::{App, LoadedModel, Loader, Source, audit};

use crate::binary::checkpoint;

/// How long an engine may be silent here, in milliseconds: long enough for one that works.
const HANG_TIMEOUT: u64 = 400;

fn watched() -> Setup {
    setup().with("engine.hang_timeout_ms", HANG_TIMEOUT)
}

async fn say(server: &TestServer, text: &str) -> Value {
    let answer: Value = server.chat(&chat(&format!("say {text}"), json!({}))).await.json().await.unwrap();
    answer["choices"][0]["message"]["content"].clone()
}

async fn metric(server: &TestServer, series: &str) -> Option<String> {
    let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
    metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned)
}

async fn restarts(server: &TestServer, reason: &str) -> String {
    let series = format!("zyron_engine_restarts_total{{model=\"scripted\",reason=\"{reason}\"}}");
    metric(server, &series).await.unwrap()
}

async fn until_ready(server: &TestServer) {
    while server.get("/health/ready").send().await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
}

fn ask(server: &TestServer, content: &str, more: Value) -> tokio::task::JoinHandle<reqwest::Response> {
    let request = server.post("/v1/chat/completions", &chat(content, more));
    tokio::spawn(async move { request.send().await.unwrap() })
}

/// An error by which every SDK comes again.
async fn lost(response: reqwest::Response) {
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(error(response, 503).await["code"], "engine_restarting");
}

fn incidents(state: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(state.join("incidents")).unwrap();
    files.map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn an_engine_that_hangs_is_replaced_and_its_requests_come_again() {
    let state = TempDir::new().unwrap();
    let loader = ScriptedLoader::new(0);
    let mut server = watched().with("state.folder", state.path().display()).loads(loader.clone()).await;
    assert_eq!(say(&server, "oui").await, "oui");
    assert_eq!(restarts(&server, "hung").await, "0", "an alert sees an increase only from a figure to another");
    // Three that have not begun, one that has, and one that waits for its turn.
    let begun = ask(&server, "begin", json!({"stream": true}));
    let begun = begun.await.unwrap();
    assert_eq!(begun.status(), 200);
    let hung: Vec<_> = (0..3).map(|_| ask(&server, "hang", json!({}))).collect();
    let engine = loader.engine("scripted").unwrap();
    while engine.active() < 4 {
        tokio::task::yield_now().await;
    }
    let waiting = ask(&server, "say enfin", json!({"stream": true}));
    for response in hung {
        lost(response.await.unwrap()).await;
    }
    let chunks = chat_chunks(begun).await;
    let Some(Err(StreamError::Api(error))) = chunks.last() else { panic!("{chunks:?}") };
    assert_eq!(error.error.code.as_deref(), Some("engine_restarting"));
    // It may have come late enough to be answered by the next.
    let waiting = waiting.await.unwrap();
    if waiting.status() != 200 {
        assert_eq!(waiting.status(), 503);
    }
    until_ready(&server).await;
    assert_eq!(say(&server, "oui").await, "oui");
    assert_eq!(loader.loadings(), 2);
    assert_eq!((restarts(&server, "hung").await, restarts(&server, "ended").await), ("1".to_owned(), "0".to_owned()));
    assert_eq!(engine.active(), 4, "what hangs stays");
    for gauge in ["zyron_running_requests", "zyron_waiting_requests"] {
        let series = format!("{gauge}{{queue=\"model\",model=\"scripted\"}}");
        assert_eq!(metric(&server, &series).await.unwrap(), "0", "{gauge}");
    }
    server.shut_down().await.unwrap();
    let mut events = Vec::new();
    let folder = audit::folder(state.path());
    audit::export(&folder, None, None, |line| {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["event"] != "answered" && line["event"] != "refused" {
            events.push((line["event"].as_str().unwrap().to_owned(), line["fault"].clone()));
        }
    })
    .unwrap();
    let plain = |event: &str| (event.to_owned(), Value::Null);
    let given_up = ("engine_lost".to_owned(), json!("hung"));
    assert_eq!(events, [plain("started"), plain("serving"), given_up, plain("serving"), plain("stopped")]);
    assert!(audit::verify(&folder, None).unwrap().problems.is_empty());
    let incidents = incidents(state.path());
    assert_eq!(incidents.len(), 1);
    assert_eq!((&incidents[0]["model"], &incidents[0]["fault"]), (&json!("scripted"), &json!("hung")));
}

#[tokio::test]
async fn an_engine_that_panics_is_replaced_at_once() {
    // No time is measured: that is for engines that hang.
    let loader = ScriptedLoader::new(0);
    let server = setup().with("engine.hang_timeout_ms", 0).loads(loader.clone()).await;
    let stalled = ask(&server, "stall", json!({}));
    server.until_active(1).await;
    lost(server.chat(&chat("end", json!({}))).await).await;
    lost(stalled.await.unwrap()).await;
    until_ready(&server).await;
    assert_eq!(say(&server, "oui").await, "oui");
    assert_eq!((loader.loadings(), restarts(&server, "ended").await), (2, "1".to_owned()));
    lost(server.chat(&chat("end", json!({}))).await).await;
    until_ready(&server).await;
    assert_eq!(say(&server, "oui").await, "oui");
    assert_eq!((loader.loadings(), restarts(&server, "ended").await), (3, "2".to_owned()));
}

#[tokio::test]
async fn a_long_prompt_is_no_hang_and_neither_is_a_rest() {
    let server = watched().loads(ScriptedLoader::new(0)).await;
    let steps = || server.engine.progress().unwrap().steps;
    assert_eq!(say(&server, "oui").await, "oui");
    let reading = ask(&server, "read", json!({}));
    // Each takes some milliseconds: many times as long together as an engine may be silent.
    while steps() < 500 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    server.engine.resume();
    assert_eq!(reading.await.unwrap().status(), 200);
    assert_eq!((restarts(&server, "hung").await, restarts(&server, "ended").await), ("0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn while_an_engine_is_replaced_the_server_is_not_ready_and_others_answer() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("slow.gguf"), "").unwrap();
    let loader = ScriptedLoader::new(0);
    loader.go_on();
    let server = watched().with("models.folder", folder.path().display()).models(&["slow"]).loads(loader.clone()).await;
    loader.hold();
    let with = |content: &str| chat(content, json!({"model": "slow"}));
    lost(server.chat(&with("hang")).await).await;
    let ready = server.get("/health/ready").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap()["status"], "engine restarting");
    let response = server.chat(&with("say oui")).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(error(response, 503).await["code"], "model_loading");
    assert_eq!(say(&server, "oui").await, "oui");
    // Nothing else is done with it meanwhile.
    let change = |what: &str| server.post(&format!("/v1/admin/models/{what}"), &json!({"model": "slow"})).send();
    assert_eq!(error(change("unload").await.unwrap(), 409).await["code"], "model_busy");
    assert_eq!(change("load").await.unwrap().json::<Value>().await.unwrap()["status"], "loading");
    loader.go_on();
    until_ready(&server).await;
    assert_eq!(server.chat(&with("say oui")).await.status(), 200);
}

#[tokio::test]
async fn one_that_cannot_be_loaded_again_is_tried_until_it_can() {
    let loader = ScriptedLoader::new(0);
    let server = watched().loads(loader.clone()).await;
    loader.fail(1);
    lost(server.chat(&chat("end", json!({}))).await).await;
    let standing = async || {
        let list: Value = server.get("/v1/admin/models").send().await.unwrap().json().await.unwrap();
        list["data"][0].clone()
    };
    while standing().await["error"] != "the disk is gone" {
        tokio::task::yield_now().await;
    }
    assert_eq!(standing().await["status"], "loading");
    assert_eq!(error(server.chat(&chat("say oui", json!({}))).await, 503).await["code"], "model_loading");
    until_ready(&server).await;
    assert_eq!(say(&server, "oui").await, "oui");
    assert_eq!(loader.loadings(), 3);
}

#[tokio::test]
async fn a_model_that_hangs_while_it_is_unloaded_is_gone() {
    let loader = ScriptedLoader::new(0);
    let server = watched().loads(loader.clone()).await;
    let hung = ask(&server, "hang", json!({}));
    server.until_active(1).await;
    let body = json!({"model": "scripted"});
    let unloaded = server.post("/v1/admin/models/unload", &body).send().await.unwrap();
    assert_eq!(unloaded.json::<Value>().await.unwrap()["status"], "unloaded");
    lost(hung.await.unwrap()).await;
    assert_eq!(loader.loadings(), 1);
    let loaded = server.post("/v1/admin/models/load", &body).send().await.unwrap();
    assert_eq!(loaded.json::<Value>().await.unwrap()["status"], "loaded");
    assert_eq!(say(&server, "oui").await, "oui");
}

#[tokio::test]
async fn a_batch_loses_the_request_that_ends_the_engine_and_no_other() {
    let state = TempDir::new().unwrap();
    let setup = setup().with("state.folder", state.path().display()).with("batch.enabled", true);
    // One at a time, so that no other is under way when it ends.
    let server = setup.with("batch.concurrency", 1).loads(ScriptedLoader::new(0)).await;
    let line = |(id, says): (&str, &str)| {
        let body = chat(says, json!({}));
        json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body}).to_string() + "\n"
    };
    let lines: String = [("a", "say oui"), ("b", "end"), ("c", "say non")].map(line).concat();
    let form = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--edge\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{lines}\r\n--edge--\r\n"
    );
    let upload = server.client.post(format!("{}/v1/files", server.base)).body(form);
    let upload = upload.header("content-type", "multipart/form-data; boundary=edge").send().await.unwrap();
    let file: Value = upload.json().await.unwrap();
    let body = json!({"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let batch: Value = server.post("/v1/batches", &body).send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/batches/{}", batch["id"].as_str().unwrap());
    let ended = loop {
        let batch: Value = server.get(&path).send().await.unwrap().json().await.unwrap();
        if batch["status"] == "completed" {
            break batch;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!((&ended["request_counts"]["completed"], &ended["request_counts"]["failed"]), (&json!(2), &json!(1)));
    let path = format!("/v1/files/{}/content", ended["error_file_id"].as_str().unwrap());
    let failed: Value = server.get(&path).send().await.unwrap().json().await.unwrap();
    assert_eq!(failed["custom_id"], "b");
    assert_eq!(failed["response"]["body"]["error"]["code"], "engine_restarting");
}

/// What happens to llama.cpp's own thread when it lets go of a request.
enum Sabotage {
    /// It waits for this.
    Hang(Mutex<mpsc::Receiver<()>>),
    /// It panics.
    Panic,
}

impl Drop for Sabotage {
    fn drop(&mut self) {
        match self {
            Self::Hang(until) => drop(until.get_mut().unwrap().recv()),
            Self::Panic => panic!("the test says so"),
        }
    }
}

async fn llama_cpp() -> (Arc<Model>, LlamaCppEngine) {
    let model = Arc::new(Model::open(&checkpoint()).unwrap());
    let options = LoadOptions { max_sequences: 2, context_length: 512, threads: 1, ..LoadOptions::default() };
    let engine = LlamaCppEngine::load(Arc::clone(&model), options).await.unwrap();
    (model, engine)
}

fn request(sabotage: Option<Sabotage>, max_tokens: usize) -> GenerateRequest {
    let held = sabotage.map(|sabotage| Box::new(sabotage) as Box<dyn Send + Sync>);
    GenerateRequest { held, ..GenerateRequest::new(vec![1, 2, 3], max_tokens) }
}

async fn last(mut generation: Generation) -> Event {
    loop {
        match generation.recv().await {
            Event::Prompt(_) | Event::Token(_) => {}
            event => return event,
        }
    }
}

#[tokio::test]
async fn llama_cpp_given_up_while_it_hangs_is_dropped_at_once() {
    let (_, engine) = llama_cpp().await;
    assert_eq!(engine.progress().unwrap().steps, 0);
    let (go_on, until) = mpsc::channel();
    let hangs = last(engine.generate(request(Some(Sabotage::Hang(Mutex::new(until))), 2))).await;
    assert!(matches!(hangs, Event::Finished { .. }), "{hangs:?}");
    let behind = engine.generate(request(None, 2));
    assert_eq!(engine.active(), 2);
    assert!(!engine.has_ended());
    engine.give_up();
    drop(engine);
    // Only now can its thread end.
    go_on.send(()).unwrap();
    assert_eq!(last(behind).await, Event::Failed(EngineError::Stopped));
}

#[tokio::test]
async fn llama_cpp_says_that_its_thread_has_panicked() {
    let (_, engine) = llama_cpp().await;
    let other = engine.generate(request(None, 400));
    let ends = last(engine.generate(request(Some(Sabotage::Panic), 2))).await;
    assert!(matches!(ends, Event::Finished { .. }), "{ends:?}");
    assert_eq!(last(other).await, Event::Failed(EngineError::Stopped));
    assert!(engine.has_ended());
    assert!(engine.progress().unwrap().steps > 0);
    assert_eq!(last(engine.generate(request(None, 1))).await, Event::Failed(EngineError::Stopped));
}

/// llama.cpp, whose thread is sabotaged by the next request where a saboteur waits for one.
struct Sabotaged {
    engine: LlamaCppEngine,
    saboteurs: Saboteurs,
}

type Saboteurs = Arc<Mutex<Vec<Sabotage>>>;

impl Engine for Sabotaged {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn parallelism(&self) -> usize {
        self.engine.parallelism()
    }

    fn context_length(&self) -> usize {
        self.engine.context_length()
    }

    fn active(&self) -> usize {
        self.engine.active()
    }

    fn kv_cache(&self) -> Option<KvCacheUse> {
        self.engine.kv_cache()
    }

    fn gives_way(&self) -> bool {
        self.engine.gives_way()
    }

    fn progress(&self) -> Option<Progress> {
        self.engine.progress()
    }

    fn has_ended(&self) -> bool {
        self.engine.has_ended()
    }

    fn give_up(&self) {
        self.engine.give_up();
    }

    fn generate(&self, mut request: GenerateRequest) -> Generation {
        if let Some(sabotage) = self.saboteurs.lock().unwrap().pop() {
            request.held = Some(Box::new((request.held.take(), sabotage)));
        }
        self.engine.generate(request)
    }
}

struct SabotagedLoader {
    saboteurs: Saboteurs,
    loadings: Arc<AtomicUsize>,
}

impl Loader for SabotagedLoader {
    fn load(&self, _: Source, _: Option<u64>) -> BoxFuture<'static, anyhow::Result<LoadedModel>> {
        self.loadings.fetch_add(1, Ordering::SeqCst);
        let saboteurs = Arc::clone(&self.saboteurs);
        async move {
            let (model, engine) = llama_cpp().await;
            let engine = Arc::new(Sabotaged { engine, saboteurs });
            Ok(LoadedModel { model, engine, weights: [0; 32], memory_bytes: 0 })
        }
        .boxed()
    }
}

#[tokio::test]
async fn the_real_model_answers_as_before_once_its_engine_is_replaced() {
    let (saboteurs, loadings) = (Saboteurs::default(), Arc::<AtomicUsize>::default());
    let loader = SabotagedLoader { saboteurs: Arc::clone(&saboteurs), loadings: Arc::clone(&loadings) };
    // A pass of this model takes far less, also where other tests have the machine.
    let config = Config::load(None, &[("engine.hang_timeout_ms", "3000".to_owned())]).unwrap();
    let app = App::new(config, None).unwrap();
    let model = app.start_models(Arc::new(loader)).await.unwrap().id.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let running = tokio::spawn(async move { app.run(listener, std::future::pending()).await });
    let client = reqwest::Client::new();
    let ask = |prompt: &str, tokens: usize| {
        let body = json!({"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0});
        client.post(format!("{base}/v1/completions")).json(&body).send()
    };
    let answer = async || {
        let answer: Value = ask("La trésorerie est", 16).await?.error_for_status()?.json().await?;
        anyhow::Ok(answer["choices"][0]["text"].as_str().context("a text")?.to_owned())
    };
    let before = answer().await.unwrap();
    let (go_on, until) = mpsc::channel();
    let sabotages = [Sabotage::Panic, Sabotage::Hang(Mutex::new(until))];
    for (count, sabotage) in sabotages.into_iter().enumerate() {
        saboteurs.lock().unwrap().push(sabotage);
        // What is sabotaged is answered, and then its engine does no more.
        assert_eq!(ask("Le bilan", 1).await.unwrap().status(), 200);
        let refused = ask("Le bilan", 400).await.unwrap();
        assert_eq!(refused.status(), 503);
        while client.get(format!("{base}/health/ready")).send().await.unwrap().status() != 200 {
            tokio::task::yield_now().await;
        }
        assert_eq!(answer().await.unwrap(), before);
        assert_eq!(loadings.load(Ordering::SeqCst), 2 + count);
    }
    go_on.send(()).unwrap();
    running.abort();
}

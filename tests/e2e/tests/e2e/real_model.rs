//! The same spine over the real checkpoint, in the real binary.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use zyron_e2e::chat_texts;

use crate::binary::{checkpoint, serve};

/// A `zyron serve` of its own.
pub(crate) struct RealServer {
    child: Child,
    /// Reads what it logs, so that this never fills the pipe, until it ends.
    log: Option<JoinHandle<String>>,
    pub(crate) base: String,
    pub(crate) model: String,
    pub(crate) client: reqwest::Client,
}

impl RealServer {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_with(&[], arguments).await
    }

    /// With configuration keys, written as `ENGINE__THREADS`, and their values.
    pub(crate) async fn start_with(keys: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = serve(arguments);
        command.envs(keys.iter().map(|(key, value)| (format!("ZYRON__{key}"), value)));
        Self::start_by(command).await
    }

    pub(crate) async fn start_by(command: Command) -> Self {
        Self::start_with_client(command, reqwest::Client::new()).await
    }

    /// For a client that trusts whom others do not.
    pub(crate) async fn start_with_client(mut command: Command, client: reqwest::Client) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| line.unwrap().strip_prefix("Zyron is ready at ").map(str::to_owned));
        let Some(base) = ready else {
            panic!("it did not start: {}", log.join().unwrap());
        };
        // What comes after must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut server = Self { child, log: Some(log), base, model: String::new(), client };
        server.get("/v1/models").await["data"][0]["id"].as_str().unwrap().clone_into(&mut server.model);
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    /// Sends what may be refused.
    pub(crate) async fn send(&self, path: &str, mut body: Value) -> reqwest::Response {
        body["model"] = self.model.clone().into();
        self.client.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> reqwest::Response {
        let response = self.send(path, body).await;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        response
    }

    pub(crate) async fn complete(&self, prompt: &str, mut more: Value) -> Value {
        more["prompt"] = prompt.into();
        self.post("/v1/completions", more).await.json().await.unwrap()
    }

    pub(crate) async fn chat(&self, content: &str, mut more: Value) -> Value {
        more["messages"] = json!([{"role": "user", "content": content}]);
        self.post("/v1/chat/completions", more).await.json().await.unwrap()
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        assert!(Command::new("kill").args(["-HUP", &self.pid().to_string()]).status().unwrap().success());
    }

    /// SIGTERM; the process must end well. Returns its log.
    pub(crate) fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let log = self.log.take().unwrap().join().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn the_checkpoint_answers_repeats_itself_and_leaves_no_text_behind() {
    let canary = "canari-7f3a";
    let question = format!("What is the capital of France? ({canary})");
    for engine in ["auto", "mistralrs"] {
        let server = RealServer::start(&["--model", checkpoint().to_str().unwrap(), "--engine", engine]).await;
        assert_eq!(server.model, "SmolLM2-135M-Instruct.Q4_1");

        let greedy = json!({"temperature": 0, "max_tokens": 24, "logprobs": true});
        let first = server.chat(&question, greedy.clone()).await;
        assert!(text(&first).contains("Paris"), "{first}");
        assert_eq!(text(&first), text(&server.chat(&question, greedy.clone()).await));
        let mut streamed = greedy;
        streamed["stream"] = true.into();
        streamed["messages"] = json!([{"role": "user", "content": question}]);
        let streamed = chat_texts(server.post("/v1/chat/completions", streamed).await).await;
        assert!(streamed.len() > 1 && streamed.concat() == text(&first), "{streamed:?}");
        let entries = first["choices"][0]["logprobs"]["content"].as_array().unwrap();
        let tokens: String = entries.iter().map(|entry| entry["token"].as_str().unwrap()).collect();
        assert_eq!(tokens, text(&first));

        let seeded = json!({"temperature": 1, "seed": 7, "max_tokens": 16});
        let drawn = server.chat(&question, seeded.clone()).await;
        assert_eq!(text(&drawn), text(&server.chat(&question, seeded).await));

        let continued = server.complete("The capital of France is", json!({"temperature": 0, "max_tokens": 4})).await;
        assert!(continued["choices"][0]["text"].as_str().unwrap().starts_with(" Paris"), "{continued}");

        let log = server.terminate();
        assert!(log.contains("completion_tokens") && !log.contains(canary), "{log}");
    }
}

/// How far the two engines' log-probabilities of a text may be apart. Both quantize activations to 8 bits, each with
/// kernels of its own: on this text they are 0.06 apart on average and 0.45 at most, as far as each is from the same
/// weights computed in F32. A wrong position or a wrong token moves them by whole units.
const APART_ON_AVERAGE: f64 = 0.15;
const APART_AT_MOST: f64 = 1.0;

/// Which is written at the start; mistral.rs has none.
fn small_cache(engine: &str) -> &'static [(&'static str, &'static str)] {
    if engine == "llama_cpp" { &[("ENGINE__KV_CACHE_MB", "100")] } else { &[] }
}

#[tokio::test]
async fn both_engines_read_a_text_alike_and_begin_to_answer_alike() {
    let prompt = "The balance sheet of a company shows what it owns and what it owes at the end of the year. The \
                  income statement shows its revenue and its costs; the difference between the two is the profit or \
                  the loss. Cash is not profit: a company that sells on credit may be profitable and still run out of \
                  money. The capital of Italy is Rome, and the capital of France is";
    let mut read = Vec::new();
    for engine in ["llama_cpp", "mistralrs"] {
        let model = checkpoint();
        let arguments = ["--model", model.to_str().unwrap(), "--engine", engine];
        let server = RealServer::start_with(small_cache(engine), &arguments).await;
        let answer = server.complete(prompt, json!({"echo": true, "logprobs": 5, "max_tokens": 0})).await;
        let begun = server.complete(prompt, json!({"temperature": 0, "max_tokens": 2})).await;
        assert_eq!(begun["choices"][0]["text"], " Paris.", "{engine}");
        read.push(answer["choices"][0]["logprobs"].clone());
    }
    assert_eq!(read[0]["tokens"], read[1]["tokens"]);
    let logprobs = |read: &Value| -> Vec<f64> {
        read["token_logprobs"].as_array().unwrap()[1..].iter().map(|it| it.as_f64().unwrap()).collect()
    };
    let apart: Vec<f64> =
        logprobs(&read[0]).iter().zip(logprobs(&read[1])).map(|(one, other)| (one - other).abs()).collect();
    assert!(apart.len() > 60, "{apart:?}");
    assert!(apart.iter().sum::<f64>() / apart.len() as f64 <= APART_ON_AVERAGE, "{apart:?}");
    assert!(apart.iter().all(|&apart| apart <= APART_AT_MOST), "{apart:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_engine_at_once() {
    let long =
        json!({"messages": [{"role": "user", "content": "Count to one thousand."}], "stream": true, "temperature": 0});
    for engine in ["llama_cpp", "mistralrs"] {
        let model = checkpoint();
        let arguments = ["--model", model.to_str().unwrap(), "--engine", engine, "--max-sequences", "1"];
        let server = RealServer::start_with(small_cache(engine), &arguments).await;
        for _ in 0..3 {
            let mut response = server.post("/v1/chat/completions", long.clone()).await;
            assert!(response.chunk().await.unwrap().is_some());
            drop(response);
        }
        // Were one of the three still running, this would wait thousands of tokens for its turn.
        let short = server.chat("Hello", json!({"temperature": 0, "max_tokens": 2})).await;
        assert_eq!(short["usage"]["completion_tokens"], 2);
        let log = server.terminate();
        assert_eq!(log.matches("cancelled").count(), 3, "{engine}: {log}");
    }
}

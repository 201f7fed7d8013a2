//! The same spine over the real checkpoint, in the real binary.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::binary::{checkpoint, serve};

/// A `zyron serve` of its own.
pub(crate) struct RealServer {
    child: Child,
    pub(crate) base: String,
    pub(crate) model: String,
    client: reqwest::Client,
}

impl RealServer {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut child = serve(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| line.unwrap().strip_prefix("Zyron is ready at ").map(str::to_owned));
        let Some(base) = ready else {
            let mut log = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut log);
            panic!("it did not start: {log}");
        };
        // What comes after must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let client = reqwest::Client::new();
        let models: Value = client.get(format!("{base}/v1/models")).send().await.unwrap().json().await.unwrap();
        let model = models["data"][0]["id"].as_str().unwrap().to_owned();
        Self { child, base, model, client }
    }

    pub(crate) async fn post(&self, path: &str, mut body: Value) -> reqwest::Response {
        body["model"] = self.model.clone().into();
        let response = self.client.post(format!("{}{path}", self.base)).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        response
    }

    pub(crate) async fn chat(&self, content: &str, mut more: Value) -> Value {
        more["messages"] = json!([{"role": "user", "content": content}]);
        self.post("/v1/chat/completions", more).await.json().await.unwrap()
    }

    /// SIGTERM; the process must end well. Returns its log.
    pub(crate) fn terminate(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
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

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn the_checkpoint_answers_repeats_itself_and_leaves_no_text_behind() {
    let server = RealServer::start(&["--model", checkpoint().to_str().unwrap()]).await;
    assert_eq!(server.model, "SmolLM2-135M-Instruct.Q4_1");

    let canary = "canari-7f3a";
    let question = format!("What is the capital of France? ({canary})");
    let greedy = json!({"temperature": 0, "max_tokens": 24});
    let first = server.chat(&question, greedy.clone()).await;
    assert!(text(&first).contains("Paris"), "{first}");
    assert_eq!(text(&first), text(&server.chat(&question, greedy).await));

    let seeded = json!({"temperature": 1, "seed": 7, "max_tokens": 16});
    let drawn = server.chat(&question, seeded.clone()).await;
    assert_eq!(text(&drawn), text(&server.chat(&question, seeded).await));

    let continued = json!({"prompt": "The capital of France is", "temperature": 0, "max_tokens": 4});
    let body: Value = server.post("/v1/completions", continued).await.json().await.unwrap();
    assert!(body["choices"][0]["text"].as_str().unwrap().starts_with(" Paris"), "{body}");

    let log = server.terminate();
    assert!(log.contains("generated") && !log.contains(canary), "{log}");
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_engine_at_once() {
    let server = RealServer::start(&["--model", checkpoint().to_str().unwrap()]).await;
    let long =
        json!({"messages": [{"role": "user", "content": "Count to one thousand."}], "stream": true, "temperature": 0});
    for _ in 0..3 {
        let mut response = server.post("/v1/chat/completions", long.clone()).await;
        assert!(response.chunk().await.unwrap().is_some());
        drop(response);
    }
    // Were one of the three still running, this would wait thousands of tokens for its turn.
    let short = server.chat("Hello", json!({"temperature": 0, "max_tokens": 2})).await;
    assert_eq!(short["usage"]["completion_tokens"], 2);
    let log = server.terminate();
    assert_eq!(log.matches("cancelled").count(), 3, "{log}");
}

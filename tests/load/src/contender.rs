//! Those who are measured: servers, started as their documentation says, and mistral.rs in this process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use futures::{StreamExt, pin_mut};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use zyron_engine::Model;
use zyron_engine_mistralrs::{LoadOptions, MistralrsEngine};
use zyron_openapi::sse;

use crate::direct;
use crate::workload::Ask;

/// Who can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    /// `zyron serve --engine llama_cpp`
    ZyronLlamaCpp,
    /// llama.cpp's own server
    LlamaServer,
    /// `zyron serve --engine mistralrs`
    ZyronMistralrs,
    /// mistral.rs, called in this process
    Mistralrs,
}

impl Who {
    /// As the reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ZyronLlamaCpp => "Zyron (llama_cpp)",
            Self::LlamaServer => "llama.cpp's server",
            Self::ZyronMistralrs => "Zyron (mistralrs)",
            Self::Mistralrs => "mistral.rs, called directly",
        }
    }

    /// As the option `--engine` calls it, where it has one.
    pub(crate) fn engine(self) -> &'static str {
        match self {
            Self::ZyronMistralrs | Self::Mistralrs => "mistralrs",
            Self::ZyronLlamaCpp | Self::LlamaServer => "llama_cpp",
        }
    }
}

/// With what all are started alike.
pub(crate) struct Setup {
    pub(crate) model: PathBuf,
    pub(crate) zyron: PathBuf,
    pub(crate) llama_server: Option<PathBuf>,
    /// Requests at once.
    pub(crate) sequences: usize,
    /// The longest prompt plus answer.
    pub(crate) context_length: usize,
    /// The number format that mistral.rs computes in, where it is not its own choice.
    pub(crate) dtype: Option<String>,
    /// Whether llama_cpp computes an answer alike alone and among others.
    pub(crate) batch_invariant: bool,
    /// Zyron's state folder, and one of its keys.
    pub(crate) state: Option<(PathBuf, String)>,
}

impl Setup {
    /// The program that is `who`; nothing where it is this one.
    fn program(&self, who: Who) -> anyhow::Result<Option<&Path>> {
        match who {
            Who::ZyronLlamaCpp | Who::ZyronMistralrs => Ok(Some(self.zyron.as_path())),
            Who::LlamaServer => self.llama_server.as_deref().context("`--llama-server` is not given").map(Some),
            Who::Mistralrs => Ok(None),
        }
    }
}

/// One who is measured.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// As it says itself, where it is a program of its own.
    pub(crate) version: Option<String>,
    who: Who,
    reached: Reached,
}

enum Reached {
    Http { server: Server, client: Client, model: String, end: Vec<u32>, key: Option<String> },
    Direct(Box<MistralrsEngine>),
}

/// An answer, timed.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    /// When its first text came.
    pub(crate) first: Instant,
    /// From the request to its first text.
    pub(crate) first_after: Duration,
    /// When each further text came.
    pub(crate) texts: Vec<Instant>,
    /// From the request to the end.
    pub(crate) total: Duration,
    /// Tokens generated.
    pub(crate) tokens: usize,
    /// Tokens of the prompt that were not computed, as far as it says.
    pub(crate) cached: u64,
}

impl Timed {
    /// Tokens a second after the first.
    pub(crate) fn decode_per_s(&self) -> f64 {
        (self.tokens.max(2) - 1) as f64 / (self.total - self.first_after).as_secs_f64()
    }
}

impl Contender {
    pub(crate) async fn start(who: Who, setup: &Setup) -> anyhow::Result<Self> {
        let name = who.name();
        let program = setup.program(who)?;
        let reached = match program {
            None => {
                let model = Arc::new(Model::open(&setup.model)?);
                Reached::Direct(Box::new(MistralrsEngine::load(model, LoadOptions::default()).await?))
            }
            Some(program) => {
                let server = Server::start(who, program, setup).with_context(|| format!("cannot start {name}"))?;
                // llama.cpp's server closes connections that were silent for a while, also one that is just asked.
                let client = Client::builder().pool_max_idle_per_host(0).build()?;
                let key = setup.state.as_ref().map(|(_, key)| key.clone());
                server.until_ready(&client, key.as_deref()).await.with_context(|| format!("{name} does not answer"))?;
                let models: Value = models(&client, &server.base, key.as_deref()).send().await?.json().await?;
                let model = models["data"][0]["id"].as_str().context("it has no model")?.to_owned();
                let tokenizer = Model::open(&setup.model)?.tokenizer;
                let ids = 0..u32::try_from(tokenizer.vocabulary_size())?;
                let end = ids.filter(|&id| tokenizer.is_end_of_sequence(id)).collect();
                Reached::Http { server, client, model, end, key }
            }
        };
        Ok(Self { name, version: program.map(version).transpose()?, who, reached })
    }

    /// Whether it takes so long that it is given less to do.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self.who, Who::Mistralrs | Who::ZyronMistralrs)
    }

    /// Memory that it has held at most, in MB.
    pub(crate) fn megabytes(&self) -> anyhow::Result<f64> {
        let process = match &self.reached {
            Reached::Http { server, .. } => server.child.id().to_string(),
            Reached::Direct(_) => "self".to_owned(),
        };
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak of memory")?;
        let kibibytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024.0 / 1e6)
    }

    /// Has requests answered when there is time, as long as `meanwhile` takes; with another key than its own.
    pub(crate) async fn beside_batch<T>(
        &self,
        key: &str,
        asks: &[Ask],
        meanwhile: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let Reached::Http { server, client, model, .. } = &self.reached else { bail!("it takes no batches") };
        let endpoint = "/v1/completions";
        let line = |(number, ask): (usize, &Ask)| {
            let body = json!({"model": model, "prompt": ask.prompt, "max_tokens": ask.tokens, "temperature": 0});
            json!({"custom_id": number.to_string(), "method": "POST", "url": endpoint, "body": body}).to_string() + "\n"
        };
        let lines: String = asks.iter().enumerate().map(line).collect();
        let form = format!(
            "--edge\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--edge\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{lines}\r\n--edge--\r\n"
        );
        let post = |path: &str| client.post(format!("{}{path}", server.base)).bearer_auth(key);
        let answer = async |request: RequestBuilder| -> anyhow::Result<Value> {
            Ok(request.send().await?.error_for_status()?.json().await?)
        };
        let upload = post("/v1/files").header("content-type", "multipart/form-data; boundary=edge").body(form);
        let file = answer(upload).await?;
        let batch = json!({"input_file_id": file["id"], "endpoint": endpoint, "completion_window": "24h"});
        let batch = answer(post("/v1/batches").json(&batch)).await?;
        let path = format!("/v1/batches/{}", batch["id"].as_str().context("it has no id")?);
        let now = || answer(client.get(format!("{}{path}", server.base)).bearer_auth(key));
        while now().await?["request_counts"]["completed"] == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let done = meanwhile.await?;
        let batch = now().await?;
        anyhow::ensure!(batch["status"] == "in_progress", "the batch did not last: {batch}");
        answer(post(&format!("{path}/cancel")).json(&json!({}))).await?;
        while now().await?["status"] != "cancelled" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(done)
    }

    /// Asks and reads the whole answer.
    pub(crate) async fn ask(&self, ask: &Ask) -> anyhow::Result<Timed> {
        self.ask_with(None, ask).await
    }

    /// The same with another key than the one it was started with.
    pub(crate) async fn ask_with(&self, other: Option<&str>, ask: &Ask) -> anyhow::Result<Timed> {
        match &self.reached {
            Reached::Direct(engine) => direct::generate(engine.mistralrs(), &ask.prompt, ask.tokens).await,
            Reached::Http { server, client, model, end, key } => {
                let bias: serde_json::Map<String, Value> = end.iter().map(|id| (id.to_string(), json!(-100))).collect();
                let body = json!({
                    "model": model,
                    "prompt": ask.prompt,
                    "max_tokens": ask.tokens,
                    "temperature": 0,
                    // The answer does not end before its last token.
                    "logit_bias": bias,
                    "stream": true,
                    "stream_options": {"include_usage": true},
                });
                let start = Instant::now();
                let request = client.post(format!("{}/v1/completions", server.base)).json(&body);
                let response = with_key(request, other.or(key.as_deref())).send().await?.error_for_status()?;
                read(response, start, ask.tokens).await
            }
        }
    }
}

fn with_key(request: RequestBuilder, key: Option<&str>) -> RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    }
}

fn models(client: &Client, base: &str, key: Option<&str>) -> RequestBuilder {
    with_key(client.get(format!("{base}/v1/models")), key)
}

/// What a program says of its version, in one line.
fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    // llama.cpp's server says it on standard error, among others.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find(|line| line.contains("version")).or_else(|| said.lines().next());
    Ok(line.context("it does not say its version")?.to_owned())
}

async fn read(response: reqwest::Response, start: Instant, tokens: usize) -> anyhow::Result<Timed> {
    // Of other servers, too: no more is asked of a chunk than what is needed here.
    let chunks = sse::decode::<Value, _, _>(response.bytes_stream());
    pin_mut!(chunks);
    let (mut first, mut texts, mut is_cut, mut cached) = (None, Vec::new(), false, 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let choice = &chunk["choices"][0];
        if choice["text"].as_str().is_some_and(|text| !text.is_empty()) {
            match first {
                None => first = Some(Instant::now()),
                Some(_) => texts.push(Instant::now()),
            }
        }
        is_cut |= choice["finish_reason"] == "length";
        if let Some(generated) = chunk["usage"]["completion_tokens"].as_u64() {
            anyhow::ensure!(generated == tokens as u64, "{generated} tokens were generated, not {tokens}");
            cached = chunk["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap_or(0);
        }
    }
    let first = first.context("it said nothing")?;
    anyhow::ensure!(is_cut, "the answer ended before {tokens} tokens");
    Ok(Timed { first, first_after: first - start, texts, total: start.elapsed(), tokens, cached })
}

/// A server in a process of its own.
struct Server {
    child: Child,
    base: String,
}

impl Server {
    fn start(who: Who, program: &Path, setup: &Setup) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let base = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(program);
        match who {
            Who::LlamaServer => {
                let cells = (setup.sequences * setup.context_length.next_multiple_of(256)).to_string();
                command.args(["--host", "127.0.0.1", "--port", &port, "--ctx-size", &cells]);
                command.args(["--parallel", &setup.sequences.to_string()]);
                let cores = std::thread::available_parallelism()?.to_string();
                command.args(["--threads", &cores, "--threads-batch", &cores]);
            }
            Who::ZyronLlamaCpp | Who::ZyronMistralrs => {
                command.args(["serve", "--port", &port, "--engine", who.engine()]);
                command.args(["--max-sequences", &setup.sequences.to_string()]);
                command.args(["--context-length", &setup.context_length.to_string()]);
                if let Some(dtype) = &setup.dtype {
                    command.args(["--dtype", dtype]);
                }
                // For the other engine it is an error.
                if who == Who::ZyronLlamaCpp {
                    command.env("ZYRON__ENGINE__KV_CACHE_MB", "1000000");
                    command.env("ZYRON__ENGINE__BATCH_INVARIANT", setup.batch_invariant.to_string());
                }
                if let Some((folder, _)) = &setup.state {
                    command.arg("--state").arg(folder).env("ZYRON__BATCH__ENABLED", "true");
                }
                command.envs([
                    ("ZYRON__ADMISSION__MAX_QUEUE", "1024"),
                    ("ZYRON__LOG__FILTER", "error"),
                    ("ZYRON__ADMISSION__QUEUE_TIMEOUT_MS", "600000"),
                    // Two cores read a whole context of seven billion weights in more than ten minutes.
                    ("ZYRON__LIMITS__REQUEST_TIMEOUT_MS", "7200000"),
                ]);
            }
            Who::Mistralrs => bail!("it is no server"),
        }
        command.arg("--model").arg(&setup.model).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        // What it prints must not fill the pipe.
        let output = child.stdout.take().context("it has an output")?;
        std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(drop));
        Ok(Self { child, base })
    }

    async fn until_ready(&self, client: &Client, key: Option<&str>) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(600) {
            // llama.cpp's answers for its models while it still loads them.
            let health = client.get(format!("{}/health", self.base)).send().await;
            let is_loading = health.is_ok_and(|response| response.status() == 503);
            if !is_loading
                && models(client, &self.base, key).send().await.is_ok_and(|response| response.status() == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("not ready after ten minutes")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

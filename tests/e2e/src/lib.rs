//! The test language of the end-to-end tests: a server in this process on a real socket, over a scripted engine, and
//! requests to it. Tests wait on events, never on time.

mod loader;
mod obedient;

use std::sync::Arc;

use futures::StreamExt;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zyron_engine::scripted::{Act, ScriptedEngine, byte_model};
use zyron_engine::{Engine, GenerateRequest, Model, Pooling};
use zyron_openapi::sse::{self, StreamError};
use zyron_openapi::{ChatCompletionChunk, Completion};
use zyron_server::config::Config;
use zyron_server::{App, Listeners, Loader};

pub use crate::loader::ScriptedLoader;
pub use crate::obedient::obey;

/// The context of the scripted model, in tokens, which are bytes.
pub const CONTEXT: usize = 8192;

/// A server of its own for one test.
pub struct TestServer {
    /// Where it listens, such as `http://127.0.0.1:40000`.
    pub base: String,
    grpc: Option<String>,
    /// The engine of its first model.
    pub engine: Arc<ScriptedEngine>,
    /// For requests to it.
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// How to start a [`TestServer`].
pub struct Setup {
    overrides: Vec<(&'static str, String)>,
    origins: Vec<String>,
    models: Vec<String>,
    key: Option<&'static str>,
    parallelism: usize,
    loaded: bool,
}

/// A server with the default configuration.
#[must_use]
pub fn setup() -> Setup {
    Setup { overrides: Vec::new(), origins: Vec::new(), models: Vec::new(), key: None, parallelism: 1, loaded: true }
}

impl Setup {
    /// Sets a configuration key.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.overrides.push((key, value.to_string()));
        self
    }

    /// Lets pages of this origin call.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        self.origins.push(origin.to_owned());
        self
    }

    /// Has these models of its folder from the start.
    #[must_use]
    pub fn models(mut self, names: &[&str]) -> Self {
        self.models = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Demands a key.
    #[must_use]
    pub fn key(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }

    /// Lets the engine serve several requests at once.
    #[must_use]
    pub fn parallelism(mut self, parallelism: usize) -> Self {
        self.parallelism = parallelism;
        self
    }

    /// Starts without a model.
    #[must_use]
    pub fn still_loading(mut self) -> Self {
        self.loaded = false;
        self
    }

    /// Starts a server that says `text` to every request.
    pub async fn says(self, text: &str) -> TestServer {
        let text = text.to_owned();
        self.plays(move |_, _| vec![Act::Say(text.clone())]).await
    }

    /// Starts a server that does what requests tell it, as [`obey`] describes.
    pub async fn obeys(self) -> TestServer {
        self.plays(|request, _| obey(request)).await
    }

    /// Starts a server whose engine follows `script`, which is given each request and its prompt as text.
    pub async fn plays(
        self,
        script: impl Fn(&GenerateRequest, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> TestServer {
        let app = self.app();
        let model = Arc::new(byte_model(CONTEXT));
        let engine = Arc::new(ScriptedEngine::new(Arc::clone(&model), self.parallelism, script));
        if self.loaded {
            app.serve_model(model, Arc::clone(&engine) as Arc<dyn Engine>);
        }
        TestServer::run(app, self.listeners().await, engine).await
    }

    /// Starts a server of an embedding model alone.
    pub async fn embeds(self) -> TestServer {
        let app = self.app();
        let (model, engine) = embedding_model(self.parallelism);
        app.serve_model(model, Arc::clone(&engine) as Arc<dyn Engine>);
        TestServer::run(app, self.listeners().await, engine).await
    }

    /// Starts a server that has its models from `loader`.
    pub async fn loads(self, loader: ScriptedLoader) -> TestServer {
        let app = self.app();
        app.start_models(Arc::new(loader.clone()) as Arc<dyn Loader>).await.expect("the models can be loaded");
        let engine = loader.engine("scripted").expect("the first model is loaded");
        TestServer::run(app, self.listeners().await, engine).await
    }

    /// One for gRPC where its port is set.
    async fn listeners(&self) -> Listeners {
        listeners(&self.overrides).await
    }

    fn app(&self) -> App {
        let mut config = Config::load(None, &self.overrides).expect("the overrides are valid");
        config.server.cors_origins.clone_from(&self.origins);
        config.models.load.clone_from(&self.models);
        App::new(config, self.key).expect("the server may start")
    }
}

/// The embedding model `scripted-embedding`, whose context is that of the scripted model.
fn embedding_model(parallelism: usize) -> (Arc<Model>, Arc<ScriptedEngine>) {
    let id = "scripted-embedding".to_owned();
    let model = Arc::new(Model { id, pooling: Some(Pooling::Mean), template: None, ..byte_model(CONTEXT) });
    let engine = Arc::new(ScriptedEngine::new(Arc::clone(&model), parallelism, |_, _| Vec::new()));
    (model, engine)
}

/// For a server with these keys of the configuration.
async fn listeners(overrides: &[(&'static str, String)]) -> Listeners {
    let bind = || async { TcpListener::bind("127.0.0.1:0").await.expect("a port is free") };
    let is_grpc = overrides.iter().any(|(key, _)| *key == "grpc.port");
    Listeners { http: bind().await, grpc: if is_grpc { Some(bind().await) } else { None } }
}

fn base_of(listeners: &Listeners) -> String {
    format!("http://{}", listeners.http.local_addr().expect("it listens"))
}

fn grpc_of(listeners: &Listeners) -> Option<String> {
    listeners.grpc.as_ref().map(|listener| listener.local_addr().expect("it listens").to_string())
}

impl TestServer {
    async fn run(app: App, listeners: Listeners, engine: Arc<ScriptedEngine>) -> Self {
        let (base, grpc) = (base_of(&listeners), grpc_of(&listeners));
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            app.run(listeners, shutdown).await;
            let _ = tokio::task::spawn_blocking(move || app.close()).await;
        });
        Self { base, grpc, engine, client: Client::new(), stop: Some(stop), running }
    }

    /// Where it listens for gRPC, such as `127.0.0.1:40001`; only where `grpc.port` is set.
    #[must_use]
    pub fn grpc(&self) -> &str {
        self.grpc.as_deref().expect("`grpc.port` is set")
    }
}

/// A server without a model, which passes requests on.
pub struct FrontServer {
    /// Where it listens.
    pub base: String,
    grpc: Option<String>,
    /// For requests to it.
    pub client: Client,
    running: JoinHandle<()>,
}

impl FrontServer {
    /// Starts one before `servers`, whose addresses lack `/v1`, and waits until it knows one of them to be there.
    pub async fn start(servers: &[&str], key: Option<&str>, overrides: &[(&'static str, String)]) -> Self {
        let addresses: Vec<String> = servers.iter().map(|base| format!("\"{base}/v1\"")).collect();
        let folder = tempfile::TempDir::new().expect("a folder can be made");
        let file = folder.path().join("zyron.toml");
        let text = format!(
            "[engine]\nkind = \"upstream\"\n[upstream]\nservers = [{}]\nhealth_interval_ms = 50\n",
            addresses.join(", ")
        );
        std::fs::write(&file, text).expect("a file can be written");
        let config = Config::load(Some(&file), overrides).expect("the configuration is valid");
        let app = App::new(config, None).expect("the server may start");
        app.pass_on(key.map(str::to_owned)).expect("there is TLS");
        let listeners = listeners(overrides).await;
        let (base, grpc) = (base_of(&listeners), grpc_of(&listeners));
        let running = tokio::spawn(async move { app.run(listeners, std::future::pending()).await });
        let server = Self { base, grpc, client: Client::new(), running };
        while server.get("/health/ready").await.status() != 200 {
            tokio::task::yield_now().await;
        }
        server
    }

    /// Where it listens for gRPC; only where `grpc.port` is set.
    #[must_use]
    pub fn grpc(&self) -> &str {
        self.grpc.as_deref().expect("`grpc.port` is set")
    }

    /// A GET request.
    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.expect("the server answers")
    }

    /// A POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await.expect("the server answers")
    }

    /// Sends a chat completion request.
    pub async fn chat(&self, body: &Value) -> Response {
        self.post("/v1/chat/completions", body).await
    }
}

impl Drop for FrontServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl TestServer {
    /// A GET request.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    /// A POST request with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).json(body)
    }

    /// Sends a chat completion request.
    pub async fn chat(&self, body: &Value) -> Response {
        self.post("/v1/chat/completions", body).send().await.expect("the server answers")
    }

    /// Sends a completion request.
    pub async fn complete(&self, body: &Value) -> Response {
        self.post("/v1/completions", body).send().await.expect("the server answers")
    }

    /// Waits until the engine works on `count` requests.
    pub async fn until_active(&self, count: usize) {
        while self.engine.active() != count {
            tokio::task::yield_now().await;
        }
    }

    /// Tells the server to stop, as SIGTERM does. Returns what resolves once it has.
    pub fn shut_down(&mut self) -> &mut JoinHandle<()> {
        self.stop.take().expect("it is stopped once").send(()).expect("it runs");
        &mut self.running
    }
}

/// A chat completion request that says `content`, with the fields of `more`.
#[must_use]
pub fn chat(content: &str, more: Value) -> Value {
    merge(json!({"model": "scripted", "messages": [{"role": "user", "content": content}]}), more)
}

/// A completion request for `prompt`, with the fields of `more`.
#[must_use]
pub fn completion(prompt: &str, more: Value) -> Value {
    merge(json!({"model": "scripted", "prompt": prompt}), more)
}

fn merge(mut body: Value, more: Value) -> Value {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// The chunks of a streamed chat completion, up to `[DONE]` or an error.
pub async fn chat_chunks(response: Response) -> Vec<Result<ChatCompletionChunk, StreamError>> {
    sse::decode(response.bytes_stream()).collect().await
}

/// The chunks of a streamed completion, up to `[DONE]` or an error.
pub async fn completion_chunks(response: Response) -> Vec<Result<Completion, StreamError>> {
    sse::decode(response.bytes_stream()).collect().await
}

/// The texts of a streamed chat completion, which must end well.
pub async fn chat_texts(response: Response) -> Vec<String> {
    let chunks = chat_chunks(response).await;
    let texts =
        chunks.into_iter().filter_map(|chunk| chunk.expect("the stream ends well").choices.pop()?.delta.content);
    texts.filter(|text| !text.is_empty()).collect()
}

/// Checks that a response is an error in OpenAI's envelope and returns its `error`.
pub async fn error(response: Response, status: u16) -> Value {
    let actual = response.status().as_u16();
    assert!(response.headers().contains_key("x-request-id"), "an error without a request id");
    let body: Value = response.json().await.expect("an error has a JSON body");
    assert_eq!(actual, status, "{body}");
    let error = &body["error"];
    let mut fields: Vec<&str> = error.as_object().expect("the envelope").keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["code", "message", "param", "type"]);
    assert!(error["message"].is_string() && error["type"].is_string());
    error.clone()
}

//! The configuration: embedded default, then a file, then the environment, then flags; checked once, then immutable.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Environment, File, FileFormat};
use serde::Deserialize;
use thiserror::Error;
use zyron_engine::ToolFormat;

/// The default configuration, with every key and its meaning.
pub const DEFAULT: &str = include_str!("../../configs/default.toml");

/// Why a configuration was refused.
#[derive(Debug, Error)]
#[error("the configuration is wrong: {0}")]
pub struct ConfigError(String);

/// The whole configuration. `configs/default.toml` documents each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Listening and connections.
    pub server: ServerConfig,
    /// Whether gRPC is spoken.
    pub grpc: GrpcConfig,
    /// Encryption on the server's own ports.
    pub tls: TlsConfig,
    /// Which model is served.
    pub model: ModelConfig,
    /// Which others can be loaded.
    pub models: ModelsConfig,
    /// What runs them.
    pub engine: EngineConfig,
    /// Servers to which requests are passed on in place of a model.
    pub upstream: UpstreamConfig,
    /// Who may run, and who waits.
    pub admission: AdmissionConfig,
    /// What one request may ask for.
    pub limits: LimitsConfig,
    /// Which answers are kept.
    pub responses: ResponsesConfig,
    /// Whether requests are taken in files.
    pub batch: BatchConfig,
    /// What outlives the process.
    pub state: StateConfig,
    /// What is kept of each request.
    pub audit: AuditConfig,
    /// Whether texts are kept.
    pub content: ContentConfig,
    /// Where traces go.
    pub traces: TracesConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// Listening and connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 takes any that is free.
    pub port: u16,
    /// Connections served at once.
    pub max_connections: usize,
    /// The longest wait for a request's headers.
    pub header_timeout_ms: u64,
    /// The longest wait for a request's body.
    pub body_timeout_ms: u64,
    /// The longest time in which a client takes nothing of its answer.
    pub write_timeout_ms: u64,
    /// The longest silence in a stream.
    pub keep_alive_ms: u64,
    /// Origins of web pages that may call the API; `*` is any.
    pub cors_origins: Vec<String>,
    /// How long requests in progress have to end after SIGTERM.
    pub drain_timeout_ms: u64,
}

/// Whether the Open Inference Protocol is spoken over gRPC.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    /// The port; 0 takes any that is free. Without one, it is not.
    pub port: Option<u16>,
    /// Calls of one connection at once.
    pub max_streams: u32,
    /// Requests of one stream that are worked on at once.
    pub stream_requests: usize,
    /// The longest answer in one message.
    pub max_answer_bytes: usize,
}

/// Encryption on the server's own ports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those above it, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, in PEM.
    pub key: Option<PathBuf>,
}

/// Which model is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A GGUF file or a safetensors folder; without one, the model inside the program.
    pub path: Option<PathBuf>,
    /// Its name in the API.
    pub id: Option<String>,
    /// Its model card; by default the one beside its weights.
    pub card: Option<PathBuf>,
    /// Whether a model without one is served.
    pub require_card: bool,
    /// How it writes tool calls; by default what its chat template says.
    pub tool_format: Option<String>,
}

/// Which models can be loaded besides, and what all of them may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsConfig {
    /// The folder that has them; without one, there are no others.
    pub folder: Option<PathBuf>,
    /// The names of those that are loaded at the start.
    pub load: Vec<String>,
    /// Memory that all models may take together, in MB; 0: what there is.
    pub memory_mb: u64,
}

/// What runs the model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// Which backend.
    pub kind: EngineKind,
    /// The number format of activations and unquantized weights.
    pub dtype: Dtype,
    /// In-situ quantization.
    pub isq: Option<String>,
    /// The longest prompt plus answer; 0: what the model can do.
    pub context_length: usize,
    /// Requests that run at once; 0: what suits the engine.
    pub max_sequences: usize,
    /// Memory for keys and values, in MB; 0: by what is free.
    pub kv_cache_mb: u64,
    /// The number format of keys and values.
    pub kv_cache_type: KvCacheType,
    /// After how long without a step an engine that has requests is given up and replaced; 0: never.
    pub hang_timeout_ms: u64,
    /// Threads that compute; 0: one a core.
    pub threads: usize,
    /// How many times as long a step may take while a prompt is read beside running answers.
    pub step_stretch: f64,
    /// Whether a CPU answers a request alike alone and among others.
    pub batch_invariant: bool,
}

impl EngineConfig {
    /// A key that was given another value than its default and has no effect but with `llama_cpp`.
    #[must_use]
    pub fn set_for_llama_cpp(&self) -> Option<&'static str> {
        let keys = [
            ("kv_cache_mb", self.kv_cache_mb != 0),
            ("kv_cache_type", self.kv_cache_type != KvCacheType::F16),
            ("threads", self.threads != 0),
            ("step_stretch", self.step_stretch != 2.0),
            ("batch_invariant", !self.batch_invariant),
        ];
        keys.into_iter().find_map(|(key, is_set)| is_set.then_some(key))
    }
}

/// A backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum EngineKind {
    /// llama.cpp for a GGUF file, mistral.rs for a safetensors folder.
    Auto,
    /// llama.cpp.
    LlamaCpp,
    /// mistral.rs.
    Mistralrs,
    /// Other servers.
    Upstream,
}

/// A number format of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KvCacheType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// 8 bits.
    Q8_0,
}

/// A number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// F32 on a CPU, BF16 on a GPU.
    Auto,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
}

/// Servers to which requests are passed on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Their addresses, each up to and with `/v1`.
    pub servers: Vec<String>,
    /// The environment variable that holds the key they ask for.
    pub api_key_env: String,
    /// Requests that they work on at once, all together.
    pub max_requests: usize,
    /// The longest wait for a connection.
    pub connect_timeout_ms: u64,
    /// The longest wait for the first byte of an answer that does not come in one piece.
    pub first_byte_timeout_ms: u64,
    /// The longest silence in an answer.
    pub idle_timeout_ms: u64,
    /// How often each is asked whether it is there.
    pub health_interval_ms: u64,
}

/// Who may run, and who waits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionConfig {
    /// Requests that may wait.
    pub max_queue: usize,
    /// Tokens of their prompts, all together.
    pub max_queue_tokens: u64,
    /// The longest wait.
    pub queue_timeout_ms: u64,
}

/// What one request may ask for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// The longest request body.
    pub max_body_bytes: usize,
    /// The longest body with a company's files.
    pub max_upload_bytes: usize,
    /// The longest conversation.
    pub max_messages: usize,
    /// Most tokens to generate; 0: what the context allows.
    pub max_tokens: usize,
    /// The longest stop string.
    pub max_stop_bytes: usize,
    /// Most answers to one prompt.
    pub max_choices: usize,
    /// Most prompts of one request.
    pub max_prompts: usize,
    /// Most texts to embed of one request.
    pub max_inputs: usize,
    /// Most tools of one request.
    pub max_tools: usize,
    /// The longest constraint.
    pub max_grammar_bytes: usize,
    /// The longest time to tokenize a prompt and compile its constraint.
    pub prepare_timeout_ms: u64,
    /// The longest prompt whose log-probabilities are given.
    pub max_scored_tokens: usize,
    /// The longest time from a request's arrival to its end.
    pub request_timeout_ms: u64,
}

impl LimitsConfig {
    /// Most tokens to generate, where that is limited at all.
    pub(crate) fn most_tokens(&self) -> usize {
        if self.max_tokens == 0 { usize::MAX } else { self.max_tokens }
    }
}

/// Which answers of `/v1/responses` are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponsesConfig {
    /// Whether any is.
    pub store: bool,
    /// Most bytes kept.
    pub max_stored_bytes: u64,
    /// How long an answer is kept.
    pub ttl_ms: u64,
}

/// Whether requests are taken in files, to be answered when there is time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// Whether they are.
    pub enabled: bool,
    /// Requests of batches that are worked on at once.
    pub concurrency: usize,
    /// Most requests of one batch.
    pub max_requests: usize,
    /// Most batches that have not ended.
    pub max_open: u64,
    /// The longest file.
    pub max_file_bytes: usize,
    /// Most bytes of all files.
    pub max_stored_bytes: u64,
    /// How long a file is kept, in hours.
    pub ttl_hours: u64,
}

/// What outlives the process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// The folder for it; without one, nothing is kept.
    pub folder: Option<PathBuf>,
}

/// What is kept of each request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// Whether anything is, where there is a state folder.
    pub enabled: bool,
    /// How long, in days.
    pub retention_days: u64,
}

/// Whether requests and answers are kept in full.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentConfig {
    /// What for; without it, they are not.
    pub purpose: Option<String>,
    /// How long, in hours.
    pub ttl_hours: u64,
}

/// Where traces go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector's address, without a path; without one, there are no traces.
    pub endpoint: Option<String>,
    /// The share of requests that are traced, where the caller does not say.
    pub sample_ratio: f64,
}

/// What is logged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// A `tracing` filter.
    pub filter: String,
    /// How lines are written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a log collector.
    Json,
}

impl Config {
    /// Reads the configuration. `overrides` are the flags given, as `("server.port", "9000")`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key and where it was set.
    pub fn load(file: Option<&Path>, overrides: &[(&str, String)]) -> Result<Self, ConfigError> {
        let wrong = |error: config::ConfigError| ConfigError(error.to_string());
        let mut builder = config::Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        if let Some(path) = file {
            builder = builder.add_source(File::from(path).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("ZYRON").prefix_separator("__").separator("__").try_parsing(true);
        let environment = environment.list_separator(",").with_list_parse_key("server.cors_origins");
        let environment = environment.with_list_parse_key("upstream.servers");
        let environment = environment.with_list_parse_key("models.load");
        builder = builder.add_source(environment);
        for (key, value) in overrides {
            builder = builder.set_override(*key, value.as_str()).map_err(wrong)?;
        }
        let config: Self = builder.build().and_then(config::Config::try_deserialize).map_err(wrong)?;
        config.validate()?;
        Ok(config)
    }

    /// The sections, but for the limits, that are others than those of `other`.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        macro_rules! differing {
            ($($section:ident),*) => {
                [$((stringify!($section), format!("{:?}", self.$section) != format!("{:?}", other.$section))),*]
            };
        }
        let sections = differing!(
            server, grpc, tls, model, models, engine, upstream, admission, responses, batch, state, audit, content,
            traces, log
        );
        sections.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// Rules across fields, and those that a type cannot hold.
    fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("server.max_connections", self.server.max_connections as u64),
            ("server.header_timeout_ms", self.server.header_timeout_ms),
            ("server.body_timeout_ms", self.server.body_timeout_ms),
            ("server.write_timeout_ms", self.server.write_timeout_ms),
            ("server.keep_alive_ms", self.server.keep_alive_ms),
            ("grpc.max_streams", u64::from(self.grpc.max_streams)),
            ("grpc.stream_requests", self.grpc.stream_requests as u64),
            ("grpc.max_answer_bytes", self.grpc.max_answer_bytes as u64),
            ("upstream.max_requests", self.upstream.max_requests as u64),
            ("upstream.connect_timeout_ms", self.upstream.connect_timeout_ms),
            ("upstream.first_byte_timeout_ms", self.upstream.first_byte_timeout_ms),
            ("upstream.idle_timeout_ms", self.upstream.idle_timeout_ms),
            ("upstream.health_interval_ms", self.upstream.health_interval_ms),
            ("admission.max_queue_tokens", self.admission.max_queue_tokens),
            ("admission.queue_timeout_ms", self.admission.queue_timeout_ms),
            ("limits.max_body_bytes", self.limits.max_body_bytes as u64),
            ("limits.max_upload_bytes", self.limits.max_upload_bytes as u64),
            ("limits.max_messages", self.limits.max_messages as u64),
            ("limits.max_stop_bytes", self.limits.max_stop_bytes as u64),
            ("limits.max_choices", self.limits.max_choices as u64),
            ("limits.max_prompts", self.limits.max_prompts as u64),
            ("limits.max_inputs", self.limits.max_inputs as u64),
            ("limits.prepare_timeout_ms", self.limits.prepare_timeout_ms),
            ("limits.request_timeout_ms", self.limits.request_timeout_ms),
            ("responses.max_stored_bytes", self.responses.max_stored_bytes),
            ("responses.ttl_ms", self.responses.ttl_ms),
            ("batch.concurrency", self.batch.concurrency as u64),
            ("batch.max_requests", self.batch.max_requests as u64),
            ("batch.max_open", self.batch.max_open),
            ("batch.max_file_bytes", self.batch.max_file_bytes as u64),
            ("batch.max_stored_bytes", self.batch.max_stored_bytes),
            ("batch.ttl_hours", self.batch.ttl_hours),
            ("audit.retention_days", self.audit.retention_days),
            ("content.ttl_hours", self.content.ttl_hours),
        ];
        if let Some((key, _)) = positive.into_iter().find(|&(_, value)| value == 0) {
            return Err(ConfigError(format!("`{key}` must be more than 0")));
        }
        if let Some(name) = self.model.tool_format.as_deref().filter(|name| ToolFormat::named(name).is_none()) {
            let names: Vec<&str> = ToolFormat::names().collect();
            return Err(ConfigError(format!("`model.tool_format` is `{name}`; it is one of {}", names.join(", "))));
        }
        if self.models.folder.is_none() && !self.models.load.is_empty() {
            return Err(ConfigError("`models.load` needs `models.folder`, where these models are".to_owned()));
        }
        if self.grpc.port.is_some_and(|port| port != 0 && port == self.server.port) {
            return Err(ConfigError("`grpc.port` and `server.port` must be two".to_owned()));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Err(ConfigError("`tls.certificate` and `tls.key` belong together".to_owned()));
        }
        if self.batch.enabled && self.state.folder.is_none() {
            return Err(ConfigError(
                "`batch.enabled` needs `state.folder`, where files and answers are kept".to_owned(),
            ));
        }
        if let Some(purpose) = &self.content.purpose {
            if purpose.trim().is_empty() {
                return Err(ConfigError("`content.purpose` must say what the texts are kept for".to_owned()));
            }
            if self.state.folder.is_none() {
                return Err(ConfigError("`content.purpose` needs `state.folder`, where the texts are kept".to_owned()));
            }
        }
        if let Some(endpoint) = self.traces.endpoint.as_deref().filter(|endpoint| !is_server(endpoint)) {
            return Err(ConfigError(format!(
                "`traces.endpoint` is `{endpoint}`; it is `http://host:4318`, without a key"
            )));
        }
        if !(0.0..=1.0).contains(&self.traces.sample_ratio) {
            return Err(ConfigError("`traces.sample_ratio` must be from 0 to 1".to_owned()));
        }
        if !(self.engine.step_stretch > 1.0 && self.engine.step_stretch.is_finite()) {
            return Err(ConfigError("`engine.step_stretch` must be more than 1".to_owned()));
        }
        if let Some(place) = self.upstream.servers.iter().position(|server| !is_server(server)) {
            // Not the address: it may hold a password.
            return Err(ConfigError(format!(
                "`upstream.servers[{place}]` is no address: that is `http://host:port/v1`, without a user or key"
            )));
        }
        if (self.engine.kind == EngineKind::Upstream) == self.upstream.servers.is_empty() {
            let message = "`engine.kind = \"upstream\"` and `upstream.servers` belong together";
            return Err(ConfigError(message.to_owned()));
        }
        match self.server.cors_origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(ConfigError(format!(
                "`server.cors_origins` has `{origin}`; an origin is `https://name`, with a port where it needs one, or `*`"
            ))),
            None => Ok(()),
        }
    }
}

fn is_origin(text: &str) -> bool {
    // As browsers send it: a URL's scheme, host and port, in lower case.
    let name = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    text == "*" || name.is_some_and(|name| !name.is_empty() && name.bytes().all(is_part))
}

fn is_server(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |rest: &str| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']);
    rest.is_some_and(is_plain) && text.parse::<axum::http::Uri>().is_ok()
}

impl ServerConfig {
    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Where to listen for gRPC, at this port.
    #[must_use]
    pub fn grpc_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.host, port)
    }

    /// The longest silence in a stream.
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        Duration::from_millis(self.keep_alive_ms)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn with_file(text: &str, overrides: &[(&str, String)]) -> Result<Config, String> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("zyron.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_is_complete_and_local() {
        let config = Config::load(None, &[]).unwrap();
        assert!(config.server.host.is_loopback());
        assert_eq!(config.engine.kind, EngineKind::Auto);
        assert_eq!(config.engine.set_for_llama_cpp(), None);
    }

    #[test]
    fn what_only_llama_cpp_heeds_is_noticed() {
        for setting in [
            "kv_cache_mb = 1",
            "kv_cache_type = \"q8_0\"",
            "threads = 1",
            "step_stretch = 3",
            "batch_invariant = false",
        ] {
            let config = with_file(&format!("[engine]\n{setting}"), &[]).unwrap();
            assert_eq!(config.engine.set_for_llama_cpp(), setting.split(' ').next());
        }
    }

    #[test]
    fn the_deployments_of_the_repository_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 3);
        for file in files {
            Config::load(Some(&file), &[]).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    #[test]
    fn a_file_overrides_the_default_and_a_flag_the_file() {
        let config = with_file("[server]\nport = 1\n[log]\nformat = \"json\"", &[]).unwrap();
        assert_eq!((config.server.port, config.log.format), (1, LogFormat::Json));
        let config = with_file("[server]\nport = 1", &[("server.port", "2".into())]).unwrap();
        assert_eq!(config.server.port, 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(with_file("[server]\nprot = 1", &[]).unwrap_err().contains("prot"));
        assert!(with_file("[server]\nport = 70000", &[]).unwrap_err().contains("server.port"));
        assert!(with_file("[engine]\ndtype = \"f8\"", &[]).unwrap_err().contains("f8"));
        assert!(with_file("[limits]\nmax_body_bytes = 0", &[]).unwrap_err().contains("limits.max_body_bytes"));
        assert!(with_file("[model]\ntool_format = \"x\"", &[]).unwrap_err().contains("hermes"));
        for origin in ["app.example", "https://", "https://a/b", "https://*.a", "https://A"] {
            let text = format!("[server]\ncors_origins = [\"{origin}\"]");
            assert!(with_file(&text, &[]).unwrap_err().contains("cors_origins"), "{origin}");
        }
        assert!(with_file("[server]\ncors_origins = [\"http://localhost:3000\", \"*\"]", &[]).is_ok());
        let upstream =
            |servers: &str| with_file(&format!("[engine]\nkind = \"upstream\"\n[upstream]\nservers = {servers}"), &[]);
        assert!(upstream("[]").unwrap_err().contains("belong together"));
        assert!(upstream("[\"http://gpu1/v1\", \"gpu1:8000\"]").unwrap_err().contains("upstream.servers[1]"));
        assert!(!upstream("[\"http://:password@gpu1/v1\"]").unwrap_err().contains("password"));
        assert!(upstream("[\"http://gpu1:8000/v1\", \"https://gpu2/v1\"]").is_ok());
        assert!(with_file("[batch]\nenabled = true", &[]).unwrap_err().contains("state.folder"));
        assert!(with_file("[content]\npurpose = \"p\"", &[]).unwrap_err().contains("state.folder"));
        assert!(with_file("[content]\npurpose = \" \"", &[]).unwrap_err().contains("what the texts are kept for"));
        assert!(with_file("[traces]\nendpoint = \"collector\"", &[]).unwrap_err().contains("traces.endpoint"));
        assert!(with_file("[traces]\nsample_ratio = 1.1", &[]).unwrap_err().contains("traces.sample_ratio"));
        assert!(with_file("[grpc]\nport = 8080", &[]).unwrap_err().contains("grpc.port"));
        assert!(with_file("[grpc]\nmax_streams = 0", &[]).unwrap_err().contains("grpc.max_streams"));
        assert!(with_file("[models]\nload = [\"a\"]", &[]).unwrap_err().contains("models.folder"));
        assert!(with_file("[server", &[]).is_err());
        assert!(Config::load(Some(Path::new("/nowhere.toml")), &[]).unwrap_err().to_string().contains("nowhere"));
    }
}

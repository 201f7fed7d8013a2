//! The command line. A flag is the last word over the environment, the configuration file and the default.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use zyron_server::config::{Dtype, EngineKind};
use zyron_server::keys::{Limits, Scope};

/// Serves a French finance language model behind the OpenAI API.
#[derive(Debug, Parser)]
#[command(name = "zyron", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load a model and serve it
    Serve(ServeArgs),
    /// Look at a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document
    Openapi,
    /// Say what this machine and this build are, and which models fit
    Doctor(DoctorArgs),
    /// Look at a model without loading it
    #[command(subcommand)]
    Model(ModelCommand),
    /// Compute what follows from a company's accounts, and say what is wrong in them
    Analyse(AnalyseArgs),
    /// Load and unload models of a running server
    Models(ModelsArgs),
    /// Make, list and end the keys that requests carry
    Keys(KeysArgs),
    /// Look at the audit log
    Audit(AuditArgs),
    /// Export or erase what is kept about a person
    Privacy(PrivacyArgs),
    /// Write what a state folder has to one file, whether a server runs with it or not
    Backup {
        #[command(flatten)]
        state: StateArgs,
        /// The file; it has what the folder has, secrets included
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Make a state folder from such a file
    Restore {
        #[command(flatten)]
        state: StateArgs,
        /// The file
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Check whether a model has written a text
    Provenance(ProvenanceArgs),
    /// Show what a running server does, second by second
    Top(TopArgs),
    /// Judge an OpenAI-compatible server with a French finance set
    Eval(zyron_eval::Args),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what would keep `zyron serve` with the same options from starting
    Check(ServeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// The state folder of the server
    #[arg(long = "state", value_name = "DIR", env = "ZYRON__STATE__FOLDER", global = true, default_value = "state")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
}

#[derive(Debug, Args)]
pub(crate) struct ProvenanceArgs {
    #[command(subcommand)]
    pub(crate) command: ProvenanceCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvenanceCommand {
    /// Say who has signed a text, if it is as it was signed
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// An answer of /v1/chat/completions or, with --token, a text
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The text's claim
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// The server's keys in a file, as /.well-known/jwks.json gives them
    #[arg(long, value_name = "FILE", conflicts_with = "url", required_unless_present = "url")]
    pub(crate) keys: Option<PathBuf>,
    /// The server to ask for its keys
    #[arg(long)]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PrivacyArgs {
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(subcommand)]
    pub(crate) command: PrivacyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PrivacyCommand {
    /// Print, as JSON, what is kept about whoever has these keys
    Export(Subject),
    /// End these keys and forget whose they were and what was done with them
    Erase(Subject),
}

/// Whom it is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Subject {
    /// The owner of keys, as given to `zyron keys create`
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// One key's identifier
    #[arg(long, value_name = "ID")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Say whether a line was changed, taken out or put in, and what the last one is
    Verify {
        /// A last line that was noted before, as it was said then: it must still be there
        #[arg(long, value_name = "NUMBER:HASH")]
        noted: Option<String>,
    },
    /// Print the lines, JSON each
    Export {
        /// From this day on, as 2027-01-31, in UTC
        #[arg(long, value_name = "DATE")]
        from: Option<chrono::NaiveDate>,
        /// Up to this day, included
        #[arg(long, value_name = "DATE")]
        to: Option<chrono::NaiveDate>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, once
    Create(CreateKeyArgs),
    /// Say which there are, and whose
    List {
        /// Print JSON, with the limits
        #[arg(long)]
        json: bool,
    },
    /// End a key: within a second, and what runs with it, too
    Revoke {
        /// Its identifier
        id: String,
    },
    /// Give a key a new text and print it; the old one ends
    Rotate {
        /// Its identifier
        id: String,
    },
    /// Say what was used with each
    Usage {
        /// How many days, today included
        #[arg(long, default_value_t = 30)]
        days: u64,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateKeyArgs {
    /// Whose it is
    #[arg(long)]
    pub(crate) owner: String,
    /// What it may ask for
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["chat", "finance"])]
    pub(crate) scopes: Vec<Scope>,
    /// Its last day, as 2027-06-30, in UTC [default: none]
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<chrono::NaiveDate>,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Say whether a model can be served, what of it would not work, and what memory it takes
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AnalyseArgs {
    /// FEC, balance générale, bilan, compte de résultat (CSV, XLSX, ODS) or annual report (ESEF); several of a company
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The last day of the fiscal year, as 2024-12-31, where a file does not say it
    #[arg(long, value_name = "DATE")]
    pub(crate) end: Option<chrono::NaiveDate>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How an analysis is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for a terminal
    Table,
    Markdown,
    /// For a French spreadsheet: semicolons and decimal commas
    Csv,
    /// A workbook
    Xlsx,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A GGUF file or a safetensors folder
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A configuration file; configs/default.toml has every key
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// A GGUF file, or a folder with config.json, tokenizer.json and safetensors files [default: zyron-mini, which is
    /// inside this program]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// The model's name in the API [default: the name of the file or folder]
    #[arg(long, value_name = "NAME")]
    model_id: Option<String>,
    /// What runs the model
    #[arg(long)]
    engine: Option<EngineKind>,
    /// The number format of activations and of weights that are not quantized
    #[arg(long)]
    dtype: Option<Dtype>,
    /// Quantize a safetensors model while it loads: q4k, q5k, q6k, q8_0, …
    #[arg(long, value_name = "FORMAT")]
    isq: Option<String>,
    /// The longest prompt plus answer, in tokens
    #[arg(long, value_name = "TOKENS")]
    context_length: Option<usize>,
    /// Requests that run at once
    #[arg(long, value_name = "N")]
    max_sequences: Option<usize>,
    /// The folder for keys and their usage [default: none, and nothing is kept]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// The address to listen on
    #[arg(long)]
    host: Option<std::net::IpAddr>,
    /// The port; 0 takes any that is free
    #[arg(long)]
    port: Option<u16>,
}

/// A running server.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// Where the server is
    #[arg(long, value_name = "URL", global = true, default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The environment variable that holds its key, if it has one
    #[arg(long, value_name = "NAME", global = true, default_value = "ZYRON_API_KEY")]
    pub(crate) key_env: String,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Say which are loaded, which could be, and what they take
    List,
    /// Load one, and wait until it answers
    Load {
        /// Its name
        model: String,
    },
    /// Unload one: its requests end first
    Unload {
        /// Its name
        model: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Print it once, as text, with rates since the server's start
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A GGUF file or safetensors folder to judge [default: a model of 7 billion weights]
    #[arg(long, value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ServeArgs {
    /// The flags given, as configuration keys and values.
    pub(crate) fn overrides(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("model.path", self.model.as_ref().map(|path| path.to_string_lossy().into_owned())),
            ("model.id", self.model_id.clone()),
            ("engine.kind", self.engine.and_then(name_of)),
            ("engine.dtype", self.dtype.and_then(name_of)),
            ("engine.isq", self.isq.clone()),
            ("engine.context_length", self.context_length.map(|tokens| tokens.to_string())),
            ("engine.max_sequences", self.max_sequences.map(|count| count.to_string())),
            ("state.folder", self.state.as_ref().map(|path| path.to_string_lossy().into_owned())),
            ("server.host", self.host.map(|host| host.to_string())),
            ("server.port", self.port.map(|port| port.to_string())),
        ];
        given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

fn name_of(value: impl ValueEnum) -> Option<String> {
    value.to_possible_value().map(|value| value.get_name().to_owned())
}

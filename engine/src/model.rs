//! A model on disk: checked, described, with its tokenizer and chat template. The weights stay where they are; a
//! backend loads them afterwards, from files that are known to be whole.

mod gguf_file;
mod safetensors_folder;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::gguf::GgufError;
use crate::template::{ChatTemplate, NamedTokens, TemplateError};
use crate::tensors::TensorInfo;
use crate::tokenizer::{Tokenizer, TokenizerError};

/// The longest JSON file, but for the tokenizer's, and chat template: an index of 200,000 tensors is half as long.
const MAX_TEXT_BYTES: u64 = 32_000_000;
/// More than any model card has.
const MAX_CARD_BYTES: usize = 1_000_000;

/// Where a model's weights are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// One GGUF file.
    Gguf(PathBuf),
    /// A folder with `config.json`, `tokenizer.json` and safetensors files, as Hugging Face lays it out.
    Safetensors(PathBuf),
}

/// How an embedding model makes one vector of those of a text's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
    /// The last token's.
    Last,
}

impl Pooling {
    /// Its name, as Sentence Transformers and vLLM have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Last => "last",
        }
    }
}

/// A model that can be loaded.
#[derive(Debug)]
pub struct Model {
    /// Its name in the API.
    pub id: String,
    /// Where its weights are.
    pub weights: Weights,
    /// Its architecture as its files name it: `llama` (GGUF) or `LlamaForCausalLM` (safetensors).
    pub architecture: String,
    /// The number format of most of its weights on disk, such as `Q4_K` or `BF16`.
    pub quantization: String,
    /// The longest prompt plus answer, in tokens.
    pub context_length: usize,
    /// Who made it, as far as its files say.
    pub owned_by: Option<String>,
    /// What it is and is not for, as far as its files say.
    pub description: Option<String>,
    /// Its model card, in Markdown: `README.md` in its folder or, for a GGUF file, that or a file of its name that ends
    /// in `.md`.
    pub card: Option<String>,
    /// Its tensors, as the headers of its files have them.
    pub tensors: Vec<TensorInfo>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its control tokens that have a name.
    pub tokens: NamedTokens,
    /// Its chat template; a base model has none.
    pub template: Option<ChatTemplate>,
    /// How it makes embeddings, where it is an embedding model; such a one generates no text.
    pub pooling: Option<Pooling>,
}

/// Why a model cannot be served. Each message is one sentence for the operator, and whole: no source adds to it.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Nothing is at the path.
    #[error("there is no model at `{0}`: it is neither a GGUF file nor a folder")]
    NotFound(PathBuf),
    /// A file of the folder is missing.
    #[error("the folder `{folder}` is not a model: it has no {file}")]
    MissingFile {
        /// The model's folder.
        folder: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// A file could not be read.
    #[error("`{path}` cannot be read: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("`{path}` is damaged: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// It is whole, and of a kind that cannot be served.
    #[error("`{path}` cannot be served: {detail}")]
    Unsupported {
        /// The model.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The GGUF file is not usable.
    #[error("`{path}` cannot be used: {reason}")]
    Gguf {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: GgufError,
    },
    /// The tokenizer is not usable.
    #[error("the model at `{path}` cannot be served: {reason}")]
    Tokenizer {
        /// The model.
        path: PathBuf,
        /// Why.
        reason: TokenizerError,
    },
    /// The chat template is not usable.
    #[error("the model at `{path}` cannot be served: {reason}")]
    Template {
        /// The model.
        path: PathBuf,
        /// Why.
        reason: TemplateError,
    },
}

impl Model {
    /// Reads and checks the model at `path`, a GGUF file or a folder. Nothing is fetched from anywhere.
    ///
    /// # Errors
    /// [`ModelError`], in one sentence.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let metadata = std::fs::metadata(path).map_err(|reason| match reason.kind() {
            std::io::ErrorKind::NotFound => ModelError::NotFound(path.to_owned()),
            _ => ModelError::Io { path: path.to_owned(), reason },
        })?;
        // Backends resolve a relative path against other folders, or take it for the name of a model on a hub.
        let path = path.canonicalize().map_err(|reason| ModelError::Io { path: path.to_owned(), reason })?;
        let (mut model, cards) = match metadata.file_type() {
            kind if kind.is_dir() => (safetensors_folder::open(&path)?, vec![path.join("README.md")]),
            kind if kind.is_file() => {
                (gguf_file::open(&path)?, vec![path.with_extension("md"), path.with_file_name("README.md")])
            }
            // Reading a pipe could wait for ever.
            _ => return Err(ModelError::NotFound(path)),
        };
        model.card = cards.iter().find_map(|card| Self::read_card(card).transpose()).transpose()?;
        Ok(model)
    }

    /// The models in a folder, each with its name, in order: GGUF files, and folders that have a `config.json`. They are
    /// not opened.
    ///
    /// # Errors
    /// [`ModelError::Io`] where the folder cannot be read.
    pub fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
        let io = |reason| ModelError::Io { path: folder.to_owned(), reason };
        let mut models = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let is_gguf = path.extension().is_some_and(|extension| extension == "gguf") && path.is_file();
            if is_gguf || path.join("config.json").is_file() {
                models.push((name_of(&path, if is_gguf { ".gguf" } else { "" }), path));
            }
        }
        models.sort();
        // Of a file and a folder with the same name, which is meant would be a guess; it is always the same.
        models.dedup_by(|later, earlier| later.0 == earlier.0);
        Ok(models)
    }

    /// The model card in a file, if that is there.
    ///
    /// # Errors
    /// [`ModelError`] where it cannot be read, or is too long to be given to everybody who asks.
    pub fn read_card(path: &Path) -> Result<Option<String>, ModelError> {
        let card = read_text(path)?;
        if card.as_ref().is_some_and(|card| card.len() > MAX_CARD_BYTES) {
            let detail = format!("a model card has no more than {MAX_CARD_BYTES} bytes");
            return Err(ModelError::Damaged { path: path.to_owned(), detail });
        }
        Ok(card)
    }

    fn compile_template(
        path: &Path,
        source: Option<&str>,
        tokens: NamedTokens,
    ) -> Result<Option<ChatTemplate>, ModelError> {
        let template = source.map(|source| ChatTemplate::new(source, tokens)).transpose();
        template.map_err(|reason| ModelError::Template { path: path.to_owned(), reason })
    }
}

/// A text file of a model, if there is one.
fn read_text(path: &Path) -> Result<Option<String>, ModelError> {
    let io = |reason| ModelError::Io { path: path.to_owned(), reason };
    let damaged = |detail: String| ModelError::Damaged { path: path.to_owned(), detail };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(reason) => return Err(io(reason)),
    };
    // A pipe could keep its reader for ever, a device send it bytes for ever.
    if !metadata.is_file() {
        return Err(damaged("it is not a file".to_owned()));
    }
    if metadata.len() > MAX_TEXT_BYTES {
        return Err(damaged(format!("it is longer than {} MB", MAX_TEXT_BYTES / 1_000_000)));
    }
    std::fs::read_to_string(path).map(Some).map_err(io)
}

/// The last part of `path`, without `extension`.
fn name_of(path: &Path, extension: &str) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    name.strip_suffix(extension).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod damage_tests;

//! The targets, a module each, and what they have in common.

pub mod accounts;
pub mod answer;
#[cfg(feature = "server")]
pub mod batch_lines;
pub mod chat_template;
pub mod figures;
pub mod gguf;
pub mod grammar;
pub mod ledger;
pub mod model_folder;
#[cfg(feature = "server")]
pub mod requests;
pub mod sse;
pub mod tokenizer;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zyron_engine::{Conversation, Model};

/// A folder of this process, for what is read by its path.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder can be made"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file of this name, with these bytes from now on.
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("a file can be written");
        path
    }
}

/// `bytes` in pieces of the lengths that `seed` gives, one to eight bytes each.
fn pieces(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut left = bytes;
    let mut state = u32::from(seed);
    let mut pieces = Vec::new();
    while !left.is_empty() {
        // The multiplier of Numerical Recipes; its upper bits are the better ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, rest) = left.split_at(left.len().min(1 + (state >> 29) as usize));
        pieces.push(piece);
        left = rest;
    }
    pieces
}

/// `text` in pieces of whole characters, where [`pieces`] would cut it.
fn text_pieces(text: &str, seed: u8) -> Vec<&str> {
    let mut start = 0;
    let mut end = 0;
    let mut found = Vec::new();
    for piece in pieces(text.as_bytes(), seed) {
        end += piece.len();
        if text.is_char_boundary(end) {
            found.push(&text[start..end]);
            start = end;
        }
    }
    found
}

/// Opens the model and, where that works, uses what was read as a server would.
fn try_model(path: &Path) {
    let Ok(model) = Model::open(path) else { return };
    let text = "ab é<|im_end|> 12\n";
    for tokens in [model.tokenizer.encode(text, true), model.tokenizer.encode_rendered(&model.tokenizer.protect(text))]
    {
        for id in tokens.unwrap_or_default() {
            let _ = (model.tokenizer.spelling(id), model.tokenizer.shown_bytes(id));
        }
    }
    for id in model.tokenizer.end_of_sequence() {
        let _ = (model.tokenizer.spelling(id), model.tokenizer.shown_bytes(id));
    }
    let _ = model.template.as_ref().map(|template| template.render(&Conversation::default()));
    assert!(model.context_length > 0 && !model.tensors.is_empty() && !model.quantization.is_empty());
    assert!(model.tensors.iter().all(|tensor| tensor.elements == tensor.shape.iter().product::<u64>()));
}

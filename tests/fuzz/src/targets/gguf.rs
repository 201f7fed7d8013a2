//! A GGUF file: its header, and the tokenizer and the template that it describes.

use std::sync::LazyLock;

use super::Folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);

/// The file.
pub fn run(data: &[u8]) {
    super::try_model(&FOLDER.write("model.gguf", data));
}

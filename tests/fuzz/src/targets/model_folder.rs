//! A model's folder as Hugging Face lays it out, with a file in it that may say anything.

use std::fs;
use std::sync::LazyLock;

use serde_json::json;
use zyron_engine::scripted::byte_tokenizer_json;

use super::Folder;

/// The files that are read.
const FILES: [&str; 8] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
    "model.safetensors",
    "tokenizer.json",
];

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new();
    for name in FILES {
        restore(&folder, name);
    }
    folder
});

/// The first byte says which file the others are.
pub fn run(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else { return };
    let name = FILES[usize::from(which) % FILES.len()];
    FOLDER.write(name, bytes);
    super::try_model(FOLDER.path());
    restore(&FOLDER, name);
}

/// The file as it is in a folder without fault: some are in none.
fn restore(folder: &Folder, name: &str) {
    let json = match name {
        "config.json" => {
            json!({"architectures": ["MistralForCausalLM"], "max_position_embeddings": 128, "eos_token_id": [7, 257]})
        }
        "tokenizer_config.json" => json!({"bos_token": {"content": "<|im_start|>"}, "eos_token": "<|im_end|>"}),
        "tokenizer.json" => byte_tokenizer_json(),
        "model.safetensors" => {
            let header = br#"{"w":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}"#;
            folder.write(name, &[&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat());
            return;
        }
        _ => {
            // Where there is none, there is none to remove.
            let _ = fs::remove_file(folder.path().join(name));
            return;
        }
    };
    folder.write(name, json.to_string().as_bytes());
}

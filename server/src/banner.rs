//! What the operator reads on the terminal while the server starts.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use zyron_engine::{Engine, Model, Weights};

pub(crate) fn loading(model: &Model) {
    let (Weights::Gguf(path) | Weights::Safetensors(path)) = &model.weights;
    let size = size_of(path) as f64 / 1e6;
    println!(
        "Loading {} ({}, {}, {size:.0} MB, context of {} tokens)…",
        model.id, model.architecture, model.quantization, model.context_length
    );
    if model.card.is_none() {
        println!("It has no model card: put README.md beside its weights to say what it is for and what it is not.");
    }
}

fn size_of(path: &Path) -> u64 {
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let paths = entries.flatten().map(|entry| entry.path());
            paths
                .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
                .map(|path| length(&path))
                .sum()
        }
        Err(_) => length(path),
    }
}

/// How much llama.cpp's cache holds.
#[cfg(feature = "llama_cpp")]
pub(crate) fn cache(loaded: zyron_engine_llama_cpp::Loaded) {
    let megabytes = loaded.kv_cache_bytes as f64 / 1e6;
    println!(
        "{} requests at once share a cache of {} tokens ({megabytes:.0} MB).",
        loaded.sequences, loaded.kv_cache_tokens
    );
}

pub(crate) fn loaded(engine: &dyn Engine, took: Duration) {
    let context = engine.context_length();
    println!(
        "Loaded with {} in {:.1} s; a prompt and its answer hold up to {context} tokens.",
        engine.name(),
        took.as_secs_f64()
    );
}

pub(crate) fn grpc(address: SocketAddr) {
    println!("The Open Inference Protocol, over gRPC, is at {address}");
}

pub(crate) fn ready(base: &str, model: &str, needs_key: bool) {
    let (header, key) = if needs_key {
        (" \\\n    -H \"Authorization: Bearer $ZYRON_API_KEY\"", "os.environ[\"ZYRON_API_KEY\"]")
    } else {
        ("", "\"none\"")
    };
    let import = if needs_key { "import os\n" } else { "" };
    println!(
        r#"Zyron is ready at {base}

  curl {base}/v1/chat/completions{header} \
    -H "Content-Type: application/json" \
    -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Bonjour !"}}], "max_tokens": 64}}'

{import}from openai import OpenAI
client = OpenAI(base_url="{base}/v1", api_key={key})
answer = client.chat.completions.create(
    model="{model}", messages=[{{"role": "user", "content": "Bonjour !"}}], max_tokens=64
)
print(answer.choices[0].message.content)
"#
    );
}

pub(crate) fn passing_on(base: &str, servers: &[String]) {
    println!("Zyron is ready at {base} and passes requests on to {}", servers.join(", "));
}

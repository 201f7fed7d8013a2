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
pub(crate) fn cache(loaded: zyron_engine_llama_cpp::Loaded, model: &Model) {
    let megabytes = loaded.kv_cache_bytes as f64 / 1e6;
    if model.pooling.is_some() {
        println!("Up to {} texts are embedded at once, in {megabytes:.0} MB.", loaded.sequences);
        return;
    }
    println!(
        "{} requests at once share a cache of {} tokens ({megabytes:.0} MB).",
        loaded.sequences, loaded.kv_cache_tokens
    );
}

pub(crate) fn loaded(model: &Model, engine: &dyn Engine, took: Duration) {
    let context = engine.context_length();
    let holds = if model.pooling.is_some() { "a text holds" } else { "a prompt and its answer hold" };
    println!("Loaded with {} in {:.1} s; {holds} up to {context} tokens.", engine.name(), took.as_secs_f64());
}

pub(crate) fn grpc(address: SocketAddr) {
    println!("The Open Inference Protocol, over gRPC, is at {address}");
}

pub(crate) fn ready(base: &str, model: &Model, needs_key: bool) {
    let (header, key) = if needs_key {
        (" \\\n    -H \"Authorization: Bearer $ZYRON_API_KEY\"", "os.environ[\"ZYRON_API_KEY\"]")
    } else {
        ("", "\"none\"")
    };
    let import = if needs_key { "import os\n" } else { "" };
    let id = &model.id;
    let (path, asked, call, shown) = if model.pooling.is_some() {
        let input = "Le besoin en fonds de roulement";
        (
            "embeddings",
            format!(r#""input": "{input}""#),
            format!(r#"client.embeddings.create(model="{id}", input="{input}")"#),
            "answer.data[0].embedding",
        )
    } else {
        let fields = r#""messages": [{"role": "user", "content": "Bonjour !"}], "max_tokens": 64"#;
        (
            "chat/completions",
            fields.to_owned(),
            format!(
                "client.chat.completions.create(\n    model=\"{id}\", \
                 messages=[{{\"role\": \"user\", \"content\": \"Bonjour !\"}}], max_tokens=64\n)"
            ),
            "answer.choices[0].message.content",
        )
    };
    println!(
        r#"Zyron is ready at {base}

  curl {base}/v1/{path}{header} \
    -H "Content-Type: application/json" \
    -d '{{"model": "{id}", {asked}}}'

{import}from openai import OpenAI
client = OpenAI(base_url="{base}/v1", api_key={key})
answer = {call}
print({shown})
"#
    );
}

pub(crate) fn passing_on(base: &str, servers: &[String]) {
    println!("Zyron is ready at {base} and passes requests on to {}", servers.join(", "));
}

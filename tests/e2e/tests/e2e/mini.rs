//! zyron-mini, the model inside the program: it is served where no other is named, it does what its card says, and in
//! each of its forms it is the network that was trained.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_model::export;

use crate::binary::serve;
use crate::real_model::{RealServer, text};

/// In the repository.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/zyron-mini")
}

#[tokio::test]
async fn it_is_served_where_no_model_is_named_and_leaves_no_file() {
    let temporary = TempDir::new().unwrap();
    let mut command = serve(&[]);
    command.env("TMPDIR", temporary.path());
    let server = RealServer::start_by(command).await;
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    let model = &server.get("/v1/models").await["data"][0];
    assert_eq!(model["id"], "zyron-mini");
    assert!(model["description"].as_str().unwrap().contains("démonstration"), "{model}");

    let definition = server.chat("Qu'est-ce que l'amortissement ?", json!({"temperature": 0, "max_tokens": 100})).await;
    assert!(text(&definition).to_lowercase().contains("amortissement"), "{definition}");
    assert_eq!(definition["choices"][0]["finish_reason"], "stop");

    let sheet = "Boulangerie Martin : exercice 2023 (en k€)\n- Chiffre d'affaires : 1 240\n- Excédent brut \
                 d'exploitation : 187\n- Résultat net : 62\n\nQuel est le résultat net en 2023 ?";
    let figure = server.chat(sheet, json!({"temperature": 0, "max_tokens": 60})).await;
    assert!(text(&figure).contains("62"), "{figure}");
}

#[tokio::test]
async fn it_knows_its_definitions_by_heart() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/knowledge/definitions.jsonl");
    let definitions = std::fs::read_to_string(file).unwrap();
    let definitions = definitions.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let server = RealServer::start(&[]).await;
    let (mut asked, mut forgotten) = (0, Vec::new());
    for definition in definitions.step_by(12) {
        let term = definition["term"].as_str().unwrap();
        let article = match definition["gender"].as_str().unwrap() {
            "mp" | "fp" => "les ",
            _ if term.starts_with(['a', 'e', 'i', 'o', 'u', 'é', 'è', 'ê', 'â', 'î', 'ô']) => "l'",
            "m" => "le ",
            _ => "la ",
        };
        let question = format!("Qu'est-ce que {article}{term}\u{a0}?");
        let answer = server.chat(&question, json!({"temperature": 0, "max_tokens": 120})).await;
        let plain = |text: &str| text.replace(['\u{a0}', '\u{202f}'], " ");
        asked += 1;
        if !plain(text(&answer)).starts_with(&plain(definition["short"].as_str().unwrap())) {
            forgotten.push(term.to_owned());
        }
    }
    assert!(forgotten.len() * 10 <= asked, "{asked} asked, forgotten: {forgotten:?}");
}

#[tokio::test]
async fn it_calls_a_tool_that_fits() {
    let server = RealServer::start(&[]).await;
    let tool = json!({"type": "function", "function": {
        "name": "convertir",
        "description": "Convertit un montant d'une devise dans une autre.",
        "parameters": {
            "type": "object",
            "properties": {
                "montant": {"type": "number", "description": "Montant à convertir"},
                "de": {"type": "string", "description": "Code ISO de la devise de départ"},
                "vers": {"type": "string", "description": "Code ISO de la devise d'arrivée"},
            },
            "required": ["montant", "de", "vers"],
        },
    }});
    let answer = server.chat("Convertis 45 000 € en dollars.", json!({"temperature": 0, "tools": [tool]})).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{answer}");
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "convertir");
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["montant"], 45_000);
}

/// What it is compared on: prose, a table and a conversation, in the characters that French needs.
const TEXTS: [&str; 3] = [
    "Le besoin en fonds de roulement naît du décalage entre les dépenses et les recettes : l'entreprise paie ses \
     fournisseurs avant d'être payée par ses clients. Œuvre, naïveté, 1 234,56 €, 12\u{202f}% — « déjà vu ».",
    "| | 2021 | 2022 |\n|---|---|---|\n| Chiffre d'affaires | 4 795 | 5 130 |\n| Résultat net | -393 | 213 |",
    "[INST]Qu'est-ce que la valeur ajoutée ?[/INST]La valeur ajoutée mesure la richesse créée par l'entreprise.</s>",
];

/// The log-probabilities that a server gives `tokens`, but for the first.
async fn read(server: &RealServer, tokens: &[u32]) -> Vec<f64> {
    let answer =
        server.post("/v1/completions", json!({"prompt": tokens, "echo": true, "logprobs": 0, "max_tokens": 0}));
    let answer: Value = answer.await.json().await.unwrap();
    let logprobs = answer["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
    logprobs[1..].iter().map(|logprob| logprob.as_f64().unwrap()).collect()
}

async fn tokenize(server: &RealServer, text: &str) -> Vec<u32> {
    let answer: Value = server.post("/tokenize", json!({"prompt": text})).await.json().await.unwrap();
    serde_json::from_value(answer["tokens"].clone()).unwrap()
}

/// The log-probabilities by the network that was trained, over its own vocabulary.
fn expected(network: &zyron_model::network::Network, tokens: &[u32]) -> Vec<f64> {
    let logits = network.logits(tokens).unwrap().to_vec2::<f32>().unwrap();
    let logprob = |(row, &next): (&Vec<f32>, &u32)| {
        let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
        f64::from(row[next as usize]) - sum.ln()
    };
    logits.iter().zip(&tokens[1..]).map(logprob).collect()
}

#[tokio::test]
async fn both_engines_compute_what_was_trained() {
    let (network, tokenizer) = export::read(&folder()).unwrap();
    let exact = TempDir::new().unwrap();
    let gguf = exact.path().join("exact.gguf");
    export::write_exact_gguf(&gguf, &network, &tokenizer).unwrap();
    let arguments = ["--model", gguf.to_str().unwrap()];
    let llama_cpp = RealServer::start_with(&[("ENGINE__KV_CACHE_TYPE", "f32")], &arguments).await;
    let mistralrs = RealServer::start(&["--model", folder().to_str().unwrap(), "--dtype", "f32"]).await;
    for text in TEXTS {
        let tokens = tokenize(&mistralrs, text).await;
        assert_eq!(tokens, tokenize(&llama_cpp, text).await);
        let expected = expected(&network, &tokens);
        for server in [&llama_cpp, &mistralrs] {
            let apart = read(server, &tokens)
                .await
                .iter()
                .zip(&expected)
                .map(|(one, other)| (one - other).abs())
                .fold(0.0, f64::max);
            assert!(apart <= 1e-3, "{} is {apart} apart: {text}", server.model);
        }
    }
    for question in ["Qu'est-ce que le bilan ?", "Définis la marge brute.", "À quoi sert l'AMF ?", "Bonjour"] {
        let greedy = json!({"temperature": 0, "max_tokens": 80});
        let (one, other) = (llama_cpp.chat(question, greedy.clone()).await, mistralrs.chat(question, greedy).await);
        assert_eq!(text(&one), text(&other), "{question}");
    }
}

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_e2e::{chat, chat_chunks, error, setup};

use crate::real_model::RealServer;

fn verify(arguments: &[&str]) -> Output {
    crate::binary::command(&["provenance", "verify"]).args(arguments).output().unwrap()
}

fn written(folder: &TempDir, name: &str, text: &str) -> String {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn an_answer_that_is_signed_is_known_again_and_no_other() {
    let folder = TempDir::new().unwrap();
    let server = setup().with("state.folder", folder.path().join("state").display()).obeys().await;
    let body = chat("say Bonjour à tous", json!({"zyron_provenance": true, "n": 2}));
    let answer = server.chat(&body).await.text().await.unwrap();
    let keys = server.get("/.well-known/jwks.json").send().await.unwrap().text().await.unwrap();
    let (file, keys) = (written(&folder, "answer.json", &answer), written(&folder, "jwks.json", &keys));
    let known = verify(&[&file, "--keys", &keys]);
    let told = String::from_utf8(known.stdout).unwrap();
    assert!(known.status.success() && told.contains("by the model scripted") && told.contains("choice 1"), "{told}");

    let changed = written(&folder, "changed.json", &answer.replace("Bonjour", "Bonsoir"));
    let refused = String::from_utf8(verify(&[&changed, "--keys", &keys]).stderr).unwrap();
    assert!(refused.contains("of another text"), "{refused}");

    let body = chat("say Bonjour à tous", json!({"zyron_provenance": true, "stream": true}));
    let chunks: Vec<_> = chat_chunks(server.chat(&body).await).await.into_iter().map(Result::unwrap).collect();
    let last = chunks.iter().rev().find(|chunk| chunk.choices[0].finish_reason.is_some()).unwrap();
    let token = last.choices[0].delta.zyron_provenance.as_deref().unwrap();
    let text: String = chunks.iter().filter_map(|chunk| chunk.choices[0].delta.content.as_deref()).collect();
    let text = written(&folder, "answer.txt", &text);
    assert!(verify(&[&text, "--token", token, "--keys", &keys]).status.success());

    let unsigned = server.chat(&chat("say a", json!({}))).await.text().await.unwrap();
    assert!(!unsigned.contains("zyron_provenance"));
    let unsigned = written(&folder, "unsigned.json", &unsigned);
    assert!(String::from_utf8(verify(&[&unsigned, "--keys", &keys]).stderr).unwrap().contains("no claim"));
}

#[tokio::test]
async fn the_model_inside_the_program_is_signed_for_by_its_weights() {
    let state = TempDir::new().unwrap();
    let server = RealServer::start(&["--state", state.path().to_str().unwrap()]).await;
    let answer = server.chat("Bonjour", json!({"zyron_provenance": true, "max_tokens": 4})).await;
    let folder = TempDir::new().unwrap();
    let file = written(&folder, "answer.json", &answer.to_string());
    let known = verify(&[&file, "--url", &server.base]);
    let told = String::from_utf8(known.stdout).unwrap();
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/zyron-mini/zyron-mini.Q8_0.gguf");
    let digest = zyron_server::weights_digest(&zyron_engine::Weights::Gguf(weights)).unwrap();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(known.status.success() && told.contains(&format!("weights {digest}")), "{told}");
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused() {
    let server = setup().obeys().await;
    let refused = error(server.chat(&chat("say a", json!({"zyron_provenance": true}))).await, 400).await;
    assert_eq!(refused["param"], "zyron_provenance");
    error(server.get("/.well-known/jwks.json").send().await.unwrap(), 404).await;
}

#[tokio::test]
async fn every_answer_of_a_model_is_marked_and_nothing_else() {
    let server = setup().with("responses.store", true).obeys().await;
    let is_marked = |response: &reqwest::Response| {
        response.headers().get("x-ai-generated").map(|value| value.to_str().unwrap() == "true")
    };
    let stored: Value = {
        let body = json!({"model": "scripted", "input": "say a"});
        let response = server.post("/v1/responses", &body).send().await.unwrap();
        assert_eq!(is_marked(&response), Some(true));
        response.json().await.unwrap()
    };
    let kept = format!("/v1/responses/{}", stored["id"].as_str().unwrap());
    assert_eq!(is_marked(&server.get(&kept).send().await.unwrap()), Some(true));
    let analysis = json!({"model": "scripted", "question": "say a"});
    for (path, body) in [
        ("/v1/chat/completions", chat("say a", json!({"stream": true}))),
        ("/v1/completions", json!({"model": "scripted", "prompt": "say a"})),
        ("/v1/finance/analyses", analysis),
    ] {
        assert_eq!(is_marked(&server.post(path, &body).send().await.unwrap()), Some(true), "{path}");
    }
    assert_eq!(is_marked(&server.get("/v1/models").send().await.unwrap()), None);
    assert_eq!(is_marked(&server.chat(&json!({"model": "scripted"})).await), None);
    // Whatever answers with what a model has written is in the list: in the document, what streams is.
    let document: Value = server.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let answer = &item["post"]["responses"]["200"];
        let is_streamed = answer["content"]["text/event-stream"].is_object();
        assert_eq!(is_streamed, answer["headers"]["x-ai-generated"].is_object(), "{path}");
    }
}

#[tokio::test]
async fn a_model_is_served_with_its_card() {
    let server = RealServer::start(&[]).await;
    let model = server.get("/v1/models/zyron-mini").await;
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../model/zyron-mini/README.md");
    assert_eq!(model["card"].as_str().unwrap(), std::fs::read_to_string(card).unwrap());
    assert!(server.get("/v1/models").await["data"][0].get("card").is_none());
}

#[test]
fn a_model_without_a_card_is_refused_where_one_is_required() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model.gguf");
    std::os::unix::fs::symlink(crate::binary::checkpoint(), &model).unwrap();
    let mut command = crate::binary::serve(&["--model", model.to_str().unwrap()]);
    let output = command.env("ZYRON__MODEL__REQUIRE_CARD", "true").output().unwrap();
    assert!(crate::binary::sentence(&output).contains("has no model card"));
    let mut command = crate::binary::serve(&["--model", model.to_str().unwrap()]);
    let output = command.env("ZYRON__MODEL__CARD", folder.path().join("none.md")).output().unwrap();
    assert!(crate::binary::sentence(&output).contains("none.md"));
}

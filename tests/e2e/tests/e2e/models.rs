use serde_json::{Value, json};
use zyron_e2e::{CONTEXT, error, setup};

#[tokio::test]
async fn the_model_is_listed_and_described() {
    let server = setup().says("ok").await;
    let list: Value = server.get("/v1/models").send().await.unwrap().json().await.unwrap();
    assert_eq!(list["object"], "list");
    let model: Value = server.get("/v1/models/scripted").send().await.unwrap().json().await.unwrap();
    assert_eq!(list["data"], json!([model]));
    assert_eq!((&model["object"], &model["context_length"]), (&json!("model"), &json!(CONTEXT)));
    let unknown = error(server.get("/v1/models/gpt-4o").send().await.unwrap(), 404).await;
    assert_eq!(unknown["code"], "model_not_found");
}

#[tokio::test]
async fn the_document_lists_every_route() {
    let server = setup().says("ok").await;
    let document: Value = server.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    let expected = [
        "/.well-known/jwks.json",
        "/detokenize",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/tokenize",
        "/tokenizer_info",
        "/v1/admin/models",
        "/v1/admin/models/load",
        "/v1/admin/models/unload",
        "/v1/batches",
        "/v1/batches/{batch_id}",
        "/v1/batches/{batch_id}/cancel",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/files",
        "/v1/files/{file_id}",
        "/v1/files/{file_id}/content",
        "/v1/finance/analyses",
        "/v1/finance/statements",
        "/v1/finance/templates",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/responses",
        "/v1/responses/{response_id}",
        "/v1/responses/{response_id}/cancel",
        "/v1/usage",
    ];
    assert_eq!(paths, expected);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

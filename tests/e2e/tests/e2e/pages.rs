use serde_json::{Value, json};
use zyron_e2e::{chat, completion, setup};

#[tokio::test]
async fn answers_carry_the_headers_of_openai() {
    let server = setup().says("ok").await;
    for response in [server.chat(&chat("Salut", json!({}))).await, server.chat(&json!({})).await] {
        let headers = response.headers();
        assert_eq!(headers["openai-version"], "2020-10-01");
        assert!(headers["openai-processing-ms"].to_str().unwrap().parse::<u64>().is_ok());
        assert!(headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn pages_of_configured_origins_may_call() {
    let preflight = async |origin: &str| {
        let server = setup().origin(origin).key("a-key-of-twenty-letters").says("ok").await;
        let request = server.client.request(reqwest::Method::OPTIONS, format!("{}/v1/chat/completions", server.base));
        let request = request
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,x-stainless-lang");
        let response = request.send().await.unwrap();
        response.headers().get("access-control-allow-origin").map(|origin| origin.to_str().unwrap().to_owned())
    };
    assert_eq!(preflight("https://app.example").await.as_deref(), Some("https://app.example"));
    assert_eq!(preflight("https://other.example").await, None);
    let closed = setup().key("a-key-of-twenty-letters").says("ok").await;
    let response = closed.get("/v1/models").header("origin", "https://app.example").send().await.unwrap();
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let request = closed.client.request(reqwest::Method::OPTIONS, format!("{}/v1/models", closed.base));
    assert_ne!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_reference_page_needs_nothing_from_elsewhere() {
    let server = setup().key("a-key-of-twenty-letters").says("ok").await;
    let response = server.get("/docs/").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = response.text().await.unwrap();
    assert!(!page.contains("https://"), "{page}");
    for file in page.split('"').filter_map(|part| part.strip_prefix("./")) {
        let response = server.get(&format!("/docs/{file}")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{file}");
    }
    let script = server.get("/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    assert!(script.contains("/openapi.json"));
}

/// Each example of the document, sent to the server it describes.
#[tokio::test]
async fn the_examples_of_the_document_work() {
    let (server, embedding) = (setup().obeys().await, setup().embeds().await);
    let document: Value = server.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    let mut sent = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let content = &operations["post"]["requestBody"]["content"]["application/json"];
        let one = content.get("example").cloned();
        let several =
            content["examples"].as_object().into_iter().flatten().map(|(_, example)| example["value"].clone());
        for mut example in one.into_iter().chain(several) {
            let mut asked = &server;
            match example["model"].as_str() {
                Some("MODEL") => example["model"] = "scripted".into(),
                Some("EMBEDDING_MODEL") => {
                    example["model"] = "scripted-embedding".into();
                    asked = &embedding;
                }
                _ => {}
            }
            // The one would end the others, and the other needs a file.
            if matches!(path.as_str(), "/v1/admin/models/unload" | "/v1/batches") {
                continue;
            }
            let response = asked.post(path, &example).send().await.unwrap();
            assert_eq!(response.status(), 200, "{path} {example}");
            sent += 1;
        }
        let describes_a_body = operations["post"]["requestBody"].is_object();
        assert!(!describes_a_body || sent > 0, "{path} has no example");
    }
    assert!(sent >= 8, "only {sent} examples");
    // The smallest requests there are.
    assert_eq!(server.chat(&chat("Salut", json!({}))).await.status(), 200);
    assert_eq!(server.complete(&completion("Salut", json!({}))).await.status(), 200);
}

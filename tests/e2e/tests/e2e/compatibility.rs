//! What docs/compatibility.md says of requests, sent to a server: openapi/reference/compatibility.json, request by
//! request. `xtask/src/compat/statuses.rs` describes the file.

use serde_json::{Map, Value, json};
use zyron_e2e::{TestServer, setup};

fn statuses() -> Value {
    let text = include_str!("../../../../openapi/reference/compatibility.json");
    serde_json::from_str(text).unwrap()
}

/// The smallest request of an operation.
fn smallest(operation: &str) -> Value {
    match operation {
        "POST /chat/completions" => json!({"model": "scripted", "messages": [{"role": "user", "content": "Salut"}]}),
        "POST /completions" => json!({"model": "scripted", "prompt": "Salut"}),
        "POST /embeddings" => json!({"model": "scripted-embedding", "input": "Salut"}),
        "POST /responses" => json!({"model": "scripted", "input": "Salut"}),
        _ => json!({}),
    }
}

/// What is wrong with how a request was answered, if anything.
async fn complaint(server: &TestServer, operation: &str, patch: &Value, status: &str, param: &str) -> Option<String> {
    let mut body = smallest(operation);
    body.as_object_mut()?.extend(patch.as_object()?.clone());
    let (method, path) = operation.split_once(' ')?;
    let path = match patch["model"].as_str() {
        Some(model) if path.contains("{model}") => format!("/v1{}", path.replace("{model}", model)),
        _ => format!("/v1{path}"),
    };
    let request = if method == "GET" { server.get(&path) } else { server.post(&path, &body) };
    let response = request.send().await.unwrap();
    let (code, text) = (response.status().as_u16(), response.text().await.unwrap());
    if status != "refused" {
        return (code != 200).then(|| format!("{operation} {patch} is said to be {status}, but: {text}"));
    }
    let given = serde_json::from_str::<Value>(&text).unwrap_or_default()["error"]["param"].clone();
    let named = given.as_str().is_some_and(|given| given.starts_with(param));
    (code != 400 || !named)
        .then(|| format!("{operation} {patch} is said to be refused as `{param}`, but {code}: {text}"))
}

/// The patch with the id of an answer that is kept in place of `$stored`.
async fn with_stored(patch: &Value, keeping: &TestServer) -> Value {
    let text = patch.to_string();
    if !text.contains("$stored") {
        return patch.clone();
    }
    let answer = keeping.post("/v1/responses", &smallest("POST /responses")).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    serde_json::from_str(&text.replace("$stored", answer["id"].as_str().unwrap())).unwrap()
}

#[tokio::test]
async fn every_request_is_answered_as_the_page_says() {
    let server = setup().obeys().await;
    let embedding = setup().embeds().await;
    let keeping = setup().with("responses.store", true).obeys().await;
    let mut complaints = Vec::new();
    let mut sent = 0;
    for (operation, sides) in statuses().as_object().unwrap() {
        for (field, entry) in sides["request"].as_object().unwrap_or(&Map::new()) {
            let text = |key: &str| entry[key].as_str();
            let status = text("scripted").or_else(|| text("status")).or(entry.as_str()).unwrap();
            let param = text("param").unwrap_or_else(|| field.split(['.', '[', '(', '=']).next().unwrap());
            let said;
            let server = match (entry["storage"].as_bool().unwrap_or(false), text("says")) {
                (true, _) => &keeping,
                (false, None) if operation == "POST /embeddings" => &embedding,
                (false, None) => &server,
                (false, Some(words)) => {
                    said = setup().says(words).await;
                    &said
                }
            };
            for patch in entry["send"].as_array().into_iter().flatten() {
                sent += 1;
                let patch = &with_stored(patch, &keeping).await;
                complaints.extend(complaint(server, operation, patch, status, param).await);
            }
        }
    }
    assert!(complaints.is_empty(), "{} of {sent}:\n{}", complaints.len(), complaints.join("\n"));
    assert!(sent > 100, "only {sent} requests");
}

//! `/v1/embeddings` over the scripted engine: shapes, order, errors. What real models make of texts is tested with OpenAI's
//! client (tests/embeddings).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use zyron_e2e::{CONTEXT, TestServer, chat, completion, error, setup};

async fn embed(server: &TestServer, more: Value) -> reqwest::Response {
    let mut body = json!({"model": "scripted-embedding"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.post("/v1/embeddings", &body).send().await.unwrap()
}

async fn vectors(server: &TestServer, more: Value) -> Vec<Vec<f64>> {
    let response = embed(server, more).await;
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    let data = body["data"].as_array().unwrap();
    data.iter().map(|item| serde_json::from_value(item["embedding"].clone()).unwrap()).collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

#[tokio::test]
async fn the_answer_has_openai_s_shape() {
    let server = setup().embeds().await;
    let response = embed(&server, json!({"input": ["ab", "c"], "user": "u"})).await;
    assert!(!response.headers().contains_key("x-ai-generated"), "nothing was written");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["object"], &body["model"]), (&json!("list"), &json!("scripted-embedding")));
    assert_eq!(body["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    let items = body["data"].as_array().unwrap();
    let heads: Vec<_> =
        items.iter().map(|item| (item["object"].as_str().unwrap(), item["index"].as_u64().unwrap())).collect();
    assert_eq!(heads, [("embedding", 0), ("embedding", 1)]);
}

#[tokio::test]
async fn many_texts_come_back_in_order_whoever_is_ready_first() {
    let server = setup().parallelism(4).embeds().await;
    let texts: Vec<String> = (0..200).map(|count| "a".repeat(count % 7 + 1) + &"b".repeat(count % 5)).collect();
    let together = vectors(&server, json!({"input": texts})).await;
    assert_eq!(together.len(), texts.len());
    for (text, vector) in texts.iter().zip(&together).step_by(23) {
        assert!((length(vector) - 1.0).abs() < 1e-6);
        assert_eq!(&vectors(&server, json!({"input": text})).await[0], vector, "{text}");
    }
}

#[tokio::test]
async fn a_text_and_its_tokens_are_the_same() {
    let server = setup().embeds().await;
    let expected = vectors(&server, json!({"input": "ab"})).await;
    assert_eq!(vectors(&server, json!({"input": [97, 98]})).await, expected);
    assert_eq!(vectors(&server, json!({"input": [[97, 98]]})).await, expected);
}

#[tokio::test]
async fn base64_has_the_same_numbers() {
    let server = setup().embeds().await;
    let expected = &vectors(&server, json!({"input": "ab", "encoding_format": "float"})).await[0];
    let body: Value = embed(&server, json!({"input": "ab", "encoding_format": "base64"})).await.json().await.unwrap();
    let bytes = BASE64_STANDARD.decode(body["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let numbers: Vec<f64> =
        bytes.as_chunks::<4>().0.iter().map(|&number| f64::from(f32::from_le_bytes(number))).collect();
    assert_eq!(numbers.len(), expected.len());
    assert!(numbers.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-7));
}

#[tokio::test]
async fn fewer_dimensions_are_the_first_ones_at_length_one() {
    let server = setup().embeds().await;
    let whole = &vectors(&server, json!({"input": "ab"})).await[0];
    let short = &vectors(&server, json!({"input": "ab", "dimensions": 3})).await[0];
    assert_eq!(short.len(), 3);
    assert!((length(short) - 1.0).abs() < 1e-6);
    assert!((short[0] / short[1] - whole[0] / whole[1]).abs() < 1e-6);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = setup().with("limits.max_inputs", 3).embeds().await;
    let cases = [
        (json!({"input": ""}), "input"),
        (json!({"input": ["a", ""]}), "input[1]"),
        (json!({"input": []}), "input"),
        (json!({"input": [[97], []]}), "input[1]"),
        (json!({"input": [99_999]}), "input"),
        (json!({"input": ["a", "b", "c", "d"]}), "input"),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "dimensions": 9}), "dimensions"),
        (json!({"input": "a", "encoding_format": "int8"}), "encoding_format"),
        (json!({"input": "a", "truncate": true}), "truncate"),
        (json!({"input": ["a", "b".repeat(CONTEXT + 1)]}), "input[1]"),
    ];
    for (more, param) in cases {
        assert_eq!(error(embed(&server, more.clone()).await, 400).await["param"], param, "{more}");
    }
    let long = embed(&server, json!({"input": "b".repeat(CONTEXT + 1)})).await;
    assert_eq!(error(long, 400).await["code"], "context_length_exceeded");
    assert_eq!(vectors(&server, json!({"input": "b".repeat(CONTEXT)})).await.len(), 1);
}

#[tokio::test]
async fn each_kind_of_model_is_asked_where_it_answers() {
    let server = setup().embeds().await;
    let model = json!({"model": "scripted-embedding"});
    for response in
        [server.chat(&chat("a", model.clone())).await, server.complete(&completion("a", model.clone())).await]
    {
        let error = error(response, 400).await;
        assert_eq!(error["param"], "model");
        assert!(error["message"].as_str().unwrap().contains("/v1/embeddings"), "{error}");
    }
    let listed: Value = server.get("/v1/models/scripted-embedding").send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["pooling"], "mean");
    let server = setup().obeys().await;
    let refused = server.post("/v1/embeddings", &json!({"model": "scripted", "input": "a"})).send().await.unwrap();
    assert_eq!(error(refused, 400).await["param"], "model");
    let listed: Value = server.get("/v1/models/scripted").send().await.unwrap().json().await.unwrap();
    assert!(listed.get("pooling").is_none());
}

use serde_json::{Value, json};
use zyron_e2e::{chat, chat_chunks, completion, setup};
use zyron_engine::scripted::Act;

const A: u32 = b'a' as u32;
const B: u32 = b'b' as u32;

async fn two_letters() -> zyron_e2e::TestServer {
    let logits = |a: f32, b: f32| Act::Logits(vec![(A, a.ln()), (B, b.ln())]);
    setup().plays(move |_, _| vec![logits(0.75, 0.25), logits(0.4, 0.6)]).await
}

#[tokio::test]
async fn chat_gives_natural_logarithms_and_bytes() {
    let server = two_letters().await;
    let options = json!({"temperature": 0, "logprobs": true, "top_logprobs": 2});
    let body: Value = server.chat(&chat("Salut", options)).await.json().await.unwrap();
    let entries = body["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "the end is not listed");
    for (entry, (token, likelihood)) in entries.iter().zip([("a", 0.75f64), ("b", 0.6)]) {
        assert_eq!((&entry["token"], &entry["bytes"]), (&json!(token), &json!(token.as_bytes())));
        assert!((entry["logprob"].as_f64().unwrap() - likelihood.ln()).abs() < 1e-5, "{entry}");
        assert_eq!(entry["top_logprobs"][0]["token"], token);
        let sum: f64 =
            entry["top_logprobs"].as_array().unwrap().iter().map(|top| top["logprob"].as_f64().unwrap().exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
    assert_eq!(body["choices"][0]["logprobs"]["refusal"], Value::Null);
}

#[tokio::test]
async fn they_are_the_models_whatever_the_sampling() {
    let server = two_letters().await;
    let options =
        json!({"temperature": 0, "logprobs": true, "logit_bias": {A.to_string(): -50}, "presence_penalty": 2});
    let body: Value = server.chat(&chat("Salut", options)).await.json().await.unwrap();
    let entry = &body["choices"][0]["logprobs"]["content"][0];
    assert_eq!(entry["token"], "b");
    assert!((entry["logprob"].as_f64().unwrap() - 0.25f64.ln()).abs() < 1e-5, "{entry}");
}

#[tokio::test]
async fn a_stream_has_the_same_entries_and_none_of_a_stop_string() {
    let server = setup().says("été ##fin").await;
    let options = json!({"temperature": 0, "logprobs": true, "stop": "##"});
    let whole: Value = server.chat(&chat("Salut", options.clone())).await.json().await.unwrap();
    let whole = whole["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    let bytes: Vec<u8> = whole
        .iter()
        .flat_map(|entry| entry["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8))
        .collect();
    assert_eq!(bytes, "été ".as_bytes());
    assert_eq!(whole[0]["token"], "bytes:\\xc3");
    let mut streaming = options;
    streaming["stream"] = true.into();
    let chunks = chat_chunks(server.chat(&chat("Salut", streaming)).await).await;
    let streamed: Vec<Value> = chunks
        .into_iter()
        .flat_map(|chunk| chunk.unwrap().choices)
        .filter_map(|choice| choice.logprobs?.content)
        .flatten()
        .map(|entry| serde_json::to_value(entry).unwrap())
        .collect();
    assert_eq!(streamed, whole);
}

#[tokio::test]
async fn completions_list_the_prompt_and_the_end() {
    let server = setup().says("").await;
    let options = json!({"echo": true, "logprobs": 2, "max_tokens": 1, "temperature": 0});
    let body: Value = server.complete(&completion("né", options)).await.json().await.unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["text"], "né");
    let logprobs = &choice["logprobs"];
    assert_eq!(logprobs["tokens"], json!(["n", "bytes:\\xc3", "bytes:\\xa9", "<|im_end|>"]));
    assert_eq!(logprobs["text_offset"], json!([0, 1, 2, 2]));
    assert_eq!((&logprobs["token_logprobs"][0], &logprobs["top_logprobs"][0]), (&Value::Null, &Value::Null));
    for at in 1..4 {
        let own = logprobs["token_logprobs"][at].as_f64().unwrap();
        let top = logprobs["top_logprobs"][at].as_object().unwrap();
        assert_eq!(top[logprobs["tokens"][at].as_str().unwrap()].as_f64().unwrap(), own, "one float for one token");
    }
}

#[tokio::test]
async fn a_prompt_may_only_be_read() {
    let server = setup().says("ignored").await;
    let options = json!({"echo": true, "logprobs": 1, "max_tokens": 0});
    let body: Value = server.complete(&completion("abc", options)).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["text"], "abc");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["choices"][0]["logprobs"]["tokens"], json!(["a", "b", "c"]));
    assert_eq!(body["usage"]["completion_tokens"], 0);
}

#[tokio::test]
async fn a_prompt_too_long_to_be_scored_is_refused() {
    let server = setup().with("limits.max_scored_tokens", 4).says("ok").await;
    let options = json!({"echo": true, "logprobs": 1});
    let refused = zyron_e2e::error(server.complete(&completion("abcde", options)).await, 400).await;
    assert_eq!(refused["param"], "prompt");
}

use serde_json::{Value, json};
use zyron_e2e::{CONTEXT, error, setup};

#[tokio::test]
async fn a_text_becomes_tokens_and_a_text_again() {
    let server = setup().says("ok").await;
    let post = async |path: &str, body: Value| server.post(path, &body).send().await.unwrap();
    let body: Value =
        post("/tokenize", json!({"prompt": "né<|im_end|>", "return_token_strs": true})).await.json().await.unwrap();
    assert_eq!(body["tokens"], json!([110, 0xC3, 0xA9, 257]));
    assert_eq!((&body["count"], &body["max_model_len"]), (&json!(4), &json!(CONTEXT)));
    assert_eq!(body["token_strs"][3], "<|im_end|>");
    let back: Value = post("/detokenize", json!({"tokens": body["tokens"]})).await.json().await.unwrap();
    assert_eq!(back["prompt"], "né<|im_end|>");
    let messages = json!([{"role": "user", "content": "a"}]);
    let body: Value =
        post("/tokenize", json!({"messages": messages, "add_generation_prompt": false})).await.json().await.unwrap();
    assert_eq!(body["count"], "user\na\n".len() + 2);
    assert_eq!(body["token_strs"], Value::Null);
}

#[tokio::test]
async fn the_tokenizer_is_described() {
    let server = setup().says("ok").await;
    let body: Value = server.get("/tokenizer_info").send().await.unwrap().json().await.unwrap();
    assert_eq!((&body["eos_token"], &body["vocab_size"]), (&json!("<|im_end|>"), &json!(258)));
    assert!(body["chat_template"].as_str().unwrap().contains("add_generation_prompt"));
}

#[tokio::test]
async fn wrong_fields_are_named_and_a_key_is_needed() {
    let server = setup().says("ok").await;
    for (path, param, body) in [
        ("/tokenize", "prompt", json!({})),
        ("/tokenize", "prompt", json!({"prompt": "a", "messages": []})),
        ("/tokenize", "text", json!({"text": "a"})),
        ("/detokenize", "tokens", json!({"tokens": [258]})),
        ("/detokenize", "tokens", json!({})),
    ] {
        let refused = error(server.post(path, &body).send().await.unwrap(), 400).await;
        assert_eq!(refused["param"], param, "{path} {body}");
    }
    let refused = server.post("/tokenize", &json!({"prompt": "a", "model": "x"})).send().await.unwrap();
    assert_eq!(error(refused, 404).await["code"], "model_not_found");
    let closed = setup().key("a-key-of-twenty-letters").says("ok").await;
    for request in [closed.post("/tokenize", &json!({"prompt": "a"})), closed.get("/tokenizer_info")] {
        error(request.send().await.unwrap(), 401).await;
    }
}

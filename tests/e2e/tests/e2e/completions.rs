use serde_json::{Value, json};
use zyron_e2e::{completion, completion_chunks, error, setup};
use zyron_engine::scripted::Act;

#[tokio::test]
async fn the_leading_space_is_kept() {
    let server = setup().says(" Paris").await;
    let body: Value = server.complete(&completion("La capitale est", json!({}))).await.json().await.unwrap();
    assert_eq!(body["object"], "text_completion");
    assert_eq!(body["choices"][0]["text"], " Paris");
    assert_eq!(body["usage"]["prompt_tokens"], "La capitale est".len());
}

#[tokio::test]
async fn a_streamed_answer_is_the_same_text() {
    let server = setup().says(" à Paris").await;
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let response = server.complete(&completion("x", options)).await;
    let chunks = completion_chunks(response).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let text: String = chunks.iter().flat_map(|chunk| &chunk.choices).map(|choice| choice.text.as_str()).collect();
    assert_eq!(text, " à Paris");
    let last = chunks.last().unwrap();
    assert!(last.choices.is_empty() && last.usage.flatten().is_some());
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk.usage.flatten().is_none()));
}

#[tokio::test]
async fn sixteen_tokens_unless_told_otherwise() {
    let server = setup().says(&"a".repeat(50)).await;
    let body: Value = server.complete(&completion("x", json!({}))).await.json().await.unwrap();
    assert_eq!(
        (&body["usage"]["completion_tokens"], &body["choices"][0]["finish_reason"]),
        (&json!(16), &json!("length"))
    );
}

#[tokio::test]
async fn a_prompt_may_be_tokens() {
    let server = setup().plays(|request, _| vec![Act::Say(format!("{:?}", request.prompt))]).await;
    for prompt in [json!([66, 257]), json!([[66, 257]])] {
        let request = json!({"model": "scripted", "prompt": prompt});
        let body: Value = server.complete(&request).await.json().await.unwrap();
        assert_eq!(body["choices"][0]["text"], "[66, 257]");
    }
    // In a raw prompt control tokens are read as such.
    let body: Value = server.complete(&completion("B<|im_end|>", json!({}))).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["text"], "[66, 257]");
}

#[tokio::test]
async fn wrong_prompts_are_named() {
    let server = setup().says("ok").await;
    for prompt in
        [json!(""), json!([]), json!([258]), json!([[]]), json!(["a", 1]), json!([1.5]), json!(null), json!({})]
    {
        let response = server.complete(&json!({"model": "scripted", "prompt": prompt})).await;
        let error = error(response, 400).await;
        let expected = if prompt == json!([1.5]) { "prompt[0]" } else { "prompt" };
        assert_eq!(error["param"], expected, "{prompt}: {error}");
    }
}

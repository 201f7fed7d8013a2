use serde_json::{Value, json};
use zyron_e2e::{chat, chat_chunks, error, setup};
use zyron_engine::scripted::Act;
use zyron_openapi::sse::StreamError;

#[tokio::test]
async fn an_early_failure_keeps_its_status_and_its_secret() {
    let server = setup().plays(|_, _| vec![Act::Fail("secret detail".into())]).await;
    for stream in [false, true] {
        let error = error(server.chat(&chat("Salut", json!({"stream": stream}))).await, 500).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("server_error"), &json!("engine_failed")));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_failure_midway_is_an_event_and_not_an_end() {
    let server = setup().plays(|_, _| vec![Act::Say("ab".into()), Act::Fail("secret detail".into())]).await;
    let response = server.chat(&chat("Salut", json!({"stream": true}))).await;
    assert_eq!(response.status(), 200);
    let body = response.text().await.unwrap();
    assert!(!body.contains("[DONE]") && !body.contains("secret"), "{body}");
    let last = body.trim_end().rsplit("data: ").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["error"]["code"], "engine_failed");
    // Without a stream nothing was sent yet, so it is a status.
    error(server.chat(&chat("Salut", json!({}))).await, 500).await;
}

#[tokio::test]
async fn a_panic_in_one_request_touches_no_other() {
    let server = setup().plays(|_, prompt| match prompt.contains("panic") {
        true => vec![Act::Panic],
        false => vec![Act::Say("ok".into())],
    });
    let server = server.await;
    error(server.chat(&chat("panic", json!({}))).await, 500).await;
    let after: Value = server.chat(&chat("Salut", json!({}))).await.json().await.unwrap();
    assert_eq!(after["choices"][0]["message"]["content"], "ok");
}

#[tokio::test]
async fn silence_is_bridged_by_comments() {
    let server = setup().with("server.keep_alive_ms", 5).plays(|_, _| vec![Act::Stall, Act::Say("ok".into())]).await;
    let mut response = server.chat(&chat("Salut", json!({"stream": true}))).await;
    let mut seen = String::new();
    while !seen.contains(": keep-alive\n\n") {
        seen.push_str(&String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()));
    }
    server.engine.resume();
    let chunks = chat_chunks(response).await;
    assert!(!chunks.is_empty() && chunks.iter().all(Result::is_ok), "{chunks:?}");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_ended() {
    let server = setup()
        .with("limits.request_timeout_ms", 20)
        .plays(|_, prompt| match prompt.contains("late") {
            true => vec![Act::Say("a".into()), Act::Stall],
            false => vec![Act::Stall],
        })
        .await;
    assert_eq!(error(server.chat(&chat("Salut", json!({}))).await, 504).await["code"], "timeout");
    let chunks = chat_chunks(server.chat(&chat("late", json!({"stream": true}))).await).await;
    let Some(Err(StreamError::Api(error))) = chunks.last() else { panic!("{chunks:?}") };
    assert_eq!(error.error.code.as_deref(), Some("timeout"));
    server.until_active(0).await;
}

use futures::future::select_all;
use serde_json::json;
use zyron_e2e::{chat, chat_texts, error, setup};
use zyron_engine::scripted::Act;

#[tokio::test]
async fn one_runs_one_waits_and_the_next_is_refused_before_any_byte() {
    let server = setup().with("admission.max_queue", 1).plays(|_, _| vec![Act::Stall, Act::Say("ok".into())]).await;
    let body = chat("Salut", json!({"stream": true}));
    let requests = [(); 3].map(|()| tokio::spawn(server.post("/v1/chat/completions", &body).send()));
    // Of the three only the refused one can be answered before the engine goes on.
    let (refused, _, others) = select_all(requests).await;
    let refused = refused.unwrap().unwrap();
    let after: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let after_ms: u64 = refused.headers()["retry-after-ms"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after) && (1000..=60_000).contains(&after_ms));
    assert_eq!(error(refused, 429).await["code"], "rate_limit_exceeded");
    server.engine.resume();
    for response in others {
        assert_eq!(chat_texts(response.await.unwrap().unwrap()).await.concat(), "ok");
    }
}

#[tokio::test]
async fn a_turn_that_does_not_come_is_refused() {
    let server = setup().with("admission.queue_timeout_ms", 1).plays(|_, _| vec![Act::Stall]).await;
    let body = chat("Salut", json!({}));
    let _running = tokio::spawn(server.post("/v1/chat/completions", &body).send());
    server.until_active(1).await;
    error(server.chat(&body).await, 429).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_keeps_nobody_waiting() {
    let server = setup().says(&"a".repeat(1000)).await;
    let body = chat("Salut", json!({"stream": true, "n": 16, "logprobs": true, "top_logprobs": 20}));
    let unread = server.chat(&body).await;
    assert_eq!(unread.status(), 200);
    for _ in 0..4 {
        let other = chat("Salut", json!({}));
        let other = tokio::time::timeout(std::time::Duration::from_secs(60), server.chat(&other))
            .await
            .expect("it has its turn");
        assert_eq!(other.status(), 200);
    }
    drop(unread);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let server = setup().plays(|_, prompt| match prompt.contains("stall") {
        true => vec![Act::Say("a".into()), Act::Stall],
        false => vec![Act::Say("ok".into())],
    });
    let server = server.await;
    for stream in [true, false] {
        let body = chat("stall", json!({"stream": stream}));
        let request = tokio::spawn(server.post("/v1/chat/completions", &body).send());
        server.until_active(1).await;
        if stream {
            // The headers and the first text have come; then the client is gone.
            let mut response = request.await.unwrap().unwrap();
            assert!(response.chunk().await.unwrap().is_some());
            drop(response);
        } else {
            request.abort();
        }
        server.until_active(0).await;
        let next = server.chat(&chat("Salut", json!({}))).await;
        assert_eq!(next.status(), 200, "stream: {stream}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_holds_up_nobody() {
    let server = setup().says(&"a".repeat(3000)).await;
    // Three thousand chunks are far more than the socket's buffers hold; the engine finishes all the same.
    let mut slow = server.chat(&chat("Salut", json!({"stream": true}))).await;
    let first = slow.chunk().await.unwrap().unwrap();
    server.until_active(0).await;
    assert_eq!(server.chat(&chat("Salut", json!({"max_tokens": 1}))).await.status(), 200);
    let rest = slow.text().await.unwrap();
    let text = String::from_utf8_lossy(&first) + rest.as_str();
    assert_eq!(text.matches(r#""content":"a""#).count(), 3000, "a part of the slow answer was lost");
}

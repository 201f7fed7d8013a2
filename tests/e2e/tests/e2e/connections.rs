use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zyron_e2e::{TestServer, chat, chat_chunks, chat_texts, setup};
use zyron_engine::scripted::Act;
use zyron_openapi::sse::StreamError;

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap()
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    // A reset counts as an end too.
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn headers_that_do_not_come_end_the_connection() {
    let server = setup().with("server.header_timeout_ms", 20).says("ok").await;
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let text = read_to_end(stream).await;
    assert!(!text.contains("200 OK"), "{text}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let server = setup().with("server.body_timeout_ms", 20).says("ok").await;
    let mut stream = connect(&server).await;
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\nConnection: close\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let text = read_to_end(stream).await;
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("body_timeout"), "{text}");
}

#[tokio::test]
async fn giant_headers_are_refused() {
    let server = setup().says("ok").await;
    let mut stream = connect(&server).await;
    let request = format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Big: {}\r\n\r\n", "a".repeat(1 << 20));
    // The server may hang up before all of it is sent.
    let _ = stream.write_all(request.as_bytes()).await;
    assert!(!read_to_end(stream).await.contains("200 OK"));
    assert_eq!(server.get("/health/live").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn shutting_down_lets_requests_in_progress_end() {
    let mut server = setup().plays(|_, _| vec![Act::Say("a".into()), Act::Stall, Act::Say("b".into())]).await;
    let mut response = server.chat(&chat("Salut", json!({"stream": true}))).await;
    assert!(response.chunk().await.unwrap().is_some());
    let mut kept_alive = connect(&server).await;
    let base = server.base.clone();
    let engine = std::sync::Arc::clone(&server.engine);
    let stopped = server.shut_down();
    // An idle connection is closed, and new ones are not accepted.
    assert_eq!(kept_alive.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(reqwest::get(format!("{base}/health/live")).await.is_err());
    engine.resume();
    assert_eq!(chat_texts(response).await.concat().chars().next_back(), Some('b'));
    stopped.await.unwrap();
}

#[tokio::test]
async fn the_drains_deadline_ends_what_is_left_with_an_error() {
    let mut server =
        setup().with("server.drain_timeout_ms", 20).plays(|_, _| vec![Act::Say("a".into()), Act::Stall]).await;
    let response = server.chat(&chat("Salut", json!({"stream": true}))).await;
    let stopped = server.shut_down();
    let chunks = chat_chunks(response).await;
    let Some(Err(StreamError::Api(error))) = chunks.last() else { panic!("{chunks:?}") };
    assert_eq!(error.error.code.as_deref(), Some("shutting_down"));
    stopped.await.unwrap();
    server.until_active(0).await;
}

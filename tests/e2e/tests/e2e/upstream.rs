//! A server that passes requests on to others: to scripted ones, and to some that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zyron_e2e::{FrontServer, chat, chat_chunks, chat_texts, completion, error, setup};
use zyron_openapi::sse::StreamError;

const KEY: &str = "a-key-of-the-upstream";

/// A server that says that it is there, and to every request the same bytes before it hangs up.
struct Broken {
    base: String,
    asked: Arc<AtomicUsize>,
}

impl Broken {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                if head(&mut stream).await.starts_with("GET /v1/models") {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                } else {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                let _ = stream.shutdown().await;
            }
        });
        Self { base, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A request's head, and its body as far as it came along.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let length = stream.read(&mut bytes).await.unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn without_id(mut answer: Value) -> Value {
    for field in ["id", "created", "system_fingerprint"] {
        assert!(!answer[field].take().is_null(), "{field}");
    }
    answer
}

#[tokio::test]
async fn requests_and_answers_pass_as_they_are() {
    let model = setup().key(KEY).obeys().await;
    let front = FrontServer::start(&[&model.base], Some(KEY), &[]).await;
    let body = chat("say Bonjour à tous", json!({}));
    let asked = model.client.post(format!("{}/v1/chat/completions", model.base)).bearer_auth(KEY).json(&body);
    let direct: Value = asked.send().await.unwrap().json().await.unwrap();
    let passed: Value = front.chat(&body).await.json().await.unwrap();
    assert_eq!(without_id(passed), without_id(direct));

    let streamed = front.chat(&chat("say Bonjour à tous", json!({"stream": true}))).await;
    assert_eq!(streamed.headers()["content-type"], "text/event-stream");
    assert!(streamed.headers().contains_key("x-request-id"));
    assert_eq!(chat_texts(streamed).await.concat(), "Bonjour à tous");
    let completed: Value = front.post("/v1/completions", &completion("abc", json!({}))).await.json().await.unwrap();
    assert_eq!(completed["choices"][0]["text"], "abc");
    let models: Value = front.get("/v1/models").await.json().await.unwrap();
    assert_eq!(models["data"][0]["id"], "scripted");
    let model: Value = front.get("/v1/models/scripted").await.json().await.unwrap();
    assert_eq!(model["id"], "scripted");
}

#[tokio::test]
async fn a_clients_error_is_the_clients() {
    let model = setup().obeys().await;
    let front = FrontServer::start(&[&model.base], None, &[]).await;
    let refused = error(front.chat(&chat("a", json!({"temperature": 3}))).await, 400).await;
    assert_eq!(refused["param"], "temperature");
    let unknown = front.chat(&json!({"model": "other", "messages": [{"role": "user", "content": "a"}]})).await;
    assert_eq!(error(unknown, 404).await["code"], "model_not_found");
    let long = "a".repeat(5_000_000);
    assert_eq!(error(front.chat(&chat(&long, json!({}))).await, 413).await["code"], "payload_too_large");
}

#[tokio::test]
async fn our_key_is_not_the_clients_affair() {
    let model = setup().key(KEY).obeys().await;
    // It is there without a key, and wants one to work: as if its key had been changed.
    let strict = Broken::start("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}").await;
    let front = FrontServer::start(&[&strict.base], Some(KEY), &[]).await;
    let failed = error(front.chat(&chat("a", json!({}))).await, 502).await;
    assert_eq!(failed["code"], "upstream_failed");
    // What a client sends as its key goes no further.
    let front = FrontServer::start(&[&model.base], Some(KEY), &[]).await;
    let request = front.client.post(format!("{}/v1/chat/completions", front.base)).bearer_auth("the client's own");
    assert_eq!(request.json(&chat("a", json!({}))).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn another_answers_until_the_first_byte() {
    let model = setup().parallelism(8).obeys().await;
    for answer in [
        "",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        // The head of an answer is not an answer.
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let broken = Broken::start(answer).await;
        let front = FrontServer::start(&[&broken.base, &model.base], None, &[]).await;
        while broken.asked() == 0 {
            let answer: Value = front.chat(&chat("say abc", json!({}))).await.json().await.unwrap();
            assert_eq!(answer["choices"][0]["message"]["content"], "abc", "{answer}");
        }
    }
}

#[tokio::test]
async fn what_breaks_off_later_ends_with_an_error() {
    let broken = Broken::start(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         6\r\ndata: \r\n",
    )
    .await;
    let front = FrontServer::start(&[&broken.base], None, &[]).await;
    let chunks = chat_chunks(front.chat(&chat("a", json!({"stream": true}))).await).await;
    match &chunks[..] {
        [.., Err(StreamError::Api(error))] => assert_eq!(error.error.code.as_deref(), Some("upstream_failed")),
        other => panic!("{other:?}"),
    }
    assert_eq!(broken.asked(), 1, "the client has seen a part: nobody else is asked");
    // Ended in good order, but without its end.
    let short =
        Broken::start("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9\r\n\r\ndata: {}\n")
            .await;
    let front = FrontServer::start(&[&short.base], None, &[]).await;
    let text = front.chat(&chat("a", json!({"stream": true}))).await.text().await.unwrap();
    assert!(text.trim_end().ends_with('}') && text.contains("upstream_failed"), "{text}");
}

#[tokio::test]
async fn the_one_with_the_fewest_gets_the_next() {
    let (one, other) = (setup().obeys().await, setup().obeys().await);
    let front = FrontServer::start(&[&one.base, &other.base], None, &[]).await;
    // Both are there.
    let stall = chat("stall", json!({"stream": true}));
    let first = front.chat(&stall);
    let second = front.chat(&stall);
    let stalled = async { tokio::join!(first, second) };
    tokio::select! {
        _ = stalled => panic!("a stalled answer has no first byte"),
        () = async { tokio::join!(one.until_active(1), other.until_active(1)); } => {}
    }
    // The clients have left.
    tokio::join!(one.until_active(0), other.until_active(0));
}

#[tokio::test]
async fn all_busy_is_busy() {
    let model = setup().with("admission.max_queue", 0).obeys().await;
    let front = FrontServer::start(&[&model.base], None, &[]).await;
    let stall = chat("stall", json!({}));
    let stalled = front.chat(&stall);
    let busy = async {
        model.until_active(1).await;
        front.chat(&chat("a", json!({}))).await
    };
    let busy = tokio::select! {
        _ = stalled => panic!("it stalls"),
        busy = busy => busy,
    };
    assert!(busy.headers().contains_key("retry-after"));
    assert_eq!(error(busy, 429).await["code"], "rate_limit_exceeded");
}

#[tokio::test]
async fn silence_is_ended() {
    let model = setup()
        .plays(|_, _| vec![zyron_engine::scripted::Act::Say("abc".into()), zyron_engine::scripted::Act::Stall])
        .await;
    let front = FrontServer::start(&[&model.base], None, &[("upstream.idle_timeout_ms", "50".into())]).await;
    let chunks = chat_chunks(front.chat(&chat("a", json!({"stream": true}))).await).await;
    assert!(
        matches!(chunks.last(), Some(Err(StreamError::Api(error))) if error.error.code.as_deref() == Some("timeout"))
    );
    let silent = setup().obeys().await;
    let front = FrontServer::start(&[&silent.base], None, &[("upstream.first_byte_timeout_ms", "50".into())]).await;
    assert_eq!(error(front.chat(&chat("stall", json!({}))).await, 504).await["code"], "timeout");
}

#[tokio::test]
async fn what_needs_a_model_here_is_refused() {
    let mut model = setup().obeys().await;
    let front = FrontServer::start(&[&model.base], None, &[]).await;
    for path in ["/v1/responses", "/tokenize", "/detokenize"] {
        assert_eq!(error(front.post(path, &json!({})).await, 501).await["code"], "not_passed_on");
    }
    assert_eq!(front.get("/openapi.json").await.status(), 200);
    model.shut_down().await.unwrap();
    while front.get("/health/ready").await.status() != 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(error(front.chat(&chat("a", json!({}))).await, 502).await["code"], "upstream_failed");
}

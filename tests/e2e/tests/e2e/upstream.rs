//! A server that passes requests on to others: to scripted ones, and to some that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zyron_e2e::{FrontServer, chat, chat_chunks, chat_texts, completion, error, setup};
use zyron_engine::scripted::Act;
use zyron_openapi::sse::StreamError;

const KEY: &str = "a-key-of-the-upstream";

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
/// An event, as a part of such an answer.
const EVENT: &str = "a\r\ndata: {}\n\n\r\n";

/// A server that says that it is there, and to every request the same bytes.
struct Broken {
    base: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    probed: AtomicUsize,
}

/// What follows the bytes.
#[derive(Clone, Copy)]
enum Then {
    HangUp,
    Silence,
    Events,
}

impl Broken {
    async fn start(answer: &'static str) -> Self {
        Self::start_with(answer, Then::HangUp).await
    }

    async fn start_with(answer: &'static str, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(Arc::clone(&counted).serve(stream, answer, then));
            }
        });
        Self { base, counts }
    }

    fn asked(&self) -> usize {
        self.counts.asked.load(Ordering::SeqCst)
    }

    fn probed(&self) -> usize {
        self.counts.probed.load(Ordering::SeqCst)
    }

    /// Waits until it has been probed so many times more.
    async fn until_probed(&self, times: usize) {
        let goal = self.probed() + times;
        while self.probed() < goal {
            tokio::task::yield_now().await;
        }
    }
}

impl Counts {
    async fn serve(self: Arc<Self>, mut stream: TcpStream, answer: &'static str, then: Then) {
        if head(&mut stream).await.starts_with("GET /v1/models") {
            self.probed.fetch_add(1, Ordering::SeqCst);
            let there = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            let _ = stream.write_all(there).await;
        } else {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(answer.as_bytes()).await;
            let events = EVENT.repeat(1000);
            match then {
                Then::HangUp => {}
                Then::Silence => while stream.read(&mut [0]).await.is_ok_and(|length| length > 0) {},
                Then::Events => while stream.write_all(events.as_bytes()).await.is_ok() {},
            }
        }
        let _ = stream.shutdown().await;
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
        EVENTS,
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
    let model = setup().plays(|_, _| vec![Act::Say("abc".into()), Act::Stall]).await;
    let front = FrontServer::start(&[&model.base], None, &[("upstream.idle_timeout_ms", "50".into())]).await;
    let chunks = chat_chunks(front.chat(&chat("a", json!({"stream": true}))).await).await;
    assert!(
        matches!(chunks.last(), Some(Err(StreamError::Api(error))) if error.error.code.as_deref() == Some("timeout"))
    );
    let silent = setup().obeys().await;
    let front = FrontServer::start(&[&silent.base], None, &[("upstream.first_byte_timeout_ms", "50".into())]).await;
    let stall = chat("stall", json!({"stream": true}));
    assert_eq!(error(front.chat(&stall).await, 504).await["code"], "timeout");
}

#[tokio::test]
async fn an_answer_in_one_piece_may_take_longer_than_a_first_byte() {
    let model = setup().parallelism(2).plays(|_, _| vec![Act::Stall, Act::Say("abc".into())]).await;
    let front = FrontServer::start(&[&model.base], None, &[("upstream.first_byte_timeout_ms", "50".into())]).await;
    let (whole, streamed) = (chat("a", json!({})), chat("a", json!({"stream": true})));
    let late = async {
        model.until_active(1).await;
        assert_eq!(error(front.chat(&streamed).await, 504).await["code"], "timeout");
        model.engine.resume();
    };
    let (answer, ()) = tokio::join!(front.chat(&whole), late);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "abc");
}

#[tokio::test]
async fn the_deadline_holds_before_the_first_byte() {
    let model = setup().obeys().await;
    let front = FrontServer::start(&[&model.base], None, &[("limits.request_timeout_ms", "50".into())]).await;
    assert_eq!(error(front.chat(&chat("stall", json!({}))).await, 504).await["code"], "timeout");
    model.until_active(0).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_place_at_the_deadline() {
    let endless = Broken::start_with(EVENTS, Then::Events).await;
    let front = FrontServer::start(&[&endless.base], None, &[("upstream.max_requests", "1".to_owned())]).await;
    let mut deaf = TcpStream::connect(front.base.trim_start_matches("http://")).await.unwrap();
    let body = chat("a", json!({"stream": true})).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         x-request-timeout-ms: 200\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    deaf.write_all((head + &body).as_bytes()).await.unwrap();
    while endless.asked() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(front.chat(&chat("a", json!({}))).await.status(), 200, "there is one place");
    let mut heard = String::new();
    deaf.read_to_string(&mut heard).await.unwrap();
    assert!(heard[heard.len() - 1000..].contains(r#""code":"timeout""#), "the last word comes, however late");
}

#[tokio::test]
async fn what_is_well_and_busy_is_not_probed() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n";
    let (one, other) =
        (Broken::start_with(answer, Then::Silence).await, Broken::start_with(answer, Then::Silence).await);
    let front = FrontServer::start(&[&one.base, &other.base], None, &[]).await;
    let mut running = front.chat(&chat("a", json!({"stream": true}))).await;
    assert!(running.chunk().await.unwrap().is_some());
    let (busy, idle) = if one.asked() == 1 { (&one, &other) } else { (&other, &one) };
    // A probe may have been on its way.
    idle.until_probed(2).await;
    let before = busy.probed();
    idle.until_probed(3).await;
    assert_eq!(busy.probed(), before);
    drop(running);
    busy.until_probed(1).await;
}

#[tokio::test]
async fn a_bad_request_takes_the_server_from_nobody() {
    for answer in ["", "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"] {
        let broken = Broken::start(answer).await;
        let overrides = [("upstream.health_interval_ms", "60000".to_owned())];
        let front = FrontServer::start(&[&broken.base], None, &overrides).await;
        for asked in 1..4 {
            let probed = broken.probed();
            let failed = error(front.chat(&chat("a", json!({}))).await, 502).await;
            assert_eq!((&failed["code"], broken.asked()), (&json!("upstream_failed"), asked));
            // It is asked at once whether it is there.
            while broken.probed() == probed {
                tokio::task::yield_now().await;
            }
        }
    }
}

#[tokio::test]
async fn embeddings_are_passed_on_within_this_servers_limits() {
    let model = setup().embeds().await;
    let limits = [("limits.max_inputs", "2".to_owned()), ("limits.max_tokens", "20".to_owned())];
    let front = FrontServer::start(&[&model.base], None, &limits).await;
    let ask = |input: Value| json!({"model": "scripted-embedding", "input": input});
    let expected: Value = model.post("/v1/embeddings", &ask(json!("ab"))).send().await.unwrap().json().await.unwrap();
    let passed: Value = front.post("/v1/embeddings", &ask(json!("ab"))).await.json().await.unwrap();
    assert_eq!(passed, expected);
    let refused = error(front.post("/v1/embeddings", &ask(json!(["a", "b", "c"]))).await, 400).await;
    assert_eq!(refused["param"], "input");
    // A list of tokens is one text, however long.
    assert_eq!(front.post("/v1/embeddings", &ask(json!([97, 98, 99]))).await.status(), 200);
}

#[tokio::test]
async fn this_servers_limits_hold() {
    let limits = [
        ("limits.max_messages", "2"),
        ("limits.max_choices", "2"),
        ("limits.max_prompts", "2"),
        ("limits.max_tools", "1"),
        ("limits.max_tokens", "20"),
    ];
    let model = setup().plays(|request, _| vec![Act::Say(request.max_tokens.to_string())]).await;
    let local = limits.iter().fold(setup(), |setup, &(key, value)| setup.with(key, value)).obeys().await;
    let front = FrontServer::start(&[&model.base], None, &limits.map(|(key, value)| (key, value.to_owned()))).await;
    let message = json!({"role": "user", "content": "a"});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    for (path, body, param) in [
        ("/v1/chat/completions", chat("a", json!({"messages": [message, message, message]})), "messages"),
        ("/v1/chat/completions", chat("a", json!({"tools": [tool("a"), tool("b")]})), "tools"),
        ("/v1/chat/completions", chat("a", json!({"n": 3})), "n"),
        ("/v1/chat/completions", chat("a", json!({"max_tokens": 21})), "max_tokens"),
        ("/v1/chat/completions", chat("a", json!({"max_completion_tokens": 21})), "max_completion_tokens"),
        ("/v1/completions", completion("a", json!({"best_of": 3})), "best_of"),
        ("/v1/completions", completion("a", json!({"prompt": ["a", "b", "c"]})), "prompt"),
    ] {
        let refused = error(front.post(path, &body).await, 400).await;
        assert_eq!(refused["param"], param);
        assert_eq!(refused, error(local.post(path, &body).send().await.unwrap(), 400).await, "as with a model here");
    }
    for (more, tokens) in [(json!({}), "20"), (json!({"max_tokens": null}), "20"), (json!({"max_tokens": 5}), "5")] {
        let answer: Value = front.chat(&chat("a", more)).await.json().await.unwrap();
        assert_eq!(answer["choices"][0]["message"]["content"], tokens);
    }
    let answer: Value = front.post("/v1/completions", &completion("a", json!({}))).await.json().await.unwrap();
    assert_eq!(answer["choices"][0]["text"], "16");
}

#[tokio::test]
async fn what_needs_a_model_here_is_refused() {
    let mut model = setup().obeys().await;
    let front = FrontServer::start(&[&model.base], None, &[]).await;
    for path in ["/v1/responses", "/tokenize", "/detokenize", "/v1/finance/analyses"] {
        assert_eq!(error(front.post(path, &json!({})).await, 501).await["code"], "not_passed_on");
    }
    for (field, value) in [("zyron_tools", json!(["finance"])), ("zyron_statement", json!({"years": []}))] {
        assert_eq!(error(front.chat(&chat("a", json!({field: value}))).await, 400).await["param"], field);
    }
    // Files need none.
    assert_eq!(error(front.post("/v1/finance/statements", &json!({"files": []})).await, 400).await["param"], "files");
    assert_eq!(front.get("/openapi.json").await.status(), 200);
    model.shut_down().await.unwrap();
    while front.get("/health/ready").await.status() != 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(error(front.chat(&chat("a", json!({}))).await, 502).await["code"], "upstream_failed");
}

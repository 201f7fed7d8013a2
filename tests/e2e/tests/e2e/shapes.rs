//! Requests in shapes that broke other servers: ambiguous framing, and what is far larger, deeper or more than meant.
//! After each of them the same request is answered as before. docs/reliability.md says which test has which shape.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zyron_e2e::{Setup, TestServer, chat, setup};
use zyron_server::keys::{Limits, Scope, Store};

/// A request that must never be answered: whoever sends it here hides it in another's body.
const SMUGGLED: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n";
/// What follows each shape on its connection, and ends it.
const LAST: &str = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: last\r\nConnection: close\r\n\r\n";
const CHAT: &str = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// A server that soon gives up what does not come.
fn impatient() -> Setup {
    setup().with("server.header_timeout_ms", 300).with("server.body_timeout_ms", 300)
}

fn body() -> String {
    chat("say toujours", json!({"temperature": 0})).to_string()
}

async fn answers_as_ever(server: &TestServer, after: &str) {
    let answer = server.chat(&serde_json::from_str(&body()).unwrap()).await;
    assert_eq!(answer.status(), 200, "after {after}");
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "toujours", "after {after}");
}

/// Sends bytes and gives what comes back until the server has closed the connection.
async fn exchange(server: &TestServer, bytes: &[u8]) -> String {
    let stream = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let read = async {
        // A reset counts as an end too.
        let _ = reader.read_to_end(&mut answer).await;
    };
    let write = async {
        // The server may hang up before all of it is sent.
        let _ = writer.write_all(bytes).await;
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of the answers on a connection, in order.
fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines.map(|answer| answer.get(..3).and_then(|status| status.parse().ok()).unwrap_or_default()).collect()
}

/// Sends a shape with another request behind it. Gives the statuses of the answers, none of which is the smuggled one's.
async fn shape(server: &TestServer, name: &str, request: &str) -> Vec<u16> {
    let answers = exchange(server, format!("{request}{LAST}").as_bytes()).await;
    assert!(!answers.contains("x-request-id: smuggled"), "{name}: a second request was read from a body: {answers}");
    let statuses = statuses(&answers);
    assert!(statuses.iter().all(|&status| status < 500), "{name}: {statuses:?}");
    answers_as_ever(server, name).await;
    statuses
}

#[tokio::test]
async fn a_message_with_two_lengths_is_one_message() {
    let server = impatient().obeys().await;
    let hidden = format!("0\r\n\r\n{SMUGGLED}");
    let length = hidden.len();
    let in_chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    // By the length all of it is one body, by the chunks it ends before what is hidden.
    for (name, heads) in [
        ("length, then chunks", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
        ("chunks, then length", format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n")),
        ("chunks behind a bare LF", format!("X-A: a\nTransfer-Encoding: chunked\r\nContent-Length: {length}\r\n")),
        ("chunks in capitals", format!("Content-Length: {length}\r\nTRANSFER-ENCODING: Chunked\r\n")),
        (
            "chunks twice",
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ),
        ("chunks of something else", format!("Content-Length: {length}\r\nTransfer-Encoding: gzip, chunked\r\n")),
    ] {
        let found = shape(&server, name, &format!("{CHAT}{heads}\r\n{hidden}")).await;
        assert_eq!(found, [400], "{name}: nothing more is read on a connection whose messages may end elsewhere");
    }
    // The other way round.
    for (name, heads) in [
        ("a shorter length, then chunks", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        ("chunks, then a shorter length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
    ] {
        assert_eq!(shape(&server, name, &format!("{CHAT}{heads}\r\n{in_chunk}")).await, [400], "{name}");
    }
}

#[tokio::test]
async fn a_length_that_is_none_is_refused() {
    let server = impatient().obeys().await;
    let length = SMUGGLED.len();
    for heads in [
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        format!("Content-Length: 0, {length}\r\n"),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: +1\r\n".to_owned(),
        "Content-Length: 0x1\r\n".to_owned(),
        "Content-Length: 1e1\r\n".to_owned(),
        "Content-Length: \r\n".to_owned(),
        "Content-Length: 1 1\r\n".to_owned(),
        "Content-Length: 18446744073709551616\r\n".to_owned(),
        "Content-Length: 18446744073709551615\r\n".to_owned(),
        format!("Content-Length : {length}\r\n"),
        format!(" Content-Length: {length}\r\n"),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding:\r\n chunked\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: \u{b}chunked\r\n".to_owned(),
    ] {
        let found = shape(&server, &heads, &format!("{CHAT}{heads}\r\n{SMUGGLED}")).await;
        assert!(found == [400] || found == [431], "{heads:?}: {found:?}");
    }
    let old = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    );
    assert_eq!(shape(&server, "chunks in HTTP/1.0", &old).await, [400]);
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let server = impatient().obeys().await;
    let long = "a".repeat(1 << 20);
    for (name, chunks) in [
        ("a size of 65 bits", format!("10000000000000000\r\n{SMUGGLED}")),
        ("the largest size", format!("ffffffffffffffff\r\n{SMUGGLED}")),
        ("a negative size", format!("-1\r\n{SMUGGLED}")),
        ("no size", format!("\r\n{SMUGGLED}")),
        ("a size with a prefix", format!("0x1\r\na\r\n0\r\n\r\n{SMUGGLED}")),
        ("a size of more than there is", format!("2\r\na\r\n0\r\n\r\n{SMUGGLED}")),
        ("a chunk without its end", format!("1\r\na0\r\n\r\n{SMUGGLED}")),
        ("a size that ends in a bare LF", format!("1\na\r\n0\r\n\r\n{SMUGGLED}")),
        ("an extension with a bare LF", format!("1;a\nb\r\na\r\n0\r\n\r\n{SMUGGLED}")),
        ("an extension of a mebibyte", format!("1;{long}\r\na\r\n0\r\n\r\n{SMUGGLED}")),
        ("many extensions", format!("{}0\r\n\r\n{SMUGGLED}", "1;aaaaaaaa\r\n \r\n".repeat(100_000))),
        ("a trailer of a mebibyte", format!("0\r\nX-A: {long}\r\n\r\n{SMUGGLED}")),
    ] {
        let found = shape(&server, name, &format!("{CHAT}Transfer-Encoding: chunked\r\n\r\n{chunks}")).await;
        // Where the message breaks off there may be nobody left to answer.
        assert!(found.is_empty() || found == [400] || found == [408] || found == [413], "{name}: {found:?}");
    }
}

#[tokio::test]
async fn a_head_that_is_none_is_refused() {
    let server = impatient().obeys().await;
    let many: String = (0..10_000).map(|number| format!("X-{number}: a\r\n")).collect();
    let giant = format!("X-Big: {}\r\n", "a".repeat(1 << 20));
    for (name, request) in [
        ("a folded line", "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\n\r\n".to_owned()),
        ("a bare CR", "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-A: a\rb\r\n\r\n".to_owned()),
        ("a NUL", "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n".to_owned()),
        ("a name with a blank", "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX A: a\r\n\r\n".to_owned()),
        ("no name", "GET /health/live HTTP/1.1\r\nHost: localhost\r\n: a\r\n\r\n".to_owned()),
        ("no version", "GET /health/live\r\nHost: localhost\r\n\r\n".to_owned()),
        ("another version", "GET /health/live HTTP/2.0\r\nHost: localhost\r\n\r\n".to_owned()),
        ("the beginning of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("a path with a blank", "GET /health /live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned()),
        ("two hosts", "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: bank.example\r\n\r\n".to_owned()),
        ("ten thousand headers", format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")),
        ("a header of a mebibyte", format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\n{giant}\r\n")),
        ("a path of a mebibyte", format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20))),
    ] {
        let found = shape(&server, name, &request).await;
        let refused = found.first().is_none_or(|&status| matches!(status, 400 | 414 | 431));
        assert!(refused, "{name}: {found:?}");
    }
    // The target's host counts, and not what `Host` says beside it.
    let foreign = "GET http://bank.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(shape(&server, "another's absolute target", foreign).await, [403, 200]);
    let own = "GET http://localhost/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(shape(&server, "an absolute target", own).await, [200, 200]);
    let upgrade = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(shape(&server, "an upgrade", upgrade).await, [200, 200]);
}

#[tokio::test]
async fn what_is_in_a_body_is_no_request() {
    let server = impatient().with("limits.max_body_bytes", 1000).obeys().await;
    let length = SMUGGLED.len();
    let post = |path: &str, kind: &str, heads: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{heads}\r\n{body}")
    };
    let json = "application/json";
    let of_length = format!("Content-Length: {length}\r\n");
    let large = format!("{}{SMUGGLED}", " ".repeat(100_000));
    let of_large = format!("Content-Length: {}\r\n", large.len());
    let twice = format!("{of_length}Content-Length: {length}\r\n");
    let expecting = format!("{of_length}Expect: 100-continue\r\n");
    let chunked = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    // What is refused before its body is read, and after.
    for (name, request, status) in [
        ("no JSON", post("/v1/chat/completions", json, &of_length, SMUGGLED), 400),
        ("the same length twice", post("/v1/chat/completions", json, &twice, SMUGGLED), 400),
        ("another type", post("/v1/chat/completions", "text/plain", &of_length, SMUGGLED), 415),
        ("no such path", post("/nothing", json, &of_length, SMUGGLED), 404),
        ("another method", post("/health/live", json, &of_length, SMUGGLED), 405),
        ("too long", post("/v1/chat/completions", json, &of_large, &large), 413),
        ("chunks to no path", post("/nothing", json, "Transfer-Encoding: chunked\r\n", &chunked), 404),
        ("chunks of another type", post("/tokenize", "text/plain", "Transfer-Encoding: chunked\r\n", &chunked), 415),
        ("a body with GET", format!("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n{of_length}\r\n{SMUGGLED}"), 200),
        ("a body with HEAD", format!("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\n{of_length}\r\n{SMUGGLED}"), 200),
    ] {
        let found = shape(&server, name, &request).await;
        assert_eq!(found.first(), Some(&status), "{name}: {found:?}");
        assert!(found.len() == 1 || found == [status, 200], "{name}: {found:?}");
    }
    let found = shape(&server, "a body that is announced", &post("/v1/completions", json, &expecting, SMUGGLED)).await;
    assert!(found.contains(&400) && found.iter().all(|status| [100, 200, 400].contains(status)), "{found:?}");
    // Requests behind each other are several, though.
    let body = body();
    let good = format!("{CHAT}Content-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(shape(&server, "three behind each other", &good.repeat(3)).await, [200, 200, 200, 200]);
}

#[tokio::test]
async fn a_million_chunks_of_a_byte_are_one_body() {
    let server = setup().obeys().await;
    let deep = "1\r\n[\r\n".repeat(1_000_000);
    let request = format!("{CHAT}Transfer-Encoding: chunked\r\n\r\n{deep}0\r\n\r\n");
    assert_eq!(statuses(&exchange(&server, format!("{request}{LAST}").as_bytes()).await), [400, 200]);
    let blanks = format!("{}{}", " ".repeat(100_000), body());
    let chunks: String = blanks.bytes().map(|byte| format!("1\r\n{}\r\n", char::from(byte))).collect();
    let request = format!("{CHAT}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let answer = exchange(&server, format!("{request}{LAST}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("toujours"), "{answer}");
    answers_as_ever(&server, "a million chunks").await;
}

#[tokio::test]
async fn what_is_far_too_deep_long_or_many_is_refused() {
    let server = setup().obeys().await;
    let messages = |content: String| {
        format!("{{\"model\":\"scripted\",\"messages\":[{{\"role\":\"user\",\"content\":{content}}}]")
    };
    let deep = 100_000;
    let with = |more: &str| format!("{},{more}}}", messages("\"a\"".to_owned()));
    let objects = format!("{}1{}", "{\"a\":".repeat(deep), "}".repeat(deep));
    let arrays = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    for (name, body, status) in [
        ("arrays", arrays.clone(), 400),
        ("arrays in a content", messages(arrays.clone()), 400),
        (
            "objects in a schema",
            with(&format!("\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{objects}}}")),
            400,
        ),
        ("objects in a field that nobody knows", with(&format!("\"x\":{objects}")), 400),
        ("template variables", with(&format!("\"chat_template_kwargs\":{{\"x\":{arrays}}}")), 400),
        ("64 MiB", " ".repeat(64 << 20), 413),
        ("n", with("\"n\":2147483648"), 400),
        ("n below nothing", with("\"n\":-2147483648"), 400),
        ("n beyond 64 bits", with("\"n\":18446744073709551617"), 400),
        ("max_tokens below nothing", with("\"max_tokens\":-9223372036854775809"), 400),
        ("max_tokens beyond a double", with("\"max_tokens\":1e999"), 400),
        ("seed beyond 64 bits", with("\"seed\":99999999999999999999"), 400),
        ("top_logprobs", with("\"logprobs\":true,\"top_logprobs\":9223372036854775807"), 400),
        ("temperature", with("\"temperature\":1e308"), 400),
        ("a lone surrogate", messages("\"\\ud800\"".to_owned()) + "}", 400),
        ("a hundred thousand stop strings", with(&format!("\"stop\":[{}\"a\"]", "\"a\",".repeat(deep))), 400),
        (
            "a bias for each number",
            with(&format!(
                "\"logit_bias\":{{{}\"1\":1}}",
                (0..deep).map(|id| format!("\"{id}\":1,")).collect::<String>()
            )),
            400,
        ),
        ("a name twice", with("\"model\":\"scripted\""), 400),
    ] {
        let request = server.client.post(format!("{}/v1/chat/completions", server.base));
        let answer = request.header("content-type", "application/json").body(body).send().await;
        // A body that is far too long may break off while it is sent: hanging up is an answer, too.
        if let Ok(answer) = answer {
            assert_eq!(answer.status(), status, "{name}: {}", answer.text().await.unwrap());
        } else {
            assert_eq!(status, 413, "{name}");
        }
        answers_as_ever(&server, name).await;
    }
}

#[tokio::test]
async fn a_name_leads_to_no_file() {
    let state = TempDir::new().unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("secret.gguf"), "hors de portée").unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let server = setup()
        .with("state.folder", state.path().display())
        .with("models.folder", models.display())
        .with("batch.enabled", true)
        .with("responses.store", true)
        .obeys()
        .await;
    let passwd = "../../../../../../../../etc/passwd";
    let coded = passwd.replace('/', "%2f").replace('.', "%2e");
    for before in ["/", "/assets/", "/docs/", "/v1/models/", "/v1/files/", "/v1/batches/", "/v1/responses/"] {
        for path in [passwd, &passwd.replace('/', "%2f"), &coded, "%00", "..%5c..%5cetc%5cpasswd", "//etc/passwd"] {
            for after in ["", "/content"] {
                let request =
                    format!("GET {before}{path}{after} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
                let answer = exchange(&server, request.as_bytes()).await;
                let status = statuses(&answer);
                assert!(matches!(status[..], [400 | 404 | 405]), "{before}{path}{after}: {answer}");
                assert!(!answer.contains("root:"), "{before}{path}{after}");
            }
        }
    }
    for model in [
        "../secret",
        "..%2fsecret",
        "/etc/passwd",
        "secret\0",
        "..\\secret",
        &format!("{}/secret", folder.path().display()),
    ] {
        let answer = server.post("/v1/admin/models/load", &json!({"model": model})).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{model}");
        assert_eq!(server.chat(&chat("a", json!({"model": model}))).await.status(), 404, "{model}");
    }
    answers_as_ever(&server, "names").await;
}

#[tokio::test]
async fn what_one_key_keeps_no_other_finds() {
    let state = TempDir::new().unwrap();
    let key = || Store::open(state.path()).unwrap().create("x", &[Scope::Chat], &Limits::default(), None).unwrap().text;
    let (hers, his) = (key(), key());
    let server = setup().with("state.folder", state.path().display()).with("responses.store", true).obeys().await;
    let respond = |key: &str, more: Value| {
        let mut body = json!({"model": "scripted", "input": "say secret"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/v1/responses", &body).bearer_auth(key).send()
    };
    let kept: Value = respond(&hers, json!({})).await.unwrap().json().await.unwrap();
    let id = kept["id"].as_str().unwrap();
    let path = format!("/v1/responses/{id}");
    let url = format!("{}{path}", server.base);
    assert_eq!(server.get(&path).bearer_auth(&his).send().await.unwrap().status(), 404);
    assert_eq!(server.client.delete(&url).bearer_auth(&his).send().await.unwrap().status(), 404);
    let cancelled = server.post(&format!("{path}/cancel"), &json!({})).bearer_auth(&his);
    assert_eq!(cancelled.send().await.unwrap().status(), 404);
    let continued = respond(&his, json!({"previous_response_id": id})).await.unwrap();
    assert_eq!(continued.status(), 400);
    assert_eq!(continued.json::<Value>().await.unwrap()["error"]["code"], "previous_response_not_found");
    let read: Value = server.get(&path).bearer_auth(&hers).send().await.unwrap().json().await.unwrap();
    assert_eq!(read, kept);
    assert_eq!(respond(&hers, json!({"previous_response_id": id})).await.unwrap().status(), 200);
}

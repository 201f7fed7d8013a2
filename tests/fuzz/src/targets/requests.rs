//! Bodies of requests, through the whole server but its sockets, over an engine that says what the request says last.
//!
//! Whatever is sent is answered in OpenAI's form and is no failure of the server's; what is answered is of the type that
//! the document names; streamed, the same answer has the same text; tokens are turned back into their text.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use futures::executor::block_on;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use zyron_engine::Engine;
use zyron_engine::scripted::{Act, ScriptedEngine, byte_model};
use zyron_openapi::sse::{self, StreamError};
use zyron_openapi::{
    ChatCompletion, ChatCompletionChunk, Completion, Detokenize, ErrorResponse, FinanceReport, Response, ResponseEvent,
    Tokenize,
};
use zyron_server::App;
use zyron_server::config::Config;

#[expect(unreachable_pub, reason = "it is the end-to-end tests', which show it to others")]
#[path = "../../../e2e/src/obedient.rs"]
mod obedient;

/// The context of the model, in tokens, which are bytes.
const CONTEXT: usize = 2048;
/// What makes every answer short: a target is called a thousand times a second.
const LIMITS: [(&str, &str); 4] = [
    ("limits.max_tokens", "64"),
    ("limits.max_choices", "3"),
    ("limits.max_prompts", "3"),
    ("responses.store", "true"),
];

/// What a body is sent to, by the digit that is the input's first byte.
const PATHS: [&str; 10] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/finance/analyses",
    "/tokenize",
    "/detokenize",
    "/v1/finance/statements",
    // As a form.
    "/v1/finance/statements",
    // Whole and streamed.
    "/v1/chat/completions",
    "/v1/completions",
];
const FORM: usize = 7;
const COMPARED: usize = 8;

static SERVER: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let config = Config::load(None, &LIMITS.map(|(key, value)| (key, value.to_owned()))).expect("the keys are known");
    let app = App::new(config, None).expect("the server may start");
    let model = Arc::new(byte_model(CONTEXT));
    let engine = ScriptedEngine::new(Arc::clone(&model), 4, |request, _| {
        let acts = obedient::obey(request).into_iter();
        acts.filter(|act| matches!(act, Act::Say(_) | Act::Logits(_))).collect()
    });
    app.serve_model(model, Arc::new(engine) as Arc<dyn Engine>);
    let router = app.router();
    (runtime, router)
});

/// The first byte says where the others are sent.
pub fn run(data: &[u8]) {
    let Some((&which, body)) = data.split_first() else { return };
    let which = usize::from(which.wrapping_sub(b'0')) % PATHS.len();
    let answer = Answer::of(PATHS[which], which == FORM, body);
    if !answer.is_good() {
        return;
    }
    match PATHS[which] {
        "/v1/chat/completions" => answer.is_of::<ChatCompletion, ChatCompletionChunk>(true),
        "/v1/completions" => answer.is_of::<Completion, Completion>(true),
        "/v1/responses" => answer.is_of::<Response, ResponseEvent>(false),
        "/v1/finance/analyses" => answer.is_of::<ChatCompletion, ChatCompletionChunk>(true),
        "/v1/finance/statements" => drop(answer.json::<FinanceReport>()),
        "/detokenize" => drop(answer.json::<Detokenize>()),
        _ => comes_back(body, &answer.json()),
    }
    if which >= COMPARED {
        compare(PATHS[which], body);
    }
}

/// How a request was answered.
struct Answer {
    status: StatusCode,
    is_stream: bool,
    body: Bytes,
}

impl Answer {
    /// Sends `body` and looks at what every answer has.
    fn of(path: &str, is_form: bool, body: &[u8]) -> Self {
        let (runtime, router) = &*SERVER;
        let kind = if is_form { "multipart/form-data; boundary=edge" } else { "application/json" };
        let request = Request::post(path).header(header::HOST, "127.0.0.1").header(header::CONTENT_TYPE, kind);
        let request = request.body(Body::from(body.to_vec())).expect("a request can be made");
        let answer = runtime.block_on(async {
            let Ok(response) = router.clone().oneshot(request).await;
            let status = response.status();
            let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
            let body = response.into_body().collect().await.expect("an answer comes to its end").to_bytes();
            Self { status, is_stream, body }
        });
        assert!(!answer.status.is_server_error(), "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        if !answer.is_good() {
            let said: ErrorResponse = answer.json();
            assert!(!said.error.message.is_empty() && said.error.kind != "server_error", "{said:?}");
        }
        answer
    }

    fn is_good(&self) -> bool {
        self.status == StatusCode::OK
    }

    fn json<T: DeserializeOwned>(&self) -> T {
        let read = serde_json::from_slice(&self.body);
        read.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Whether it is a `Whole`, or a stream of `Part`s that ends as it should.
    fn is_of<Whole: DeserializeOwned, Part: DeserializeOwned>(&self, has_done: bool) {
        if !self.is_stream {
            let _: Whole = self.json();
            return;
        }
        let bytes = stream::iter([Ok::<_, std::convert::Infallible>(&self.body)]);
        let parts: Vec<Result<Part, StreamError>> = block_on(sse::decode(bytes).collect());
        for (at, part) in parts.iter().enumerate() {
            let is_end = at + 1 == parts.len();
            match part {
                Ok(_) => {}
                // A constraint can turn out to be too much work.
                Err(StreamError::Api(said)) if said.error.kind != "server_error" => {}
                Err(StreamError::Truncated) if is_end && !has_done => {}
                Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&self.body)),
            }
        }
        assert!(!parts.is_empty(), "a stream without an event");
    }
}

/// The tokens of a text are the text again.
fn comes_back(body: &[u8], answer: &Tokenize) {
    let request: Value = serde_json::from_slice(body).expect("a body that was taken is JSON");
    let Some(prompt) = request["prompt"].as_str() else { return };
    let body = json!({"tokens": answer.tokens}).to_string();
    let back: Detokenize = Answer::of("/detokenize", false, body.as_bytes()).json();
    assert_eq!(back.prompt, prompt, "tokens are another text");
}

/// The same request, streamed: each choice has the same text, calls and end.
fn compare(path: &str, body: &[u8]) {
    let mut request: Value = serde_json::from_slice(body).expect("a body that was taken is JSON");
    let Some(fields) = request.as_object_mut() else { return };
    // Where nothing is likelier than anything else, the seed chooses.
    fields.entry("seed").or_insert(json!(1));
    // More are made than are given, and a stream cannot take any back.
    if fields.contains_key("best_of") {
        return;
    }
    let said = [false, true].map(|is_stream| {
        fields.remove("stream_options");
        fields.insert("stream".to_owned(), json!(is_stream));
        let body = Value::Object(fields.clone()).to_string();
        Answer::of(path, false, body.as_bytes())
    });
    let [whole, streamed] = &said;
    if !whole.is_good() || !streamed.is_good() {
        assert!(streamed.is_stream || whole.status == streamed.status, "one is answered, the other is not");
        return;
    }
    let bytes = stream::iter([Ok::<_, std::convert::Infallible>(&streamed.body)]);
    let chunks: Vec<Result<Value, StreamError>> = block_on(sse::decode(bytes).collect());
    let Ok(chunks) = chunks.into_iter().collect::<Result<Vec<_>, _>>() else { return };
    let (mut of_whole, mut of_stream) = (BTreeMap::new(), BTreeMap::new());
    add(&mut of_whole, &whole.json(), "message");
    chunks.iter().for_each(|chunk| add(&mut of_stream, chunk, "delta"));
    assert_eq!(of_stream, of_whole, "streamed, the answer is another");
}

/// What the choices say, each by its place: the text, the calls, the reason for the end.
fn add(said: &mut BTreeMap<u64, [String; 3]>, answer: &Value, part: &str) {
    for choice in answer["choices"].as_array().into_iter().flatten() {
        let [text, calls, end] = said.entry(choice["index"].as_u64().unwrap_or_default()).or_default();
        let message = &choice[part];
        for content in [&choice["text"], &message["content"]] {
            text.push_str(content.as_str().unwrap_or_default());
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            for field in ["name", "arguments"] {
                calls.push_str(call["function"][field].as_str().unwrap_or_default());
            }
        }
        end.push_str(choice["finish_reason"].as_str().unwrap_or_default());
    }
}

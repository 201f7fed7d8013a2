//! The server that is judged: requests in OpenAI's format, patience with one that is busy, and the difference between
//! what it cannot do and what went wrong.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(600);
/// How often a request is sent at most.
const TRIES: u32 = 5;
/// The longest wait between two tries.
const LONGEST_PAUSE_S: u64 = 60;
/// How much of an error's text is kept, in characters.
const LONGEST_MESSAGE: usize = 300;

/// Why an item has no score.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// The server does not do what this item needs; other items may be measured.
    #[error("{0}")]
    NotMeasurable(String),
    /// No item can be measured now: the server is not there, is too busy or does not accept the key.
    #[error("{0}")]
    Stop(String),
}

/// A server, and the model that is asked.
pub(crate) struct Server {
    client: Client,
    url: String,
    key: String,
    model: String,
}

/// An answer to a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    /// What it says; empty where it only calls tools.
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    /// Whether the limit of tokens ended it.
    pub(crate) is_cut: bool,
    /// As the conversation goes on with it.
    pub(crate) message: Value,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON, or what the model wrote in its place.
    pub(crate) arguments: String,
}

impl Server {
    /// The server at `url`, which ends in `/v1`, and `model`, or the first that it has.
    ///
    /// # Errors
    /// Where it does not name a model.
    pub(crate) async fn new(url: &str, key: String, model: Option<String>) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).connect_timeout(Duration::from_secs(10)).build()?;
        let mut server = Self { client, url: url.trim_end_matches('/').to_owned(), key, model: String::new() };
        server.model = match model {
            Some(model) => model,
            None => server.first_model().await.with_context(|| format!("cannot ask {} for its models", server.url))?,
        };
        Ok(server)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    async fn first_model(&self) -> anyhow::Result<String> {
        let models = self.request("/models", None).await?;
        let model = models["data"][0]["id"].as_str().context("it has none")?;
        ensure!(!model.is_empty(), "its first has no name");
        Ok(model.to_owned())
    }

    /// `POST /completions` of a prompt that is only read.
    pub(crate) async fn score(&self, prompt: &str) -> Result<Value, Failure> {
        let body = json!({
            "model": self.model, "prompt": prompt, "max_tokens": 1, "echo": true, "logprobs": 1, "temperature": 0,
        });
        self.request("/completions", Some(&body)).await
    }

    /// `POST /chat/completions`, greedily. `more` are further fields of the request.
    pub(crate) async fn chat(&self, messages: &[Value], max_tokens: u32, more: Value) -> Result<Answer, Failure> {
        let mut body = json!({
            "model": self.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens,
        });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        let response = self.request("/chat/completions", Some(&body)).await?;
        answer(&response).ok_or_else(|| Failure::NotMeasurable("the server's answer has no message".to_owned()))
    }

    async fn request(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.url);
        let mut tried = 0;
        loop {
            tried += 1;
            let request = match body {
                Some(body) => self.client.post(&url).json(body),
                None => self.client.get(&url),
            };
            let (reason, pause_s) = match request.bearer_auth(&self.key).send().await {
                Ok(response) if is_busy(response.status()) => {
                    let pause_s = retry_after(&response).unwrap_or(1 << tried);
                    (refusal(response).await, pause_s)
                }
                Ok(response) if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                    return Err(Failure::Stop(refusal(response).await));
                }
                Ok(response) if !response.status().is_success() => {
                    return Err(Failure::NotMeasurable(refusal(response).await));
                }
                Ok(response) => match response.bytes().await {
                    Ok(body) => return parse(&body),
                    Err(error) => (broken(&error)?, 1 << tried),
                },
                Err(error) => (broken(&error)?, 1 << tried),
            };
            if tried == TRIES {
                return Err(Failure::Stop(format!("{reason}, {TRIES} times")));
            }
            tokio::time::sleep(Duration::from_secs(pause_s.min(LONGEST_PAUSE_S))).await;
        }
    }
}

/// A user's message.
pub(crate) fn user(text: impl Into<String>) -> Value {
    json!({"role": "user", "content": text.into()})
}

/// Whether the same request may succeed later.
fn is_busy(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn retry_after(response: &Response) -> Option<u64> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// What the server says of a request that it does not answer.
async fn refusal(response: Response) -> String {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap_or_default();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let fields = [&body["error"]["message"], &body["error"], &body["message"], &body["detail"]];
    let message = fields.into_iter().find_map(Value::as_str).unwrap_or(&text);
    let message: String =
        message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_MESSAGE).collect();
    if message.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {message}") }
}

fn parse(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|_| Failure::NotMeasurable("the server's answer is not JSON".to_owned()))
}

/// What happened to a connection, where another try may do better. The text has what caused it: reqwest's own says only
/// that something did.
fn broken(error: &reqwest::Error) -> Result<String, Failure> {
    if error.is_timeout() && !error.is_connect() {
        return Err(Failure::NotMeasurable(format!("no answer within {} minutes", TIMEOUT.as_secs() / 60)));
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Ok(text)
}

/// Reads a chat completion.
fn answer(response: &Value) -> Option<Answer> {
    let choice = response["choices"].get(0)?;
    let message = choice["message"].as_object()?;
    let text = message.get("content").and_then(Value::as_str).unwrap_or_default().to_owned();
    let calls = message.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let calls: Vec<Call> = calls.iter().map(call).collect();
    let is_cut = choice["finish_reason"] == "length";
    Some(Answer { message: repeated(&text, &calls), text, calls, is_cut })
}

fn call(call: &Value) -> Call {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let arguments = match &call["function"]["arguments"] {
        Value::String(arguments) => arguments.clone(),
        other => other.to_string(),
    };
    Call { id: text(&call["id"]), name: text(&call["function"]["name"]), arguments }
}

/// The message that a conversation goes on with. It has only what every server reads back: no fields of one server's
/// own, and no arguments that are not JSON, which a model may well write. That is the model's fault, and its server's
/// refusal of them would hide it.
fn repeated(text: &str, calls: &[Call]) -> Value {
    let mut message = Map::from_iter([("role".to_owned(), json!("assistant")), ("content".to_owned(), json!(text))]);
    let calls: Vec<Value> = calls
        .iter()
        .map(|call| {
            let is_readable = serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok();
            let arguments = if is_readable { call.arguments.as_str() } else { "{}" };
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
        })
        .collect();
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(calls));
    }
    Value::Object(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_have_text_or_calls() {
        let said =
            answer(&json!({"choices": [{"message": {"content": "Oui.", "refusal": null}, "finish_reason": "stop"}]}));
        let said = said.unwrap();
        assert_eq!((said.text.as_str(), said.calls.len(), said.is_cut), ("Oui.", 0, false));
        assert_eq!(said.message, json!({"role": "assistant", "content": "Oui."}));
        let function = json!({"name": "f", "arguments": "{}"});
        let called = answer(&json!({"choices": [{
            "message": {"content": null, "tool_calls": [{"id": "a", "type": "function", "function": function}]},
            "finish_reason": "length",
        }]}));
        let called = called.unwrap();
        assert_eq!(called.calls, [Call { id: "a".into(), name: "f".into(), arguments: "{}".into() }]);
        assert!(called.is_cut && called.text.is_empty() && called.message["tool_calls"].is_array());
    }

    #[test]
    fn what_a_server_would_not_read_back_is_not_repeated() {
        let call = |arguments: Value| json!({"id": "a", "index": 0, "function": {"name": "f", "arguments": arguments}});
        let calls = [call(json!("{\"a\": 1}")), call(json!("{\"a\": ")), call(json!({"a": 1})), call(json!("[1]"))];
        let said = answer(&json!({"choices": [{"message": {"tool_calls": calls, "reasoning": "…"}}]})).unwrap();
        let repeated = said.message["tool_calls"].as_array().unwrap();
        let arguments: Vec<&Value> = repeated.iter().map(|call| &call["function"]["arguments"]).collect();
        assert_eq!(arguments, ["{\"a\": 1}", "{}", "{\"a\":1}", "{}"]);
        assert!(said.message.get("reasoning").is_none() && repeated[0].get("index").is_none());
        assert_eq!(said.calls[1].arguments, "{\"a\": ", "it is judged as it is");
    }

    #[test]
    fn an_answer_without_a_message_is_none() {
        for response in [json!({}), json!({"choices": []}), json!({"choices": [{"text": "a"}]}), json!([1])] {
            assert_eq!(answer(&response), None, "{response}");
        }
    }
}

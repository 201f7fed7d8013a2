//! The server's API, as the page calls it.

use futures::stream::{Stream, StreamExt};
use gloo_net::http::{Request, RequestBuilder, Response};
use js_sys::Uint8Array;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wasm_bindgen::JsValue;
use wasm_streams::ReadableStream;
use web_sys::AbortSignal;
use zyron_openapi::finance::FinanceTemplate;
use zyron_openapi::sse::{self, StreamError};
use zyron_openapi::{ChatCompletionChunk, FinanceTemplateList, Model, ModelList};

use crate::json;

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    /// What went wrong.
    pub(crate) error: StreamError,
    /// Seconds after which the server may be asked again, where it says so.
    pub(crate) retry_after_s: Option<f64>,
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        Self { error, retry_after_s: None }
    }
}

impl Failure {
    /// Whether the server gave this `code`.
    pub(crate) fn has_code(&self, code: &str) -> bool {
        matches!(&self.error, StreamError::Api(response) if response.error.code.as_deref() == Some(code))
    }
}

/// The models served.
pub(crate) async fn models(key: &str) -> Result<Vec<Model>, Failure> {
    let models: ModelList = get("/v1/models", key).await?;
    if models.data.is_empty() { Err(malformed("the list of models is empty")) } else { Ok(models.data) }
}

/// The analyses on offer.
pub(crate) async fn templates(key: &str) -> Result<Vec<FinanceTemplate>, Failure> {
    let list: FinanceTemplateList = get("/v1/finance/templates", key).await?;
    Ok(list.data)
}

/// A request whose answer is a chat completion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ask {
    /// Where it goes.
    pub(crate) path: &'static str,
    /// What it says, with `stream`.
    pub(crate) body: Value,
}

/// Streams the answer to a question. `abort` ends it, here and on the server.
pub(crate) async fn ask(
    key: &str,
    ask: &Ask,
    abort: &AbortSignal,
) -> Result<impl Stream<Item = Result<ChatCompletionChunk, StreamError>> + use<>, Failure> {
    let request = authorized(Request::post(ask.path), key).abort_signal(Some(abort)).json(&ask.body);
    let response = request.map_err(malformed)?.send().await.map_err(transport)?;
    let body = successful(response).await?.body().ok_or_else(|| malformed("the answer has no body"))?;
    let bytes = ReadableStream::from_raw(body)
        .into_stream()
        .map(|bytes| bytes.map(|bytes| Uint8Array::from(bytes).to_vec()).map_err(|error| text_of(&error)));
    Ok(sse::decode(bytes))
}

async fn get<T: DeserializeOwned>(path: &str, key: &str) -> Result<T, Failure> {
    let response = authorized(Request::get(path), key).send().await.map_err(transport)?;
    read(&successful(response).await?).await
}

fn authorized(request: RequestBuilder, key: &str) -> RequestBuilder {
    if key.is_empty() { request } else { request.header("authorization", &format!("Bearer {key}")) }
}

async fn successful(response: Response) -> Result<Response, Failure> {
    if response.ok() {
        return Ok(response);
    }
    let retry_after_s = response.headers().get("retry-after").and_then(|seconds| seconds.parse().ok());
    // A proxy in between may answer in another form than the server's.
    let error = match read(&response).await {
        Ok(error) => StreamError::Api(error),
        Err(_) => StreamError::Malformed(format!("status {}", response.status())),
    };
    Err(Failure { error, retry_after_s })
}

async fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Failure> {
    json::read(&response.text().await.map_err(transport)?).map_err(malformed)
}

fn transport(error: gloo_net::Error) -> Failure {
    StreamError::Transport(error.to_string()).into()
}

fn malformed(error: impl ToString) -> Failure {
    StreamError::Malformed(error.to_string()).into()
}

fn text_of(error: &JsValue) -> String {
    error.as_string().unwrap_or_else(|| format!("{error:?}"))
}

//! The server's API, as the page calls it.

use futures::stream::{Stream, StreamExt};
use gloo_net::http::{Request, RequestBuilder, Response};
use js_sys::Uint8Array;
use serde_json::Value;
use wasm_bindgen::JsValue;
use wasm_streams::ReadableStream;
use web_sys::AbortSignal;
use zyron_openapi::finance::FinanceTemplate;
use zyron_openapi::sse::{self, StreamError};
use zyron_openapi::{ChatCompletionChunk, FinanceTemplateList, Model, ModelList};

/// The model served.
pub(crate) async fn model(key: &str) -> Result<Model, StreamError> {
    let response = authorized(Request::get("/v1/models"), key).send().await.map_err(transport)?;
    let models: ModelList = successful(response).await?.json().await.map_err(malformed)?;
    models.data.into_iter().next().ok_or_else(|| malformed("the list of models is empty"))
}

/// The analyses on offer.
pub(crate) async fn templates(key: &str) -> Result<Vec<FinanceTemplate>, StreamError> {
    let response = authorized(Request::get("/v1/finance/templates"), key).send().await.map_err(transport)?;
    let list: FinanceTemplateList = successful(response).await?.json().await.map_err(malformed)?;
    Ok(list.data)
}

/// A request whose answer is a chat completion.
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
) -> Result<impl Stream<Item = Result<ChatCompletionChunk, StreamError>> + use<>, StreamError> {
    let request = authorized(Request::post(ask.path), key).abort_signal(Some(abort)).json(&ask.body);
    let response = request.map_err(malformed)?.send().await.map_err(transport)?;
    let body = successful(response).await?.body().ok_or_else(|| malformed("the answer has no body"))?;
    let bytes = ReadableStream::from_raw(body)
        .into_stream()
        .map(|bytes| bytes.map(|bytes| Uint8Array::from(bytes).to_vec()).map_err(|error| text_of(&error)));
    Ok(sse::decode(bytes))
}

fn authorized(request: RequestBuilder, key: &str) -> RequestBuilder {
    if key.is_empty() { request } else { request.header("authorization", &format!("Bearer {key}")) }
}

async fn successful(response: Response) -> Result<Response, StreamError> {
    if response.ok() {
        return Ok(response);
    }
    // A proxy in between may answer in another form than the server's.
    Err(match response.json().await {
        Ok(error) => StreamError::Api(error),
        Err(_) => malformed(format!("status {}", response.status())),
    })
}

fn transport(error: gloo_net::Error) -> StreamError {
    StreamError::Transport(error.to_string())
}

fn malformed(error: impl ToString) -> StreamError {
    StreamError::Malformed(error.to_string())
}

fn text_of(error: &JsValue) -> String {
    error.as_string().unwrap_or_else(|| format!("{error:?}"))
}

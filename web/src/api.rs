//! The server's API, as the page calls it.

use std::collections::VecDeque;

use js_sys::{IteratorNext, Uint8Array};
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, ReadableStreamDefaultReader, Request, RequestInit, Response, TextDecodeOptions, TextDecoder,
};

use crate::json::{self, Json};
use crate::sse::Frames;
use crate::wire::{Model, Template};

/// Why there is no answer, or no more of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The server said what is wrong.
    Refused {
        /// A stable name of it; may be empty.
        code: String,
        /// In the server's words.
        message: String,
        /// Seconds after which the server may be asked again, where it says so.
        retry_after_s: Option<f64>,
    },
    /// The connection failed.
    Connection,
    /// The answer ended before its end.
    Truncated,
    /// What came cannot be read; why, in English.
    Malformed(String),
}

impl Failure {
    /// Whether the server gave this `code`.
    pub(crate) fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// What the server said, in the one form of its errors.
    fn of(error: &Json, retry_after_s: Option<f64>) -> Option<Self> {
        let code = error.text("code").unwrap_or_default();
        Some(Self::Refused { code, message: error.text("message")?, retry_after_s })
    }
}

/// The models that can be asked.
pub(crate) async fn models(key: &str) -> Result<Vec<Model>, Failure> {
    let mut models = get("/v1/models", key).await?.all("data", Model::of).unwrap_or_default();
    models.retain(|model| model.answers);
    if models.is_empty() { Err(malformed("there is no model that answers")) } else { Ok(models) }
}

/// The analyses on offer.
pub(crate) async fn templates(key: &str) -> Result<Vec<Template>, Failure> {
    get("/v1/finance/templates", key).await?.all("data", Template::of).ok_or_else(|| malformed("there is no list"))
}

/// A request whose answer is a chat completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Where it goes.
    pub(crate) path: &'static str,
    /// What it says, with `stream`: each field's name, and its value in JSON.
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl Ask {
    /// All that it says, in JSON.
    pub(crate) fn body(&self) -> String {
        json::object(&self.fields)
    }
}

/// Has a question answered. `abort` ends it, here and on the server.
pub(crate) async fn ask(key: &str, ask: &Ask, abort: &AbortSignal) -> Result<Chunks, Failure> {
    let options = RequestInit::new();
    options.set_method("POST");
    options.set_body(&ask.body().into());
    options.set_signal(Some(abort));
    let body = send(ask.path, key, &options).await?.body().ok_or_else(|| malformed("the answer has no body"))?;
    // Nobody else reads it.
    let reader = ReadableStreamDefaultReader::new(&body).map_err(broken)?;
    let decoder = TextDecoder::new().map_err(broken)?;
    Ok(Chunks { reader, decoder, frames: Frames::default(), waiting: VecDeque::new() })
}

/// An answer as it comes in.
pub(crate) struct Chunks {
    reader: ReadableStreamDefaultReader,
    decoder: TextDecoder,
    frames: Frames,
    /// What has come and was not asked for yet.
    waiting: VecDeque<String>,
}

/// What ends a stream.
const DONE: &str = "[DONE]";

impl Chunks {
    /// The next chunk, a `ChatCompletionChunk`; nothing where the answer is at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Json>, Failure> {
        let data = loop {
            if let Some(data) = self.waiting.pop_front() {
                break data;
            }
            self.read().await?;
        };
        if data == DONE {
            return Ok(None);
        }
        let chunk = Json::read(&data).map_err(Failure::Malformed)?;
        match Failure::of(&chunk.field("error"), None) {
            Some(failure) => Err(failure),
            None => Ok(Some(chunk)),
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let read: IteratorNext = JsFuture::from(self.reader.read()).await.map_err(broken)?.unchecked_into();
        if read.done() {
            return Err(Failure::Truncated);
        }
        let options = TextDecodeOptions::new();
        options.set_stream(true);
        let bytes: Uint8Array = read.value().unchecked_into();
        let piece = self.decoder.decode_with_js_u8_array_and_options(&bytes, &options).map_err(broken)?;
        self.waiting.extend(self.frames.take(&piece));
        Ok(())
    }
}

async fn get(path: &str, key: &str) -> Result<Json, Failure> {
    let response = send(path, key, &RequestInit::new()).await?;
    Json::read(&text(&response).await?).map_err(Failure::Malformed)
}

/// What the server answers with success.
async fn send(path: &str, key: &str, options: &RequestInit) -> Result<Response, Failure> {
    let request = Request::new_with_str_and_init(path, options).map_err(broken)?;
    let header = |name: &str, value: &str| request.headers().set(name, value).map_err(broken);
    header("content-type", "application/json")?;
    if !key.is_empty() {
        header("authorization", &format!("Bearer {key}"))?;
    }
    let response = JsFuture::from(window().fetch_with_request(&request)).await.map_err(broken)?;
    let response: Response = response.unchecked_into();
    if response.ok() {
        return Ok(response);
    }
    let retry_after_s = response.headers().get("retry-after").ok().flatten();
    let retry_after_s = retry_after_s.and_then(|seconds| seconds.parse::<u32>().ok()).map(f64::from);
    let said = Json::read(&text(&response).await?).ok();
    // A proxy in between may answer in another form than the server's.
    let refused = said.and_then(|said| Failure::of(&said.field("error"), retry_after_s));
    Err(refused.unwrap_or_else(|| malformed(&format!("status {}", response.status()))))
}

async fn text(response: &Response) -> Result<String, Failure> {
    let text = JsFuture::from(response.text().map_err(broken)?).await.map_err(broken)?;
    Ok(text.as_string().unwrap_or_default())
}

fn broken(_: JsValue) -> Failure {
    Failure::Connection
}

fn malformed(reason: &str) -> Failure {
    Failure::Malformed(reason.to_owned())
}

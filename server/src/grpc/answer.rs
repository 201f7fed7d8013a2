//! What the router answers, as tensors: whole, or in pieces. It is read leniently, for it may be another server's.

use std::collections::{BTreeMap, VecDeque};

use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use futures::stream::{BoxStream, StreamExt};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tonic::Status;
use zyron_grpc::infer_parameter::ParameterChoice;
use zyron_grpc::model_infer_response::InferOutputTensor;
use zyron_grpc::{InferParameter, ModelInferResponse, ModelStreamInferResponse};
use zyron_openapi::sse::{self, StreamError};

use super::request::{Asked, FINISH_REASON, INPUT_TOKENS, OUTPUT_TOKENS, OUTPUTS, TEXT_OUTPUT};
use super::{VERSION, status};
use crate::content;
use crate::error::ApiError;
use crate::middleware::{ai_generated, request_id};

/// The parameter that says whether there is more to come.
const FINAL: &str = "triton_final_response";
/// Headers that each answer has among its parameters: in a stream they have no other place.
const TOLD: [HeaderName; 3] = [request_id::HEADER, ai_generated::HEADER, content::HEADER];

/// An answer, or what is new in it.
#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: usize,
    text: Option<String>,
    #[serde(alias = "delta")]
    message: Option<Message>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

/// Tokens read and written.
#[derive(Clone, Copy, Deserialize)]
struct Counts {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

/// The texts of the answers, in order, and why each has ended, if it has.
struct Texts(Vec<(String, Option<String>)>);

impl Texts {
    fn nothing(expected: usize) -> Self {
        Self(vec![(String::new(), None); expected])
    }

    fn read(choices: Vec<Choice>, expected: usize) -> Result<Self, Status> {
        let Self(mut texts) = Self::nothing(expected);
        for Choice { index, text, message, finish_reason } in choices {
            let Some(place) = texts.get_mut(index) else {
                tracing::error!("an answer has more texts than were asked for");
                return Err(status::refused(&ApiError::Internal));
            };
            *place = (text.or_else(|| message?.content).unwrap_or_default(), finish_reason);
        }
        Ok(Self(texts))
    }

    fn is_nothing(&self) -> bool {
        self.0.iter().all(|(text, reason)| text.is_empty() && reason.is_none())
    }
}

/// Reads an answer in one piece, of `limit` bytes at most.
///
/// # Errors
/// `OUT_OF_RANGE` for one that is longer, and `INTERNAL` for one that cannot be read.
pub(super) async fn read<T: DeserializeOwned>(response: Response, limit: usize) -> Result<T, Status> {
    let bytes = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Status::out_of_range(format!("The answer is longer than the {limit} bytes of one message.")));
        }
        Err(_) => return Err(status::refused(&ApiError::Internal)),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        // Not what it says, which may be an answer's text.
        tracing::error!(line = error.line(), column = error.column(), "an answer could not be read");
        status::refused(&ApiError::Internal)
    })
}

/// An answer without outputs. `headers` are those of the answer over HTTP.
pub(super) fn head(asked: &Asked, headers: &HeaderMap) -> ModelInferResponse {
    let told = TOLD.into_iter().filter_map(|name| {
        let value = headers.get(&name)?.to_str().ok()?.to_owned();
        Some((name.as_str().to_owned(), parameter(ParameterChoice::StringParam(value))))
    });
    ModelInferResponse { parameters: told.collect(), ..empty(&asked.model, &asked.id) }
}

fn empty(model: &str, id: &str) -> ModelInferResponse {
    ModelInferResponse {
        model_name: model.to_owned(),
        model_version: VERSION.to_owned(),
        id: id.to_owned(),
        parameters: BTreeMap::new(),
        outputs: Vec::new(),
        raw_output_contents: Vec::new(),
    }
}

fn parameter(value: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(value) }
}

/// The whole answer.
///
/// # Errors
/// `INTERNAL` for one that is none.
pub(super) fn whole(asked: &Asked, head: ModelInferResponse, said: Said) -> Result<ModelInferResponse, Status> {
    let texts = Texts::read(said.choices, asked.choices())?;
    let mut response = with_texts(asked, head, &texts);
    add_counts(asked, &mut response, said.usage);
    Ok(response)
}

fn with_texts(asked: &Asked, mut response: ModelInferResponse, texts: &Texts) -> ModelInferResponse {
    let reasons = texts.0.iter().map(|(_, reason)| reason.as_deref().unwrap_or_default());
    if asked.outputs.text {
        add_texts(&mut response, TEXT_OUTPUT, texts.0.iter().map(|(text, _)| text.as_str()));
    }
    if asked.outputs.finish_reason {
        add_texts(&mut response, FINISH_REASON, reasons);
    }
    response
}

fn add_counts(asked: &Asked, response: &mut ModelInferResponse, counts: Option<Counts>) {
    let Some(counts) = counts else { return };
    if asked.outputs.input_tokens {
        add(response, INPUT_TOKENS, 1, counts.prompt_tokens.to_le_bytes().to_vec());
    }
    if asked.outputs.output_tokens {
        add(response, OUTPUT_TOKENS, 1, counts.completion_tokens.to_le_bytes().to_vec());
    }
}

fn add_texts<'a>(response: &mut ModelInferResponse, name: &str, texts: impl Iterator<Item = &'a str>) {
    let (mut raw, mut number) = (Vec::new(), 0);
    for text in texts {
        // An answer has an end long before that.
        raw.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        raw.extend(text.as_bytes());
        number += 1;
    }
    add(response, name, number, raw);
}

fn add(response: &mut ModelInferResponse, name: &str, number: i64, raw: Vec<u8>) {
    let datatype = OUTPUTS.iter().find(|(known, _)| *known == name).map_or("", |(_, datatype)| datatype);
    response.outputs.push(InferOutputTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: vec![number],
        parameters: BTreeMap::new(),
        contents: None,
    });
    response.raw_output_contents.push(raw);
}

fn in_stream(mut response: ModelInferResponse, is_final: bool) -> ModelStreamInferResponse {
    response.parameters.insert(FINAL.to_owned(), parameter(ParameterChoice::BoolParam(is_final)));
    ModelStreamInferResponse { error_message: String::new(), infer_response: Some(response) }
}

/// The last of the answers to a request, and the empty one after it where that is wanted.
pub(super) fn last(asked: &Asked, response: ModelInferResponse) -> VecDeque<ModelStreamInferResponse> {
    if !asked.wants_empty_final {
        return [in_stream(response, true)].into();
    }
    let parameters = response.parameters.clone();
    let end = ModelInferResponse { parameters, ..empty(&asked.model, &asked.id) };
    [in_stream(response, false), in_stream(end, true)].into()
}

/// What a stream says of a request that failed. It says which, and is the last of its answers.
pub(super) fn failure(model: &str, id: &str, status: &Status) -> ModelStreamInferResponse {
    let response = in_stream(empty(model, id), true);
    ModelStreamInferResponse { error_message: status.message().to_owned(), ..response }
}

/// An answer in pieces, as they come.
pub(super) struct Pieces {
    asked: Asked,
    head: ModelInferResponse,
    events: BoxStream<'static, Result<Said, StreamError>>,
    /// Which of the answers have ended.
    ended: Vec<bool>,
    counts: Option<Counts>,
    /// The last piece, until it is known that nothing comes after it.
    held: Option<ModelInferResponse>,
    /// The last of all, once there is no more to read.
    ready: Option<VecDeque<ModelStreamInferResponse>>,
}

impl Pieces {
    /// Of an answer that is a stream of events.
    pub(super) fn new(asked: Asked, response: Response) -> Self {
        let head = head(&asked, response.headers());
        let events = sse::decode(response.into_body().into_data_stream()).boxed();
        let ended = vec![false; asked.choices()];
        Self { asked, head, events, ended, counts: None, held: None, ready: None }
    }

    /// The next piece; none after the last, or after an error.
    pub(super) async fn next(&mut self) -> Option<ModelStreamInferResponse> {
        loop {
            if let Some(ready) = &mut self.ready {
                return ready.pop_front();
            }
            match self.events.next().await {
                Some(Ok(said)) => match self.piece(said) {
                    Ok(None) => {}
                    Ok(Some(piece)) => return Some(in_stream(piece, false)),
                    Err(status) => return Some(self.fail(&status)),
                },
                Some(Err(error)) => return Some(self.fail(&failed(error))),
                None => {
                    let mut response = match self.held.take() {
                        Some(held) => held,
                        None => with_texts(&self.asked, self.head.clone(), &Texts::nothing(self.ended.len())),
                    };
                    add_counts(&self.asked, &mut response, self.counts);
                    self.ready = Some(last(&self.asked, response));
                }
            }
        }
    }

    fn piece(&mut self, said: Said) -> Result<Option<ModelInferResponse>, Status> {
        self.counts = said.usage.or(self.counts);
        let texts = Texts::read(said.choices, self.ended.len())?;
        if texts.is_nothing() {
            return Ok(None);
        }
        for (ended, (_, reason)) in self.ended.iter_mut().zip(&texts.0) {
            *ended |= reason.is_some();
        }
        let piece = with_texts(&self.asked, self.head.clone(), &texts);
        if self.ended.iter().all(|&ended| ended) {
            return Ok(self.held.replace(piece));
        }
        Ok(Some(piece))
    }

    fn fail(&mut self, status: &Status) -> ModelStreamInferResponse {
        self.ready = Some(VecDeque::new());
        failure(&self.asked.model, &self.asked.id, status)
    }
}

fn failed(error: StreamError) -> Status {
    match error {
        StreamError::Api(error) => Status::internal(error.error.message),
        StreamError::Transport(_) | StreamError::Malformed(_) | StreamError::Truncated => {
            // Not what the bytes are, which may be an answer's text.
            tracing::error!("a streamed answer could not be read to its end");
            status::refused(&ApiError::Internal)
        }
    }
}

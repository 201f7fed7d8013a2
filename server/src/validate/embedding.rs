//! An embedding request: texts or tokens, each a request to the engine.

use std::sync::Arc;

use zyron_engine::{GenerateRequest, Tokenizer};
use zyron_openapi::{EmbeddingRequest, EncodingFormat, Prompt};

use super::completion::known;
use super::{Job, at_most, encode_error, off_thread};
use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::serving::Serving;

/// A checked embedding request.
pub(crate) struct EmbeddingJob {
    pub(crate) job: Job,
    pub(crate) encoding: EncodingFormat,
    /// Numbers of a vector that are given, where not all are.
    pub(crate) dimensions: Option<usize>,
}

/// A text and the field that has it.
enum Given {
    Text(String, String),
    Tokens(String, Vec<u32>),
}

/// Checks an embedding request and tokenizes its texts.
pub(crate) async fn embedding(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    request: EmbeddingRequest,
) -> Result<EmbeddingJob, ApiError> {
    if serving.model.pooling.is_none() {
        let message = format!("`{}` generates text and makes no embeddings.", serving.model.id);
        return Err(ApiError::unsupported("model", message));
    }
    let dimensions = request.dimensions.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    if dimensions == Some(0) {
        return Err(ApiError::invalid("dimensions", "`dimensions` is at least 1."));
    }
    let encoding = request.encoding_format.unwrap_or_default();
    let given = read(request.input);
    at_most("input", given.len(), limits.max_inputs)?;
    let work = move |serving: &Serving| given.into_iter().map(|given| tokens_of(given, serving)).collect();
    let prompts: Vec<Vec<u32>> = off_thread(serving, limits, &serving.tokenizing, work).await?;
    let prompt_tokens = prompts.iter().map(|prompt| prompt.len() as u64).sum();
    let answers = prompts.len();
    // Each is asked for once, in order.
    let mut prompts = prompts.into_iter();
    let request = move |_| GenerateRequest::for_embedding(prompts.next().unwrap_or_default());
    let job = Job { answers, answers_per_prompt: 1, request: Box::new(request), prompt_tokens };
    Ok(EmbeddingJob { job, encoding, dimensions })
}

fn read(input: Prompt) -> Vec<Given> {
    let name = |place: usize| format!("input[{place}]");
    match input {
        Prompt::Text(text) => vec![Given::Text("input".to_owned(), text)],
        Prompt::Tokens(tokens) => vec![Given::Tokens("input".to_owned(), tokens)],
        Prompt::Texts(texts) => texts.into_iter().zip(0..).map(|(text, at)| Given::Text(name(at), text)).collect(),
        Prompt::TokenLists(lists) => {
            lists.into_iter().zip(0..).map(|(list, at)| Given::Tokens(name(at), list)).collect()
        }
    }
}

fn tokens_of(given: Given, serving: &Serving) -> Result<Vec<u32>, ApiError> {
    let tokenizer: &Tokenizer = &serving.model.tokenizer;
    let (param, tokens) = match given {
        // An empty text would be what is put around one, and its vector would mean nothing.
        Given::Text(param, text) if text.is_empty() => (param, Vec::new()),
        Given::Text(param, text) => {
            let tokens = tokenizer.encode(&text, true).map_err(|error| encode_error(&param, &error))?;
            (param, tokens)
        }
        Given::Tokens(param, tokens) => {
            let tokens = known(tokens, tokenizer, &param)?;
            (param, tokens)
        }
    };
    let longest = serving.engine.context_length();
    match tokens.len() {
        0 => Err(ApiError::invalid(&param, format!("`{param}` must not be empty."))),
        count if count > longest => {
            let message = format!("`{param}` has {count} tokens, and this model reads {longest} at most.");
            Err(ApiError::InvalidRequest { message, param: Some(param), code: Some("context_length_exceeded") })
        }
        _ => Ok(tokens),
    }
}

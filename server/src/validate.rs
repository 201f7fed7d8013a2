//! A wire request to what the engine takes: every field is honoured, harmless and ignored, or refused by name.

mod messages;
mod refuse;
mod sampling;

use std::sync::Arc;

use zyron_engine::{GenerateRequest, Tokenizer, TokenizerError};
use zyron_openapi::{ChatCompletionRequest, CompletionRequest, OneOrMany, Prompt, StreamOptions};

use self::sampling::SamplingFields;
use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::state::Serving;

/// OpenAI's default for completions.
const DEFAULT_COMPLETION_TOKENS: u64 = 16;
/// OpenAI's limit.
const MAX_STOP: usize = 4;

/// A checked request.
pub(crate) struct Job {
    pub(crate) generate: GenerateRequest,
    pub(crate) streaming: Option<Streaming>,
}

/// How to stream the answer.
#[derive(Clone, Copy)]
pub(crate) struct Streaming {
    pub(crate) include_usage: bool,
}

impl Serving {
    /// Whether `name` is the model served here.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), ApiError> {
        // The name comes back in the error, so no more of it than a name needs.
        (name == self.model.id).then_some(()).ok_or_else(|| ApiError::ModelNotFound(name.chars().take(128).collect()))
    }
}

/// Checks a chat completion request, renders its conversation and tokenizes it.
pub(crate) async fn chat(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    request: ChatCompletionRequest,
) -> Result<Job, ApiError> {
    serving.check_name(&request.model)?;
    refuse::chat(&request)?;
    let streaming = streaming(request.stream, request.stream_options.as_ref())?;
    let vocabulary = serving.model.tokenizer.vocabulary_size();
    let sampling = SamplingFields::of_chat(&request).check(vocabulary)?;
    let stop = stop(request.stop, limits)?;
    let asked = match (request.max_completion_tokens, request.max_tokens) {
        (Some(tokens), _) => Some(("max_completion_tokens", tokens)),
        (None, Some(tokens)) => Some(("max_tokens", tokens)),
        (None, None) => None,
    };
    let messages = messages::read(request.messages, limits.max_messages, &serving.model.tokenizer)?;
    let prompt = tokenize(serving, move |serving| {
        let rendered = messages::render(&messages, &serving.model)?;
        serving.model.tokenizer.encode_rendered(&rendered).map_err(|error| encode_error("messages", &error))
    })
    .await?;
    let max_tokens = max_tokens(serving, limits, prompt.len(), asked, "messages")?;
    Ok(Job { generate: GenerateRequest { prompt, sampling, stop, max_tokens, held: None }, streaming })
}

/// Checks a completion request and tokenizes its prompt.
pub(crate) async fn completion(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    request: CompletionRequest,
) -> Result<Job, ApiError> {
    serving.check_name(&request.model)?;
    refuse::completion(&request)?;
    let streaming = streaming(request.stream, request.stream_options.as_ref())?;
    let vocabulary = serving.model.tokenizer.vocabulary_size();
    let sampling = SamplingFields::of_completion(&request).check(vocabulary)?;
    let stop = stop(request.stop, limits)?;
    let asked = Some(("max_tokens", request.max_tokens.unwrap_or(DEFAULT_COMPLETION_TOKENS)));
    let prompt = match one_prompt(request.prompt)? {
        OnePrompt::Tokens(tokens) => known_tokens(tokens, &serving.model.tokenizer)?,
        OnePrompt::Text(text) => {
            let encode = move |serving: &Serving| {
                serving.model.tokenizer.encode(&text, true).map_err(|error| encode_error("prompt", &error))
            };
            tokenize(serving, encode).await?
        }
    };
    let max_tokens = max_tokens(serving, limits, prompt.len(), asked, "prompt")?;
    Ok(Job { generate: GenerateRequest { prompt, sampling, stop, max_tokens, held: None }, streaming })
}

fn streaming(stream: Option<bool>, options: Option<&StreamOptions>) -> Result<Option<Streaming>, ApiError> {
    match (stream.unwrap_or(false), options) {
        (false, Some(_)) => Err(ApiError::invalid("stream_options", "`stream_options` needs `stream` to be true.")),
        (false, None) => Ok(None),
        (true, options) => {
            Ok(Some(Streaming { include_usage: options.and_then(|options| options.include_usage).unwrap_or(false) }))
        }
    }
}

fn stop(stop: Option<OneOrMany>, limits: &LimitsConfig) -> Result<Vec<String>, ApiError> {
    let OneOrMany(stop) = stop.unwrap_or_default();
    if stop.len() > MAX_STOP {
        return Err(ApiError::invalid(
            "stop",
            format!("`stop` takes at most {MAX_STOP} strings; {} were given.", stop.len()),
        ));
    }
    let max = limits.max_stop_bytes;
    match stop.iter().position(|stop| stop.is_empty() || stop.len() > max) {
        Some(at) => Err(ApiError::invalid(format!("stop[{at}]"), format!("A stop string has 1 to {max} bytes."))),
        None => Ok(stop),
    }
}

enum OnePrompt {
    Text(String),
    Tokens(Vec<u32>),
}

fn one_prompt(prompt: Prompt) -> Result<OnePrompt, ApiError> {
    let only_one = || ApiError::unsupported("prompt", "`prompt` takes one prompt here, not several.");
    match prompt {
        Prompt::Text(text) => Ok(OnePrompt::Text(text)),
        Prompt::Tokens(tokens) => Ok(OnePrompt::Tokens(tokens)),
        Prompt::Texts(texts) => {
            <[String; 1]>::try_from(texts).map(|[text]| OnePrompt::Text(text)).map_err(|_| only_one())
        }
        Prompt::TokenLists(lists) => {
            <[Vec<u32>; 1]>::try_from(lists).map(|[tokens]| OnePrompt::Tokens(tokens)).map_err(|_| only_one())
        }
    }
}

fn known_tokens(tokens: Vec<u32>, tokenizer: &Tokenizer) -> Result<Vec<u32>, ApiError> {
    let size = tokenizer.vocabulary_size();
    match tokens.iter().find(|&&token| token as usize >= size) {
        Some(token) => {
            Err(ApiError::invalid("prompt", format!("Token {token} is not in the vocabulary of {size} tokens.")))
        }
        None => Ok(tokens),
    }
}

fn encode_error(param: &str, error: &TokenizerError) -> ApiError {
    // Its words may quote the text.
    tracing::debug!(%error, "a text could not be tokenized");
    ApiError::invalid(param, format!("`{param}` could not be tokenized."))
}

/// Off the threads that serve connections: a long text takes the tokenizer a while.
async fn tokenize(
    serving: &Arc<Serving>,
    encode: impl FnOnce(&Serving) -> Result<Vec<u32>, ApiError> + Send + 'static,
) -> Result<Vec<u32>, ApiError> {
    let _turn = serving.tokenizing.acquire().await.map_err(|_| ApiError::Draining)?;
    let worker = Arc::clone(serving);
    tokio::task::spawn_blocking(move || encode(&worker)).await.map_err(|_| ApiError::Internal)?
}

/// How many tokens may be generated after the prompt. Nothing is cut in silence: what does not fit is an error.
fn max_tokens(
    serving: &Serving,
    limits: &LimitsConfig,
    prompt_tokens: usize,
    asked: Option<(&'static str, u64)>,
    prompt_param: &'static str,
) -> Result<usize, ApiError> {
    if prompt_tokens == 0 {
        return Err(ApiError::invalid(prompt_param, format!("`{prompt_param}` must hold at least one token.")));
    }
    let context_length = serving.model.context_length;
    let left = context_length.saturating_sub(prompt_tokens);
    let limit = if limits.max_tokens == 0 { context_length } else { limits.max_tokens };
    let wanted = match asked {
        None => left.min(limit).max(1),
        Some((param, 0)) => return Err(ApiError::invalid(param, format!("`{param}` must be at least 1."))),
        Some((param, tokens)) => {
            let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
            if tokens > limit && tokens <= left {
                return Err(ApiError::invalid(
                    param,
                    format!("`{param}` is {tokens}; this server's limit is {limit}."),
                ));
            }
            tokens
        }
    };
    if wanted > left {
        return Err(ApiError::ContextLengthExceeded {
            context_length,
            requested: prompt_tokens.saturating_add(wanted),
            prompt_tokens,
            max_tokens: wanted,
            param: prompt_param,
        });
    }
    Ok(wanted)
}

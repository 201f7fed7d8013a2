//! A completion request: one prompt or many, each with its answers.

use std::sync::Arc;

use zyron_engine::{GenerateRequest, Tokenizer, infill};
use zyron_openapi::{CompletionRequest, Prompt};

use super::constraint::{Goal, form_fields_of};
use super::sampling::SamplingFields;
use super::{
    Job, Streaming, at_most, choices, encode_error, for_choice, max_tokens, off_thread, refuse, stop, streaming,
    top_logprobs,
};
use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::serving::Serving;

/// OpenAI's default.
pub(crate) const DEFAULT_TOKENS: u64 = 16;
/// OpenAI's limit.
const MAX_LOGPROBS: u64 = 5;

/// A checked completion request.
pub(crate) struct CompletionJob {
    pub(crate) job: Job,
    pub(crate) streaming: Option<Streaming>,
    /// The text of each prompt, where it is given back.
    pub(crate) echo: Option<Vec<String>>,
    /// The tokens of each prompt.
    pub(crate) prompts: Arc<Vec<Vec<u32>>>,
    /// Whether log-probabilities are given, and how many alternatives.
    pub(crate) logprobs: Option<usize>,
    /// Answers to give for each prompt.
    pub(crate) choices: usize,
    /// Answers to generate for each prompt.
    pub(crate) candidates: usize,
}

enum Given {
    Text(String),
    Tokens(Vec<u32>),
}

/// Checks a completion request and tokenizes its prompts.
pub(crate) async fn completion(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    mut request: CompletionRequest,
) -> Result<CompletionJob, ApiError> {
    refuse::embedding_model(serving)?;
    let streaming = streaming(request.stream, request.stream_options.as_ref())?;
    let sampling = SamplingFields::of_completion(&request).check(serving.model.tokenizer.vocabulary_size())?;
    let stop = stop(request.stop.take(), limits)?;
    let logprobs = request.logprobs.map(|top| top_logprobs(Some(top), MAX_LOGPROBS, "logprobs")).transpose()?;
    let echo = request.echo.unwrap_or(false);
    let (choices, candidates) = counts(&request, streaming.is_some(), limits)?;
    let form = form_fields_of!(request, None).read()?;
    let goal = Goal { form, tools: None, max_bytes: limits.max_grammar_bytes };
    let turns = goal.turns(serving);
    let given = prompts(request.prompt, limits)?;
    let suffix = request.suffix.filter(|suffix| !suffix.is_empty());
    let work = move |serving: &Serving| {
        let constraint = goal.compile(serving)?;
        let prompts: Result<Vec<_>, _> =
            given.into_iter().map(|given| tokens_of(given, suffix.as_deref(), &serving.model.tokenizer)).collect();
        Ok((prompts?, constraint))
    };
    let (prompts, constraint) = off_thread(serving, limits, turns, work).await?;
    let (texts, prompts): (Vec<String>, Vec<Vec<u32>>) = prompts.into_iter().unzip();
    let asked = Some(("max_tokens", request.max_tokens.unwrap_or(DEFAULT_TOKENS)));
    let scored = echo && logprobs.is_some();
    for prompt in &prompts {
        if scored && prompt.len() > limits.max_scored_tokens {
            let message = format!(
                "With `echo` and `logprobs` a prompt has at most {} tokens here; this one has {}.",
                limits.max_scored_tokens,
                prompt.len()
            );
            return Err(ApiError::invalid("prompt", message));
        }
        max_tokens(serving, limits.most_tokens(), prompt.len(), asked, "prompt")?;
    }
    let prompt_tokens = prompts.iter().map(|prompt| prompt.len() as u64).sum();
    let tokens = request.max_tokens.unwrap_or(DEFAULT_TOKENS) as usize;
    let prompts = Arc::new(prompts);
    let given = Arc::clone(&prompts);
    let request = move |index: usize| GenerateRequest {
        sampling: for_choice(&sampling, index % candidates),
        constraint: constraint.clone(),
        stop: stop.clone(),
        // The best of several is found by what they are worth.
        logprobs: logprobs.or((candidates > choices).then_some(0)),
        prompt_logprobs: logprobs.filter(|_| scored),
        ..GenerateRequest::new(given[index / candidates].clone(), tokens)
    };
    let answers = prompts.len() * candidates;
    let job = Job { answers, answers_per_prompt: candidates, request: Box::new(request), prompt_tokens };
    Ok(CompletionJob { job, streaming, echo: echo.then_some(texts), prompts, logprobs, choices, candidates })
}

/// How many answers to give for each prompt, and how many to generate.
fn counts(request: &CompletionRequest, streaming: bool, limits: &LimitsConfig) -> Result<(usize, usize), ApiError> {
    let given = choices("n", request.n, limits)?;
    // OpenAI's default is 1, which with a greater `n` would be an error of its own.
    let Some(best_of) = request.best_of else { return Ok((given, given)) };
    let candidates = choices("best_of", Some(best_of), limits)?;
    if candidates < given {
        return Err(ApiError::invalid("best_of", "`best_of` is at least `n`."));
    }
    if streaming && candidates > given {
        return Err(ApiError::invalid("best_of", "`best_of` over `n` cannot be streamed."));
    }
    Ok((given, candidates))
}

fn prompts(prompt: Prompt, limits: &LimitsConfig) -> Result<Vec<Given>, ApiError> {
    let given: Vec<Given> = match prompt {
        Prompt::Text(text) => vec![Given::Text(text)],
        Prompt::Tokens(tokens) => vec![Given::Tokens(tokens)],
        Prompt::Texts(texts) => texts.into_iter().map(Given::Text).collect(),
        Prompt::TokenLists(lists) => lists.into_iter().map(Given::Tokens).collect(),
    };
    at_most("prompt", given.len(), limits.max_prompts)?;
    Ok(given)
}

/// A prompt's text and tokens.
fn tokens_of(given: Given, suffix: Option<&str>, tokenizer: &Tokenizer) -> Result<(String, Vec<u32>), ApiError> {
    let failed = |error| encode_error("prompt", &error);
    let text = match given {
        Given::Text(text) => text,
        Given::Tokens(_) if suffix.is_some() => {
            return Err(ApiError::unsupported("suffix", "With `suffix` the prompt is a text."));
        }
        Given::Tokens(tokens) => {
            let bytes: Vec<u8> = tokens.iter().flat_map(|&token| tokenizer.text_bytes(token).to_vec()).collect();
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), known(tokens, tokenizer, "prompt")?));
        }
    };
    let tokens = match suffix {
        None => tokenizer.encode(&text, true).map_err(failed)?,
        Some(suffix) => infill::prompt(tokenizer, &text, suffix).map_err(failed)?.ok_or_else(|| {
            ApiError::unsupported("suffix", "This model cannot fill in the middle: it has no tokens for `suffix`.")
        })?,
    };
    Ok((text, tokens))
}

pub(super) fn known(tokens: Vec<u32>, tokenizer: &Tokenizer, param: &str) -> Result<Vec<u32>, ApiError> {
    let size = tokenizer.vocabulary_size();
    match tokens.iter().find(|&&token| token as usize >= size) {
        Some(token) => {
            Err(ApiError::invalid(param, format!("Token {token} is not in the vocabulary of {size} tokens.")))
        }
        None => Ok(tokens),
    }
}

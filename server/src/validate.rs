//! A wire request to what the engine takes: every field is honoured, harmless and ignored, or refused by name.

mod completion;
mod constraint;
mod embedding;
mod finance;
mod messages;
mod refuse;
mod response;
mod sampling;
mod tokenize;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use zyron_engine::{
    Conversation, GenerateRequest, Sampling, TemplateError, Tokenizer, TokenizerError, ToolChoice, ToolFormat,
    template, tool_calls,
};
use zyron_finance::Desk;
use zyron_openapi::{ChatCompletionRequest, FinanceAnalysisRequest, OneOrMany, StreamOptions};

use self::constraint::{Form, Goal, form_fields_of};
use self::sampling::SamplingFields;
use self::tools::Tools;
use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::serving::Serving;

pub(crate) use self::completion::{CompletionJob, DEFAULT_TOKENS, completion};
pub(crate) use self::embedding::embedding;
pub(crate) use self::finance::{Finance, Plan};
pub(crate) use self::response::{ResponseJob, remember, response};
pub(crate) use self::tokenize::{detokenize, tokenize};

/// OpenAI's limits.
const MAX_STOP: usize = 4;
const MAX_TOP_LOGPROBS: u64 = 20;
/// More than any template's variables, in bytes of JSON.
const MAX_TEMPLATE_KWARGS: usize = 16 * 1024;

/// A checked request.
pub(crate) struct Job {
    /// How many answers there will be.
    pub(crate) answers: usize,
    /// Makes the request for the answer at a place, when its turn comes: it may be one of thousands.
    pub(crate) request: Box<dyn FnMut(usize) -> GenerateRequest + Send>,
    /// Answers to the same prompt, one after another.
    pub(crate) answers_per_prompt: usize,
    /// Tokens of all prompts, each counted once however many answers it gets.
    pub(crate) prompt_tokens: u64,
}

/// A checked chat completion request.
pub(crate) struct ChatJob {
    pub(crate) job: Job,
    pub(crate) streaming: Option<Streaming>,
    /// How calls stand in the answer's text, where it may call tools.
    pub(crate) tools: Option<ToolFormat>,
    pub(crate) logprobs: bool,
    /// What the answers' numbers are checked against, where there is something.
    pub(crate) finance: Option<Finance>,
    /// How the answer goes on, where the server runs its tools.
    pub(crate) rounds: Option<Plan>,
    /// Whether its text is signed.
    pub(crate) is_signed: bool,
}

/// How to stream the answer.
#[derive(Clone, Copy)]
pub(crate) struct Streaming {
    pub(crate) include_usage: bool,
}

/// Checks a chat completion request, renders its conversation and tokenizes it.
pub(crate) async fn chat(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    mut request: ChatCompletionRequest,
) -> Result<ChatJob, ApiError> {
    let Some(finance::Asked { statement, has_tools }) = finance::take(&mut request)? else {
        return converse(serving, limits, request, 0, None, None).await;
    };
    let desk = finance::desk(statement).await?;
    let (facts, question) = (desk.sheet().facts.clone(), finance::question(&request.messages));
    let finance = Finance { facts, question, template: None };
    converse(serving, limits, request, 0, has_tools.then_some(desk), Some(finance)).await
}

/// Checks a request for a commentary, which is a chat completion about figures.
pub(crate) async fn analysis(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    request: FinanceAnalysisRequest,
) -> Result<ChatJob, ApiError> {
    let (mut request, desk, finance) = finance::commentary(request).await?;
    let has_tools = finance::take(&mut request)?.is_some();
    let desk = has_tools.then(|| desk.unwrap_or_default());
    let answer = converse(serving, limits, request, finance::BEFORE, desk, Some(finance)).await;
    answer.map_err(finance::as_of_commentary)
}

/// A conversation whose tools, where there is a `desk`, the server runs. The first `before` messages are ours.
async fn converse(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    mut request: ChatCompletionRequest,
    before: usize,
    desk: Option<Desk>,
    finance: Option<Finance>,
) -> Result<ChatJob, ApiError> {
    refuse::chat(&request)?;
    let streaming = streaming(request.stream, request.stream_options.as_ref())?;
    let is_signed = request.zyron_provenance.unwrap_or(false);
    let tokenizer = &serving.model.tokenizer;
    let sampling = SamplingFields::of_chat(&request).check(tokenizer.vocabulary_size())?;
    let logprobs = logprobs(request.logprobs, request.top_logprobs)?;
    let form = form_fields_of!(request, request.response_format.take()).read()?;
    let tools = tools::chat(request.tools, request.tool_choice, request.parallel_tool_calls, limits, tokenizer)?;
    let format = tools.is_some().then_some(serving.tool_format);
    let mut variables = variables(request.chat_template_kwargs, tokenizer)?;
    reasoning_effort(request.reasoning_effort, serving, &mut variables)?;
    let add_generation_prompt =
        ending(request.add_generation_prompt, request.continue_final_message, &request.messages)?;
    let ask = Ask {
        param: "messages",
        conversation: Conversation {
            messages: messages::read(request.messages, before, limits.max_messages, tokenizer)?,
            tools: tools.as_ref().map(|tools| tools.shown.clone()).unwrap_or_default(),
            add_generation_prompt,
            variables,
        },
        continue_final: request.continue_final_message.unwrap_or(false),
        tools,
        form,
        sampling,
        stop: stop(request.stop, limits)?,
        max_tokens: match (request.max_completion_tokens, request.max_tokens) {
            (Some(one), Some(other)) if one != other => {
                return Err(ApiError::invalid(
                    "max_tokens",
                    "`max_completion_tokens` says otherwise; give one of the two.",
                ));
            }
            (Some(tokens), _) => Some(("max_completion_tokens", tokens)),
            (None, Some(tokens)) => Some(("max_tokens", tokens)),
            (None, None) => None,
        },
        most_tokens: limits.most_tokens(),
        choices: choices("n", request.n, limits)?,
        logprobs,
    };
    let rounds = desk.map(|desk| Plan::new(desk, ask.clone(), format));
    let job = ask.prepare(serving, limits).await?;
    // Where the server runs the tools, calls are read by it, and what is left is text.
    let tools = format.filter(|_| rounds.is_none());
    Ok(ChatJob { job, streaming, tools, logprobs: logprobs.is_some(), finance, rounds, is_signed })
}

/// A conversation to answer: what chat completions and responses have in common.
#[derive(Clone)]
pub(crate) struct Ask {
    /// The field that holds the conversation.
    param: &'static str,
    conversation: Conversation,
    continue_final: bool,
    tools: Option<Tools>,
    form: Option<Form>,
    sampling: Sampling,
    stop: Vec<String>,
    /// The tokens that are asked for, and the field: they must fit.
    max_tokens: Option<(&'static str, u64)>,
    /// Where none are asked for, an answer has this many or ends where the context does.
    most_tokens: usize,
    choices: usize,
    logprobs: Option<usize>,
}

impl Ask {
    /// Renders it, tokenizes it, compiles what the answer must look like.
    ///
    /// # Errors
    /// [`ApiError::ContextLengthExceeded`] where there is no room for what is asked for, or for one token.
    pub(crate) async fn prepare(self, serving: &Arc<Serving>, limits: &LimitsConfig) -> Result<Job, ApiError> {
        refuse::embedding_model(serving)?;
        let Self { param, conversation, continue_final, tools, form, sampling, mut stop, logprobs, .. } = self;
        let format = serving.tool_format;
        let mut shown_control = Vec::new();
        let mut stop_until = None;
        if let Some(tools) = &tools {
            shown_control = format.control_tokens(&serving.model.tokenizer);
            stop_until = Some(format.trigger);
            // There is no text that they could end.
            if tools.choice == ToolChoice::Required {
                stop.clear();
            }
        }
        let goal = Goal { form, tools, max_bytes: limits.max_grammar_bytes };
        let turns = goal.turns(serving);
        let work = move |serving: &Serving| {
            Ok((prompt(conversation, continue_final, serving, param)?, goal.compile(serving)?))
        };
        let (prompt, constraint) = off_thread(serving, limits, turns, work).await?;
        let max_tokens = max_tokens(serving, self.most_tokens, prompt.len(), self.max_tokens, param)?;
        let prompt_tokens = prompt.len() as u64;
        let request = move |choice| GenerateRequest {
            sampling: for_choice(&sampling, choice),
            constraint: constraint.clone(),
            stop: stop.clone(),
            stop_until,
            shown_control: shown_control.clone(),
            logprobs,
            ..GenerateRequest::new(prompt.clone(), max_tokens)
        };
        Ok(Job { answers: self.choices, answers_per_prompt: self.choices, request: Box::new(request), prompt_tokens })
    }
}

/// The first answer is that of a request for one; each other has a seed of its own.
fn for_choice(sampling: &Sampling, choice: usize) -> Sampling {
    Sampling { seed: sampling.seed.wrapping_add(choice as u64), ..sampling.clone() }
}

pub(crate) fn choices(param: &'static str, given: Option<u64>, limits: &LimitsConfig) -> Result<usize, ApiError> {
    let max = limits.max_choices;
    match usize::try_from(given.unwrap_or(1)) {
        Ok(count) if (1..=max).contains(&count) => Ok(count),
        _ => Err(ApiError::invalid(param, format!("`{param}` is from 1 to {max} here."))),
    }
}

pub(crate) fn at_most(param: &str, count: usize, max: usize) -> Result<(), ApiError> {
    if count > max {
        return Err(ApiError::invalid(param, format!("`{param}` holds more than the {max} allowed here.")));
    }
    Ok(())
}

fn logprobs(wanted: Option<bool>, top: Option<u64>) -> Result<Option<usize>, ApiError> {
    match (wanted.unwrap_or(false), top) {
        (false, Some(1..)) => Err(ApiError::invalid("top_logprobs", "`top_logprobs` needs `logprobs` to be true.")),
        (false, _) => Ok(None),
        (true, top) => top_logprobs(top, MAX_TOP_LOGPROBS, "top_logprobs").map(Some),
    }
}

fn top_logprobs(given: Option<u64>, max: u64, param: &str) -> Result<usize, ApiError> {
    match given.unwrap_or(0) {
        top if top <= max => Ok(top as usize),
        _ => Err(ApiError::invalid(param, format!("`{param}` is from 0 to {max}."))),
    }
}

fn variables(given: Option<Map<String, Value>>, tokenizer: &Tokenizer) -> Result<Map<String, Value>, ApiError> {
    const NAME: &str = "chat_template_kwargs";
    let given = given.unwrap_or_default();
    if given.keys().any(|name| !template::is_free_variable(name)) {
        return Err(ApiError::invalid(NAME, "`chat_template_kwargs` names a variable that the server sets."));
    }
    let protected = given.into_iter().map(|(name, value)| (name, messages::protect(value, tokenizer)));
    let variables: Map<String, Value> = protected.collect();
    match serde_json::to_string(&variables) {
        Ok(text) if text.len() <= MAX_TEMPLATE_KWARGS => Ok(variables),
        _ => Err(ApiError::invalid(NAME, format!("`{NAME}` has at most {MAX_TEMPLATE_KWARGS} bytes."))),
    }
}

/// Only a template can make a model think more or less; where it cannot, the field would be a lie.
fn reasoning_effort(
    given: Option<String>,
    serving: &Serving,
    variables: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    const NAME: &str = "reasoning_effort";
    let Some(effort) = given else { return Ok(()) };
    if !matches!(effort.as_str(), "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max") {
        return Err(ApiError::invalid(NAME, "`reasoning_effort` is `none`, `minimal`, `low`, `medium` or `high`."));
    }
    if serving.model.template.as_ref().is_some_and(|template| template.knows(NAME)) {
        variables.insert(NAME.to_owned(), effort.into());
        return Ok(());
    }
    if effort == "none" {
        return Ok(());
    }
    Err(ApiError::unsupported(NAME, "This model does not reason before it answers: `reasoning_effort` can be `none`."))
}

/// Whether the prompt ends ready for an answer.
fn ending(
    add_generation_prompt: Option<bool>,
    continue_final_message: Option<bool>,
    messages: &[zyron_openapi::ChatCompletionMessageParam],
) -> Result<bool, ApiError> {
    if !continue_final_message.unwrap_or(false) {
        return Ok(add_generation_prompt.unwrap_or(true));
    }
    if add_generation_prompt == Some(true) {
        let message = "`add_generation_prompt` begins a new message; `continue_final_message` goes on with the last.";
        return Err(ApiError::invalid("continue_final_message", message));
    }
    match messages.last() {
        Some(last) if last.role == zyron_openapi::Role::Assistant && last.content.is_some() => Ok(false),
        _ => Err(ApiError::invalid("continue_final_message", "The last message must be the assistant's, with text.")),
    }
}

/// The tokens of a conversation, in the terms of the model's template.
fn prompt(
    mut conversation: Conversation,
    continue_final: bool,
    serving: &Serving,
    param: &str,
) -> Result<Vec<u32>, ApiError> {
    tool_calls::adapt(&mut conversation, &serving.tool_format);
    let rendered = render(conversation, continue_final, serving, param)?;
    serving.model.tokenizer.encode_rendered(&rendered).map_err(|error| encode_error(param, &error))
}

/// Renders the conversation with the model's template.
fn render(
    mut conversation: Conversation,
    continue_final: bool,
    serving: &Serving,
    param: &str,
) -> Result<String, ApiError> {
    let Some(template) = &serving.model.template else {
        let message = "This model has no chat template; use /v1/completions.";
        return Err(ApiError::unsupported(param, message));
    };
    // What the template puts behind the last message would end it, so the end of its text is marked.
    let mark = uuid::Uuid::new_v4().simple().to_string();
    if let Some(last) = conversation.messages.last_mut().filter(|_| continue_final) {
        last["content"] = format!("{}{mark}", last["content"].as_str().unwrap_or_default()).into();
    }
    let mut rendered = template.render(&conversation).map_err(|error| match error {
        TemplateError::Refused(reason) => {
            ApiError::invalid(param, format!("The model's chat template refused the conversation: {reason}"))
        }
        TemplateError::Failed(_) | TemplateError::Invalid(_) => {
            // Its words may quote the conversation.
            tracing::debug!(%error, "a chat template failed");
            ApiError::invalid(param, "The model's chat template cannot render this conversation.")
        }
    })?;
    if continue_final {
        let end = rendered.find(&mark).ok_or_else(|| {
            ApiError::unsupported("continue_final_message", "The model's chat template changes the last message.")
        })?;
        rendered.truncate(end);
    }
    Ok(rendered)
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

fn encode_error(param: &str, error: &TokenizerError) -> ApiError {
    // Its words may quote the text.
    tracing::debug!(%error, "a text could not be tokenized");
    ApiError::invalid(param, format!("`{param}` could not be tokenized."))
}

/// Off the threads that serve connections: a long text takes the tokenizer a while, and a schema the compiler. It
/// waits for one of `turns`.
async fn off_thread<T: Send + 'static>(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    turns: &Arc<Semaphore>,
    work: impl FnOnce(&Serving) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let timeout = Duration::from_millis(limits.prepare_timeout_ms);
    let turn = match tokio::time::timeout(timeout, Arc::clone(turns).acquire_owned()).await {
        Ok(turn) => turn.map_err(|_| ApiError::Draining)?,
        Err(_) => return Err(ApiError::Overloaded(timeout)),
    };
    let worker = Arc::clone(serving);
    let working = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&worker)
    });
    match tokio::time::timeout(timeout, working).await {
        Ok(done) => done.map_err(|_| ApiError::Internal)?,
        Err(_) => Err(ApiError::InvalidRequest {
            message: "The request takes too long to prepare: its text is too long or its constraint too complex."
                .into(),
            param: None,
            code: Some("too_complex"),
        }),
    }
}

pub(crate) fn too_many_tokens(param: &str, tokens: usize, limit: usize) -> ApiError {
    ApiError::invalid(param, format!("`{param}` is {tokens}; this server's limit is {limit}."))
}

/// How many tokens may be generated after the prompt, `limit` at most. Nothing is cut in silence: what does not fit is
/// an error.
fn max_tokens(
    serving: &Serving,
    limit: usize,
    prompt_tokens: usize,
    asked: Option<(&'static str, u64)>,
    prompt_param: &'static str,
) -> Result<usize, ApiError> {
    if prompt_tokens == 0 {
        return Err(ApiError::invalid(prompt_param, format!("`{prompt_param}` must hold at least one token.")));
    }
    let context_length = serving.engine.context_length();
    let left = context_length.saturating_sub(prompt_tokens);
    let wanted = match asked {
        None => left.min(limit).max(1),
        // A completion may only read its prompt.
        Some((param, 0)) if prompt_param != "prompt" => {
            return Err(ApiError::invalid(param, format!("`{param}` must be at least 1.")));
        }
        Some((param, tokens)) => {
            let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
            if tokens > limit && tokens <= left {
                return Err(too_many_tokens(param, tokens, limit));
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

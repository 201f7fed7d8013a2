//! A request for `/v1/responses`: items to the messages of a chat template, and the rest as in chat completions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use zyron_engine::{Conversation, Sampling, Tokenizer, ToolFormat};
use zyron_openapi::responses::{
    InputContentPart, InputMessageContent, ItemStatus, Response, ResponseStatus, ResponseTextConfig,
    ResponseTextFormat, ResponseTool, ResponseToolChoice,
};
use zyron_openapi::tools::FunctionObject;
use zyron_openapi::{InputItem, OutputItem, ResponseInput, ResponseRequest, Role};

use super::constraint::{self, Form};
use super::sampling::within;
use super::tools::{self, Selection, Tools};
use super::{Ask, Job, MAX_TOP_LOGPROBS, messages, refuse, top_logprobs};
use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::serving::Serving;

/// OpenAI's limits.
const MAX_METADATA: usize = 16;
const MAX_METADATA_KEY: usize = 64;
const MAX_METADATA_VALUE: usize = 512;
/// The one extra that an answer can carry.
const LOGPROBS: &str = "message.output_text.logprobs";

/// A checked request.
pub(crate) struct ResponseJob {
    pub(crate) job: Job,
    pub(crate) streaming: bool,
    /// How calls stand in the answer's text, where it may call tools.
    pub(crate) tools: Option<ToolFormat>,
    /// The answer before it has begun.
    pub(crate) response: Response,
    /// The conversation up to the answer, without the instructions, for the answer to this one.
    pub(crate) messages: Vec<Value>,
}

/// Checks a request. `before` is the conversation that it continues.
pub(crate) async fn response(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    request: ResponseRequest,
    before: Vec<Value>,
    store: bool,
) -> Result<ResponseJob, ApiError> {
    refuse::response(&request)?;
    let tokenizer = &serving.model.tokenizer;
    let streaming = request.stream.unwrap_or(false);
    if request.stream_options.is_some() && !streaming {
        return Err(ApiError::invalid("stream_options", "`stream_options` needs `stream` to be true."));
    }
    check_metadata(request.metadata.as_ref())?;
    let logprobs = logprobs(&request)?;
    let response = skeleton(&request, serving, store);
    let sampling = Sampling {
        temperature: within("temperature", request.temperature, 1.0, 0.0..=2.0)?,
        top_p: within("top_p", request.top_p, 1.0, 0.0..=1.0)?,
        seed: rand::random(),
        ..Sampling::default()
    };
    let tools = offered(request.tools, request.tool_choice, request.parallel_tool_calls, limits, tokenizer)?;
    let form = request.text.map(form).transpose()?.flatten();
    let format = tools.is_some().then_some(serving.tool_format);
    let messages = conversation(before, request.input, limits)?;
    let instructions = request.instructions.map(|text| json!({"role": "system", "content": text}));
    let shown = instructions.into_iter().chain(messages.iter().cloned());
    let conversation = Conversation {
        messages: shown.map(|message| messages::protect(message, tokenizer)).collect(),
        tools: tools.as_ref().map(|tools| tools.shown.clone()).unwrap_or_default(),
        add_generation_prompt: true,
        variables: Map::new(),
    };
    let ask = Ask {
        param: "input",
        conversation,
        continue_final: false,
        tools,
        form,
        sampling,
        stop: Vec::new(),
        max_tokens: request.max_output_tokens.map(|tokens| ("max_output_tokens", tokens)),
        most_tokens: limits.most_tokens(),
        choices: 1,
        logprobs,
    };
    let job = ask.prepare(serving, limits).await?;
    Ok(ResponseJob { job, streaming, tools: format, response, messages })
}

fn check_metadata(metadata: Option<&BTreeMap<String, String>>) -> Result<(), ApiError> {
    let Some(metadata) = metadata else { return Ok(()) };
    let long = |(key, value): (&String, &String)| {
        key.chars().count() > MAX_METADATA_KEY || value.chars().count() > MAX_METADATA_VALUE
    };
    if metadata.len() > MAX_METADATA || metadata.iter().any(long) {
        let message = "`metadata` has at most 16 pairs, of keys up to 64 characters and values up to 512.";
        return Err(ApiError::invalid("metadata", message));
    }
    Ok(())
}

fn logprobs(request: &ResponseRequest) -> Result<Option<usize>, ApiError> {
    let include = request.include.as_deref().unwrap_or_default();
    if let Some(at) = include.iter().position(|extra| extra != LOGPROBS) {
        return Err(ApiError::unsupported(format!("include[{at}]"), format!("`include` can hold `{LOGPROBS}`.")));
    }
    let top = top_logprobs(request.top_logprobs, MAX_TOP_LOGPROBS, "top_logprobs")?;
    // As at OpenAI, asking for alternatives asks for log-probabilities.
    Ok((!include.is_empty() || top > 0).then_some(top))
}

fn skeleton(request: &ResponseRequest, serving: &Serving, store: bool) -> Response {
    let tools = request.tools.clone().unwrap_or_default();
    Response {
        id: format!("resp_{}", uuid::Uuid::new_v4().simple()),
        object: "response".to_owned(),
        created_at: crate::time::now(),
        status: ResponseStatus::InProgress,
        completed_at: None,
        error: None,
        incomplete_details: None,
        output: Vec::new(),
        usage: None,
        model: serving.model.id.clone(),
        instructions: request.instructions.clone(),
        max_output_tokens: request.max_output_tokens,
        temperature: Some(request.temperature.unwrap_or(1.0)),
        top_p: Some(request.top_p.unwrap_or(1.0)),
        top_logprobs: Some(request.top_logprobs.unwrap_or(0)),
        tools,
        tool_choice: request.tool_choice.clone().unwrap_or_else(|| ResponseToolChoice::Mode("auto".to_owned())),
        parallel_tool_calls: request.parallel_tool_calls.unwrap_or(true),
        text: described(request.text.clone().unwrap_or_default()),
        reasoning: request.reasoning.clone(),
        truncation: Some("disabled".to_owned()),
        store,
        previous_response_id: request.previous_response_id.clone(),
        background: request.background.unwrap_or(false),
        metadata: request.metadata.clone().unwrap_or_default(),
        user: request.user.clone(),
    }
}

/// With the format that is the default.
fn described(mut text: ResponseTextConfig) -> ResponseTextConfig {
    text.format.get_or_insert_with(|| ResponseTextFormat { kind: "text".to_owned(), ..ResponseTextFormat::default() });
    text
}

fn form(text: ResponseTextConfig) -> Result<Option<Form>, ApiError> {
    let Some(format) = text.format else { return Ok(None) };
    let path = "text.format";
    if format.kind != "json_schema" {
        return constraint::plain(&format.kind, path);
    }
    let missing = |field: &str| {
        ApiError::invalid(format!("{path}.{field}"), format!("A format of this type needs its `{field}`."))
    };
    let name = format.name.ok_or_else(|| missing("name"))?;
    let schema = format.schema.ok_or_else(|| missing("schema"))?;
    constraint::json_schema(&name, Some(schema.into()), format.strict, path)
}

fn offered(
    tools: Option<Vec<ResponseTool>>,
    choice: Option<ResponseToolChoice>,
    parallel: Option<bool>,
    limits: &LimitsConfig,
    tokenizer: &Tokenizer,
) -> Result<Option<Tools>, ApiError> {
    let functions: Result<Vec<_>, _> =
        tools.unwrap_or_default().into_iter().enumerate().map(|(index, tool)| function(tool, index)).collect();
    tools::offer(functions?, "", choice.map(select).transpose()?, parallel, limits, tokenizer)
}

fn function(tool: ResponseTool, index: usize) -> Result<FunctionObject, ApiError> {
    let at = |field: &str| format!("tools[{index}].{field}");
    if tool.kind != "function" {
        return Err(ApiError::unsupported(at("type"), "The type of a tool is `function`."));
    }
    if let Some(field) = tool.other.keys().next() {
        return Err(ApiError::unknown(at(field), ""));
    }
    if tool.defer_loading == Some(true) {
        return Err(ApiError::unsupported(at("defer_loading"), "`defer_loading` is not supported."));
    }
    if tool.allowed_callers.is_some_and(|callers| !callers.is_null() && callers != json!(["direct"])) {
        return Err(ApiError::unsupported(at("allowed_callers"), "`allowed_callers` is not supported."));
    }
    let name = tool.name.ok_or_else(|| ApiError::invalid(at("name"), "A function needs its `name`."))?;
    Ok(FunctionObject { name, description: tool.description, parameters: tool.parameters, strict: tool.strict })
}

fn select(choice: ResponseToolChoice) -> Result<Selection, ApiError> {
    let selection = match choice {
        ResponseToolChoice::Mode(mode) => return tools::mode_of(&mode, "tool_choice"),
        ResponseToolChoice::Selection(selection) => selection,
    };
    if selection.server_label.is_some() {
        return Err(ApiError::unsupported("tool_choice.server_label", "Tools of other servers are not supported."));
    }
    match selection.kind.as_str() {
        "function" => {
            let name = selection.name.ok_or_else(|| ApiError::invalid("tool_choice.name", "The name is missing."))?;
            Ok(Selection::Named(name))
        }
        "allowed_tools" => {
            let functions = selection.tools.unwrap_or_default().into_iter().map(|tool| {
                let is_function = tool.kind == "function" && tool.server_label.is_none();
                tool.name.filter(|_| is_function)
            });
            let names: Option<Vec<String>> = functions.collect();
            let names = names
                .ok_or_else(|| ApiError::unsupported("tool_choice.tools", "`tool_choice.tools` names functions."))?;
            tools::allowed_of(selection.mode.as_deref().unwrap_or("auto"), names, "tool_choice.mode")
        }
        _ => Err(ApiError::unsupported("tool_choice.type", "`tool_choice.type` is `function` or `allowed_tools`.")),
    }
}

/// The conversation before with what is new, as messages of a chat template.
fn conversation(
    before: Vec<Value>,
    input: Option<ResponseInput>,
    limits: &LimitsConfig,
) -> Result<Vec<Value>, ApiError> {
    let mut messages = before;
    let items = match input {
        None => Vec::new(),
        Some(ResponseInput::Text(text)) => vec![InputItem::message(Role::User, text)],
        Some(ResponseInput::Items(items)) => items,
    };
    if items.is_empty() {
        return Err(ApiError::invalid("input", "`input` must hold something to answer."));
    }
    if messages.len() + items.len() > limits.max_messages {
        let message = format!("The conversation holds more than the {} items allowed here.", limits.max_messages);
        return Err(ApiError::invalid("input", message));
    }
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("input[{index}]");
        check(&item, &path)?;
        add(item, &path, &mut messages)?;
    }
    Ok(messages)
}

/// Adds what an answer said to its conversation. A call that was cut off was never made.
pub(crate) fn remember(answer: &Response, messages: &mut Vec<Value>) {
    let whole = |item: &&OutputItem| match item {
        OutputItem::Message(_) => true,
        OutputItem::FunctionCall(call) => call.status == ItemStatus::Completed,
    };
    for item in answer.output.iter().filter(whole) {
        // What a model says is read as what a client sends back; and where it cannot be, it is left out.
        let _ = add(InputItem::from(item.clone()), "", messages);
    }
}

fn kind(item: &InputItem) -> &str {
    match &item.kind {
        Some(kind) => kind,
        None if item.role.is_some() => "message",
        None => "item_reference",
    }
}

/// Whether an item is of a kind that is read here, has what that kind needs, and nothing that it does not know.
fn check(item: &InputItem, path: &str) -> Result<(), ApiError> {
    let at = |field: &str| format!("{path}.{field}");
    let fields = [
        ("role", item.role.is_some()),
        ("content", item.content.is_some()),
        ("phase", item.phase.is_some()),
        ("call_id", item.call_id.is_some()),
        ("name", item.name.is_some()),
        ("arguments", item.arguments.is_some()),
        ("output", item.output.is_some()),
    ];
    let (needed, optional): (&[&str], &[&str]) = match kind(item) {
        "message" => (&["role", "content"], &["phase"]),
        "function_call" => (&["call_id", "name", "arguments"], &[]),
        // Which function it was, the call says.
        "function_call_output" => (&["call_id", "output"], &["name"]),
        _ => return Err(ApiError::unsupported(at("type"), "Items of this type are not supported.")),
    };
    let foreign = fields.iter().find(|(field, given)| *given && !needed.contains(field) && !optional.contains(field));
    if let Some(field) = foreign.map(|(field, _)| *field).or_else(|| item.other.keys().next().map(String::as_str)) {
        return Err(ApiError::unknown(at(field), ""));
    }
    if item.namespace.is_some() {
        return Err(ApiError::unsupported(at("namespace"), "`namespace` is not supported."));
    }
    if item.caller.as_ref().is_some_and(|caller| *caller != json!({"type": "direct"})) {
        return Err(ApiError::unsupported(at("caller"), "`caller` is not supported."));
    }
    match fields.iter().find(|(field, given)| !given && needed.contains(field)) {
        Some((field, _)) => Err(ApiError::invalid(at(field), format!("An item of this type needs its `{field}`."))),
        None => Ok(()),
    }
}

/// Adds an item that was checked to the messages.
fn add(item: InputItem, path: &str, messages: &mut Vec<Value>) -> Result<(), ApiError> {
    let text = |content: Option<InputMessageContent>, field: &str| {
        content.map(|content| text_of(content, &format!("{path}.{field}"))).transpose().map(Option::unwrap_or_default)
    };
    let call_id = item.call_id.as_deref().unwrap_or_default();
    match kind(&item) {
        "function_call" => {
            let (name, arguments) = (item.name.unwrap_or_default(), item.arguments.unwrap_or_default());
            let arguments = messages::arguments(&arguments, &format!("{path}.arguments"))?;
            let call = messages::call(call_id, &name, arguments);
            // The calls of one answer are one message with its text.
            if messages.last().is_none_or(|last| last["role"] != "assistant") {
                messages.push(json!({"role": "assistant", "content": null}));
            }
            if let Some(last) = messages.last_mut() {
                match last["tool_calls"].as_array_mut() {
                    Some(calls) => calls.push(call),
                    None => last["tool_calls"] = json!([call]),
                }
            }
        }
        "function_call_output" => {
            let message = json!({"role": "tool", "tool_call_id": call_id, "content": text(item.output, "output")?});
            messages.push(message);
        }
        _ => {
            let role = match item.role {
                Some(Role::System | Role::Developer) => "system",
                Some(Role::User) => "user",
                Some(Role::Assistant) => "assistant",
                _ => {
                    let message = "The role of a message is `user`, `assistant`, `system` or `developer`.";
                    return Err(ApiError::invalid(format!("{path}.role"), message));
                }
            };
            messages.push(json!({"role": role, "content": text(item.content, "content")?}));
        }
    }
    Ok(())
}

fn text_of(content: InputMessageContent, path: &str) -> Result<String, ApiError> {
    match content {
        InputMessageContent::Text(text) => Ok(text),
        InputMessageContent::Parts(parts) => {
            let texts = parts.into_iter().enumerate().map(|(index, part)| part_text(part, &format!("{path}[{index}]")));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
    }
}

fn part_text(part: InputContentPart, path: &str) -> Result<String, ApiError> {
    let files = [&part.image_url, &part.file_id, &part.file_url, &part.file_data, &part.filename, &part.input_audio];
    let (field, text) = match part.kind.as_str() {
        "input_image" | "input_file" | "input_audio" => return Err(messages::text_only(path)),
        _ if part.detail.is_some() || files.into_iter().any(Option::is_some) => return Err(messages::text_only(path)),
        "input_text" | "output_text" => ("text", part.text),
        "refusal" => ("refusal", part.refusal),
        _ => {
            return Err(ApiError::invalid(format!("{path}.type"), "The type of a content part is `input_text`."));
        }
    };
    let missing = || ApiError::invalid(format!("{path}.{field}"), format!("A part of this type needs its `{field}`."));
    text.ok_or_else(missing)
}

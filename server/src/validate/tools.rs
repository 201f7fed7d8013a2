//! The tools a request offers, and whether the answer may, must or must not call them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use zyron_engine::tool_calls::Tool;
use zyron_engine::{Tokenizer, ToolChoice};
use zyron_openapi::tools::{FunctionName, FunctionObject};
use zyron_openapi::{self as wire, ChatCompletionTool};

use super::{at_most, messages};
use crate::config::LimitsConfig;
use crate::error::ApiError;

/// Tools that the answer may call.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// As the chat template shows them to the model.
    pub(crate) shown: Vec<Value>,
    /// Those that may be called.
    pub(crate) callable: Vec<Tool>,
    /// Where their schemas are in the request, for errors.
    pub(crate) params: Vec<String>,
    pub(crate) choice: ToolChoice,
    /// Whether several may be called at once.
    pub(crate) parallel: bool,
}

/// Which tools may be called.
pub(super) enum Selection {
    /// None: they are not shown either, or the model would be led to call them.
    None,
    /// All, or those of these names.
    Some(ToolChoice, Option<Vec<String>>),
    /// This one, once.
    Named(String),
}

/// Reads the tools of a chat completion request.
pub(super) fn chat(
    tools: Option<Vec<ChatCompletionTool>>,
    choice: Option<wire::ToolChoice>,
    parallel: Option<bool>,
    limits: &LimitsConfig,
    tokenizer: &Tokenizer,
) -> Result<Option<Tools>, ApiError> {
    let tools = tools.unwrap_or_default().into_iter().enumerate().map(|(index, tool)| {
        let path = format!("tools[{index}]");
        if tool.kind != "function" || tool.custom.is_some() {
            return Err(ApiError::unsupported(format!("{path}.type"), "The type of a tool is `function`."));
        }
        tool.function.ok_or_else(|| ApiError::invalid(format!("{path}.function"), "A tool needs its `function`."))
    });
    let functions: Vec<FunctionObject> = tools.collect::<Result<_, _>>()?;
    let selection = select_chat(choice)?;
    offer(functions, ".function", selection, parallel, limits, tokenizer)
}

fn select_chat(choice: Option<wire::ToolChoice>) -> Result<Option<Selection>, ApiError> {
    let Some(choice) = choice else { return Ok(None) };
    let selection = match choice {
        wire::ToolChoice::Mode(mode) => return mode_of(&mode, "tool_choice").map(Some),
        wire::ToolChoice::Selection(selection) => selection,
    };
    let name = |function: Option<FunctionName>, path: &str| {
        let function = function.ok_or_else(|| ApiError::invalid(path, format!("`{path}` is missing.")))?;
        Ok::<_, ApiError>(function.name)
    };
    if selection.custom.is_some() && selection.kind != "custom" {
        return Err(ApiError::unsupported("tool_choice.custom", "Custom tools are not supported."));
    }
    match selection.kind.as_str() {
        "function" => {
            let name = name(selection.function, "tool_choice.function")?;
            Ok(Some(Selection::Named(name)))
        }
        "allowed_tools" => {
            let missing = || ApiError::invalid("tool_choice.allowed_tools", "`tool_choice.allowed_tools` is missing.");
            let allowed = selection.allowed_tools.ok_or_else(missing)?;
            let names = allowed.tools.into_iter().map(|tool| match tool.kind.as_str() {
                "function" => name(tool.function, "tool_choice.allowed_tools.tools"),
                _ => Err(ApiError::unsupported("tool_choice.allowed_tools.tools", "Only functions can be allowed.")),
            });
            let names: Result<Vec<_>, _> = names.collect();
            allowed_of(&allowed.mode, names?, "tool_choice.allowed_tools.mode").map(Some)
        }
        _ => Err(ApiError::unsupported("tool_choice.type", "`tool_choice.type` is `function` or `allowed_tools`.")),
    }
}

/// `none`, `auto` or `required`.
pub(super) fn mode_of(mode: &str, param: &str) -> Result<Selection, ApiError> {
    match mode {
        "none" => Ok(Selection::None),
        "auto" => Ok(Selection::Some(ToolChoice::Auto, None)),
        "required" => Ok(Selection::Some(ToolChoice::Required, None)),
        _ => Err(ApiError::invalid(param, format!("`{param}` is `none`, `auto` or `required`, or an object."))),
    }
}

/// Some of the tools, `auto` or `required`.
pub(super) fn allowed_of(mode: &str, names: Vec<String>, param: &str) -> Result<Selection, ApiError> {
    match mode_of(mode, param)? {
        Selection::Some(choice, _) => Ok(Selection::Some(choice, Some(names))),
        _ => Err(ApiError::invalid(param, format!("`{param}` is `auto` or `required`."))),
    }
}

/// Checks the functions on offer and the selection among them. `inside` is where a function is in its tool.
pub(super) fn offer(
    functions: Vec<FunctionObject>,
    inside: &str,
    selection: Option<Selection>,
    mut parallel: Option<bool>,
    limits: &LimitsConfig,
    tokenizer: &Tokenizer,
) -> Result<Option<Tools>, ApiError> {
    at_most("tools", functions.len(), limits.max_tools)?;
    let mut names = BTreeSet::new();
    for (index, function) in functions.iter().enumerate() {
        let path = format!("tools[{index}]{inside}.name");
        if !is_name(&function.name) {
            let message = "A function's name has 1 to 64 letters, digits, `_` and `-`.";
            return Err(ApiError::invalid(path, message));
        }
        if !names.insert(function.name.clone()) {
            return Err(ApiError::invalid(path, "Two functions have this name."));
        }
    }
    let (choice, only) = match selection.unwrap_or(Selection::Some(ToolChoice::Auto, None)) {
        Selection::None => return Ok(None),
        Selection::Some(ToolChoice::Auto, None) if functions.is_empty() => return Ok(None),
        Selection::Some(choice, only) => (choice, only),
        Selection::Named(name) => {
            parallel = Some(false);
            (ToolChoice::Required, Some(vec![name]))
        }
    };
    if functions.is_empty() {
        return Err(ApiError::invalid("tool_choice", "`tool_choice` asks for a tool, and `tools` offers none."));
    }
    if only.iter().flatten().any(|name| !names.contains(name)) || only.as_ref().is_some_and(Vec::is_empty) {
        return Err(ApiError::invalid("tool_choice", "`tool_choice` names a function that `tools` does not offer."));
    }
    let shown = functions.iter().map(|function| messages::protect(describe(function), tokenizer)).collect();
    let callable = functions.into_iter().enumerate();
    let callable = callable.filter(|(_, function)| only.as_ref().is_none_or(|only| only.contains(&function.name)));
    let described = |(place, function)| {
        let param = format!("tools[{place}]{inside}.parameters");
        Ok((tool(function, &param)?, param))
    };
    let described: Result<Vec<_>, ApiError> = callable.map(described).collect();
    let (callable, params) = described?.into_iter().unzip();
    Ok(Some(Tools { shown, callable, params, choice, parallel: parallel.unwrap_or(true) }))
}

/// OpenAI's rule for the names of functions and of formats.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn no_parameters() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

/// The function as OpenAI describes it, which is how models were trained to read it.
fn describe(function: &FunctionObject) -> Value {
    let mut described = json!({"name": function.name});
    if let Some(description) = &function.description {
        described["description"] = description.as_str().into();
    }
    described["parameters"] = function.parameters.clone().unwrap_or_else(no_parameters);
    json!({"type": "function", "function": described})
}

/// Arguments are an object, also where the schema does not say so.
fn tool(function: FunctionObject, param: &str) -> Result<Tool, ApiError> {
    let mut parameters = function.parameters.unwrap_or_else(no_parameters);
    let schema = parameters.as_object_mut();
    let schema = schema.ok_or_else(|| ApiError::invalid(param, format!("`{param}` is a JSON schema.")))?;
    match schema.insert("type".to_owned(), "object".into()) {
        Some(kind) if kind != "object" => {
            Err(ApiError::invalid(param, format!("`{param}` is of type `object`: a function's arguments are one.")))
        }
        _ => Ok(Tool { name: function.name, parameters, strict: function.strict.unwrap_or(false) }),
    }
}

//! From a conversation to the request that has it go on: a chat completion, or a commentary on what lies on the desk.

use leptos::prelude::GetUntracked;
use serde_json::{Value, json};
use zyron_openapi::{ChatCompletionMessageParam, MessageContent, Role, StreamOptions};

use crate::api::Ask;
use crate::conversation::{Asked, Exchange, ToolResult};
use crate::settings::Settings;

/// What an analysis is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Material {
    /// The accounts, as a request has them.
    pub(crate) statement: Option<Value>,
    /// The text of a document.
    pub(crate) text: Option<String>,
}

/// The request for the answer that is to come at the end of `path`: of each exchange the answer in `column` is the one
/// that the conversation goes on from. Without `material` it is a conversation like any other.
///
/// # Errors
/// What of the settings cannot be sent, in the page's language.
pub(crate) fn ask(
    settings: &Settings,
    model: &str,
    path: &[Exchange],
    column: usize,
    material: Option<Material>,
) -> Result<Ask, String> {
    let is_analysis = material.is_some();
    let mut body = json!({"model": model});
    let path = if is_analysis { &path[beginning(path)..] } else { path };
    let messages = messages(settings, path, column, is_analysis);
    match material {
        Some(Material { statement, text }) => {
            // The question that began it is put behind the accounts, what was said since behind that.
            let began = path.first().map(|exchange| exchange.asked.clone()).unwrap_or_default();
            for (name, value) in [("statement", statement), ("text", text.map(Value::from))] {
                if let Some(value) = value {
                    body[name] = value;
                }
            }
            if let Some(template) = began.template {
                body["template"] = json!(template.id);
            }
            if !began.question.is_empty() {
                body["question"] = json!(began.question);
            }
            if messages.len() > 1 {
                body["messages"] = json!(messages[1..]);
            }
        }
        None => body["messages"] = json!(messages),
    }
    for (name, value) in settings.fields(is_analysis)? {
        body[name] = value;
    }
    body["stream"] = json!(true);
    body["stream_options"] = json!(StreamOptions { include_usage: Some(true), ..StreamOptions::default() });
    let path = if is_analysis { "/v1/finance/analyses" } else { "/v1/chat/completions" };
    Ok(Ask { path, body })
}

/// Where the last analysis begins: with a template, or the first of the questions about what lies on the desk.
fn beginning(path: &[Exchange]) -> usize {
    let of_template = path.iter().rposition(|exchange| exchange.asked.template.is_some());
    let run = path.iter().rposition(|exchange| !exchange.asked.is_analysis()).map_or(0, |last| last + 1);
    of_template.unwrap_or(0).max(run).min(path.len().saturating_sub(1))
}

fn messages(
    settings: &Settings,
    path: &[Exchange],
    column: usize,
    is_analysis: bool,
) -> Vec<ChatCompletionMessageParam> {
    let mut messages = Vec::new();
    if !is_analysis && !settings.system.trim().is_empty() {
        messages.push(ChatCompletionMessageParam::text(Role::System, settings.system.trim()));
    }
    for (at, exchange) in path.iter().enumerate() {
        messages.extend(asked(&exchange.asked));
        let answer = exchange.answers.get(column).or_else(|| exchange.answers.first());
        let is_to_come = at + 1 == path.len();
        if let Some(answer) = answer.filter(|_| !is_to_come) {
            let said = answer.said.get_untracked();
            let mut message = ChatCompletionMessageParam::text(Role::Assistant, said.text);
            if !said.calls.is_empty() {
                let has_text = matches!(&message.content, Some(MessageContent::Text(text)) if !text.is_empty());
                message.content = message.content.filter(|_| has_text);
                message.tool_calls = Some(said.calls);
            }
            messages.push(message);
        }
    }
    messages
}

fn asked(asked: &Asked) -> Vec<ChatCompletionMessageParam> {
    if asked.results.is_empty() {
        return vec![ChatCompletionMessageParam::text(Role::User, asked.title())];
    }
    let result = |result: &ToolResult| ChatCompletionMessageParam {
        tool_call_id: Some(result.id.clone()),
        ..ChatCompletionMessageParam::text(Role::Tool, result.text.clone())
    };
    asked.results.iter().map(result).collect()
}

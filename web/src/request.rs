//! From a conversation to the request that has it go on: a chat completion, or a commentary on what lies on the desk.

use leptos::prelude::WithUntracked;

use crate::api::Ask;
use crate::conversation::{Asked, Exchange, Said, ToolResult};
use crate::json;
use crate::settings::Settings;
use crate::wire::Call;

/// What an analysis is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Material {
    /// The accounts, as a request has them, in JSON.
    pub(crate) statement: Option<String>,
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
    let mut fields = vec![("model", json::text(model))];
    let path = if is_analysis { &path[beginning(path)..] } else { path };
    let messages = messages(settings, path, column, is_analysis);
    match material {
        Some(Material { statement, text }) => {
            // The question that began it is put behind the accounts, what was said since behind that.
            let began = path.first().map(|exchange| exchange.asked.clone()).unwrap_or_default();
            let question = Some(&began.question).filter(|question| !question.is_empty());
            let since = messages.get(1..).filter(|since| !since.is_empty());
            let given = [
                ("statement", statement),
                ("text", text.as_deref().map(json::text)),
                ("template", began.template.as_ref().map(|template| json::text(&template.id))),
                ("question", question.map(|question| json::text(question))),
                ("messages", since.map(|since| json::list(since.to_vec()))),
            ];
            fields.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?))));
        }
        None => fields.push(("messages", json::list(messages))),
    }
    fields.extend(settings.fields(is_analysis)?);
    fields.push(("stream", "true".to_owned()));
    fields.push(("stream_options", json::object(&[("include_usage", "true".to_owned())])));
    let path = if is_analysis { "/v1/finance/analyses" } else { "/v1/chat/completions" };
    Ok(Ask { path, fields })
}

/// Where the last analysis begins: with a template, or the first of the questions about what lies on the desk.
fn beginning(path: &[Exchange]) -> usize {
    let of_template = path.iter().rposition(|exchange| exchange.asked.template.is_some());
    let run = path.iter().rposition(|exchange| !exchange.asked.is_analysis()).map_or(0, |last| last + 1);
    of_template.unwrap_or(0).max(run).min(path.len().saturating_sub(1))
}

/// The messages of the conversation, in JSON.
fn messages(settings: &Settings, path: &[Exchange], column: usize, is_analysis: bool) -> Vec<String> {
    let mut messages = Vec::new();
    if !is_analysis && !settings.system.trim().is_empty() {
        messages.push(message("system", settings.system.trim()));
    }
    for (at, exchange) in path.iter().enumerate() {
        messages.extend(asked(&exchange.asked));
        let answer = exchange.answers.get(column).or_else(|| exchange.answers.first());
        let is_to_come = at + 1 == path.len();
        if let Some(answer) = answer.filter(|_| !is_to_come) {
            messages.push(answer.said.with_untracked(answered));
        }
    }
    messages
}

fn asked(asked: &Asked) -> Vec<String> {
    if asked.results.is_empty() {
        return vec![message("user", asked.title())];
    }
    let result = |result: &ToolResult| {
        let [role, content] = parts("tool", &result.text);
        json::object(&[role, content, ("tool_call_id", json::text(&result.id))])
    };
    asked.results.iter().map(result).collect()
}

fn answered(said: &Said) -> String {
    if said.calls.is_empty() {
        return message("assistant", &said.text);
    }
    let [role, content] = parts("assistant", &said.text);
    let content = Some(content).filter(|_| !said.text.is_empty());
    let calls = ("tool_calls", json::list(said.calls.iter().map(Call::json)));
    json::object(&[role].into_iter().chain(content).chain([calls]).collect::<Vec<_>>())
}

fn message(role: &str, content: &str) -> String {
    json::object(&parts(role, content))
}

fn parts(role: &str, content: &str) -> [(&'static str, String); 2] {
    [("role", json::text(role)), ("content", json::text(content))]
}

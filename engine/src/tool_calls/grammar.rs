//! The grammar of an answer that may, or must, call tools.

use std::fmt::Write;

use serde_json::Value;

use super::format::{MARKS, ToolFormat};
use crate::grammar::{Grammar, GrammarError, literal, schema_for};
use crate::tokenizer::Tokenizer;

/// Most calls in one answer.
pub const MAX_CALLS: usize = 32;

/// Whether the answer calls tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// It calls at least one.
    Required,
}

/// A tool on offer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON schema of its arguments.
    pub parameters: Value,
    /// Whether a keyword of the schema that cannot be enforced is an error, or ignored.
    pub strict: bool,
}

/// The grammar of an answer in which `tools` may be called, more than one at once where `parallel`. `answer` is the
/// schema of an answer without a call, and whether it is strict; by default such an answer is any text.
///
/// # Errors
/// [`GrammarError`] where a schema is none.
pub fn grammar(
    format: &ToolFormat,
    tools: &[Tool],
    choice: ToolChoice,
    parallel: bool,
    answer: Option<(&Value, bool)>,
    tokenizer: &Tokenizer,
) -> Result<Grammar, GrammarError> {
    let mark = |text: &str| marks(text, tokenizer);
    let mut lark = Lark::default();
    let mut opening = format.opening();
    let trigger = regex_syntax::escape(format.trigger);
    let start = match (choice, answer) {
        (ToolChoice::Required, _) => "calls".to_owned(),
        (ToolChoice::Auto, Some(_)) if !format.after_text => {
            let error = "this model's tool calls begin as its JSON does, so it cannot stand beside `tools`";
            return Err(GrammarError(error.to_owned()));
        }
        (ToolChoice::Auto, Some((schema, strict))) => {
            lark.rule("answer", &format!("%json {}", schema_for(schema, strict)?));
            "answer | calls".to_owned()
        }
        (ToolChoice::Auto, None) if !format.after_text => {
            lark.rule("TEXT", &format!("/(.|\n)+/ & ~/{trigger}(.|\n)*/"));
            "TEXT? | calls".to_owned()
        }
        (ToolChoice::Auto, None) if is_control(format.trigger, tokenizer) => {
            // Only the token begins a call, but whoever reads the text sees no difference.
            lark.rule("TEXT", &format!("/(.|\n)+/ & ~/(.|\n)*{trigger}(.|\n)*/"));
            "TEXT? | TEXT? calls".to_owned()
        }
        (ToolChoice::Auto, None) => {
            // The text up to the trigger ends with it, so the first call goes on behind it.
            lark.rule("TEXT", "/(.|\n)+/");
            lark.rule("before[lazy]", &format!("/(.|\n)*{trigger}/"));
            opening = opening.strip_prefix(format.trigger).unwrap_or(&opening).to_owned();
            "TEXT? | before calls".to_owned()
        }
    };
    let more = match format.separator {
        Some(separator) if parallel => {
            lark.rule("next", &format!("{} call", mark(separator)));
            format!("next{{0,{}}}", MAX_CALLS - 1)
        }
        _ => String::new(),
    };
    lark.rule("start", &start);
    lark.rule("calls", &format!("first {more} {}", mark(format.tail)));
    for (rule, opening) in [("first", opening.as_str()), ("call", format.item_open)] {
        let calls: Vec<String> = tools
            .iter()
            .enumerate()
            .map(|(index, tool)| {
                let opening = mark(&format!("{opening}{}{}", tool.name, format.call_id.unwrap_or_default()));
                let id = if format.call_id.is_some() { "CALL_ID" } else { "" };
                let (name_end, close) = (mark(format.name_end), mark(format.item_close));
                format!("{opening} {id} {name_end} arguments_{index} {close}")
            })
            .collect();
        lark.rule(rule, &calls.join(" | "));
    }
    if format.call_id.is_some() {
        lark.rule("CALL_ID", "/[a-zA-Z0-9]{9}/");
    }
    for (index, tool) in tools.iter().enumerate() {
        let schema = schema_for(&tool.parameters, tool.strict)?;
        lark.rule(&format!("arguments_{index}"), &format!("%json {schema}"));
    }
    Ok(Grammar::Lark(lark.0))
}

#[derive(Default)]
struct Lark(String);

impl Lark {
    fn rule(&mut self, name: &str, body: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}: {body}");
    }
}

fn is_control(mark: &str, tokenizer: &Tokenizer) -> bool {
    tokenizer.token_id(mark).is_some_and(|id| tokenizer.is_control(id))
}

/// `text` in Lark's notation, its control tokens as tokens.
fn marks(text: &str, tokenizer: &Tokenizer) -> String {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let found = MARKS.iter().filter_map(|mark| Some((rest.find(mark)?, *mark)));
        let found = found.filter(|(_, mark)| is_control(mark, tokenizer)).min();
        let (at, after) = found.map_or((rest.len(), rest.len()), |(at, mark)| (at, at + mark.len()));
        if at > 0 {
            parts.push(literal(&rest[..at]));
        }
        if let Some(id) = found.and_then(|(_, mark)| tokenizer.token_id(mark)) {
            parts.push(format!("<[{id}]>"));
        }
        rest = &rest[after..];
    }
    parts.join(" ")
}

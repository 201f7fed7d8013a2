//! A conversation with tools, in the terms of the model's template.

use serde_json::{Value, json};

use super::format::ToolFormat;
use crate::template::Conversation;

/// Adapts a conversation in OpenAI's terms to what a model of this family reads: the ids its template accepts, and, for
/// a template that knows no tools, the tools, calls and results as text.
pub fn adapt(conversation: &mut Conversation, format: &ToolFormat) {
    if format.short_ids {
        shorten_ids(&mut conversation.messages);
    }
    if format.in_template {
        return;
    }
    let tools = std::mem::take(&mut conversation.tools);
    for mut message in std::mem::take(&mut conversation.messages) {
        let result = message["role"] == "tool";
        write_out(&mut message, format);
        join(message, result, &mut conversation.messages);
    }
    if !tools.is_empty() {
        describe(&tools, &mut conversation.messages);
    }
}

/// Ids mean nothing to the model but which result belongs to which call: any that differ will do.
fn shorten_ids(messages: &mut [Value]) {
    let mut known: Vec<String> = Vec::new();
    let mut short = |id: &mut Value| {
        let Some(given) = id.as_str() else { return };
        let at = known.iter().position(|id| id == given).unwrap_or_else(|| {
            known.push(given.to_owned());
            known.len() - 1
        });
        *id = format!("{at:09}").into();
    };
    for message in messages {
        let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
        for id in calls.into_iter().flatten().filter_map(|call| call.get_mut("id")) {
            short(id);
        }
        if let Some(id) = message.get_mut("tool_call_id") {
            short(id);
        }
    }
}

/// Adds a message. Many templates want user and assistant in turns, so results, which are the user's now, are one
/// message with what the user says next.
fn join(message: Value, result: bool, messages: &mut Vec<Value>) {
    const RESULT: &str = "<tool_response>";
    let follows = |last: &&mut Value| last["content"].as_str().is_some_and(|text| text.starts_with(RESULT));
    let last = messages.last_mut().filter(|last| last["role"] == "user").filter(follows);
    match (last, message["content"].as_str()) {
        (Some(last), Some(text)) if result || message["role"] == "user" => {
            last["content"] = format!("{}\n{text}", last["content"].as_str().unwrap_or_default()).into();
        }
        _ => messages.push(message),
    }
}

/// Calls and results in the form of Hermes.
fn write_out(message: &mut Value, format: &ToolFormat) {
    let content = message["content"].as_str().unwrap_or_default().to_owned();
    if message["role"] == "tool" {
        *message = json!({"role": "user", "content": format!("<tool_response>\n{content}\n</tool_response>")});
        return;
    }
    let Some(calls) = message.as_object_mut().and_then(|message| message.remove("tool_calls")) else { return };
    let calls = calls.as_array().into_iter().flatten().map(|call| {
        let function = &call["function"];
        let name = function["name"].as_str().unwrap_or_default();
        format!("{}{name}{}{}{}", format.item_open, format.name_end, function["arguments"], format.item_close)
    });
    let lines: Vec<String> = (!content.is_empty()).then_some(content).into_iter().chain(calls).collect();
    message["content"] = lines.join("\n").into();
}

/// Tells of the tools in the first message, the system's or, lest the template knows none, the user's.
fn describe(tools: &[Value], messages: &mut Vec<Value>) {
    let tools: Vec<String> = tools.iter().map(Value::to_string).collect();
    let text = format!(
        "You may call tools. Each is described here as JSON:\n<tools>\n{}\n</tools>\nTo call one, write\n<tool_call>\n\
         {{\"name\": NAME, \"arguments\": OBJECT}}\n</tool_call>",
        tools.join("\n")
    );
    match messages.first_mut() {
        Some(first) if first["role"] != "assistant" => {
            let content = first["content"].as_str().unwrap_or_default();
            let both = if first["role"] == "system" { [content, &text] } else { [&text, content] };
            first["content"] = both.join("\n\n").into();
        }
        _ => messages.insert(0, json!({"role": "user", "content": text})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(format: &str, messages: Value, tools: Value) -> Conversation {
        let mut conversation = Conversation {
            messages: messages.as_array().cloned().unwrap(),
            tools: tools.as_array().cloned().unwrap(),
            ..Conversation::default()
        };
        adapt(&mut conversation, &ToolFormat::named(format).unwrap());
        conversation
    }

    fn round_trip() -> Value {
        json!([
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_x", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "call_y", "type": "function", "function": {"name": "g", "arguments": {}}},
            ]},
            {"role": "tool", "content": "2", "tool_call_id": "call_y"},
        ])
    }

    #[test]
    fn a_template_without_tools_reads_them_as_text() {
        let conversation = adapted("generic", round_trip(), json!([{"type": "function"}]));
        assert!(conversation.tools.is_empty());
        let texts: Vec<&str> = conversation.messages.iter().map(|m| m["content"].as_str().unwrap()).collect();
        assert!(texts[0].contains(r#"{"type":"function"}"#));
        assert!(texts[0].ends_with("</tool_call>\n\n?"));
        assert!(
            texts[1].starts_with("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":1}}\n</tool_call>\n<tool_call>")
        );
        assert_eq!(texts[2], "<tool_response>\n2\n</tool_response>");
        assert_eq!(conversation.messages[2]["role"], "user");
    }

    #[test]
    fn results_and_what_the_user_says_next_are_one_message() {
        let mut messages = round_trip();
        let more = [
            json!({"role": "tool", "content": "1", "tool_call_id": "call_x"}),
            json!({"role": "user", "content": "Alors ?"}),
        ];
        messages.as_array_mut().unwrap().extend(more);
        let messages = adapted("generic", messages, json!([])).messages;
        let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
        let results = "<tool_response>\n2\n</tool_response>\n<tool_response>\n1\n</tool_response>\nAlors ?";
        assert_eq!(messages[2]["content"], results);
    }

    #[test]
    fn a_system_message_is_kept() {
        let conversation = adapted("generic", json!([{"role": "system", "content": "Sois bref."}]), json!([{}]));
        assert_eq!(conversation.messages.len(), 1);
        assert!(conversation.messages[0]["content"].as_str().unwrap().starts_with("Sois bref.\n\n"));
    }

    #[test]
    fn mistral_gets_ids_of_nine_characters_that_still_match() {
        let conversation = adapted("mistral", round_trip(), json!([]));
        assert_eq!(conversation.messages[1]["tool_calls"][1]["id"], "000000001");
        assert_eq!(conversation.messages[2]["tool_call_id"], "000000001");
    }
}

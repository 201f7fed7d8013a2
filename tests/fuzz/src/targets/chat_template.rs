//! A chat template out of a model's files: compiled, and rendered with conversations of every kind.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use zyron_engine::template::NamedTokens;
use zyron_engine::{ChatTemplate, Conversation};

static CONVERSATIONS: LazyLock<[Conversation; 3]> = LazyLock::new(conversations);

/// The text of the template; behind a NUL there may be messages in JSON.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (source, messages) = text.split_once('\0').unwrap_or((text, ""));
    let tokens = NamedTokens { bos: Some("<s>".to_owned()), eos: Some("</s>".to_owned()) };
    let Ok(template) = ChatTemplate::new(source, tokens) else { return };
    let _ = template.knows("tools");
    if let Ok(messages) = serde_json::from_str::<Vec<Value>>(messages) {
        let _ = template.render(&Conversation { messages, ..Conversation::default() });
    }
    for conversation in CONVERSATIONS.iter() {
        let _ = template.render(conversation);
    }
}

fn conversations() -> [Conversation; 3] {
    let tools = vec![json!({"type": "function", "function": {"name": "lire_poste", "description": "Lit un poste.",
        "parameters": {"type": "object", "properties": {"poste": {"type": "string"}}, "required": ["poste"]}}})];
    let call = json!({"id": "call_1", "type": "function",
        "function": {"name": "lire_poste", "arguments": {"poste": "chiffre d’affaires"}}});
    let messages = vec![
        json!({"role": "system", "content": "Sois bref."}),
        json!({"role": "user", "content": "Été <b>{{ 7 * 7 }}</b>", "name": "Ana"}),
        json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": "call_1", "name": "lire_poste", "content": "{\"valeur\": \"12,5\"}"}),
        json!({"role": "user", "content": "Et en 2023 ?"}),
    ];
    let variables = Map::from_iter([("enable_thinking".to_owned(), json!(false))]);
    let long = json!({"role": "user", "content": "a\n".repeat(500)});
    [
        Conversation { messages: messages[1..2].to_vec(), add_generation_prompt: true, ..Conversation::default() },
        Conversation { messages, tools, add_generation_prompt: true, variables },
        Conversation { messages: vec![long; 20], ..Conversation::default() },
    ]
}

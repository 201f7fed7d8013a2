use serde_json::{Value, json};
use zyron_e2e::{chat, chat_chunks, setup};
use zyron_openapi::FinishReason;

const CALL: &str = "<tool_call>\n{\"name\": \"lire_poste\", \"arguments\": {\"poste\": \"CA\"}}\n</tool_call>";

fn tools() -> Value {
    let parameters = json!({
        "type": "object", "properties": {"poste": {"enum": ["CA", "EBE"]}}, "required": ["poste"],
        "additionalProperties": false,
    });
    json!([
        {"type": "function", "function": {"name": "lire_poste", "description": "Lit un poste.", "parameters": parameters}},
        {"type": "function", "function": {"name": "aide"}},
    ])
}

async fn ask(words: &str, more: Value) -> Value {
    let server = setup().obeys().await;
    let mut options = json!({"tools": tools()});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.chat(&chat(words, options)).await.json().await.unwrap()
}

#[tokio::test]
async fn a_model_may_call_or_speak() {
    let body = ask(&format!("say Je regarde.{CALL}\n{CALL}"), json!({})).await;
    let choice = &body["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &json!("Je regarde."))
    );
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert!(calls[0]["id"].as_str().unwrap().starts_with("call_") && calls[0]["id"] != calls[1]["id"]);
    assert_eq!(calls[1]["function"], json!({"name": "lire_poste", "arguments": "{\"poste\": \"CA\"}"}));

    let body = ask(CALL.strip_prefix("<tool_call>").map(|_| "say Bonjour <tool").unwrap(), json!({})).await;
    assert_eq!(body["choices"][0]["message"]["content"], "Bonjour <tool");
    assert!(body["choices"][0]["message"].get("tool_calls").is_none());
}

#[tokio::test]
async fn a_call_alone_has_no_content() {
    let body = ask(&format!("say {CALL}"), json!({})).await;
    assert_eq!(body["choices"][0]["message"]["content"], Value::Null);
}

#[tokio::test]
async fn a_stop_string_ends_text_and_never_a_call() {
    for (words, more) in
        [(format!("say Oui{CALL}"), json!({})), (format!("say {CALL}"), json!({"tool_choice": "required"}))]
    {
        let mut options = json!({"stop": [":", "\""]});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = ask(&words, options).await;
        let call = &body["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["arguments"], "{\"poste\": \"CA\"}", "{body}");
    }
    let body = ask(&format!("say Je regarde : ceci{CALL}"), json!({"stop": ":"})).await;
    assert_eq!(body["choices"][0]["message"]["content"], "Je regarde ");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn the_choice_is_enforced() {
    let called = |body: &Value| {
        let calls = body["choices"][0]["message"]["tool_calls"].as_array().cloned().unwrap_or_default();
        calls.iter().map(|call| call["function"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for choice in [
        json!({"type": "function", "function": {"name": "lire_poste"}}),
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "lire_poste"}}]}}),
    ] {
        let body = ask("say Non.", json!({"tool_choice": choice, "temperature": 0})).await;
        assert_eq!(called(&body), ["lire_poste"], "{body}");
        let arguments = body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert!(["CA", "EBE"].contains(&arguments["poste"].as_str().unwrap()));
    }
    assert_eq!(
        called(&ask("say Non.", json!({"tool_choice": "required", "parallel_tool_calls": false})).await).len(),
        1
    );
    let none = ask(&format!("say {CALL}"), json!({"tool_choice": "none"})).await;
    assert_eq!(none["choices"][0]["message"]["content"], CALL);
    let single = ask(&format!("say {CALL}\n{CALL}"), json!({"parallel_tool_calls": false})).await;
    assert_eq!(called(&single), ["lire_poste"]);
}

#[tokio::test]
async fn a_streamed_call_is_the_same_call() {
    let server = setup().obeys().await;
    let options = json!({"tools": tools(), "stream": true});
    let chunks = chat_chunks(server.chat(&chat(&format!("say Voilà :\n{CALL}"), options)).await).await;
    let mut arguments = String::new();
    let mut content = String::new();
    let mut names = Vec::new();
    let mut reason = None;
    for chunk in chunks {
        for choice in chunk.unwrap().choices {
            content.push_str(&choice.delta.content.unwrap_or_default());
            reason = choice.finish_reason.or(reason);
            for call in choice.delta.tool_calls.unwrap_or_default() {
                let function = call.function.unwrap();
                assert_eq!(call.id.is_some(), function.name.is_some(), "the id comes with the name, once");
                names.extend(function.name);
                arguments.push_str(&function.arguments.unwrap_or_default());
            }
        }
    }
    assert_eq!((content.as_str(), arguments.as_str()), ("Voilà :\n", "{\"poste\": \"CA\"}"));
    assert_eq!((names, reason), (vec!["lire_poste".to_owned()], Some(FinishReason::ToolCalls)));
}

#[tokio::test]
async fn calls_and_results_reach_the_model_and_control_tokens_in_them_stay_text() {
    let server = setup().plays(|request, prompt| {
        let control = request.prompt.iter().filter(|&&token| token >= 256).count();
        vec![zyron_engine::scripted::Act::Say(format!("{control}\n{prompt}"))]
    });
    let call = json!({"id": "c", "type": "function", "function": {"name": "lire_poste", "arguments": "{\"poste\":\"<|im_end|>\"}"}});
    let messages = json!([
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "12<|im_end|>"},
    ]);
    let body = json!({"model": "scripted", "messages": messages});
    let body: Value = server.await.chat(&body).await.json().await.unwrap();
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("7\n"), "{text}");
    assert!(text.contains("{\"name\": \"lire_poste\", \"arguments\": {\"poste\": \"<|im_end|>\"}}"), "{text}");
    assert!(text.contains("tool\n12<|im_end|>"), "{text}");
}

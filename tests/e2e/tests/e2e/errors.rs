use serde_json::{Value, json};
use zyron_e2e::{CONTEXT, chat, error, setup};

fn tool(name: &str, parameters: Value) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

fn call(kind: &str, arguments: &str) -> Value {
    json!({"id": "c", "type": kind, "function": {"name": "f", "arguments": arguments}})
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let server = setup().with("limits.max_messages", 3).says("ok").await;
    let message = |message: Value| json!({"messages": [message]});
    let user = json!({"role": "user", "content": "a"});
    let cases = [
        ("messages", json!({"messages": []})),
        ("messages", json!({"messages": [user, user, user, user]})),
        ("messages[0].role", message(json!({"role": "king", "content": "a"}))),
        ("messages[0].role", message(json!({"role": "function", "content": "a", "name": "f"}))),
        ("messages[0].tool_call_id", message(json!({"role": "tool", "content": "a"}))),
        ("messages[0].tool_call_id", message(json!({"role": "user", "content": "a", "tool_call_id": "c"}))),
        ("messages[0].content", message(json!({"role": "user"}))),
        ("messages[0].content", message(json!({"role": "user", "content": []}))),
        ("messages[0].content[0].text", message(json!({"role": "user", "content": [{"type": "text"}]}))),
        (
            "messages[0].content[0]",
            message(json!({"role": "user", "content": [{"type": "image_url", "image_url": {}}]})),
        ),
        (
            "messages[0].content[0]",
            message(json!({"role": "user", "content": [{"type": "text", "text": "a", "image_url": {}}]})),
        ),
        ("messages[0].tool_calls[0].id", message(json!({"role": "assistant", "content": "", "tool_calls": [{}]}))),
        ("messages[0].tool_calls[0].type", message(json!({"role": "assistant", "tool_calls": [call("custom", "{}")]}))),
        (
            "messages[0].tool_calls[0].function.arguments",
            message(json!({"role": "assistant", "tool_calls": [call("function", "{")]})),
        ),
        (
            "messages[0].tool_calls",
            message(json!({"role": "user", "content": "a", "tool_calls": [call("function", "{}")]})),
        ),
        ("messages[0].colour", message(json!({"role": "user", "content": "a", "colour": 1}))),
        ("temperature", json!({"temperature": 2.1})),
        ("temperature", json!({"temperature": "hot"})),
        ("top_p", json!({"top_p": -0.1})),
        ("min_p", json!({"min_p": 2})),
        ("repetition_penalty", json!({"repetition_penalty": 0})),
        ("frequency_penalty", json!({"frequency_penalty": 3})),
        ("presence_penalty", json!({"presence_penalty": -3})),
        ("logit_bias", json!({"logit_bias": {"258": 1}})),
        ("logit_bias", json!({"logit_bias": {"x": 1}})),
        ("logit_bias", json!({"logit_bias": {"1": 101}})),
        ("max_tokens", json!({"max_tokens": 0})),
        ("max_tokens", json!({"max_tokens": -1})),
        ("max_completion_tokens", json!({"max_completion_tokens": 1.5})),
        ("max_tokens", json!({"max_tokens": 4, "max_completion_tokens": 5})),
        ("stop", json!({"stop": ["a", "b", "c", "d", "e"]})),
        ("stop[1]", json!({"stop": ["a", ""]})),
        ("stop[0]", json!({"stop": "x".repeat(257)})),
        ("stream_options", json!({"stream_options": {"include_usage": true}})),
        ("n", json!({"n": 0})),
        ("n", json!({"n": 17})),
        ("n", json!({"n": 2_147_483_648u64})),
        ("top_logprobs", json!({"top_logprobs": 2})),
        ("top_logprobs", json!({"logprobs": true, "top_logprobs": 21})),
        ("tools[0].type", json!({"tools": [{"type": "custom", "custom": {"name": "f"}}]})),
        ("tools[0].function", json!({"tools": [{"type": "function"}]})),
        ("tools[0].function.name", json!({"tools": [tool("a b", json!({}))]})),
        ("tools[1].function.name", json!({"tools": [tool("f", json!({})), tool("f", json!({}))]})),
        ("tools[1].function.parameters", json!({"tools": [tool("f", json!({})), tool("g", json!({"type": 3}))]})),
        (
            "tools[0].function.parameters",
            json!({"tools": [tool("f", json!({"type": "object", "properties": {"a": {"pattern": "(("}}}))]}),
        ),
        ("tools", json!({"tools": vec![tool("f", json!({})); 129]})),
        ("tools", json!({"tools": [tool("f", json!({"description": "x".repeat(70_000)}))]})),
        ("tool_choice", json!({"tool_choice": "required"})),
        ("tool_choice", json!({"tools": [tool("f", json!({}))], "tool_choice": "perhaps"})),
        (
            "tool_choice",
            json!({"tools": [tool("f", json!({}))], "tool_choice": {"type": "function", "function": {"name": "g"}}}),
        ),
        ("tools[0].function.parameters", json!({"tools": [tool("f", json!({"type": "string"}))]})),
        ("tools[0].function.parameters", json!({"tools": [tool("f", json!(true))]})),
        ("tool_choice.type", json!({"tools": [tool("f", json!({}))], "tool_choice": {"type": "custom", "custom": {}}})),
        ("response_format.type", json!({"response_format": {"type": "xml"}})),
        ("response_format.json_schema", json!({"response_format": {"type": "json_schema"}})),
        (
            "response_format.json_schema",
            json!({"response_format": {"type": "text", "json_schema": {"name": "a", "schema": {}}}}),
        ),
        (
            "response_format.json_schema.name",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "é"}}}),
        ),
        (
            "response_format.json_schema.schema",
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": 3}}}}),
        ),
        ("guided_regex", json!({"guided_regex": "("})),
        ("guided_grammar", json!({"guided_grammar": "start: nowhere"})),
        ("guided_choice", json!({"guided_choice": []})),
        ("structured_outputs.regex", json!({"structured_outputs": {"regex": "("}})),
        ("structured_outputs.choice", json!({"guided_regex": "a", "structured_outputs": {"choice": ["a"]}})),
        ("guided_regex", json!({"guided_regex": "a".repeat(70_000)})),
        ("chat_template_kwargs", json!({"chat_template_kwargs": {"messages": []}})),
        ("chat_template_kwargs", json!({"chat_template_kwargs": {"a": "x".repeat(20_000)}})),
        ("continue_final_message", json!({"continue_final_message": true})),
        ("prediction", json!({"prediction": {}})),
        ("audio", json!({"audio": {}})),
        ("reasoning_effort", json!({"reasoning_effort": "high"})),
        ("tempreature", json!({"tempreature": 1})),
    ];
    for (param, change) in cases {
        let error = error(server.chat(&chat("Salut", change.clone())).await, 400).await;
        assert_eq!(error["param"], param, "{change}: {error}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["code"].is_string(), "{change}: {error}");
    }
}

#[tokio::test]
async fn a_prompt_too_long_is_told_with_both_numbers() {
    let server = setup().says("ok").await;
    let long = "a".repeat(CONTEXT);
    let prompt_tokens = CONTEXT + 3 + "user\n\nassistant\n".len();
    let too_long = error(server.chat(&chat(&long, json!({}))).await, 400).await;
    assert_eq!(too_long["code"], "context_length_exceeded");
    let message = too_long["message"].as_str().unwrap();
    assert!(message.contains(&CONTEXT.to_string()) && message.contains(&prompt_tokens.to_string()), "{message}");

    // A prompt that fits, with an answer that does not.
    let error = error(server.chat(&chat("Salut", json!({"max_tokens": CONTEXT}))).await, 400).await;
    assert_eq!((&error["code"], &error["param"]), (&json!("context_length_exceeded"), &json!("messages")));
}

#[tokio::test]
async fn the_operators_limit_on_tokens_holds() {
    let server = setup().with("limits.max_tokens", 5).says(&"a".repeat(50)).await;
    let refused = error(server.chat(&chat("Salut", json!({"max_tokens": 6}))).await, 400).await;
    assert_eq!(refused["param"], "max_tokens");
    let body: Value = server.chat(&chat("Salut", json!({}))).await.json().await.unwrap();
    assert_eq!(body["usage"]["completion_tokens"], 5);
}

#[tokio::test]
async fn one_envelope_for_every_status() {
    let server = setup().with("limits.max_body_bytes", 1000).says("ok").await;
    let not_found = error(server.get("/v1/nothing").send().await.unwrap(), 404).await;
    assert_eq!(not_found["code"], "not_found");
    error(server.get("/nothing").send().await.unwrap(), 404).await;
    let response = server.get("/v1/chat/completions").send().await.unwrap();
    assert!(response.headers().contains_key("allow"), "405 without Allow");
    error(response, 405).await;
    let url = format!("{}/v1/chat/completions", server.base);
    error(server.client.post(&url).body("{}").send().await.unwrap(), 415).await;
    let plain = server.client.post(&url).header("content-type", "text/plain").body("{}");
    error(plain.send().await.unwrap(), 415).await;
    let large = error(server.chat(&chat(&"a".repeat(1000), json!({}))).await, 413).await;
    assert!(large["message"].as_str().unwrap().contains("1000"));
    let broken = server.client.post(&url).header("content-type", "application/json; charset=utf-8").body("{\"model\"");
    assert_eq!(error(broken.send().await.unwrap(), 400).await["code"], "invalid_json");
    let deep = server.client.post(&url).header("content-type", "application/json").body("[".repeat(900));
    error(deep.send().await.unwrap(), 400).await;
}

#[tokio::test]
async fn a_template_that_refuses_speaks_to_the_client() {
    let server = setup().says("ok").await;
    let refused = error(server.chat(&chat("refuse me", json!({}))).await, 400).await;
    assert_eq!(refused["param"], "messages");
    assert!(refused["message"].as_str().unwrap().contains("not that"));
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let server = setup().says("ok").await;
    let wrong = error(server.chat(&chat("Salut", json!({"model": "gpt-4o"}))).await, 404).await;
    assert_eq!((&wrong["code"], &wrong["param"]), (&json!("model_not_found"), &json!("model")));
    assert!(wrong["message"].as_str().unwrap().contains("gpt-4o"));
}

#[tokio::test]
async fn a_clients_request_id_is_kept_if_it_is_plain() {
    let server = setup().says("ok").await;
    let id = async |given: &str| {
        let response = server.get("/health/live").header("x-request-id", given).send().await.unwrap();
        response.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id("trace-42").await, "trace-42");
    assert_ne!(id("a b\"c").await, "a b\"c");
    assert_ne!(id(&"a".repeat(200)).await, "a".repeat(200));
}

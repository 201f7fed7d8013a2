use futures::StreamExt;
use reqwest::Response;
use serde_json::{Value, json};
use zyron_e2e::{TestServer, error, setup};

fn request(input: Value, more: Value) -> Value {
    let mut body = json!({"model": "scripted", "input": input});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn respond(server: &TestServer, input: Value, more: Value) -> Response {
    server.post("/v1/responses", &request(input, more)).send().await.unwrap()
}

async fn answer(server: &TestServer, input: Value, more: Value) -> Value {
    let response = respond(server, input, more).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    response.json().await.unwrap()
}

/// The events of a stream, each under the name it was sent with.
async fn events(response: Response) -> Vec<(String, Value)> {
    let text = response.text().await.unwrap();
    assert!(!text.contains("[DONE]"));
    let event = |block: &str| {
        let (name, data) = block.split_once('\n')?;
        let data: Value = serde_json::from_str(data.strip_prefix("data: ")?).ok()?;
        Some((name.strip_prefix("event: ")?.to_owned(), data))
    };
    text.split("\n\n").filter(|block| !block.is_empty()).map(|block| event(block).expect(block)).collect()
}

const CALL: &str = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";

fn tools() -> Value {
    json!([{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}, "strict": false}])
}

#[tokio::test]
async fn a_whole_answer() {
    let server = setup().obeys().await;
    let body = answer(&server, json!("say Bonjour à tous"), json!({"metadata": {"a": "b"}})).await;
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert!(body["id"].as_str().unwrap().starts_with("resp_"));
    assert_eq!(body["output"][0]["content"][0]["text"], "Bonjour à tous");
    assert_eq!(body["usage"]["output_tokens"], "Bonjour à tous".len() + 1);
    assert_eq!(body["metadata"], json!({"a": "b"}));
    assert_eq!(body["store"], false);
    let cut = answer(&server, json!("say Bonjour à toutes et à tous"), json!({"max_output_tokens": 16})).await;
    assert_eq!(
        (&cut["status"], &cut["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    assert_eq!(cut["output"][0]["status"], "incomplete");
}

#[tokio::test]
async fn a_stream_builds_the_whole_answer() {
    let server = setup().obeys().await;
    let input = json!(format!("say Oui.{CALL}"));
    let events = events(respond(&server, input, json!({"tools": tools(), "stream": true})).await).await;
    let mut names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (at, (name, data)) in events.iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(at)));
    }
    let response = &events.last().unwrap().1["response"];
    assert_eq!(response["output"][0]["content"][0]["text"], "Oui.");
    let call = &response["output"][1];
    assert_eq!(
        (&call["type"], &call["arguments"], &call["status"]),
        (&json!("function_call"), &json!("{\"a\": 1}"), &json!("completed"))
    );
    let deltas: String = events
        .iter()
        .filter(|(name, _)| name == "response.function_call_arguments.delta")
        .map(|(_, data)| data["delta"].as_str().unwrap())
        .collect();
    assert_eq!(deltas, "{\"a\": 1}");
}

#[tokio::test]
async fn a_failure_midway_is_the_last_event() {
    let server = setup().obeys().await;
    let events = events(respond(&server, json!("fail"), json!({"stream": true})).await).await;
    let (name, data) = events.last().unwrap();
    assert_eq!(name, "response.failed");
    assert_eq!(
        (&data["response"]["status"], &data["response"]["error"]["code"]),
        (&json!("failed"), &json!("server_error"))
    );
    assert!(!data["response"]["error"].to_string().contains("script"), "{data}");
}

#[tokio::test]
async fn items_reach_the_model() {
    let server = setup().plays(|_, prompt| vec![zyron_engine::scripted::Act::Say(prompt.to_owned())]).await;
    let input = json!([
        {"role": "user", "content": [{"type": "input_text", "text": "un"}, {"type": "input_text", "text": "deux"}]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
         "content": [{"type": "output_text", "text": "trois", "annotations": []}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "c", "output": "quatre"},
    ]);
    let body = answer(&server, input, json!({"instructions": "Sois bref."})).await;
    let expected = "system\nSois bref.\nuser\nun\ndeux\nassistant\ntrois<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\ntool\nquatre\nassistant\n";
    assert_eq!(body["output"][0]["content"][0]["text"], expected);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let server = setup().obeys().await;
    let user = json!([{"role": "user", "content": "a"}]);
    let cases = [
        ("input", json!({"input": null})),
        ("input", json!({"input": []})),
        ("input[0].type", json!({"input": [{"type": "item_reference", "id": "msg_1"}]})),
        ("input[0].content", json!({"input": [{"role": "user"}]})),
        (
            "input[0].content[0]",
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}),
        ),
        ("input[0].colour", json!({"input": [{"role": "user", "content": "a", "colour": 1}]})),
        (
            "input[0].arguments",
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}]}),
        ),
        ("input[0].call_id", json!({"input": [{"type": "function_call_output", "output": "a"}]})),
        ("tools[0].type", json!({"tools": [{"type": "web_search"}]})),
        ("tools[0].name", json!({"tools": [{"type": "function"}]})),
        ("tool_choice.type", json!({"tools": tools(), "tool_choice": {"type": "file_search"}})),
        ("text.format.name", json!({"text": {"format": {"type": "json_schema", "schema": {}}}})),
        (
            "text.format.schema",
            json!({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": 3}}}}),
        ),
        ("include[0]", json!({"include": ["file_search_call.results"]})),
        ("previous_response_id", json!({"previous_response_id": "resp_1"})),
        ("background", json!({"background": true})),
        ("conversation", json!({"conversation": "conv_1"})),
        ("truncation", json!({"truncation": "auto"})),
        ("reasoning.effort", json!({"reasoning": {"effort": "high"}})),
        ("temperature", json!({"temperature": 3})),
        ("max_output_tokens", json!({"max_output_tokens": 0})),
        ("metadata", json!({"metadata": {"a": "x".repeat(513)}})),
        ("stream_options", json!({"stream_options": {"include_obfuscation": false}})),
    ];
    for (param, change) in cases {
        let refused = error(respond(&server, user.clone(), change.clone()).await, 400).await;
        assert_eq!(refused["param"], param, "{change}: {refused}");
    }
    for path in ["/v1/responses/resp_1", "/v1/responses/%00"] {
        assert_eq!(error(server.get(path).send().await.unwrap(), 404).await["code"], "not_found");
    }
}

#[tokio::test]
async fn answers_are_kept_where_the_operator_says_so() {
    let server = setup()
        .with("responses.store", true)
        .plays(|_, prompt| vec![zyron_engine::scripted::Act::Say(format!("{}", prompt.matches("user\n").count()))]);
    let server = server.await;
    let first = answer(&server, json!("a"), json!({})).await;
    assert_eq!(first["store"], true);
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    let read: Value = server.get(&path).send().await.unwrap().json().await.unwrap();
    assert_eq!(read, first);
    let second = answer(&server, json!("b"), json!({"previous_response_id": first["id"]})).await;
    assert_eq!(second["output"][0]["content"][0]["text"], "2");
    let streamed = respond(&server, json!("c"), json!({"previous_response_id": second["id"], "stream": true})).await;
    let last = events(streamed).await.pop().unwrap().1;
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "3");

    let deleted: Value =
        server.client.delete(format!("{}{path}", server.base)).send().await.unwrap().json().await.unwrap();
    assert_eq!(deleted["deleted"], true);
    error(server.get(&path).send().await.unwrap(), 404).await;
    let gone = respond(&server, json!("b"), json!({"previous_response_id": first["id"]})).await;
    assert_eq!(error(gone, 400).await["code"], "previous_response_not_found");
    let unkept = answer(&server, json!("a"), json!({"store": false})).await;
    error(server.get(&format!("/v1/responses/{}", unkept["id"].as_str().unwrap())).send().await.unwrap(), 404).await;
    let cancelled = server.post(&format!("/v1/responses/{}/cancel", second["id"].as_str().unwrap()), &json!({}));
    error(cancelled.send().await.unwrap(), 400).await;
}

#[tokio::test]
async fn an_answer_in_the_background_can_be_read_and_cancelled() {
    let server = setup().with("responses.store", true).obeys().await;
    let read = async |id: &Value| -> Value {
        server.get(&format!("/v1/responses/{}", id.as_str().unwrap())).send().await.unwrap().json().await.unwrap()
    };
    let queued = answer(&server, json!("say fait"), json!({"background": true})).await;
    assert_eq!(queued["status"], "queued");
    let mut body = read(&queued["id"]).await;
    while body["status"] != "completed" {
        body = read(&queued["id"]).await;
    }
    assert_eq!(body["output"][0]["content"][0]["text"], "fait");

    let stalled = answer(&server, json!("stall"), json!({"background": true})).await;
    server.until_active(1).await;
    let path = format!("/v1/responses/{}/cancel", stalled["id"].as_str().unwrap());
    let body: Value = server.post(&path, &json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["status"], "cancelled");
    server.until_active(0).await;
    assert_eq!(read(&stalled["id"]).await["status"], "cancelled");
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_engine() {
    let server = setup()
        .plays(|_, _| vec![zyron_engine::scripted::Act::Say("a".into()), zyron_engine::scripted::Act::Stall])
        .await;
    let mut stream = respond(&server, json!("x"), json!({"stream": true})).await.bytes_stream();
    stream.next().await.unwrap().unwrap();
    server.until_active(1).await;
    drop(stream);
    server.until_active(0).await;
}

use serde_json::{Value, json};
use zyron_e2e::{chat, chat_chunks, completion, error, setup};

fn schema() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["poste", "montant"],
        "properties": {"poste": {"enum": ["CA", "EBE"]}, "montant": {"type": "integer"}},
    })
}

#[tokio::test]
async fn an_answer_follows_the_schema_whatever_the_model_would_say() {
    let server = setup().obeys().await;
    let format = |strict: bool| json!({"seed": 1, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": strict, "schema": schema()}}});
    for strict in [true, false] {
        for words in ["n’importe quoi", "say {\"poste\": \"EBE\", \"montant\": 12}", "say Bien sûr !"] {
            let body: Value = server.chat(&chat(words, format(strict))).await.json().await.unwrap();
            let text = body["choices"][0]["message"]["content"].as_str().unwrap();
            let value: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{words}: {body}"));
            assert!(["CA", "EBE"].contains(&value["poste"].as_str().unwrap()) && value["montant"].is_i64(), "{text}");
            assert_eq!(body["choices"][0]["finish_reason"], "stop");
        }
    }
    let body: Value = server
        .chat(&chat("say [1]", json!({"seed": 1, "response_format": {"type": "json_object"}})))
        .await
        .json()
        .await
        .unwrap();
    let text = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(text).unwrap().is_object(), "{text}");
}

#[tokio::test]
async fn other_servers_constraints_are_known_by_their_names() {
    let server = setup().obeys().await;
    let cases = [
        (json!({"guided_regex": "[0-9]{4}"}), "0000"),
        (json!({"guided_choice": ["oui", "non"]}), "non"),
        (json!({"guided_json": {"const": 7}}), "7"),
        (json!({"guided_grammar": "start: \"x\" \"y\""}), "xy"),
        (json!({"structured_outputs": {"regex": "b+c"}}), "bc"),
    ];
    for (options, expected) in cases {
        let words = format!("say {expected}");
        let body: Value = server.chat(&chat(&words, options.clone())).await.json().await.unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], expected, "{options}");
        let body: Value = server.complete(&completion(&words, options.clone())).await.json().await.unwrap();
        assert_eq!(body["choices"][0]["text"], expected, "{options}");
    }
}

#[tokio::test]
async fn a_bad_constraint_harms_no_other_request() {
    let server = setup().obeys().await;
    let good = chat("say oui", json!({"guided_choice": ["oui", "non"]}));
    let bad = [
        json!({"guided_regex": "("}),
        json!({"guided_grammar": "start: start start"}),
        json!({"guided_json": {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}}),
    ];
    for options in bad {
        let refused = server.chat(&chat("Salut", options.clone())).await;
        assert!(refused.status() == 400 || refused.status() == 200, "{options}: {}", refused.status());
        let body: Value = server.chat(&good).await.json().await.unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], "oui", "after {options}");
    }
}

#[tokio::test]
async fn several_answers_come_in_their_order_and_the_first_is_that_of_one() {
    let server = setup().parallelism(3).obeys().await;
    let options = |n: u32, stream: bool| json!({"n": n, "seed": 5, "max_tokens": 20, "guided_regex": "[a-z]{6}", "stream": stream, "temperature": 2});
    let one: Value = server.chat(&chat("a", options(1, false))).await.json().await.unwrap();
    let body: Value = server.chat(&chat("a", options(3, false))).await.json().await.unwrap();
    let choices = body["choices"].as_array().unwrap();
    assert_eq!(choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(choices[0]["message"], one["choices"][0]["message"]);
    assert_ne!(choices[0]["message"], choices[1]["message"]);
    assert_eq!(body["usage"]["prompt_tokens"], one["usage"]["prompt_tokens"]);
    let each = one["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(body["usage"]["completion_tokens"], 3 * each);

    let mut texts = vec![String::new(); 3];
    for chunk in chat_chunks(server.chat(&chat("a", options(3, true))).await).await {
        for choice in chunk.unwrap().choices {
            texts[choice.index as usize].push_str(&choice.delta.content.unwrap_or_default());
        }
    }
    for (text, choice) in texts.iter().zip(choices) {
        assert_eq!(choice["message"]["content"], *text);
    }
}

#[tokio::test]
async fn several_prompts_and_the_best_of_several_answers() {
    let server = setup().obeys().await;
    let body: Value = server
        .complete(&json!({"model": "scripted", "prompt": ["say a", "say b"], "n": 2, "echo": true}))
        .await
        .json()
        .await
        .unwrap();
    let texts: Vec<&str> = body["choices"].as_array().unwrap().iter().map(|c| c["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["say aa", "say aa", "say bb", "say bb"]);
    assert_eq!(body["usage"]["prompt_tokens"], 10);

    let best = json!({"best_of": 5, "n": 1, "seed": 1, "temperature": 2, "guided_regex": "[a-z]{4}"});
    let body: Value = server.complete(&completion("x", best)).await.json().await.unwrap();
    assert_eq!(body["choices"].as_array().unwrap().len(), 1);
    assert_eq!(body["choices"][0]["logprobs"], Value::Null);
    assert_eq!(body["usage"]["completion_tokens"], 5 * 4);
    for (param, options) in [
        ("best_of", json!({"best_of": 2, "n": 3})),
        ("best_of", json!({"best_of": 2, "stream": true})),
        ("best_of", json!({"best_of": 17})),
        ("n", json!({"n": 17})),
        ("logprobs", json!({"logprobs": 6})),
        ("suffix", json!({"suffix": "b"})),
        ("prompt", json!({"prompt": vec!["a"; 129]})),
    ] {
        let refused = error(server.complete(&completion("x", options.clone())).await, 400).await;
        assert_eq!(refused["param"], param, "{options}");
    }
}

#[tokio::test]
async fn the_last_message_can_be_continued() {
    let server = setup().plays(|request, _| {
        let end = request.prompt.iter().rev().take(4).map(|&token| token as u8).rev().collect::<Vec<_>>();
        vec![zyron_engine::scripted::Act::Say(String::from_utf8_lossy(&end).into_owned())]
    });
    let server = server.await;
    // The second could be taken for a part of what the template puts behind it.
    for (begun, end) in [("Le BFR", " BFR"), ("end", "\nend"), ("fin \n", "in \n")] {
        let messages = json!([{"role": "user", "content": "?"}, {"role": "assistant", "content": begun}]);
        let body = json!({"model": "scripted", "messages": messages, "continue_final_message": true});
        let body: Value = server.chat(&body).await.json().await.unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], end);
    }
}

//! Many requests at once through llama.cpp, in the real binary: they share steps and memory, and each is answered as if
//! it were alone.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{join, join_all, select_all};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;
use zyron_e2e::error;
use zyron_openapi::{Completion, sse};

use crate::binary::checkpoint;
use crate::real_model::RealServer;

const WORDS: [&str; 16] = [
    "apple", "lemon", "river", "stone", "bread", "house", "water", "music", "paper", "green", "horse", "night",
    "table", "cloud", "chair", "light",
];
/// Numbers of lines, and the first of them, with which the model is sure of [`lines`].
const SURE: [(usize, usize); 4] = [(10, 12), (14, 12), (14, 40), (40, 12)];
/// How far rounding may move a log-probability. In a pool a request's tokens lie where there is room, so that attention
/// adds them up in another order beside others, and 8-bit activations make much of that: 0.31 at most in 600 answers. A
/// token or a position taken from another request moves it by whole units.
const ROUNDING: f64 = 0.75;
/// Longer than anything here takes on a slow machine, and shorter than for ever.
const PROMPT: Duration = Duration::from_secs(60);

/// Megabytes of the cache, and arguments.
type Layout<'a> = (&'a str, &'a [&'a str]);
/// The layouts of the cache. A token takes 23 kB, so 200 MB are a pool of 8,680 tokens, less than 32 contexts of 8,192,
/// and 400 MB are enough for 32 of 512.
const POOL: Layout<'_> = ("200", &["--max-sequences", "32"]);
const STREAMS: Layout<'_> = ("400", &["--max-sequences", "32", "--context-length", "512"]);

async fn start((megabytes, arguments): Layout<'_>) -> RealServer {
    let model = checkpoint();
    let arguments = [&["--engine", "llama_cpp", "--model", model.to_str().unwrap()], arguments].concat();
    RealServer::start_with(&[("ENGINE__KV_CACHE_MB", megabytes)], &arguments).await
}

/// Numbered lines that all say the same. The model goes on with them, and is so sure of each token (by 1.0 in
/// log-probability before the next best, for 48 tokens) that rounding does not change the answer.
fn lines(word: &str, numbers: Range<usize>) -> String {
    numbers.map(|number| format!("{number}: {word}\n")).collect()
}

/// A request to go on with lines, and what the answer begins with.
fn counting(word: &str, (count, first): (usize, usize), max_tokens: usize) -> (Value, String) {
    let prompt = lines(word, first..first + count);
    let body = json!({"prompt": prompt, "temperature": 0, "seed": 1, "max_tokens": max_tokens});
    (body, lines(word, first + count..first + count + max_tokens))
}

/// Has lines gone on with, and checks the answer.
async fn count(server: &RealServer, word: &str, begun: (usize, usize), max_tokens: usize) -> Value {
    let (body, expected) = counting(word, begun, max_tokens);
    let answer: Value = server.post("/v1/completions", body).await.json().await.unwrap();
    let text = answer["choices"][0]["text"].as_str().unwrap();
    assert!(expected.starts_with(text), "{word} {begun:?}: {text}");
    assert_eq!(answer["usage"]["completion_tokens"], max_tokens, "{answer}");
    answer
}

/// Checks that two answers are the same to the last bit (`engine.batch_invariant`, on a CPU) or, in a pool, that they
/// differ by rounding only: in the log-probabilities of their tokens and, where another token was chosen, of two that
/// were nearly tied. From there on the texts are different ones.
fn assert_alike(layout: Layout<'_>, one: &Value, other: &Value) {
    if layout == STREAMS {
        return assert_eq!(one["choices"], other["choices"]);
    }
    let entries = |answer: &Value| answer["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    for (one, other) in entries(one).iter().zip(&entries(other)) {
        let moved = one["logprob"].as_f64().unwrap() - other["logprob"].as_f64().unwrap();
        assert!(moved.abs() < ROUNDING, "{one} {other}");
        if one["token"] != other["token"] {
            let there = one["top_logprobs"].as_array().unwrap().iter().find(|top| top["token"] == other["token"]);
            let there = there.unwrap_or_else(|| panic!("{other} is none of {one}"))["logprob"].as_f64().unwrap();
            assert!(one["logprob"].as_f64().unwrap() - there < ROUNDING, "{one} {other}");
            return;
        }
    }
}

/// Reads a streamed answer, saying when a text comes.
async fn completed(server: &RealServer, mut body: Value, mut on_text: impl FnMut()) -> String {
    body["stream"] = true.into();
    let response = server.post("/v1/completions", body).await;
    let mut chunks = Box::pin(sse::decode::<Completion, _, _>(response.bytes_stream()));
    let mut text = String::new();
    while let Some(chunk) = chunks.next().await {
        let piece: String = chunk.unwrap().choices.into_iter().map(|choice| choice.text).collect();
        if !piece.is_empty() {
            text.push_str(&piece);
            on_text();
        }
    }
    text
}

#[tokio::test]
async fn an_answer_among_many_is_the_answer_alone() {
    let natural = json!({"temperature": 0, "seed": 1, "max_tokens": 48, "logprobs": true, "top_logprobs": 5});
    let question = "Explain what a balance sheet is.";
    for layout in [POOL, STREAMS] {
        let server = start(layout).await;
        let alone = count(&server, WORDS[0], SURE[0], 48).await;
        let natural_alone = server.chat(question, natural.clone()).await;
        // The others come and go beside these two: they are of mixed lengths, and have something in common with them.
        let others = (1..31).map(|at| count(&server, WORDS[at % 8], SURE[at % 4], 2 + at * 5 % 13));
        let ((again, natural_again), _) =
            join(join(count(&server, WORDS[0], SURE[0], 48), server.chat(question, natural.clone())), join_all(others))
                .await;
        assert_eq!(again["choices"], alone["choices"]);
        assert_alike(layout, &natural_alone, &natural_again);
        assert_eq!(natural_alone["usage"]["prompt_tokens"], natural_again["usage"]["prompt_tokens"]);
        let log = server.terminate();
        assert!(!log.contains("ERROR"), "{log}");
    }
}

/// zyron-mini's weights are Q8_0, whose products llama.cpp computes with one kernel for a token and with another for many.
#[tokio::test]
async fn weights_of_8_bits_give_the_answer_alone_to_the_last_bit() {
    let layout = ["--max-sequences", "32", "--context-length", "512", "--engine", "llama_cpp"];
    let server = RealServer::start_with(&[("ENGINE__KV_CACHE_MB", "400")], &layout).await;
    let options = json!({"temperature": 0, "max_tokens": 24, "logprobs": true, "top_logprobs": 5});
    let questions: Vec<String> = (1..=32)
        .map(|at| format!("{} ?", "Qu'est-ce que le besoin en fonds de roulement ".repeat(at % 7 + 1)))
        .collect();
    let mut alone = Vec::new();
    for question in &questions[..7] {
        alone.push(server.chat(question, options.clone()).await);
    }
    let together = join_all(questions.iter().map(|question| server.chat(question, options.clone()))).await;
    for (at, answer) in together.iter().enumerate() {
        assert_eq!(answer["choices"], alone[at % 7]["choices"], "{}", questions[at]);
    }
}

#[tokio::test]
async fn what_prompts_have_in_common_is_computed_once() {
    let system = |about: &str| {
        let rule = format!("You are the assistant of {about}, and answer in one short sentence. ");
        rule + &"Never guess a figure; say which statement and which year it is from. ".repeat(14)
    };
    let ask = |system: &str, question: &str| {
        let messages = json!([{"role": "system", "content": system}, {"role": "user", "content": question}]);
        json!({"messages": messages, "temperature": 0, "max_tokens": 24, "logprobs": true, "top_logprobs": 5})
    };
    let question = "What is the capital of France?";
    let cached = |answer: &Value| answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    // All but the last token; in a pool, of whole blocks of 16.
    let nearly_all = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap() - 17;
    for layout in [POOL, STREAMS] {
        let server = start(layout).await;
        let chat =
            async |body: Value| -> Value { server.post("/v1/chat/completions", body).await.json().await.unwrap() };

        let bank = system("a bank");
        let first = chat(ask(&bank, question)).await;
        assert_eq!(cached(&first), 0, "{first}");
        let second = chat(ask(&bank, question)).await;
        assert!(cached(&second) >= nearly_all(&second), "{second}");
        assert_alike(layout, &first, &second);
        let other = chat(ask(&bank, "And that of Italy?")).await;
        assert!(cached(&other) > nearly_all(&other) - 20, "{other}");

        // Whichever comes first, the other waits for it. Between streams that is a copy, which may not be worth it.
        let shop = system("a shop");
        let (one, two) = join(chat(ask(&shop, question)), chat(ask(&shop, question))).await;
        assert_alike(layout, &one, &two);
        if layout == POOL {
            assert!(cached(&one).max(cached(&two)) >= nearly_all(&one), "{one} {two}");
        }
        assert!(cached(&one).min(cached(&two)) < 40, "somebody computed it: {one} {two}");
    }
}

#[tokio::test]
async fn clients_that_go_away_leave_nothing_behind() {
    let server = start(("100", &["--max-sequences", "4"])).await;
    let long = |at: usize| {
        let content = format!("{at}. Count to one thousand. {}", "One, two, three. ".repeat(at * 8));
        // Token 2 ends an answer.
        json!({"messages": [{"role": "user", "content": content}], "stream": true, "temperature": 0,
               "logit_bias": {"2": -100}})
    };
    for _ in 0..3 {
        // Once the first has an answer, others are being read, and others wait for their turn: all are dropped.
        let requests = (0..12).map(|at| Box::pin(server.post("/v1/chat/completions", long(at))));
        let (mut response, _, others) = select_all(requests).await;
        assert!(response.chunk().await.unwrap().is_some());
        drop((response, others));
    }
    let after = join_all((0..8).map(|at| count(&server, WORDS[at], SURE[at % 2], 8)));
    timeout(PROMPT, after).await.expect("the places are free again");
    let log = server.terminate();
    assert!(log.contains("cancelled") && !log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn a_pool_too_small_for_all_serves_all() {
    // 6 MB are 256 tokens, and each of the eight comes to 98.
    let server = start(("6", &["--max-sequences", "8"])).await;
    let alone = count(&server, WORDS[2], SURE[0], 48).await;
    let texts = RefCell::new([0; 8]);
    let at_first_end = RefCell::new(None);
    let answers = (0..8).map(|at| {
        let (texts, at_first_end, server) = (&texts, &at_first_end, &server);
        async move {
            let (body, expected) = counting(WORDS[2 + at], SURE[0], 48);
            let text = completed(server, body, || texts.borrow_mut()[at] += 1).await;
            at_first_end.borrow_mut().get_or_insert(*texts.borrow());
            assert!(expected.starts_with(&text), "{text}");
            text
        }
    });
    let answers = join_all(answers).await;
    assert_eq!(answers[0], alone["choices"][0]["text"]);
    // More had been begun than there is memory for, so somebody had to give way.
    let begun = at_first_end.into_inner().unwrap().into_iter().filter(|&texts| texts > 0);
    let tokens: Vec<usize> = begun.map(|texts| 50 + texts).collect();
    assert!(tokens.iter().sum::<usize>() > 256, "{tokens:?}");

    // Each of two takes all there is: one after the other.
    let whole =
        |token: u32| json!({"prompt": vec![token; 228], "max_tokens": 28, "logit_bias": {"0": -100, "2": -100}});
    let whole = [1000, 1001].map(|token| server.post("/v1/completions", whole(token)));
    for response in join_all(whole).await {
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["usage"]["total_tokens"], 256, "{answer}");
    }
    let log = server.terminate();
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test]
async fn a_long_prompt_is_read_beside_running_answers() {
    let server = start(POOL).await;
    let (begun, mut all) = watch::channel(0);
    let arrived = RefCell::new(Vec::new());
    let running = (0..4).map(|at| {
        let (begun, arrived, server) = (&begun, &arrived, &server);
        async move {
            // Short, so that all four begin at once.
            let prompt = lines(WORDS[at], 1..3);
            let endless = json!({"0": -100, "2": -100});
            let body = json!({"prompt": prompt, "max_tokens": 80, "temperature": 0, "logit_bias": endless});
            let mut pieces = 0;
            completed(server, body, || {
                pieces += 1;
                begun.send_modify(|begun| *begun += usize::from(pieces == 1));
                arrived.borrow_mut().push(at);
            })
            .await;
            assert!(pieces > 40, "{pieces}");
        }
    });
    let long = async {
        all.wait_for(|&begun| begun == 4).await.unwrap();
        let sent = arrived.borrow().len();
        let prompt = "The balance sheet shows what a company owns and what it owes. ".repeat(107);
        let mut first = None;
        let body = json!({"prompt": prompt, "temperature": 0, "max_tokens": 8});
        completed(&server, body, || first = first.or(Some(arrived.borrow().len()))).await;
        (sent, first.unwrap())
    };
    let ((sent, first), _) = join(long, join_all(running)).await;
    // Read at one go it would take three steps.
    for at in 0..4 {
        let between = arrived.borrow()[sent..first].iter().filter(|&&it| it == at).count();
        assert!(between > 4, "{between} pieces of answer {at} came while the prompt was read");
    }
}

#[tokio::test]
async fn a_short_question_does_not_wait_for_a_long_document_before_it() {
    let server = start(POOL).await;
    // A scored prompt, too: of it each step computes few tokens, and others are not to wait for that.
    for (sentences, before) in [(190, json!({})), (60, json!({"echo": true, "logprobs": 1}))] {
        let document = "The balance sheet shows what a company owns and what it owes. ".repeat(sentences);
        let arrived = RefCell::new(Vec::new());
        let mut body = json!({"prompt": document, "temperature": 0, "max_tokens": 4});
        body.as_object_mut().unwrap().extend(before.as_object().unwrap().clone());
        let long = completed(&server, body, || arrived.borrow_mut().push("long"));
        let short = async {
            // The document is before it by then, and takes longer to read.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let body = json!({"prompt": "The capital of France is", "temperature": 0, "max_tokens": 1});
            completed(&server, body, || arrived.borrow_mut().push("short")).await
        };
        join(long, short).await;
        assert_eq!(arrived.borrow()[0], "short", "{before}");
    }
}

#[tokio::test]
async fn more_requests_than_places_take_turns() {
    let server = start(("100", &["--max-sequences", "2"])).await;
    let turns = RefCell::new([0; 5]);
    let clients = (0..5).map(|client| {
        let (turns, server) = (&turns, &server);
        async move {
            for turn in 0..4 {
                count(server, WORDS[client * 2 + turn % 2], SURE[0], 4).await;
                turns.borrow_mut()[client] += 1;
                let (least, most) = (turns.borrow().iter().min().copied(), turns.borrow().iter().max().copied());
                // Who was answered comes again behind all others.
                assert!(most.unwrap() - least.unwrap() <= 2, "{turns:?}");
            }
        }
    });
    timeout(PROMPT, join_all(clients)).await.expect("everybody has a turn");
}

#[tokio::test]
async fn requests_of_all_kinds_run_beside_each_other() {
    let server = start(POOL).await;
    let chat = async |content: &str, options: Value| server.chat(content, options).await["choices"].clone();
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["poste", "hausse"],
        "properties": {"poste": {"enum": ["CA", "EBE"]}, "hausse": {"type": "boolean"}},
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "poste", "strict": true, "schema": schema}});
    let tool = json!({"type": "function", "function": {"name": "lire_poste", "parameters": schema}});
    let several = chat("Tell me a story.", json!({"n": 3, "seed": 3, "max_tokens": 20}));
    let scored = chat("Name a colour.", json!({"logprobs": true, "top_logprobs": 3, "max_tokens": 20, "seed": 4}));
    let formed = chat("Give a post.", json!({"response_format": format, "max_tokens": 60, "seed": 5}));
    let calling = json!({
        "tools": [tool], "tool_choice": "required", "parallel_tool_calls": false, "max_tokens": 80, "temperature": 0,
    });
    let called = chat("Read a post.", calling);
    let echoed = server.complete("The capital of France is", json!({"echo": true, "logprobs": 1, "max_tokens": 2}));
    let plain = join_all((0..6).map(|at| count(&server, WORDS[at], SURE[at % 4], 32)));
    let ((several, scored), (formed, called), (echoed, _)) =
        tokio::join!(join(several, scored), join(formed, called), join(echoed, plain));

    let valid = |text: &Value| {
        let value: Value = serde_json::from_str(text.as_str().unwrap()).unwrap_or_else(|_| panic!("{text}"));
        assert!(["CA", "EBE"].contains(&value["poste"].as_str().unwrap()) && value["hausse"].is_boolean(), "{value}");
    };
    valid(&formed[0]["message"]["content"]);
    assert_eq!(called[0]["finish_reason"], "tool_calls", "{called}");
    assert_eq!(called[0]["message"]["tool_calls"][0]["function"]["name"], "lire_poste");
    valid(&called[0]["message"]["tool_calls"][0]["function"]["arguments"]);

    let texts: Vec<&str> =
        several.as_array().unwrap().iter().map(|choice| choice["message"]["content"].as_str().unwrap()).collect();
    assert!(texts.len() == 3 && texts[0] != texts[1] && texts[1] != texts[2], "{texts:?}");
    let entries = scored[0]["logprobs"]["content"].as_array().unwrap();
    assert!(!entries.is_empty());
    for entry in entries {
        let top = entry["top_logprobs"].as_array().unwrap();
        assert!(
            top.len() == 3 && top[0]["logprob"].as_f64().unwrap() >= top[1]["logprob"].as_f64().unwrap(),
            "{entry}"
        );
        assert!(entry["logprob"].as_f64().unwrap() <= top[0]["logprob"].as_f64().unwrap(), "{entry}");
    }
    let scores = echoed["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap();
    assert!(scores[0].is_null() && scores[1..].iter().all(Value::is_number), "{scores:?}");
    assert!(echoed["choices"][0]["text"].as_str().unwrap().starts_with("The capital of France is"), "{echoed}");
}

#[tokio::test]
async fn the_context_is_as_long_as_was_asked_for_and_no_longer() {
    let server = start(("100", &["--context-length", "300"])).await;
    let prompt = lines("apple", 12..60);
    let fits = server.complete(&prompt, json!({"max_tokens": 60, "logit_bias": {"0": -100, "2": -100}})).await;
    assert_eq!(fits["usage"]["total_tokens"], 300, "{fits}");
    for (path, param, body) in [
        ("/v1/completions", "prompt", json!({"prompt": prompt, "max_tokens": 61})),
        ("/v1/completions", "prompt", json!({"prompt": prompt.repeat(2)})),
        ("/v1/chat/completions", "messages", json!({"messages": [{"role": "user", "content": prompt.repeat(2)}]})),
        (
            "/v1/chat/completions",
            "messages",
            json!({"messages": [{"role": "user", "content": "a"}], "max_tokens": 299}),
        ),
    ] {
        let refused = error(server.send(path, body).await, 400).await;
        assert_eq!((&refused["code"], &refused["param"]), (&json!("context_length_exceeded"), &json!(param)));
        assert!(refused["message"].as_str().unwrap().contains("300"), "{refused}");
    }
}

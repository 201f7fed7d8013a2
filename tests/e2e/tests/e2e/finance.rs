//! `/v1/finance` and the tools that the server runs: over the obedient engine, so that each answer is known.

use serde_json::{Value, json};
use zyron_e2e::{TestServer, chat, chat_chunks, error, setup};

/// 290 900 of sales, 180 000 of purchases, 73 000 of staff: an EBE of 37 900.
const BALANCE: &str = include_str!("../../../balance.csv");

/// `BALANCE` in base64, with its year.
fn files() -> Value {
    use base64::Engine as _;
    let data = base64::prelude::BASE64_STANDARD.encode(BALANCE);
    json!({"files": [{"filename": "balance.csv", "file_data": data}], "end": "2024-12-31"})
}

async fn server() -> TestServer {
    setup().with("limits.max_upload_bytes", 100_000).obeys().await
}

async fn read(server: &TestServer) -> Value {
    let response = server.post("/v1/finance/statements", &files()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

async fn analyse(server: &TestServer, more: Value) -> Value {
    let statement = read(server).await["statement"].clone();
    let mut request = json!({"model": "scripted", "statement": statement});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// Sends a form: names of fields, names of files where they are ones, and contents.
async fn send(server: &TestServer, fields: &[(&str, Option<&str>, &str)]) -> reqwest::Response {
    let mut body = String::new();
    for (name, file, content) in fields {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body += &format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n");
    }
    let post = server.client.post(format!("{}/v1/finance/statements", server.base));
    let post = post.header("content-type", "multipart/form-data; boundary=edge");
    post.body(body + "--edge--\r\n").send().await.unwrap()
}

const fn balance(name: &str) -> (&str, Option<&str>, &str) {
    ("file", Some(name), BALANCE)
}

const END: (&str, Option<&str>, &str) = ("end", None, "2024-12-31");

fn value<'a>(report: &'a Value, id: &str) -> &'a Value {
    let results = report["analysis"]["years"][0]["results"].as_array().unwrap();
    &results.iter().find(|result| result["id"] == id).unwrap()["value"]
}

#[tokio::test]
async fn files_become_figures() {
    let server = server().await;
    let report = read(&server).await;
    assert_eq!(report["object"], "finance.report");
    assert_eq!((value(&report, "ebe"), value(&report, "caf")), (&json!("37900"), &json!("37000")));
    assert_eq!(report["anomalies"], json!([]));
    assert_eq!(report["statement"]["years"][0]["lines"]["salaires"]["places"][0]["at"], "11");
    assert!(report["fact_sheet"]["text"].as_str().unwrap().contains("[F1] Chiffre d’affaires net 2024"));

    let by_form: Value = send(&server, &[balance("balance.csv"), END]).await.json().await.unwrap();
    assert_eq!(by_form, report);
    let twice: Value = send(&server, &[balance("a.csv"), END, balance("b.csv")]).await.json().await.unwrap();
    assert_eq!(value(&twice, "ebe"), "37900");
}

#[tokio::test]
async fn the_file_at_fault_is_named() {
    let server = server().await;
    let refused = async |body: Value, param: &str, code: &str| {
        let response = server.post("/v1/finance/statements", &body).send().await.unwrap();
        let error = error(response, 400).await;
        assert_eq!((&error["param"], &error["code"]), (&json!(param), &json!(code)), "{body}");
        error["message"].as_str().unwrap().to_owned()
    };
    let file = |name: &str, data: &str| json!({"filename": name, "file_data": data});
    let mut two = files();
    two["files"].as_array_mut().unwrap().push(file("photo.jpg", "AAAA"));
    let message = refused(two, "files[1]", "unreadable_file").await;
    assert!(message.contains("photo.jpg"), "{message}");
    let mut undated = files();
    undated.as_object_mut().unwrap().remove("end");
    assert!(refused(undated, "files[0]", "unreadable_file").await.contains("clôture"));
    refused(json!({"files": []}), "files", "invalid_value").await;
    refused(json!({}), "files", "missing_required_parameter").await;
    refused(json!({"files": [file("a", "é")]}), "files[0].file_data", "invalid_value").await;
    refused(json!({"files": [file("", "AAAA")]}), "files[0].filename", "invalid_value").await;
    refused(json!({"files": [{"filename": "a"}]}), "files[0].file_data", "missing_required_parameter").await;
    refused(json!({"files": vec![file("a", "AAAA"); 17]}), "files", "invalid_value").await;
    refused(json!({"files": [file("a", "AAAA")], "end": "2024"}), "end", "invalid_type").await;

    for (fields, param) in [
        (vec![], "files"),
        (vec![END], "files"),
        (vec![("fichier", None, "x")], "fichier"),
        (vec![("file", None, BALANCE)], "files[0].filename"),
        (vec![balance("a.csv"), ("end", None, "demain")], "end"),
        (vec![balance("a.csv"); 17], "files"),
    ] {
        assert_eq!(error(send(&server, &fields).await, 400).await["param"], param);
    }
}

#[tokio::test]
async fn files_of_several_megabytes_are_read() {
    let server = setup().obeys().await;
    let mut file = String::new();
    let sums = zyron_finance::sample::fec(30_000, 1, &mut |line| file.extend([line, "\n"]));
    assert!(file.len() > 3_000_000);
    let fields = [("file", Some(zyron_finance::sample::NAME), file.as_str())];
    let report: Value = send(&server, &fields).await.json().await.unwrap();
    assert_eq!(value(&report, "ebe").as_str().unwrap(), sums.gross_operating_surplus.normalize().to_string());
    assert_eq!(report["months"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn bodies_are_bounded_and_of_a_known_kind() {
    let server = server().await;
    let large = "x".repeat(100_001);
    assert_eq!(error(send(&server, &[("file", Some("a.csv"), &large)]).await, 413).await["code"], "payload_too_large");
    let post = || server.client.post(format!("{}/v1/finance/statements", server.base));
    let json = json!({"files": [{"filename": "a", "file_data": large}]});
    assert_eq!(error(post().json(&json).send().await.unwrap(), 413).await["code"], "payload_too_large");
    let text = post().header("content-type", "text/csv").body(BALANCE).send().await.unwrap();
    assert!(error(text, 415).await["message"].as_str().unwrap().contains("multipart/form-data"));
    for (kind, body) in [
        ("multipart/form-data", "x"),
        (
            "multipart/form-data; boundary=a",
            "--a\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx",
        ),
    ] {
        let broken = post().header("content-type", kind).body(body).send().await.unwrap();
        assert_eq!(error(broken, 400).await["code"], "invalid_body", "{kind} {body}");
    }
}

/// What is said of each number of an answer.
fn verdicts(message: &Value) -> Vec<(String, String)> {
    let text: Vec<char> = message["content"].as_str().unwrap().chars().collect();
    let at = |number: &Value, field: &str| number[field].as_u64().unwrap() as usize;
    let numbers = message["zyron_numbers"].as_array().unwrap().iter();
    let verdict = |(index, number): (usize, &Value)| {
        assert_eq!(number["index"], index);
        let span: String = text[at(number, "start")..at(number, "end")].iter().collect();
        (span, number["verdict"]["kind"].as_str().unwrap().to_owned())
    };
    numbers.enumerate().map(verdict).collect()
}

const ANSWER: &str = "say Le chiffre d’affaires atteint 290 900 €. L’EBE en représente 13,0 % et vise 15 %.\nIl y a \
                      999 999 € de marge.";

#[tokio::test]
async fn every_number_of_a_commentary_is_checked() {
    let server = server().await;
    let request = analyse(&server, json!({"question": format!("L’objectif est de 15 %.\n{ANSWER}")})).await;
    let body: Value = server.post("/v1/finance/analyses", &request).send().await.unwrap().json().await.unwrap();
    let message = &body["choices"][0]["message"];
    let expected = [("290 900 €", "source"), ("13,0 %", "source"), ("15 %", "given"), ("999 999 €", "not_found")];
    // The question has the answer's numbers here, as it commands them.
    let kinds: Vec<String> = verdicts(message).into_iter().map(|(span, _)| span).collect();
    assert_eq!(kinds, expected.map(|(span, _)| span));
    assert_eq!(verdicts(message)[0].1, "source");
    assert_eq!(message["zyron_numbers"][0]["verdict"]["fact"], "F1");
    assert_eq!(body["zyron_facts"][0]["item"], "chiffre_affaires");
    assert!(body.get("zyron_template").is_none());
}

#[tokio::test]
async fn a_stream_says_the_same_as_soon_as_a_sentence_is_complete() {
    let server = setup()
        .plays(|_, _| {
            let sentences = [
                "Le chiffre d’affaires atteint 290 ",
                "900 €. L’EBE en",
                " représente 13,0 %",
                " et 26 %.\n",
                "Soit 999 999 €.",
            ];
            sentences.into_iter().map(|text| zyron_engine::scripted::Act::Say(text.to_owned())).collect()
        })
        .await;
    let request = analyse(&server, json!({"template": "sig"})).await;
    let post = |request: Value| server.post("/v1/finance/analyses", &request).send();
    let whole: Value = post(request.clone()).await.unwrap().json().await.unwrap();
    let message = &whole["choices"][0]["message"];
    let kinds: Vec<String> = verdicts(message).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["source", "source", "not_found", "not_found"]);
    assert_eq!(whole["zyron_template"], json!({"id": "sig", "version": 1}));

    let mut streamed = request;
    streamed["stream"] = true.into();
    let chunks = chat_chunks(post(streamed).await.unwrap()).await;
    let chunks: Vec<_> = chunks.into_iter().map(Result::unwrap).collect();
    assert_eq!(chunks[0].zyron_template.as_ref().unwrap().id, "sig");
    assert_eq!(serde_json::to_value(&chunks[0].zyron_facts).unwrap(), whole["zyron_facts"]);
    assert!(chunks[1..].iter().all(|chunk| chunk.zyron_facts.is_none() && chunk.zyron_template.is_none()));
    let (mut said, mut numbers) = (String::new(), Vec::new());
    for choice in chunks.iter().flat_map(|chunk| &chunk.choices) {
        said += choice.delta.content.as_deref().unwrap_or_default();
        for number in choice.delta.zyron_numbers.iter().flatten() {
            assert!(number.end <= said.chars().count());
            numbers.push(number.clone());
        }
        // The first is known before the second sentence is.
        if said.ends_with("13,0 %") {
            assert_eq!(numbers.len(), 1);
        }
    }
    assert_eq!(serde_json::to_value(&numbers).unwrap(), message["zyron_numbers"]);
    assert_eq!(said, message["content"].as_str().unwrap());
}

#[tokio::test]
async fn what_a_template_needs_is_asked_for() {
    let server = server().await;
    let refused = async |body: Value, param: &str| {
        let response = server.post("/v1/finance/analyses", &body).send().await.unwrap();
        let error = error(response, 400).await;
        assert_eq!(error["param"], param, "{body} {error}");
        error["message"].as_str().unwrap().to_owned()
    };
    let year = |end: &str| json!({"end": end, "lines": {}});
    let about = |years: Value| json!({"model": "scripted", "question": "?", "statement": {"years": years}});
    refused(json!({"model": "scripted"}), "question").await;
    assert!(refused(json!({"model": "scripted", "template": "x"}), "template").await.contains("`bilan`"));
    refused(json!({"model": "scripted", "template": "bilan"}), "statement").await;
    refused(json!({"model": "scripted", "template": "veille"}), "text").await;
    refused(about(json!([])), "statement.years").await;
    refused(about(json!([year("2024-12-31"), year("2023-12-31")])), "statement.years[1].end").await;
    refused(about(json!([{"end": "2024-12-31", "lignes": {}}])), "statement.years[0].lignes").await;
    refused(about(json!([{"end": "2024-12-31", "lines": {"x": {"value": "1"}}}])), "statement.years[0].lines").await;
    let mut long = about(json!([year("2024-12-31")]));
    long["statement"]["currency"] = "A".repeat(1000).into();
    refused(long.clone(), "statement.currency").await;
    long["statement"] = json!({"years": [year("2024-12-31")], "company": {"name": "A".repeat(1000)}});
    refused(long, "statement.company.name").await;
    refused(about(json!([{"start": "0001-01-01", "end": "2024-12-31", "lines": {}}])), "statement.years[0].start")
        .await;
    let wrong = about(json!([{"end": "2024-12-31", "lines": {"capital": {"value": "1e99"}}}]));
    refused(wrong, "statement.years[0].lines.capital.value").await;
    let mut unknown = analyse(&server, json!({"question": "say Bonjour"})).await;
    unknown["model"] = "gpt".into();
    let response = server.post("/v1/finance/analyses", &unknown).send().await.unwrap();
    error(response, 404).await;
}

#[tokio::test]
async fn templates_are_listed_and_a_text_is_commented() {
    let server = server().await;
    let templates: Value = server.get("/v1/finance/templates").send().await.unwrap().json().await.unwrap();
    let of = |input: &str| {
        let templates = templates["data"].as_array().unwrap().iter();
        templates.filter(|template| template["input"] == input).map(|it| it["id"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of("text"), ["kyc_lcbft", "veille"]);
    assert_eq!(of("statement"), ["bilan", "sig", "tresorerie", "note_credit"]);
    let request = json!({"model": "scripted", "template": "veille", "text": "Le seuil passe à 15 M€.",
        "question": "Depuis quand ?\nsay Il passe à 15 M€, contre 12 M€."});
    let body: Value = server.post("/v1/finance/analyses", &request).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "Il passe à 15 M€, contre 12 M€.");
    assert_eq!(body["choices"][0]["message"]["zyron_numbers"][0]["verdict"]["kind"], "given");
}

fn call(name: &str, arguments: &Value) -> String {
    format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>")
}

/// A question in a chat completion whose tools the server runs.
async fn ask(server: &TestServer, words: &str, more: Value) -> Value {
    let statement = read(server).await["statement"].clone();
    let mut request = chat(words, json!({"zyron_tools": ["finance"], "zyron_statement": statement}));
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[tokio::test]
async fn the_server_runs_its_tools_and_shows_the_calls() {
    let server = server().await;
    let read = call("lire_poste", &json!({"poste": "salaires"}));
    let words = format!("say Je lis.{read}\n---\nLes salaires sont de 52 000 €.");
    let request = ask(&server, &words, json!({"max_tokens": 300})).await;
    let body: Value = server.chat(&request).await.json().await.unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "stop", "{body}");
    assert_eq!(choice["message"]["content"], "Je lis.\n\nLes salaires sont de 52 000 €.");
    assert!(choice["message"].get("tool_calls").is_none());
    let ran = &choice["message"]["zyron_tool_calls"];
    assert_eq!(ran.as_array().unwrap().len(), 1);
    assert_eq!(ran[0]["function"], json!({"name": "lire_poste", "arguments": "{\"poste\":\"salaires\"}"}));
    assert_eq!(ran[0]["result"]["valeur"], "52\u{202f}000\u{a0}€");
    // What a tool has read is a fact from then on.
    let fact = body["zyron_facts"].as_array().unwrap().last().unwrap();
    assert_eq!((&fact["item"], &fact["value"]), (&json!("salaires"), &json!("52000")));
    assert_eq!(choice["message"]["zyron_numbers"][0]["verdict"], json!({"kind": "source", "fact": fact["id"]}));
    // Both rounds count.
    let usage = &body["usage"];
    assert_eq!(usage["completion_tokens"], words.len() - "say ".len() - "\n---\n".len() + 2, "{usage}");

    let mut streamed = request;
    streamed["stream"] = true.into();
    streamed["stream_options"] = json!({"include_usage": true});
    let chunks = chat_chunks(server.chat(&streamed).await).await;
    let chunks: Vec<_> = chunks.into_iter().map(Result::unwrap).collect();
    let deltas = || chunks.iter().flat_map(|chunk| &chunk.choices).map(|choice| &choice.delta);
    let said: String = deltas().filter_map(|delta| delta.content.as_deref()).collect();
    assert_eq!(said, choice["message"]["content"].as_str().unwrap());
    let calls: Vec<_> = deltas().flat_map(|delta| delta.zyron_tool_calls.iter().flatten()).collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(serde_json::to_value(&calls[0].result).unwrap(), ran[0]["result"]);
    let facts: Vec<_> = chunks.iter().flat_map(|chunk| chunk.zyron_facts.iter().flatten()).collect();
    assert_eq!(serde_json::to_value(facts).unwrap(), body["zyron_facts"]);
    assert_eq!(serde_json::to_value(chunks.last().unwrap().usage.unwrap().unwrap()).unwrap(), *usage);
}

#[tokio::test]
async fn tools_that_are_called_for_ever_are_withdrawn() {
    let server = server().await;
    let convert = call("convertir_unite", &json!({"valeur": 3, "de": "k€", "vers": "€"}));
    let body: Value =
        server.chat(&ask(&server, &format!("say {convert}"), json!({})).await).await.json().await.unwrap();
    let message = &body["choices"][0]["message"];
    assert_eq!(message["zyron_tool_calls"].as_array().unwrap().len(), 8, "{body}");
    assert_eq!(message["zyron_tool_calls"][7]["index"], 7);
    // In the last round there are none: what looks like a call is not shown to a reader.
    assert_eq!(message["content"], "");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn a_limit_of_tokens_is_for_all_rounds() {
    let server = server().await;
    let convert = call("convertir_unite", &json!({"valeur": 3, "de": "k€", "vers": "€"}));
    let words = format!("say {convert}\n---\nVoilà la réponse, qui est longue.");
    let limit = convert.len() + 1 + 10;
    let body: Value =
        server.chat(&ask(&server, &words, json!({"max_tokens": limit})).await).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], limit);
    assert_eq!(body["choices"][0]["message"]["content"], "Voilà la ");
    // Nothing is left for a second round.
    let body: Value =
        server.chat(&ask(&server, &words, json!({"max_tokens": convert.len() + 1})).await).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["finish_reason"], "length", "{body}");
    assert_eq!(body["choices"][0]["message"]["zyron_tool_calls"].as_array().unwrap().len(), 1);
    assert_eq!(body["usage"]["completion_tokens"], convert.len() + 1);

    // That of the server is no other.
    let server = setup().with("limits.max_tokens", limit).obeys().await;
    let body: Value = server.chat(&ask(&server, &words, json!({})).await).await.json().await.unwrap();
    assert_eq!(
        (&body["choices"][0]["finish_reason"], &body["usage"]["completion_tokens"]),
        (&json!("length"), &json!(limit))
    );
}

#[tokio::test]
async fn what_fills_the_context_ends_the_answer() {
    let server = server().await;
    let ratios = long_ratios();
    let compute = call("calculer_ratios", &json!({"ratios": ratios}));
    let words = format!("say Je calcule.{compute}");
    let body: Value = server.chat(&ask(&server, &words, json!({})).await).await.json().await.unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "length", "{body}");
    let calls = choice["message"]["zyron_tool_calls"].as_array().unwrap().len();
    assert!((1..8).contains(&calls), "{calls}");
    assert!(choice["message"]["content"].as_str().unwrap().starts_with("Je calcule."));
}

/// Ratios with long formulas.
fn long_ratios() -> [&'static str; 4] {
    ["roce", "gearing", "capacite_remboursement", "bfr_jours"]
}

#[tokio::test]
async fn other_fields_go_with_the_tools() {
    let server = server().await;
    let read = call("lire_poste", &json!({"poste": "EBE"}));
    let schema = json!({"type": "object", "properties": {"ebe": {"type": "integer"}}, "required": ["ebe"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "ebe", "strict": true, "schema": schema}});
    let words = format!("say {read}\n---\n{{\"ebe\": 37900}}");
    let request = ask(&server, &words, json!({"response_format": format, "temperature": 0})).await;
    let body: Value = server.chat(&request).await.json().await.unwrap();
    let message = &body["choices"][0]["message"];
    assert_eq!(message["zyron_tool_calls"].as_array().unwrap().len(), 1, "{body}");
    let answer: Value = serde_json::from_str(message["content"].as_str().unwrap()).unwrap();
    assert!(answer["ebe"].is_i64(), "{body}");

    let words = format!("say {read}\n---\nIl est de 37 900 €, fin de la réponse.");
    let body: Value = server.chat(&ask(&server, &words, json!({"stop": ", fin"})).await).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "Il est de 37 900 €");
    let body: Value =
        server.chat(&ask(&server, "say Oui.", json!({"tool_choice": "none"})).await).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "Oui.");
}

#[tokio::test]
async fn an_answer_is_history_for_the_next() {
    let server = server().await;
    let read = call("lire_poste", &json!({"poste": "EBE"}));
    let request = ask(&server, &format!("say {read}\n---\nIl est de 37 900 €."), json!({})).await;
    let body: Value = server.chat(&request).await.json().await.unwrap();
    let message = body["choices"][0]["message"].clone();
    assert!(message["zyron_numbers"].is_array() && message["zyron_tool_calls"].is_array());
    let mut next = request.clone();
    let messages = next["messages"].as_array_mut().unwrap();
    messages.push(message.clone());
    messages.push(json!({"role": "user", "content": "say Il est de 37 900 €."}));
    let body: Value = server.chat(&next).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["message"]["zyron_numbers"][0]["verdict"]["kind"], "source", "{body}");

    let mut since = analyse(&server, json!({"question": "say Bonjour.", "messages": [message.clone()]})).await;
    let response = server.post("/v1/finance/analyses", &since).send().await.unwrap();
    assert_eq!(error(response, 400).await["param"], "messages");
    since["messages"] = json!([message, {"role": "user"}]);
    let response = server.post("/v1/finance/analyses", &since).send().await.unwrap();
    assert_eq!(error(response, 400).await["param"], "messages[1].content");
    since["messages"] = json!([message, {"role": "user", "content": "say Soit 38 k€."}]);
    let response = server.post("/v1/finance/analyses", &since).send().await.unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "Soit 38 k€.");
}

#[tokio::test]
async fn files_that_say_their_year_keep_it() {
    let server = server().await;
    let dated = |year: i32| format!("Exercice clos le 31/12/{year};;;\n{BALANCE}");
    let (one, other) = (dated(2023), dated(2024));
    let fields = [("file", Some("a.csv"), one.as_str()), END, ("file", Some("b.csv"), other.as_str())];
    let report: Value = send(&server, &fields).await.json().await.unwrap();
    let years = report["statement"]["years"].as_array().unwrap().iter().map(|year| year["end"].as_str().unwrap());
    assert_eq!(years.collect::<Vec<_>>(), ["2023-12-31", "2024-12-31"]);
}

#[tokio::test]
async fn many_years_and_a_long_answer_take_no_long_time() {
    let lines =
        json!({"ventes_marchandises": {"value": "1000"}, "capital": {"value": "10"}, "salaires": {"value": "7"}});
    let years: Vec<Value> = (2001..=2020).map(|year| json!({"end": format!("{year}-12-31"), "lines": lines})).collect();
    let server = setup().plays(|_, _| vec![zyron_engine::scripted::Act::Say("1\n".repeat(2000))]).await;
    let request = chat("12 ".repeat(1000).as_str(), json!({"zyron_statement": {"years": years}, "stream": true}));
    let chunks = chat_chunks(server.chat(&request).await).await;
    let deltas = chunks.iter().flat_map(|chunk| &chunk.as_ref().unwrap().choices).map(|choice| &choice.delta);
    assert_eq!(deltas.flat_map(|delta| delta.zyron_numbers.iter().flatten()).count(), 2000);
}

#[tokio::test]
async fn a_choice_of_a_tool_is_for_the_first_round() {
    let server = server().await;
    let choice =
        json!({"tool_choice": {"type": "function", "function": {"name": "calculer_ratios"}}, "max_tokens": 900});
    let body: Value = server.chat(&ask(&server, "say Non.", choice).await).await.json().await.unwrap();
    let message = &body["choices"][0]["message"];
    assert_eq!(message["zyron_tool_calls"][0]["function"]["name"], "calculer_ratios", "{body}");
    assert!(message["zyron_tool_calls"][0]["result"]["ratios"].is_array(), "{body}");
    assert_eq!(message["content"], "Non.");
}

#[tokio::test]
async fn accounts_alone_have_the_numbers_checked() {
    let server = server().await;
    let mut request = ask(&server, "Que vaut la marge ?\nsay Elle est de 110 900 €.", json!({"n": 2})).await;
    request.as_object_mut().unwrap().remove("zyron_tools");
    let mut streamed = request.clone();
    streamed["stream"] = true.into();
    let chunks = chat_chunks(server.chat(&streamed).await).await;
    let choices = chunks.iter().flat_map(|chunk| &chunk.as_ref().unwrap().choices);
    let judged = choices.filter(|choice| choice.delta.zyron_numbers.is_some()).map(|choice| choice.index);
    let mut judged: Vec<u32> = judged.collect();
    judged.sort_unstable();
    assert_eq!(judged, [0, 1]);
    let body: Value = server.chat(&request).await.json().await.unwrap();
    for choice in body["choices"].as_array().unwrap() {
        assert_eq!(choice["message"]["zyron_numbers"][0]["verdict"]["kind"], "source", "{choice}");
        assert!(choice["message"].get("zyron_tool_calls").is_none());
    }
    let plain: Value = server.chat(&chat("say 12 %", json!({}))).await.json().await.unwrap();
    assert!(plain["choices"][0]["message"].get("zyron_numbers").is_none() && plain.get("zyron_facts").is_none());
}

#[tokio::test]
async fn what_the_tools_cannot_go_with_is_refused_by_name() {
    let server = server().await;
    let tool = json!([{"type": "function", "function": {"name": "aide"}}]);
    for (more, param) in [
        (json!({"zyron_tools": ["web"]}), "zyron_tools[0]"),
        (json!({"tools": tool}), "tools"),
        (json!({"n": 2}), "n"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"zyron_statement": {"years": []}}), "zyron_statement.years"),
        (json!({"tool_choice": {"type": "function", "function": {"name": "aide"}}}), "tool_choice"),
    ] {
        let response = server.chat(&ask(&server, "say Oui", more.clone()).await).await;
        assert_eq!(error(response, 400).await["param"], param, "{more}");
    }
}

#[tokio::test]
async fn a_failure_between_rounds_is_said_and_frees_the_place() {
    let server = setup()
        .plays(|_, prompt| {
            let convert = call("convertir_unite", &json!({"valeur": 3, "de": "k€", "vers": "€"}));
            let is_second = prompt.contains("tool_response") || prompt.matches("<tool_call>").count() > 1;
            match is_second && prompt.contains("convertie") {
                true => vec![zyron_engine::scripted::Act::Fail("the script says so".to_owned())],
                false => vec![zyron_engine::scripted::Act::Say(convert)],
            }
        })
        .await;
    let mut request = chat("?", json!({"zyron_tools": ["finance"]}));
    error(server.chat(&request).await, 500).await;
    request["stream"] = true.into();
    let chunks = chat_chunks(server.chat(&request).await).await;
    assert!(chunks.last().unwrap().is_err());
    server.until_active(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_any_round_frees_the_place() {
    let server = setup()
        .plays(|_, prompt| match prompt.contains("convertie") {
            true => vec![zyron_engine::scripted::Act::Stall],
            false => {
                let convert = call("convertir_unite", &json!({"valeur": 3, "de": "k€", "vers": "€"}));
                vec![zyron_engine::scripted::Act::Say(convert)]
            }
        })
        .await;
    let request = chat("?", json!({"zyron_tools": ["finance"], "stream": true}));
    let mut response = server.chat(&request).await;
    // The calls are shown, and the second round runs.
    let mut seen = String::new();
    while !seen.contains("zyron_tool_calls") {
        seen += &String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap());
    }
    server.until_active(1).await;
    drop(response);
    server.until_active(0).await;
}

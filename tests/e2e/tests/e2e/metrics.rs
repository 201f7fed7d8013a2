use std::collections::BTreeMap;

use serde_json::json;
use zyron_e2e::{TestServer, chat, chat_texts, error, setup};
use zyron_engine::scripted::Act;

/// All series, by their names with labels.
async fn series(server: &TestServer) -> BTreeMap<String, f64> {
    let response = server.get("/metrics").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.into(), value.parse().unwrap()))
        .collect()
}

/// The series, once `ended` says so: a request is counted after its last byte was sent.
async fn series_once(server: &TestServer, ended: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
    loop {
        let series = series(server).await;
        if ended(&series) {
            return series;
        }
        tokio::task::yield_now().await;
    }
}

const CHATS: &str = r#"zyron_requests_total{route="/v1/chat/completions",status="2xx",outcome="completed"}"#;
const GENERATION: &str = r#"gen_ai_operation_name="chat",gen_ai_provider_name="zyron",gen_ai_request_model="scripted""#;

#[tokio::test]
async fn a_generation_is_counted_once() {
    let server = setup().says("Salut !").await;
    for stream in [true, false] {
        let response = server.chat(&chat("Bonjour", json!({"stream": stream}))).await;
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap();
    }
    let series = series_once(&server, |series| series.get(CHATS) == Some(&2.0)).await;
    for (name, labels) in [
        ("gen_ai_server_request_duration_seconds", format!(r#"{GENERATION},error_type="""#)),
        ("gen_ai_server_time_to_first_token_seconds", GENERATION.to_owned()),
        ("gen_ai_server_time_per_output_token_seconds", GENERATION.to_owned()),
    ] {
        assert_eq!(series[&format!("{name}_count{{{labels}}}")], 2.0, "{name}");
        let sum = series[&format!("{name}_sum{{{labels}}}")];
        assert!(sum > 0.0 && sum < 60.0, "{name}: {sum} s");
    }
    // The end-of-sequence token is one of the answer's.
    let tokens = |kind| series[&format!(r#"gen_ai_client_token_usage_sum{{{GENERATION},gen_ai_token_type="{kind}"}}"#)];
    assert_eq!(tokens("output"), 2.0 * ("Salut !".len() + 1) as f64);
    assert!(tokens("input") > 2.0 * "Bonjour".len() as f64);
    assert_eq!(series["zyron_queue_duration_seconds_count"], 2.0);
    assert_eq!(series["zyron_prefill_duration_seconds_count"], 2.0);
}

#[tokio::test]
async fn it_says_who_runs_waits_and_is_refused() {
    let server = setup().with("admission.max_queue", 1).plays(|_, _| vec![Act::Stall, Act::Say("ok".into())]).await;
    let body = chat("Salut", json!({"stream": true}));
    let request = || tokio::spawn(server.post("/v1/chat/completions", &body).send());
    let running = request();
    server.until_active(1).await;
    let waiting = request();
    series_once(&server, |series| series[r#"zyron_waiting_requests{queue="model",model="scripted"}"#] == 1.0).await;
    error(server.chat(&body).await, 429).await;
    let series = series(&server).await;
    for (name, value) in [
        (r#"zyron_running_requests{queue="model",model="scripted"}"#, 1.0),
        (r#"zyron_running_requests_limit{queue="model",model="scripted"}"#, 1.0),
        (r#"zyron_waiting_requests{queue="model",model="scripted"}"#, 1.0),
        (r#"zyron_waiting_requests_limit{queue="model",model="scripted"}"#, 1.0),
        (r#"zyron_refused_requests_total{queue="model",model="scripted",reason="queue_full"}"#, 1.0),
        (r#"zyron_refused_requests_total{queue="model",model="scripted",reason="queue_timeout"}"#, 0.0),
        (r#"zyron_kv_cache_used_tokens{model="scripted"}"#, 8192.0),
        (r#"zyron_kv_cache_size_tokens{model="scripted"}"#, 8192.0),
        ("zyron_ready", 1.0),
        ("zyron_draining", 0.0),
        ("zyron_model_loaded", 1.0),
    ] {
        assert_eq!(series[name], value, "{name}");
    }
    assert!(series[r#"zyron_waiting_tokens{queue="model",model="scripted"}"#] > 5.0);
    assert!(series["zyron_connections"] >= 2.0);
    assert!(series["process_resident_memory_bytes"] > 1e6);
    assert!(series["process_open_fds"] > 3.0 && series["process_open_fds"] < series["process_max_fds"]);
    server.engine.resume();
    for response in [running, waiting] {
        assert_eq!(chat_texts(response.await.unwrap().unwrap()).await.concat(), "ok");
    }
}

#[tokio::test]
async fn a_client_that_leaves_and_an_engine_that_fails_are_told_apart() {
    let server = setup().plays(|_, prompt| match prompt.contains("stall") {
        true => vec![Act::Stall],
        false => vec![Act::Fail("the script says so".into())],
    });
    let server = server.await;
    let gone = tokio::spawn(server.post("/v1/chat/completions", &chat("stall", json!({}))).send());
    server.until_active(1).await;
    gone.abort();
    server.until_active(0).await;
    error(server.chat(&chat("fail", json!({}))).await, 500).await;
    let of = |status, outcome| {
        format!(r#"zyron_requests_total{{route="/v1/chat/completions",status="{status}",outcome="{outcome}"}}"#)
    };
    let (cancelled, failed) = (of("none", "cancelled"), of("5xx", "failed"));
    let series = series_once(&server, |series| series.contains_key(&cancelled) && series.contains_key(&failed)).await;
    assert_eq!((series[&cancelled], series[&failed]), (1.0, 1.0));
    for error in ["cancelled", "500"] {
        let name = format!(r#"gen_ai_server_request_duration_seconds_count{{{GENERATION},error_type="{error}"}}"#);
        assert_eq!(series[&name], 1.0, "{name}");
    }
}

#[tokio::test]
async fn what_clients_make_up_is_no_series() {
    let server = setup().says("ok").await;
    let make_up = async |number: usize| {
        let method = reqwest::Method::from_bytes(format!("MADEUP{number}").as_bytes()).unwrap();
        let base = &server.base;
        let requests = [
            server.get(&format!("/made/up/{number}")),
            server.get(&format!("/v1/models/made-up-{number}")),
            server.client.request(method.clone(), format!("{base}/v1/chat/completions")),
            server.client.request(method, format!("{base}/made-up")),
            server.post("/v1/chat/completions", &chat("Salut", json!({"model": format!("made-up-{number}")}))),
            server.get("/health/live").header("x-request-id", format!("made-up-{number}")),
            server.get("/health/live").header("user-agent", format!("made-up-{number}")),
        ];
        for request in requests {
            request.send().await.unwrap().bytes().await.unwrap();
        }
    };
    let live = r#"zyron_requests_total{route="/health/live",status="2xx",outcome="completed"}"#;
    make_up(0).await;
    series(&server).await;
    let before = series_once(&server, |series| {
        series.get(live) == Some(&2.0) && series.keys().any(|name| name.contains(r#"route="/metrics""#))
    });
    let before = before.await;
    for number in 1..=1000 {
        make_up(number).await;
    }
    let after = series_once(&server, |series| series.get(live) == Some(&2002.0)).await;
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(after.keys().all(|name| !name.to_lowercase().contains("made")));
}

#[tokio::test]
async fn it_is_there_while_the_model_loads_and_as_openmetrics() {
    let server = setup().still_loading().says("ok").await;
    let series = series(&server).await;
    assert_eq!((series["zyron_ready"], series["zyron_model_loaded"]), (0.0, 0.0));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";
    let response = server.get("/metrics").header("accept", accept).send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    assert!(response.text().await.unwrap().ends_with("# EOF\n"));
}

#[tokio::test]
async fn it_needs_the_key_where_there_is_one() {
    let server = setup().key("0123456789abcdef").says("ok").await;
    error(server.get("/metrics").send().await.unwrap(), 401).await;
    let response = server.get("/metrics").bearer_auth("0123456789abcdef").send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn top_prints_what_the_server_does() {
    let server = setup().key("0123456789abcdef").says("Salut !").await;
    let request = server.post("/v1/chat/completions", &chat("Bonjour", json!({}))).bearer_auth("0123456789abcdef");
    request.send().await.unwrap().bytes().await.unwrap();
    let top = async |key: Option<&str>| {
        let mut command = tokio::process::Command::new(crate::binary::zyron());
        command.args(["top", "--once", "--key-env", "A_KEY", "--url", &server.base]);
        match key {
            Some(key) => command.env("A_KEY", key),
            None => command.env_remove("A_KEY"),
        };
        command.output().await.unwrap()
    };
    let output = top(Some("0123456789abcdef")).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "ready",
        "scripted",
        "requests ",
        "tokens out ",
        "first token ",
        "running ",
        "KV cache ",
        "0 of 8192 tokens",
        "memory ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(crate::binary::sentence(&top(None).await).contains("wants a key"));
}

use std::path::Path;

use reqwest::Certificate;
use tempfile::TempDir;
use zyron_e2e::setup;

use crate::binary::{sentence, serve};
use crate::real_model::RealServer;

/// Writes a new certificate for this machine, and returns it.
fn certify(folder: &Path) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

/// One that trusts nobody else, and opens a connection for each request.
fn client(trusted: Certificate) -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only([trusted]).pool_max_idle_per_host(0).build().unwrap()
}

async fn is_answered(client: &reqwest::Client, base: &str) -> bool {
    client.get(format!("{base}/v1/models")).send().await.is_ok_and(|response| response.status() == 200)
}

#[tokio::test]
async fn a_certificate_is_read_again_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let old = client(certify(folder.path()));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let mut command = serve(&[]);
    command.env("ZYRON__TLS__CERTIFICATE", file("certificate.pem")).env("ZYRON__TLS__KEY", file("key.pem"));
    let server = RealServer::start_with_client(command, old.clone()).await;
    assert!(server.base.starts_with("https://"));
    assert!(is_answered(&old, &server.base).await);
    assert!(!is_answered(&old, &server.base.replace("https", "http")).await);

    std::fs::write(folder.path().join("certificate.pem"), "no certificate").unwrap();
    server.hang_up();
    let new = client(certify(folder.path()));
    assert!(is_answered(&old, &server.base).await, "what cannot be read replaces nothing");
    server.hang_up();
    while !is_answered(&new, &server.base).await {
        tokio::task::yield_now().await;
    }
    assert!(!is_answered(&old, &server.base).await);
    let log = server.terminate();
    assert!(log.contains("read again"), "{log}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_said() {
    let folder = TempDir::new().unwrap();
    certify(folder.path());
    let with = |certificate: &str, key: &str| {
        let path = |name: &str| folder.path().join(name);
        let mut command = serve(&[]);
        command.env("ZYRON__TLS__CERTIFICATE", path(certificate)).env("ZYRON__TLS__KEY", path(key));
        sentence(&command.output().unwrap())
    };
    assert!(with("nothing.pem", "key.pem").contains("nothing.pem"));
    assert!(with("certificate.pem", "certificate.pem").contains("cannot be used for TLS"));
    let mut command = serve(&[]);
    command.env("ZYRON__TLS__KEY", folder.path().join("key.pem"));
    assert!(sentence(&command.output().unwrap()).contains("belong together"));
}

#[tokio::test]
async fn limits_are_read_again_too_and_other_changes_wait() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("zyron.toml");
    std::fs::write(&file, "[limits]\nmax_messages = 1\n").unwrap();
    let server = RealServer::start(&["--config", file.to_str().unwrap()]).await;
    let two = serde_json::json!({"max_tokens": 1, "messages": [
        {"role": "system", "content": "a"}, {"role": "user", "content": "b"}
    ]});
    assert_eq!(server.send("/v1/chat/completions", two.clone()).await.status(), 400);
    std::fs::write(&file, "[limits]\nmax_messages = 0\n").unwrap();
    server.hang_up();
    std::fs::write(&file, "[limits]\nmax_messages = 2\n[log]\nformat = \"json\"\n").unwrap();
    server.hang_up();
    while server.send("/v1/chat/completions", two.clone()).await.status() != 200 {
        tokio::task::yield_now().await;
    }
    let log = server.terminate();
    assert!(log.contains("changes that count from the next start") && log.contains("log"), "{log}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_disconnected() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = setup().with("server.write_timeout_ms", 200).says(&"a".repeat(8000)).await;
    let address = server.base.trim_start_matches("http://").to_owned();
    let mut deaf = tokio::net::TcpStream::connect(&address).await.unwrap();
    // Many answers, none of them read, are more than the system keeps for a client.
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    // The server stops reading, too, so all of it may not be taken.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(100), deaf.write_all(&request)).await;
    loop {
        let metrics = server.get("/metrics").send().await.unwrap().text().await.unwrap();
        let open = metrics.lines().find_map(|line| line.strip_prefix("zyron_connections ")).unwrap();
        if open == "1" {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    // It gets what was sent before, and the end.
    let _ = deaf.read_to_end(&mut rest).await;
}

#[test]
fn a_configuration_is_checked_without_a_server() {
    let folder = TempDir::new().unwrap();
    let check = |arguments: &[&str]| crate::binary::command(&["config", "check"]).args(arguments).output().unwrap();
    let model = crate::binary::checkpoint();
    let model = model.to_str().unwrap();
    assert!(check(&[]).status.success());
    assert!(check(&["--model", model]).status.success());
    assert!(sentence(&check(&["--model", "/nowhere"])).contains("no model at `/nowhere`"));
    assert!(sentence(&check(&["--host", "0.0.0.0"])).contains("ZYRON_API_KEY"));
    let state = folder.path().join("state");
    let state_argument = state.to_str().unwrap();
    assert!(sentence(&check(&["--host", "0.0.0.0", "--state", state_argument])).contains("zyron keys create"));
    assert!(!state.exists(), "a look makes nothing");
    let file = folder.path().join("zyron.toml");
    std::fs::write(&file, "[server]\nprot = 1").unwrap();
    assert!(sentence(&check(&["--config", file.to_str().unwrap()])).contains("prot"));
}

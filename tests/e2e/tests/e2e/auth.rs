use serde_json::json;
use zyron_e2e::{chat, error, setup};
use zyron_server::config::Config;
use zyron_server::{App, StartError};

const KEY: &str = "a-key-of-twenty-letters";

#[tokio::test]
async fn with_a_key_everything_but_health_and_the_page_needs_it() {
    let server = setup().key(KEY).says("ok").await;
    for path in ["/v1/models", "/v1/models/scripted", "/v1/nothing", "/anything"] {
        let response = server.get(path).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(error(response, 401).await["code"], "invalid_api_key", "{path}");
    }
    for path in ["/health/live", "/health/ready", "/openapi.json"] {
        assert_eq!(server.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    let body = chat("Salut", json!({}));
    let ask = |key: &str| server.post("/v1/chat/completions", &body).bearer_auth(key).send();
    assert_eq!(ask(KEY).await.unwrap().status(), 200);
    for wrong in ["", "a-key-of-twenty-letterz", "a-key-of-twenty-letters-and-more"] {
        assert_eq!(ask(wrong).await.unwrap().status(), 401, "{wrong}");
    }
}

#[tokio::test]
async fn without_a_key_only_the_names_of_this_machine_are_answered() {
    let server = setup().says("ok").await;
    let port = server.base.rsplit(':').next().unwrap();
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), "[::1]".to_owned(), "LocalHost".to_owned()] {
        let response = server.get("/v1/models").header("host", &host).send().await.unwrap();
        assert_eq!(response.status(), 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1"] {
        let response = server.get("/v1/models").header("host", host).send().await.unwrap();
        assert_eq!(error(response, 403).await["code"], "foreign_host", "{host}");
    }
}

#[test]
fn a_public_address_without_a_key_refuses_to_start() {
    let config = Config::load(None, &[("server.host", "0.0.0.0".into())]).unwrap();
    assert!(matches!(App::new(config.clone(), None), Err(StartError::PublicWithoutKey(_))));
    assert!(matches!(App::new(config.clone(), Some("short")), Err(StartError::WeakKey)));
    assert!(App::new(config, Some(KEY)).is_ok());
}

use serde_json::{Value, json};
use zyron_e2e::{chat, error, setup};

#[tokio::test]
async fn alive_but_not_ready_while_the_model_loads() {
    let server = setup().still_loading().says("ok").await;
    assert_eq!(server.get("/health/live").send().await.unwrap().status(), 200);
    let ready = server.get("/health/ready").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap(), json!({"status": "loading"}));
    let response = server.chat(&chat("Salut", json!({}))).await;
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(error(response, 503).await["code"], "model_loading");
}

#[tokio::test]
async fn ready_once_it_is_loaded() {
    let server = setup().says("ok").await;
    let ready = server.get("/health/ready").send().await.unwrap();
    assert_eq!(ready.status(), 200);
    assert_eq!(ready.json::<Value>().await.unwrap(), json!({"status": "ready"}));
}

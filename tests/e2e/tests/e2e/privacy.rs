use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use zyron_e2e::{chat, setup};
use zyron_server::audit;
use zyron_server::keys::{Limits, Scope, Store};

use crate::files_under;

fn privacy(state: &Path, arguments: &[&str]) -> Output {
    crate::binary::command(&["privacy"]).args(arguments).arg("--state").arg(state).output().unwrap()
}

#[tokio::test]
async fn what_is_kept_about_a_person_is_given_and_erased() {
    let state = TempDir::new().unwrap();
    let key = |owner: &str| {
        Store::open(state.path()).unwrap().create(owner, &[Scope::Chat], &Limits::default(), None).unwrap()
    };
    let (anna, bruno) = (key("Anna Exemple"), key("Bruno"));
    let mut server = setup().with("state.folder", state.path().display()).obeys().await;
    let body = chat("Salut", json!({}));
    for key in [&anna, &anna, &bruno] {
        let asked = server.post("/v1/chat/completions", &body).bearer_auth(&key.text);
        asked.header("x-request-id", format!("req-{}", key.id)).send().await.unwrap().bytes().await.unwrap();
    }
    let is_written = || {
        let mut lines = 0;
        audit::about(&audit::folder(state.path()), &anna.id, |_| lines += 1).unwrap();
        let used = Store::open(state.path()).unwrap().usage(1, Some(&anna.id)).unwrap();
        lines == 2 && used.first().is_some_and(|used| used.requests == 2)
    };
    while !is_written() {
        tokio::task::yield_now().await;
    }
    let exported = privacy(state.path(), &["export", "--owner", "Anna Exemple"]);
    let exported: Value = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!((&exported["keys"][0]["id"], &exported["keys"][0]["owner"]), (&json!(anna.id), &json!("Anna Exemple")));
    assert_eq!(exported["usage"][0]["requests"], 2);
    let lines = exported["audit"].as_array().unwrap();
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().all(|line| line["who"]["key"] == anna.id.as_str()) && !exported.to_string().contains(&bruno.id)
    );

    let erased = tokio::task::spawn_blocking({
        let (state, id) = (state.path().to_owned(), anna.id.clone());
        move || privacy(&state, &["erase", "--key", &id])
    });
    let erased = erased.await.unwrap();
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    let refused = server.post("/v1/chat/completions", &body).bearer_auth(&anna.text).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let goes_on = server.post("/v1/chat/completions", &body).bearer_auth(&bruno.text).send().await.unwrap();
    assert_eq!(goes_on.status(), 200);
    server.shut_down().await.unwrap();
    let found = audit::verify(&audit::folder(state.path()), None).unwrap();
    assert_eq!((found.erased, found.problems), (2, vec![]));
    for (file, content) in files_under(state.path()) {
        for text in ["Anna Exemple", anna.id.as_str()] {
            assert!(!content.windows(text.len()).any(|part| part == text.as_bytes()), "{}", file.display());
        }
    }
    assert!(!privacy(state.path(), &["export", "--key", &anna.id]).status.success());
    assert!(Store::open(state.path()).unwrap().usage(1, Some(&anna.id)).unwrap().is_empty());
}

#[tokio::test]
async fn texts_are_kept_only_for_a_purpose_and_only_there() {
    let state = TempDir::new().unwrap();
    let key = Store::open(state.path()).unwrap().create("x", &[Scope::Chat], &Limits::default(), None).unwrap();
    let mut server =
        setup().with("state.folder", state.path().display()).with("content.purpose", "un essai").obeys().await;
    let ask = |body: Value| server.post("/v1/chat/completions", &body).bearer_auth(&key.text).send();
    let whole = ask(chat("say canari-4b1c", json!({}))).await.unwrap();
    assert_eq!(whole.headers()["x-content-kept"], "true");
    whole.bytes().await.unwrap();
    let streamed = ask(chat("say canari-4b1c", json!({"stream": true}))).await.unwrap();
    streamed.bytes().await.unwrap();
    let wrong = ask(json!({"model": "scripted"})).await.unwrap();
    assert_eq!(wrong.status(), 400);
    wrong.bytes().await.unwrap();
    let models = server.get("/v1/models").bearer_auth(&key.text).send().await.unwrap();
    assert!(!models.headers().contains_key("x-content-kept"));
    server.shut_down().await.unwrap();

    let said = |bytes: &[u8]| bytes.windows(11).any(|part| part == b"canari-4b1c");
    let with_texts: Vec<PathBuf> =
        files_under(state.path()).into_iter().filter(|(_, bytes)| said(bytes)).map(|(file, _)| file).collect();
    assert!(!with_texts.is_empty() && with_texts.iter().all(|file| file.starts_with(state.path().join("content"))));

    let privacy = |what: &str| {
        let output = privacy(state.path(), &[what, "--owner", "x"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let exported: Value = serde_json::from_str(&privacy("export")).unwrap();
    let [whole, streamed, wrong] = &exported["content"].as_array().unwrap()[..] else { panic!("{exported}") };
    assert_eq!((&whole["purpose"], &whole["request"]["model"]), (&json!("un essai"), &json!("scripted")));
    assert_eq!(whole["answer"]["choices"][0]["message"]["content"], "canari-4b1c");
    assert!(streamed["answer"].as_str().unwrap().ends_with("data: [DONE]\n\n"));
    assert_eq!((&wrong["status"], &wrong["answer"]["error"]["param"]), (&json!(400), &json!("messages")));
    assert!(privacy("erase").contains("3 requests"));
    assert!(!files_under(state.path()).iter().any(|(_, bytes)| said(bytes)));
}

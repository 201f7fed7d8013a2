use std::path::Path;
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

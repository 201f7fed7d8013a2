//! Whether the model can hold a conversation: its template on conversations that clients send, and its end.

use serde_json::json;
use zyron_engine::{Conversation, Model, ToolFormat};

use super::Finding;

pub(super) fn check(model: &Model) -> Vec<Finding> {
    if let Some(pooling) = model.pooling {
        let pooled = format!("it makes embeddings (`{}`), at `/v1/embeddings`, and generates no text", pooling.name());
        return vec![Finding::fine(pooled)];
    }
    let mut findings = vec![end(model)];
    let Some(template) = &model.template else {
        findings.push(Finding::note(
            "it has no chat template: `/v1/completions` works, `/v1/chat/completions` and `/v1/responses` do not",
        ));
        return findings;
    };
    let user = json!({"role": "user", "content": "Bonjour"});
    let system = json!({"role": "system", "content": "Réponds en français."});
    let assistant = json!({"role": "assistant", "content": "Bonjour !"});
    let rendered = |messages: Vec<serde_json::Value>| {
        let conversation = Conversation { messages, add_generation_prompt: true, ..Conversation::default() };
        template.render(&conversation)
    };
    match rendered(vec![user.clone()]) {
        Ok(text) => {
            findings.push(Finding::fine("the chat template renders a question"));
            findings.extend(controls(model, &text));
        }
        Err(error) => findings.push(Finding::problem(format!("the chat template fails on a question: {error}"))),
    }
    let others =
        [("a system message", vec![system, user.clone()]), ("several turns", vec![user.clone(), assistant, user])];
    for (what, messages) in others {
        findings.push(match rendered(messages) {
            Ok(_) => Finding::fine(format!("the chat template renders {what}")),
            Err(error) => Finding::note(format!("the chat template refuses {what}: {error}")),
        });
    }
    let format = ToolFormat::of(Some(template));
    findings.push(if template.knows("tools") {
        Finding::fine(format!("the chat template knows tools; calls are read in the form `{}`", format.name))
    } else {
        Finding::note(format!(
            "the chat template knows no tools; they are described in a system message, in the form `{}`",
            format.name
        ))
    });
    findings
}

/// Whether answers can end.
fn end(model: &Model) -> Finding {
    let ends: Vec<String> = model.tokenizer.end_of_sequence().map(|id| model.tokenizer.spelling(id)).collect();
    if ends.is_empty() {
        return Finding::problem(
            "no token ends an answer: `eos_token_id` is missing, so each goes on to its last token",
        );
    }
    Finding::fine(format!("an answer ends with {}", ends.join(" or ")))
}

/// Whether the template's marks are tokens, and a text begins once.
fn controls(model: &Model, text: &str) -> Vec<Finding> {
    let tokens = match model.tokenizer.encode_rendered(text) {
        Ok(tokens) => tokens,
        Err(error) => return vec![Finding::problem(format!("the tokenizer fails on the template's text: {error}"))],
    };
    let controls: Vec<String> =
        tokens.iter().filter(|&&id| model.tokenizer.is_control(id)).map(|&id| model.tokenizer.spelling(id)).collect();
    let mut findings = Vec::new();
    if controls.is_empty() {
        findings.push(Finding::note(
            "the chat template makes no control token: is the tokenizer the one that the model was fine-tuned with?",
        ));
    }
    if let Some(bos) = &model.tokens.bos {
        let begins = tokens.iter().take_while(|&&id| model.tokenizer.spelling(id) == *bos).count();
        if begins > 1 {
            findings.push(Finding::note(format!("a question begins with {bos} {begins} times: once is usual")));
        }
    }
    findings
}

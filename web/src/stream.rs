//! An answer as it comes in: the server's chunks, put together.

use leptos::prelude::*;
use web_sys::AbortController;

use crate::api::{self, Ask, Failure};
use crate::conversation::{Said, Stats};
use crate::json::Json;
use crate::wire::{Call, Fact, FinishReason, Function, Number, ServerCall, Usage};

/// Sends a question and writes what comes back into `said`.
///
/// # Errors
/// Where it could not be sent, was refused or broke off: what came until then is in `said`.
pub(crate) async fn stream(
    key: &str,
    ask: &Ask,
    abort: &AbortController,
    said: &ArcRwSignal<Said>,
) -> Result<(FinishReason, Stats), Failure> {
    let start = now_ms();
    let mut chunks = api::ask(key, ask, &abort.signal()).await?;
    let (mut reason, mut usage, mut first, mut last) = (None, None, None, start);
    while let Some(chunk) = chunks.next().await? {
        // What is new: nothing in the chunk that has the usage.
        let choice = chunk.items("choices").unwrap_or_default().into_iter().next();
        let delta = choice.as_ref().map(|choice| choice.field("delta"));
        let text = delta.as_ref().and_then(|delta| delta.text("content")).unwrap_or_default();
        if !text.is_empty() {
            last = now_ms();
            first.get_or_insert(last);
        }
        reason = reason.or(choice.and_then(|choice| FinishReason::of(&choice.text("finish_reason")?)));
        usage = usage.or(Usage::of(&chunk.field("usage")));
        said.update(|said| {
            if said.model.is_empty() {
                said.model = chunk.text("model").unwrap_or_default();
            }
            said.facts.extend(chunk.all("zyron_facts", Fact::of).unwrap_or_default());
            said.text += &text;
            if let Some(delta) = delta {
                append(said, &delta);
            }
        });
    }
    let reason = reason.ok_or(Failure::Truncated)?;
    let tokens_per_second = first.zip(usage).and_then(|(first, usage): (f64, Usage)| {
        let tokens = usage.completion_tokens - 1.0;
        (tokens > 0.0 && last > first).then(|| tokens * 1000.0 / (last - first))
    });
    Ok((reason, Stats { first_text_ms: first.map(|first| first - start), tokens_per_second, usage }))
}

/// What is new beside the text.
fn append(said: &mut Said, delta: &Json) {
    said.numbers.extend(delta.all("zyron_numbers", Number::of).unwrap_or_default());
    said.server_calls.extend(delta.all("zyron_tool_calls", ServerCall::of).unwrap_or_default());
    for call in delta.items("tool_calls").unwrap_or_default() {
        append_call(&mut said.calls, &call);
    }
}

fn append_call(calls: &mut Vec<Call>, chunk: &Json) {
    let at = chunk.number("index").unwrap_or_default() as usize;
    // They come in their order; a server that leaves one out is not followed beyond the next.
    if at >= calls.len() {
        calls.push(Call::default());
    }
    let Some(call) = calls.get_mut(at) else { return };
    call.id += &chunk.text("id").unwrap_or_default();
    let Function { name, arguments } = Function::of(&chunk.field("function"));
    call.function.name += &name;
    call.function.arguments += &arguments;
}

fn now_ms() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

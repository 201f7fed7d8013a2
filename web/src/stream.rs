//! An answer as it comes in: the server's chunks, put together.

use futures::{StreamExt, pin_mut};
use leptos::prelude::*;
use web_sys::AbortController;
use zyron_openapi::sse::StreamError;
use zyron_openapi::tools::{MessageToolCall, ToolCallChunk};
use zyron_openapi::{ChatCompletionChunk, FinishReason, Usage};

use crate::api::{self, Ask, Failure};
use crate::conversation::{Said, Stats};

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
    let chunks = api::ask(key, ask, &abort.signal()).await?;
    pin_mut!(chunks);
    let (mut reason, mut usage, mut first, mut last) = (None, None, None, start);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let delta = chunk.choices.first().map(|choice| &choice.delta);
        if delta.is_some_and(|delta| delta.content.as_ref().is_some_and(|text| !text.is_empty())) {
            last = now_ms();
            first.get_or_insert(last);
        }
        reason = reason.or(chunk.choices.first().and_then(|choice| choice.finish_reason));
        usage = usage.or(chunk.usage.flatten());
        said.update(|said| append(said, chunk));
    }
    let reason = reason.ok_or(StreamError::Truncated)?;
    let tokens_per_second = first.zip(usage).and_then(|(first, usage): (f64, Usage)| {
        let tokens = usage.completion_tokens.saturating_sub(1);
        (tokens > 0 && last > first).then(|| tokens as f64 * 1000.0 / (last - first))
    });
    Ok((reason, Stats { first_text_ms: first.map(|first| first - start), tokens_per_second, usage }))
}

fn append(said: &mut Said, chunk: ChatCompletionChunk) {
    if said.model.is_empty() {
        said.model = chunk.model;
    }
    said.facts.extend(chunk.zyron_facts.unwrap_or_default());
    let Some(choice) = chunk.choices.into_iter().next() else { return };
    said.text.push_str(&choice.delta.content.unwrap_or_default());
    said.numbers.extend(choice.delta.zyron_numbers.unwrap_or_default());
    said.server_calls.extend(choice.delta.zyron_tool_calls.unwrap_or_default());
    choice.delta.tool_calls.into_iter().flatten().for_each(|call| append_call(&mut said.calls, call));
}

fn append_call(calls: &mut Vec<MessageToolCall>, chunk: ToolCallChunk) {
    let at = chunk.index as usize;
    // They come in their order; a server that leaves one out is not followed beyond the next.
    if at >= calls.len() {
        calls.push(MessageToolCall { kind: "function".to_owned(), ..MessageToolCall::default() });
    }
    let Some(call) = calls.get_mut(at) else { return };
    call.id.push_str(&chunk.id.unwrap_or_default());
    if let Some(function) = chunk.function {
        call.function.name.push_str(&function.name.unwrap_or_default());
        call.function.arguments.push_str(&function.arguments.unwrap_or_default());
    }
}

fn now_ms() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

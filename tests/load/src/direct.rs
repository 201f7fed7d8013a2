//! mistral.rs, called as its own documentation does: a request with a channel, read until it closes.

use std::time::Instant;

use anyhow::{Context, bail};
use mistralrs::core::MistralRs;
use mistralrs::{Constraint, NormalRequest, Request, RequestMessage, Response, SamplingParams};
use tokio::sync::mpsc;

use crate::contender::Timed;

pub(crate) async fn generate(runner: &MistralRs, prompt: &[u32], tokens: usize) -> anyhow::Result<Timed> {
    let (sender, mut responses) = mpsc::channel(tokens + 1);
    let request = NormalRequest {
        messages: RequestMessage::CompletionTokens(prompt.to_vec()),
        sampling_params: SamplingParams { temperature: Some(0.0), max_len: Some(tokens), ..SamplingParams::neutral() },
        response: sender,
        return_logprobs: false,
        is_streaming: true,
        id: runner.next_request_id(),
        constraint: Constraint::None,
        suffix: None,
        tools: None,
        tool_choice: None,
        logits_processors: None,
        return_raw_logits: false,
        web_search_options: None,
        model_id: None,
        truncate_sequence: false,
    };
    let start = Instant::now();
    let engine = runner.get_sender(None).map_err(|error| anyhow::anyhow!("{error}"))?;
    engine.send(Request::Normal(Box::new(request))).await.context("mistral.rs takes no requests")?;
    let (mut first, mut texts, mut received) = (None, Vec::new(), 0);
    while let Some(response) = responses.recv().await {
        let Response::CompletionChunk(chunk) = response else { bail!("mistral.rs answered something else") };
        received += 1;
        if chunk.choices.iter().any(|choice| !choice.text.is_empty()) {
            match first {
                None => first = Some(Instant::now()),
                Some(_) => texts.push(Instant::now()),
            }
        }
        if chunk.choices.iter().all(|choice| choice.finish_reason.is_some()) {
            break;
        }
    }
    let first = first.context("mistral.rs said nothing")?;
    anyhow::ensure!(received >= tokens, "mistral.rs generated {received} tokens instead of {tokens}");
    Ok(Timed { first, first_after: first - start, texts, total: start.elapsed(), tokens, cached: 0 })
}

//! A prompt's embedding, which mistral.rs computes in one step.
//!
//! Texts of one length may share a step; others would be padded, and pooled with their padding, so they take turns.

use std::sync::atomic::Ordering;

use mistralrs::{RequestMessage, Response};
use tokio::sync::mpsc;
use zyron_engine::{Active, EngineError, Sequence};

use crate::Runner;
use crate::decoder::{RESPONSES, error_in};

/// Embeds the prompt of `sequence`.
pub(crate) async fn run(runner: Runner, mut sequence: Sequence, _active: Active) {
    // mistral.rs panics over one: there is nothing that its mask would hide.
    if sequence.prompt().len() < 2 {
        sequence.fail(EngineError::TooShort);
        return;
    }
    let reading = Active::new(&runner.seen.reading);
    match vector(&runner, sequence.prompt().to_vec()).await {
        Ok(vector) => sequence.embed(vector),
        Err(error) => sequence.fail(EngineError::Backend(error)),
    };
    drop(reading);
    runner.seen.steps.fetch_add(1, Ordering::Relaxed);
}

async fn vector(runner: &Runner, prompt: Vec<u32>) -> Result<Vec<f32>, String> {
    let (responses, mut receiver) = mpsc::channel(RESPONSES);
    runner.send(runner.request(RequestMessage::EmbeddingTokens { prompt }, responses));
    while let Some(response) = receiver.recv().await {
        match response {
            Response::Embeddings { embeddings, .. } => return Ok(embeddings),
            other => error_in(other).map_or(Ok(()), Err)?,
        }
    }
    Err("mistral.rs gave no embedding".to_owned())
}

//! A prompt's own log-probabilities: its logits at every position, which mistral.rs gives only in place of an answer.
//!
//! The answer's first token comes from the last of these rows. Where more are wanted, a second request generates them,
//! which reads the prompt again.

use mistralrs::{DType, RequestMessage, Response, Tensor};
use tokio::sync::mpsc;
use zyron_engine::{Active, EngineError, Sequence, Step};

use crate::Runner;
use crate::decoder::error_in;

/// Scores the prompt of `sequence`, then generates up to `max_tokens`.
pub(crate) async fn run(runner: Runner, max_tokens: usize, mut sequence: Sequence, active: Active) {
    let prompt = sequence.prompt().to_vec();
    let _reading = Active::new(&runner.seen.reading);
    let parts = match logits(&runner, prompt.clone()).await {
        Ok(parts) => parts,
        Err(error) => {
            sequence.fail(EngineError::Backend(error));
            return;
        }
    };
    // A long prompt's take seconds.
    let scored = tokio::task::spawn_blocking(move || {
        let step = score(&parts, &runner, &mut sequence).unwrap_or_else(|error| sequence.fail(error));
        (step, runner, sequence)
    });
    // A panic there has dropped the sequence, which tells its reader.
    let Ok((Step::Continue(token), runner, sequence)) = scored.await else { return };
    let prompt = prompt.into_iter().chain([token]).collect();
    runner.generate(prompt, max_tokens.saturating_sub(1), sequence, active);
}

/// The logits after each token of the prompt, as parts of some rows each.
async fn logits(runner: &Runner, prompt: Vec<u32>) -> Result<Vec<Tensor>, String> {
    let (responses, mut receiver) = mpsc::channel(crate::decoder::RESPONSES);
    let mut request = runner.request(RequestMessage::CompletionTokens(prompt), responses);
    request.return_raw_logits = true;
    runner.send(request);
    while let Some(response) = receiver.recv().await {
        match response {
            Response::Raw { logits_chunks, .. } => return Ok(logits_chunks),
            other => error_in(other).map_or(Ok(()), Err)?,
        }
    }
    Err("mistral.rs gave no logits".to_owned())
}

fn score(parts: &[Tensor], runner: &Runner, sequence: &mut Sequence) -> Result<Step, EngineError> {
    let tokenizer = &runner.model.tokenizer;
    // One at a time: together they may take a gigabyte.
    let row = |part: &Tensor, at: usize| {
        let row = part.get(at).and_then(|row| row.to_dtype(DType::F32)?.to_vec1::<f32>());
        let mut row = row.map_err(|error| EngineError::Backend(error.to_string()))?;
        // Weights are often padded beyond the vocabulary; those logits mean nothing.
        row.truncate(tokenizer.vocabulary_size());
        Ok(row)
    };
    let places =
        || parts.iter().flat_map(|part| (0..part.dims().first().copied().unwrap_or(0)).map(move |at| (part, at)));
    for (part, at) in places() {
        sequence.score(&row(part, at)?)?;
    }
    sequence.finish_scoring()?;
    if sequence.only_reads() {
        return Ok(sequence.end());
    }
    match places().last() {
        Some((part, at)) => Ok(sequence.step(&mut row(part, at)?, tokenizer)),
        None => Err(EngineError::Backend("mistral.rs gave no logits".to_owned())),
    }
}

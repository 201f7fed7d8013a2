//! Who asks how much at once.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};

use crate::contender::{Contender, Timed};
use crate::quantiles::quantile;
use crate::workload::{Ask, Workload};

/// What a load came to.
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Timed>,
    pub(crate) took: Duration,
}

/// `concurrency` clients, each of which asks again as soon as it has its answer.
pub(crate) async fn closed_loop(contender: &Contender, asks: &[Ask], concurrency: usize) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let answers = stream::iter(asks).map(|ask| contender.ask(ask)).buffer_unordered(concurrency).try_collect().await?;
    Ok(Outcome { answers, took: start.elapsed() })
}

/// Requests that come when they come, whether or not there are answers: `rate` of them a second on average.
pub(crate) async fn open_loop(contender: &Contender, asks: &[Ask], rate: f64, seed: u64) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let mut pauses = Workload::of_pauses(seed);
    let mut at = 0.0;
    let arrivals = asks.iter().map(|ask| {
        at += pauses.pause(rate);
        let wait = Duration::from_secs_f64(at);
        async move {
            tokio::time::sleep(wait).await;
            contender.ask(ask).await
        }
    });
    let answers = try_join_all(arrivals).await?;
    Ok(Outcome { answers, took: start.elapsed() })
}

/// Milliseconds between the texts of running answers: before a long prompt comes, while it is read, and after.
pub(crate) struct LongPrompt {
    pub(crate) before_p99_ms: f64,
    pub(crate) beside_p99_ms: f64,
    /// Answers grow slower as they grow longer, with no prompt beside them either.
    pub(crate) after_p99_ms: f64,
    /// Until the long prompt's first text.
    pub(crate) first_ms: f64,
}

impl LongPrompt {
    /// All of them, in the order of a report's columns.
    pub(crate) fn figures(&self) -> [f64; 4] {
        [self.before_p99_ms, self.beside_p99_ms, self.after_p99_ms, self.first_ms]
    }
}

/// Eight answers that run, and a prompt of 2,000 tokens among them. Nothing where they do not run for long before it
/// comes and after it is read: on a machine much slower or faster than those that this was made for.
pub(crate) async fn long_prompt_beside(
    contender: &Contender,
    mut workload: Workload,
) -> anyhow::Result<Option<LongPrompt>> {
    const LONG: Duration = Duration::from_secs(6);
    let long = Ask { prompt: workload.prompt(2000), tokens: 1 };
    let streams: Vec<Ask> = (0..8).map(|_| Ask { prompt: workload.prompt(32), tokens: 1000 }).collect();
    let running = try_join_all(streams.iter().map(|ask| contender.ask(ask)));
    let intruder = async {
        tokio::time::sleep(LONG).await;
        let sent = Instant::now();
        Ok((sent, contender.ask(&long).await?))
    };
    let (answers, (sent, Timed { first: read, first_after, .. })) = tokio::try_join!(running, intruder)?;
    let all_began = answers.iter().map(|answer| answer.first).max().context("there are answers")?;
    let one_ended =
        answers.iter().filter_map(|answer| answer.texts.last().copied()).min().context("there are texts")?;
    let before = gaps(&answers, |start, end| start >= all_began && end <= sent);
    // A gap that is longer than the reading of the prompt is what this is about.
    let beside = gaps(&answers, |start, end| start < read && end > sent);
    let after = gaps(&answers, |start, end| start >= read && end <= one_ended.min(read + LONG));
    let is_measured = before.len() > 50 && after.len() > 50;
    Ok(is_measured.then(|| LongPrompt {
        before_p99_ms: quantile(&before, 0.99),
        beside_p99_ms: quantile(&beside, 0.99),
        after_p99_ms: quantile(&after, 0.99),
        first_ms: first_after.as_secs_f64() * 1e3,
    }))
}

/// Milliseconds from each text of the answers to the next, of those pairs that are asked for.
fn gaps(answers: &[Timed], is_asked_for: impl Fn(Instant, Instant) -> bool) -> Vec<f64> {
    let pairs = answers.iter().flat_map(|answer| {
        let texts = std::iter::once(&answer.first).chain(&answer.texts);
        texts.zip(&answer.texts)
    });
    let pairs = pairs.filter(|&(&start, &end)| is_asked_for(start, end));
    pairs.map(|(&start, &end)| (end - start).as_secs_f64() * 1e3).collect()
}

/// What eight requests cost that begin with the same 1,000 tokens.
pub(crate) struct SharedPrefix {
    /// Milliseconds until the first text of one request with such a prompt alone.
    pub(crate) alone_ms: f64,
    /// Until the last of eight, sent together, has its first text.
    pub(crate) together_ms: f64,
    /// Tokens that the eight did not have computed, as far as the server says.
    pub(crate) cached: u64,
}

/// Eight requests at once, whose prompts have their first 1,000 tokens in common.
pub(crate) async fn shared_prefix(contender: &Contender, mut workload: Workload) -> anyhow::Result<SharedPrefix> {
    let alone = contender.ask(&Ask { prompt: workload.prompt(1016), tokens: 1 }).await?;
    let prefix = workload.prompt(1000);
    let asks: Vec<Ask> = (0..8)
        .map(|_| Ask { prompt: prefix.iter().copied().chain(workload.prompt(16)).collect(), tokens: 1 })
        .collect();
    let answers = try_join_all(asks.iter().map(|ask| contender.ask(ask))).await?;
    let last = answers.iter().map(|answer| answer.first_after).max().context("there are answers")?;
    Ok(SharedPrefix {
        alone_ms: alone.first_after.as_secs_f64() * 1e3,
        together_ms: last.as_secs_f64() * 1e3,
        cached: answers.iter().map(|answer| answer.cached).sum(),
    })
}

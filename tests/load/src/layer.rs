//! `bench layer`: what our layer adds to mistral.rs, in time to the first token and in tokens per second.
//!
//! One process, one loaded model, each way in turn: mistral.rs called directly with the tokens of a conversation, and
//! the conversation sent to Zyron over HTTP and read back by a client. The client's work is in Zyron's figures, too.
//! A third way has no model at all, and so shows our layer alone, undisturbed by the noise of the computation.

mod over_http;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use zyron_engine::{Conversation, Engine, Model};
use zyron_engine_mistralrs::{LoadOptions, MistralrsEngine};

use self::over_http::OverHttp;
use self::report::Report;
use crate::contender::Timed;
use crate::direct;
use crate::instant::InstantEngine;

/// A question whose greedy answer is long, so that it is cut at the limit and never ends before.
const QUESTION: &str = "Write a long story about a company.";

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A GGUF file or a safetensors folder, with a chat template
    #[arg(long)]
    model: PathBuf,
    /// How often each way is measured
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Tokens generated each time
    #[arg(long, default_value_t = 64)]
    tokens: usize,
}

/// One answer, timed.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    /// From the request to the first text.
    pub(crate) first: Duration,
    /// From the first text to the end.
    pub(crate) rest: Duration,
    /// Tokens generated.
    pub(crate) tokens: usize,
}

impl From<Timed> for Timing {
    fn from(timed: Timed) -> Self {
        Self { first: timed.first_after, rest: timed.total - timed.first_after, tokens: timed.tokens }
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::open(&args.model)?);
    let engine = Arc::new(MistralrsEngine::load(Arc::clone(&model), LoadOptions::default()).await?);
    let prompt = tokens_of(&model)?;
    println!("{}: {} tokens of prompt, {} generated", model.id, prompt.len(), args.tokens);

    let zyron = OverHttp::start(&model, Arc::clone(&engine) as Arc<dyn Engine>).await?;
    let layer = OverHttp::start(&model, Arc::new(InstantEngine::new(Arc::clone(&model), 1, args.tokens))).await?;
    let mut report = Report::default();
    // The first round warms what is allocated and compiled lazily; it is not counted.
    for round in 0..=args.rounds {
        let (direct, zyron) = if round % 2 == 0 {
            let direct = direct::generate(engine.mistralrs(), &prompt, args.tokens).await?;
            (direct, zyron.chat(QUESTION, args.tokens).await?)
        } else {
            let zyron = zyron.chat(QUESTION, args.tokens).await?;
            (direct::generate(engine.mistralrs(), &prompt, args.tokens).await?, zyron)
        };
        let layer = layer.chat(QUESTION, args.tokens).await?;
        if round > 0 {
            report.add(direct.into(), zyron, layer);
        }
    }
    println!("{report}");
    Ok(())
}

fn tokens_of(model: &Model) -> anyhow::Result<Vec<u32>> {
    let template = model.template.as_ref().context("the model has no chat template")?;
    let messages = vec![json!({"role": "user", "content": QUESTION})];
    let conversation = Conversation { messages, add_generation_prompt: true, ..Conversation::default() };
    Ok(model.tokenizer.encode_rendered(&template.render(&conversation)?)?)
}

//! An answer in which the server runs the tools that the model calls: round after round, until it calls none.
//!
//! Each round is a request of its own to the engine, and waits for its turn like any other. What the model says between
//! the calls is one text.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tracing::Instrument;
use zyron_finance::facts::SheetFact;
use zyron_openapi::finance::ServerToolCall;
use zyron_openapi::{FinishReason, MessageToolCall, Usage};

use super::message::{MessageDelta, MessageReader, Said};
use super::{End, Part, Parts, Running};
use crate::call::Call;
use crate::error::ApiError;
use crate::serving::Serving;
use crate::validate::Plan;

/// Rounds in which tools may be called; after them the model answers with what it has.
const MAX_ROUNDS: usize = 8;

/// The answer, while the engine and the tools work on it.
pub(crate) struct Rounds {
    call: Call,
    serving: Arc<Serving>,
    plan: Plan,
    stage: Stage,
    reader: MessageReader,
    ready: VecDeque<Part>,
    /// What was said and called in this round.
    said: Said,
    /// Whether something was said in a round before, from which what is said next is parted.
    has_spoken: bool,
    /// Calls of all rounds.
    ran: u32,
    rounds: usize,
    /// Of the rounds before this one.
    usage: Usage,
}

enum Stage {
    Running(Running),
    /// The next round waits for its turn. It is kept here, as a reader may stop waiting and come back.
    Starting(BoxFuture<'static, Result<Running, ApiError>>),
    /// There is no room for a further round.
    Done,
}

/// A tool that has been run.
pub(crate) struct ToolRun {
    pub(crate) call: ServerToolCall,
    /// The figures that it read and that were not known before.
    pub(crate) facts: Vec<SheetFact>,
}

impl Rounds {
    /// Goes on from the first round.
    pub(crate) fn new(call: &Call, serving: &Arc<Serving>, running: Running, plan: Plan) -> Self {
        Self {
            call: call.clone(),
            serving: Arc::clone(serving),
            reader: MessageReader::new(plan.tools),
            plan,
            stage: Stage::Running(running),
            ready: VecDeque::new(),
            said: Said::default(),
            has_spoken: false,
            ran: 0,
            rounds: 1,
            usage: Usage::default(),
        }
    }

    fn read(&mut self, part: Part) {
        match part {
            Part::Text(text, _) => {
                let deltas = self.reader.push(text);
                self.take(deltas);
            }
            Part::End(End { text, reason, logprobs, end }) => {
                let (deltas, reason) = self.reader.finish(text, reason);
                self.take(deltas);
                // Once no tool may be called, what looks like a call is none.
                if self.rounds > MAX_ROUNDS || reason != FinishReason::ToolCalls {
                    self.said.calls.clear();
                    let reason = if reason == FinishReason::ToolCalls { FinishReason::Stop } else { reason };
                    self.ready.push_back(Part::End(End { text: String::new(), reason, logprobs, end }));
                }
            }
            Part::Prompt(_) | Part::Embedding(_) | Part::Ran(_) => {}
        }
    }

    fn take(&mut self, deltas: Vec<MessageDelta>) {
        for delta in deltas {
            if let MessageDelta::Content(text) = &delta {
                if std::mem::take(&mut self.has_spoken) {
                    self.ready.push_back(Part::Text("\n\n".to_owned(), Vec::new()));
                }
                self.ready.push_back(Part::Text(text.clone(), Vec::new()));
            }
            self.said.add(delta);
        }
    }

    /// Runs what was called, and has the model go on with what that gave.
    fn next_round(&mut self, usage: Usage) {
        let Said { content, calls } = std::mem::take(&mut self.said);
        self.has_spoken |= !content.is_empty();
        let runs: Vec<ToolRun> = calls.into_iter().map(|call| self.run(call)).collect();
        self.rounds += 1;
        let (ran, is_enough) = (runs.iter().map(|run| &run.call), self.rounds > MAX_ROUNDS);
        let tokenizer = &self.serving.model.tokenizer;
        let has_room = self.plan.go_on(&content, ran, usage.completion_tokens, is_enough, tokenizer);
        self.ready.extend(runs.into_iter().map(|run| Part::Ran(Box::new(run))));
        if !has_room {
            self.ready.push_back(cut());
            return;
        }
        self.usage += usage;
        self.reader = MessageReader::new(self.plan.tools);
        let (call, serving) = (self.call.clone(), Arc::clone(&self.serving));
        let ask = self.plan.ask.clone();
        let starting = async move {
            let start = async {
                // It has been admitted once, and is not refused now.
                let job = loop {
                    match ask.clone().prepare(&serving, &call.app().limits()).await {
                        Err(ApiError::Overloaded(_)) => {}
                        job => break job?,
                    }
                };
                // Its round is part of an answer under way, which is not cut off.
                call.spend(job.prompt_tokens);
                let held = serving.admit_next(call.applicant(job.prompt_tokens)).await?;
                Ok(Running::run(&call, &serving, job, held))
            };
            tokio::time::timeout_at(call.deadline().into(), start).await.unwrap_or(Err(ApiError::Timeout))
        };
        // Whoever reads the stream does so after the request's own span has ended.
        self.stage = Stage::Starting(starting.instrument(self.call.span().clone()).boxed());
    }

    fn run(&mut self, MessageToolCall { id, kind, function }: MessageToolCall) -> ToolRun {
        let known = self.plan.desk.sheet().facts.len();
        let result = self.plan.desk.call(&function.name, &function.arguments);
        let facts = self.plan.desk.sheet().facts[known..].to_vec();
        self.ran += 1;
        let call = ServerToolCall { index: self.ran - 1, id, kind, function, result };
        ToolRun { call, facts }
    }
}

/// The end of an answer that had no room to go on.
fn cut() -> Part {
    Part::End(End { text: String::new(), logprobs: Vec::new(), end: None, reason: FinishReason::Length })
}

impl Parts for Rounds {
    async fn next(&mut self) -> Result<Option<(usize, Part)>, ApiError> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some((0, part)));
            }
            match &mut self.stage {
                Stage::Starting(starting) => match starting.await {
                    Ok(running) => self.stage = Stage::Running(running),
                    // What tools gave has filled the context.
                    Err(ApiError::ContextLengthExceeded { .. }) => {
                        self.stage = Stage::Done;
                        self.ready.push_back(cut());
                    }
                    Err(error) => return Err(error),
                },
                Stage::Done => return Ok(None),
                Stage::Running(running) => match running.next().await? {
                    Some((_, part)) => self.read(part),
                    None if self.said.calls.is_empty() => return Ok(None),
                    None => {
                        let usage = running.usage();
                        self.next_round(usage);
                    }
                },
            }
        }
    }

    fn usage(&self) -> Usage {
        let mut usage = self.usage;
        if let Stage::Running(running) = &self.stage {
            usage += running.usage();
        }
        usage
    }
}

//! How completions are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::sse::Event;
use uuid::Uuid;
use zyron_engine::{Model, TokenLogprobs};
use zyron_openapi::completions::{CompletionChoice, CompletionLogprobs};
use zyron_openapi::{Completion, FinishReason, Usage};

use super::{End, Part, Shape, tokens};
use crate::serving::Serving;
use crate::time::now;
use crate::validate::CompletionJob;

pub(crate) struct CompletionShape {
    id: String,
    created: u64,
    model: Arc<Model>,
    system_fingerprint: String,
    include_usage: bool,
    /// Whether log-probabilities are given, and how many alternatives.
    logprobs: Option<usize>,
    /// The text of each prompt, where it is given back.
    echo: Option<Vec<String>>,
    choices: usize,
    candidates: Vec<Candidate>,
    per_prompt: usize,
}

/// One of the answers, of which only the best may be given.
#[derive(Default)]
struct Candidate {
    /// The prompt's tokens, until they are given back.
    prompt: Vec<u32>,
    /// Bytes and characters so far, which is where the next token begins.
    characters: u64,
    text: String,
    logprobs: CompletionLogprobs,
    /// The sum and the number of the answer's log-probabilities.
    likelihood: (f64, u32),
    reason: Option<FinishReason>,
}

impl Candidate {
    fn add(&mut self, entry: &TokenLogprobs, model: &Model) {
        let (token, bytes) = tokens::name(entry.id, &model.tokenizer);
        let mut top = BTreeMap::new();
        // Likeliest first: of two that look alike the likelier is kept.
        for &(id, logprob) in entry.top.iter().chain([&(entry.id, entry.logprob)]) {
            top.entry(tokens::name(id, &model.tokenizer).0).or_insert(f64::from(logprob));
        }
        let top = (!entry.top.is_empty()).then_some(top);
        self.push(token, &bytes, Some(f64::from(entry.logprob)), top, entry.id, model);
    }

    fn push(
        &mut self,
        token: String,
        bytes: &[u8],
        logprob: Option<f64>,
        top: Option<BTreeMap<String, f64>>,
        id: u32,
        model: &Model,
    ) {
        self.logprobs.tokens.push(token);
        self.logprobs.token_logprobs.push(logprob);
        self.logprobs.top_logprobs.get_or_insert_default().push(top);
        self.logprobs.text_offset.push(self.characters);
        // A control token is named, but it is no text.
        if !model.tokenizer.is_control(id) {
            self.characters += bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count() as u64;
        }
    }

    fn likelihood(&self) -> f64 {
        self.likelihood.0 / f64::from(self.likelihood.1.max(1))
    }
}

impl CompletionShape {
    pub(crate) fn new(serving: &Serving, job: &CompletionJob) -> Self {
        let scored = job.echo.is_some() && job.logprobs.is_some();
        let candidate = |index: usize| Candidate {
            prompt: if scored { job.prompts[index / job.candidates].clone() } else { Vec::new() },
            ..Candidate::default()
        };
        Self {
            id: format!("cmpl-{}", Uuid::new_v4().simple()),
            created: now(),
            model: Arc::clone(&serving.model),
            system_fingerprint: serving.system_fingerprint.clone(),
            include_usage: job.streaming.is_some_and(|streaming| streaming.include_usage),
            logprobs: job.logprobs,
            echo: job.echo.clone(),
            choices: job.choices,
            candidates: (0..job.job.answers).map(candidate).collect(),
            per_prompt: job.candidates,
        }
    }

    /// Takes in a part. Returns the reason where it ends its answer.
    fn read(&mut self, index: usize, part: Part) -> Option<FinishReason> {
        let candidate = &mut self.candidates[index];
        let model = &self.model;
        let take = |candidate: &mut Candidate, entries: &[TokenLogprobs]| {
            for entry in entries {
                candidate.likelihood.0 += f64::from(entry.logprob);
                candidate.likelihood.1 += 1;
                candidate.add(entry, model);
            }
        };
        match part {
            // Only chat completions have tools.
            Part::Ran(_) | Part::Embedding(_) => None,
            Part::Prompt(entries) => {
                // Nothing precedes the first token.
                let prompt = std::mem::take(&mut candidate.prompt);
                if let Some(&first) = prompt.first() {
                    let (token, bytes) = tokens::name(first, &model.tokenizer);
                    candidate.push(token, &bytes, None, None, first, model);
                }
                entries.iter().for_each(|entry| candidate.add(entry, model));
                None
            }
            Part::Text(text, entries) => {
                take(candidate, &entries);
                candidate.text.push_str(&text);
                None
            }
            Part::End(End { text, logprobs, end, reason }) => {
                take(candidate, &logprobs);
                take(candidate, end.as_slice());
                candidate.text.push_str(&text);
                candidate.reason = Some(reason);
                Some(reason)
            }
        }
    }

    fn echo(&self, index: usize) -> &str {
        self.echo.as_ref().and_then(|texts| texts.get(index / self.per_prompt)).map_or("", String::as_str)
    }

    fn completion(&self, choices: Vec<CompletionChoice>, usage: Option<Option<Usage>>) -> Completion {
        Completion {
            id: self.id.clone(),
            object: "text_completion".to_owned(),
            created: self.created,
            model: self.model.id.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices,
            usage,
        }
    }

    /// Of an answer's log-probabilities, those that were asked for.
    fn shown(&self, mut logprobs: CompletionLogprobs) -> Option<CompletionLogprobs> {
        logprobs.top_logprobs = logprobs.top_logprobs.filter(|_| self.logprobs > Some(0));
        self.logprobs.map(|_| logprobs)
    }

    /// What is new in an answer since the last chunk.
    fn chunk(&mut self, index: usize, finish_reason: Option<FinishReason>) -> Event {
        let candidate = &mut self.candidates[index];
        let text = std::mem::take(&mut candidate.text);
        let logprobs = std::mem::take(&mut candidate.logprobs);
        let logprobs = self.shown(logprobs).filter(|logprobs| !logprobs.tokens.is_empty());
        let choice = CompletionChoice { index: index as u32, text, logprobs, finish_reason };
        super::event(&self.completion(vec![choice], self.include_usage.then_some(None)))
    }
}

impl Shape for CompletionShape {
    type Whole = Completion;

    fn collect(&mut self, index: usize, part: Part) {
        self.read(index, part);
    }

    fn whole(mut self, usage: Usage) -> Completion {
        let candidates = std::mem::take(&mut self.candidates);
        let mut prompts: Vec<Vec<Candidate>> = Vec::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            if index % self.per_prompt == 0 {
                prompts.push(Vec::new());
            }
            if let Some(of_prompt) = prompts.last_mut() {
                of_prompt.push(candidate);
            }
        }
        let mut choices = Vec::new();
        for (prompt, mut candidates) in prompts.into_iter().enumerate() {
            if self.choices < candidates.len() {
                candidates.sort_by(|a, b| b.likelihood().total_cmp(&a.likelihood()));
            }
            for candidate in candidates.into_iter().take(self.choices) {
                choices.push(CompletionChoice {
                    index: choices.len() as u32,
                    text: format!("{}{}", self.echo(prompt * self.per_prompt), candidate.text),
                    logprobs: self.shown(candidate.logprobs),
                    finish_reason: candidate.reason,
                });
            }
        }
        self.completion(choices, Some(Some(usage)))
    }

    fn opening(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for index in 0..self.candidates.len() {
            let echo = self.echo(index).to_owned();
            if !echo.is_empty() {
                self.candidates[index].text = echo;
                events.push(self.chunk(index, None));
            }
        }
        events
    }

    fn events(&mut self, index: usize, part: Part) -> Vec<Event> {
        let reason = self.read(index, part);
        vec![self.chunk(index, reason)]
    }

    fn closing(&mut self, usage: Usage) -> Vec<Event> {
        let usage = self.include_usage.then(|| super::event(&self.completion(Vec::new(), Some(Some(usage)))));
        usage.into_iter().chain([super::done()]).collect()
    }
}

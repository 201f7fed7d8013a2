//! How chat completions are written.

use std::sync::Arc;

use axum::response::sse::Event;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zyron_engine::{Model, TokenLogprobs};
use zyron_finance::check::{Checked, Checker, StreamedCheck};
use zyron_finance::facts::SheetFact;
use zyron_openapi::chat_completions::{ChatChoice, ChatChunkChoice, ChatDelta, ChatLogprobs, ChatMessage};
use zyron_openapi::finance::{CheckedNumber, ServerToolCall, UsedTemplate};
use zyron_openapi::tools::{FunctionCallChunk, ToolCallChunk};
use zyron_openapi::{ChatCompletion, ChatCompletionChunk, FinishReason, Role, TokenLogprob, Usage};

use super::message::{MessageDelta, MessageReader, Said};
use super::{End, Part, Shape, tokens};
use crate::provenance::{Claims, Signer};
use crate::serving::Serving;
use crate::time::now;
use crate::validate::ChatJob;

pub(crate) struct ChatShape {
    id: String,
    created: u64,
    model: Arc<Model>,
    system_fingerprint: String,
    include_usage: bool,
    logprobs: bool,
    choices: Vec<Choice>,
    /// What the answers' numbers are checked against, where there is something.
    facts: Option<Facts>,
    template: Option<UsedTemplate>,
    /// What signs the answers' texts, where that is asked for.
    signer: Option<Arc<Signer>>,
    weights_sha256: String,
}

/// The figures that verdicts name.
struct Facts {
    all: Vec<SheetFact>,
    checker: Checker,
    /// Those that a stream has told.
    told: usize,
}

impl Facts {
    fn add(&mut self, new: Vec<SheetFact>) {
        self.checker.add(new.iter().map(SheetFact::checkable).collect());
        self.all.extend(new);
    }

    fn untold(&mut self) -> Option<Vec<SheetFact>> {
        let new = self.all[self.told..].to_vec();
        self.told = self.all.len();
        (!new.is_empty()).then_some(new)
    }
}

/// What is new in an answer.
enum News {
    Message(MessageDelta),
    Numbers(Vec<CheckedNumber>),
    Ran(ServerToolCall),
}

/// One of the answers.
struct Choice {
    reader: MessageReader,
    /// Entries that wait for the next chunk.
    logprobs: Vec<TokenLogprob>,
    said: Said,
    reason: FinishReason,
    /// What judges its numbers, and what it has said of them.
    check: StreamedCheck,
    numbers: Vec<CheckedNumber>,
    /// Numbers that have been judged.
    judged: u32,
    runs: Vec<ServerToolCall>,
    /// Of its text so far, where that is signed.
    written: Option<Sha256>,
}

impl Choice {
    fn add(&mut self, news: News) {
        match news {
            News::Numbers(numbers) => self.numbers.extend(numbers),
            News::Ran(call) => self.runs.push(call),
            News::Message(delta) => self.said.add(delta),
        }
    }

    /// What a text says and, once that completes a sentence, of its numbers.
    fn say(&mut self, deltas: Vec<MessageDelta>, facts: Option<&Facts>) -> Vec<News> {
        let mut news = Vec::new();
        for delta in deltas {
            if let (MessageDelta::Content(text), Some(written)) = (&delta, &mut self.written) {
                written.update(text);
            }
            let checked = match (&delta, facts) {
                (MessageDelta::Content(text), Some(facts)) => self.check.push(text, &facts.checker),
                _ => Vec::new(),
            };
            news.push(News::Message(delta));
            news.extend(self.judge(checked));
        }
        news
    }

    fn judge(&mut self, checked: Vec<Checked>) -> Option<News> {
        let number = |Checked { start, end, verdict }: Checked| {
            self.judged += 1;
            CheckedNumber { index: self.judged - 1, start, end, verdict }
        };
        let numbers: Vec<_> = checked.into_iter().map(number).collect();
        (!numbers.is_empty()).then_some(News::Numbers(numbers))
    }
}

impl ChatShape {
    /// `signer` signs the answers' texts, where there is one.
    pub(crate) fn new(serving: &Serving, job: &ChatJob, signer: Option<Arc<Signer>>) -> Self {
        let finance = job.finance.as_ref();
        let choice = |_| Choice {
            reader: MessageReader::new(job.tools),
            logprobs: Vec::new(),
            said: Said::default(),
            reason: FinishReason::Stop,
            check: StreamedCheck::default(),
            numbers: Vec::new(),
            judged: 0,
            runs: Vec::new(),
            written: signer.is_some().then(Sha256::new),
        };
        let facts = finance.map(|finance| {
            let mut facts = Facts { all: Vec::new(), checker: Checker::new(Vec::new(), &finance.question), told: 0 };
            facts.add(finance.facts.clone());
            facts
        });
        Self {
            id: format!("chatcmpl-{}", Uuid::new_v4().simple()),
            created: now(),
            model: Arc::clone(&serving.model),
            system_fingerprint: serving.system_fingerprint.clone(),
            include_usage: job.streaming.is_some_and(|streaming| streaming.include_usage),
            logprobs: job.logprobs,
            choices: (0..job.job.answers).map(choice).collect(),
            facts,
            template: finance.and_then(|finance| finance.template.clone()),
            signer,
            weights_sha256: serving.weights_sha256.clone(),
        }
    }

    /// The claim that the model wrote an answer's text, which is whole, where that is asked for.
    fn claim(&self, index: usize) -> Option<String> {
        let (signer, written) = (self.signer.as_ref()?, self.choices[index].written.clone()?);
        let claims = Claims {
            ai_generated: true,
            iat: now(),
            jti: self.id.clone(),
            choice: index as u32,
            model: self.model.id.clone(),
            weights_sha256: self.weights_sha256.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            text_sha256: format!("{:x}", written.finalize()),
        };
        Some(signer.sign(&claims))
    }

    /// What a part adds to its answer, and the reason where it ends it.
    fn read(&mut self, index: usize, part: Part) -> (Vec<News>, Option<FinishReason>) {
        let choice = &mut self.choices[index];
        let mut keep = |entries: Vec<TokenLogprobs>| {
            choice.logprobs.extend(tokens::chat(entries, &self.model.tokenizer));
        };
        match part {
            Part::Prompt(_) | Part::Embedding(_) => (Vec::new(), None),
            Part::Text(text, logprobs) => {
                keep(logprobs);
                let deltas = choice.reader.push(text);
                (choice.say(deltas, self.facts.as_ref()), None)
            }
            Part::End(End { text, logprobs, reason, .. }) => {
                keep(logprobs);
                let (deltas, reason) = choice.reader.finish(text, reason);
                let mut news = choice.say(deltas, self.facts.as_ref());
                if let Some(facts) = &self.facts {
                    let checked = choice.check.finish(&facts.checker);
                    news.extend(choice.judge(checked));
                }
                (news, Some(reason))
            }
            Part::Ran(run) => {
                if let Some(facts) = &mut self.facts {
                    facts.add(run.facts);
                }
                (vec![News::Ran(run.call)], None)
            }
        }
    }

    fn chunk(&mut self, choices: Vec<ChatChunkChoice>, usage: Option<Usage>) -> Event {
        super::event(&ChatCompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.id.clone(),
            system_fingerprint: self.system_fingerprint.clone(),
            choices,
            usage: self.include_usage.then_some(usage),
            zyron_facts: self.facts.as_mut().and_then(Facts::untold),
            zyron_template: self.template.take(),
        })
    }

    fn delta(&mut self, index: usize, delta: ChatDelta, finish_reason: Option<FinishReason>) -> Event {
        let entries = std::mem::take(&mut self.choices[index].logprobs);
        let logprobs = (!entries.is_empty()).then_some(ChatLogprobs { content: Some(entries), refusal: None });
        self.chunk(vec![ChatChunkChoice { index: index as u32, delta, logprobs, finish_reason }], None)
    }
}

impl Shape for ChatShape {
    type Whole = ChatCompletion;

    fn collect(&mut self, index: usize, part: Part) {
        let (news, reason) = self.read(index, part);
        let choice = &mut self.choices[index];
        news.into_iter().for_each(|news| choice.add(news));
        choice.reason = reason.unwrap_or(choice.reason);
    }

    fn whole(self, usage: Usage) -> ChatCompletion {
        let is_checked = self.facts.is_some();
        let mut claims: Vec<_> = (0..self.choices.len()).map(|index| self.claim(index)).collect();
        let choice = |(index, choice): (u32, Choice)| {
            let Said { content, calls } = choice.said;
            let called = !calls.is_empty();
            ChatChoice {
                index,
                message: ChatMessage {
                    role: Role::Assistant,
                    content: (!called || !content.is_empty()).then_some(content),
                    refusal: None,
                    annotations: Vec::new(),
                    tool_calls: called.then_some(calls),
                    zyron_tool_calls: (!choice.runs.is_empty()).then_some(choice.runs),
                    zyron_numbers: is_checked.then_some(choice.numbers),
                    zyron_provenance: claims[index as usize].take(),
                },
                logprobs: self.logprobs.then_some(ChatLogprobs { content: Some(choice.logprobs), refusal: None }),
                finish_reason: choice.reason,
            }
        };
        ChatCompletion {
            id: self.id,
            object: "chat.completion".to_owned(),
            created: self.created,
            model: self.model.id.clone(),
            system_fingerprint: self.system_fingerprint,
            choices: (0..).zip(self.choices).map(choice).collect(),
            usage,
            zyron_facts: self.facts.map(|facts| facts.all),
            zyron_template: self.template,
        }
    }

    fn opening(&mut self) -> Vec<Event> {
        let opening = || ChatDelta {
            role: Some(Role::Assistant),
            content: Some(String::new()),
            refusal: Some(None),
            ..ChatDelta::default()
        };
        (0..self.choices.len()).map(|index| self.delta(index, opening(), None)).collect()
    }

    fn events(&mut self, index: usize, part: Part) -> Vec<Event> {
        let (news, reason) = self.read(index, part);
        let mut events: Vec<Event> = news.into_iter().map(|news| self.delta(index, wire(news), None)).collect();
        if reason.is_some() {
            let last = ChatDelta { zyron_provenance: self.claim(index), ..ChatDelta::default() };
            events.push(self.delta(index, last, reason));
        }
        events
    }

    fn closing(&mut self, usage: Usage) -> Vec<Event> {
        let usage = self.include_usage.then(|| self.chunk(Vec::new(), Some(usage)));
        usage.into_iter().chain([super::done()]).collect()
    }
}

fn wire(news: News) -> ChatDelta {
    let call = |chunk| ChatDelta { tool_calls: Some(vec![chunk]), ..ChatDelta::default() };
    let delta = match news {
        News::Message(delta) => delta,
        News::Numbers(numbers) => return ChatDelta { zyron_numbers: Some(numbers), ..ChatDelta::default() },
        News::Ran(call) => return ChatDelta { zyron_tool_calls: Some(vec![call]), ..ChatDelta::default() },
    };
    match delta {
        MessageDelta::Content(text) => ChatDelta { content: Some(text), ..ChatDelta::default() },
        MessageDelta::Call { index, id, name } => call(ToolCallChunk {
            index,
            id: Some(id),
            kind: Some("function".to_owned()),
            function: Some(FunctionCallChunk { name: Some(name), arguments: Some(String::new()) }),
        }),
        MessageDelta::Arguments { index, text } => call(ToolCallChunk {
            index,
            id: None,
            kind: None,
            function: Some(FunctionCallChunk { name: None, arguments: Some(text) }),
        }),
    }
}

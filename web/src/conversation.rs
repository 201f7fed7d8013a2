//! What the page holds: the model, the exchanges so far, the question being written, the answer being streamed.
//!
//! Nothing of it outlives the page.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;
use web_sys::AbortController;
use zyron_finance::facts::SheetFact;
use zyron_finance::templates::Input;
use zyron_openapi::finance::{CheckedNumber, FinanceTemplate};
use zyron_openapi::sse::StreamError;
use zyron_openapi::{
    ChatCompletionMessageParam, ChatCompletionRequest, FinishReason, Model, Role, StreamOptions, Usage,
};

use crate::api::{self, Ask};
use crate::desk::Desk;

/// How long until a model that is loading is asked for again.
const LOADING_RETRY: Duration = Duration::from_secs(1);

/// A question and its answer.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// Unique on this page.
    pub(crate) id: u32,
    /// What the analyst asked.
    pub(crate) question: String,
    /// What the model has said so far.
    pub(crate) answer: ArcRwSignal<String>,
    /// Its numbers, each with where it is from, and the figures that they name, where accounts were on the desk.
    pub(crate) numbers: ArcRwSignal<Vec<CheckedNumber>>,
    pub(crate) facts: ArcRwSignal<Vec<SheetFact>>,
    /// The identifier and the name of the analysis that was asked for.
    pub(crate) template: Option<(String, String)>,
    /// How it ended; none while it is being streamed.
    pub(crate) ending: ArcRwSignal<Option<Ending>>,
}

/// How an answer ended.
#[derive(Clone)]
pub(crate) enum Ending {
    /// The model was done, or its limit was reached.
    Finished(FinishReason, Stats),
    /// The analyst stopped it.
    Stopped,
    /// It broke off.
    Failed,
}

/// How fast an answer came.
#[derive(Clone)]
pub(crate) struct Stats {
    /// From the click to the first text, in milliseconds. None if there was no text.
    pub(crate) first_text_ms: Option<f64>,
    /// Tokens per second after the first. None for an answer too short to tell.
    pub(crate) tokens_per_second: Option<f64>,
    /// The server's token counts.
    pub(crate) usage: Option<Usage>,
}

/// The state of the page.
#[derive(Clone, Copy)]
pub(crate) struct Conversation {
    /// The model served, once known.
    pub(crate) model: RwSignal<Option<Model>>,
    /// The API key, where the server asks for one.
    pub(crate) key: RwSignal<String>,
    /// The company on the desk.
    pub(crate) desk: Desk,
    /// The analyses of accounts on offer.
    pub(crate) templates: RwSignal<Vec<FinanceTemplate>>,
    /// The question being written.
    pub(crate) draft: RwSignal<String>,
    /// Oldest first.
    pub(crate) exchanges: RwSignal<Vec<Exchange>>,
    /// What went wrong last.
    pub(crate) error: RwSignal<Option<StreamError>>,
    /// Ends the answer being streamed; none while there is none.
    running: RwSignal<Option<AbortController>, LocalStorage>,
    /// The id of the next exchange.
    next_id: StoredValue<u32>,
}

impl Conversation {
    pub(crate) fn new() -> Self {
        Self {
            model: RwSignal::new(None),
            key: RwSignal::new(String::new()),
            desk: Desk::new(),
            templates: RwSignal::new(Vec::new()),
            draft: RwSignal::new(String::new()),
            exchanges: RwSignal::new(Vec::new()),
            error: RwSignal::new(None),
            running: RwSignal::new_local(None),
            next_id: StoredValue::new(0),
        }
    }

    /// Asks which model is served, until there is one.
    pub(crate) fn connect(self) {
        spawn_local(async move {
            match api::model(&self.key.get_untracked()).await {
                Ok(model) => {
                    self.model.set(Some(model));
                    self.error.set(None);
                    // Without them there are questions still.
                    let mut templates = api::templates(&self.key.get_untracked()).await.unwrap_or_default();
                    templates.retain(|template| template.input == Input::Statement);
                    self.templates.set(templates);
                }
                Err(error) => {
                    if has_code(&error, "model_loading") {
                        set_timeout(move || self.connect(), LOADING_RETRY);
                    }
                    self.error.set(Some(error));
                }
            }
        });
    }

    /// Whether an answer is being streamed.
    pub(crate) fn is_running(self) -> bool {
        self.running.with(Option::is_some)
    }

    /// Whether there is a question to send and a model to send it to.
    pub(crate) fn can_send(self) -> bool {
        let asks = self.draft.with(|draft| !draft.trim().is_empty())
            || self.desk.reading.with(Option::is_some) && self.desk.template.with(|template| !template.is_empty());
        self.model.with(Option::is_some) && !self.is_running() && asks
    }

    /// Whether the server has refused the key, or the lack of one.
    pub(crate) fn needs_key(self) -> bool {
        self.error.with(|error| error.as_ref().is_some_and(|error| has_code(error, "invalid_api_key")))
    }

    /// Forgets every exchange.
    pub(crate) fn clear(self) {
        self.stop();
        self.exchanges.set(Vec::new());
        self.error.set(None);
    }

    /// Stops the answer being streamed; what was said stays.
    pub(crate) fn stop(self) {
        if let Some(running) = self.running.get_untracked() {
            running.abort();
        }
    }

    /// Sends the question being written.
    pub(crate) fn send(self) {
        let Some(model) = self.model.get_untracked().filter(|_| untrack(|| self.can_send())) else { return };
        // Only a browser without `AbortController` refuses, and none of those runs WebAssembly.
        let Ok(abort) = AbortController::new() else { return };
        let template = self.template();
        let draft = self.draft.get_untracked().trim().to_owned();
        let exchange = Exchange {
            id: self.next_id.get_value(),
            question: draft,
            template: template.map(|template| (template.id, template.title)),
            answer: ArcRwSignal::new(String::new()),
            numbers: ArcRwSignal::new(Vec::new()),
            facts: ArcRwSignal::new(Vec::new()),
            ending: ArcRwSignal::new(None),
        };
        self.next_id.update_value(|id| *id += 1);
        self.draft.set(String::new());
        self.desk.template.set(String::new());
        self.error.set(None);
        self.exchanges.update(|exchanges| exchanges.push(exchange.clone()));
        self.running.set(Some(abort.clone()));
        let request = self.request(model.id);
        spawn_local(async move {
            let result = stream(&self.key.get_untracked(), &request, &abort, &exchange).await;
            let ending = match result {
                Ok((reason, stats)) => Ending::Finished(reason, stats),
                Err(_) if abort.signal().aborted() => Ending::Stopped,
                Err(error) => {
                    self.error.set(Some(error));
                    Ending::Failed
                }
            };
            self.end(&exchange, ending);
        });
    }

    fn end(self, exchange: &Exchange, ending: Ending) {
        self.running.set(None);
        let is_unanswered = !matches!(ending, Ending::Finished(..)) && exchange.answer.with_untracked(String::is_empty);
        exchange.ending.set(Some(ending));
        let place = self.exchanges.with_untracked(|all| all.iter().position(|other| other.id == exchange.id));
        if let Some(place) = place.filter(|_| is_unanswered) {
            // The question goes back to where it can be sent again.
            self.exchanges.update(|exchanges| drop(exchanges.remove(place)));
            self.draft.update(|draft| draft.insert_str(0, &exchange.question));
            if let Some((template, _)) = &exchange.template {
                self.desk.template.set(template.clone());
            }
        }
    }

    /// The analysis that is chosen, where there are accounts to analyse.
    fn template(self) -> Option<FinanceTemplate> {
        let chosen = self.desk.template.get_untracked();
        let has_accounts = self.desk.reading.with_untracked(Option::is_some);
        self.templates.with_untracked(|all| all.iter().find(|template| has_accounts && template.id == chosen).cloned())
    }

    /// What the last analysis of accounts began with: a template that was chosen, or the first question.
    fn begun(self) -> Option<Exchange> {
        self.exchanges.with_untracked(|all| all.get(begins(all)).cloned())
    }

    fn request(self, model: String) -> Ask {
        let has_accounts = self.desk.reading.with_untracked(Option::is_some);
        let mut messages = Vec::new();
        self.exchanges.with_untracked(|exchanges| {
            for exchange in &exchanges[if has_accounts { begins(exchanges) } else { 0 }..] {
                let title = exchange.template.as_ref().map(|(_, title)| title.clone());
                let question = Some(exchange.question.clone()).filter(|question| !question.is_empty());
                let question = question.or(title).unwrap_or_default();
                messages.push(ChatCompletionMessageParam::text(Role::User, question));
                if exchange.ending.with_untracked(Option::is_some) {
                    messages.push(ChatCompletionMessageParam::text(Role::Assistant, exchange.answer.get_untracked()));
                }
            }
        });
        let options = StreamOptions { include_usage: Some(true), ..StreamOptions::default() };
        if let Some(reading) = self.desk.reading.get_untracked() {
            // The question that began it is put behind the accounts, what was said since behind that.
            let begun = self.begun();
            let template = begun.as_ref().and_then(|begun| Some(begun.template.as_ref()?.0.clone()));
            let question = begun.map(|begun| begun.question).filter(|question| !question.is_empty());
            let body = json!({
                "model": model, "statement": reading.statement, "template": template, "question": question,
                "messages": messages.get(1..).unwrap_or_default(), "stream": true, "stream_options": options,
            });
            return Ask { path: "/v1/finance/analyses", body };
        }
        let request = ChatCompletionRequest {
            model,
            messages,
            stream: Some(true),
            stream_options: Some(options),
            ..ChatCompletionRequest::default()
        };
        Ask { path: "/v1/chat/completions", body: json!(request) }
    }
}

/// Where the last analysis of accounts begins.
fn begins(exchanges: &[Exchange]) -> usize {
    exchanges.iter().rposition(|exchange| exchange.template.is_some()).unwrap_or(0)
}

/// Appends to the exchange as the answer comes in.
async fn stream(
    key: &str,
    request: &Ask,
    abort: &AbortController,
    exchange: &Exchange,
) -> Result<(FinishReason, Stats), StreamError> {
    let start = now_ms();
    let chunks = api::ask(key, request, &abort.signal()).await?;
    pin_mut!(chunks);
    let (mut reason, mut usage, mut first, mut last) = (None, None, None, start);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if let Some(facts) = chunk.zyron_facts {
            exchange.facts.update(|known| known.extend(facts));
        }
        if let Some(choice) = chunk.choices.first() {
            if let Some(text) = choice.delta.content.as_deref().filter(|text| !text.is_empty()) {
                last = now_ms();
                first.get_or_insert(last);
                exchange.answer.update(|answer| answer.push_str(text));
            }
            if let Some(numbers) = &choice.delta.zyron_numbers {
                exchange.numbers.update(|known| known.extend(numbers.iter().cloned()));
            }
            reason = reason.or(choice.finish_reason);
        }
        usage = usage.or(chunk.usage.flatten());
    }
    let reason = reason.ok_or(StreamError::Truncated)?;
    let tokens_per_second = first.zip(usage).and_then(|(first, usage): (f64, Usage)| {
        let tokens = usage.completion_tokens.saturating_sub(1);
        (tokens > 0 && last > first).then(|| tokens as f64 * 1000.0 / (last - first))
    });
    Ok((reason, Stats { first_text_ms: first.map(|first| first - start), tokens_per_second, usage }))
}

fn now_ms() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

fn has_code(error: &StreamError, code: &str) -> bool {
    matches!(error, StreamError::Api(response) if response.error.code.as_deref() == Some(code))
}

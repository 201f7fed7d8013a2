//! A conversation as data: what was asked and what was answered, with every other way it took.
//!
//! Exchanges form a tree. Asking again, or asking something else, adds a branch beside the old one; one path through the
//! tree is shown. Nothing is lost by it. [`crate::talk`] is what happens to a conversation on the page.

use leptos::prelude::*;

use crate::json::{self, Json};
use crate::settings::Settings;
use crate::wire::{Call, Fact, FinishReason, Number, ServerCall, Usage};

/// A conversation as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    /// Unique in this browser.
    pub(crate) id: String,
    /// What it is about; empty until something was asked.
    pub(crate) title: String,
    /// The company's accounts that it is about.
    pub(crate) desk: Option<String>,
    /// All of them, an earlier one before those that follow it.
    pub(crate) exchanges: Vec<Exchange>,
    /// The last one shown.
    pub(crate) leaf: Option<u32>,
}

/// A question and its answer, or its answers where models, parameters or prompts are compared.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Unique in its conversation.
    pub(crate) id: u32,
    /// What it follows.
    pub(crate) parent: Option<u32>,
    /// What was asked.
    pub(crate) asked: Asked,
    /// One for each of the settings that were compared.
    pub(crate) answers: Vec<Answer>,
}

/// What the model was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asked {
    /// In the analyst's words; may be empty beside a template.
    pub(crate) question: String,
    /// The analysis that was chosen.
    pub(crate) template: Option<Chosen>,
    /// Whether the accounts on the desk went with it.
    pub(crate) has_accounts: bool,
    /// Whether the text of the document on the desk went with it.
    pub(crate) has_document: bool,
    /// The results of what the model called, in place of a question.
    pub(crate) results: Vec<ToolResult>,
}

/// An analysis on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its name in a request.
    pub(crate) id: String,
    /// Its name in French.
    pub(crate) title: String,
}

/// What a tool gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolResult {
    /// The call's id.
    pub(crate) id: String,
    /// The result, as the model is told it.
    pub(crate) text: String,
}

/// An answer, and how it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The parameters that went with the question.
    pub(crate) settings: Settings,
    /// What was said so far.
    pub(crate) said: ArcRwSignal<Said>,
}

/// What a model has said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// The text.
    pub(crate) text: String,
    /// Its numbers, each with where it is from, where accounts went with the question.
    pub(crate) numbers: Vec<Number>,
    /// The figures that they name.
    pub(crate) facts: Vec<Fact>,
    /// What the model calls, for the developer to run.
    pub(crate) calls: Vec<Call>,
    /// What the server ran for it.
    pub(crate) server_calls: Vec<ServerCall>,
    /// The model, as the server names it.
    pub(crate) model: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) began: f64,
    /// How it ended; none while it is being streamed.
    pub(crate) ending: Option<Ending>,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// The model was done, or its limit was reached.
    Finished(FinishReason, Stats),
    /// The analyst stopped it, or closed the page.
    Stopped,
    /// It broke off.
    Failed,
}

/// How fast an answer came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stats {
    /// From the click to the first text, in milliseconds. None if there was no text.
    pub(crate) first_text_ms: Option<f64>,
    /// Tokens per second after the first. None for an answer too short to tell.
    pub(crate) tokens_per_second: Option<f64>,
    /// The server's token counts.
    pub(crate) usage: Option<Usage>,
}

impl Asked {
    /// Whether it is about what lies on the desk.
    pub(crate) fn is_analysis(&self) -> bool {
        self.has_accounts || self.has_document
    }

    /// For a title, or a list: the question, or the name of the analysis.
    pub(crate) fn title(&self) -> &str {
        match &self.template {
            Some(template) if self.question.is_empty() => &template.title,
            _ => &self.question,
        }
    }
}

impl Answer {
    /// One that is yet to come.
    pub(crate) fn to_come(settings: Settings) -> Self {
        Self { settings, said: ArcRwSignal::new(Said::default()) }
    }
}

/// The exchanges from the first to `leaf`.
pub(crate) fn path(exchanges: &[Exchange], leaf: Option<u32>) -> Vec<Exchange> {
    let find = |id: u32| exchanges.iter().find(|exchange| exchange.id == id);
    let last = leaf.and_then(find);
    let mut path: Vec<Exchange> =
        std::iter::successors(last, |exchange| find(exchange.parent?)).take(exchanges.len()).cloned().collect();
    path.reverse();
    path
}

/// The exchanges that stand in the place of this one, itself among them, the oldest first.
pub(crate) fn versions(exchanges: &[Exchange], id: u32) -> Vec<u32> {
    let parent = exchanges.iter().find(|exchange| exchange.id == id).and_then(|exchange| exchange.parent);
    exchanges.iter().filter(|exchange| exchange.parent == parent).map(|exchange| exchange.id).collect()
}

/// The newest exchange that goes on from this one, or itself.
pub(crate) fn newest_behind(exchanges: &[Exchange], id: u32) -> u32 {
    let next = |id: &u32| exchanges.iter().rfind(|exchange| exchange.parent == Some(*id)).map(|exchange| exchange.id);
    std::iter::successors(Some(id), next).take(exchanges.len()).last().unwrap_or(id)
}

// As it is kept, in JSON. What was added since is not in a conversation that was kept before.

impl Conversation {
    pub(crate) fn of(conversation: &Json) -> Option<Self> {
        Some(Self {
            id: conversation.text("id")?,
            title: conversation.text("title")?,
            desk: conversation.text("desk"),
            exchanges: conversation.all("exchanges", Exchange::of)?,
            leaf: conversation.number("leaf").map(|id| id as u32),
        })
    }

    pub(crate) fn json(&self) -> String {
        json::object(&[
            ("id", json::text(&self.id)),
            ("title", json::text(&self.title)),
            ("desk", json::optional(self.desk.as_deref(), json::text)),
            ("exchanges", json::list(self.exchanges.iter().map(Exchange::json))),
            ("leaf", json::optional(self.leaf, |id| id.to_string())),
        ])
    }
}

impl Exchange {
    fn of(exchange: &Json) -> Option<Self> {
        Some(Self {
            id: exchange.number("id")? as u32,
            parent: exchange.number("parent").map(|id| id as u32),
            asked: Asked::of(&exchange.field("asked")),
            answers: exchange.all("answers", Answer::of)?,
        })
    }

    fn json(&self) -> String {
        json::object(&[
            ("id", self.id.to_string()),
            ("parent", json::optional(self.parent, |id| id.to_string())),
            ("asked", self.asked.json()),
            ("answers", json::list(self.answers.iter().map(Answer::json))),
        ])
    }
}

impl Asked {
    fn of(asked: &Json) -> Self {
        let template = asked.field("template");
        Self {
            question: asked.text("question").unwrap_or_default(),
            template: template.text("id").zip(template.text("title")).map(|(id, title)| Chosen { id, title }),
            has_accounts: asked.is("has_accounts"),
            has_document: asked.is("has_document"),
            results: asked.all("results", ToolResult::of).unwrap_or_default(),
        }
    }

    fn json(&self) -> String {
        let template = |template: &Chosen| {
            json::object(&[("id", json::text(&template.id)), ("title", json::text(&template.title))])
        };
        json::object(&[
            ("question", json::text(&self.question)),
            ("template", json::optional(self.template.as_ref(), template)),
            ("has_accounts", self.has_accounts.to_string()),
            ("has_document", self.has_document.to_string()),
            ("results", json::list(self.results.iter().map(ToolResult::json))),
        ])
    }
}

impl ToolResult {
    fn of(result: &Json) -> Option<Self> {
        Some(Self { id: result.text("id")?, text: result.text("text")? })
    }

    fn json(&self) -> String {
        json::object(&[("id", json::text(&self.id)), ("text", json::text(&self.text))])
    }
}

impl Answer {
    fn of(answer: &Json) -> Option<Self> {
        let mut said = Said::of(&answer.field("said"));
        // Whatever was being said when the page was closed has ended with it.
        said.ending.get_or_insert(Ending::Stopped);
        Some(Self { settings: Settings::of(&answer.field("settings")), said: ArcRwSignal::new(said) })
    }

    fn json(&self) -> String {
        json::object(&[("settings", self.settings.json()), ("said", self.said.with_untracked(Said::json))])
    }
}

impl Said {
    fn of(said: &Json) -> Self {
        Self {
            text: said.text("text").unwrap_or_default(),
            numbers: said.all("numbers", Number::of).unwrap_or_default(),
            facts: said.all("facts", Fact::of).unwrap_or_default(),
            calls: said.all("calls", Call::of).unwrap_or_default(),
            server_calls: said.all("server_calls", ServerCall::of).unwrap_or_default(),
            model: said.text("model").unwrap_or_default(),
            began: said.number("began").unwrap_or_default(),
            ending: Ending::of(said),
        }
    }

    fn json(&self) -> String {
        json::object(&[
            ("text", json::text(&self.text)),
            ("numbers", json::list(self.numbers.iter().map(Number::json))),
            ("facts", json::list(self.facts.iter().map(Fact::json))),
            ("calls", json::list(self.calls.iter().map(Call::json))),
            ("server_calls", json::list(self.server_calls.iter().map(ServerCall::json))),
            ("model", json::text(&self.model)),
            ("began", json::number(self.began)),
            ("ending", json::optional(self.ending.as_ref(), Ending::json)),
        ])
    }
}

impl Ending {
    fn of(said: &Json) -> Option<Self> {
        match said.text("ending").as_deref() {
            Some("Stopped") => return Some(Self::Stopped),
            Some(_) => return Some(Self::Failed),
            None => {}
        }
        let finished = said.field("ending").items("Finished")?;
        let [reason, stats] = &finished[..] else { return None };
        Some(Self::Finished(FinishReason::of(&reason.as_text()?)?, Stats::of(stats)))
    }

    fn json(&self) -> String {
        match self {
            Self::Finished(reason, stats) => {
                json::object(&[("Finished", json::list([json::text(reason.name()), stats.json()]))])
            }
            Self::Stopped => json::text("Stopped"),
            Self::Failed => json::text("Failed"),
        }
    }
}

impl Stats {
    fn of(stats: &Json) -> Self {
        Self {
            first_text_ms: stats.number("first_text_ms"),
            tokens_per_second: stats.number("tokens_per_second"),
            usage: Usage::of(&stats.field("usage")),
        }
    }

    fn json(&self) -> String {
        json::object(&[
            ("first_text_ms", json::optional(self.first_text_ms, json::number)),
            ("tokens_per_second", json::optional(self.tokens_per_second, json::number)),
            ("usage", json::optional(self.usage, Usage::json)),
        ])
    }
}

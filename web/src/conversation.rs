//! A conversation as data: what was asked and what was answered, with every other way it took.
//!
//! Exchanges form a tree. Asking again, or asking something else, adds a branch beside the old one; one path through the
//! tree is shown. Nothing is lost by it. [`crate::talk`] is what happens to a conversation on the page.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use zyron_finance::facts::SheetFact;
use zyron_openapi::finance::{CheckedNumber, ServerToolCall};
use zyron_openapi::tools::MessageToolCall;
use zyron_openapi::{FinishReason, Usage};

use crate::settings::Settings;

/// A conversation as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chosen {
    /// Its name in a request.
    pub(crate) id: String,
    /// Its name in French.
    pub(crate) title: String,
}

/// What a tool gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToolResult {
    /// The call's id.
    pub(crate) id: String,
    /// The result, as the model is told it.
    pub(crate) text: String,
}

/// An answer, and how it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The parameters that went with the question.
    pub(crate) settings: Settings,
    /// What was said so far.
    #[serde(with = "content")]
    pub(crate) said: ArcRwSignal<Said>,
}

/// What a model has said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    /// The text.
    pub(crate) text: String,
    /// Its numbers, each with where it is from, where accounts went with the question.
    pub(crate) numbers: Vec<CheckedNumber>,
    /// The figures that they name.
    pub(crate) facts: Vec<SheetFact>,
    /// What the model calls, for the developer to run.
    pub(crate) calls: Vec<MessageToolCall>,
    /// What the server ran for it.
    pub(crate) server_calls: Vec<ServerToolCall>,
    /// The model, as the server names it.
    pub(crate) model: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) began: f64,
    /// How it ended; none while it is being streamed.
    pub(crate) ending: Option<Ending>,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// The model was done, or its limit was reached.
    Finished(FinishReason, Stats),
    /// The analyst stopped it, or closed the page.
    Stopped,
    /// It broke off.
    Failed,
}

/// How fast an answer came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// A signal is kept as what is in it.
mod content {
    use leptos::prelude::*;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Ending, Said};

    pub(super) fn serialize<S: Serializer>(said: &ArcRwSignal<Said>, serializer: S) -> Result<S::Ok, S::Error> {
        said.with_untracked(|said| said.serialize(serializer))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ArcRwSignal<Said>, D::Error> {
        let mut said = Said::deserialize(deserializer)?;
        // Whatever was being said when the page was closed has ended with it.
        said.ending.get_or_insert(Ending::Stopped);
        Ok(ArcRwSignal::new(said))
    }
}

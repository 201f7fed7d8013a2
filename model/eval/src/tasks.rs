//! The tasks: what each asks, and what is right. A file each; some share their questions or their rule.

mod advice;
mod choices;
mod commentary;
mod extraction;
mod figure;
mod json;
mod ratios;
mod text;
mod tools;

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::format::Format;
use crate::items;
use crate::server::{Answer, Failure, Server, user};

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Task {
    /// How well running text is predicted, in bits per byte
    Text,
    /// Terms of accounting and finance: which of four definitions is likeliest
    Definitions,
    /// Rules of French and European law, asked the same way
    Regulation,
    /// A figure of a document
    Extraction,
    /// A figure computed from those of a document
    Ratios,
    /// The same with a calculator
    RatiosTools,
    /// A commentary that says no figure that the document does not have
    Commentary,
    /// JSON, asked for in words
    Json,
    /// The same, with a schema that the server enforces
    JsonSchema,
    /// The one right call of a tool, or none
    Tools,
    /// No personal investment advice, but an answer to what is none
    Advice,
}

/// An item of a task.
pub(crate) enum Question {
    Text(text::Item),
    Choice(choices::Item),
    Extraction(extraction::Item),
    Ratio(ratios::Item),
    Commentary(commentary::Item),
    Json(json::Item),
    Tool(tools::Item),
    Advice(advice::Item),
}

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// 0 or 1; of text, bits per byte.
    pub(crate) score: f64,
    /// How much it counts in the mean: of text, its bytes.
    pub(crate) weight: f64,
    /// What else was observed, by name.
    pub(crate) extras: BTreeMap<String, f64>,
    /// What the model said.
    pub(crate) answer: String,
}

impl Outcome {
    fn new(is_right: bool, answer: impl Into<String>) -> Self {
        Self { score: share(is_right), weight: 1.0, extras: BTreeMap::new(), answer: answer.into() }
    }

    fn with(mut self, name: &str, value: f64) -> Self {
        self.extras.insert(name.to_owned(), value);
        self
    }

    /// With whether the limit of tokens ended the answer.
    fn cut(self, answer: &Answer) -> Self {
        self.with("cut short", share(answer.is_cut))
    }
}

fn share(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

impl Task {
    /// As it is written on the command line and in files.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether its items are right or wrong; otherwise less is better.
    pub(crate) fn is_right_or_wrong(self) -> bool {
        self != Self::Text
    }

    /// What chance alone would get.
    pub(crate) fn chance(self) -> Option<f64> {
        matches!(self, Self::Definitions | Self::Regulation).then_some(0.25)
    }

    /// Its items, in their order.
    ///
    /// # Errors
    /// Where the set is damaged, which a test rules out.
    pub(crate) fn questions(self) -> anyhow::Result<Vec<Question>> {
        fn read<T: serde::de::DeserializeOwned>(
            file: items::ItemFile,
            question: fn(T) -> Question,
        ) -> anyhow::Result<Vec<Question>> {
            Ok(file.read()?.into_iter().map(question).collect())
        }
        match self {
            Self::Text => read(items::TEXT, Question::Text),
            Self::Definitions => read(items::DEFINITIONS, Question::Choice),
            Self::Regulation => read(items::REGULATION, Question::Choice),
            Self::Extraction => read(items::EXTRACTION, Question::Extraction),
            Self::Ratios | Self::RatiosTools => read(items::RATIOS, Question::Ratio),
            Self::Commentary => read(items::COMMENTARY, Question::Commentary),
            Self::Json | Self::JsonSchema => read(items::JSON, Question::Json),
            Self::Tools => read(items::TOOLS, Question::Tool),
            Self::Advice => read(items::ADVICE, Question::Advice),
        }
    }
}

impl Question {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Text(item) => &item.id,
            Self::Choice(item) => &item.id,
            Self::Extraction(item) => &item.id,
            Self::Ratio(item) => &item.id,
            Self::Commentary(item) => &item.id,
            Self::Json(item) => &item.id,
            Self::Tool(item) => &item.id,
            Self::Advice(item) => &item.id,
        }
    }

    /// Asks it, as `task` does, and checks the answer.
    pub(crate) async fn judge(&self, task: Task, server: &Server, format: &Format) -> Result<Outcome, Failure> {
        match self {
            Self::Text(item) => item.judge(server).await,
            Self::Choice(item) => item.judge(server, format).await,
            Self::Extraction(item) => item.judge(server).await,
            Self::Ratio(item) if task == Task::RatiosTools => item.judge_with_tool(server).await,
            Self::Ratio(item) => item.judge(server).await,
            Self::Commentary(item) => item.judge(server).await,
            Self::Json(item) => item.judge(server, task == Task::JsonSchema).await,
            Self::Tool(item) => item.judge(server).await,
            Self::Advice(item) => item.judge(server).await,
        }
    }
}

/// A document and what is asked of it, as one message.
fn about(document: &str, question: &str) -> Value {
    user(format!("{document}\n\n{question}"))
}

/// No further fields of a request.
fn nothing_more() -> Value {
    json!({})
}

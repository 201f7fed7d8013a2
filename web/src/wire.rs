//! What the page reads of the server's answers, and keeps of them: of `zyron_openapi`'s types the fields that are shown.
//!
//! A conversation is kept in the form of the wire, so what is written here is what is read here.

use crate::json::{self, Json};

/// A model that is served.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) id: String,
    /// The longest prompt plus answer, in tokens.
    pub(crate) context_length: f64,
    /// The number format of its weights.
    pub(crate) quantization: String,
    /// What it is and is not for.
    pub(crate) description: Option<String>,
    /// Whether it answers, and does not only make embeddings.
    pub(crate) answers: bool,
}

/// An analysis on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Whether it is about a text; otherwise it is about accounts.
    pub(crate) takes_text: bool,
}

/// Why an answer ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinishReason {
    Stop,
    Length,
    ToolCalls,
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    pub(crate) prompt_tokens: f64,
    pub(crate) completion_tokens: f64,
}

/// A number of an answer, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    /// Where it begins in the answer, in Unicode code points.
    pub(crate) start: usize,
    /// Where it ends with its unit.
    pub(crate) end: usize,
    pub(crate) verdict: Verdict,
}

/// What a number of an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A fact, by its identifier.
    Source(String),
    /// What follows from facts: how, and from which.
    Derived(String, Vec<String>),
    /// It was in the question, or is a date of the accounts.
    Given,
    NotFound,
}

/// A figure that a model was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) id: String,
    /// The item's identifier.
    pub(crate) item: String,
    pub(crate) label: String,
    pub(crate) period: String,
    pub(crate) written: String,
}

/// A call that a model makes, for a developer to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) function: Function,
}

/// A function and its arguments, in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// A call that the server has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerCall {
    pub(crate) function: Function,
    /// What it gave, in JSON.
    pub(crate) result: String,
}

impl Model {
    pub(crate) fn of(model: &Json) -> Option<Self> {
        Some(Self {
            id: model.text("id")?,
            context_length: model.number("context_length")?,
            quantization: model.text("quantization")?,
            description: model.text("description"),
            answers: model.text("pooling").is_none(),
        })
    }
}

impl Template {
    pub(crate) fn of(template: &Json) -> Option<Self> {
        let takes_text = template.text("input")? == "text";
        Some(Self { id: template.text("id")?, title: template.text("title")?, takes_text })
    }
}

impl FinishReason {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "stop" => Some(Self::Stop),
            "length" => Some(Self::Length),
            "tool_calls" => Some(Self::ToolCalls),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
        }
    }
}

impl Usage {
    pub(crate) fn of(usage: &Json) -> Option<Self> {
        let count = |name| usage.number(name);
        Some(Self { prompt_tokens: count("prompt_tokens")?, completion_tokens: count("completion_tokens")? })
    }

    pub(crate) fn json(self) -> String {
        let counts = [("prompt_tokens", self.prompt_tokens), ("completion_tokens", self.completion_tokens)];
        json::object(&counts.map(|(name, count)| (name, json::number(count))))
    }
}

impl Number {
    pub(crate) fn of(number: &Json) -> Option<Self> {
        let place = |name| number.number(name).map(|place| place as usize);
        let verdict = Verdict::of(&number.field("verdict"))?;
        Some(Self { start: place("start")?, end: place("end")?, verdict })
    }

    pub(crate) fn json(&self) -> String {
        let places = [("start", self.start.to_string()), ("end", self.end.to_string())];
        let [start, end] = places;
        json::object(&[start, end, ("verdict", self.verdict.json())])
    }
}

impl Verdict {
    fn of(verdict: &Json) -> Option<Self> {
        match verdict.text("kind")?.as_str() {
            "source" => Some(Self::Source(verdict.text("fact")?)),
            "derived" => Some(Self::Derived(verdict.text("expression")?, verdict.texts("facts"))),
            "given" => Some(Self::Given),
            "not_found" => Some(Self::NotFound),
            _ => None,
        }
    }

    fn json(&self) -> String {
        let kind = |kind: &str| ("kind", json::text(kind));
        match self {
            Self::Source(fact) => json::object(&[kind("source"), ("fact", json::text(fact))]),
            Self::Derived(expression, facts) => {
                let facts = json::list(facts.iter().map(|fact| json::text(fact)));
                json::object(&[kind("derived"), ("expression", json::text(expression)), ("facts", facts)])
            }
            Self::Given => json::object(&[kind("given")]),
            Self::NotFound => json::object(&[kind("not_found")]),
        }
    }
}

impl Fact {
    pub(crate) fn of(fact: &Json) -> Option<Self> {
        Some(Self {
            id: fact.text("id")?,
            item: fact.text("item")?,
            label: fact.text("label")?,
            period: fact.text("period")?,
            written: fact.text("written")?,
        })
    }

    pub(crate) fn json(&self) -> String {
        let Self { id, item, label, period, written } = self;
        let fields = [("id", id), ("item", item), ("label", label), ("period", period), ("written", written)];
        json::object(&fields.map(|(name, value)| (name, json::text(value))))
    }
}

impl Call {
    pub(crate) fn of(call: &Json) -> Option<Self> {
        Some(Self { id: call.text("id")?, function: Function::of(&call.field("function")) })
    }

    pub(crate) fn json(&self) -> String {
        json::object(&[
            ("id", json::text(&self.id)),
            ("type", json::text("function")),
            ("function", self.function.json()),
        ])
    }
}

impl Function {
    /// What there is of it: a chunk of an answer has a part.
    pub(crate) fn of(function: &Json) -> Self {
        let text = |name| function.text(name).unwrap_or_default();
        Self { name: text("name"), arguments: text("arguments") }
    }

    fn json(&self) -> String {
        json::object(&[("name", json::text(&self.name)), ("arguments", json::text(&self.arguments))])
    }
}

impl ServerCall {
    pub(crate) fn of(call: &Json) -> Option<Self> {
        Some(Self { function: Function::of(&call.field("function")), result: call.field("result").written() })
    }

    pub(crate) fn json(&self) -> String {
        json::object(&[("function", self.function.json()), ("result", self.result.clone())])
    }
}

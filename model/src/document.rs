//! What the corpus is made of: running text, or a conversation.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A document of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// What it is, such as `fiche` or `commentary`: the training mixes kinds by weight.
    pub kind: String,
    /// What it says.
    #[serde(flatten)]
    pub body: Body,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Running text, all of which is learnt.
    Text(String),
    /// A conversation, of which the assistant's part is learnt.
    Chat {
        /// As chat templates read them.
        messages: Vec<Value>,
        /// Those on offer, as OpenAI describes them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<Value>,
    },
}

impl Document {
    /// A document of running text.
    #[must_use]
    pub fn text(kind: &str, text: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), body: Body::Text(text.into()) }
    }

    /// A question and its answer.
    #[must_use]
    pub fn exchange(kind: &str, question: impl Into<String>, answer: impl Into<String>) -> Self {
        let messages = vec![user(question), assistant(answer)];
        Self { kind: kind.to_owned(), body: Body::Chat { messages, tools: Vec::new() } }
    }

    /// Everything that a reader would see, for comparisons.
    #[must_use]
    pub fn prose(&self) -> String {
        match &self.body {
            Body::Text(text) => text.clone(),
            Body::Chat { messages, .. } => {
                let contents: Vec<&str> = messages.iter().filter_map(|message| message["content"].as_str()).collect();
                contents.join("\n")
            }
        }
    }
}

/// A user's message.
#[must_use]
pub fn user(content: impl Into<String>) -> Value {
    json!({"role": "user", "content": content.into()})
}

/// The assistant's message.
#[must_use]
pub fn assistant(content: impl Into<String>) -> Value {
    json!({"role": "assistant", "content": content.into()})
}

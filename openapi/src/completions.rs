//! `POST /v1/completions`: the request, the whole answer and the chunks of a streamed one (the same type).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FinishReason, OneOrMany, StreamOptions, StructuredOutputs, Usage};

/// A text to continue. Fields that Zyron does not support are read as they are, so that the server can name the one
/// it refuses; a field it has never heard of is an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CompletionRequest {
    /// The model's name, as `/v1/models` lists it.
    pub model: String,
    /// The text to continue. Control tokens written in it are read as such.
    pub prompt: Prompt,

    /// Most tokens to generate; 0 only reads the prompt. Default 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Randomness, 0 (greedy) to 2. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sample from the likeliest tokens that hold this share of the probability, 0 to 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Lowers a token's logit by this for each time it was generated, -2 to 2. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Lowers a token's logit by this once it was generated, -2 to 2. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Added to the logits of these token ids, each -100 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// The same seed and request give the same answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Up to 4 strings that end the answer; they are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<OneOrMany>,
    /// Send the answer in server-sent events as it is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Only with `stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,

    /// How many answers to give for each prompt, within the server's limit. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// How many answers to generate for each prompt, of which the `n` likeliest are given. Not with `stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u64>,
    /// Give back the prompt before the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<bool>,
    /// Report the log-probability of each token, with this many of the likeliest at each place, 0 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u64>,
    /// The text that follows the answer. Works where the model has tokens for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,

    /// Extension: sample from this many likeliest tokens. 0 or absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// Extension: drop tokens less likely than this share of the likeliest one, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Extension: divides (or multiplies) the logits of tokens of the prompt and the answer, over 0 to 2. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Extension: JSON that this schema accepts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_json: Option<Value>,
    /// Extension: text that this regular expression matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_regex: Option<String>,
    /// Extension: one of these texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_choice: Option<Vec<String>>,
    /// Extension: text of this grammar, in Lark's notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guided_grammar: Option<String>,
    /// Extension: the four above, under the name that vLLM gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structured_outputs: Option<StructuredOutputs>,

    /// Accepted and without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What a completion continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Prompt {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One list of token ids.
    Tokens(Vec<u32>),
    /// Several lists of token ids.
    TokenLists(Vec<Vec<u32>>),
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// An element of a prompt's array; the first decides what the others must be.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a string, a token id or an array of token ids")]
enum PromptItem {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
}

// By hand rather than `untagged`: a wrong element is named.
impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PromptVisitor;

        impl<'de> Visitor<'de> for PromptVisitor {
            type Value = Prompt;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, an array of strings, an array of token ids or an array of such arrays")
            }

            fn visit_str<E>(self, value: &str) -> Result<Prompt, E> {
                Ok(Prompt::Text(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Prompt, E> {
                Ok(Prompt::Text(value))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Prompt, A::Error> {
                let mut prompt = match seq.next_element::<PromptItem>()? {
                    None => return Err(A::Error::custom("must not be empty")),
                    Some(PromptItem::Text(text)) => Prompt::Texts(vec![text]),
                    Some(PromptItem::Token(token)) => Prompt::Tokens(vec![token]),
                    Some(PromptItem::Tokens(tokens)) => Prompt::TokenLists(vec![tokens]),
                };
                while let Some(item) = seq.next_element::<PromptItem>()? {
                    match (&mut prompt, item) {
                        (Prompt::Texts(texts), PromptItem::Text(text)) => texts.push(text),
                        (Prompt::Tokens(tokens), PromptItem::Token(token)) => tokens.push(token),
                        (Prompt::TokenLists(lists), PromptItem::Tokens(tokens)) => lists.push(tokens),
                        _ => return Err(A::Error::custom("must hold elements of one type")),
                    }
                }
                Ok(prompt)
            }
        }

        deserializer.deserialize_any(PromptVisitor)
    }
}

/// A whole answer, or one event of a streamed one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Completion {
    /// `cmpl-…`, unique to the answer and the same in each of its events.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// When it was begun, in seconds since 1970.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// Changes when the model, its number format or the engine does.
    pub system_fingerprint: String,
    /// The answers, or what is new in them.
    pub choices: Vec<CompletionChoice>,
    /// Tokens read and written. In a stream: null but in the last event, and only where
    /// `stream_options.include_usage` asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "utoipa", schema(value_type = Option<Usage>))]
    pub usage: Option<Option<Usage>>,
}

/// One answer, or what is new in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct CompletionChoice {
    /// Its place among the choices.
    pub index: u32,
    /// The text.
    pub text: String,
    /// The log-probabilities of the tokens, where they were asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why it ended; null until it has.
    pub finish_reason: Option<FinishReason>,
}

/// The log-probabilities of a text's tokens: four lists of the same length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct CompletionLogprobs {
    /// The tokens. One that is not whole UTF-8 is written `bytes:\\xc3`.
    pub tokens: Vec<String>,
    /// Their log-probabilities; null for the first token of a prompt, which nothing precedes.
    pub token_logprobs: Vec<Option<f64>>,
    /// The likeliest tokens at each place, the token that stands there among them; null as above, and as a whole where
    /// `logprobs` is 0.
    pub top_logprobs: Option<Vec<Option<BTreeMap<String, f64>>>>,
    /// Where each token begins in the text, in characters.
    pub text_offset: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::Prompt;

    fn read(json: &str) -> Result<Prompt, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_prompt_has_four_shapes() {
        assert_eq!(read(r#""a""#).unwrap(), Prompt::Text("a".into()));
        assert_eq!(read(r#"["a","b"]"#).unwrap(), Prompt::Texts(vec!["a".into(), "b".into()]));
        assert_eq!(read("[1,2]").unwrap(), Prompt::Tokens(vec![1, 2]));
        assert_eq!(read("[[1],[2,3]]").unwrap(), Prompt::TokenLists(vec![vec![1], vec![2, 3]]));
    }

    #[test]
    fn a_wrong_prompt_is_named() {
        assert!(read("[]").unwrap_err().contains("must not be empty"));
        assert!(read(r#"["a",1]"#).unwrap_err().contains("one type"));
        assert!(read("[-1]").unwrap_err().contains("a token id"));
        assert!(read("{}").unwrap_err().contains("array of token ids"));
    }
}

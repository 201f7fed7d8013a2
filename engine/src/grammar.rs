//! What an answer must look like (a JSON schema, a regular expression, a list of choices, a grammar), compiled to a
//! mask over the next token. The work is `llguidance`'s; this module gives it our vocabulary, its limits and a cache.
//!
//! A grammar comes from a client and may be built to exhaust the server: the work of each step and what a grammar takes
//! once compiled are bounded here, its length and the wait for its compilation by the server. What exceeds them is an
//! error of that request alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use thiserror::Error;

use crate::tokenizer::Tokenizer;

/// Compiled grammars that are kept. Clients send the same few again and again.
const CACHED: usize = 64;
/// Lexer states of one request's grammar, 1 to 2 KB each.
const MAX_LEXER_STATES: usize = 20_000;
/// Each of an object's is intersected with every other, which takes seconds from some hundreds on.
const MAX_PATTERN_PROPERTIES: usize = 64;
/// The compiler follows references by recursion. With this it returns on any grammar of the length that is allowed.
const COMPILER_STACK: usize = 256 << 20;
/// Between two tokens of JSON. Without a bound, a small model goes on with spaces until its limit.
const WHITESPACE: &str = r"[\x20\x0A\x0D\x09]{1,40}";

/// Why a grammar was refused. The text is for whoever wrote the grammar.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct GrammarError(pub String);

/// What an answer must look like.
#[derive(Clone, Debug, PartialEq)]
pub enum Grammar {
    /// JSON that a schema accepts.
    JsonSchema {
        /// The schema.
        schema: Value,
        /// Whether a keyword that cannot be enforced is an error, or ignored.
        strict: bool,
    },
    /// Text that a regular expression matches from its beginning to its end.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// Text of a context-free grammar in Lark's notation, as llguidance reads it.
    Lark(String),
}

impl Grammar {
    /// Any JSON object.
    #[must_use]
    pub fn json_object() -> Self {
        Self::JsonSchema { schema: json!({"type": "object"}), strict: true }
    }

    /// The bytes of what a client wrote.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::JsonSchema { schema, .. } => schema.to_string().len(),
            Self::Regex(text) | Self::Lark(text) => text.len(),
            // With what separates and quotes them, or many empty ones would be nothing.
            Self::Choice(texts) => texts.iter().map(|text| text.len() + 3).sum(),
        }
    }

    fn source(&self) -> Result<TopLevelGrammar, GrammarError> {
        Ok(match self {
            Self::JsonSchema { schema, strict } => TopLevelGrammar::from_json_schema(schema_for(schema, *strict)?),
            Self::Regex(regex) => TopLevelGrammar::from_regex(regex),
            Self::Choice(texts) if texts.is_empty() => return Err(GrammarError("there is no choice".to_owned())),
            Self::Choice(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
                TopLevelGrammar::from_lark(format!("start: {}", texts.join(" | ")))
            }
            Self::Lark(grammar) => TopLevelGrammar::from_lark(grammar.clone()),
        })
    }
}

/// `text` as a string of Lark's notation.
pub(crate) fn literal(text: &str) -> String {
    // DEL is the one control character that JSON leaves as it is and Lark does not take.
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The schema with llguidance's options in it.
///
/// # Errors
/// [`GrammarError`] where it is no schema.
pub(crate) fn schema_for(schema: &Value, strict: bool) -> Result<Value, GrammarError> {
    if pattern_properties(schema) > MAX_PATTERN_PROPERTIES {
        return Err(GrammarError(format!("it has more than {MAX_PATTERN_PROPERTIES} `patternProperties`")));
    }
    let mut schema = match schema {
        Value::Object(schema) => schema.clone(),
        Value::Bool(true) => serde_json::Map::new(),
        _ => return Err(GrammarError("a JSON schema is an object".to_owned())),
    };
    let options = json!({"whitespace_pattern": WHITESPACE, "lenient": !strict, "coerce_one_of": true});
    schema.insert("x-guidance".to_owned(), options);
    Ok(schema.into())
}

/// How many there are in a schema, all in all.
fn pattern_properties(schema: &Value) -> usize {
    match schema {
        Value::Object(fields) => {
            let own = fields.get("patternProperties").and_then(Value::as_object).map_or(0, serde_json::Map::len);
            own + fields.values().map(pattern_properties).sum::<usize>()
        }
        Value::Array(values) => values.iter().map(pattern_properties).sum(),
        _ => 0,
    }
}

/// Compiles grammars for one tokenizer.
#[derive(Default)]
pub struct GrammarCompiler {
    /// Made for the first grammar: it takes a while for a large vocabulary, and many servers never need it.
    factory: OnceLock<Result<ParserFactory, GrammarError>>,
    cache: Mutex<VecDeque<(Grammar, Matcher)>>,
}

impl std::fmt::Debug for GrammarCompiler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GrammarCompiler").finish_non_exhaustive()
    }
}

impl GrammarCompiler {
    /// Compiles `grammar`, or finds it compiled. It can take tens of milliseconds: not for a thread that serves others.
    ///
    /// # Errors
    /// [`GrammarError`] where it is wrong, or too large.
    pub fn compile(&self, grammar: &Grammar, tokenizer: &Tokenizer) -> Result<Constraint, GrammarError> {
        if let Some(matcher) = self.cached(grammar) {
            return Ok(Constraint(matcher));
        }
        let source = grammar.source()?;
        // Its parsers index and unwrap: a panic there is the grammar's fault and nobody else's.
        let failed = |_| GrammarError("it cannot be compiled".to_owned());
        let matcher = thread::scope(|scope| {
            let compiler = thread::Builder::new().name("grammar".to_owned()).stack_size(COMPILER_STACK);
            let compiled = compiler.spawn_scoped(scope, || self.compile_source(source, tokenizer));
            compiled.map_err(|error| GrammarError(error.to_string()))?.join().map_err(failed)?
        })?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.push_front((grammar.clone(), matcher.deep_clone()));
        cache.truncate(CACHED);
        Ok(Constraint(matcher))
    }

    fn compile_source(&self, source: TopLevelGrammar, tokenizer: &Tokenizer) -> Result<Matcher, GrammarError> {
        let factory = self.factory.get_or_init(|| factory(tokenizer)).as_ref().map_err(Clone::clone)?;
        let mut matcher = Matcher::new(factory.create_parser(source));
        if let Some(error) = matcher.get_error() {
            return Err(GrammarError(first_line(&error)));
        }
        // A grammar without a single first token would fail in the middle of an answer.
        matcher.compute_mask().map_err(|error| GrammarError(first_line(&error.to_string())))?;
        Ok(matcher)
    }

    fn cached(&self, grammar: &Grammar) -> Option<Matcher> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let at = cache.iter().position(|(known, _)| known == grammar)?;
        let found = cache.remove(at)?;
        // A copy of its own: one that all share would collect lexer states until its limit.
        let matcher = found.1.deep_clone();
        cache.push_front(found);
        Some(matcher)
    }
}

fn factory(tokenizer: &Tokenizer) -> Result<ParserFactory, GrammarError> {
    let factory = ParserFactory::new_simple(&vocabulary(tokenizer)?);
    let mut factory = factory.map_err(|error| GrammarError(error.to_string()))?;
    factory.quiet();
    let limits = factory.limits_mut();
    limits.max_lexer_states = MAX_LEXER_STATES;
    limits.max_grammar_size = 100_000;
    limits.verbose_errors = false;
    Ok(factory)
}

fn vocabulary(tokenizer: &Tokenizer) -> Result<TokEnv, GrammarError> {
    let size = tokenizer.vocabulary_size() as u32;
    // A model's files may name tokens that its tokenizer lacks.
    let ends: Vec<u32> = tokenizer.end_of_sequence().filter(|&id| id < size).collect();
    let first = *ends.first().ok_or_else(|| GrammarError("the model has no end-of-sequence token".to_owned()))?;
    // A token that ends the answer is no text in it, even where its model's files call it an ordinary one.
    let is_text = |id: u32| !tokenizer.is_control(id) && !tokenizer.is_end_of_sequence(id);
    let words: Vec<Vec<u8>> =
        (0..size).map(|id| if is_text(id) { tokenizer.text_bytes(id).to_vec() } else { control_word(id) }).collect();
    let trie = TokTrie::from(&TokRxInfo::new(size, first), &words).with_eos_tokens(&ends);
    Ok(Arc::new(ApproximateTokEnv::new(trie)))
}

/// How toktrie spells a token that no text can spell.
fn control_word(id: u32) -> Vec<u8> {
    let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    word.extend(format!("[{id}]").bytes());
    word
}

fn first_line(error: &str) -> String {
    error.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// A compiled grammar on its way through one answer.
pub struct Constraint(Matcher);

impl std::fmt::Debug for Constraint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Constraint").finish_non_exhaustive()
    }
}

impl Clone for Constraint {
    fn clone(&self) -> Self {
        Self(self.0.deep_clone())
    }
}

impl Constraint {
    /// Makes every token impossible that the grammar does not allow next.
    ///
    /// # Errors
    /// [`GrammarError`] when the grammar needs more work for one token than is allowed.
    pub(crate) fn mask(&mut self, logits: &mut [f32]) -> Result<(), GrammarError> {
        let mask = self.0.compute_mask_or_eos().map_err(|error| GrammarError(first_line(&error.to_string())))?;
        for (id, logit) in (0u32..).zip(logits) {
            // Weights may be padded beyond the vocabulary.
            if id as usize >= mask.len() || !mask.is_allowed(id) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    /// Goes on with token `id`.
    ///
    /// # Errors
    /// [`GrammarError`] as [`Self::mask`].
    pub(crate) fn advance(&mut self, id: u32) -> Result<(), GrammarError> {
        self.0.consume_token(id).map_err(|error| GrammarError(first_line(&error.to_string())))
    }

    /// Whether nothing can follow.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.is_stopped()
    }
}

#[cfg(test)]
#[path = "grammar_tests.rs"]
mod tests;

//! A backend that follows a script instead of a model, for tests: tokens, stalls, failures and panics on command.
//!
//! Its logits go through the same [`Sequence`] as a real model's, so what a test sees of sampling, stop strings and
//! streaming is what a client would see. Its tokens are single bytes, so every accent takes two of them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::engine::{Active, Engine, EngineError, GenerateRequest, Generation, KvCacheUse, Progress};
use crate::model::{Model, Weights};
use crate::sequence::{Sequence, Step};
use crate::template::{ChatTemplate, NamedTokens};
use crate::tokenizer::{Tokenizer, is_printable};

/// One thing to do. After the last, the answer ends.
#[derive(Clone, Debug)]
pub enum Act {
    /// Generate this text, byte by byte.
    Say(String),
    /// Give these logits for one token; all others are far below.
    Logits(Vec<(u32, f32)>),
    /// Wait until [`ScriptedEngine::resume`], or until the request is cancelled.
    Stall,
    /// Read a prompt, a step after the other, until [`ScriptedEngine::resume`], or until the request is cancelled.
    Read,
    /// Hang: no step is made any more, and whether the request is cancelled is not seen.
    Hang,
    /// Report an error.
    Fail(String),
    /// Panic.
    Panic,
    /// End the backend, as a panic of its thread does: this request, all others and all to come are dropped.
    End,
}

/// How long a step of [`Act::Read`] takes.
const READ_STEP: Duration = Duration::from_millis(5);

type Script = Box<dyn Fn(&GenerateRequest, &str) -> Vec<Act> + Send + Sync>;

/// The backend.
pub struct ScriptedEngine {
    model: Arc<Model>,
    script: Arc<Script>,
    parallelism: usize,
    active: Arc<AtomicUsize>,
    steps: Arc<AtomicU64>,
    resumed: watch::Sender<bool>,
    ended: watch::Sender<bool>,
}

impl ScriptedEngine {
    /// A backend that does for each request (and its prompt's text) what `script` says, `parallelism` at once.
    pub fn new(
        model: Arc<Model>,
        parallelism: usize,
        script: impl Fn(&GenerateRequest, &str) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        Self {
            model,
            script: Arc::new(Box::new(script)),
            parallelism,
            active: Arc::default(),
            steps: Arc::default(),
            resumed: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        }
    }

    /// Ends every stall, also those to come.
    pub fn resume(&self) {
        self.resumed.send_replace(true);
    }
}

impl std::fmt::Debug for ScriptedEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScriptedEngine").finish_non_exhaustive()
    }
}

impl Engine for ScriptedEngine {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn parallelism(&self) -> usize {
        self.parallelism
    }

    fn context_length(&self) -> usize {
        self.model.context_length
    }

    fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    /// A whole context for each request.
    fn kv_cache(&self) -> Option<KvCacheUse> {
        let tokens = |requests| requests * self.model.context_length;
        let (used_tokens, size_tokens) = (tokens(self.active()), tokens(self.parallelism));
        Some(KvCacheUse { used_tokens, kept_tokens: 0, size_tokens })
    }

    fn progress(&self) -> Option<Progress> {
        Some(Progress { steps: self.steps.load(Ordering::SeqCst), is_long: false })
    }

    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    fn generate(&self, request: GenerateRequest) -> Generation {
        let prompt: Vec<u8> =
            request.prompt.iter().flat_map(|&token| self.model.tokenizer.text_bytes(token).to_vec()).collect();
        let acts = (self.script)(&request, &String::from_utf8_lossy(&prompt));
        let (mut sequence, generation) = Sequence::start(request);
        if sequence.wants_embedding() != self.model.pooling.is_some() {
            sequence.fail(EngineError::OtherKind);
            return generation;
        }
        if sequence.wants_embedding() {
            sequence.embed(histogram(&prompt));
            return generation;
        }
        let player = Player {
            model: Arc::clone(&self.model),
            steps: Arc::clone(&self.steps),
            resumed: self.resumed.subscribe(),
            ended: self.ended.clone(),
            _active: Active::new(&self.active),
        };
        let mut ended = self.ended.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = ended.wait_for(|&ended| ended) => {}
                () = player.play(acts, sequence) => {}
            }
        });
        generation
    }
}

/// Numbers of an embedding.
const WIDTH: usize = 8;

/// How often each of eight classes of bytes stands in a text: similar texts have similar ones.
fn histogram(text: &[u8]) -> Vec<f32> {
    let mut counts = vec![1.0; WIDTH];
    for &byte in text {
        counts[usize::from(byte) % WIDTH] += 1.0;
    }
    counts
}

/// What plays the script of a request.
struct Player {
    model: Arc<Model>,
    steps: Arc<AtomicU64>,
    resumed: watch::Receiver<bool>,
    ended: watch::Sender<bool>,
    _active: Active,
}

impl Player {
    async fn play(mut self, acts: Vec<Act>, mut sequence: Sequence) {
        let model = Arc::clone(&self.model);
        let tokenizer = &model.tokenizer;
        if sequence.wants_prompt_logits() {
            let row = prompt_logits(tokenizer.vocabulary_size());
            let scored = (1..sequence.prompt().len()).try_for_each(|_| sequence.score(&row));
            if let Err(error) = scored.and_then(|()| sequence.finish_scoring()) {
                sequence.fail(error);
                return;
            }
        }
        if sequence.only_reads() {
            sequence.end();
            return;
        }
        let end = tokenizer.token_id(END).into_iter().map(|id| vec![(id, 0.0)]);
        for act in acts {
            let steps: Vec<Vec<(u32, f32)>> = match act {
                Act::Say(text) => text.bytes().map(|byte| vec![(u32::from(byte), 0.0)]).collect(),
                Act::Logits(logits) => vec![logits],
                Act::Stall => {
                    tokio::select! {
                        _ = self.resumed.wait_for(|&resumed| resumed) => {}
                        () = sequence.cancelled() => return,
                    }
                    Vec::new()
                }
                Act::Read => {
                    while !*self.resumed.borrow() && !sequence.is_cancelled() {
                        self.steps.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(READ_STEP).await;
                    }
                    Vec::new()
                }
                Act::Hang => std::future::pending().await,
                Act::End => {
                    self.ended.send_replace(true);
                    return;
                }
                Act::Fail(message) => {
                    sequence.fail(EngineError::Backend(message));
                    return;
                }
                Act::Panic => panic!("the script says so"),
            };
            if self.run(&steps, &mut sequence) == Played::Out {
                return;
            }
            // Lets the reader see a part of the answer before the next act.
            tokio::task::yield_now().await;
        }
        self.run(&end.collect::<Vec<_>>(), &mut sequence);
    }

    fn run(&self, steps: &[Vec<(u32, f32)>], sequence: &mut Sequence) -> Played {
        let tokenizer = &self.model.tokenizer;
        for step in steps {
            self.steps.fetch_add(1, Ordering::SeqCst);
            let mut logits = vec![-1e9; tokenizer.vocabulary_size()];
            for &(id, logit) in step {
                logits[id as usize] = logit;
            }
            if sequence.step(&mut logits, tokenizer) == Step::Done {
                return Played::Out;
            }
        }
        Played::On
    }
}

/// The logits at each position of a prompt: the greater the byte, the likelier.
fn prompt_logits(vocabulary: usize) -> Vec<f32> {
    (0..vocabulary).map(|id| id as f32 / vocabulary as f32).collect()
}

#[derive(PartialEq)]
enum Played {
    On,
    Out,
}

/// ChatML, with tools in the form of Hermes.
const TEMPLATE: &str = "\
{% if tools %}<|im_start|>tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n{% endif %}\
{% for m in messages %}\
{% if m.content == 'refuse me' %}{{ raise_exception('not that') }}{% endif %}\
<|im_start|>{{ m.role }}\n{{ m.content or '' }}\
{% for call in m.tool_calls or [] %}\n<tool_call>\n\
{\"name\": \"{{ call.function.name }}\", \"arguments\": {{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}\
<|im_end|>\n{% endfor %}\
{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const START: &str = "<|im_start|>";
const END: &str = "<|im_end|>";

/// A model for the scripted backend: byte tokens, the ChatML template, and a context of `context_length` tokens.
///
/// # Panics
/// Never: its parts are constants that tests load.
#[must_use]
pub fn byte_model(context_length: usize) -> Model {
    let tokens = NamedTokens { bos: None, eos: Some(END.to_owned()) };
    let template = ChatTemplate::new(TEMPLATE, tokens.clone()).expect("the template is a constant");
    Model {
        id: "scripted".to_owned(),
        weights: Weights::Gguf(PathBuf::new()),
        architecture: "scripted".to_owned(),
        quantization: "F32".to_owned(),
        context_length,
        owned_by: None,
        description: None,
        card: None,
        tensors: Vec::new(),
        tokenizer: byte_tokenizer(),
        tokens,
        template: Some(template),
        pooling: None,
    }
}

/// A tokenizer whose first 256 tokens are the bytes, followed by `<|im_start|>` and `<|im_end|>`.
///
/// # Panics
/// Never: its parts are constants that tests load.
#[must_use]
pub fn byte_tokenizer() -> Tokenizer {
    let tokenizer = Tokenizer::from_json(&byte_tokenizer_json(), BTreeSet::from([257]));
    tokenizer.expect("the tokenizer is a constant")
}

/// [`byte_tokenizer`] with more control tokens, from id 258 on.
#[cfg(test)]
pub(crate) fn byte_tokenizer_with(control: &[&str]) -> Tokenizer {
    let mut json = byte_tokenizer_json();
    let added = control.iter().zip(258..).map(|(content, id)| control_token(id, content));
    json["added_tokens"].as_array_mut().unwrap().extend(added);
    Tokenizer::from_json(&json, BTreeSet::from([257])).unwrap()
}

fn control_token(id: u32, content: &str) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
           "normalized": false, "special": true})
}

/// [`byte_tokenizer`] as a `tokenizer.json`.
#[must_use]
pub fn byte_tokenizer_json() -> Value {
    let mut unprintable = 0x100..;
    let chars =
        (0..=u8::MAX).map(|byte| if is_printable(byte) { u32::from(byte) } else { unprintable.next().unwrap_or(0) });
    let vocabulary: serde_json::Map<String, Value> =
        chars.zip(0u32..).filter_map(|(code, id)| Some((char::from_u32(code)?.to_string(), Value::from(id)))).collect();
    json!({
        "version": "1.0",
        "added_tokens": [control_token(256, START), control_token(257, END)],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::{Event, FinishReason};

    fn request(max_tokens: usize, stop: &[&str]) -> GenerateRequest {
        let stop = stop.iter().map(|&stop| stop.to_owned()).collect();
        GenerateRequest { stop, ..GenerateRequest::new(vec![65], max_tokens) }
    }

    async fn events(acts: Vec<Act>, request: GenerateRequest) -> Vec<Event> {
        let engine = ScriptedEngine::new(Arc::new(byte_model(100)), 1, move |_, _| acts.clone());
        let events = engine.generate(request).collect().await;
        while engine.active() > 0 {
            tokio::task::yield_now().await;
        }
        events
    }

    fn texts(events: &[Event]) -> Vec<&str> {
        fn text(event: &Event) -> &str {
            match event {
                Event::Prompt(_) | Event::Embedding(_) => "",
                Event::Token(token) => &token.text,
                Event::Finished { text, .. } => text,
                Event::Failed(_) => "failed",
            }
        }
        events.iter().map(text).collect()
    }

    #[tokio::test]
    async fn characters_come_whole_and_the_end_token_is_counted() {
        let events = events(vec![Act::Say("é".into())], request(10, &[])).await;
        assert_eq!(texts(&events), ["", "é", ""]);
        let end = Event::Finished {
            reason: FinishReason::Stop,
            text: String::new(),
            logprobs: Vec::new(),
            end: None,
            completion_tokens: 3,
            cached_tokens: 0,
        };
        assert_eq!(events.last(), Some(&end));
    }

    #[tokio::test]
    async fn a_stop_string_ends_the_answer_and_stays_hidden() {
        let events = events(vec![Act::Say("ab##cd".into())], request(10, &["##"])).await;
        assert_eq!(texts(&events).concat(), "ab");
        assert!(matches!(
            events.last(),
            Some(Event::Finished { reason: FinishReason::Stop, completion_tokens: 4, .. })
        ));
    }

    #[tokio::test]
    async fn the_limit_shows_what_a_stop_string_held_back() {
        let events = events(vec![Act::Say("ab#cd".into())], request(3, &["##"])).await;
        assert_eq!(texts(&events).concat(), "ab#");
        assert!(matches!(
            events.last(),
            Some(Event::Finished { reason: FinishReason::Length, completion_tokens: 3, .. })
        ));
    }

    #[tokio::test]
    async fn failures_and_panics_are_events() {
        let failed = events(vec![Act::Say("a".into()), Act::Fail("broken".into())], request(10, &[])).await;
        assert_eq!(failed.last(), Some(&Event::Failed(EngineError::Backend("broken".into()))));
        let panicked = events(vec![Act::Panic], request(10, &[])).await;
        assert_eq!(panicked, [Event::Failed(EngineError::Stopped)]);
    }

    #[tokio::test]
    async fn a_backend_that_ends_drops_all_requests() {
        let engine = ScriptedEngine::new(Arc::new(byte_model(100)), 2, |_, prompt| match prompt {
            "A" => vec![Act::Say("a".into()), Act::Hang],
            _ => vec![Act::End],
        });
        let mut hangs = engine.generate(request(10, &[]));
        assert!(matches!(hangs.recv().await, Event::Token(_)));
        assert_eq!((engine.progress().unwrap().steps, engine.has_ended()), (1, false));
        let ends = engine.generate(GenerateRequest::new(vec![66], 10));
        assert_eq!(ends.collect::<Vec<_>>().await, [Event::Failed(EngineError::Stopped)]);
        assert_eq!(hangs.recv().await, Event::Failed(EngineError::Stopped));
        assert!(engine.has_ended());
        assert_eq!(engine.generate(request(10, &[])).recv().await, Event::Failed(EngineError::Stopped));
    }

    #[tokio::test]
    async fn dropping_the_generation_frees_the_engine() {
        let engine = ScriptedEngine::new(Arc::new(byte_model(100)), 1, |_, _| vec![Act::Stall]);
        let generation = engine.generate(request(10, &[]));
        assert_eq!(engine.active(), 1);
        drop(generation);
        while engine.active() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

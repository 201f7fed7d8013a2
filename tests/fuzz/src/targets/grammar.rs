//! What a client says an answer must look like: a JSON schema, an expression, choices, a grammar. One that compiles is
//! followed by a model that says anything, and what it is let say is what was asked for.

use std::sync::LazyLock;

use futures::StreamExt;
use futures::executor::block_on;
use serde::de::IgnoredAny;
use zyron_engine::scripted::byte_tokenizer;
use zyron_engine::{
    EngineError, Event, FinishReason, GenerateRequest, Grammar, GrammarCompiler, Sequence, Step, Tokenizer,
};

/// As `limits.max_grammar_bytes` has it.
const LONGEST: usize = 65_536;
const MAX_TOKENS: usize = 96;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(byte_tokenizer);
/// One for all, as in a server: a wrong grammar may not harm the next.
static COMPILER: LazyLock<GrammarCompiler> = LazyLock::new(GrammarCompiler::default);

/// The first byte says what the text behind the second is, the second what the model prefers.
pub fn run(data: &[u8]) {
    let [kind, seed, text @ ..] = data else { return };
    let Some(grammar) = std::str::from_utf8(text).ok().and_then(|text| grammar(*kind, text)) else { return };
    if grammar.size() > LONGEST {
        return;
    }
    let Ok(constraint) = COMPILER.compile(&grammar, &TOKENIZER) else { return };
    let request = GenerateRequest { constraint: Some(constraint), ..GenerateRequest::new(vec![65], MAX_TOKENS) };
    let (mut sequence, generation) = Sequence::start(request);
    let mut state = u32::from(*seed);
    while sequence.step(&mut logits(&mut state), &TOKENIZER) != Step::Done {}
    drop(sequence);
    judge(&grammar, &block_on(generation.collect::<Vec<_>>()));
}

fn grammar(kind: u8, text: &str) -> Option<Grammar> {
    Some(match kind % 5 {
        strict @ 0..=1 => Grammar::JsonSchema { schema: serde_json::from_str(text).ok()?, strict: strict == 0 },
        2 => Grammar::Regex(text.to_owned()),
        3 => Grammar::Choice(text.split('\n').map(str::to_owned).collect()),
        _ => Grammar::Lark(text.to_owned()),
    })
}

/// Any, but for what ends an answer soonest.
fn logits(state: &mut u32) -> Vec<f32> {
    let mut logits: Vec<f32> = (0..TOKENIZER.vocabulary_size())
        .map(|_| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 24) as f32 / 16.0
        })
        .collect();
    for (byte, preferred) in [(b'"', 12.0), (b'}', 11.0), (b']', 10.0)] {
        logits[usize::from(byte)] += preferred;
    }
    for end in TOKENIZER.end_of_sequence() {
        logits[end as usize] += 20.0;
    }
    logits
}

fn judge(grammar: &Grammar, events: &[Event]) {
    let text: String = events
        .iter()
        .map(|event| match event {
            Event::Token(token) => token.text.as_str(),
            Event::Finished { text, .. } => text,
            Event::Prompt(_) | Event::Embedding(_) | Event::Failed(_) => "",
        })
        .collect();
    match (events.last(), grammar) {
        (Some(Event::Finished { reason: FinishReason::Stop, .. }), Grammar::JsonSchema { .. }) => {
            assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "the answer is no JSON: {text}");
        }
        (Some(Event::Finished { reason: FinishReason::Stop, .. }), Grammar::Choice(choices)) => {
            assert!(choices.contains(&text), "the answer is no choice: {text}");
        }
        // One may need more work than is allowed, and is then given up.
        (Some(Event::Finished { .. } | Event::Failed(EngineError::Constraint(_))), _) => {}
        (last, _) => panic!("the answer ends in {last:?}"),
    }
}

//! An answer's text to what a message is made of: content and tool calls. Chat completions and responses share it.

use zyron_engine::tool_calls::Piece;
use zyron_engine::{ToolCallParser, ToolFormat};
use zyron_openapi::tools::FunctionCall;
use zyron_openapi::{FinishReason, MessageToolCall};

/// Reads the text of one answer.
pub(super) struct MessageReader {
    tools: Option<(ToolFormat, ToolCallParser)>,
}

/// What is new in a message.
pub(super) enum MessageDelta {
    /// The next text.
    Content(String),
    /// A call begins.
    Call {
        /// Its place among the calls.
        index: u32,
        id: String,
        name: String,
    },
    /// The next part of the last call's arguments.
    Arguments {
        /// The call's place.
        index: u32,
        text: String,
    },
}

/// What an answer says, as far as it has come.
#[derive(Default)]
pub(super) struct Said {
    pub(super) content: String,
    pub(super) calls: Vec<MessageToolCall>,
}

impl Said {
    pub(super) fn add(&mut self, delta: MessageDelta) {
        match delta {
            MessageDelta::Content(text) => self.content.push_str(&text),
            MessageDelta::Call { id, name, .. } => {
                let function = FunctionCall { name, arguments: String::new() };
                self.calls.push(MessageToolCall { id, kind: "function".to_owned(), function });
            }
            MessageDelta::Arguments { text, .. } => {
                if let Some(call) = self.calls.last_mut() {
                    call.function.arguments.push_str(&text);
                }
            }
        }
    }
}

impl MessageReader {
    /// A reader of an answer in which calls stand as in `tools`, if it can call any.
    pub(super) fn new(tools: Option<ToolFormat>) -> Self {
        Self { tools: tools.map(|format| (format, ToolCallParser::new(format))) }
    }

    /// Adds text. The deltas hold no empty text.
    pub(super) fn push(&mut self, text: String) -> Vec<MessageDelta> {
        let Some((format, parser)) = &mut self.tools else {
            return if text.is_empty() { Vec::new() } else { vec![MessageDelta::Content(text)] };
        };
        let before = parser.calls();
        let pieces = parser.push(&text);
        deltas(pieces, before, format)
    }

    /// Adds the last text of an answer that has ended for this reason. The deltas of all that is left, and the reason to
    /// give.
    pub(super) fn finish(&mut self, text: String, reason: FinishReason) -> (Vec<MessageDelta>, FinishReason) {
        let mut all = self.push(text);
        let Some((format, parser)) = &mut self.tools else { return (all, reason) };
        let before = parser.calls();
        all.extend(deltas(parser.finish(), before, format));
        let called = parser.calls() > 0 && reason == FinishReason::Stop;
        (all, if called { FinishReason::ToolCalls } else { reason })
    }
}

fn deltas(pieces: Vec<Piece>, calls_before: usize, format: &ToolFormat) -> Vec<MessageDelta> {
    let mut calls = calls_before as u32;
    let delta = |piece| match piece {
        Piece::Text(text) => MessageDelta::Content(text),
        Piece::Call(name) => {
            calls += 1;
            MessageDelta::Call { index: calls - 1, id: format.call_id(), name }
        }
        Piece::Arguments(text) => MessageDelta::Arguments { index: calls.saturating_sub(1), text },
    };
    pieces.into_iter().map(delta).collect()
}

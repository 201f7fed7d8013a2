//! An answer's text to what a message is made of: content and tool calls. Chat completions and responses share it.

use zyron_engine::tool_calls::Piece;
use zyron_engine::{ToolCallParser, ToolFormat};
use zyron_openapi::FinishReason;

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

    /// What is left once the answer has ended for this reason, and the reason to give.
    pub(super) fn finish(&mut self, reason: FinishReason) -> (Vec<MessageDelta>, FinishReason) {
        let Some((format, parser)) = &mut self.tools else { return (Vec::new(), reason) };
        let before = parser.calls();
        let rest = deltas(parser.finish(), before, format);
        let called = parser.calls() > 0 && reason == FinishReason::Stop;
        (rest, if called { FinishReason::ToolCalls } else { reason })
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

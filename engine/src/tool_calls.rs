//! Tool calls in an answer's text: how each family of models writes them, the grammar that makes them valid, and the
//! parser that takes them out of the text again.
//!
//! A model writes a call as text of its own form. While it does, a grammar leaves it no choice but the form and the
//! tool's JSON schema, so what the parser reads is always whole and valid unless the answer was cut at its limit. The
//! forms are rows of one table, [`format::ToolFormat`]; a model's row is chosen by its chat template.

mod conversation;
mod format;
mod grammar;
mod parser;

pub use conversation::adapt;
pub use format::ToolFormat;
pub use grammar::{MAX_CALLS, Tool, ToolChoice, grammar};
pub use parser::{Piece, ToolCallParser};

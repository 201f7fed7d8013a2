//! A model's answer on its way to a reader: bytes to characters, stop strings, calls of tools. What is shown is the same
//! however the tokens are cut.

use zyron_engine::stop::StopMatcher;
use zyron_engine::tool_calls::Piece;
use zyron_engine::utf8::Utf8Assembler;
use zyron_engine::{ToolCallParser, ToolFormat};

const STOP: [&str; 3] = ["\n\n", "###", "é"];
const UNTIL: &str = "<tool_call>";

/// The first byte names the form of tool calls, the second says where the others are cut.
pub fn run(data: &[u8]) {
    let [format, seed, body @ ..] = data else { return };
    let mut assembler = Utf8Assembler::default();
    let mut text: String = super::pieces(body, *seed).iter().map(|piece| assembler.push(piece)).collect();
    if assembler.pending() > 0 {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    assert_eq!(text, String::from_utf8_lossy(body), "bytes are read as other characters");

    let cut = super::text_pieces(&text, *seed);
    assert_eq!(shown(&cut), shown(&[&text]), "cut, the same answer is stopped elsewhere");
    let names: Vec<&str> = ToolFormat::names().collect();
    let format = ToolFormat::named(names[usize::from(*format) % names.len()]).expect("the name is one of the list");
    assert_eq!(calls(format, &cut), calls(format, &[&text]), "cut, the same answer has other calls");
}

/// What a reader sees of an answer, and whether a stop string ended it.
fn shown(pieces: &[&str]) -> (String, bool) {
    let mut matcher = StopMatcher::new(STOP.map(str::to_owned).to_vec(), Some(UNTIL));
    let mut shown = String::new();
    for piece in pieces {
        let (text, stopped) = matcher.push(piece);
        shown.push_str(&text);
        if stopped {
            return (shown, true);
        }
    }
    shown.push_str(&matcher.finish());
    (shown, false)
}

/// The pieces of an answer, joined where they belong together.
fn calls(format: ToolFormat, pieces: &[&str]) -> Vec<Piece> {
    let mut parser = ToolCallParser::new(format);
    let mut all: Vec<Piece> = pieces.iter().flat_map(|text| parser.push(text)).collect();
    all.extend(parser.finish());
    let mut joined: Vec<Piece> = Vec::new();
    for piece in all {
        match (joined.last_mut(), &piece) {
            (Some(Piece::Text(before)), Piece::Text(more))
            | (Some(Piece::Arguments(before)), Piece::Arguments(more)) => before.push_str(more),
            _ => joined.push(piece),
        }
    }
    joined
}

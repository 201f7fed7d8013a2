//! Takes tool calls out of an answer's text while it comes.

use super::format::ToolFormat;
use crate::stop::unfinished;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text for the reader.
    Text(String),
    /// A call of this tool begins.
    Call(String),
    /// The next part of the call's arguments; the parts of a call, joined, are JSON.
    Arguments(String),
}

/// Reads one answer. Text may be split anywhere.
#[derive(Debug)]
pub struct ToolCallParser {
    format: ToolFormat,
    state: State,
    /// What is not certain yet.
    buffer: String,
    /// Whether anything but space was said.
    said: bool,
    calls: usize,
}

#[derive(Debug, PartialEq)]
enum State {
    /// In the text before the calls.
    Text,
    /// Before the name: this text is expected.
    Opening(String),
    Name,
    Arguments(Json),
    /// Behind a call.
    Closed,
    /// The answer does not keep to the form: the rest is text.
    Lost,
}

/// How deep in the arguments we are.
#[derive(Debug, Default, PartialEq)]
struct Json {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ToolCallParser {
    /// A parser for an answer in the form `format`.
    #[must_use]
    pub fn new(format: ToolFormat) -> Self {
        Self { format, state: State::Text, buffer: String::new(), said: false, calls: 0 }
    }

    /// How many calls have begun.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Adds `text` and returns what it makes certain.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.buffer.push_str(text);
        let mut pieces = Vec::new();
        while self.advance(&mut pieces) {}
        pieces
    }

    /// What is left once the answer has ended. A call that was cut off is dropped where not even its name was whole.
    pub fn finish(&mut self) -> Vec<Piece> {
        let rest = std::mem::take(&mut self.buffer);
        match self.state {
            State::Text | State::Lost if !rest.is_empty() => vec![Piece::Text(rest)],
            _ => Vec::new(),
        }
    }

    /// One step; whether there may be another.
    fn advance(&mut self, pieces: &mut Vec<Piece>) -> bool {
        match &mut self.state {
            State::Text => self.text(pieces),
            State::Opening(expected) => {
                if let Some(rest) = self.buffer.strip_prefix(expected.as_str()) {
                    self.buffer = rest.to_owned();
                    self.state = State::Name;
                    return true;
                }
                if expected.starts_with(&self.buffer) {
                    return false;
                }
                self.lose()
            }
            State::Name => self.name(pieces),
            State::Arguments(json) => {
                let (end, closed) = json.scan(&self.buffer);
                let part: String = self.buffer.drain(..end).collect();
                if !part.is_empty() {
                    pieces.push(Piece::Arguments(part));
                }
                if closed {
                    self.state = State::Closed;
                }
                closed
            }
            State::Closed => self.closed(),
            State::Lost => {
                if !self.buffer.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut self.buffer)));
                }
                false
            }
        }
    }

    fn text(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let trigger = self.format.trigger;
        let found = self.buffer.find(trigger).filter(|&at| self.format.after_text || (at == 0 && !self.said));
        let certain = match found {
            Some(at) => at,
            None if self.format.after_text || !self.said => unfinished(&self.buffer, || std::iter::once(trigger)),
            None => self.buffer.len(),
        };
        // Space alone may be all there is before a call, and then it is nothing.
        let spoken = self.said || !self.buffer[..certain].trim().is_empty();
        if spoken && certain > 0 {
            self.said = true;
            pieces.push(Piece::Text(self.buffer.drain(..certain).collect()));
        }
        if found.is_none() {
            return false;
        }
        // What was not spoken is still before it.
        let behind = if spoken { 0 } else { certain } + trigger.len();
        self.buffer.drain(..behind);
        let opening = self.format.opening();
        self.state = State::Opening(opening.strip_prefix(trigger).unwrap_or(&opening).to_owned());
        true
    }

    fn name(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let Some(at) = self.buffer.find(self.format.name_end) else { return false };
        let mut name: String = self.buffer.drain(..at).collect();
        if let Some(at) = self.format.call_id.and_then(|mark| name.find(mark)) {
            name.truncate(at);
        }
        self.buffer.drain(..self.format.name_end.len());
        self.calls += 1;
        pieces.push(Piece::Call(name));
        self.state = State::Arguments(Json::default());
        true
    }

    /// Behind a call: another, or the end.
    fn closed(&mut self) -> bool {
        let Some(separator) = self.format.separator else { return false };
        let next = format!("{}{separator}{}", self.format.item_close, self.format.item_open);
        if let Some(rest) = self.buffer.strip_prefix(&next) {
            self.buffer = rest.to_owned();
            self.state = State::Name;
            return true;
        }
        false
    }

    fn lose(&mut self) -> bool {
        let given = self.format.opening().strip_prefix(self.format.trigger).map_or("", |_| self.format.trigger);
        self.buffer.insert_str(0, given);
        self.state = State::Lost;
        true
    }
}

impl Json {
    /// Reads on in an object. Returns how many bytes belong to it, and whether it is closed.
    fn scan(&mut self, text: &str) -> (usize, bool) {
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ => {}
            }
        }
        (text.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pieces of an answer, joined where they belong together.
    fn read(format: &str, answer: &[&str]) -> Vec<Piece> {
        let mut parser = ToolCallParser::new(ToolFormat::named(format).unwrap());
        let mut pieces: Vec<Piece> = answer.iter().flat_map(|text| parser.push(text)).collect();
        pieces.extend(parser.finish());
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), &piece) {
                (Some(Piece::Text(before)), Piece::Text(more))
                | (Some(Piece::Arguments(before)), Piece::Arguments(more)) => before.push_str(more),
                _ => joined.push(piece),
            }
        }
        joined
    }

    fn call(name: &str, arguments: &str) -> [Piece; 2] {
        [Piece::Call(name.to_owned()), Piece::Arguments(arguments.to_owned())]
    }

    /// An answer of each family, and what is in it.
    fn answers() -> Vec<(&'static str, &'static str, Vec<Piece>)> {
        let text = |text: &str| vec![Piece::Text(text.to_owned())];
        let two = [call("f", r#"{"a": "}\"{"}"#), call("g", "{}")].concat();
        vec![
            (
                "hermes",
                "Voilà :\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>",
                [text("Voilà :\n"), two.clone()].concat(),
            ),
            (
                "mistral",
                r#"[TOOL_CALLS] [{"name": "f", "arguments": {"a": "}\"{"}}, {"name": "g", "arguments": {}}]"#,
                two.clone(),
            ),
            (
                "mistral_tekken",
                r#"[TOOL_CALLS][{"name": "f", "arguments": {"a": "}\"{"}}, {"name": "g", "arguments": {}}]"#,
                two.clone(),
            ),
            (
                "mistral_v11",
                r#"Oui.[TOOL_CALLS]f[CALL_ID]a1b2c3d4e[ARGS]{"a": "}\"{"}[TOOL_CALLS]g[CALL_ID]000000000[ARGS]{}"#,
                [text("Oui."), two.clone()].concat(),
            ),
            (
                "mistral_v13",
                r#"Oui.[TOOL_CALLS]f[ARGS]{"a": "}\"{"}[TOOL_CALLS]g[ARGS]{}"#,
                [text("Oui."), two].concat(),
            ),
            ("llama3", r#"{"name": "f", "parameters": {"a": [1, {}]}}"#, call("f", r#"{"a": [1, {}]}"#).to_vec()),
            ("llama3", r#"Le nom : {"name": "x"}"#, text(r#"Le nom : {"name": "x"}"#)),
            ("llama3", r#"{"nom": 1}"#, text(r#"{"nom": 1}"#)),
            ("hermes", "a < b <tool", text("a < b <tool")),
            ("hermes", "<tool_call>rien", text("<tool_call>rien")),
            ("hermes", "\n <tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>", call("g", "{}").to_vec()),
        ]
    }

    #[test]
    fn each_family_is_read() {
        for (format, answer, expected) in answers() {
            assert_eq!(read(format, &[answer]), expected, "{format}: {answer}");
        }
    }

    #[test]
    fn a_call_that_was_cut_off_keeps_what_there_is() {
        let pieces = read("hermes", &["<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1"]);
        assert_eq!(pieces, call("f", "{\"a\": 1"));
        assert_eq!(read("hermes", &["<tool_call>\n{\"name\": \"f"]), []);
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(which in 0usize..11, cuts in prop::collection::vec(1usize..9, 1..80)) {
            let (format, answer, expected) = answers().swap_remove(which);
            let chars: Vec<char> = answer.chars().collect();
            let mut parts = Vec::new();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                if at >= chars.len() {
                    break;
                }
                let end = (at + cut).min(chars.len());
                parts.push(chars[at..end].iter().collect::<String>());
                at = end;
            }
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(read(format, &parts), expected);
        }

        #[test]
        fn no_text_panics(format in 0usize..7, parts in prop::collection::vec("[\\[\\]{}<>\"a-z_/ \n\\\\é]{0,12}", 0..8)) {
            let name = ToolFormat::names().nth(format).unwrap();
            read(name, &parts.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}

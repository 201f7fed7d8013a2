//! The frames of an answer that is streamed: text in pieces, which may be cut anywhere, in; the data of events out.
//!
//! `zyron_openapi` reads them for programs, with a parser and types that are larger than all that the page needs of them.

/// What was read so far of the event that comes next.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    line: String,
    /// Whether the last character was a carriage return, which ends a line together with a line feed behind it.
    is_returned: bool,
    data: String,
}

impl Frames {
    /// Takes the next piece, and gives the data of each event that it completes.
    pub(crate) fn take(&mut self, piece: &str) -> Vec<String> {
        let mut events = Vec::new();
        for char in piece.chars() {
            let is_second = char == '\n' && self.is_returned;
            self.is_returned = char == '\r';
            match char {
                '\n' if is_second => {}
                '\n' | '\r' => events.extend(self.end_line()),
                _ => self.line.push(char),
            }
        }
        events
    }

    /// The event's data, where its last line has ended.
    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Some(data).filter(|data| !data.is_empty());
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data += data.strip_prefix(' ').unwrap_or(data);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_whole_however_it_is_cut() {
        let body = ": keep-alive\r\n\r\nevent: a\r\ndata: {\"é\":1}\r\n\r\ndata:deux\ndata: lignes\n\ndata\n\nid: 1\rdata: [DONE]\r\r";
        let chars: Vec<char> = body.chars().collect();
        for size in 1..=chars.len() {
            let mut frames = Frames::default();
            let pieces = chars.chunks(size).map(|piece| piece.iter().collect::<String>());
            let events: Vec<String> = pieces.flat_map(|piece| frames.take(&piece)).collect();
            assert_eq!(events, ["{\"é\":1}", "deux\nlignes", "[DONE]"], "{size}");
        }
    }

    #[test]
    fn what_is_not_ended_is_no_event() {
        assert!(Frames::default().take("data: 1\n").is_empty());
    }
}

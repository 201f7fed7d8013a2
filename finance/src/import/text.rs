//! Bytes to text, in the encodings that French accounting programs write, and the lines that rows of it are on.

use std::borrow::Cow;
use std::io::Read;

use csv::{ByteRecord, Position, Reader};
use encoding_rs::{ISO_8859_15, WINDOWS_1252};

/// A text in UTF-8, in Windows-1252, or in ISO 8859-15, which has no characters from 0x80 to 0x9F. Nothing is lost: each
/// byte of the latter two is a character.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let legacy = || if bytes.iter().any(|byte| matches!(byte, 0x80..=0x9F)) { WINDOWS_1252 } else { ISO_8859_15 };
    std::str::from_utf8(bytes).map_or_else(|_| legacy().decode_without_bom_handling(bytes).0, Cow::Borrowed)
}

/// The line on which the row begins that was read last; its own position is that of the blank lines before it.
pub(super) fn line<R: Read>(rows: &Reader<R>, row: &ByteRecord) -> u64 {
    let first = row.position().map_or(0, Position::line);
    let ends = row.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
    // The file's last row may have no end: then its own position has to do.
    first.max(rows.position().line().saturating_sub(ends + 1))
}

#[cfg(test)]
mod tests {
    use csv::{ReaderBuilder, Terminator};

    use super::*;

    #[test]
    fn rows_are_on_the_lines_that_an_editor_shows() {
        for (text, expected) in [
            ("a\nb\n", vec![1, 2]),
            ("a\nb", vec![1, 2]),
            ("\n\na;b\n\n\nc\nd\n\n", vec![3, 6, 7]),
            ("a\r\n\r\nb\r\n", vec![1, 2, 3]),
            ("\"a\nb\"\n\n\"c\nd\"\n\ne\n", vec![1, 4, 7]),
        ] {
            let terminator = Terminator::Any(b'\n');
            let mut builder = ReaderBuilder::new();
            let builder = builder.has_headers(false).flexible(true).terminator(terminator);
            let (mut rows, mut row) = (builder.from_reader(text.as_bytes()), ByteRecord::new());
            let mut lines = Vec::new();
            while rows.read_byte_record(&mut row).unwrap() {
                lines.push(line(&rows, &row));
            }
            assert_eq!(lines, expected, "{text:?}");
        }
    }

    #[test]
    fn the_euro_and_the_oe_are_read_in_each_encoding() {
        for bytes in ["œuvre : 5 €".as_bytes(), b"\x9cuvre : 5 \x80", b"\xbduvre : 5 \xa4"] {
            assert_eq!(decode(bytes), "œuvre : 5 €");
        }
        assert_eq!(decode(b"\xe9t\xe9"), "été");
    }
}

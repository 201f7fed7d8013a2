//! Bytes to text, in the encodings that French accounting programs write.

use std::borrow::Cow;

use encoding_rs::{ISO_8859_15, WINDOWS_1252};

/// A text in UTF-8, in Windows-1252, or in ISO 8859-15, which has no characters from 0x80 to 0x9F. Nothing is lost: each
/// byte of the latter two is a character.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let legacy = || if bytes.iter().any(|byte| matches!(byte, 0x80..=0x9F)) { WINDOWS_1252 } else { ISO_8859_15 };
    std::str::from_utf8(bytes).map_or_else(|_| legacy().decode_without_bom_handling(bytes).0, Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_euro_and_the_oe_are_read_in_each_encoding() {
        for bytes in ["œuvre : 5 €".as_bytes(), b"\x9cuvre : 5 \x80", b"\xbduvre : 5 \xa4"] {
            assert_eq!(decode(bytes), "œuvre : 5 €");
        }
        assert_eq!(decode(b"\xe9t\xe9"), "été");
    }
}

//! Bytes to text, in the encodings that French accounting programs write.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// A text in UTF-8, or in Windows-1252, of which ISO 8859-1 is a part. Each byte of that is a character, so nothing is
/// lost.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

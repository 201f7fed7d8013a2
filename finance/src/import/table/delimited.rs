//! A text with a separator between cells.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord, Terminator};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::{Builder, Cell};
use crate::import::ImportError;
use crate::import::text::{decode, line};

/// Lines that are looked at to find the separator.
const SAMPLE: usize = 200;

pub(super) fn read(bytes: &[u8], builder: &mut Builder<'_>) -> Result<(), ImportError> {
    let text = unicode(bytes);
    if text.trim().is_empty() {
        return Err(ImportError::Empty(builder.file.to_owned()));
    }
    let mut rows = ReaderBuilder::new()
        .delimiter(separator(&text))
        // A quotation mark without its other would take the rest of the file for one cell.
        .quoting(text.matches('"').count().is_multiple_of(2))
        // With the default one the lines of a file of Windows are counted one too low.
        .terminator(Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    builder.sheet(None)?;
    let mut row = StringRecord::new();
    while rows.read_record(&mut row).map_err(|error| ImportError::damaged(builder.file, error.to_string()))? {
        let line = line(&rows, row.as_byte_record()) as usize;
        for (column, cell) in row.iter().enumerate() {
            builder.cell(line, column, Cell::text_of(cell.trim().trim_matches('"')))?;
        }
    }
    Ok(())
}

/// The text in UTF-8, UTF-16 or Windows-1252, with lines as Unix ends them where it has those of an old Macintosh.
fn unicode(bytes: &[u8]) -> Cow<'_, str> {
    let text = match (Encoding::for_bom(bytes), bytes) {
        (Some((encoding, length)), _) if encoding != UTF_8 => {
            encoding.decode_without_bom_handling(bytes.get(length..).unwrap_or_default()).0
        }
        (Some((_, length)), _) => decode(bytes.get(length..).unwrap_or_default()),
        // Without its mark UTF-16 shows by its zeros.
        (None, [_, 0, _, 0, ..]) => UTF_16LE.decode_without_bom_handling(bytes).0,
        (None, [0, _, 0, _, ..]) => UTF_16BE.decode_without_bom_handling(bytes).0,
        _ => decode(bytes),
    };
    if text.contains('\n') { text } else { Cow::Owned(text.replace('\r', "\n")) }
}

/// The one that most lines have equally often; a comma may be an amount's, so it comes last.
fn separator(text: &str) -> u8 {
    let score = |separator: u8| {
        let mut counts = [0_usize; SAMPLE];
        for line in text.lines().filter(|line| !line.trim().is_empty()).take(SAMPLE) {
            // What is between quotation marks separates nothing.
            let outside = line.split('"').step_by(2);
            let count = outside.map(|part| part.matches(separator as char).count()).sum::<usize>();
            counts[count.min(SAMPLE - 1)] += 1;
        }
        counts.into_iter().skip(1).max().unwrap_or_default()
    };
    b",;|\t".iter().copied().max_by_key(|separator| score(*separator)).unwrap_or(b';')
}

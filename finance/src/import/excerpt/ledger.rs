//! A place of a FEC: a line, or the lines of an account. The file is not read as entries; its lines are counted.

use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder, Terminator};
use encoding_rs::{Encoding, UTF_8};

use super::{AROUND, Excerpt, ExcerptRow};
use crate::import::fec::Written;
use crate::import::text::decode;
use crate::statement::Place;

/// Lines of an account that are shown.
const MOST: usize = 20;

/// Nothing where there is no such line.
pub(super) fn excerpt(bytes: &[u8], place: &Place) -> Option<Excerpt> {
    let bytes = unicode(bytes);
    let written = Written::of(bytes.get(..bytes.len().min(64 * 1024))?);
    let cells = |line: &[u8]| cells(line, &written);
    let mut lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let columns = cells(lines.next()?.1);
    let (first, last) = numbers(&place.at)?;
    let row = |number: usize, cells, is_place| ExcerptRow { number: number.to_string(), cells, is_place };
    let rows = match last {
        None => {
            let around = lines.skip_while(|(number, _)| number + AROUND < first);
            let around = around.take_while(|(number, _)| *number <= first + AROUND);
            let filled = around.filter(|(_, line)| !line.trim_ascii().is_empty());
            filled.map(|(number, line)| row(number, cells(line), number == first)).collect()
        }
        Some(last) => {
            let account = columns.iter().position(|name| plain(name) == "comptenum")?;
            let mut lines = lines.skip_while(|(number, _)| *number < first).take_while(|(number, _)| *number <= last);
            let (number, line) = lines.next()?;
            let first = cells(line);
            let wanted = first.get(account)?.clone();
            let bytes = wanted.clone().into_bytes();
            // Most lines are not looked at closer.
            let may_be = |line: &[u8]| !bytes.is_empty() && line.windows(bytes.len()).any(|part| part == bytes);
            let others = lines.filter(|(_, line)| may_be(line)).map(|(number, line)| (number, cells(line)));
            let others = others.filter(|(_, cells)| cells.get(account) == Some(&wanted));
            let all = std::iter::once((number, first)).chain(others).take(MOST);
            all.map(|(number, cells)| row(number, cells, true)).collect()
        }
    };
    Some(Excerpt { columns, rows, ..Excerpt::default() })
}

/// The first line and the last of `12`, or of `5–2000 (2 lignes)`.
fn numbers(at: &str) -> Option<(usize, Option<usize>)> {
    let number = |text: &str| text.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok();
    match at.split_once('–') {
        Some((first, last)) => Some((number(first)?, Some(number(last)?))),
        None => Some((number(at)?, None)),
    }
}

fn cells(line: &[u8], written: &Written) -> Vec<String> {
    let mut reader = ReaderBuilder::new()
        .delimiter(written.separator)
        .quoting(written.is_quoted)
        .terminator(Terminator::Any(b'\n'))
        .has_headers(false)
        .from_reader(line);
    let mut row = ByteRecord::new();
    let is_read = reader.read_byte_record(&mut row).unwrap_or(false);
    let cells = row.iter().map(|cell| decode(cell).trim().to_owned());
    cells.take(if is_read { super::COLUMNS } else { 0 }).collect()
}

fn plain(name: &str) -> String {
    name.trim_matches('"').to_lowercase().replace([' ', '_'], "")
}

/// What is in UTF-16 in UTF-8; anything else as it is, without its mark.
fn unicode(bytes: &[u8]) -> Cow<'_, [u8]> {
    match Encoding::for_bom(bytes) {
        Some((encoding, length)) => {
            let rest = bytes.get(length..).unwrap_or_default();
            if encoding == UTF_8 {
                return Cow::Borrowed(rest);
            }
            Cow::Owned(encoding.decode_without_bom_handling(rest).0.into_owned().into_bytes())
        }
        None => Cow::Borrowed(bytes),
    }
}

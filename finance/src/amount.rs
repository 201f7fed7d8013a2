//! Amounts: from the cell of a file to an exact decimal, and from that to what a French reader expects.
//!
//! A cell holds one number or none. Numbers inside a running text are another matter.

use rust_decimal::{Decimal, RoundingStrategy};
use thiserror::Error;

/// Between groups of three digits: U+202F, the narrow no-break space.
pub const THIN_SPACE: char = '\u{202f}';
/// Before a unit: U+00A0, the no-break space.
pub const NO_BREAK_SPACE: char = '\u{a0}';

/// Amounts are smaller than this. A sum over the entries of any file stays far within a [`Decimal`].
const BOUND: i64 = 1_000_000_000_000_000;
/// Digits after the point; what a spreadsheet adds by its binary fractions comes after them.
const DECIMALS: u32 = 8;

/// Which mark a file writes before decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notation {
    /// `1 234,5` and `1.234,5`
    #[default]
    Comma,
    /// `1,234.5`
    Point,
}

/// Why a cell is no amount.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AmountError {
    /// It has something else than a number in it.
    #[error("«\u{a0}{0}\u{a0}» n’est pas un montant")]
    NotANumber(String),
    /// It has 16 digits or more before the point.
    #[error("«\u{a0}{0}\u{a0}» est trop grand")]
    TooLarge(String),
}

impl Notation {
    /// The notation in which most of `cells` can only be read; the comma where nothing decides.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a str>) -> Self {
        let votes = cells.into_iter().map(|cell| match decides(cell) {
            Some(Self::Point) => 1_i64,
            Some(Self::Comma) => -1,
            None => 0,
        });
        if votes.sum::<i64>() > 0 { Self::Point } else { Self::Comma }
    }

    fn mark(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Point => '.',
        }
    }
}

/// The notation without which `cell` would be no number, if there is such.
fn decides(cell: &str) -> Option<Notation> {
    let notation = |mark| if mark == ',' { Notation::Comma } else { Notation::Point };
    let other = |mark| if mark == ',' { Notation::Point } else { Notation::Comma };
    let marks: Vec<char> = cell.chars().filter(|char| matches!(char, ',' | '.')).collect();
    match *marks.as_slice() {
        [] => None,
        [mark] => {
            let (before, after) = cell.split_once(mark)?;
            let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
            // `1,250` can be both.
            (digits(after) != 3 || digits(before) > 3 || digits(before) == 0).then(|| notation(mark))
        }
        [.., before, last] if before == last => Some(other(last)),
        [.., last] => Some(notation(last)),
    }
}

/// The amount of a cell; nothing where it is empty or has only a dash.
///
/// Read are `1 234,5`, `1.234,50 €`, `(123)`, `-123`, `123-`, `1'234.5`, `+12`, with spaces of any kind.
///
/// # Errors
/// Where it is something else: text, two numbers, groups that do not have three digits.
pub fn read(cell: &str, notation: Notation) -> Result<Option<Decimal>, AmountError> {
    let not_a_number = || AmountError::NotANumber(shortened(cell));
    let plain: String = cell.chars().map(plain).collect();
    let mut text = plain.trim();
    for unit in ["€", "EUR", "eur"] {
        text = text.strip_suffix(unit).or_else(|| text.strip_prefix(unit)).unwrap_or(text).trim();
    }
    if matches!(text, "" | "-" | "--") {
        return Ok(None);
    }
    let mut is_negative = false;
    if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        (text, is_negative) = (inner.trim(), true);
    } else if let Some(rest) = text.strip_prefix('-').or_else(|| text.strip_suffix('-')) {
        (text, is_negative) = (rest.trim(), true);
    } else if let Some(rest) = text.strip_prefix('+') {
        text = rest.trim();
    }
    let mark = decides(text).unwrap_or(notation).mark();
    let (whole, decimals) = text.split_once(mark).unwrap_or((text, ""));
    let whole = grouped(whole).filter(|whole| !(whole.is_empty() && decimals.is_empty())).ok_or_else(not_a_number)?;
    if !decimals.chars().all(|char| char.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let too_large = || AmountError::TooLarge(shortened(cell));
    let decimals: String = decimals.chars().take(20).collect();
    let whole = whole.trim_start_matches('0');
    if whole.len() > 15 {
        return Err(too_large());
    }
    let value: Decimal = format!("0{whole}.{decimals}0").parse().map_err(|_| not_a_number())?;
    let value = checked(value).ok_or_else(too_large)?;
    Ok(Some(if is_negative { -value } else { value }))
}

/// `value` with at most [`DECIMALS`] digits after the point; nothing where it is too large to be an amount.
pub(crate) fn checked(value: Decimal) -> Option<Decimal> {
    let value = value.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero).normalize();
    (value.abs() < Decimal::from(BOUND)).then_some(value)
}

/// The digits of `text`, whose groups after the first have three where they are apart.
fn grouped(text: &str) -> Option<String> {
    let mut groups = text.split(['.', ',', '\'', ' ']);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let are_groups = rest.is_empty() || (1..=3).contains(&first.len()) && rest.iter().all(|group| group.len() == 3);
    let digits = first.to_owned() + &rest.concat();
    (are_groups && digits.chars().all(|char| char.is_ascii_digit())).then_some(digits)
}

fn plain(char: char) -> char {
    match char {
        '−' | '–' | '‑' => '-',
        '’' => '\'',
        '\u{feff}' => ' ',
        space if space.is_whitespace() => ' ',
        other => other,
    }
}

/// What an error shows of a cell.
fn shortened(cell: &str) -> String {
    let cell = cell.trim();
    match cell.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", &cell[..at]),
        None => cell.to_owned(),
    }
}

/// An amount in JSON: a text, so that no reader makes a binary fraction of it.
pub(crate) mod exact {
    use rust_decimal::Decimal;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_string().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = text.parse().map_err(|_| D::Error::custom("an amount is a text such as \"1234.5\""))?;
        super::checked(value).ok_or_else(|| D::Error::custom("an amount has at most 15 digits before the point"))
    }
}

/// `value` as French prints it, rounded half away from zero: `−1 234,50`, the minus sign being U+2212.
pub fn written(value: Decimal, decimals: u32) -> String {
    let rounded = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    let text = format!("{:.*}", decimals as usize, rounded.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if rounded.is_sign_negative() && !rounded.is_zero() { "−" } else { "" };
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(THIN_SPACE);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push(',');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(cell: &str, notation: Notation) -> Option<Decimal> {
        read(cell, notation).unwrap_or_else(|error| panic!("{cell}: {error}"))
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn cells_are_read_as_they_come() {
        for (cell, value) in [
            ("1 234,5", "1234.5"),
            ("1\u{202f}234,50 €", "1234.5"),
            ("1\u{a0}234\u{a0}567", "1234567"),
            ("1.234,56", "1234.56"),
            ("1.234.567", "1234567"),
            ("1,234.56", "1234.56"),
            ("1,234,567", "1234567"),
            ("1'234.5", "1234.5"),
            ("(123)", "-123"),
            ("( 123,4 )", "-123.4"),
            ("-12", "-12"),
            ("− 12", "-12"),
            ("12-", "-12"),
            ("+12", "12"),
            (",5", "0.5"),
            ("5,", "5"),
            ("0,00", "0"),
            ("000123,40", "123.4"),
            ("EUR 12,5", "12.5"),
            ("999999999999999,99", "999999999999999.99"),
            ("0.30000000000000004", "0.3"),
        ] {
            assert_eq!(reads(cell, Notation::Comma), Some(decimal(value)), "{cell}");
        }
        for cell in ["", " ", "-", "–", "€", "\u{feff}"] {
            assert_eq!(reads(cell, Notation::Comma), None, "{cell:?}");
        }
    }

    #[test]
    fn what_can_be_two_things_follows_the_file() {
        assert_eq!(reads("1,250", Notation::Comma), Some(decimal("1.25")));
        assert_eq!(reads("1,250", Notation::Point), Some(decimal("1250")));
        assert_eq!(reads("1.250", Notation::Comma), Some(decimal("1250")));
        assert_eq!(reads("1.250", Notation::Point), Some(decimal("1.25")));
        assert_eq!(Notation::of(["1.250", "12.5", "3", ""]), Notation::Point);
        assert_eq!(Notation::of(["1.250", "12,50", "1.250.000"]), Notation::Comma);
        assert_eq!(Notation::of(["1,250,000"]), Notation::Point);
        assert_eq!(Notation::of([]), Notation::Comma);
    }

    #[test]
    fn anything_else_is_an_error_that_shows_it() {
        for cell in [
            "abc",
            "12 k",
            "12 50",
            "1,2,3",
            "12.34.5",
            "1 2a",
            "(12",
            "--12",
            "1e5",
            "٣",
            "12%",
            ".",
            "-,",
            "1.25,000,0",
        ] {
            assert!(matches!(read(cell, Notation::Comma), Err(AmountError::NotANumber(_))), "{cell}");
        }
        assert!(matches!(read("1000000000000000", Notation::Comma), Err(AmountError::TooLarge(_))));
        assert!(matches!(read(&"9".repeat(500), Notation::Comma), Err(AmountError::TooLarge(_))));
        let long = read(&"é".repeat(100), Notation::Comma).unwrap_err().to_string();
        assert!(long.chars().count() < 80, "{long}");
    }

    #[test]
    fn amounts_are_written_with_thin_spaces() {
        for (value, decimals, text) in [
            ("1234567.891", 2, "1_234_567,89"),
            ("-1234.5", 0, "−1_235"),
            ("999.995", 2, "1_000,00"),
            ("-0.004", 2, "0,00"),
            ("123", 1, "123,0"),
            ("0", 0, "0"),
        ] {
            assert_eq!(written(decimal(value), decimals).replace(THIN_SPACE, "_"), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(units in -99_999_999_999_999_999_i64..=99_999_999_999_999_999) {
            let value = Decimal::new(units, 2);
            prop_assert_eq!(reads(&written(value, 2), Notation::Comma), Some(value));
        }

        #[test]
        fn no_cell_makes_it_panic(cell in "[-+−(),.'’ \u{202f}€0-9a-zé]{0,40}") {
            let _ = (read(&cell, Notation::Comma), read(&cell, Notation::Point), Notation::of([cell.as_str()]));
        }
    }
}

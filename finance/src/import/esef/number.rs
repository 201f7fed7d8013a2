//! From a number as a page shows it to its value: the formats of the XBRL transformation registries 1 to 5.
//!
//! A format says which is the decimal mark, so nothing is guessed. Registries up to the third want groups of three
//! digits, the later ones take any; spaces of every kind may be between groups, as French typesetting has more of them
//! than the registries know.

use rust_decimal::Decimal;

use crate::amount::{self, AmountError};

/// How a number is shown. Its sign is never part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// `1234.5`, where no format is named.
    Plain,
    /// `1 234,5` with a comma or `1,234.5` with a point.
    Marked {
        mark: char,
        /// Whether groups must have three digits.
        has_thousands: bool,
    },
    /// `1 euro 50`.
    WithUnits,
    /// A dash for zero.
    Dash,
    /// Anything for zero.
    Zero,
}

impl Format {
    /// A format of a registry, by its name there.
    pub(super) fn named(name: &str) -> Option<Self> {
        let marked = |mark, has_thousands| Some(Self::Marked { mark, has_thousands });
        match name {
            "num-comma-decimal" | "num-comma-decimal-apos" => marked(',', false),
            "numcommadecimal" | "numdotcomma" | "numspacecomma" | "numcomma" => marked(',', true),
            "num-dot-decimal" | "num-dot-decimal-apos" | "num-dot-decimal-in" | "numdotdecimalin" => marked('.', false),
            "numdotdecimal" | "numcommadot" | "numspacedot" => marked('.', true),
            "num-unit-decimal" | "num-unit-decimal-apos" | "num-unit-decimal-in" => Some(Self::WithUnits),
            "numunitdecimal" | "numunitdecimalin" => Some(Self::WithUnits),
            "zerodash" | "numdash" => Some(Self::Dash),
            "fixed-zero" => Some(Self::Zero),
            _ => None,
        }
    }

    /// The value of `text` times ten to the power of `scale`.
    ///
    /// # Errors
    /// Where it is no number in this format, or one with 16 digits or more before the point.
    pub(super) fn read(self, text: &str, scale: i32) -> Result<Decimal, AmountError> {
        let text = text.trim();
        let shown = || text.chars().take(40).collect();
        let digits = self.digits(text).ok_or_else(|| AmountError::NotANumber(shown()))?;
        let value = Decimal::from_scientific(&format!("{digits}E{scale}")).ok().and_then(amount::checked);
        value.ok_or_else(|| AmountError::TooLarge(shown()))
    }

    /// The number as [`Decimal`] reads it.
    fn digits(self, text: &str) -> Option<String> {
        let is_digit = |char: char| char.is_ascii_digit();
        match self {
            Self::Plain => Self::Marked { mark: '.', has_thousands: false }
                .digits(text)
                .filter(|_| text.chars().all(|char| is_digit(char) || char == '.')),
            Self::Marked { mark, has_thousands } => {
                let (whole, decimals) = text.split_once(mark).unwrap_or((text, "0"));
                let decimals: String = decimals.split(char::is_whitespace).collect();
                let is_read = !decimals.is_empty() && decimals.chars().all(is_digit);
                grouped(whole, has_thousands).filter(|_| is_read).map(|whole| format!("{whole}.{decimals}"))
            }
            Self::WithUnits => {
                let text = text.trim_end_matches(|char| !is_digit(char));
                let rest = text.trim_end_matches(is_digit);
                let whole = rest.trim_end_matches(|char| !is_digit(char));
                let cents = text.strip_prefix(rest)?;
                let has_unit = rest.strip_prefix(whole)?.chars().any(|char| !separates(char));
                let is_read = has_unit && (1..=2).contains(&cents.len());
                grouped(whole, false).filter(|_| is_read).map(|whole| format!("{whole}.{cents:0>2}"))
            }
            Self::Dash => {
                let dashes = ["-", "\u{58a}", "\u{5be}", "‐", "‑", "‒", "–", "—", "―", "−", "﹘", "﹣", "-"];
                dashes.contains(&text).then(|| "0".to_owned())
            }
            Self::Zero => Some("0".to_owned()),
        }
    }
}

/// The digits of a number that may be written in groups.
fn grouped(text: &str, has_thousands: bool) -> Option<String> {
    let groups: Vec<&str> = text.split(separates).collect();
    let (first, rest) = groups.split_first()?;
    let are_thousands = rest.is_empty() || first.len() <= 3 && rest.iter().all(|group| group.len() == 3);
    let digits = groups.concat();
    let is_read = !digits.is_empty() && digits.chars().all(|char| char.is_ascii_digit());
    (is_read && (are_thousands || !has_thousands)).then_some(digits)
}

/// Whether a character is between groups of digits.
fn separates(char: char) -> bool {
    char.is_whitespace() || matches!(char, '.' | ',' | '\'' | '’' | '`' | '´' | '′')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: &str, text: &str, scale: i32) -> Option<String> {
        let format = Format::named(format).unwrap_or(Format::Plain);
        format.read(text, scale).ok().map(|value| value.to_string())
    }

    #[test]
    fn formats_say_what_a_mark_means() {
        for (format, text, scale, value) in [
            ("num-comma-decimal", "1.234.567,89", 0, "1234567.89"),
            ("num-comma-decimal", "1 234,5", 3, "1234500"),
            ("num-comma-decimal", "1\u{202f}234\u{a0}567", 6, "1234567000000"),
            // A reader that takes this for a point is wrong by a factor of 1000.
            ("numcommadecimal", "1.475", 6, "1475000000"),
            ("numdotcomma", "1.234,5", 0, "1234.5"),
            ("numspacecomma", "1 234,5", 0, "1234.5"),
            ("numcomma", "1234,5", 0, "1234.5"),
            ("num-dot-decimal", "5,134,455", 3, "5134455000"),
            ("numdotdecimal", "1,234.50", 0, "1234.5"),
            ("numdotdecimalin", "12,34,567.8", 0, "1234567.8"),
            ("num-dot-decimal-apos", "1’234.5", 0, "1234.5"),
            ("num-unit-decimal", "1 234 euros 5 cents", 0, "1234.05"),
            ("numunitdecimal", "12€50", 0, "12.5"),
            ("zerodash", " – ", 6, "0"),
            ("numdash", "-", 0, "0"),
            ("fixed-zero", "néant", 6, "0"),
            ("", "1234.5", 6, "1234500000"),
            ("num-comma-decimal", "12,5", -2, "0.125"),
        ] {
            assert_eq!(read(format, text, scale).as_deref(), Some(value), "{format} {text}");
        }
    }

    #[test]
    fn what_is_no_number_in_its_format_is_none() {
        for (format, text) in [
            ("num-comma-decimal", ""),
            ("num-comma-decimal", ","),
            ("num-comma-decimal", "(12,5)"),
            ("num-comma-decimal", "-12"),
            ("num-comma-decimal", "1,2,3"),
            ("num-comma-decimal", "n.s."),
            ("numcommadecimal", "1.5"),
            ("numdotdecimal", "1,5"),
            ("num-unit-decimal", "1,50"),
            ("zerodash", "0"),
            ("zerodash", "--"),
            ("", "1 234"),
            ("", "-5"),
            ("", "1,5"),
            ("", "1e5"),
        ] {
            assert_eq!(read(format, text, 0), None, "{format} {text}");
        }
        assert_eq!(Format::named("numwordsen"), None);
        let error = Format::Plain.read(&"9".repeat(1000), 0).unwrap_err();
        assert_eq!(error, AmountError::TooLarge("9".repeat(40)));
        for scale in [i32::MIN, -29, 16, i32::MAX] {
            assert!(matches!(Format::Plain.read("1", scale), Err(AmountError::TooLarge(_))), "{scale}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(units in 0_u64..100_000_000_000, scale in 0_i32..4) {
            let value = Decimal::from(units) / Decimal::ONE_HUNDRED;
            let text = amount::written(value, 2);
            let scaled = value * Decimal::from(10_u64.pow(scale.unsigned_abs()));
            prop_assert_eq!(Format::named("num-comma-decimal").unwrap().read(&text, scale), Ok(scaled.normalize()));
        }

        #[test]
        fn no_text_makes_it_panic(name in "[a-z-]{0,20}", text in "[-0-9.,’  a€–]{0,60}", scale: i32) {
            for format in [Format::named(&name).unwrap_or(Format::WithUnits), Format::Plain, Format::Dash] {
                let _ = format.read(&text, scale % 30);
            }
        }
    }
}

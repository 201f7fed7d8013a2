//! The number by which INSEE knows a French company.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A SIREN: nine digits, the last of which is a check (INSEE, répertoire Sirene; Luhn's algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Siren, value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct Siren(u32);

/// Why a text is no SIREN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SirenError {
    /// Something else than nine digits, spaces left out.
    #[error("un SIREN a neuf chiffres")]
    Length,
    /// One digit is wrong, or two are swapped.
    #[error("la clé de contrôle du SIREN est fausse")]
    Check,
}

impl FromStr for Siren {
    type Err = SirenError;

    /// Spaces of any kind may be in it: `732 829 320`.
    fn from_str(text: &str) -> Result<Self, SirenError> {
        let digits = text.chars().filter(|char| !char.is_whitespace()).map(|char| char.to_digit(10));
        let digits: Vec<u32> = digits.collect::<Option<_>>().ok_or(SirenError::Length)?;
        if digits.len() != 9 {
            return Err(SirenError::Length);
        }
        let luhn = |(at, digit): (usize, &u32)| match digit * (1 + at as u32 % 2) {
            sum @ 10.. => sum - 9,
            sum => sum,
        };
        let sum: u32 = digits.iter().enumerate().map(luhn).sum();
        if sum.is_multiple_of(10) {
            Ok(Self(digits.iter().fold(0, |all, digit| all * 10 + digit)))
        } else {
            Err(SirenError::Check)
        }
    }
}

impl fmt::Display for Siren {
    /// In groups of three, as it is printed: no-break spaces between them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        write!(formatter, "{:03}\u{a0}{:03}\u{a0}{:03}", number / 1_000_000, number / 1000 % 1000, number % 1000)
    }
}

impl TryFrom<String> for Siren {
    type Error = SirenError;

    fn try_from(text: String) -> Result<Self, SirenError> {
        text.parse()
    }
}

impl From<Siren> for String {
    fn from(Siren(number): Siren) -> Self {
        format!("{number:09}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_checked() {
        // INSEE's own example, La Poste, and one that begins with zeros.
        for (text, shown) in
            [("732829320", "732 829 320"), ("356 000 000", "356 000 000"), ("005\u{202f}520 135", "005 520 135")]
        {
            let siren: Siren = text.parse().unwrap();
            assert_eq!(siren.to_string().replace('\u{a0}', " "), shown);
        }
        for (text, error) in [
            ("732829321", SirenError::Check),
            ("723829320", SirenError::Check),
            ("73282932", SirenError::Length),
            ("7328293200", SirenError::Length),
            ("73282932O", SirenError::Length),
            ("٧٣٢٨٢٩٣٢٠", SirenError::Length),
            ("", SirenError::Length),
        ] {
            assert_eq!(text.parse::<Siren>(), Err(error), "{text}");
        }
    }

    #[test]
    fn on_the_wire_it_is_nine_digits() {
        let siren: Siren = "005520135".parse().unwrap();
        assert_eq!(serde_json::to_string(&siren).unwrap(), "\"005520135\"");
        assert_eq!(serde_json::from_str::<Siren>("\"005 520 135\"").unwrap(), siren);
        assert!(serde_json::from_str::<Siren>("\"5520135\"").is_err());
    }
}

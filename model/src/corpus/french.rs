//! Figures and small words as French prose writes them, for the generated part of the corpus.

/// Between groups of three digits: U+202F, the narrow no-break space.
pub(crate) const THOUSANDS: char = '\u{202f}';
/// Before a unit and before high punctuation: U+00A0, the no-break space.
pub(crate) const NO_BREAK: char = '\u{a0}';

/// `1 250` with `separator` between groups of three digits.
pub(crate) fn grouped(value: i64, separator: &str) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "-" } else { "" });
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(separator);
        }
        text.push(digit);
    }
    text
}

/// `1 250` as in print.
pub(crate) fn integer(value: i64) -> String {
    grouped(value, THOUSANDS.encode_utf8(&mut [0; 4]))
}

/// `12,5` from tenths.
pub(crate) fn tenths(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{},{}", integer(value.abs() / 10), value.abs() % 10)
}

/// `12,5 %` from tenths of a percent.
pub(crate) fn percent(value: i64) -> String {
    format!("{}{NO_BREAK}%", tenths(value))
}

/// `value / of` in tenths of a percent, rounded half away from zero; none where `of` is not positive.
pub(crate) fn share(value: i64, of: i64) -> Option<i64> {
    (of > 0).then(|| rounded(value * 1000, of))
}

/// `value / by`, rounded half away from zero. `by` is positive.
pub(crate) fn rounded(value: i64, by: i64) -> i64 {
    let half = by / 2 * value.signum();
    (value + half) / by
}

/// `text` with a capital first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `de l'`, `du `, `de la ` or `des ` before `noun`, as its `article` has it: `le `, `la `, `l'` or `les `.
pub(crate) fn of_the(article: &str, noun: &str) -> String {
    match article {
        "le " => format!("du {noun}"),
        "les " => format!("des {noun}"),
        _ => format!("de {article}{noun}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{capital, grouped, of_the, percent, rounded, share};

    #[test]
    fn figures_are_written_as_in_print() {
        assert_eq!(grouped(-1_250_000, " "), "-1 250 000");
        assert_eq!(grouped(999, " "), "999");
        assert_eq!(percent(-1255), "-125,5\u{a0}%");
        assert_eq!(percent(5), "0,5\u{a0}%");
    }

    #[test]
    fn shares_are_rounded_half_away_from_zero() {
        assert_eq!(share(1, 3), Some(333));
        assert_eq!(share(2, 3), Some(667));
        assert_eq!(share(1, 0), None);
        assert_eq!((rounded(-5, 2), rounded(5, 2)), (-3, 3));
    }

    #[test]
    fn words_agree() {
        assert_eq!(of_the("le ", "résultat net"), "du résultat net");
        assert_eq!(of_the("l'", "actif"), "de l'actif");
        assert_eq!(capital("état"), "État");
    }
}

//! From a text to its numbers, character by character.

use std::ops::Range;

use rust_decimal::Decimal;

use super::unit::{Unit, is_space};
use super::{Number, Reading};

const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// What a sign before a number, or parentheses around it, make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Positive,
    Negative,
    /// It can be either.
    Unclear,
}

pub(super) fn scan(text: &str) -> Vec<Number> {
    let chars: Vec<char> = text.chars().collect();
    let scanner = Scanner { chars: &chars };
    let (mut numbers, mut at) = (Vec::new(), 0);
    while let Some(&char) = chars.get(at) {
        if char.is_ascii_digit() {
            let (number, end) = scanner.at_digit(at);
            numbers.extend(number);
            at = end;
        } else if is_word(char) {
            at = scanner.after_word(at);
        } else {
            at += 1;
        }
    }
    numbers
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn is_minus(char: char) -> bool {
    matches!(char, '-' | '−' | '–')
}

/// Digits as they are written.
struct Digits {
    readings: Vec<Reading>,
    /// Whether they are four in a row, and nothing else.
    is_four: bool,
    end: usize,
}

struct Scanner<'a> {
    chars: &'a [char],
}

impl Scanner<'_> {
    fn get(&self, at: usize) -> Option<char> {
        self.chars.get(at).copied()
    }

    fn is(&self, at: usize, what: impl Fn(char) -> bool) -> bool {
        self.get(at).is_some_and(what)
    }

    fn is_digit(&self, at: usize) -> bool {
        self.is(at, |char| char.is_ascii_digit())
    }

    /// Where the run of characters that are `what` ends, which begins at `at`.
    fn after(&self, at: usize, what: impl Fn(char) -> bool) -> usize {
        let rest = self.chars.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|char| what(**char)).count()
    }

    /// Where a word ends, with the number that a hyphen ties to it: `N-1`.
    fn after_word(&self, at: usize) -> usize {
        let end = self.after(at, is_word);
        let is_tied = self.is(end, |char| matches!(char, '-' | '−' | '‑')) && self.is_digit(end + 1);
        if is_tied { self.after(end + 1, is_word) } else { end }
    }

    /// What begins with a digit, and where it ends.
    fn at_digit(&self, at: usize) -> (Option<Number>, usize) {
        if let Some((year, end)) = self.date(at) {
            return (year, end);
        }
        if let Some(end) = self.ordinal(at) {
            return (None, end);
        }
        let Some(digits) = self.digits(at) else {
            return (None, self.after(at, |char| is_word(char) || matches!(char, '.' | ',')));
        };
        let (unit, end) = match self.unit(digits.end) {
            Some((unit, end)) => (Some(unit), end),
            None if self.is(digits.end, is_word) => return (None, self.after(digits.end, is_word)),
            None => (self.unit_before(at), digits.end),
        };
        let sign = self.sign(at, digits.end, end);
        let year = digits.is_four && unit.is_none() && sign == Sign::Positive;
        let is_year = year && digits.readings.iter().any(|reading| is_year(reading.value));
        let readings = signed(&digits.readings, sign);
        (Some(Number { readings, unit, is_year, span: at..end }), end)
    }

    /// The digits of a number; nothing where there are too many points and commas in them for one.
    fn digits(&self, at: usize) -> Option<Digits> {
        let first = self.after(at, |char| char.is_ascii_digit());
        let mut text: String = self.chars[at..first].iter().collect();
        let (mut end, mut groups, mut separator) = (first, 0, None);
        while first - at <= 3
            && self.is_group(end)
            && separator.is_none_or(|known| self.is(end, |char| is_same_separator(known, char)))
        {
            separator = self.get(end);
            text.extend(&self.chars[end + 1..end + 4]);
            (end, groups) = (end + 4, groups + 1);
        }
        let whole = text.clone();
        let is_point = |char| matches!(char, '.' | ',') && separator != Some(char);
        if self.is(end, is_point) && self.is_digit(end + 1) {
            let after = self.after(end + 1, |char| char.is_ascii_digit());
            text.push('.');
            text.extend(&self.chars[end + 1..after]);
            end = after;
        }
        if self.is(end, |char| matches!(char, '.' | ',')) && self.is_digit(end + 1) {
            return None;
        }
        let is_plain = text == whole;
        let mut readings = vec![reading(&text)];
        if groups == 1 && is_plain && separator.is_some_and(|char| matches!(char, '.' | ',')) {
            // `1,250` and `1.250`: which is which depends on the country.
            let decimal = reading(&format!("{}.{}", &whole[..whole.len() - 3], &whole[whole.len() - 3..]));
            match separator {
                _ if whole.starts_with('0') => readings = vec![decimal],
                Some(',') => readings.insert(0, decimal),
                _ => readings.push(decimal),
            }
        }
        Some(Digits { readings, is_four: is_plain && groups == 0 && first - at == 4, end })
    }

    /// Whether a separator and three digits come next, and no fourth.
    fn is_group(&self, at: usize) -> bool {
        self.is(at, |char| is_space(char) || matches!(char, '.' | ',' | '\'' | '’'))
            && (1..=3).all(|ahead| self.is_digit(at + ahead))
            && !self.is_digit(at + 4)
    }

    /// The unit after a number that ends at `at`, over Markdown's stars and a parenthesis that encloses the number.
    fn unit(&self, at: usize) -> Option<(Unit, usize)> {
        let closed = if self.is(at, |char| char == ')') { at + 1 } else { at };
        [at, closed].into_iter().find_map(|start| {
            let mut start = self.after(start, |char| char == '*');
            if self.is(start, is_space) {
                start += 1;
            }
            Unit::at(self.chars, self.after(start, |char| char == '*'))
        })
    }

    /// A sign of the euro that stands before a number and belongs to none before it.
    fn unit_before(&self, at: usize) -> Option<Unit> {
        let mut at = at.checked_sub(1)?;
        if self.is(at, is_space) {
            at = at.checked_sub(1)?;
        }
        let is_free =
            at == 0 || !self.is(at - 1, |char| is_word(char) || is_space(char) && at >= 2 && self.is_digit(at - 2));
        (self.is(at, |char| char == '€') && is_free).then_some(Unit::EURO)
    }

    /// Of a number from `at`, whose digits end at `digits` and whose unit ends at `end`.
    fn sign(&self, at: usize, digits: usize, end: usize) -> Sign {
        let Some(before) = at.checked_sub(1) else { return Sign::Positive };
        let closes = |at: usize| self.is(at, |char| char == ')');
        if self.is(before, |char| char == '(') && (closes(digits) || closes(end)) {
            return Sign::Unclear;
        }
        let is_apart = self.is(before, is_space);
        let Some(minus) = (if is_apart { before.checked_sub(1) } else { Some(before) }) else { return Sign::Positive };
        if !self.is(minus, is_minus) {
            return Sign::Positive;
        }
        let previous = self.chars[..minus].iter().rev().find(|char| !is_space(**char));
        let is_touched = minus > 0 && self.is(minus - 1, |char| is_word(char) || matches!(char, ')' | '%' | '€'));
        match (is_apart, previous) {
            // A range, or a difference.
            (_, _) if is_touched => Sign::Positive,
            (false, _) => Sign::Negative,
            (true, Some('%' | '€')) => Sign::Positive,
            (true, Some(previous)) if self.is(minus, |char| char == '−') && !previous.is_ascii_digit() => {
                Sign::Negative
            }
            // A dash, of a list or a sentence, or a sign.
            (true, _) => Sign::Unclear,
        }
    }

    /// Where the number of a list's point ends, such as `2.` at the beginning of a line.
    fn ordinal(&self, at: usize) -> Option<usize> {
        let line = self.chars[..at].iter().rev().take_while(|char| **char != '\n');
        let is_first = line.copied().all(|char| is_space(char) || matches!(char, '\t' | '*' | '#' | '>' | '-' | '•'));
        let digits = self.after(at, |char| char.is_ascii_digit());
        let dotted = self.is(digits, |char| matches!(char, '.' | ')'));
        let end = self.after(digits + 1, |char| char == '*');
        let is_spaced = self.is(end, |char| is_space(char) || char == '\t');
        let text = self.after(end, |char| is_space(char) || char == '\t');
        let goes_on = self.is(text, |char| char != '\n');
        (is_first && digits - at <= 2 && dotted && is_spaced && goes_on).then_some(end)
    }

    /// A date's year, where it has one, and where the date ends.
    fn date(&self, at: usize) -> Option<(Option<Number>, usize)> {
        self.date_in_digits(at).or_else(|| self.date_in_words(at))
    }

    /// `31/12/2023`, `2023-12-31` or `12/2023`.
    fn date_in_digits(&self, at: usize) -> Option<(Option<Number>, usize)> {
        let (mut parts, mut start) = (Vec::new(), at);
        let mut separator = None;
        loop {
            let end = self.after(start, |char| char.is_ascii_digit());
            parts.push((start, end));
            let next = self.get(end).filter(|char| matches!(char, '/' | '-' | '.'));
            if parts.len() == 3 || next.is_none() || separator.is_some() && separator != next || !self.is_digit(end + 1)
            {
                let goes_on = self.is(end, is_word) || next.is_some() && self.is_digit(end + 1);
                let year = (!goes_on).then(|| self.year_of(&parts, separator)).flatten()?;
                return Some((Some(year), end));
            }
            (separator, start) = (next, end + 1);
        }
    }

    fn year_of(&self, parts: &[(usize, usize)], separator: Option<char>) -> Option<Number> {
        let value =
            |&(start, end): &(usize, usize)| self.chars[start..end].iter().collect::<String>().parse::<u32>().ok();
        let values: Vec<u32> = parts.iter().map(value).collect::<Option<_>>()?;
        let lengths: Vec<usize> = parts.iter().map(|(start, end)| end - start).collect();
        let (month, day) = (1..=12, 1..=31);
        let year = match (&values[..], &lengths[..]) {
            ([d, m, y], [1 | 2, 1 | 2, 4]) if day.contains(d) && month.contains(m) => *y,
            ([y, m, d], [4, 1 | 2, 1 | 2]) if day.contains(d) && month.contains(m) => *y,
            ([m, y], [1 | 2, 4]) if separator == Some('/') && month.contains(m) => *y,
            _ => return None,
        };
        Some(year_number(year, parts[0].0..parts[parts.len() - 1].1))
    }

    /// `31 décembre 2023` or `1 mars`.
    fn date_in_words(&self, at: usize) -> Option<(Option<Number>, usize)> {
        let digits = self.after(at, |char| char.is_ascii_digit());
        let ordinal = if self.is(digits, |char| char == 'e') && self.is(digits + 1, |char| char == 'r') {
            digits + 2
        } else {
            digits
        };
        if digits - at > 2 || !self.is(ordinal, is_space) {
            return None;
        }
        let end = self.after(ordinal + 1, char::is_alphabetic);
        let word: String = self.chars[ordinal + 1..end].iter().flat_map(|char| char.to_lowercase()).collect();
        if !MONTHS.contains(&word.as_str()) {
            return None;
        }
        let year_end = self.after(end + 1, |char| char.is_ascii_digit());
        let has_year = self.is(end, is_space) && year_end == end + 5 && !self.is(year_end, is_word);
        if !has_year {
            return Some((None, end));
        }
        let year: String = self.chars[end + 1..year_end].iter().collect();
        Some((year.parse().ok().map(|year| year_number(year, at..year_end)), year_end))
    }
}

/// `span` is the whole date.
fn year_number(year: u32, span: Range<usize>) -> Number {
    Number { readings: vec![Reading { value: year.into(), decimals: 0 }], unit: None, is_year: true, span }
}

fn is_year(value: Decimal) -> bool {
    (Decimal::from(1900)..=Decimal::from(2100)).contains(&value)
}

fn is_same_separator(one: char, other: char) -> bool {
    one == other || is_space(one) && is_space(other)
}

/// A number with a decimal point. One that is too large to be computed with is as large as can be: it equals nothing.
fn reading(text: &str) -> Reading {
    let largest = Decimal::from(1_000_000_000_000_000_000_i64);
    let value = text.parse().map_or(largest, |value: Decimal| value.min(largest));
    Reading { value, decimals: text.split_once('.').map_or(0, |(_, decimals)| decimals.len() as u32) }
}

fn signed(readings: &[Reading], sign: Sign) -> Vec<Reading> {
    let negative = readings.iter().map(|reading| Reading { value: -reading.value, ..*reading });
    match sign {
        Sign::Positive => readings.to_vec(),
        Sign::Negative => negative.collect(),
        Sign::Unclear => readings.iter().copied().chain(negative).collect(),
    }
}

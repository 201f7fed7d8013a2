//! Units that a number does not have beside it: `de 1,2 à 1,5 M€`, or a table whose heading says `k€`.

use std::ops::Range;

use crate::numbers::{Number, Unit};

/// The numbers with the units that are said elsewhere.
pub(super) fn said_elsewhere(chars: &[char], numbers: Vec<Number>) -> Vec<Number> {
    let mut given: Vec<Number> = Vec::with_capacity(numbers.len());
    // From the last: in `1,2, puis 1,5, puis 1,7 M€` each has that of the next.
    for number in numbers.into_iter().rev() {
        let of_next = || given.last().filter(|next| is_one_list(chars, &number, next)).and_then(Number::unit);
        let has_own = number.is_year() || number.unit().is_some();
        let unit = if has_own { None } else { of_next().or_else(|| of_table(chars, number.span().start)) };
        given.push(match unit {
            Some(unit) => number.in_the_unit(unit),
            None => number,
        });
    }
    given.reverse();
    given
}

/// Whether nothing but `à`, `et`, `puis` and the like is between two numbers.
fn is_one_list(chars: &[char], one: &Number, next: &Number) -> bool {
    const BETWEEN: [&str; 9] = ["à", "et", "puis", "ou", "contre", "au", "-", "–", "→"];
    let between: String = chars.get(one.span().end..next.span().start).unwrap_or_default().iter().collect();
    between
        .split([' ', '\u{a0}', '\u{202f}', ',', ';'])
        .filter(|word| !word.is_empty())
        .all(|word| BETWEEN.contains(&word))
}

/// The unit of a table's cell: that of its row's first cell, else that of the table's heading or of the line above.
fn of_table(chars: &[char], at: usize) -> Option<Unit> {
    let row = text(chars, line(chars, at)).filter(|row| is_row(row))?;
    let first_cell = row.trim_start().trim_start_matches('|').split('|').next().unwrap_or_default();
    in_words(first_cell).or_else(|| heading(chars, at)?.split('\n').rev().find_map(in_words))
}

/// The line above a table and, in another row than that, its first one; nothing outside of tables.
pub(super) fn heading(chars: &[char], at: usize) -> Option<String> {
    let row = line(chars, at);
    text(chars, row.clone()).filter(|row| is_row(row))?;
    let (mut first, mut title) = (row.clone(), String::new());
    while let Some(end) = first.start.checked_sub(1) {
        let above = line(chars, end);
        title = text(chars, above.clone())?;
        if !is_row(&title) {
            break;
        }
        first = above;
        title.clear();
    }
    let heading = if first == row { String::new() } else { text(chars, first)? };
    Some(format!("{title}\n{heading}"))
}

/// The line that a place is in, or at whose end it is.
fn line(chars: &[char], at: usize) -> Range<usize> {
    let start = chars[..at].iter().rposition(|char| *char == '\n').map_or(0, |end| end + 1);
    let end = chars[at..].iter().position(|char| *char == '\n').map_or(chars.len(), |length| at + length);
    start..end
}

fn text(chars: &[char], range: Range<usize>) -> Option<String> {
    Some(chars.get(range)?.iter().collect())
}

fn is_row(line: &str) -> bool {
    line.trim_start().starts_with('|')
}

/// A unit of money or of shares by itself in a text: `CA (k€)`, `En milliers d’euros`.
fn in_words(text: &str) -> Option<Unit> {
    let words: Vec<&str> =
        text.split([' ', '\u{a0}', '\u{202f}', '(', ')', '|', ':', ',', '*']).filter(|word| !word.is_empty()).collect();
    // A letter alone is no unit, as in `x` or `j`.
    let named = |text: &str| Unit::named(text).filter(|_| text.chars().count() > 1 || matches!(text, "€" | "%"));
    let at = |from: usize| (1..=3).rev().find_map(|length| named(&words.get(from..from + length)?.join(" ")));
    (0..words.len()).find_map(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::numbers;

    fn units(text: &str) -> Vec<Option<Unit>> {
        let chars: Vec<char> = text.chars().collect();
        said_elsewhere(&chars, numbers(text)).iter().map(Number::unit).collect()
    }

    #[test]
    fn a_number_has_the_unit_of_the_next_in_its_list() {
        let (thousands, millions) = (Unit::named("k€"), Unit::named("M€"));
        assert_eq!(units("de 1 000 à 1 250 k€"), [thousands; 2]);
        assert_eq!(units("1,2, puis 1,5 et 1,7 M€"), [millions; 3]);
        assert_eq!(units("Avec 12 salariés, il fait 1,2 M€"), [None, millions]);
        assert_eq!(units("de 2023 à 12 M€"), [None, millions]);
    }

    #[test]
    fn a_cell_has_the_unit_of_its_table() {
        let thousands = Unit::named("k€");
        assert_eq!(
            units("| (k€) | 2022 | 2023 |\n|---|---|---|\n| EBE | 844 | −33 |"),
            [None, None, thousands, thousands]
        );
        assert_eq!(units("| | 2022 |\n|---|---|\n| CA (k€) | 2 133 |\n| Effectif | 12 |"), [None, thousands, None]);
        assert_eq!(units("En milliers d’euros :\n| CA | 2 133 |"), [thousands]);
        assert_eq!(units("| (k€) | 2022 |\n|---|---|\n| Marge | 6,0 % |")[1], Some(Unit::PERCENT));
        assert_eq!(units("Il a 844 clients (k€)"), [None]);
    }
}

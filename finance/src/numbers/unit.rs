//! Units: how they are written, and how they convert.

use rust_decimal::Decimal;

/// What a number counts, and how many of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    kind: Kind,
    /// The power of ten of the kind's base unit.
    exponent: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Euros.
    Money,
    /// Of one.
    Share,
    Days,
    Months,
    Years,
    /// Millions and the like, of something that is not a unit here.
    Count,
}

/// How units are written, in small letters; an apostrophe may be curly and a space of any kind. One that begins with
/// another comes before it.
const SPELLINGS: &[(&str, Kind, i32)] = &[
    ("milliards d'euros", Kind::Money, 9),
    ("milliard d'euros", Kind::Money, 9),
    ("milliards €", Kind::Money, 9),
    ("mds€", Kind::Money, 9),
    ("mds €", Kind::Money, 9),
    ("mds d'euros", Kind::Money, 9),
    ("md€", Kind::Money, 9),
    ("md €", Kind::Money, 9),
    ("mrd€", Kind::Money, 9),
    ("mrd €", Kind::Money, 9),
    ("millions d'euros", Kind::Money, 6),
    ("million d'euros", Kind::Money, 6),
    ("millions €", Kind::Money, 6),
    ("meur", Kind::Money, 6),
    ("m€", Kind::Money, 6),
    ("m €", Kind::Money, 6),
    ("milliers d'euros", Kind::Money, 3),
    ("millier d'euros", Kind::Money, 3),
    ("mille euros", Kind::Money, 3),
    ("keur", Kind::Money, 3),
    ("k euros", Kind::Money, 3),
    ("k€", Kind::Money, 3),
    ("k €", Kind::Money, 3),
    ("euros", Kind::Money, 0),
    ("euro", Kind::Money, 0),
    ("eur", Kind::Money, 0),
    ("€", Kind::Money, 0),
    ("milliards", Kind::Count, 9),
    ("milliard", Kind::Count, 9),
    ("millions", Kind::Count, 6),
    ("million", Kind::Count, 6),
    ("milliers", Kind::Count, 3),
    ("points de base", Kind::Share, -4),
    ("bps", Kind::Share, -4),
    ("pb", Kind::Share, -4),
    ("points de pourcentage", Kind::Share, -2),
    ("point de pourcentage", Kind::Share, -2),
    ("points", Kind::Share, -2),
    ("point", Kind::Share, -2),
    ("pts", Kind::Share, -2),
    ("pt", Kind::Share, -2),
    ("pour cent", Kind::Share, -2),
    ("%", Kind::Share, -2),
    ("\\%", Kind::Share, -2),
    ("fois", Kind::Share, 0),
    ("x", Kind::Share, 0),
    ("×", Kind::Share, 0),
    ("jours", Kind::Days, 0),
    ("jour", Kind::Days, 0),
    ("j", Kind::Days, 0),
    ("mois", Kind::Months, 0),
    ("années", Kind::Years, 0),
    ("année", Kind::Years, 0),
    ("ans", Kind::Years, 0),
    ("an", Kind::Years, 0),
];

impl Unit {
    /// `€`: money, whatever the currency of the accounts is.
    pub const EURO: Self = Self { kind: Kind::Money, exponent: 0 };
    /// `fois`
    pub const TIMES: Self = Self { kind: Kind::Share, exponent: 0 };
    /// `%`
    pub const PERCENT: Self = Self { kind: Kind::Share, exponent: -2 };
    /// `jours`
    pub const DAYS: Self = Self { kind: Kind::Days, exponent: 0 };

    /// The unit that is written so; of other things than money, shares and time there is none.
    pub fn named(name: &str) -> Option<Self> {
        let chars: Vec<char> = name.trim().chars().collect();
        Self::at(&chars, 0).filter(|(_, end)| *end == chars.len()).map(|(unit, _)| unit)
    }

    /// The unit that begins at a place of a text, and where it ends.
    pub(super) fn at(chars: &[char], at: usize) -> Option<(Self, usize)> {
        let rest = chars.get(at..)?;
        SPELLINGS.iter().find_map(|&(spelling, kind, exponent)| {
            let length = spelling.chars().count();
            let is_it =
                rest.len() >= length && spelling.chars().zip(rest).all(|(wanted, &found)| is_same(wanted, found));
            let ends = spelling.ends_with(['€', '%']) || !rest.get(length).is_some_and(|next| next.is_alphanumeric());
            // `3 x 4` is a product.
            let is_product = matches!(spelling, "x" | "×") && {
                let next = rest[length.min(rest.len())..].iter().find(|next| !is_space(**next));
                next.is_some_and(|next| next.is_ascii_digit() || matches!(next, '(' | '['))
            };
            (is_it && ends && !is_product).then_some((Self { kind, exponent }, at + length))
        })
    }

    /// How many of the base unit it is: a thousand for `k€`, a hundredth for `%`.
    pub fn factor(self) -> Decimal {
        power_of_ten(self.exponent)
    }

    /// Whether they count the same thing, so that a sum of both has a meaning.
    pub fn is_like(self, other: Self) -> bool {
        self.kind == other.kind
    }

    /// `value` of this unit in another of the same kind; nothing where they are of two, or it has too many digits.
    pub fn converted(self, value: Decimal, to: Self) -> Option<Decimal> {
        if self.kind == to.kind { value.checked_mul(self.over(to)) } else { None }
    }

    /// What a number in this unit is multiplied with to be one in `target`; nothing where it cannot be.
    pub(super) fn to(self, target: Option<Self>) -> Option<Decimal> {
        match (self.kind, target) {
            // Whatever it is that is counted.
            (Kind::Count | Kind::Share, None) => Some(self.factor()),
            (Kind::Count, Some(target)) if target.kind == Kind::Money => Some(self.over(target)),
            // So many years of cash flow: a ratio.
            (Kind::Years, Some(target)) if target.kind == Kind::Share => Some(self.over(target)),
            (kind, Some(target)) if kind == target.kind => Some(self.over(target)),
            _ => None,
        }
    }

    fn over(self, other: Self) -> Decimal {
        power_of_ten(self.exponent - other.exponent)
    }
}

fn power_of_ten(exponent: i32) -> Decimal {
    match exponent {
        0.. => Decimal::from(10_u64.pow(exponent.unsigned_abs().min(18))),
        _ => Decimal::new(1, exponent.unsigned_abs().min(18)),
    }
}

/// Whether a character is one of a spelling.
fn is_same(wanted: char, found: char) -> bool {
    match wanted {
        ' ' => is_space(found),
        '\'' => matches!(found, '\'' | '’'),
        _ => found == wanted || found.to_lowercase().eq([wanted]),
    }
}

/// Whether it separates digits or words within a line.
pub(super) fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_their_names() {
        assert_eq!(Unit::named("€"), Some(Unit::EURO));
        assert_eq!(Unit::named(" % "), Some(Unit::PERCENT));
        assert_eq!(Unit::named("fois"), Some(Unit::TIMES));
        assert_eq!(Unit::named("M€").map(Unit::factor), Some(Decimal::from(1_000_000)));
        assert_eq!(Unit::named("salariés"), None);
        assert_eq!(Unit::named(""), None);
    }

    #[test]
    fn each_spelling_is_reachable() {
        for (spelling, kind, exponent) in SPELLINGS {
            assert_eq!(Unit::named(spelling), Some(Unit { kind: *kind, exponent: *exponent }), "{spelling}");
        }
    }
}

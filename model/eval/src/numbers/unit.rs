//! Units: how they are written, and how they convert.

/// What a number counts, and how many of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit {
    kind: Kind,
    /// Of the kind's base unit.
    factor: f64,
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
const SPELLINGS: &[(&str, Kind, f64)] = &[
    ("milliards d'euros", Kind::Money, 1e9),
    ("milliard d'euros", Kind::Money, 1e9),
    ("milliards €", Kind::Money, 1e9),
    ("mds€", Kind::Money, 1e9),
    ("mds €", Kind::Money, 1e9),
    ("mds d'euros", Kind::Money, 1e9),
    ("md€", Kind::Money, 1e9),
    ("md €", Kind::Money, 1e9),
    ("mrd€", Kind::Money, 1e9),
    ("mrd €", Kind::Money, 1e9),
    ("millions d'euros", Kind::Money, 1e6),
    ("million d'euros", Kind::Money, 1e6),
    ("millions €", Kind::Money, 1e6),
    ("meur", Kind::Money, 1e6),
    ("m€", Kind::Money, 1e6),
    ("m €", Kind::Money, 1e6),
    ("milliers d'euros", Kind::Money, 1e3),
    ("millier d'euros", Kind::Money, 1e3),
    ("mille euros", Kind::Money, 1e3),
    ("keur", Kind::Money, 1e3),
    ("k euros", Kind::Money, 1e3),
    ("k€", Kind::Money, 1e3),
    ("k €", Kind::Money, 1e3),
    ("euros", Kind::Money, 1.0),
    ("euro", Kind::Money, 1.0),
    ("eur", Kind::Money, 1.0),
    ("€", Kind::Money, 1.0),
    ("milliards", Kind::Count, 1e9),
    ("milliard", Kind::Count, 1e9),
    ("millions", Kind::Count, 1e6),
    ("million", Kind::Count, 1e6),
    ("milliers", Kind::Count, 1e3),
    ("points de base", Kind::Share, 1e-4),
    ("points de pourcentage", Kind::Share, 1e-2),
    ("point de pourcentage", Kind::Share, 1e-2),
    ("points", Kind::Share, 1e-2),
    ("point", Kind::Share, 1e-2),
    ("pts", Kind::Share, 1e-2),
    ("pt", Kind::Share, 1e-2),
    ("pour cent", Kind::Share, 1e-2),
    ("%", Kind::Share, 1e-2),
    ("\\%", Kind::Share, 1e-2),
    ("fois", Kind::Share, 1.0),
    ("x", Kind::Share, 1.0),
    ("×", Kind::Share, 1.0),
    ("jours", Kind::Days, 1.0),
    ("jour", Kind::Days, 1.0),
    ("j", Kind::Days, 1.0),
    ("mois", Kind::Months, 1.0),
    ("années", Kind::Years, 1.0),
    ("année", Kind::Years, 1.0),
    ("ans", Kind::Years, 1.0),
    ("an", Kind::Years, 1.0),
];

impl Unit {
    pub(crate) const EURO: Self = Self { kind: Kind::Money, factor: 1.0 };
    pub(crate) const TIMES: Self = Self { kind: Kind::Share, factor: 1.0 };
    pub(crate) const PERCENT: Self = Self { kind: Kind::Share, factor: 1e-2 };

    /// The unit that is written so; of other things than money, shares and time there is none.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let chars: Vec<char> = name.trim().chars().collect();
        Self::at(&chars, 0).filter(|(_, end)| *end == chars.len()).map(|(unit, _)| unit)
    }

    /// The unit that begins at a place of a text, and where it ends.
    pub(super) fn at(chars: &[char], at: usize) -> Option<(Self, usize)> {
        let rest = chars.get(at..)?;
        SPELLINGS.iter().find_map(|&(spelling, kind, factor)| {
            let length = spelling.chars().count();
            let is_it =
                rest.len() >= length && spelling.chars().zip(rest).all(|(wanted, &found)| is_same(wanted, found));
            let ends = spelling.ends_with(['€', '%']) || !rest.get(length).is_some_and(|next| next.is_alphanumeric());
            // `3 x 4` is a product.
            let is_product = matches!(spelling, "x" | "×") && {
                let next = rest[length.min(rest.len())..].iter().find(|next| !is_space(**next));
                next.is_some_and(|next| next.is_ascii_digit() || matches!(next, '(' | '['))
            };
            (is_it && ends && !is_product).then_some((Self { kind, factor }, at + length))
        })
    }

    /// In base units.
    pub(crate) fn factor(self) -> f64 {
        self.factor
    }

    /// Whether they count the same thing, so that a sum of both has a meaning.
    pub(crate) fn is_like(self, other: Self) -> bool {
        self.kind == other.kind
    }

    /// What a number in this unit is multiplied with to be one in `target`; nothing where it cannot be.
    pub(super) fn to(self, target: Option<Self>) -> Option<f64> {
        match (self.kind, target) {
            // Whatever it is that is counted.
            (Kind::Count | Kind::Share, None) => Some(self.factor),
            (Kind::Count, Some(target)) if target.kind == Kind::Money => Some(self.factor / target.factor),
            (kind, Some(target)) if kind == target.kind => Some(self.factor / target.factor),
            _ => None,
        }
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
        assert_eq!(Unit::named("M€").map(Unit::factor), Some(1e6));
        assert_eq!(Unit::named("salariés"), None);
        assert_eq!(Unit::named(""), None);
    }

    #[test]
    fn each_spelling_is_reachable() {
        for (spelling, kind, factor) in SPELLINGS {
            assert_eq!(Unit::named(spelling), Some(Unit { kind: *kind, factor: *factor }), "{spelling}");
        }
    }
}

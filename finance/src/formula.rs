//! The formulas of [`crate::items`]: read once, computed for a year, and shown in words.
//!
//! What is missing has no value, nor has anything computed from it: whether a line that a source leaves out is zero or
//! unknown is [`crate::analysis`]' decision. A denominator must be positive: a ratio to a negative one has no meaning
//! that an analyst could use.

use std::iter::Peekable;
use std::str::Chars;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A formula.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Formula {
    Number(Decimal),
    /// A line or a measure, by its identifier.
    Item(&'static str),
    /// The same a year before.
    Previous(&'static str),
    /// The days of the fiscal year.
    Days,
    /// The first if the source has it, else the second.
    Either(Box<Formula>, Box<Formula>),
    /// Terms, each with whether it is subtracted.
    Sum(Vec<(bool, Formula)>),
    Product(Box<Formula>, Box<Formula>),
    Quotient(Box<Formula>, Box<Formula>),
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema), schema(as = finance::Undefined))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Undefined {
    /// The source says nothing of it.
    Missing {
        /// Of what.
        item: String,
    },
    /// It would have to be divided by zero.
    ZeroDenominator {
        /// What is zero, in words.
        denominator: String,
    },
    /// It would have to be divided by less than zero.
    NegativeDenominator {
        /// What is negative, in words.
        denominator: String,
    },
    /// It has more digits than can be kept.
    TooLarge,
}

/// What a formula asks for.
pub(crate) trait Values {
    fn item(&mut self, id: &'static str) -> Result<Decimal, Undefined>;
    fn previous(&mut self, id: &'static str) -> Result<Decimal, Undefined>;
    fn days(&self) -> i64;
    fn label(&self, id: &str) -> &'static str;
}

impl Formula {
    /// Reads `text`: identifiers, numbers, `+ - * /`, parentheses, `avant(x)` (a year before), `sinon(x, y)`, `jours`.
    ///
    /// # Errors
    /// The place where it is none.
    pub(crate) fn read(text: &'static str) -> Result<Self, String> {
        let mut parser = Parser { text, chars: text.chars().peekable(), at: 0 };
        let formula = parser.sum()?;
        match parser.peek() {
            None => Ok(formula),
            Some(_) => Err(parser.error()),
        }
    }

    pub(crate) fn value(&self, values: &mut impl Values) -> Result<Decimal, Undefined> {
        let fits = |value: Option<Decimal>| value.ok_or(Undefined::TooLarge);
        match self {
            Self::Number(number) => Ok(*number),
            Self::Item(id) => values.item(id),
            Self::Previous(id) => values.previous(id),
            Self::Days => Ok(values.days().into()),
            Self::Either(first, second) => match first.value(values) {
                Err(Undefined::Missing { .. }) => second.value(values),
                other => other,
            },
            Self::Sum(terms) => sum(terms, values),
            Self::Product(one, other) => fits(one.value(values)?.checked_mul(other.value(values)?)),
            Self::Quotient(one, other) => {
                let (one, by) = (one.value(values)?, other.value(values)?);
                let denominator = || other.words(values);
                if by.is_zero() {
                    return Err(Undefined::ZeroDenominator { denominator: denominator() });
                }
                if by.is_sign_negative() {
                    return Err(Undefined::NegativeDenominator { denominator: denominator() });
                }
                fits(one.checked_div(by))
            }
        }
    }

    /// The identifiers in it, in their order, each once; those of a year before apart.
    pub(crate) fn items(&self) -> Vec<(&'static str, bool)> {
        let mut items = Vec::new();
        self.visit(&mut |formula| match formula {
            Self::Item(id) if !items.contains(&(*id, false)) => items.push((*id, false)),
            Self::Previous(id) if !items.contains(&(*id, true)) => items.push((*id, true)),
            _ => {}
        });
        items
    }

    fn visit(&self, look: &mut impl FnMut(&Self)) {
        look(self);
        match self {
            Self::Either(one, other) | Self::Product(one, other) | Self::Quotient(one, other) => {
                one.visit(look);
                other.visit(look);
            }
            Self::Sum(terms) => terms.iter().for_each(|(_, term)| term.visit(look)),
            Self::Number(_) | Self::Item(_) | Self::Previous(_) | Self::Days => {}
        }
    }

    /// In French, with the labels of what is in it.
    pub(crate) fn words(&self, values: &impl Values) -> String {
        let inner = |formula: &Self| match formula {
            Self::Sum(_) => format!("({})", formula.words(values)),
            _ => formula.words(values),
        };
        match self {
            Self::Number(number) => number.to_string().replace('.', ","),
            Self::Item(id) => values.label(id).to_owned(),
            Self::Previous(id) => format!("{} de l’exercice précédent", values.label(id)),
            Self::Days => "jours de l’exercice".to_owned(),
            Self::Either(first, second) => format!("{} (à défaut, {})", first.words(values), second.words(values)),
            Self::Sum(terms) => {
                let mut text = String::new();
                for (at, (is_subtracted, term)) in terms.iter().enumerate() {
                    text += match (at, is_subtracted) {
                        (0, false) => "",
                        (0, true) => "−\u{a0}",
                        (_, false) => " + ",
                        (_, true) => " − ",
                    };
                    text += &inner(term);
                }
                text
            }
            Self::Product(one, other) => format!("{} × {}", inner(one), inner(other)),
            Self::Quotient(one, other) => format!("{} / {}", inner(one), inner(other)),
        }
    }
}

fn sum(terms: &[(bool, Formula)], values: &mut impl Values) -> Result<Decimal, Undefined> {
    terms.iter().try_fold(Decimal::ZERO, |sum, (is_subtracted, term)| {
        let value = term.value(values)?;
        sum.checked_add(if *is_subtracted { -value } else { value }).ok_or(Undefined::TooLarge)
    })
}

struct Parser {
    text: &'static str,
    chars: Peekable<Chars<'static>>,
    /// Bytes read.
    at: usize,
}

impl Parser {
    fn error(&self) -> String {
        format!("not a formula, at byte {}: {}", self.at, self.text)
    }

    fn next(&mut self) {
        self.at += self.chars.next().map_or(0, char::len_utf8);
    }

    fn peek(&mut self) -> Option<char> {
        while self.chars.peek() == Some(&' ') {
            self.next();
        }
        self.chars.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_it = self.peek() == Some(wanted);
        if is_it {
            self.next();
        }
        is_it
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.error()) }
    }

    fn sum(&mut self) -> Result<Formula, String> {
        let mut terms = vec![(self.take('-'), self.product()?)];
        loop {
            let is_subtracted = match self.peek() {
                Some('+') => false,
                Some('-') => true,
                _ => break,
            };
            self.next();
            terms.push((is_subtracted, self.product()?));
        }
        match terms.pop() {
            Some((false, only)) if terms.is_empty() => Ok(only),
            last => {
                terms.extend(last);
                Ok(Formula::Sum(terms))
            }
        }
    }

    fn product(&mut self) -> Result<Formula, String> {
        let mut formula = self.operand()?;
        loop {
            formula = match self.peek() {
                Some('*') => {
                    self.next();
                    Formula::Product(formula.into(), self.operand()?.into())
                }
                Some('/') => {
                    self.next();
                    Formula::Quotient(formula.into(), self.operand()?.into())
                }
                _ => return Ok(formula),
            };
        }
    }

    fn operand(&mut self) -> Result<Formula, String> {
        if self.take('(') {
            let inner = self.sum()?;
            self.expect(')')?;
            return Ok(inner);
        }
        match self.word() {
            "" => Err(self.error()),
            "jours" => Ok(Formula::Days),
            "avant" => {
                self.expect('(')?;
                let id = self.word();
                self.expect(')')?;
                Ok(Formula::Previous(id))
            }
            "sinon" => {
                self.expect('(')?;
                let first = self.sum()?;
                self.expect(',')?;
                let second = self.sum()?;
                self.expect(')')?;
                Ok(Formula::Either(first.into(), second.into()))
            }
            word if word.starts_with(|char: char| char.is_ascii_digit()) => {
                word.parse().map(Formula::Number).map_err(|_| self.error())
            }
            id => Ok(Formula::Item(id)),
        }
    }

    fn word(&mut self) -> &'static str {
        self.peek();
        let begin = self.at;
        while self.chars.peek().is_some_and(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.')) {
            self.next();
        }
        &self.text[begin..self.at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` is 6, `b` 4, `zero` 0, `loss` -2; all else is missing.
    struct Few;

    impl Values for Few {
        fn item(&mut self, id: &'static str) -> Result<Decimal, Undefined> {
            let known = [("a", 6), ("b", 4), ("zero", 0), ("loss", -2)];
            let value = known.iter().find(|(name, _)| *name == id).map(|(_, value)| Decimal::from(*value));
            value.ok_or_else(|| Undefined::Missing { item: id.to_owned() })
        }

        fn previous(&mut self, id: &'static str) -> Result<Decimal, Undefined> {
            Ok(self.item(id)? - Decimal::ONE)
        }

        fn days(&self) -> i64 {
            365
        }

        fn label(&self, id: &str) -> &'static str {
            match id {
                "a" => "Achats",
                "b" => "Bénéfice",
                "loss" => "Perte",
                _ => "Autre",
            }
        }
    }

    fn value(text: &'static str) -> Result<Decimal, Undefined> {
        Formula::read(text).unwrap().value(&mut Few)
    }

    #[test]
    fn formulas_are_computed_from_the_left_products_first() {
        for (text, expected) in [
            ("a - b - 1", "1"),
            ("a - b * 2", "-2"),
            ("(a - b) * 2", "4"),
            ("-a + b", "-2"),
            ("a / b / 2", "0.75"),
            ("100 * a / jours * 0.5", "0.8219178082191780821917808219"),
            ("a - avant(a)", "1"),
            ("sinon(unknown, b)", "4"),
            ("sinon(a, b)", "6"),
        ] {
            assert_eq!(value(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_needs_something_missing_is_missing() {
        let missing = Err(Undefined::Missing { item: "unknown".to_owned() });
        for text in ["a - unknown", "unknown * a", "a / unknown", "sinon(unknown, unknown)"] {
            assert_eq!(value(text), missing, "{text}");
        }
        // Undefined is not missing.
        assert!(matches!(value("sinon(a / zero, b)"), Err(Undefined::ZeroDenominator { .. })));
    }

    #[test]
    fn denominators_are_positive() {
        let denominator = "Perte".to_owned();
        assert_eq!(value("a / loss"), Err(Undefined::NegativeDenominator { denominator }));
        let denominator = "Bénéfice − 4".to_owned();
        assert_eq!(value("a / (b - 4)"), Err(Undefined::ZeroDenominator { denominator }));
    }

    #[test]
    fn numbers_too_large_to_keep_are_no_panic() {
        let large = "79000000000000000000000000000";
        assert_eq!(value("79000000000000000000000000000 * 2"), Err(Undefined::TooLarge), "{large}");
        assert_eq!(value("79000000000000000000000000000 + 79000000000000000000000000000"), Err(Undefined::TooLarge));
    }

    #[test]
    fn formulas_are_shown_in_words() {
        let formula = Formula::read("100 * (a - b) / sinon(loss, avant(b))").unwrap();
        let words = "100 × (Achats − Bénéfice) / Perte (à défaut, Bénéfice de l’exercice précédent)";
        assert_eq!(formula.words(&Few), words);
        assert_eq!(formula.items(), [("a", false), ("b", false), ("loss", false), ("b", true)]);
        assert_eq!(Formula::read("-a").unwrap().words(&Few), "−\u{a0}Achats");
    }

    #[test]
    fn what_is_no_formula_is_an_error() {
        for text in ["", "a +", "(a", "a b", "a)", "1.2.3", "sinon(a)", "avant(a", "a % b"] {
            assert!(Formula::read(text).is_err(), "{text}");
        }
    }
}

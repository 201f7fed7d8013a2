//! What the tool `calculer` computes: numbers, `+ - * /` and parentheses. The errors are in French: the model reads them.

use thiserror::Error;

/// The longest expression that is read, in characters.
const LONGEST: usize = 1000;
/// How deep parentheses and signs may be nested.
const DEEPEST: usize = 64;

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ExpressionError {
    #[error("l'expression est incomplète")]
    Incomplete,
    #[error("le caractère «\u{a0}{0}\u{a0}» n'est pas attendu à cet endroit")]
    Unexpected(char),
    #[error("l'expression est trop longue")]
    TooLong,
    #[error("l'expression a trop de parenthèses")]
    TooDeep,
    #[error("division par zéro")]
    DivisionByZero,
    #[error("le résultat est trop grand")]
    TooBig,
}

/// The value of `text`. Decimals are written with a comma or a point, thousands may be apart: `(1 250 - 980,5) / 3`.
///
/// # Errors
/// Where it is not an expression, or has no value.
pub(crate) fn evaluate(text: &str) -> Result<f64, ExpressionError> {
    let chars: Vec<char> = text.chars().take(LONGEST + 1).collect();
    if chars.len() > LONGEST {
        return Err(ExpressionError::TooLong);
    }
    let mut parser = Parser { chars: &chars, at: 0 };
    let value = parser.sum(0)?;
    match parser.peek() {
        None => Ok(value),
        Some(other) => Err(ExpressionError::Unexpected(other)),
    }
}

/// A value as the tool gives it back: at most ten decimals, and no zeros at the end.
pub(crate) fn written(value: f64) -> String {
    let text = format!("{value:.10}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
}

impl Parser<'_> {
    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|char| char.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: &[char]) -> Option<char> {
        let next = self.peek().filter(|next| wanted.contains(next))?;
        self.at += 1;
        Some(next)
    }

    fn sum(&mut self, depth: usize) -> Result<f64, ExpressionError> {
        let mut value = self.product(depth)?;
        while let Some(sign) = self.take(&['+', '-', '−']) {
            let other = self.product(depth)?;
            value = finite(if sign == '+' { value + other } else { value - other })?;
        }
        Ok(value)
    }

    fn product(&mut self, depth: usize) -> Result<f64, ExpressionError> {
        let mut value = self.factor(depth)?;
        while let Some(sign) = self.take(&['*', '×', '/', '÷']) {
            let other = self.factor(depth)?;
            let is_division = matches!(sign, '/' | '÷');
            if is_division && other == 0.0 {
                return Err(ExpressionError::DivisionByZero);
            }
            value = finite(if is_division { value / other } else { value * other })?;
        }
        Ok(value)
    }

    fn factor(&mut self, depth: usize) -> Result<f64, ExpressionError> {
        if depth > DEEPEST {
            return Err(ExpressionError::TooDeep);
        }
        if let Some(sign) = self.take(&['+', '-', '−']) {
            let value = self.factor(depth + 1)?;
            return Ok(if sign == '+' { value } else { -value });
        }
        if self.take(&['(']).is_some() {
            let value = self.sum(depth + 1)?;
            return match self.take(&[')']) {
                Some(_) => Ok(value),
                None => Err(self.peek().map_or(ExpressionError::Incomplete, ExpressionError::Unexpected)),
            };
        }
        self.number()
    }

    fn number(&mut self) -> Result<f64, ExpressionError> {
        match self.peek() {
            None => return Err(ExpressionError::Incomplete),
            Some(other) if !other.is_ascii_digit() => return Err(ExpressionError::Unexpected(other)),
            Some(_) => {}
        }
        let mut text = String::new();
        self.digits(&mut text);
        while self.is_group() {
            self.at += 1;
            self.digits(&mut text);
        }
        let is_point = matches!(self.chars.get(self.at), Some('.' | ','));
        if is_point && self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit) {
            text.push('.');
            self.at += 1;
            self.digits(&mut text);
        }
        finite(text.parse().map_err(|_| ExpressionError::Incomplete)?)
    }

    fn digits(&mut self, text: &mut String) {
        while let Some(digit) = self.chars.get(self.at).filter(|char| char.is_ascii_digit()) {
            text.push(*digit);
            self.at += 1;
        }
    }

    /// Whether a space and three digits come next, and no fourth.
    fn is_group(&self) -> bool {
        let is_digit = |at: usize| self.chars.get(at).is_some_and(char::is_ascii_digit);
        self.chars.get(self.at).is_some_and(|char| char.is_whitespace())
            && (1..=3).all(|ahead| is_digit(self.at + ahead))
            && !is_digit(self.at + 4)
    }
}

fn finite(value: f64) -> Result<f64, ExpressionError> {
    if value.is_finite() { Ok(value) } else { Err(ExpressionError::TooBig) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_come_before_sums_and_both_go_from_the_left() {
        for (text, value) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("10 - 4 - 3", 3.0),
            ("64 / 4 / 2", 8.0),
            ("-2 * -(3 - 5)", -4.0),
            ("− 1 250,5 × 2", -2501.0),
            ("12\u{202f}345 ÷ 100", 123.45),
            ("0.5/.25", f64::NAN),
        ] {
            match evaluate(text) {
                Ok(found) => assert!((found - value).abs() < 1e-9, "{text} is {found}"),
                Err(_) => assert!(value.is_nan(), "{text}"),
            }
        }
    }

    #[test]
    fn what_is_no_expression_is_named() {
        assert_eq!(evaluate(""), Err(ExpressionError::Incomplete));
        assert_eq!(evaluate("(1 + 2"), Err(ExpressionError::Incomplete));
        assert_eq!(evaluate("1 +"), Err(ExpressionError::Incomplete));
        assert_eq!(evaluate("1 2"), Err(ExpressionError::Unexpected('2')));
        assert_eq!(evaluate("1.2.3"), Err(ExpressionError::Unexpected('.')));
        assert_eq!(evaluate("2 ** 3"), Err(ExpressionError::Unexpected('*')));
        assert_eq!(evaluate("exp(1)"), Err(ExpressionError::Unexpected('e')));
        assert_eq!(evaluate("1 / (2 - 2)"), Err(ExpressionError::DivisionByZero));
        assert_eq!(evaluate(&"9".repeat(400)), Err(ExpressionError::TooBig));
    }

    #[test]
    fn no_expression_takes_the_stack_or_the_day() {
        assert_eq!(evaluate(&"(".repeat(500)), Err(ExpressionError::TooDeep));
        assert_eq!(evaluate(&"-".repeat(500)), Err(ExpressionError::TooDeep));
        assert_eq!(evaluate(&"1+".repeat(5000)), Err(ExpressionError::TooLong));
        assert_eq!(evaluate(&format!("{}1{}", "(".repeat(60), ")".repeat(60))), Ok(1.0));
    }

    #[test]
    fn values_are_written_without_zeros_at_the_end() {
        assert_eq!(written(1250.0), "1250");
        assert_eq!(written(0.1 + 0.2), "0.3");
        assert_eq!(written(-1.0 / 3.0), "-0.3333333333");
        assert_eq!(written(-0.0), "0");
    }
}

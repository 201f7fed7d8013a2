//! The text in which a question and one of its choices are scored.

use std::str::FromStr;

use thiserror::Error;

const QUESTION: &str = "{question}";
const CHOICE: &str = "{choice}";

/// Why a text is no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`{{question}}` and `{{choice}}` must both be in it, once")]
pub(crate) struct FormatError;

/// A text with a place for the question and one for the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(String);

/// A prompt, and where in it the choice is, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) prompt: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl FromStr for Format {
    type Err = FormatError;

    /// A backslash and an `n` are a line break, so that one can be written on a command line.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let text = text.replace("\\n", "\n");
        let is_once = |part| text.matches(part).count() == 1;
        if is_once(QUESTION) && is_once(CHOICE) { Ok(Self(text)) } else { Err(FormatError) }
    }
}

impl Format {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn fill(&self, question: &str, choice: &str) -> Filled {
        // The format is cut before it is filled: what a question says is never taken for a place.
        let (before, after) = self.0.split_once(CHOICE).expect("a format has a place for the choice");
        let before = before.replacen(QUESTION, question, 1);
        let after = after.replacen(QUESTION, question, 1);
        let start = before.chars().count();
        let end = start + choice.chars().count();
        Filled { prompt: before + choice + &after, start, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let format: Format = "Q\u{a0}: {question}\\nR\u{a0}: {choice}".parse().unwrap();
        let filled = format.fill("Où va {choice} ?", "À l'été");
        assert_eq!(filled.prompt, "Q\u{a0}: Où va {choice} ?\nR\u{a0}: À l'été");
        let choice: String = filled.prompt.chars().skip(filled.start).take(filled.end - filled.start).collect();
        assert_eq!(choice, "À l'été");
    }

    #[test]
    fn both_places_must_be_there_once() {
        for text in ["", "{question}", "{choice}", "{question} {choice} {choice}"] {
            assert_eq!(text.parse::<Format>(), Err(FormatError), "{text}");
        }
        assert_eq!("{choice}, {question}.".parse::<Format>().unwrap().fill("b", "a").prompt, "a, b.");
    }
}

//! Questions with four choices: the model is not asked to choose, but which choice it finds likeliest.
//!
//! Each choice is scored after the question. A choice's log-probability is divided by its bytes, as lm-eval's
//! `acc_norm` does, or the shortest would win; what the plain sum chooses is recorded, too.

use serde::Deserialize;

use super::{Outcome, share};
use crate::echo::{Token, prompt_tokens};
use crate::format::Format;
use crate::server::{Failure, Server};

/// A question, of whose choices one is right.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    question: String,
    choices: Vec<String>,
    answer: usize,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server, format: &Format) -> Result<Outcome, Failure> {
        let mut sums = Vec::with_capacity(self.choices.len());
        for choice in &self.choices {
            let filled = format.fill(&self.question, choice);
            let tokens = prompt_tokens(server, &filled.prompt).await?;
            let sum = sum(&tokens, filled.start, filled.end);
            sums.push(sum.ok_or_else(|| Failure::NotMeasurable("a choice begins with what nothing precedes".into()))?);
        }
        Ok(self.outcome(&sums))
    }

    fn outcome(&self, sums: &[f64]) -> Outcome {
        let per_byte: Vec<f64> =
            sums.iter().zip(&self.choices).map(|(sum, choice)| sum / choice.len().max(1) as f64).collect();
        let chosen = likeliest(&per_byte);
        let answer = chosen.and_then(|at| self.choices.get(at)).cloned().unwrap_or_default();
        Outcome::new(chosen == Some(self.answer), answer)
            .with("right by plain sum", share(likeliest(sums) == Some(self.answer)))
    }
}

/// The log-probability of what lies between `start` and `end`. A token that lies on the border belongs to the choice:
/// many tokenizers put the space before a word into its token. Nothing where a token has no log-probability.
fn sum(tokens: &[Token], start: usize, end: usize) -> Option<f64> {
    let belongs = |token: &&Token| token.start < end && (token.start >= start || token.end > start);
    tokens.iter().filter(belongs).map(|token| token.logprob).sum()
}

/// Nothing where the highest is not one alone: a model that finds all alike knows nothing.
fn likeliest(values: &[f64]) -> Option<usize> {
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut places = (0..values.len()).filter(|at| values[*at] == highest);
    places.next().filter(|_| places.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items;

    #[test]
    fn each_item_has_four_choices_and_a_right_one() {
        for file in [items::DEFINITIONS, items::REGULATION] {
            for item in file.read::<Item>().unwrap() {
                assert!(item.answer < 4 && item.choices.len() == 4, "{}", item.id);
                assert!(item.choices.iter().all(|choice| !choice.trim().is_empty()), "{}", item.id);
                let others = item.choices.iter().filter(|choice| **choice == item.choices[item.answer]);
                assert_eq!(others.count(), 1, "{}", item.id);
            }
        }
    }

    #[test]
    fn a_token_on_the_border_belongs_to_the_choice() {
        let token = |start, end, logprob| Token { start, end, logprob: Some(logprob) };
        let tokens = [token(0, 5, -1.0), token(5, 7, -2.0), token(7, 9, -4.0), token(9, 10, -8.0)];
        assert_eq!(sum(&tokens, 6, 9), Some(-6.0));
        assert_eq!(sum(&tokens, 5, 10), Some(-14.0));
        assert_eq!(sum(&tokens, 7, 10), Some(-12.0));
        assert_eq!(sum(&[Token { start: 0, end: 3, logprob: None }], 0, 3), None);
    }

    #[test]
    fn longer_choices_are_not_punished_for_it() {
        let choices = ["oui", "non, pas du tout", "peut-être", "rien"].map(str::to_owned).to_vec();
        let item = Item { id: String::new(), question: String::new(), choices, answer: 1 };
        let outcome = item.outcome(&[-3.0, -8.0, -9.0, -8.0]);
        assert_eq!((outcome.score, outcome.extras["right by plain sum"]), (1.0, 0.0));
        assert_eq!(outcome.answer, "non, pas du tout");
    }

    #[test]
    fn what_is_alike_is_not_known() {
        assert_eq!(likeliest(&[-1.0, -1.0, -2.0]), None);
        assert_eq!(likeliest(&[-3.0, -1.0, -2.0]), Some(1));
    }
}

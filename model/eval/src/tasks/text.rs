//! Bits per byte of running text: how much the model is surprised by it, whatever its tokens are.

use serde::Deserialize;

use super::Outcome;
use crate::echo::{Token, prompt_tokens};
use crate::server::{Failure, Server};

/// A text that was written for the set.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    text: String,
}

impl Item {
    pub(super) async fn judge(&self, server: &Server) -> Result<Outcome, Failure> {
        let tokens = prompt_tokens(server, &self.text).await?;
        outcome(&self.text, &tokens)
            .ok_or_else(|| Failure::NotMeasurable("the text is a single token that nothing precedes".to_owned()))
    }
}

/// The first token is left out, with its bytes, where nothing precedes it.
fn outcome(text: &str, tokens: &[Token]) -> Option<Outcome> {
    let first = tokens.first()?;
    let skipped = if first.logprob.is_none() { first.end } else { 0 };
    let bytes = text.chars().skip(skipped).map(char::len_utf8).sum::<usize>() as f64;
    let bits = -tokens.iter().filter_map(|token| token.logprob).sum::<f64>() / std::f64::consts::LN_2;
    let outcome = Outcome { score: bits / bytes, weight: bytes, ..Outcome::new(false, "") };
    (bytes > 0.0).then(|| outcome.with("tokens", tokens.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_precedes_is_left_out_with_its_bytes() {
        let token = |start, end, logprob| Token { start, end, logprob };
        let two = std::f64::consts::LN_2;
        // é takes two bytes: 4 bits over "té", 3 bytes; with the first token's 2 bits 6 bits over 6 bytes.
        let tokens = [token(0, 2, None), token(2, 3, Some(-two)), token(3, 4, Some(-3.0 * two))];
        let outcome = super::outcome("étté", &tokens).unwrap();
        assert_eq!((outcome.score, outcome.weight), (4.0 / 3.0, 3.0));
        let tokens = [token(0, 2, Some(-2.0 * two)), token(2, 4, Some(-4.0 * two))];
        let outcome = super::outcome("étté", &tokens).unwrap();
        assert_eq!((outcome.score, outcome.weight), (1.0, 6.0));
        assert_eq!(super::outcome("étté", &[token(0, 4, None)]), None);
    }
}

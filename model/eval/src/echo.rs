//! The log-probabilities of a prompt's tokens, read from a completion that gives the prompt back.
//!
//! Places are in characters, as OpenAI's `text_offset` has them. A server that gives no prompt back, or no
//! log-probabilities, is no worse than others: what needs them is not measurable.

use serde_json::Value;

use crate::server::{Failure, Server};

/// A token of a prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    /// Where its first character is.
    pub(crate) start: usize,
    /// Where the next token's is. A token that only ends a character begins and ends in the same place.
    pub(crate) end: usize,
    /// Nothing for one that nothing precedes.
    pub(crate) logprob: Option<f64>,
}

/// Asks for them.
pub(crate) async fn prompt_tokens(server: &Server, prompt: &str) -> Result<Vec<Token>, Failure> {
    read(prompt, &server.score(prompt).await?)
}

fn read(prompt: &str, response: &Value) -> Result<Vec<Token>, Failure> {
    let fail = |what: &str| Failure::NotMeasurable(what.to_owned());
    let choice = &response["choices"][0];
    if !choice["text"].as_str().is_some_and(|text| text.starts_with(prompt)) {
        return Err(fail("the server does not give the prompt back (`echo`)"));
    }
    let list = |name: &str| choice["logprobs"][name].as_array();
    let (Some(names), Some(logprobs), Some(offsets)) = (list("tokens"), list("token_logprobs"), list("text_offset"))
    else {
        return Err(fail("the server gives no log-probabilities of the prompt"));
    };
    let offsets: Option<Vec<usize>> = offsets.iter().map(|offset| usize::try_from(offset.as_u64()?).ok()).collect();
    let offsets = offsets.filter(|offsets| offsets.len() == logprobs.len() && names.len() == logprobs.len());
    let Some(offsets) = offsets else { return Err(fail("the server's log-probabilities are not of one length")) };

    let shift = shift(prompt, names, &offsets);
    let place = |at: usize| offsets.get(at).map(|offset| offset.saturating_sub(shift));
    let length = prompt.chars().count();
    let tokens: Vec<Token> = (0..offsets.len())
        .map_while(|at| {
            let start = place(at).filter(|start| *start < length)?;
            let end = place(at + 1).unwrap_or(length).clamp(start, length);
            Some(Token { start, end, logprob: logprobs[at].as_f64() })
        })
        .collect();
    // A server that gives only its own tokens begins where the prompt ends.
    if tokens.first().is_none_or(|first| first.start != 0) {
        return Err(fail("the server gives no log-probabilities of the prompt"));
    }
    if tokens.iter().skip(1).any(|token| token.logprob.is_none()) {
        return Err(fail("the server leaves out log-probabilities of the prompt"));
    }
    Ok(tokens)
}

/// How many characters a control token at the beginning, such as `<s>`, has moved all others: some servers count its
/// name, though it is no part of the text.
fn shift(prompt: &str, names: &[Value], offsets: &[usize]) -> usize {
    let Some(name) = names.first().and_then(Value::as_str) else { return 0 };
    let looks_like_control =
        name.starts_with('<') && name.ends_with('>') || name.starts_with('[') && name.ends_with(']');
    let length = name.chars().count();
    if looks_like_control && !prompt.starts_with(name) && offsets.get(1) == Some(&length) { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response(text: &str, tokens: &[&str], logprobs: &[Option<f64>], offsets: &[usize]) -> Value {
        let logprobs = json!({"tokens": tokens, "token_logprobs": logprobs, "text_offset": offsets});
        json!({"choices": [{"text": text, "logprobs": logprobs}]})
    }

    fn token(start: usize, end: usize, logprob: Option<f64>) -> Token {
        Token { start, end, logprob }
    }

    #[test]
    fn the_answers_own_token_is_none_of_the_prompt() {
        let response = response("L'été !", &["L'", "été", " !"], &[None, Some(-2.0), Some(-1.0)], &[0, 2, 5]);
        assert_eq!(read("L'été", &response).unwrap(), [token(0, 2, None), token(2, 5, Some(-2.0))]);
    }

    #[test]
    fn a_control_token_is_no_text() {
        let logprobs = [None, Some(-1.0), Some(-2.0), Some(-3.0)];
        let wanted = [token(0, 0, None), token(0, 1, Some(-1.0)), token(1, 2, Some(-2.0))];
        for offsets in [[0, 0, 1, 2], [0, 3, 4, 5]] {
            let response = response("abc", &["<s>", "a", "b", "c"], &logprobs, &offsets);
            assert_eq!(read("ab", &response).unwrap(), wanted, "{offsets:?}");
        }
    }

    #[test]
    fn a_token_within_a_character_has_no_width() {
        let names = ["a", "bytes:\\xc3", "bytes:\\xa9", "b"];
        let response = response("aéb", &names, &[Some(-1.0), Some(-2.0), Some(-3.0), Some(-4.0)], &[0, 1, 2, 2]);
        let tokens = read("aéb", &response).unwrap();
        assert_eq!(tokens[2], token(2, 2, Some(-3.0)));
        assert_eq!(tokens[3], token(2, 3, Some(-4.0)));
    }

    #[test]
    fn a_server_that_does_not_echo_is_not_measured() {
        let without = json!({"choices": [{"text": "abc", "logprobs": null}]});
        let own = response("abc", &["c"], &[Some(-1.0)], &[2]);
        let holes = response("abc", &["a", "b", "c"], &[None, None, Some(-1.0)], &[0, 1, 2]);
        let lengths = response("abc", &["a"], &[None, Some(-1.0)], &[0, 1]);
        for response in [json!({}), json!({"choices": [{"text": "c"}]}), without, own, holes, lengths] {
            assert!(matches!(read("ab", &response), Err(Failure::NotMeasurable(_))), "{response}");
        }
    }
}

//! What `/tokenize` and `/detokenize` are asked.

use std::sync::Arc;

use zyron_engine::Conversation;
use zyron_openapi::{Detokenize, DetokenizeRequest, Tokenize, TokenizeRequest};

use super::{completion, encode_error, messages, off_thread};
use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::serving::Serving;

/// Tokenizes a text or a conversation.
pub(crate) async fn tokenize(
    serving: &Arc<Serving>,
    limits: &LimitsConfig,
    request: TokenizeRequest,
) -> Result<Tokenize, ApiError> {
    let (special, opened) = (request.add_special_tokens.unwrap_or(true), request.add_generation_prompt.unwrap_or(true));
    let messages = match (&request.prompt, request.messages) {
        (Some(_), None) => None,
        (None, Some(given)) => Some(messages::read(given, 0, limits.max_messages, &serving.model.tokenizer)?),
        _ => return Err(ApiError::invalid("prompt", "Give `prompt` or `messages`, one of the two.")),
    };
    let unfit = match messages {
        None => request.add_generation_prompt.map(|_| ("add_generation_prompt", "messages")),
        Some(_) => request.add_special_tokens.map(|_| ("add_special_tokens", "prompt")),
    };
    if let Some((field, needed)) = unfit {
        return Err(ApiError::invalid(field, format!("`{field}` needs `{needed}`.")));
    }
    let prompt = request.prompt.unwrap_or_default();
    let spelled = request.return_token_strs.unwrap_or(false);
    let work = move |serving: &Serving| {
        let tokenizer = &serving.model.tokenizer;
        let tokens = match messages {
            None => tokenizer.encode(&prompt, special).map_err(|error| encode_error("prompt", &error))?,
            Some(messages) => {
                let conversation = Conversation { messages, add_generation_prompt: opened, ..Conversation::default() };
                super::prompt(conversation, false, serving, "messages")?
            }
        };
        let token_strs = spelled.then(|| tokens.iter().map(|&token| tokenizer.spelling(token)).collect());
        let max_model_len = serving.engine.context_length() as u64;
        Ok(Tokenize { count: tokens.len() as u64, max_model_len, tokens, token_strs })
    };
    off_thread(serving, limits, &serving.tokenizing, work).await
}

/// Turns tokens into text.
pub(crate) fn detokenize(serving: &Serving, request: DetokenizeRequest) -> Result<Detokenize, ApiError> {
    let tokenizer = &serving.model.tokenizer;
    let tokens = completion::known(request.tokens, tokenizer, "tokens")?;
    let bytes: Vec<u8> = tokens.iter().flat_map(|&token| tokenizer.shown_bytes(token).into_owned()).collect();
    Ok(Detokenize { prompt: String::from_utf8_lossy(&bytes).into_owned() })
}

//! `POST /tokenize`, `POST /detokenize` and `GET /tokenizer_info`: what lm-eval and clients of vLLM ask for.

use axum::Json;
use axum::extract::State;
use zyron_openapi::{Detokenize, DetokenizeRequest, ErrorResponse, Tokenize, TokenizeRequest, TokenizerInfo};

use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::state::AppState;
use crate::validate;

/// Tokenize a text or a conversation
#[utoipa::path(
    post,
    path = "/tokenize",
    tag = "Tokenizer",
    request_body(content = TokenizeRequest, example = json!({"prompt": "L’EBE mesure", "return_token_strs": true})),
    responses(
        (status = 200, description = "The tokens.", body = Tokenize),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn tokenize(
    State(app): State<AppState>,
    JsonBody(request): JsonBody<TokenizeRequest>,
) -> Result<Json<Tokenize>, ApiError> {
    let serving = app.serving_any(request.model.as_deref())?;
    Ok(Json(validate::tokenize(&serving, &app.limits(), request).await?))
}

/// Turn tokens into text
#[utoipa::path(
    post,
    path = "/detokenize",
    tag = "Tokenizer",
    request_body(content = DetokenizeRequest, example = json!({"tokens": [72, 105]})),
    responses(
        (status = 200, description = "The text.", body = Detokenize),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn detokenize(
    State(app): State<AppState>,
    JsonBody(request): JsonBody<DetokenizeRequest>,
) -> Result<Json<Detokenize>, ApiError> {
    let serving = app.serving_any(request.model.as_deref())?;
    Ok(Json(validate::detokenize(&serving, request)?))
}

/// Describe the tokenizer
///
/// That of the first model, where the server has several.
#[utoipa::path(
    get,
    path = "/tokenizer_info",
    tag = "Tokenizer",
    responses(
        (status = 200, description = "The tokenizer.", body = TokenizerInfo),
        (status = 404, description = "No model is loaded.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn info(State(app): State<AppState>) -> Result<Json<TokenizerInfo>, ApiError> {
    let serving = app.serving_any(None)?;
    let model = &serving.model;
    Ok(Json(TokenizerInfo {
        tokenizer_class: "zyron".to_owned(),
        vocab_size: model.tokenizer.vocabulary_size() as u64,
        model_max_length: serving.engine.context_length() as u64,
        bos_token: model.tokens.bos.clone(),
        eos_token: model.tokens.eos.clone(),
        pad_token: model.tokens.eos.clone(),
        chat_template: model.template.as_ref().map(|template| template.source().to_owned()),
    }))
}

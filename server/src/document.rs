//! The OpenAPI document: what each operation says of itself, and what holds for all of them.

use axum::http::StatusCode;
use utoipa::OpenApi;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};

use crate::middleware::ai_generated;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Zyron",
        description = "An OpenAI-compatible server for a French finance language model.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(
        zyron_openapi::ChatCompletionChunk,
        zyron_openapi::BatchLine,
        zyron_openapi::BatchResult,
        zyron_openapi::ErrorResponse,
        zyron_openapi::ResponseEvent,
    )),
    security(("api_key" = []))
)]
struct Document;

/// The document before the operations are added.
pub(crate) fn skeleton() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("api_key", scheme);
    document
}

/// Headers of every answer.
const HEADERS: [(&str, Type, &str); 3] = [
    ("x-request-id", Type::String, "The id under which the server's log has the request: the client's, or a new one."),
    ("openai-processing-ms", Type::Integer, "Milliseconds until the answer began."),
    ("openai-version", Type::String, "The version of OpenAI's API: 2020-10-01."),
];

/// Errors of any operation.
const ERRORS: [(StatusCode, &str); 3] = [
    (StatusCode::UNAUTHORIZED, "The key is missing or wrong."),
    (StatusCode::FORBIDDEN, "The key may not do that; or there is no key, and the host asked for is not this machine."),
    (StatusCode::INTERNAL_SERVER_ERROR, "The server failed; its log says why, under the request's id."),
];

/// Errors of an operation that reads a body.
const BODY_ERRORS: [(StatusCode, &str); 3] = [
    (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not of a type that this operation reads."),
];

/// Errors of an operation that generates.
const GENERATION_ERRORS: [(StatusCode, &str); 1] =
    [(StatusCode::GATEWAY_TIMEOUT, "The answer was not complete within the time the server allows.")];

/// Headers of an answer to a request with a key that has limits.
const QUOTA_HEADERS: [(&str, Type, &str); 6] = [
    ("x-ratelimit-limit-requests", Type::Integer, "How many requests the key may make, in a minute or else in a day."),
    ("x-ratelimit-remaining-requests", Type::Integer, "How many of these are left."),
    ("x-ratelimit-reset-requests", Type::String, "When all of them are there again, as `6m0s`."),
    ("x-ratelimit-limit-tokens", Type::Integer, "How many tokens the key may use, in a minute or else in a day."),
    ("x-ratelimit-remaining-tokens", Type::Integer, "How many of these are left."),
    ("x-ratelimit-reset-tokens", Type::String, "When all of them are there again, as `6m0s`."),
];

/// The error of an operation for whose number a key may have a limit.
const QUOTA_ERROR: (StatusCode, &str) =
    (StatusCode::TOO_MANY_REQUESTS, "The key has reached a limit; `Retry-After` says when to come back.");

/// Adds what holds for all operations.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten().filter(|_| ai_generated::generates(path))
        {
            if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
                let description = "Always `true`: a model has written this.";
                add_header(response, ai_generated::HEADER.as_str(), Type::String, description);
            }
        }
        if let Some(get) = &mut item.get {
            complete_operation(get, false);
        }
        for operation in [&mut item.post, &mut item.delete].into_iter().flatten() {
            complete_operation(operation, true);
        }
    }
}

/// `is_limited` where keys have limits for it.
fn complete_operation(operation: &mut Operation, is_limited: bool) {
    let responses = &mut operation.responses.responses;
    let is_public = operation.security.as_ref().is_some_and(|security| !security.is_empty());
    let generates = responses.contains_key("429");
    let errors = ERRORS
        .into_iter()
        .filter(|_| !is_public)
        .chain(BODY_ERRORS.into_iter().filter(|_| operation.request_body.is_some()))
        .chain(GENERATION_ERRORS.into_iter().filter(|_| generates))
        .chain(is_limited.then_some(QUOTA_ERROR));
    for (status, description) in errors {
        responses.entry(status.as_str().to_owned()).or_insert_with(|| RefOr::T(error(description)));
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        for (name, kind, description) in HEADERS {
            add_header(response, name, kind, description);
        }
        if !is_public && matches!(status.as_str(), "200" | "429") {
            for (name, kind, description) in QUOTA_HEADERS {
                add_header(response, name, kind, description);
            }
        }
        if status == "429" || status == "503" && generates {
            add_header(response, "retry-after", Type::Integer, "Seconds after which to try again.");
            add_header(response, "retry-after-ms", Type::Integer, "The same in milliseconds, which SDKs read first.");
        }
    }
}

fn error(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorResponse"))).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn add_header(response: &mut Response, name: &str, kind: Type, description: &str) {
    let schema = ObjectBuilder::new().schema_type(kind);
    let header = HeaderBuilder::new().schema(schema).description(Some(description)).build();
    response.headers.insert(name.to_owned(), header);
}

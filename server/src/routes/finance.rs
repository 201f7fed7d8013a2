//! `/v1/finance`: files to figures, and commentaries whose numbers are checked.
//!
//! Files are in memory for their request only; nothing of them is kept or logged.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use zyron_finance::import::{self, Options};
use zyron_finance::{Report, templates};
use zyron_openapi::finance::{FinanceFilesForm, FinanceTemplate};
use zyron_openapi::{
    ChatCompletion, ErrorResponse, FinanceAnalysisRequest, FinanceFilesRequest, FinanceReport, FinanceTemplateList,
    ServerSentEvent,
};

use super::chat_completions;
use crate::call::Call;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::extract::files::{Files, read};
use crate::state::AppState;
use crate::validate;

/// Read a company's files
///
/// A FEC, a balance générale, a bilan and compte de résultat, or an ESEF report: what they say, the soldes
/// intermédiaires de gestion, CAF, bilan fonctionnel and ratios that follow, each with its formula and its source, what
/// is worth a look, and what could not be read. Files are in memory for this request only.
#[utoipa::path(
    post,
    path = "/v1/finance/statements",
    tag = "Finance",
    request_body(content(
        (FinanceFilesRequest = "application/json"),
        (FinanceFilesForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "The figures.", body = FinanceReport),
        (status = 400, description = "The request is wrong, or a file cannot be read; `param` names it.", body = ErrorResponse),
        (status = 429, description = "The server is at its limit; `Retry-After` says when to come back.", body = ErrorResponse),
        (status = 503, description = "The server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn statements(
    State(app): State<AppState>,
    call: Call,
    request: Request,
) -> Result<Response, ApiError> {
    if app.is_draining() {
        return Err(ApiError::Draining);
    }
    // Before its body is read: files are large.
    let permit = app.reading().admit(call.applicant(0)).await?;
    let files = read(request, &app).await?;
    let work = move || {
        let _permit = permit;
        let report = FinanceReport { object: "finance.report".to_owned(), report: report(&files)? };
        serde_json::to_vec(&report).map_err(|_| ApiError::Internal)
    };
    let working = tokio::time::timeout_at(call.deadline().into(), tokio::task::spawn_blocking(work));
    let json = working.await.map_err(|_| ApiError::Timeout)?.map_err(|_| ApiError::Internal)??;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

fn report(files: &Files) -> Result<Report, ApiError> {
    let statement = import::read_all(&files.files, &Options { end: files.end });
    let statement = statement.map_err(|(at, error)| ApiError::InvalidRequest {
        message: error.to_string(),
        param: Some(at.map_or_else(|| "files".to_owned(), |at| format!("files[{at}]"))),
        code: Some("unreadable_file"),
    })?;
    Ok(Report::of(statement))
}

/// List the analyses on offer
#[utoipa::path(
    get,
    path = "/v1/finance/templates",
    tag = "Finance",
    responses((status = 200, description = "The analyses.", body = FinanceTemplateList))
)]
pub(crate) async fn list_templates() -> Json<FinanceTemplateList> {
    let template = |template: &templates::Template| FinanceTemplate {
        id: template.id.to_owned(),
        object: "finance.template".to_owned(),
        version: template.version,
        title: template.title.to_owned(),
        input: template.input,
    };
    Json(FinanceTemplateList { object: "list".to_owned(), data: templates::all().iter().map(template).collect() })
}

/// Comment a company's accounts
///
/// The model is given the figures with an identifier each, and every number of its answer is checked: it is a figure
/// (`source`), follows from figures (`derived`, with how), was in the question (`given`), or is `not_found`. The answer
/// is that of a chat completion, streamed or whole, with `zyron_facts` and `zyron_numbers`.
#[utoipa::path(
    post,
    path = "/v1/finance/analyses",
    tag = "Finance",
    request_body(content = FinanceAnalysisRequest, examples(
        ("question" = (summary = "A question about accounts", value = json!({
            "model": "MODEL", "max_completion_tokens": 64, "question": "Le chiffre d’affaires progresse-t-il ?",
            "statement": {"years": [
                {"end": "2023-12-31", "lines": {"ventes_marchandises": {"value": "1000000"}}},
                {"end": "2024-12-31", "lines": {"ventes_marchandises": {"value": "1250000"}}}
            ]}
        }))),
        ("template" = (summary = "A template about a text", value = json!({
            "model": "MODEL", "max_completion_tokens": 64, "template": "veille",
            "text": "Le règlement entre en vigueur le 1er janvier 2027."
        }))),
    )),
    responses(
        (status = 200, description = "The commentary.", content(
            (ChatCompletion = "application/json"),
            (ServerSentEvent = "text/event-stream"),
        )),
        (status = 400, description = "The request is wrong; `param` names the field.", body = ErrorResponse),
        (status = 404, description = "There is no such model.", body = ErrorResponse),
        (status = 429, description = "The server is at its limit; `Retry-After` says when to come back.", body = ErrorResponse),
        (status = 503, description = "The model is loading, or the server is shutting down.", body = ErrorResponse),
    )
)]
pub(crate) async fn analyses(
    State(app): State<AppState>,
    call: Call,
    JsonBody(request): JsonBody<FinanceAnalysisRequest>,
) -> Result<Response, ApiError> {
    let serving = &app.serving(&request.model)?;
    let job = validate::analysis(serving, &app.limits(), request).await?;
    chat_completions::answer(&call, serving, job).await
}

//! In place of a model: other OpenAI-compatible servers, to which requests are passed on.
//!
//! Zyron stays the front (keys, limits, queue, playground, errors in one form); vLLM, SGLang, NVIDIA Dynamo, Triton or
//! another Zyron do the work. Requests and answers pass as they are, within this server's limits: what a field means is
//! the other server's to say. A request goes to the healthy server that has the fewest, and to another if that one fails
//! before the first byte of its answer; never after, when the client has seen a part.

mod answer;
mod limits;
mod servers;

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use uuid::Uuid;

use self::answer::Answer;
use self::limits::Asked;
pub(crate) use self::servers::Servers;
use self::servers::{Visit, reason};
use crate::call::Call;
use crate::error::ApiError;
use crate::extract;
use crate::middleware::request_id::RequestId;
use crate::state::AppState;

/// Whether a path is one that other servers answer.
enum Passed {
    /// It is work, and waits for its turn.
    Work,
    /// It is answered at once.
    Question,
    /// It needs a model here.
    Refused,
    /// It is this server's own.
    Own,
}

fn passed(method: &Method, route: &str) -> Passed {
    match route {
        "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" if method == Method::POST => Passed::Work,
        "/v1/models" | "/v1/models/{model}" if method == Method::GET => Passed::Question,
        "/tokenize" | "/detokenize" | "/tokenizer_info" | "/v1/finance/analyses" => Passed::Refused,
        _ if route.starts_with("/v1/responses") || route.starts_with("/v1/admin/") => Passed::Refused,
        _ => Passed::Own,
    }
}

/// Passes requests on, where this server has no model but other servers.
pub(crate) async fn pass_on(
    State(app): State<AppState>,
    call: Call,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let passed = passed(request.method(), route);
    let Some(servers) = app.upstream().filter(|_| !matches!(passed, Passed::Own)) else {
        return Ok(next.run(request).await);
    };
    if app.is_draining() {
        return Err(ApiError::Draining);
    }
    let mut outgoing = Outgoing::of(&call, &request);
    match passed {
        Passed::Refused => Err(ApiError::NotPassedOn),
        Passed::Question | Passed::Own => forward(&call, servers, outgoing, None).await,
        Passed::Work => {
            let limits = &app.limits();
            let timeout = Duration::from_millis(app.config().server.body_timeout_ms);
            let body = extract::json_bytes(request, limits.max_body_bytes, timeout).await?;
            let asked = Asked::read(&body)?;
            asked.check(limits)?;
            call.charge(asked.model(), 0)?;
            outgoing.is_whole = !asked.is_streamed();
            outgoing.body = Some(asked.bounded(body, limits)?.into());
            if call.is_background() {
                servers.admission.until_idle().await;
            }
            let permit = servers.admission.admit(call.applicant(0)).await?;
            forward(&call, servers, outgoing, Some(Box::new(permit))).await
        }
    }
}

/// A request as it is passed on, to one server or, if that fails, another.
struct Outgoing {
    method: Method,
    /// Behind the server's address, which ends in `/v1`.
    path: String,
    id: Option<HeaderValue>,
    /// Whose trace it is part of.
    trace: HeaderMap,
    body: Option<Bytes>,
    /// Whether the answer comes in one piece, its first byte with its last.
    is_whole: bool,
}

impl Outgoing {
    fn of(call: &Call, request: &Request) -> Self {
        let path = request.uri().path();
        Self {
            method: request.method().clone(),
            path: path.strip_prefix("/v1").unwrap_or(path).to_owned(),
            id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
            trace: call.trace_headers(),
            body: None,
            is_whole: false,
        }
    }
}

/// Held until an answer has been passed on.
type Held = Option<Box<dyn Send + Sync>>;

/// When the work on a request began, and when it must have ended.
#[derive(Clone, Copy)]
struct Times {
    start: Instant,
    deadline: Instant,
}

async fn forward(call: &Call, servers: &Servers, outgoing: Outgoing, held: Held) -> Result<Response, ApiError> {
    let app = call.app();
    let times = Times { start: Instant::now(), deadline: call.deadline().into() };
    let mut tried = Vec::new();
    let mut refused = None;
    while let Some(visit) = servers.least_loaded(&tried) {
        tried.push(visit.server);
        match attempt(app, servers, &visit, &outgoing, times).await? {
            Outcome::Answered(answer) => return Ok(answer.into_response(call, visit, held, times)),
            // Another may have room.
            Outcome::Busy(answer) => refused = Some((answer, visit)),
            Outcome::Failed => {}
        }
    }
    if tried.is_empty() {
        tracing::warn!("no server is there to pass it on to");
    }
    match refused {
        Some((answer, visit)) => Ok(answer.into_response(call, visit, held, times)),
        None => Err(ApiError::UpstreamFailed),
    }
}

enum Outcome {
    /// The first bytes are here.
    Answered(Answer),
    /// It is at its limit.
    Busy(Answer),
    /// It cannot be reached, or says that it has failed.
    Failed,
}

/// # Errors
/// Where no other server is to be tried.
async fn attempt(
    app: &AppState,
    servers: &Servers,
    visit: &Visit,
    outgoing: &Outgoing,
    times: Times,
) -> Result<Outcome, ApiError> {
    let first_byte_timeout = Duration::from_millis(app.config().upstream.first_byte_timeout_ms);
    let latest =
        if outgoing.is_whole { times.deadline } else { times.deadline.min(Instant::now() + first_byte_timeout) };
    let begun = tokio::select! {
        begun = tokio::time::timeout_at(latest, Answer::begin(servers.request(visit, outgoing))) => begun,
        () = app.abort().cancelled() => return Err(ApiError::Draining),
    };
    let upstream = visit.name();
    let answer = match begun {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            let is_connect = error.is_connect();
            let reason = reason(error);
            tracing::error!(upstream, reason, "could not be asked");
            if is_connect {
                visit.unreachable(reason);
            } else {
                visit.suspect();
            }
            return Ok(Outcome::Failed);
        }
        // Asking another would be the same work again.
        Err(_) => {
            tracing::error!(upstream, "no answer in time");
            visit.suspect();
            return Err(ApiError::Timeout);
        }
    };
    match answer.status() {
        StatusCode::TOO_MANY_REQUESTS => return Ok(Outcome::Busy(answer)),
        status if status.is_server_error() => tracing::error!(upstream, %status, "failed"),
        // It is our key that is wrong, not the client's.
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            tracing::error!(upstream, %status, "does not accept this server's key");
        }
        _ => return Ok(Outcome::Answered(answer)),
    }
    visit.suspect();
    Ok(Outcome::Failed)
}

impl Servers {
    fn request(&self, visit: &Visit, outgoing: &Outgoing) -> reqwest::RequestBuilder {
        let mut request = self.client.request(outgoing.method.clone(), format!("{}{}", visit.base(), outgoing.path));
        request = request.headers(outgoing.trace.clone());
        if let Some(id) = outgoing.id.as_ref().and_then(as_uuid) {
            request = request.header("x-request-id", id);
        }
        match &outgoing.body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(body.clone()),
            None => request,
        }
    }
}

/// The id as servers take it that accept nothing but a UUID there, llama-cpp-python's among them; ours is one.
fn as_uuid(id: &HeaderValue) -> Option<String> {
    let id = id.to_str().ok()?;
    Uuid::try_parse(id.strip_prefix("req_").unwrap_or(id)).ok().map(|id| id.hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_passed_on_as_others_take_it() {
        let uuid = |id: &'static str| as_uuid(&HeaderValue::from_static(id));
        let ours = uuid("req_bd123a686b45429a9d11f99f6dc4068d");
        assert_eq!(ours.as_deref(), Some("bd123a68-6b45-429a-9d11-f99f6dc4068d"));
        assert_eq!(uuid("bd123a68-6b45-429a-9d11-f99f6dc4068d"), ours);
        assert_eq!(uuid("mine-1"), None);
    }
}

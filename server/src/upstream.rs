//! In place of a model: other OpenAI-compatible servers, to which requests are passed on.
//!
//! Zyron stays the front (keys, limits, queue, playground, errors in one form); vLLM, SGLang, NVIDIA Dynamo, Triton or
//! another Zyron do the work. Requests and answers pass as they are: what a field means is the other server's to say.
//! A request goes to the healthy server that has the fewest, and to another if that one fails before the first byte of
//! its answer; never after, when the client has seen a part.

mod answer;
mod servers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use uuid::Uuid;

use self::answer::Answer;
pub(crate) use self::servers::Servers;
use self::servers::Visit;
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
        "/v1/chat/completions" | "/v1/completions" if method == Method::POST => Passed::Work,
        "/v1/models" | "/v1/models/{model}" if method == Method::GET => Passed::Question,
        "/tokenize" | "/detokenize" | "/tokenizer_info" => Passed::Refused,
        _ if route.starts_with("/v1/responses") => Passed::Refused,
        _ => Passed::Own,
    }
}

/// Passes requests on, where this server has no model but other servers.
pub(crate) async fn pass_on(State(app): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let passed = passed(request.method(), route);
    let Some(servers) = app.upstream().filter(|_| !matches!(passed, Passed::Own)) else {
        return Ok(next.run(request).await);
    };
    if app.is_draining() {
        return Err(ApiError::Draining);
    }
    let mut call = Call::of(&request);
    match passed {
        Passed::Refused => Err(ApiError::NotPassedOn),
        Passed::Question | Passed::Own => forward(&app, servers, call, None).await,
        Passed::Work => {
            call.body = Some(extract::json_bytes(request, &app).await?.into());
            let permit = servers.admission.admit().await?;
            forward(&app, servers, call, Some(Box::new(permit))).await
        }
    }
}

/// A request as it is passed on, to one server or, if that fails, another.
struct Call {
    method: Method,
    /// Behind the server's address, which ends in `/v1`.
    path: String,
    id: Option<HeaderValue>,
    body: Option<Bytes>,
}

impl Call {
    fn of(request: &Request) -> Self {
        let path = request.uri().path();
        Self {
            method: request.method().clone(),
            path: path.strip_prefix("/v1").unwrap_or(path).to_owned(),
            id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
            body: None,
        }
    }
}

/// Held until an answer has been passed on.
type Held = Option<Box<dyn Send + Sync>>;

async fn forward(app: &AppState, servers: &Arc<Servers>, call: Call, held: Held) -> Result<Response, ApiError> {
    let start = Instant::now();
    let mut tried = Vec::new();
    let mut refused = None;
    while let Some(visit) = servers.least_loaded(&tried) {
        tried.push(visit.server);
        match attempt(app, servers, visit, &call).await {
            Outcome::Answered(answer) => return Ok(answer.into_response(app, held, start)),
            // Another may have room.
            Outcome::Busy(answer) => refused = Some(answer),
            Outcome::Failed => {}
            Outcome::TooLate => return Err(ApiError::Timeout),
        }
    }
    match refused {
        Some(answer) => Ok(answer.into_response(app, held, start)),
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
    /// It is silent: asking another would be the same work again.
    TooLate,
}

async fn attempt(app: &AppState, servers: &Arc<Servers>, visit: Visit, call: &Call) -> Outcome {
    let timeout = Duration::from_millis(app.config().upstream.first_byte_timeout_ms);
    let name = visit.name().to_owned();
    let first = async {
        let response = servers.request(&visit, call).send().await?;
        let status = response.status();
        let headers = response.headers().clone();
        let mut body = response.bytes_stream().boxed();
        let first = body.next().await.transpose()?;
        Ok::<_, reqwest::Error>(Answer::new(visit, status, &headers, first, body))
    };
    match tokio::time::timeout(timeout, first).await {
        Err(_) => {
            tracing::error!(upstream = name, "no answer in time");
            Outcome::TooLate
        }
        Ok(Err(error)) => {
            // Without its address, which may hold what is nobody's business.
            let error = error.without_url();
            tracing::error!(upstream = name, %error, "could not be asked");
            servers.note_failure(&name);
            Outcome::Failed
        }
        Ok(Ok(answer)) => match answer.status() {
            StatusCode::TOO_MANY_REQUESTS => Outcome::Busy(answer),
            status if status.is_server_error() => {
                tracing::error!(upstream = name, %status, "failed");
                Outcome::Failed
            }
            // It is our key that is wrong, not the client's.
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                tracing::error!(upstream = name, %status, "does not accept this server's key");
                Outcome::Failed
            }
            _ => Outcome::Answered(answer),
        },
    }
}

impl Servers {
    fn request(&self, visit: &Visit, call: &Call) -> reqwest::RequestBuilder {
        let mut request = self.client.request(call.method.clone(), format!("{}{}", visit.base(), call.path));
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(id) = call.id.as_ref().and_then(as_uuid) {
            request = request.header("x-request-id", id);
        }
        match &call.body {
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

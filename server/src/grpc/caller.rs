//! Who calls, as the router is to know it: the key, the name by which the server was called, the time that is left.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use axum::response::Response;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tower::ServiceExt;

use super::status;
use crate::middleware::call::TIMEOUT;
use crate::middleware::request_id;

/// How long a client gives a call, in gRPC's own words.
const GRPC_TIMEOUT: &str = "grpc-timeout";
/// What goes on to the router.
const PASSED: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::HOST,
    request_id::HEADER,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Whoever calls.
#[derive(Clone)]
pub(super) struct Caller {
    headers: HeaderMap,
    /// When the call must have ended, where the client says so.
    deadline: Option<Instant>,
}

impl Caller {
    /// By a call's metadata.
    ///
    /// # Errors
    /// A timeout that cannot be read.
    pub(super) fn of(metadata: &MetadataMap) -> Result<Self, Status> {
        let timeout = match metadata.get(GRPC_TIMEOUT) {
            Some(text) => {
                let timeout = text.to_str().ok().and_then(timeout);
                let wrong = "The metadata `grpc-timeout` must be digits and a unit, such as `10S`.";
                Some(timeout.ok_or_else(|| status::invalid(wrong))?)
            }
            None => None,
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Ok(Self::from_headers(metadata.as_ref(), deadline))
    }

    /// By a call's headers.
    pub(super) fn from_headers(given: &HeaderMap, deadline: Option<Instant>) -> Self {
        let passed = PASSED.into_iter().filter_map(|name| Some((name.clone(), given.get(name)?.clone())));
        Self { headers: passed.collect(), deadline }
    }

    /// For a call that is many requests, which cannot all have its id.
    pub(super) fn of_many(mut self) -> Self {
        self.headers.remove(request_id::HEADER);
        self
    }

    /// Asks the router for what it only has to look up.
    pub(super) async fn get(&self, router: &Router, path: &'static str) -> Response {
        self.ask(router, Method::GET, path, Body::empty(), None).await
    }

    /// Sends the router a JSON body. `timeout` is what this request says that it has, besides the call's own.
    pub(super) async fn post(
        &self,
        router: &Router,
        path: &'static str,
        body: Vec<u8>,
        timeout: Option<Duration>,
    ) -> Response {
        self.ask(router, Method::POST, path, body.into(), timeout).await
    }

    async fn ask(
        &self,
        router: &Router,
        method: Method,
        path: &'static str,
        body: Body,
        timeout: Option<Duration>,
    ) -> Response {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = axum::http::Uri::from_static(path);
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if let Some(left) = left.into_iter().chain(timeout).min() {
            // One that is over is refused by the first that looks at it.
            let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
            request.headers_mut().insert(TIMEOUT, HeaderValue::from(millis));
        }
        router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// Reads gRPC's form of a duration: at most eight digits, and a letter for the unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_a_unit() {
        let read = |text| timeout(text).map(|timeout| timeout.as_nanos());
        assert_eq!(read("1H"), Some(3_600_000_000_000));
        assert_eq!(read("2M"), Some(120_000_000_000));
        assert_eq!(read("99999999S"), Some(99_999_999_000_000_000));
        assert_eq!((read("5m"), read("5u"), read("5n")), (Some(5_000_000), Some(5_000), Some(5)));
        for wrong in ["", "S", "5", "5s", "+5S", "999999999S", "5é", "é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

//! What every call passes: which services there are, who may call, and how long the client may take to ask.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::Service as _;
use tower::service_fn;
use tower_http::catch_panic::CatchPanicLayer;
use zyron_grpc::grpc_inference_service_server::{GrpcInferenceServiceServer, SERVICE_NAME};

use super::caller::Caller;
use super::{Service, status};
use crate::error::ApiError;
use crate::middleware::auth;
use crate::state::AppState;

/// What a message has before it: whether it is compressed, and its length.
const MESSAGE_HEAD_BYTES: usize = 5;

/// Every service.
pub(super) fn router(service: Service, health: HealthServer<impl Health>) -> Router {
    let inference = service.clone();
    let inference = service_fn(move |request: Request| {
        // By the limits of now, which can change while the server runs.
        let limit = inference.app.limits().max_body_bytes;
        GrpcInferenceServiceServer::new(inference.clone()).max_decoding_message_size(limit).call(request)
    });
    let mut router = Router::new()
        .route_service(&format!("/{SERVICE_NAME}/{{call}}"), inference)
        .route_service("/grpc.health.v1.Health/{call}", health);
    let descriptions = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(zyron_grpc::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // They were written by the compiler of the protocol's file, and can be read.
    if let (Ok(v1), Ok(v1alpha)) = (descriptions().build_v1(), descriptions().build_v1alpha()) {
        router = router
            .route_service("/grpc.reflection.v1.ServerReflection/{call}", v1)
            .route_service("/grpc.reflection.v1alpha.ServerReflection/{call}", v1alpha);
    }
    router
        .fallback(|| async { told(status::unknown_call()) })
        .layer(from_fn_with_state(service, pass))
        .layer(CatchPanicLayer::custom(|_| told(status::refused(&ApiError::Internal))))
}

fn told(status: Status) -> Response {
    status.into_http()
}

/// Whether a call needs no key.
fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/")
        || path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(SERVICE_NAME))
            .is_some_and(|call| matches!(call, "/ServerLive" | "/ServerReady"))
}

/// Whether a client may go on asking for as long as it likes.
fn is_asked_in_a_stream(path: &str) -> bool {
    path.ends_with("/ModelStreamInfer") || path.starts_with("/grpc.reflection.")
}

/// Whether a call has no end of its own.
fn is_endless(path: &str) -> bool {
    path.starts_with("/grpc.health.") || path.starts_with("/grpc.reflection.")
}

async fn pass(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    // What is not gRPC by its own account may come from a web page, which needs nobody's leave to send it.
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|content_type| content_type.starts_with(b"application/grpc")) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    // HTTP/2 has it with the path.
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    let path = request.uri().path().to_owned();
    if !is_public(&path) && auth::identify(&service.app, request.uri(), request.headers()).is_err() {
        return told(refusal(&service, request.headers()).await);
    }
    if !is_asked_in_a_stream(&path) {
        request = match received(&service.app, request).await {
            Ok(request) => request,
            Err(error) => return told(status::refused(&error)),
        };
    }
    let response = next.run(request).await;
    if !is_endless(&path) {
        return response;
    }
    let draining = Box::pin(service.app.draining().clone().cancelled_owned());
    response.map(|body| Body::new(UntilDrained { body, draining, is_over: false }))
}

/// What the router says to somebody who may not ask: there, refusals are counted.
async fn refusal(service: &Service, headers: &HeaderMap) -> Status {
    let caller = Caller::from_headers(headers, None);
    match caller.get(&service.http, "/v1/models").await {
        // A key that has just come to be.
        response if response.status().is_success() => status::refused(&ApiError::Unauthorized),
        response => status::of(response).await,
    }
}

/// A request whose only message is here: a client that is slow to send it keeps nothing.
async fn received(app: &AppState, request: Request) -> Result<Request, ApiError> {
    let limit = app.limits().max_body_bytes;
    let patience = Duration::from_millis(app.config().server.body_timeout_ms);
    let (head, body) = request.into_parts();
    let body = Limited::new(body, limit.saturating_add(MESSAGE_HEAD_BYTES)).collect();
    let body = match tokio::time::timeout(patience, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(ApiError::PayloadTooLarge(limit)),
        Ok(Err(_)) => {
            return Err(ApiError::unreadable("The request could not be read to its end.", "invalid_body"));
        }
        Err(_) => return Err(ApiError::BodyTimeout),
    };
    Ok(Request::from_parts(head, Body::from(body)))
}

/// The answer to a call that nothing else would end, until the server drains.
struct UntilDrained {
    body: Body,
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
}

impl HttpBody for UntilDrained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.draining.as_mut().poll(context).is_pending() {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            return Poll::Ready(frame);
        }
        self.is_over = true;
        let mut trailers = HeaderMap::new();
        // A sentence is a header's value.
        let _ = status::refused(&ApiError::Draining).add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

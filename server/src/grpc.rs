//! The Open Inference Protocol over gRPC, which KServe and Triton speak, beside HTTP.
//!
//! A translator before the [`router`](crate::router): each call becomes a request to it, with the caller's key and the time
//! that the caller gives, and its answer becomes the call's. So keys, limits, queue, deadlines, metrics and audit are those
//! of HTTP, and are nowhere here.
//!
//! [`gate`] lets calls in → [`request`] reads the tensors → [`caller`] asks the router → [`answer`] makes tensors of what it
//! says, and [`status`] a status of what it refuses.

mod answer;
mod caller;
mod gate;
mod request;
mod status;

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use serde::Deserialize;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming, async_trait};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use zyron_grpc::grpc_inference_service_server::{GrpcInferenceService, SERVICE_NAME};
use zyron_grpc::model_metadata_response::TensorMetadata;
use zyron_grpc::{
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse, ModelReadyRequest,
    ModelReadyResponse, ModelStreamInferResponse, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest,
    ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};

use self::answer::Pieces;
use self::caller::Caller;
use self::request::Asked;
use crate::error::ApiError;
use crate::routes::health;
use crate::state::AppState;

/// The one version that each model has here.
const VERSION: &str = "1";
/// How late the health service says what has changed.
const HEALTH_INTERVAL: Duration = Duration::from_millis(500);

/// What answers gRPC's calls.
pub(crate) struct Grpc {
    app: AppState,
    router: Router,
    health: HealthReporter,
}

impl Grpc {
    /// `http` is whom it asks.
    pub(crate) async fn new(app: &AppState, http: Router) -> Self {
        let (health, health_service) = tonic_health::server::health_reporter();
        let router = gate::router(Service { app: app.clone(), http }, health_service);
        let grpc = Self { app: app.clone(), router, health };
        grpc.say_whether_ready().await;
        grpc
    }

    /// Every service, behind the gate.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Has the health service say, for as long as the server runs, whether it can be sent requests.
    pub(crate) async fn follow_health(&self) {
        loop {
            tokio::time::sleep(HEALTH_INTERVAL).await;
            self.say_whether_ready().await;
        }
    }

    async fn say_whether_ready(&self) {
        let is_ready = health::readiness(&self.app).is_ok();
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        // The empty name is the whole server.
        for service in ["", SERVICE_NAME] {
            self.health.set_service_status(service, status).await;
        }
    }
}

/// The calls of the protocol.
#[derive(Clone)]
struct Service {
    app: AppState,
    http: Router,
}

impl Service {
    /// Whether the router tells a caller that there is a model.
    async fn has_model(&self, caller: &Caller, name: &str, version: &str) -> Result<bool, Status> {
        // The list, for a name may have characters that a path may not.
        let response = caller.get(&self.http, "/v1/models").await;
        if response.status() != StatusCode::OK {
            return Err(status::of(response).await);
        }
        let models: Models = answer::read(response, self.app.config().grpc.max_answer_bytes).await?;
        Ok(is_version(version) && models.data.iter().any(|model| model.id == name))
    }

    /// An answer in one piece, with the headers that are for the caller.
    async fn whole(&self, caller: &Caller, asked: &Asked) -> Result<(ModelInferResponse, HeaderMap), Status> {
        let response = caller.post(&self.http, asked.route(), asked.body(), asked.timeout()).await;
        if response.status() != StatusCode::OK {
            return Err(status::of(response).await);
        }
        let headers = status::headers(response.headers());
        let head = answer::head(asked, response.headers());
        let said = answer::read(response, self.app.config().grpc.max_answer_bytes).await?;
        Ok((answer::whole(asked, head, said)?, headers))
    }

    /// The answers to one request of a stream, of which the last says that it is, unless there is an error.
    async fn answers(self, caller: Caller, request: ModelInferRequest) -> BoxStream<'static, ModelStreamInferResponse> {
        let (model, id) = (request.model_name.clone(), request.id.clone());
        let failed = move |status: &Status| stream::once(ready(answer::failure(&model, &id, status))).boxed();
        let asked = match Asked::read(request) {
            Ok(asked) => asked,
            Err(status) => return failed(&status),
        };
        if !asked.is_streamed() {
            return match self.whole(&caller, &asked).await {
                Ok((whole, _)) => stream::iter(answer::last(&asked, whole)).boxed(),
                Err(status) => failed(&status),
            };
        }
        let response = caller.post(&self.http, asked.route(), asked.body(), asked.timeout()).await;
        if response.status() != StatusCode::OK {
            return failed(&status::of(response).await);
        }
        stream::unfold(Pieces::new(asked, response), |mut pieces| async move {
            let piece = pieces.next().await?;
            Some((piece, pieces))
        })
        .boxed()
    }
}

/// Of a list of models what is looked at; it may be another server's.
#[derive(Deserialize)]
struct Models {
    data: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

fn is_version(version: &str) -> bool {
    matches!(version, "" | VERSION)
}

fn with_metadata<T>(message: T, headers: HeaderMap) -> Response<T> {
    Response::from_parts(MetadataMap::from_headers(headers), message, tonic::Extensions::default())
}

#[async_trait]
impl GrpcInferenceService for Service {
    async fn server_live(&self, _: Request<ServerLiveRequest>) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(&self, _: Request<ServerReadyRequest>) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: health::readiness(&self.app).is_ok() }))
    }

    /// As in Triton, a model that is not here is not ready, which is no error: clients wait for one to come.
    async fn model_ready(&self, request: Request<ModelReadyRequest>) -> Result<Response<ModelReadyResponse>, Status> {
        let caller = Caller::of(request.metadata())?;
        let ModelReadyRequest { name, version } = request.into_inner();
        match self.has_model(&caller, &name, &version).await {
            Ok(ready) => Ok(Response::new(ModelReadyResponse { ready })),
            Err(status) if status.code() == Code::Unavailable => Ok(Response::new(ModelReadyResponse { ready: false })),
            Err(status) => Err(status),
        }
    }

    async fn server_metadata(
        &self,
        _: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        let (name, version) = ("zyron".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Ok(Response::new(ServerMetadataResponse { name, version, extensions: vec!["model_stream_infer".to_owned()] }))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let caller = Caller::of(request.metadata())?;
        let ModelMetadataRequest { name, version } = request.into_inner();
        if !self.has_model(&caller, &name, &version).await? {
            return Err(status::unknown_model(&name, &version));
        }
        let tensors = |names: &[(&str, &str)], size| {
            let tensor = |&(name, datatype): &(&str, &str)| TensorMetadata {
                name: name.to_owned(),
                datatype: datatype.to_owned(),
                shape: vec![size],
            };
            names.iter().map(tensor).collect()
        };
        Ok(Response::new(ModelMetadataResponse {
            name,
            versions: vec![VERSION.to_owned()],
            platform: "zyron".to_owned(),
            inputs: tensors(request::INPUTS, 1),
            outputs: tensors(request::OUTPUTS, -1),
        }))
    }

    async fn model_infer(&self, request: Request<ModelInferRequest>) -> Result<Response<ModelInferResponse>, Status> {
        let caller = Caller::of(request.metadata())?;
        let asked = Asked::read(request.into_inner())?;
        if asked.is_streamed() {
            return Err(status::invalid("`stream` is for ModelStreamInfer; ModelInfer answers in one piece."));
        }
        let (answer, headers) = self.whole(&caller, &asked).await?;
        Ok(with_metadata(answer, headers))
    }

    type ModelStreamInferStream = BoxStream<'static, Result<ModelStreamInferResponse, Status>>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let caller = Caller::of(request.metadata())?.of_many();
        let service = self.clone();
        let draining = self.app.draining().clone();
        let requests = request.into_inner().take_until(draining.clone().cancelled_owned());
        // Dropped with the stream, and with them what they have under way.
        let answers =
            requests.flat_map_unordered(self.app.config().grpc.stream_requests, move |request| match request {
                Ok(request) => stream::once(service.clone().answers(caller.clone(), request)).flatten().map(Ok).boxed(),
                Err(status) => stream::once(ready(Err(status))).boxed(),
            });
        // What the client sends from then on is not read, and it is told.
        let end =
            stream::once(async move { draining.is_cancelled().then(|| Err(status::refused(&ApiError::Draining))) });
        Ok(Response::new(answers.chain(end.filter_map(ready)).boxed()))
    }
}

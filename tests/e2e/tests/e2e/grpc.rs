use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::{Stream, StreamExt, stream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::codegen::http::{self, Uri};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb;
use zyron_e2e::{FrontServer, ScriptedLoader, Setup, TestServer, setup};
use zyron_engine::scripted::Act;
use zyron_grpc::grpc_inference_service_client::GrpcInferenceServiceClient;
use zyron_grpc::infer_parameter::ParameterChoice;
use zyron_grpc::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use zyron_grpc::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
    ModelReadyRequest, ModelStreamInferResponse, ServerLiveRequest, ServerMetadataRequest, ServerReadyRequest,
};
use zyron_server::audit;
use zyron_server::keys::{Limits, Scope, Store};

type Http2 = Client<HttpConnector, tonic::body::Body>;
type Inference = GrpcInferenceServiceClient<Http2>;

fn grpc() -> Setup {
    setup().with("grpc.port", 0)
}

fn http2() -> Http2 {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

fn origin(address: &str) -> Uri {
    format!("http://{address}").parse().unwrap()
}

fn inference(server: &TestServer) -> Inference {
    GrpcInferenceServiceClient::with_origin(http2(), origin(server.grpc()))
}

/// A tensor and its raw content.
type Input = (InferInputTensor, Vec<u8>);

fn input(name: &str, datatype: &str, raw: Vec<u8>) -> Input {
    let (name, datatype) = (name.to_owned(), datatype.to_owned());
    (InferInputTensor { name, datatype, shape: vec![1], ..InferInputTensor::default() }, raw)
}

fn bytes(name: &str, text: impl AsRef<[u8]>) -> Input {
    let text = text.as_ref();
    input(name, "BYTES", [&u32::try_from(text.len()).unwrap().to_le_bytes(), text].concat())
}

fn flag(name: &str, is_set: bool) -> Input {
    input(name, "BOOL", vec![u8::from(is_set)])
}

fn text(text: &str) -> Input {
    bytes("text_input", text)
}

fn sampling(parameters: &Value) -> Input {
    bytes("sampling_parameters", parameters.to_string())
}

/// Much enough for what these tests have said.
fn long() -> Input {
    sampling(&json!({"max_tokens": 200}))
}

fn request(inputs: impl IntoIterator<Item = Input>) -> ModelInferRequest {
    let (inputs, raw_input_contents) = inputs.into_iter().unzip();
    let (model_name, id) = ("scripted".to_owned(), "7".to_owned());
    ModelInferRequest { model_name, id, inputs, raw_input_contents, ..ModelInferRequest::default() }
}

fn with_id(id: &str, request: ModelInferRequest) -> ModelInferRequest {
    ModelInferRequest { id: id.to_owned(), ..request }
}

fn parameter(choice: ParameterChoice) -> InferParameter {
    InferParameter { parameter_choice: Some(choice) }
}

fn raw<'a>(response: &'a ModelInferResponse, name: &str) -> Option<&'a [u8]> {
    let place = response.outputs.iter().position(|output| output.name == name)?;
    Some(&response.raw_output_contents[place])
}

/// The texts of an output.
fn texts(response: &ModelInferResponse, name: &str) -> Vec<String> {
    let mut rest = raw(response, name).unwrap_or_default();
    let mut texts = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (text, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        texts.push(String::from_utf8(text.to_vec()).unwrap());
        rest = after;
    }
    let output = response.outputs.iter().find(|output| output.name == name);
    assert_eq!(output.map_or(0, |output| output.shape[0]), texts.len() as i64);
    texts
}

fn number(response: &ModelInferResponse, name: &str) -> Option<u32> {
    raw(response, name).map(|raw| u32::from_le_bytes(raw.try_into().unwrap()))
}

fn told<'a>(response: &'a ModelInferResponse, name: &str) -> Option<&'a str> {
    match response.parameters.get(name)?.parameter_choice.as_ref()? {
        ParameterChoice::StringParam(text) => Some(text),
        _ => None,
    }
}

fn is_final(response: &ModelInferResponse) -> bool {
    response.parameters["triton_final_response"] == parameter(ParameterChoice::BoolParam(true))
}

async fn ask(server: &TestServer, request: ModelInferRequest) -> Result<ModelInferResponse, Status> {
    inference(server).model_infer(request).await.map(Response::into_inner)
}

async fn refused(server: &TestServer, request: ModelInferRequest) -> Status {
    ask(server, request).await.unwrap_err()
}

async fn open(server: &TestServer, requests: Vec<ModelInferRequest>) -> Streaming<ModelStreamInferResponse> {
    inference(server).model_stream_infer(stream::iter(requests)).await.unwrap().into_inner()
}

/// Every answer of a stream that ends well.
async fn all(answers: impl Stream<Item = Result<ModelStreamInferResponse, Status>>) -> Vec<ModelStreamInferResponse> {
    answers.map(|answer| answer.expect("the stream ends well")).collect().await
}

fn response(answer: &ModelStreamInferResponse) -> &ModelInferResponse {
    answer.infer_response.as_ref().unwrap()
}

/// What the answers to the request `id` say in all.
fn said(answers: &[ModelStreamInferResponse], id: &str) -> String {
    let own = answers.iter().map(response).filter(|response| response.id == id);
    own.flat_map(|response| texts(response, "text_output")).collect()
}

#[tokio::test]
async fn a_text_is_continued_in_one_piece() {
    let server = grpc().says("Bonjour, é.").await;
    let answer = inference(&server).model_infer(request([text("Salut"), long()])).await.unwrap();
    let metadata = answer.metadata().clone();
    let answer = answer.into_inner();
    assert_eq!((answer.model_name.as_str(), answer.model_version.as_str(), answer.id.as_str()), ("scripted", "1", "7"));
    // As Triton's vLLM backend: what is not streamed has the prompt before it, unless it is excluded.
    assert_eq!(texts(&answer, "text_output"), ["SalutBonjour, é."]);
    assert_eq!(answer.outputs.len(), 1);
    assert_eq!(told(&answer, "x-ai-generated"), Some("true"));
    assert_eq!(told(&answer, "x-request-id").unwrap(), metadata.get("x-request-id").unwrap());
    let counted = ["return_finish_reason", "return_num_input_tokens", "return_num_output_tokens"];
    let counted = counted.map(|name| flag(name, true));
    let inputs = [text("Salut"), long(), flag("exclude_input_in_output", true)].into_iter().chain(counted);
    let answer = ask(&server, request(inputs)).await.unwrap();
    assert_eq!(texts(&answer, "text_output"), ["Bonjour, é."]);
    assert_eq!(texts(&answer, "finish_reason"), ["stop"]);
    // Tokens are bytes, and one ends the answer.
    assert_eq!((number(&answer, "num_input_tokens"), number(&answer, "num_output_tokens")), (Some(5), Some(13)));
}

#[tokio::test]
async fn only_the_outputs_that_are_named_come() {
    let server = grpc().says("ok").await;
    let mut asked = request([text("Salut")]);
    let output = |name: &str| InferRequestedOutputTensor { name: name.to_owned(), parameters: BTreeMap::new() };
    asked.outputs = vec![output("finish_reason"), output("num_output_tokens")];
    let answer = ask(&server, asked.clone()).await.unwrap();
    let names: Vec<&str> = answer.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(names, ["finish_reason", "num_output_tokens"]);
    asked.outputs.push(output("logits"));
    let status = refused(&server, asked).await;
    assert!(status.code() == Code::InvalidArgument && status.message().contains("`logits`"), "{status}");
}

#[tokio::test]
async fn elements_may_be_typed() {
    let server = grpc().says("ok").await;
    let mut asked = request([text("Salut"), flag("exclude_input_in_output", true)]);
    asked.raw_input_contents.clear();
    let (bytes_contents, bool_contents) = (vec![b"Salut".to_vec()], vec![true]);
    asked.inputs[0].contents = Some(InferTensorContents { bytes_contents, ..InferTensorContents::default() });
    asked.inputs[1].contents = Some(InferTensorContents { bool_contents, ..InferTensorContents::default() });
    assert_eq!(texts(&ask(&server, asked).await.unwrap(), "text_output"), ["ok"]);
}

#[tokio::test]
async fn a_conversation_is_answered() {
    let server = grpc().obeys().await;
    let messages = json!([{"role": "user", "content": "say Bonsoir"}]).to_string();
    let answer = ask(&server, request([bytes("messages", &messages)])).await.unwrap();
    assert_eq!(texts(&answer, "text_output"), ["Bonsoir"]);
    let asked = request([bytes("messages", &messages), flag("stream", true)]);
    assert_eq!(said(&all(open(&server, vec![asked]).await).await, "7"), "Bonsoir");
    let both = refused(&server, request([bytes("messages", &messages), text("a")])).await;
    assert!(both.message().contains("exclude each other"), "{both}");
    let none = refused(&server, request([bytes("messages", "[")])).await;
    assert!(none.code() == Code::InvalidArgument && none.message().contains("`messages`"), "{none}");
    let wrong = refused(&server, request([bytes("messages", r#"[{"role":"user","content":3}]"#)])).await;
    assert!(wrong.message().contains("messages[0].content"), "{wrong}");
}

#[tokio::test]
async fn a_streamed_answer_comes_in_pieces_and_says_which_is_the_last() {
    let server = grpc().plays(|_, _| vec![Act::Say("ab".into()), Act::Stall, Act::Say("cd".into())]).await;
    let counted = [flag("stream", true), flag("return_finish_reason", true), flag("return_num_output_tokens", true)];
    let mut answers = open(&server, vec![request([text("Salut")].into_iter().chain(counted))]).await;
    let mut pieces = vec![answers.message().await.unwrap().unwrap()];
    while said(&pieces, "7") != "ab" {
        pieces.push(answers.message().await.unwrap().unwrap());
    }
    server.engine.resume();
    pieces.extend(all(answers).await);
    assert_eq!(said(&pieces, "7"), "abcd");
    assert!(pieces.iter().all(|piece| piece.error_message.is_empty()));
    let (last, before) = pieces.split_last().unwrap();
    assert!(is_final(response(last)) && !before.iter().map(response).any(is_final));
    assert_eq!(texts(response(last), "finish_reason"), ["stop"]);
    assert_eq!(number(response(last), "num_output_tokens"), Some(5));
    assert_eq!(told(response(last), "x-ai-generated"), Some("true"));
    assert!(told(response(last), "x-request-id").is_some());
}

#[tokio::test]
async fn an_empty_end_comes_where_it_is_asked_for() {
    let server = grpc().says("ab").await;
    for is_streamed in [true, false] {
        let mut asked = request([text("Salut"), flag("stream", is_streamed), flag("exclude_input_in_output", true)]);
        let name = "triton_enable_empty_final_response".to_owned();
        asked.parameters.insert(name, parameter(ParameterChoice::BoolParam(true)));
        let answers = all(open(&server, vec![asked]).await).await;
        assert_eq!(said(&answers, "7"), "ab");
        let finals: Vec<bool> = answers.iter().map(|answer| is_final(response(answer))).collect();
        let ends = finals.iter().filter(|is_final| **is_final).count();
        assert!(ends == 1 && finals.last() == Some(&true), "{finals:?}");
        assert!(response(answers.last().unwrap()).outputs.is_empty());
    }
}

#[tokio::test]
async fn a_stream_takes_many_requests_and_a_wrong_one_ends_none() {
    let server = grpc().parallelism(4).obeys().await;
    let say = |id: &str, is_streamed| {
        let inputs =
            [text(&format!("say {id}{id}")), flag("stream", is_streamed), flag("exclude_input_in_output", true)];
        with_id(id, request(inputs))
    };
    let mut unknown = say("u", true);
    unknown.model_name = "nobody".to_owned();
    let failing = with_id("f", request([text("fail"), flag("stream", true)]));
    let wrong = with_id("w", request([flag("stream", true)]));
    let asked = vec![say("a", true), wrong, say("b", false), unknown, say("c", true), failing, say("d", true)];
    let answers = all(open(&server, asked).await).await;
    for id in ["a", "b", "c", "d"] {
        assert_eq!(said(&answers, id), format!("{id}{id}"));
    }
    let errors: BTreeMap<&str, &str> = answers
        .iter()
        .filter(|answer| !answer.error_message.is_empty())
        .map(|answer| (response(answer).id.as_str(), answer.error_message.as_str()))
        .collect();
    assert_eq!(errors.keys().copied().collect::<Vec<_>>(), ["f", "u", "w"]);
    assert!(errors["u"].contains("`nobody`") && errors["w"].contains("`text_input`"), "{errors:?}");
    assert!(errors["f"].contains("failed") && !errors["f"].contains("script"), "{errors:?}");
    for id in ["a", "b", "c", "d", "f", "u", "w"] {
        let own: Vec<bool> = answers.iter().map(response).filter(|own| own.id == id).map(is_final).collect();
        assert!(own.last() == Some(&true) && own.iter().filter(|is_final| **is_final).count() == 1, "{id}: {own:?}");
    }
}

#[tokio::test]
async fn more_requests_than_a_stream_works_on_wait_to_be_read() {
    let server = grpc().with("grpc.stream_requests", 2).with("admission.max_queue", 1).obeys().await;
    let asked = (0..40).map(|number| with_id(&number.to_string(), request([text("say ok"), flag("stream", true)])));
    let answers = all(open(&server, asked.collect()).await).await;
    // Two at a time are one that runs and one that waits: none finds the queue full.
    for number in 0..40 {
        assert_eq!(said(&answers, &number.to_string()), "ok");
    }
}

#[tokio::test]
async fn several_answers_are_one_tensor() {
    let server = grpc().parallelism(2).says("ok").await;
    let inputs = |is_streamed| {
        let flags =
            [flag("stream", is_streamed), flag("exclude_input_in_output", true), flag("return_finish_reason", true)];
        [text("Salut"), sampling(&json!({"n": 2}))].into_iter().chain(flags)
    };
    let answer = ask(&server, request(inputs(false))).await.unwrap();
    assert_eq!(texts(&answer, "text_output"), ["ok", "ok"]);
    let answers = all(open(&server, vec![request(inputs(true))]).await).await;
    let mut sums = [String::new(), String::new()];
    for answer in &answers {
        let texts = texts(response(answer), "text_output");
        sums.iter_mut().zip(texts).for_each(|(sum, text)| sum.push_str(&text));
    }
    assert_eq!(sums, ["ok", "ok"]);
    assert_eq!(answers.iter().filter(|answer| is_final(response(answer))).count(), 1);
}

#[tokio::test]
async fn parameters_are_those_of_completions() {
    let server = grpc().says("abcdefgh").await;
    let quiet = || flag("exclude_input_in_output", true);
    let ask_with = async |tensor: Option<Value>, parameters: Vec<(&str, ParameterChoice)>| {
        let mut asked = request([text("Salut"), quiet()].into_iter().chain(tensor.as_ref().map(sampling)));
        asked.parameters = parameters.into_iter().map(|(name, it)| (name.to_owned(), parameter(it))).collect();
        ask(&server, asked).await
    };
    let said = |answer: Result<ModelInferResponse, Status>| texts(&answer.unwrap(), "text_output").concat();
    assert_eq!(said(ask_with(Some(json!({"max_tokens": 3})), vec![]).await), "abc");
    // Callers of Triton write numbers as texts.
    let written = json!({"temperature": "0.1", "top_p": "0.95", "max_tokens": "2"});
    assert_eq!(said(ask_with(Some(written.clone()), vec![]).await), "ab");
    assert_eq!(said(ask_with(None, vec![("max_tokens", ParameterChoice::Int64Param(4))]).await), "abcd");
    let both = vec![("max_tokens", ParameterChoice::StringParam("4".to_owned()))];
    assert_eq!(said(ask_with(Some(written), both).await), "ab");
    let stop = vec![("stop", ParameterChoice::StringParam("d".to_owned()))];
    assert_eq!(said(ask_with(None, stop).await), "abc");
    let refused = async |tensor: Value| ask_with(Some(tensor), vec![]).await.unwrap_err();
    for (parameters, named) in [
        (json!({"tempreature": 1}), "`tempreature`"),
        (json!({"temperature": 9}), "`temperature`"),
        (json!({"max_tokens": "many"}), "`max_tokens`"),
        (json!({"model": "other"}), "`model`"),
        (json!({"stream": true}), "`stream`"),
        (json!({"logprobs": 1}), "`logprobs`"),
        (json!({"tools": []}), "`tools`"),
        (json!({"n": 1000}), "`n`"),
        (json!([1]), "`sampling_parameters`"),
    ] {
        let status = refused(parameters.clone()).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{parameters}: {status}");
        assert!(status.message().contains(named), "{parameters}: {status}");
    }
    let endless = vec![("temperature", ParameterChoice::DoubleParam(f64::NAN))];
    assert!(ask_with(None, endless).await.unwrap_err().message().contains("`temperature`"));
    let priority = vec![("priority", ParameterChoice::Uint64Param(1))];
    assert!(ask_with(None, priority).await.unwrap_err().message().contains("`priority`"));
}

#[tokio::test]
async fn what_is_wrong_with_an_input_is_said_with_its_name() {
    let server = grpc().says("ok").await;
    let shaped = |shape: &[i64]| {
        let mut input = text("a");
        input.0.shape = shape.to_vec();
        input
    };
    let mut shared = text("a");
    shared.0.parameters.insert("shared_memory_region".into(), parameter(ParameterChoice::StringParam("r".into())));
    let cases = [
        (vec![], "`text_input`"),
        (vec![text("a"), text("b")], "`text_input`"),
        (vec![text("a"), bytes("image", "i")], "`image`"),
        (vec![shaped(&[2])], "`text_input`"),
        (vec![shaped(&[1, 1])], "`text_input`"),
        (vec![shaped(&[])], "`text_input`"),
        (vec![shared], "`shared_memory_region`"),
        (vec![input("text_input", "INT32", vec![0; 4])], "`text_input`"),
        (vec![input("text_input", "BYTES", vec![9, 0, 0, 0, b'a'])], "`text_input`"),
        (vec![input("text_input", "BYTES", vec![1])], "`text_input`"),
        (vec![input("text_input", "BYTES", [1, 0, 0, 0, b'a', 0, 0, 0, 0].to_vec())], "`text_input`"),
        (vec![bytes("text_input", [0xff])], "UTF-8"),
        (vec![text("a"), input("stream", "BOOL", vec![2])], "`stream`"),
        (vec![text("a"), input("stream", "BOOL", vec![])], "`stream`"),
        (vec![text("a"), flag("stream", true)], "`stream`"),
        (vec![text("a"), bytes("sampling_parameters", "{")], "`sampling_parameters`"),
    ];
    for (inputs, named) in cases {
        let status = refused(&server, request(inputs.clone())).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{inputs:?}: {status}");
        assert!(status.message().contains(named), "{inputs:?}: {status}");
    }
    let mut doubled = request([text("a")]);
    doubled.inputs[0].contents = Some(InferTensorContents::default());
    assert!(refused(&server, doubled.clone()).await.message().contains("`contents`"));
    doubled.raw_input_contents.clear();
    assert!(refused(&server, doubled.clone()).await.message().contains("`text_input`"));
    doubled.inputs[0].contents = None;
    assert!(refused(&server, doubled).await.message().contains("has no content"));
    let mut uneven = request([text("a")]);
    uneven.raw_input_contents.push(Vec::new());
    assert!(refused(&server, uneven).await.message().contains("`raw_input_contents`"));
    let echoed = request([text("a"), flag("stream", true), flag("exclude_input_in_output", false)]);
    let answers = all(open(&server, vec![echoed]).await).await;
    assert!(answers[0].error_message.contains("`exclude_input_in_output`"), "{answers:?}");
    // A name as long as it likes makes no message as long.
    let status = refused(&server, request([bytes(&"x".repeat(100_000), "a")])).await;
    assert!(status.code() == Code::InvalidArgument && status.message().len() < 2000);
}

#[tokio::test]
async fn models_and_the_server_describe_themselves() {
    let server = grpc().loads(ScriptedLoader::new(1)).await;
    let mut client = inference(&server);
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let metadata = client.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!(metadata.name, "zyron");
    assert!(!metadata.version.is_empty());
    for (name, version, is_ready) in
        [("scripted", "", true), ("scripted", "1", true), ("scripted", "2", false), ("a/b ?", "", false)]
    {
        let (name, version) = (name.to_owned(), version.to_owned());
        let asked = ModelReadyRequest { name: name.clone(), version: version.clone() };
        assert_eq!(client.model_ready(asked).await.unwrap().into_inner().ready, is_ready, "{name} {version}");
        let described = client.model_metadata(ModelMetadataRequest { name: name.clone(), version }).await;
        match described {
            Ok(described) => {
                let described = described.into_inner();
                assert!(is_ready && described.name == name && described.versions == ["1"]);
                let inputs: Vec<&str> = described.inputs.iter().map(|input| input.name.as_str()).collect();
                assert!(inputs.contains(&"text_input") && inputs.contains(&"messages"), "{inputs:?}");
                assert!(described.outputs.iter().any(|output| output.name == "text_output"));
            }
            Err(status) => assert!(!is_ready && status.code() == Code::NotFound, "{status}"),
        }
    }
    let mut asked = request([text("a")]);
    asked.model_version = "2".to_owned();
    assert_eq!(refused(&server, asked).await.code(), Code::NotFound);
}

#[tokio::test]
async fn while_the_model_loads_nothing_is_ready_and_that_is_said() {
    let server = grpc().still_loading().says("ok").await;
    let mut client = inference(&server);
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(!client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let asked = ModelReadyRequest { name: "scripted".to_owned(), version: String::new() };
    assert!(!client.model_ready(asked).await.unwrap().into_inner().ready);
    let status = refused(&server, request([text("a")])).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.metadata().contains_key("grpc-retry-pushback-ms"));
    let health = HealthClient::with_origin(http2(), origin(server.grpc()));
    assert_eq!(serving(health, "").await.unwrap(), ServingStatus::NotServing);
}

async fn serving(mut health: HealthClient<Http2>, service: &str) -> Result<ServingStatus, Status> {
    let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn the_health_service_says_it_without_a_key() {
    let server = grpc().key("a-long-enough-key").says("ok").await;
    let health = || HealthClient::with_origin(http2(), origin(server.grpc()));
    for service in ["", "inference.GRPCInferenceService"] {
        assert_eq!(serving(health(), service).await.unwrap(), ServingStatus::Serving, "{service}");
    }
    assert_eq!(serving(health(), "nobody").await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_describes_every_service() {
    let server = grpc().says("ok").await;
    macro_rules! listed {
        ($version:ident) => {{
            use pb::$version::server_reflection_client::ServerReflectionClient;
            use pb::$version::server_reflection_request::MessageRequest;
            use pb::$version::server_reflection_response::MessageResponse;
            let mut client = ServerReflectionClient::with_origin(http2(), origin(server.grpc()));
            let asked =
                |message| pb::$version::ServerReflectionRequest { host: String::new(), message_request: Some(message) };
            let requests = stream::iter([
                asked(MessageRequest::ListServices(String::new())),
                asked(MessageRequest::FileContainingSymbol("inference.GRPCInferenceService.ModelInfer".to_owned())),
            ]);
            let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
            let listed = answers.message().await.unwrap().unwrap().message_response;
            let Some(MessageResponse::ListServicesResponse(listed)) = listed else { panic!("{listed:?}") };
            let file = answers.message().await.unwrap().unwrap().message_response;
            let Some(MessageResponse::FileDescriptorResponse(file)) = file else { panic!("{file:?}") };
            assert!(!file.file_descriptor_proto[0].is_empty());
            listed.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
        }};
    }
    for names in [listed!(v1), listed!(v1alpha)] {
        for name in ["inference.GRPCInferenceService", "grpc.health.v1.Health"] {
            assert!(names.iter().any(|listed| listed == name), "{names:?}");
        }
    }
}

fn with_key<T>(message: T, key: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    request
}

fn keyed<T>(message: T, key: &str) -> Request<T> {
    with_key(message, Some(key))
}

#[tokio::test]
async fn without_a_key_nothing_is_answered_but_whether_it_is_there() {
    const KEY: &str = "a-long-enough-key";
    let server = grpc().key(KEY).says("ok").await;
    let mut client = inference(&server);
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let named = || ModelReadyRequest { name: "scripted".to_owned(), version: String::new() };
    for key in [None, Some("another-long-key"), Some("")] {
        let stream = stream::iter([request([text("a")])]);
        let refusals = [
            client.server_metadata(with_key(ServerMetadataRequest {}, key)).await.unwrap_err(),
            client.model_ready(with_key(named(), key)).await.unwrap_err(),
            client.model_infer(with_key(request([text("a")]), key)).await.unwrap_err(),
            client.model_stream_infer(with_key(stream, key)).await.unwrap_err(),
        ];
        for status in refusals {
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
            assert!(status.message().contains("API key"), "{status}");
        }
    }
    let mut reflection =
        pb::v1::server_reflection_client::ServerReflectionClient::with_origin(http2(), origin(server.grpc()));
    let status = reflection.server_reflection_info(stream::empty()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(client.server_metadata(keyed(ServerMetadataRequest {}, KEY)).await.unwrap().into_inner().name, "zyron");
    assert!(client.model_ready(keyed(named(), KEY)).await.unwrap().into_inner().ready);
    let answer = client.model_infer(keyed(request([text("a")]), KEY)).await.unwrap().into_inner();
    assert_eq!(texts(&answer, "text_output"), ["aok"]);
    let requests = stream::iter([request([text("a"), flag("stream", true)])]);
    let answers = client.model_stream_infer(keyed(requests, KEY)).await.unwrap().into_inner();
    assert_eq!(said(&all(answers).await, "7"), "ok");
}

#[tokio::test]
async fn a_foreign_host_is_refused_where_there_is_no_key() {
    let server = grpc().says("ok").await;
    // A name that resolves to this machine, as a web page elsewhere could have it.
    let (_, port) = server.grpc().rsplit_once(':').unwrap();
    let mut connector = HttpConnector::new_with_resolver(tower::service_fn(|_| async {
        Ok::<_, std::io::Error>(std::iter::once(std::net::SocketAddr::from(([127, 0, 0, 1], 0))))
    }));
    connector.enforce_http(true);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    let foreign = origin(&format!("evil.example:{port}"));
    let mut client = GrpcInferenceServiceClient::with_origin(client, foreign);
    let status = client.model_infer(request([text("a")])).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
}

#[tokio::test]
async fn keys_have_the_same_scopes_limits_and_audit() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let mut key = |scopes: &[Scope], limits: &Limits| store.create("Société Exemple", scopes, limits, None).unwrap();
    let finance = key(&[Scope::Finance], &Limits::default());
    let limited = key(&[Scope::Chat], &Limits { requests_per_minute: Some(2), ..Limits::default() });
    let mut server = grpc().with("state.folder", folder.path().display()).says("ok").await;
    let mut client = inference(&server);
    let mut ask = async |key: &str| client.model_infer(keyed(request([text("canari-7f3a")]), key)).await;
    let status = ask(&finance.text).await.unwrap_err();
    assert!(status.code() == Code::PermissionDenied && status.message().contains("`chat`"), "{status}");
    for remaining in ["1", "0"] {
        let answer = ask(&limited.text).await.unwrap();
        assert_eq!(answer.metadata().get("x-ratelimit-remaining-requests").unwrap(), remaining);
    }
    let status = ask(&limited.text).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    assert!((1..=60_000).contains(&pushback.parse::<u64>().unwrap()), "{pushback}");
    assert_eq!(ask("zyr_nobody_nothing").await.unwrap_err().code(), Code::Unauthenticated);
    // In a stream the key is still refused, and the stream goes on.
    let requests = stream::iter([request([text("a")])]);
    let answers = inference(&server).model_stream_infer(keyed(requests, &limited.text)).await.unwrap().into_inner();
    let answers = all(answers).await;
    assert!(answers[0].error_message.contains("Rate limit"), "{answers:?}");
    server.shut_down().await.unwrap();
    let mut lines = Vec::new();
    let folder = audit::folder(folder.path());
    audit::export(&folder, None, None, |line| lines.push(serde_json::from_str::<Value>(line).unwrap())).unwrap();
    let text = format!("{lines:?}");
    assert!(!text.contains("canari-7f3a"));
    let statuses = |event: &str| {
        let lines = lines.iter().filter(|line| line["event"] == event);
        lines.map(|line| line["status"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(statuses("answered"), [200, 200], "{text}");
    assert!(lines.iter().all(|line| line["event"] != "answered" || line["route"] == "/v1/completions"), "{text}");
    // Who may not ask, or not so much, is counted, as over HTTP.
    assert_eq!(statuses("refused"), [401, 403, 429], "{text}");
}

#[tokio::test]
async fn a_calls_deadline_is_the_requests() {
    let server = grpc().plays(|_, _| vec![Act::Stall]).await;
    let mut client = inference(&server);
    let mut asked = Request::new(request([text("a")]));
    asked.set_timeout(Duration::from_millis(20));
    let status = client.model_infer(asked).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let mut asked = request([text("a")]);
    // In microseconds, as Triton has it.
    asked.parameters.insert("timeout".to_owned(), parameter(ParameterChoice::Int64Param(20_000)));
    assert_eq!(refused(&server, asked.clone()).await.code(), Code::DeadlineExceeded);
    let answers = all(open(&server, vec![asked.clone()]).await).await;
    assert!(answers[0].error_message.contains("within the time"), "{answers:?}");
    asked.parameters.insert("timeout".to_owned(), parameter(ParameterChoice::Int64Param(0)));
    assert!(refused(&server, asked).await.message().contains("`timeout`"));
    let mut wrong = Request::new(request([text("a")]));
    wrong.metadata_mut().insert("grpc-timeout", "soon".parse().unwrap());
    assert!(client.model_infer(wrong).await.unwrap_err().message().contains("grpc-timeout"));
    server.until_active(0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_engine() {
    let server = grpc().parallelism(2).plays(|_, _| vec![Act::Say("a".into()), Act::Stall]).await;
    let mut client = inference(&server);
    let call = tokio::spawn(async move { client.model_infer(request([text("a")])).await });
    server.until_active(1).await;
    call.abort();
    server.until_active(0).await;
    let streamed = || request([text("a"), flag("stream", true)]);
    let mut answers = open(&server, vec![streamed(), streamed()]).await;
    assert!(answers.message().await.unwrap().is_some());
    server.until_active(2).await;
    drop(answers);
    server.until_active(0).await;
}

#[tokio::test]
async fn a_full_queue_is_said_at_once() {
    let server = grpc().with("admission.max_queue", 0).plays(|_, _| vec![Act::Stall]).await;
    let mut client = inference(&server);
    let _running = tokio::spawn(async move { client.model_infer(request([text("a")])).await });
    server.until_active(1).await;
    let status = refused(&server, request([text("a")])).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.metadata().contains_key("grpc-retry-pushback-ms") && status.metadata().contains_key("retry-after"));
}

#[tokio::test]
async fn an_engine_that_fails_or_panics_is_an_error_of_its_request() {
    let server = grpc().plays(|_, prompt| match prompt.contains("panic") {
        true => vec![Act::Panic],
        false if prompt.contains("fail") => vec![Act::Fail("secret detail".into())],
        false => vec![Act::Say("ok".into())],
    });
    let server = server.await;
    for prompt in ["panic", "fail"] {
        let status = refused(&server, request([text(prompt)])).await;
        assert!(status.code() == Code::Internal && !status.message().contains("secret"), "{status}");
    }
    assert_eq!(texts(&ask(&server, request([text("a")])).await.unwrap(), "text_output"), ["aok"]);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let server = grpc().with("limits.max_body_bytes", 2000).says("ok").await;
    let too_long = || request([text(&"a".repeat(3000))]);
    let status = refused(&server, too_long()).await;
    assert!(status.code() == Code::InvalidArgument && status.message().contains("2000 bytes"), "{status}");
    let mut answers = open(&server, vec![too_long()]).await;
    assert_eq!(answers.message().await.unwrap_err().code(), Code::OutOfRange);
    assert!(ask(&server, request([text("a")])).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_message_is_an_error() {
    let server = grpc().with("grpc.max_answer_bytes", 1000).says(&"a".repeat(150)).await;
    let long = || request([text("a"), long()]);
    let status = refused(&server, request([text(&"a".repeat(1000)), sampling(&json!({"max_tokens": 200}))])).await;
    assert!(status.code() == Code::OutOfRange && status.message().contains("1000 bytes"), "{status}");
    assert!(ask(&server, long()).await.is_ok());
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let server = grpc().says("ok").await;
    let client = http2();
    let post = |path: &str, kind: &str| {
        let request = http::Request::post(format!("http://{}{path}", server.grpc())).header("content-type", kind);
        client.request(request.body(tonic::body::Body::empty()).unwrap())
    };
    let page = post("/inference.GRPCInferenceService/ModelInfer", "text/plain").await.unwrap();
    assert_eq!(page.status(), 415);
    for path in ["/inference.GRPCInferenceService/Nothing", "/v1/chat/completions", "/"] {
        let answer = post(path, "application/grpc").await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "12", "{path}");
    }
    // HTTP/1.1 is not spoken here.
    assert!(reqwest::get(format!("http://{}/health/live", server.grpc())).await.is_err());
}

#[tokio::test]
async fn the_certificate_is_that_of_https() {
    let folder = TempDir::new().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let server = grpc().with("tls.certificate", file("certificate.pem").display());
    let server = server.with("tls.key", file("key.pem").display()).says("ok").await;
    let mut trusted = RootCertStore::empty();
    trusted.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut tls = tls.with_root_certificates(trusted).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.grpc()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let connection = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = connection.await.unwrap();
    tokio::spawn(connection);
    let channel = tower::service_fn(move |request| sender.clone().send_request(request));
    let mut client = GrpcInferenceServiceClient::with_origin(channel, "https://localhost".parse().unwrap());
    let answer = client.model_infer(request([text("a")])).await.unwrap().into_inner();
    assert_eq!(texts(&answer, "text_output"), ["aok"]);
    // In the clear nothing is said.
    assert!(inference(&server).server_live(ServerLiveRequest {}).await.is_err());
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_closed() {
    let server = grpc().with("server.keep_alive_ms", 10).with("server.write_timeout_ms", 10).says("ok").await;
    let mut silent = TcpStream::connect(server.grpc()).await.unwrap();
    let mut said_to_it = Vec::new();
    let _ = silent.read_to_end(&mut said_to_it).await;
    // One that answers the pings stays, for longer than that.
    let server = grpc().with("server.keep_alive_ms", 10).with("server.write_timeout_ms", 2000);
    let server = server.plays(|_, _| vec![Act::Say("a".into()), Act::Stall, Act::Say("b".into())]).await;
    let mut answers = open(&server, vec![request([text("a"), flag("stream", true)])]).await;
    let first = answers.message().await.unwrap().unwrap();
    server.engine.resume();
    assert_eq!(said(&[first], "7") + &said(&all(answers).await, "7"), "ab");
}

#[tokio::test]
async fn shutting_down_lets_what_runs_end_and_refuses_the_rest() {
    let mut server = grpc().plays(|_, _| vec![Act::Say("a".into()), Act::Stall, Act::Say("b".into())]).await;
    let (requests, asked) = mpsc::unbounded();
    requests.unbounded_send(request([text("a"), flag("stream", true)])).unwrap();
    let mut answers = inference(&server).model_stream_infer(asked).await.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap();
    let mut health = HealthClient::with_origin(http2(), origin(server.grpc()));
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let engine = Arc::clone(&server.engine);
    let stopped = server.shut_down();
    // Who watches is told, and keeps nothing from stopping.
    while let Ok(Some(status)) = watched.message().await {
        assert_eq!(status.status(), ServingStatus::NotServing);
    }
    engine.resume();
    let mut pieces = vec![first];
    let status = loop {
        match answers.message().await {
            Ok(Some(piece)) => pieces.push(piece),
            Ok(None) => panic!("the client is still asking"),
            Err(status) => break status,
        }
    };
    assert_eq!(said(&pieces, "7"), "ab");
    assert!(is_final(response(pieces.last().unwrap())));
    assert!(status.code() == Code::Unavailable && status.message().contains("shutting down"), "{status}");
    stopped.await.unwrap();
    drop(requests);
}

#[tokio::test]
async fn the_drains_deadline_ends_what_is_left_with_an_error() {
    let mut server =
        grpc().with("server.drain_timeout_ms", 20).plays(|_, _| vec![Act::Say("a".into()), Act::Stall]).await;
    let mut answers = open(&server, vec![request([text("a"), flag("stream", true)])]).await;
    assert!(answers.message().await.unwrap().is_some());
    let stopped = server.shut_down();
    let error = answers.message().await.unwrap().unwrap();
    assert!(error.error_message.contains("shutting down"), "{error:?}");
    stopped.await.unwrap();
    server.until_active(0).await;
}

#[tokio::test]
async fn requests_are_passed_on_to_other_servers() {
    let behind = setup().parallelism(2).obeys().await;
    let front = FrontServer::start(&[&behind.base], None, &[("grpc.port", "0".to_owned())]).await;
    let mut client = GrpcInferenceServiceClient::with_origin(http2(), origin(front.grpc()));
    let named = ModelReadyRequest { name: "scripted".to_owned(), version: String::new() };
    assert!(client.model_ready(named).await.unwrap().into_inner().ready);
    let answer = client.model_infer(request([text("say ok"), flag("exclude_input_in_output", true)])).await.unwrap();
    assert_eq!(texts(&answer.into_inner(), "text_output"), ["ok"]);
    let asked = stream::iter([
        with_id("1", request([text("say ab"), flag("stream", true), flag("return_num_output_tokens", true)])),
        with_id("2", request([text("fail"), flag("stream", true)])),
    ]);
    let answers = all(client.model_stream_infer(asked).await.unwrap().into_inner()).await;
    assert_eq!(said(&answers, "1"), "ab");
    let counted = answers.iter().map(response).find_map(|response| number(response, "num_output_tokens"));
    assert_eq!(counted, Some(3));
    assert!(answers.iter().any(|answer| !answer.error_message.is_empty() && response(answer).id == "2"));
    let mut unknown = request([text("a")]);
    unknown.model_name = "nobody".to_owned();
    assert_eq!(client.model_infer(unknown).await.unwrap_err().code(), Code::NotFound);
}

//! The tensors of a request to the body of one over HTTP, or what is wrong with them. The inputs are those of Triton's
//! vLLM backend, and `messages`, which makes it a conversation. What their values mean is for the route to say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tonic::Status;
use zyron_grpc::infer_parameter::ParameterChoice;
use zyron_grpc::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use zyron_grpc::{InferParameter, InferTensorContents, ModelInferRequest};

use super::{is_version, status};

const BYTES: &str = "BYTES";
const BOOL: &str = "BOOL";
const UINT32: &str = "UINT32";

const TEXT_INPUT: &str = "text_input";
const MESSAGES: &str = "messages";
const STREAM: &str = "stream";
const SAMPLING_PARAMETERS: &str = "sampling_parameters";
const EXCLUDE_INPUT: &str = "exclude_input_in_output";

pub(super) const TEXT_OUTPUT: &str = "text_output";
pub(super) const FINISH_REASON: &str = "finish_reason";
pub(super) const INPUT_TOKENS: &str = "num_input_tokens";
pub(super) const OUTPUT_TOKENS: &str = "num_output_tokens";

/// Names and types of the inputs, each of one element.
pub(super) const INPUTS: &[(&str, &str)] = &[
    (TEXT_INPUT, BYTES),
    (MESSAGES, BYTES),
    (STREAM, BOOL),
    (SAMPLING_PARAMETERS, BYTES),
    (EXCLUDE_INPUT, BOOL),
    ("return_finish_reason", BOOL),
    ("return_num_input_tokens", BOOL),
    ("return_num_output_tokens", BOOL),
];
/// Names and types of the outputs.
pub(super) const OUTPUTS: &[(&str, &str)] =
    &[(TEXT_OUTPUT, BYTES), (FINISH_REASON, BYTES), (INPUT_TOKENS, UINT32), (OUTPUT_TOKENS, UINT32)];

/// The parameter with which a client asks for an end of its own after the last piece.
const EMPTY_FINAL: &str = "triton_enable_empty_final_response";
/// The parameter with the time that a request has, in microseconds.
const TIMEOUT: &str = "timeout";
/// Fields that an input says, or the call.
const SAID: [&str; 6] = ["model", "prompt", "messages", "stream", "stream_options", "echo"];
/// Fields whose effect no output could show.
const UNSEEN: [&str; 9] = [
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "zyron_tools",
    "zyron_statement",
    "zyron_provenance",
];
/// Fields that are numbers: callers of Triton write them as texts, too.
const NUMBERS: [&str; 12] = [
    "best_of",
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "min_p",
    "n",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "temperature",
    "top_k",
    "top_p",
];

/// A request that can be sent on.
pub(super) struct Asked {
    /// The model's name.
    pub(super) model: String,
    /// What the client calls the request.
    pub(super) id: String,
    /// Which outputs are wanted.
    pub(super) outputs: Outputs,
    /// Whether an empty answer is to say that there is no more.
    pub(super) wants_empty_final: bool,
    is_chat: bool,
    is_streamed: bool,
    timeout: Option<Duration>,
    body: Value,
}

/// Which outputs a client wants.
#[derive(Clone, Copy)]
pub(super) struct Outputs {
    pub(super) text: bool,
    pub(super) finish_reason: bool,
    pub(super) input_tokens: bool,
    pub(super) output_tokens: bool,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, which names the input or parameter, and `NOT_FOUND` for a version that there is none of.
    pub(super) fn read(request: ModelInferRequest) -> Result<Self, Status> {
        let ModelInferRequest { model_name, model_version, id, mut parameters, inputs, outputs, raw_input_contents } =
            request;
        if !is_version(&model_version) {
            return Err(status::unknown_model(&model_name, &model_version));
        }
        let inputs = Inputs::read(&inputs, &raw_input_contents)?;
        let wants_empty_final = take_flag(&mut parameters, EMPTY_FINAL)?;
        let timeout = take_timeout(&mut parameters)?;
        let mut fields = Map::new();
        for (name, parameter) in parameters {
            add(&mut fields, name.clone(), value(&name, parameter)?, "the request's parameters")?;
        }
        // As the caller wrote it last.
        for (name, value) in inputs.sampling_parameters()? {
            add(&mut fields, name, value, SAMPLING_PARAMETERS)?;
        }
        let is_streamed = inputs.flag(STREAM)?.unwrap_or(false);
        let exclude_input = inputs.flag(EXCLUDE_INPUT)?;
        fields.insert("model".to_owned(), json!(model_name));
        fields.insert("stream".to_owned(), json!(is_streamed));
        if is_streamed {
            fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        let is_chat = match (inputs.text(TEXT_INPUT)?, inputs.text(MESSAGES)?) {
            (Some(text), None) => {
                fields.insert("prompt".to_owned(), json!(text));
                // The backend's default: what is streamed has no place for it.
                let echo = !exclude_input.unwrap_or(is_streamed);
                if echo && is_streamed {
                    return Err(status::invalid(format!("With `{STREAM}`, `{EXCLUDE_INPUT}` cannot be false.")));
                }
                fields.insert("echo".to_owned(), json!(echo));
                false
            }
            (None, Some(messages)) => {
                let messages: Value = serde_json::from_str(messages)
                    .map_err(|error| status::invalid(format!("The input `{MESSAGES}` is not valid JSON: {error}.")))?;
                fields.insert("messages".to_owned(), messages);
                if exclude_input == Some(false) {
                    let message = format!("With `{MESSAGES}`, `{EXCLUDE_INPUT}` cannot be false.");
                    return Err(status::invalid(message));
                }
                true
            }
            (Some(_), Some(_)) => {
                let message = format!("The inputs `{TEXT_INPUT}` and `{MESSAGES}` exclude each other.");
                return Err(status::invalid(message));
            }
            (None, None) => {
                let message = format!("The input `{TEXT_INPUT}` is missing, or `{MESSAGES}` for a conversation.");
                return Err(status::invalid(message));
            }
        };
        let outputs = Outputs::read(&outputs, &inputs)?;
        let body = Value::Object(fields);
        Ok(Self { model: model_name, id, outputs, wants_empty_final, is_chat, is_streamed, timeout, body })
    }

    /// The path that answers it.
    pub(super) fn route(&self) -> &'static str {
        if self.is_chat { "/v1/chat/completions" } else { "/v1/completions" }
    }

    /// What is sent there.
    pub(super) fn body(&self) -> Vec<u8> {
        self.body.to_string().into_bytes()
    }

    /// Whether the answer is to come in pieces.
    pub(super) fn is_streamed(&self) -> bool {
        self.is_streamed
    }

    /// How long the answer may take, where the request says so.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How many answers are asked for, once the route has accepted the number.
    pub(super) fn choices(&self) -> usize {
        self.body["n"].as_u64().and_then(|choices| usize::try_from(choices).ok()).unwrap_or(1)
    }
}

impl Outputs {
    fn read(asked: &[InferRequestedOutputTensor], inputs: &Inputs) -> Result<Self, Status> {
        for output in asked {
            if !OUTPUTS.iter().any(|(name, _)| *name == output.name) {
                return Err(status::invalid(format!(
                    "There is no output `{}`; there are {}.",
                    output.name,
                    names(OUTPUTS)
                )));
            }
            if let Some(name) = output.parameters.keys().next() {
                let message =
                    format!("The output `{}` has the parameter `{name}`, which is not known here.", output.name);
                return Err(status::invalid(message));
            }
        }
        let is_named = |name: &str| asked.iter().any(|output| output.name == name);
        let is_wanted =
            |name: &str| Ok::<_, Status>(is_named(name) || inputs.flag(&format!("return_{name}"))? == Some(true));
        Ok(Self {
            text: asked.is_empty() || is_named(TEXT_OUTPUT),
            finish_reason: is_wanted(FINISH_REASON)?,
            input_tokens: is_wanted(INPUT_TOKENS)?,
            output_tokens: is_wanted(OUTPUT_TOKENS)?,
        })
    }
}

/// The inputs by their names, of which each is one that there is, and of its type and shape.
struct Inputs<'a>(BTreeMap<&'a str, Element<'a>>);

/// Where an input's one element is.
#[derive(Clone, Copy)]
enum Element<'a> {
    Raw(&'a [u8]),
    Typed(&'a InferTensorContents),
}

impl<'a> Inputs<'a> {
    fn read(inputs: &'a [InferInputTensor], raw: &'a [Vec<u8>]) -> Result<Self, Status> {
        if !raw.is_empty() && raw.len() != inputs.len() {
            return Err(status::invalid(format!(
                "`raw_input_contents` has {} elements for {} inputs; it has one for each, or none.",
                raw.len(),
                inputs.len()
            )));
        }
        let mut elements = BTreeMap::new();
        for (place, input) in inputs.iter().enumerate() {
            let name = input.name.as_str();
            let wrong = |what: String| Err(status::invalid(format!("The input `{name}` {what}.")));
            let Some((_, datatype)) = INPUTS.iter().find(|(known, _)| *known == name) else {
                return wrong(format!("is not known; the inputs are {}", names(INPUTS)));
            };
            if input.datatype != *datatype {
                return wrong(format!("has the type `{}`; it must be {datatype}", input.datatype));
            }
            if input.shape != [1] {
                return wrong(format!("has the shape {:?}; it must be [1]", input.shape));
            }
            if let Some(parameter) = input.parameters.keys().next() {
                return wrong(format!("has the parameter `{parameter}`, which is not known here"));
            }
            let element = match (raw.get(place), &input.contents) {
                (Some(raw), None) => Element::Raw(raw),
                (None, Some(contents)) => Element::Typed(contents),
                (Some(_), Some(_)) => {
                    return wrong("has `contents`, which cannot be beside `raw_input_contents`".to_owned());
                }
                (None, None) => return wrong("has no content".to_owned()),
            };
            if elements.insert(name, element).is_some() {
                return wrong("is given twice".to_owned());
            }
        }
        Ok(Self(elements))
    }

    /// The element of an input of texts.
    fn text(&self, name: &str) -> Result<Option<&'a str>, Status> {
        let Some(element) = self.0.get(name) else { return Ok(None) };
        let bytes: Option<&[u8]> = match *element {
            Element::Raw(raw) => raw.split_first_chunk().and_then(|(length, text)| {
                (usize::try_from(u32::from_le_bytes(*length)) == Ok(text.len())).then_some(text)
            }),
            Element::Typed(contents) => match contents.bytes_contents.as_slice() {
                [text] => Some(text),
                _ => None,
            },
        };
        let Some(bytes) = bytes else {
            return Err(status::invalid(format!(
                "The input `{name}` must have one element, in `bytes_contents` or, raw, with its length in 4 bytes before it."
            )));
        };
        let wrong = |_| status::invalid(format!("The input `{name}` is not UTF-8."));
        std::str::from_utf8(bytes).map(Some).map_err(wrong)
    }

    /// The element of an input of flags.
    fn flag(&self, name: &str) -> Result<Option<bool>, Status> {
        let Some(element) = self.0.get(name) else { return Ok(None) };
        let flag = match *element {
            Element::Raw([0]) => Some(false),
            Element::Raw([1]) => Some(true),
            Element::Raw(_) => None,
            Element::Typed(contents) => match contents.bool_contents.as_slice() {
                [flag] => Some(*flag),
                _ => None,
            },
        };
        let wrong = || {
            status::invalid(format!("The input `{name}` must have one element, in `bool_contents` or, raw, 0 or 1."))
        };
        flag.map(Some).ok_or_else(wrong)
    }

    fn sampling_parameters(&self) -> Result<Map<String, Value>, Status> {
        let Some(text) = self.text(SAMPLING_PARAMETERS)? else { return Ok(Map::new()) };
        let wrong = |what: String| status::invalid(format!("The input `{SAMPLING_PARAMETERS}` {what}."));
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(wrong("must be a JSON object".to_owned())),
            Err(error) => Err(wrong(format!("is not valid JSON: {error}"))),
        }
    }
}

fn names(tensors: &[(&str, &str)]) -> String {
    let names: Vec<String> = tensors.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}

/// Adds a field to a body.
fn add(fields: &mut Map<String, Value>, name: String, value: Value, place: &str) -> Result<(), Status> {
    if SAID.contains(&name.as_str()) {
        return Err(status::invalid(format!("`{name}` cannot be in {place}: the inputs and the call say that.")));
    }
    if UNSEEN.contains(&name.as_str()) {
        return Err(status::invalid(format!(
            "`{name}` cannot be asked for over gRPC: no output would have what it gives."
        )));
    }
    let number = match &value {
        Value::String(text) if NUMBERS.contains(&name.as_str()) => serde_json::from_str(text).ok(),
        _ => None,
    };
    fields.insert(name, number.filter(Value::is_number).unwrap_or(value));
    Ok(())
}

fn value(name: &str, parameter: InferParameter) -> Result<Value, Status> {
    match parameter.parameter_choice {
        Some(ParameterChoice::BoolParam(value)) => Ok(json!(value)),
        Some(ParameterChoice::Int64Param(value)) => Ok(json!(value)),
        Some(ParameterChoice::Uint64Param(value)) => Ok(json!(value)),
        Some(ParameterChoice::StringParam(value)) => Ok(json!(value)),
        Some(ParameterChoice::DoubleParam(value)) if value.is_finite() => Ok(json!(value)),
        Some(ParameterChoice::DoubleParam(_)) => {
            Err(status::invalid(format!("The parameter `{name}` must be a finite number.")))
        }
        None => Err(status::invalid(format!("The parameter `{name}` has no value."))),
    }
}

fn take_flag(parameters: &mut BTreeMap<String, InferParameter>, name: &str) -> Result<bool, Status> {
    match parameters.remove(name).map(|parameter| parameter.parameter_choice) {
        None => Ok(false),
        Some(Some(ParameterChoice::BoolParam(flag))) => Ok(flag),
        Some(_) => Err(status::invalid(format!("The parameter `{name}` must be a `bool_param`."))),
    }
}

fn take_timeout(parameters: &mut BTreeMap<String, InferParameter>) -> Result<Option<Duration>, Status> {
    let micros = match parameters.remove(TIMEOUT).map(|parameter| parameter.parameter_choice) {
        None => return Ok(None),
        Some(Some(ParameterChoice::Int64Param(micros))) => u64::try_from(micros).ok(),
        Some(Some(ParameterChoice::Uint64Param(micros))) => Some(micros),
        Some(_) => None,
    };
    let micros = micros.filter(|&micros| micros > 0);
    let wrong = || status::invalid(format!("The parameter `{TIMEOUT}` must be a whole number of microseconds."));
    micros.map(|micros| Some(Duration::from_micros(micros))).ok_or_else(wrong)
}

//! Runs a model through mistral.rs 0.8.1: safetensors folders (in-situ quantized or not) and GGUF files.
//!
//! mistral.rs only computes logits here. Each request carries one [`Decoder`](decoder), called with the logits of
//! every step, which samples, sends the events and stops the request. Everything mistral.rs would do beyond that
//! (templates, tokenization, sampling, stop strings, a prefix cache that matches beyond the real KV cache) is off.

mod decoder;
mod embedding;
mod load;
mod scoring;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use mistralrs::core::MistralRs;
use mistralrs::{Constraint, NormalRequest, Request, RequestMessage, Response, SamplingParams};
use tokio::sync::mpsc;
use zyron_engine::{Active, Engine, EngineError, GenerateRequest, Generation, Model, Progress, Sequence};

use crate::decoder::Decoder;
pub use crate::load::{Dtype, LoadError, LoadOptions, is_supported};

/// The longest text, in tokens, that is embedded where nobody says otherwise.
const USUAL_TEXT: usize = 8192;

/// A model loaded by mistral.rs.
pub struct MistralrsEngine {
    runner: Runner,
    context_length: usize,
    max_sequences: usize,
    active: Arc<AtomicUsize>,
}

impl std::fmt::Debug for MistralrsEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MistralrsEngine").field("model", &self.runner.model.id).finish_non_exhaustive()
    }
}

impl MistralrsEngine {
    /// Loads the weights of `model` and generates one token, so that what cannot run is known before it is served.
    /// Takes as long as the weights are large; nothing is fetched from a hub.
    ///
    /// # Errors
    /// [`LoadError`], in one sentence.
    pub async fn load(model: Arc<Model>, options: LoadOptions) -> Result<Self, LoadError> {
        let context_length = match options.context_length {
            // A text is computed in one piece, whose memory grows with the square of its length.
            0 if model.pooling.is_some() => model.context_length.min(USUAL_TEXT),
            0 => model.context_length,
            tokens => tokens.min(model.context_length),
        };
        let max_sequences = options.max_sequences.get();
        let mistralrs = load::load(&model, options).await?;
        let runner = Runner { mistralrs, model, seen: Seen::default() };
        let engine = Self { runner, context_length, max_sequences, active: Arc::default() };
        load::warm_up(&engine).await?;
        Ok(engine)
    }

    fn makes_embeddings(&self) -> bool {
        self.runner.model.pooling.is_some()
    }

    /// mistral.rs itself, for benchmarks that compare with it.
    #[must_use]
    pub fn mistralrs(&self) -> &Arc<MistralRs> {
        &self.runner.mistralrs
    }
}

/// What a request needs to run, on whichever thread.
#[derive(Clone)]
struct Runner {
    mistralrs: Arc<MistralRs>,
    model: Arc<Model>,
    seen: Seen,
}

/// What is seen of mistral.rs at work.
#[derive(Clone, Default)]
struct Seen {
    /// Tokens that it has computed.
    steps: Arc<AtomicU64>,
    /// Requests whose prompts it reads: at once, so that nothing is seen of it until that is done.
    reading: Arc<AtomicUsize>,
}

impl Runner {
    /// Generates after `prompt`, which is the sequence's and what it has generated already.
    fn generate(&self, prompt: Vec<u32>, max_tokens: usize, sequence: Sequence, active: Active) {
        let (responses, receiver) = mpsc::channel(decoder::RESPONSES);
        let decoder = Decoder::new(sequence, self, receiver, active);
        let mut request = self.request(RequestMessage::CompletionTokens(prompt), responses);
        request.sampling_params.max_len = Some(max_tokens);
        request.logits_processors = Some(vec![Arc::new(decoder)]);
        // Where it is refused the request, and the decoder in it, is dropped: its reader is told that the engine
        // stopped.
        self.send(request);
    }

    fn request(&self, messages: RequestMessage, response: mpsc::Sender<Response>) -> NormalRequest {
        NormalRequest {
            messages,
            sampling_params: SamplingParams {
                // The decoder leaves one token to choose from; without a temperature that is a plain argmax.
                temperature: Some(0.0),
                max_len: Some(1),
                ..SamplingParams::neutral()
            },
            response,
            return_logprobs: false,
            // A receiver dropped on a request that does not stream panics the engine.
            is_streaming: true,
            id: self.mistralrs.next_request_id(),
            constraint: Constraint::None,
            suffix: None,
            tools: None,
            tool_choice: None,
            logits_processors: None,
            return_raw_logits: false,
            web_search_options: None,
            model_id: None,
            truncate_sequence: false,
        }
    }

    fn send(&self, request: NormalRequest) {
        let sent = match self.mistralrs.get_sender(None) {
            Ok(sender) => sender.try_send(Request::Normal(Box::new(request))).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sent {
            tracing::error!(%error, "mistral.rs takes no requests");
        }
    }
}

impl Engine for MistralrsEngine {
    fn name(&self) -> &'static str {
        "mistralrs"
    }

    fn parallelism(&self) -> usize {
        self.max_sequences
    }

    fn context_length(&self) -> usize {
        self.context_length
    }

    fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    fn progress(&self) -> Option<Progress> {
        let Seen { steps, reading } = &self.runner.seen;
        Some(Progress { steps: steps.load(Ordering::Relaxed), is_long: reading.load(Ordering::SeqCst) > 0 })
    }

    fn generate(&self, request: GenerateRequest) -> Generation {
        let max_tokens = request.max_tokens;
        let (mut sequence, generation) = Sequence::start(request);
        let active = Active::new(&self.active);
        if sequence.prompt().is_empty() {
            sequence.fail(EngineError::Backend("the prompt is empty".to_owned()));
        } else if sequence.wants_embedding() != self.makes_embeddings() {
            sequence.fail(EngineError::OtherKind);
        } else if sequence.wants_embedding() {
            tokio::spawn(embedding::run(self.runner.clone(), sequence, active));
        } else if sequence.wants_prompt_logits() {
            tokio::spawn(scoring::run(self.runner.clone(), max_tokens, sequence, active));
        } else if sequence.only_reads() {
            sequence.end();
        } else {
            self.runner.generate(sequence.prompt().to_vec(), max_tokens, sequence, active);
        }
        generation
    }
}

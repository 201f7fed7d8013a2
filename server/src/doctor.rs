//! `zyron doctor`: what this machine and this build are, and what they let a model do.
//!
//! It measures the memory, reads the headers of a model's files and calculates. It loads no weights, starts no engine
//! and changes nothing: how fast a model really runs is for `cargo xtask bench` to say.

mod bandwidth;
mod fit;
mod gpu;
mod machine;
mod report;
mod shape;

use std::io::Write;

use anyhow::bail;
use serde::Serialize;
use zyron_engine::{Model, Weights};
use zyron_server::config::EngineKind;

use self::fit::{Format, Place, Row};
use self::gpu::{Gpu, Gpus};
use self::machine::Machine;
use self::shape::Shape;
use crate::cli::DoctorArgs;
use crate::engines;

/// Everything that is said, as text or as JSON. Bytes are bytes, bandwidths GB/s (10^9).
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    machine: Machine,
    gpu: Gpus,
    /// Whether this build computes on an NVIDIA GPU.
    is_cuda_build: bool,
    /// The model that was asked about.
    model: Option<Described>,
    /// Where this build would run it.
    place: Place,
    /// What it takes there in each number format, the most exact first.
    formats: Vec<Row>,
    /// The flags of `zyron serve` that ask for the most exact format that fits, where there is a choice.
    recommended: Option<String>,
    /// What keeps this build, or the model, from running here.
    pub(crate) problems: Vec<String>,
}

/// A model, as its files say.
#[derive(Serialize)]
struct Described {
    id: String,
    architecture: String,
    /// The number format of most of its weights.
    quantization: String,
    context_length: u64,
    /// The engine that `auto` chooses.
    engine: &'static str,
    engine_reason: &'static str,
}

/// Prints the report.
///
/// # Errors
/// What keeps this build or the model from running here, and a model that cannot be opened.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    // Before the measurements, for whose time a wrong path should not wait.
    let model = args.model.as_deref().map(|path| described(Model::open(path)?)).transpose()?;
    let report = Report::inspect(model);
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    std::io::stdout().write_all(text.as_bytes())?;
    match &report.problems[..] {
        [] => Ok(()),
        problems => bail!("{}", problems.join("; ")),
    }
}

fn described(model: Model) -> anyhow::Result<(Model, Shape)> {
    let shape = Shape::of(&model)?;
    Ok((model, shape))
}

impl Report {
    /// Of a model on this machine.
    ///
    /// # Errors
    /// What its files do not say.
    pub(crate) fn of(model: Model) -> anyhow::Result<Self> {
        Ok(Self::inspect(Some(described(model)?)))
    }

    fn inspect(model: Option<(Model, Shape)>) -> Self {
        Self::new(Machine::inspect(), gpu::inspect(), cfg!(feature = "cuda"), model)
    }

    fn new(machine: Machine, gpu: Gpus, is_cuda_build: bool, model: Option<(Model, Shape)>) -> Self {
        let place = Place::of(&machine, &gpu, is_cuda_build);
        let mut problems = Vec::new();
        if is_cuda_build && gpu.devices.is_empty() {
            problems.push(format!("this build computes on an NVIDIA GPU, and none is found: {}", gpu.remark()));
        }
        let is_unknown = |gpu: &&Gpu| is_cuda_build && gpu.total_bytes.is_none() && !gpu.shares_memory();
        if let Some(gpu) = gpu.devices.iter().find(is_unknown) {
            problems.push(format!("the driver does not say how much memory {} has, so what fits is unknown", gpu.name));
        }
        let (described, rows, recommended) = match model {
            None => (None, fit::rows(&shape::SEVEN_B, &fit::usual_formats(), &place), None),
            Some((model, shape)) => {
                let engine = engines::choose(EngineKind::Auto, &model.weights);
                let formats = formats(engine, &model, &shape, place.is_gpu);
                let rows = fit::rows(&shape, &formats, &place);
                if !engines::is_built(engine) {
                    problems.push(format!("this build lacks the engine {}, which the model needs", name(engine)));
                }
                if shape.kv_values == 0 || !engines::is_supported(engine, &model) {
                    let (architecture, engine) = (&model.architecture, name(engine));
                    problems.push(format!("the model's architecture `{architecture}` is not supported by {engine}"));
                }
                let best = fit::best(&rows);
                if best.is_none() {
                    problems.push(fit::refusal(&model.id, &rows, &place));
                }
                let of_mistralrs = best.filter(|_| engine == EngineKind::Mistralrs);
                let recommended = of_mistralrs.and_then(|row| fit::flags(row, rows.len() > 1));
                (Some(Described::new(&model, engine)), rows, recommended)
            }
        };
        Self { machine, gpu, is_cuda_build, model: described, place, formats: rows, recommended, problems }
    }
}

/// The bytes that a model takes with mistral.rs as the configuration has it: its weights, and keys and values for one whole
/// context. mistral.rs takes memory for more as it needs it.
///
/// # Errors
/// What the model's files do not say.
#[cfg(feature = "mistralrs")]
pub(crate) fn memory_of(config: &zyron_server::config::EngineConfig, model: &Model) -> anyhow::Result<u64> {
    use zyron_server::config::Dtype;

    let shape = Shape::of(model)?;
    let activations = match config.dtype {
        Dtype::F32 => 32,
        Dtype::F16 | Dtype::Bf16 => 16,
        Dtype::Auto => {
            if cfg!(feature = "cuda") {
                16
            } else {
                32
            }
        }
    };
    let format = match &model.weights {
        Weights::Safetensors(_) if !shape.is_quantized => fit::wanted_format(config.isq.as_deref(), activations),
        _ => Format::as_stored(&model.quantization, activations),
    };
    let context = if config.context_length == 0 { shape.context } else { config.context_length as u64 };
    Ok(fit::memory(&shape, &format, context))
}

/// In what `engine` can hold the model's weights.
fn formats(engine: EngineKind, model: &Model, shape: &Shape, on_gpu: bool) -> Vec<Format> {
    let kv_bits = if engine == EngineKind::LlamaCpp || on_gpu { 16 } else { 32 };
    match &model.weights {
        Weights::Safetensors(_) if !shape.is_quantized => fit::formats_of_safetensors(on_gpu),
        _ => vec![Format::as_stored(&model.quantization, kv_bits)],
    }
}

impl Described {
    fn new(model: &Model, engine: EngineKind) -> Self {
        let engine_reason = match (engine, &model.weights) {
            (EngineKind::LlamaCpp, _) => "the model is a GGUF file, of which it computes many requests at once",
            (_, Weights::Gguf(_)) => "the model is a GGUF file, and this build has no llama_cpp",
            (_, Weights::Safetensors(_)) => "the model is a safetensors folder, which llama_cpp does not read",
        };
        Self {
            id: model.id.clone(),
            architecture: model.architecture.clone(),
            quantization: model.quantization.clone(),
            context_length: model.context_length as u64,
            engine: name(engine),
            engine_reason,
        }
    }
}

fn name(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::LlamaCpp => "llama_cpp",
        EngineKind::Auto | EngineKind::Mistralrs => "mistralrs",
        EngineKind::Upstream => "upstream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(devices: &[Gpu], is_cuda_build: bool) -> Report {
        let gpu = Gpus { driver: None, devices: devices.to_vec(), failure: None };
        Report::new(Machine::sample(), gpu, is_cuda_build, None)
    }

    fn gb10() -> Gpu {
        Gpu {
            name: "NVIDIA GB10".to_owned(),
            total_bytes: None,
            free_bytes: None,
            compute_capability: "12.1".to_owned(),
            driver: "580.95.05".to_owned(),
            bandwidth_gb_s: Some(273.0),
        }
    }

    #[test]
    fn a_gpu_and_a_build_that_do_not_match_are_said() {
        assert!(report(&[], false).problems.is_empty());
        assert!(report(&[gb10()], true).problems.is_empty());
        assert!(report(&[], true).problems[0].contains("there is no NVIDIA driver"));
        let hidden = Gpu { compute_capability: "8.0".to_owned(), ..gb10() };
        assert!(report(&[hidden], true).problems[0].contains("does not say how much memory"));
        let unused = report(&[gb10()], false);
        assert!(unused.problems.is_empty() && unused.to_string().contains("--features cuda"));
    }

    #[test]
    fn what_is_unknown_is_said() {
        let text = report(&[], false).to_string();
        for part in ["not measured", "unknown bandwidth", "BF16", "there is no NVIDIA driver", "none of AVX2"] {
            assert!(text.contains(part), "no `{part}` in:\n{text}");
        }
        let text = report(&[gb10()], true).to_string();
        assert!(text.contains("it shares the machine's memory; 273 GB/s (data sheet)"), "{text}");
        assert!(text.contains("on NVIDIA GB10: 273.0 GB/s / (read + KV so far)"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    }
}

//! The arithmetic: what a model takes in each number format, whether that fits, and how fast memory lets it be.
//!
//! Everything is a bound from sizes; nothing here is measured, and engines need some memory beside what is counted.

use serde::Serialize;

use super::gpu::Gpus;
use super::machine::Machine;
use super::shape::Shape;

/// The share of the free memory that a model may take: the rest is for activations, buffers and everything else.
const SHARE: f64 = 0.8;
/// Contexts are multiples of this, as llama.cpp pads them.
const STEP: u64 = 256;

/// Where this build runs a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) is_gpu: bool,
    pub(super) free_bytes: u64,
    /// Of its memory, in GB/s (10^9 bytes).
    pub(super) bandwidth_gb_s: Option<f64>,
}

/// How a model is held in memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Format {
    /// Its name, or the flags that ask for it.
    name: String,
    /// Bits of a weight in a matrix; nothing for what the file has.
    matrices: Option<f64>,
    /// Bits of embeddings, norms and biases, as far as the file does not say.
    rest: f64,
    /// Bits of a number in the KV cache.
    kv: u32,
}

/// In-situ quantizations, and the bits of a weight.
const ISQ: [(&str, f64); 4] = [("q8_0", 8.5), ("q6k", 6.5625), ("q5k", 5.5), ("q4k", 4.5)];

/// A model in one number format at one place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) format: String,
    pub(super) weights_bytes: u64,
    /// Bytes of weights that one token of one stream needs.
    pub(super) read_bytes_per_token: u64,
    /// Of a number in the KV cache.
    pub(super) kv_bits: u32,
    pub(super) kv_bytes_per_token: u64,
    pub(super) kv_bytes_of_context: u64,
    /// Whole contexts that fit at the same time.
    pub(super) contexts: u64,
    /// The longest context that fits, in tokens; 0 where the weights do not.
    pub(super) longest_context: u64,
    /// Tokens a second of one stream at most, with nothing in the cache.
    pub(super) limit_tokens_per_s: Option<f64>,
    /// The same with half a context in the cache.
    pub(super) limit_tokens_per_s_half_context: Option<f64>,
}

impl Place {
    /// A CUDA build uses all GPUs that there are; any other, the processor.
    pub(super) fn of(machine: &Machine, gpus: &Gpus, is_cuda_build: bool) -> Self {
        let [first, others @ ..] = &gpus.devices[..] else { return Self::processor(machine) };
        if !is_cuda_build {
            return Self::processor(machine);
        }
        let name =
            if others.is_empty() { first.name.clone() } else { format!("{} and {} more", first.name, others.len()) };
        // One that shares the machine's memory says nothing of its own.
        let own = gpus.devices.iter().try_fold(0, |sum: u64, gpu| Some(sum.saturating_add(gpu.free_bytes?)));
        // A token goes through one after the other, so the fastest is a bound.
        let bandwidths: Option<Vec<f64>> = gpus.devices.iter().map(|gpu| gpu.bandwidth_gb_s).collect();
        Self {
            name,
            is_gpu: true,
            free_bytes: own.unwrap_or(machine.memory.free_bytes),
            bandwidth_gb_s: bandwidths.map(|all| all.into_iter().fold(0.0, f64::max)),
        }
    }

    fn processor(machine: &Machine) -> Self {
        Self {
            name: "the processor".to_owned(),
            is_gpu: false,
            free_bytes: machine.memory.free_bytes,
            bandwidth_gb_s: machine.memory.bandwidth_gb_s,
        }
    }

    /// Bytes that a model may take.
    pub(super) fn room(&self) -> u64 {
        (self.free_bytes as f64 * SHARE) as u64
    }
}

impl Format {
    /// As the file has it.
    pub(super) fn as_stored(name: &str, kv: u32) -> Self {
        Self { name: name.to_owned(), matrices: None, rest: 16.0, kv }
    }

    fn new(name: &str, matrices: f64, rest: f64, kv: u32) -> Self {
        Self { name: name.to_owned(), matrices: Some(matrices), rest, kv }
    }
}

/// In what a 7B is usually held: every tensor at the average of the format.
pub(super) fn usual_formats() -> Vec<Format> {
    let formats = [("BF16", 16.0), ("Q8_0", 8.5), ("Q4_K_M", 4.85)];
    formats.into_iter().map(|(name, bits)| Format::new(name, bits, bits, 16)).collect()
}

/// What mistral.rs can make of a safetensors folder, the most exact first. In-situ quantization leaves embeddings and
/// norms, and the KV cache, in the number format of activations: F32 on a processor, BF16 on a GPU.
pub(super) fn formats_of_safetensors(on_gpu: bool) -> Vec<Format> {
    let dense: &[_] = if on_gpu { &[("--dtype bf16", 16)] } else { &[("--dtype f32", 32), ("--dtype f16", 16)] };
    let activations = if on_gpu { 16 } else { 32 };
    let dense = dense.iter().map(|&(name, bits)| Format::new(name, bits.into(), bits.into(), bits));
    let quantized = |(name, bits)| Format::new(&format!("--isq {name}"), bits, f64::from(activations), activations);
    dense.chain(ISQ.map(quantized)).collect()
}

/// As it is asked for: matrices quantized in situ where `isq` is given, and the rest in numbers of so many bits.
#[cfg(any(feature = "mistralrs", test))]
pub(super) fn wanted_format(isq: Option<&str>, activations: u32) -> Format {
    let known = |isq: &str| ISQ.iter().find(|(name, _)| name.eq_ignore_ascii_case(isq));
    // None of those that are not in the table takes more than its first.
    let matrices = isq.map_or(f64::from(activations), |isq| known(isq).unwrap_or(&ISQ[0]).1);
    Format::new("as asked for", matrices, activations.into(), activations)
}

/// The bytes of a model's weights, and of keys and values for `context` tokens.
#[cfg(any(feature = "mistralrs", test))]
pub(super) fn memory(shape: &Shape, format: &Format, context: u64) -> u64 {
    let nowhere = Place { name: String::new(), is_gpu: false, free_bytes: 0, bandwidth_gb_s: None };
    let row = Row::new(shape, format, &nowhere);
    row.weights_bytes.saturating_add(row.kv_bytes_per_token.saturating_mul(context))
}

/// What `shape` takes at `place` in each format.
pub(super) fn rows(shape: &Shape, formats: &[Format], place: &Place) -> Vec<Row> {
    formats.iter().map(|format| Row::new(shape, format, place)).collect()
}

impl Row {
    fn new(shape: &Shape, format: &Format, place: &Place) -> Self {
        let Shape { embedding, matrices, experts, rest, .. } = *shape;
        let size = |part: super::shape::Part, bits: f64| match format.matrices {
            Some(_) => part.elements as f64 * bits / 8.0,
            None => part.bytes as f64,
        };
        let bits = format.matrices.unwrap_or(0.0);
        let (embedding, experts) = (size(embedding, format.rest), size(experts, bits));
        let always = size(matrices, bits) + size(rest, format.rest);
        let read = always + experts * shape.used_experts + if shape.is_tied { embedding } else { 0.0 };
        let kv = shape.kv_values as f64 * f64::from(format.kv) / 8.0;
        let context = kv * shape.context as f64;
        let weights = always + experts + embedding;
        let left = place.room() as f64 - weights;
        let tokens = if left > 0.0 && kv > 0.0 { (left / kv) as u64 } else { 0 };
        let limit = |bytes: f64| place.bandwidth_gb_s.filter(|_| bytes > 0.0).map(|rate| rate * 1e9 / bytes);
        Self {
            format: format.name.clone(),
            weights_bytes: weights as u64,
            read_bytes_per_token: read as u64,
            kv_bits: format.kv,
            kv_bytes_per_token: kv as u64,
            kv_bytes_of_context: context as u64,
            contexts: tokens.checked_div(shape.context).unwrap_or(0),
            longest_context: if tokens >= shape.context { shape.context } else { tokens - tokens % STEP },
            limit_tokens_per_s: limit(read),
            limit_tokens_per_s_half_context: limit(read + context / 2.0),
        }
    }
}

/// The most exact format with room for a whole context; else, the smallest, if it has room for any.
pub(super) fn best(rows: &[Row]) -> Option<&Row> {
    let whole = rows.iter().find(|row| row.contexts > 0);
    whole.or_else(|| rows.iter().max_by_key(|row| row.longest_context).filter(|row| row.longest_context > 0))
}

/// The flags that ask mistral.rs for `row`; the number format only where there is a choice.
pub(super) fn flags(row: &Row, is_choice: bool) -> Option<String> {
    let format = is_choice.then(|| row.format.clone());
    let context = (row.contexts == 0).then(|| format!("--context-length {}", row.longest_context));
    let flags: Vec<String> = [format, context].into_iter().flatten().collect();
    (!flags.is_empty()).then(|| flags.join(" "))
}

/// Why no format fits.
pub(super) fn refusal(model: &str, rows: &[Row], place: &Place) -> String {
    let smallest = rows.iter().map(|row| row.weights_bytes).min().unwrap_or(0);
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    format!(
        "{model} does not fit: its weights take {:.1} GB at least, and it may take {:.1} GB, 80 % of what is free on {}",
        gigabytes(smallest),
        gigabytes(place.room()),
        place.name,
    )
}

#[cfg(test)]
mod tests {
    use super::super::gpu::Gpu;
    use super::super::machine::Memory;
    use super::super::shape::{Part, SEVEN_B};
    use super::*;

    fn place(free_bytes: u64, bandwidth_gb_s: Option<f64>) -> Place {
        Place { name: "the processor".to_owned(), is_gpu: false, free_bytes, bandwidth_gb_s }
    }

    #[test]
    fn the_7b_at_each_format() {
        let [bf16, q8, q4] = &rows(&SEVEN_B, &usual_formats(), &place(128_000_000_000, Some(273.0)))[..] else {
            panic!()
        };
        assert_eq!(bf16.weights_bytes, 13_476_831_232);
        assert_eq!(q8.weights_bytes, 7_159_566_592);
        assert_eq!(q4.weights_bytes / 1_000_000, 4085);
        assert_eq!(bf16.weights_bytes - bf16.read_bytes_per_token, 32_000 * 4096 * 2, "all but the embeddings");
        assert_eq!((bf16.kv_bytes_per_token, bf16.kv_bytes_of_context), (524_288, 4_294_967_296));
        assert_eq!(bf16.contexts, 20, "(102.4 - 13.5) / 4.3");
        assert!((bf16.limit_tokens_per_s.unwrap() - 20.66).abs() < 0.01);
        assert!((bf16.limit_tokens_per_s_half_context.unwrap() - 17.77).abs() < 0.01);
    }

    #[test]
    fn what_does_not_fit_whole_may_fit_with_a_shorter_context() {
        let at = |free: u64| rows(&SEVEN_B, &usual_formats(), &place(free, None));
        assert_eq!(best(&at(128_000_000_000)).unwrap().format, "BF16");
        assert_eq!(best(&at(20_000_000_000)).unwrap().format, "Q8_0");
        let tight = at(7_000_000_000);
        let best_tight = best(&tight).unwrap();
        assert_eq!((best_tight.format.as_str(), best_tight.contexts, best_tight.longest_context), ("Q4_K_M", 0, 2816));
        assert_eq!(best_tight.limit_tokens_per_s, None);
        assert_eq!(flags(best_tight, true).as_deref(), Some("Q4_K_M --context-length 2816"));
        assert_eq!(flags(&at(20_000_000_000)[1], false), None);
        assert_eq!(best(&at(5_000_000_000)), None);
        assert!(
            refusal("m", &at(5_000_000_000), &place(5_000_000_000, None))
                .contains("4.1 GB at least, and it may take 4.0 GB")
        );
        assert_eq!(best(&[]), None);
    }

    fn small() -> Shape {
        let part = |elements| Part { elements, bytes: elements * 3 };
        Shape {
            embedding: part(100),
            matrices: part(1000),
            experts: part(800),
            rest: part(10),
            used_experts: 0.25,
            ..SEVEN_B
        }
    }

    #[test]
    fn stored_and_quantized_weights_are_counted_as_they_are_held() {
        let row = |shape: &Shape, format: Format| Row::new(shape, &format, &place(1 << 40, None));
        let stored = row(&small(), Format::as_stored("Q4_1", 16));
        assert_eq!((stored.weights_bytes, stored.read_bytes_per_token), (3 * 1910, 3 * (1010 + 200)));
        let tied = row(&Shape { is_tied: true, ..small() }, Format::as_stored("Q4_1", 16));
        assert_eq!(tied.read_bytes_per_token, 3 * (1010 + 200 + 100));
        let formats = formats_of_safetensors(false);
        assert_eq!((formats[0].name.as_str(), formats.len()), ("--dtype f32", 6));
        let isq = row(&small(), formats[2].clone());
        assert_eq!(isq.weights_bytes, 1800 * 17 / 16 + 110 * 4, "quantized matrices, the rest in F32");
        assert_eq!(isq.kv_bytes_per_token, SEVEN_B.kv_values * 4);
        assert_eq!(formats_of_safetensors(true)[0], Format::new("--dtype bf16", 16.0, 16.0, 16));
        let context = 10 * SEVEN_B.kv_values * 4;
        assert_eq!(memory(&small(), &wanted_format(Some("Q8_0"), 32), 10), 1800 * 17 / 16 + 110 * 4 + context);
        assert_eq!(memory(&small(), &wanted_format(None, 32), 10), 1910 * 4 + context);
    }

    #[test]
    fn odd_sizes_are_no_panic() {
        let max = Part { elements: u64::MAX, bytes: u64::MAX };
        let vast = Shape { context: u64::MAX, kv_values: u64::MAX, embedding: max, matrices: max, ..small() };
        let empty = Shape { context: 0, kv_values: 0, matrices: Part::default(), ..small() };
        for shape in [vast, empty] {
            for free in [0, 1, u64::MAX] {
                for bandwidth in [None, Some(0.0), Some(f64::INFINITY)] {
                    let place = place(free, bandwidth);
                    let rows = rows(&shape, &[usual_formats(), vec![Format::as_stored("x", 16)]].concat(), &place);
                    drop((best(&rows).cloned(), refusal("x", &rows, &place)));
                }
            }
        }
    }

    #[test]
    fn a_cuda_build_counts_the_memory_of_its_gpus() {
        let mut machine = Machine::sample();
        machine.memory = Memory { total_bytes: 9, free_bytes: 5, bandwidth_gb_s: Some(1.0) };
        let gpu = |free_bytes, bandwidth_gb_s| Gpu {
            name: "G".to_owned(),
            total_bytes: free_bytes,
            free_bytes,
            compute_capability: String::new(),
            driver: String::new(),
            bandwidth_gb_s,
        };
        let of = |devices: &[Gpu], is_cuda_build| {
            let gpus = Gpus { driver: None, devices: devices.to_vec(), failure: None };
            let place = Place::of(&machine, &gpus, is_cuda_build);
            (place.is_gpu, place.free_bytes, place.bandwidth_gb_s)
        };
        let large = gpu(Some(80), Some(3350.0));
        assert_eq!(of(std::slice::from_ref(&large), true), (true, 80, Some(3350.0)));
        assert_eq!(of(std::slice::from_ref(&large), false), (false, 5, Some(1.0)));
        assert_eq!(of(&[], true), (false, 5, Some(1.0)));
        assert_eq!(of(&[large.clone(), gpu(Some(20), None)], true), (true, 100, None));
        assert_eq!(of(&[gpu(None, Some(273.0))], true), (true, 5, Some(273.0)), "memory that it shares");
    }
}

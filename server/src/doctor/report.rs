//! The report as text, for a terminal.

use std::fmt::{self, Display, Formatter};

use super::Report;
use super::fit::{self, Place, Row};
use super::gpu::Gpu;
use super::machine::{Memory, Processor};

const CUDA_BUILD: &str = "cargo build --release -p zyron-server --features cuda";

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        writeln!(f, "This machine")?;
        line(f, "processor", &processor(&machine.processor))?;
        line(f, "instructions", &instructions(&machine.processor))?;
        line(f, "memory", &memory(&machine.memory))?;
        line(f, "bandwidth", &bandwidth(&machine.memory))?;
        line(f, "system", &format!("{}, {}", machine.system, machine.architecture))?;
        if self.gpu.devices.is_empty() {
            line(f, "GPU", &self.gpu.remark())?;
        }
        for device in &self.gpu.devices {
            line(f, "GPU", &gpu(device))?;
        }
        if let Some(device) = self.gpu.devices.first() {
            line(f, "driver", &format!("NVIDIA {}", device.driver))?;
        }
        line(f, "this build", &self.build())?;
        self.model(f)?;
        self.table(f)?;
        self.verdict(f)
    }
}

impl Report {
    fn build(&self) -> String {
        let has_gpu = self.gpu.driver.is_some() || !self.gpu.devices.is_empty();
        let mut text = match (self.is_cuda_build, has_gpu) {
            (true, _) => "computes on an NVIDIA GPU (CUDA)".to_owned(),
            (false, false) => "computes on the processor".to_owned(),
            (false, true) => format!("computes on the processor; for the GPU: `{CUDA_BUILD}`"),
        };
        if cfg!(all(target_arch = "x86_64", not(target_feature = "avx2"))) {
            text += ", without AVX2: mistralrs is many times slower; compile with `-C target-cpu=x86-64-v3`";
        }
        text
    }

    fn model(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(model) = &self.model else {
            return writeln!(
                f,
                "\nA model of 7 billion weights (32 layers of 4096, 32 heads, 11008, 32000 tokens, context of 8192)"
            );
        };
        writeln!(f, "\n{}", model.id)?;
        line(f, "engine", &format!("{}: {}", model.engine, model.engine_reason))?;
        line(f, "architecture", &format!("{}, context of {} tokens", model.architecture, model.context_length))?;
        line(f, "quantization", &model.quantization)
    }

    fn table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        cells(f, ["format", "weights", "read", "KV/token", "KV/context", "fits", "tok/s", "half full"])?;
        for row in &self.formats {
            let sizes = [row.weights_bytes, row.read_bytes_per_token, row.kv_bytes_per_token, row.kv_bytes_of_context]
                .map(bytes);
            let [weights, read, token, context] = sizes.each_ref().map(String::as_str);
            let limits = [row.limit_tokens_per_s, row.limit_tokens_per_s_half_context].map(rate);
            cells(f, [&row.format, weights, read, token, context, &fits(row), &limits[0], &limits[1]])?;
        }
        writeln!(f)?;
        let Place { name, free_bytes, bandwidth_gb_s, .. } = &self.place;
        let speed = bandwidth_gb_s.map_or("unknown bandwidth".to_owned(), |rate| format!("{rate:.1} GB/s"));
        line(f, "read", "weights that a token needs: all but the token embeddings, unless the output uses them too")?;
        line(f, "KV", &kv(&self.formats))?;
        line(
            f,
            "fits",
            &format!("whole contexts at once: (80 % of {} free - weights) / (KV/context)", bytes(*free_bytes)),
        )?;
        line(f, "tok/s", &format!("at most, for one stream on {name}: {speed} / (read + KV so far)"))
    }

    fn verdict(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (Some(model), Some(best)) = (&self.model, fit::best(&self.formats)) else { return Ok(()) };
        writeln!(f)?;
        let is_llama_cpp = model.engine == "llama_cpp";
        let verdict = match best.contexts {
            0 => format!("it fits with a context of {} tokens, not with a whole one", best.longest_context),
            contexts if is_llama_cpp && contexts > 1 => format!("it fits, with {contexts} whole contexts at once"),
            _ => "it fits, with a whole context".to_owned(),
        };
        line(f, "verdict", &verdict)?;
        if let Some(flags) = &self.recommended {
            line(f, "recommended", &format!("{flags} (the most exact that fits)"))?;
        }
        #[cfg(feature = "llama_cpp")]
        if is_llama_cpp {
            let Place { free_bytes, is_gpu, .. } = self.place;
            let free = free_bytes.saturating_sub(best.weights_bytes);
            let cache = zyron_engine_llama_cpp::usual_cache(free, best.kv_bytes_of_context, is_gpu);
            let note = format!("it gets {} for KV where `engine.kv_cache_mb` says nothing else", bytes(cache));
            line(f, "note", &note)?;
        }
        Ok(())
    }
}

fn cells(f: &mut Formatter<'_>, [format, weights, read, token, context, fits, limit, half]: [&str; 8]) -> fmt::Result {
    writeln!(f, "  {format:12}{weights:>9}{read:>9}{token:>11}{context:>12}{fits:>13}{limit:>9}{half:>11}")
}

/// Of how many bits the numbers in the cache are.
fn kv(rows: &[Row]) -> String {
    let wide = rows.iter().map(|row| row.kv_bits).max().unwrap_or(0);
    let others = rows.iter().filter(|row| row.kv_bits != wide);
    let others: Vec<String> = others.map(|row| format!("{} with {}", row.kv_bits, row.format)).collect();
    let numbers = [vec![format!("{wide} bits a number")], others].concat();
    format!("keys and values: {}", numbers.join(", "))
}

fn line(f: &mut Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {label:14}{text}")
}

fn processor(processor: &Processor) -> String {
    let Processor { name, physical_cores, logical_cores, usable_threads, .. } = processor;
    let physical = physical_cores.map_or("unknown".to_owned(), |cores| cores.to_string());
    format!("{name}; cores: {physical} physical, {logical_cores} logical; threads for this process: {usable_threads}")
}

fn instructions(processor: &Processor) -> String {
    match (&processor.has[..], &processor.lacks[..]) {
        ([], []) => "not examined on this architecture".to_owned(),
        (has, []) => has.join(", "),
        ([], lacks) => format!("none of {}", lacks.join(", ")),
        (has, lacks) => format!("{}; it lacks {}", has.join(", "), lacks.join(", ")),
    }
}

fn memory(memory: &Memory) -> String {
    format!("{}, {} free", bytes(memory.total_bytes), bytes(memory.free_bytes))
}

fn bandwidth(memory: &Memory) -> String {
    match memory.bandwidth_gb_s {
        Some(rate) => format!("{rate:.1} GB/s, read just now; other work on the machine lowers it"),
        None => "not measured: too little memory is free".to_owned(),
    }
}

fn gpu(gpu: &Gpu) -> String {
    let memory = match (gpu.total_bytes, gpu.free_bytes) {
        (Some(total), Some(free)) => format!("{}, {} free", bytes(total), bytes(free)),
        _ if gpu.shares_memory() => "it shares the machine's memory".to_owned(),
        _ => "memory unknown".to_owned(),
    };
    let rate = gpu.bandwidth_gb_s.map_or("bandwidth unknown".to_owned(), |rate| format!("{rate:.0} GB/s (data sheet)"));
    format!("{}; {memory}; {rate}; compute capability {}", gpu.name, gpu.compute_capability)
}

fn fits(row: &Row) -> String {
    match (row.contexts, row.longest_context) {
        (0, 0) => "no".to_owned(),
        (0, tokens) => format!("{tokens} tokens"),
        (contexts, _) => contexts.to_string(),
    }
}

/// In the largest decimal unit of which there is one.
fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.0} MB", bytes / 1e6),
        1e3.. => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes} B"),
    }
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or("unknown".to_owned(), |rate| if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") })
}

//! The processor, the memory and the system, as this process sees them: a container's limits count.

use serde::Serialize;
use sysinfo::{CpuRefreshKind, System};

use super::bandwidth;

/// Bytes read to measure the bandwidth, at most.
const READ: u64 = 1 << 30;

/// This machine.
#[derive(Serialize)]
pub(super) struct Machine {
    pub(super) processor: Processor,
    pub(super) memory: Memory,
    /// The operating system and its kernel.
    pub(super) system: String,
    /// The instruction set.
    pub(super) architecture: &'static str,
}

/// Its processor.
#[derive(Serialize)]
pub(super) struct Processor {
    pub(super) name: String,
    pub(super) physical_cores: Option<usize>,
    pub(super) logical_cores: usize,
    /// Threads that run at once in this process: within its affinity and its container's quota.
    pub(super) usable_threads: usize,
    /// The vector instructions that it has, of those that the engines can use.
    pub(super) has: Vec<&'static str>,
    /// Those that it lacks.
    pub(super) lacks: Vec<&'static str>,
}

/// Its memory.
#[derive(Serialize)]
pub(super) struct Memory {
    pub(super) total_bytes: u64,
    /// What this process can get, caches of files included.
    pub(super) free_bytes: u64,
    /// What reading it gave, in GB/s (10^9 bytes).
    pub(super) bandwidth_gb_s: Option<f64>,
}

impl Machine {
    /// Looks at the machine; measuring takes a second or two.
    pub(super) fn inspect() -> Self {
        let mut system = System::new();
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.refresh_memory();
        let processor = Processor::inspect(&system);
        let (total_bytes, free_bytes) = memory(&system);
        let bandwidth_gb_s = bandwidth::measure(processor.usable_threads, READ.min(free_bytes / 4));
        let kernel = System::kernel_version().unwrap_or_default();
        let name = System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned());
        Self {
            processor,
            memory: Memory { total_bytes, free_bytes, bandwidth_gb_s },
            system: format!("{name} {kernel}").trim().to_owned(),
            architecture: std::env::consts::ARCH,
        }
    }
}

impl Processor {
    fn inspect(system: &System) -> Self {
        let name = system.cpus().first().map(|cpu| cpu.brand().trim()).filter(|name| !name.is_empty());
        let (has, lacks): (Vec<_>, Vec<_>) = instructions().into_iter().partition(|&(_, is_there)| is_there);
        let names = |list: Vec<(&'static str, bool)>| list.into_iter().map(|(name, _)| name).collect();
        Self {
            name: name.unwrap_or("unknown").to_owned(),
            physical_cores: System::physical_core_count(),
            logical_cores: system.cpus().len(),
            usable_threads: std::thread::available_parallelism().map_or(1, usize::from),
            has: names(has),
            lacks: names(lacks),
        }
    }
}

/// Bytes in all, and bytes that this process can get.
fn memory(system: &System) -> (u64, u64) {
    let (total, free) = (system.total_memory(), system.available_memory());
    // sysinfo panics where it could not read the total.
    let limits = if total == 0 { None } else { system.cgroup_limits() };
    // Not the free memory that it gives: there, cached files count as used.
    let within =
        |limits: sysinfo::CGroupLimits| (limits.total_memory, free.min(limits.total_memory.saturating_sub(limits.rss)));
    limits.map_or((total, free), within)
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Vec<(&'static str, bool)> {
    use std::arch::is_x86_feature_detected as has;
    vec![
        ("AVX2", has!("avx2")),
        ("FMA", has!("fma")),
        ("F16C", has!("f16c")),
        ("AVX-512", has!("avx512f")),
        ("AVX-512 VNNI", has!("avx512vnni")),
        ("AVX-512 BF16", has!("avx512bf16")),
    ]
}

#[cfg(target_arch = "aarch64")]
fn instructions() -> Vec<(&'static str, bool)> {
    use std::arch::is_aarch64_feature_detected as has;
    vec![("NEON", has!("neon")), ("dotprod", has!("dotprod")), ("i8mm", has!("i8mm")), ("SVE", has!("sve"))]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Machine {
        /// One that knows little of itself, and has 16 GB free.
        pub(in crate::doctor) fn sample() -> Self {
            let name = "unknown".to_owned();
            let (has, lacks) = (vec![], vec!["AVX2"]);
            Self {
                processor: Processor { name, physical_cores: None, logical_cores: 0, usable_threads: 1, has, lacks },
                memory: Memory { total_bytes: 32_000_000_000, free_bytes: 16_000_000_000, bandwidth_gb_s: None },
                system: "Linux".to_owned(),
                architecture: "x86_64",
            }
        }
    }

    #[test]
    fn this_machine_is_plausible() {
        let mut system = System::new();
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.refresh_memory();
        let processor = Processor::inspect(&system);
        assert!(processor.usable_threads >= 1 && processor.usable_threads <= processor.logical_cores.max(1));
        assert!(!processor.name.is_empty());
        let (total, free) = memory(&system);
        assert!(free > 0 && free <= total, "{free} of {total}");
        assert_eq!(memory(&System::new()), (0, 0), "what was not read is no panic");
    }
}

//! Refuses to start on a CPU that lacks the instructions this binary is compiled for.
//!
//! x86-64 builds are for x86-64-v3, because the engine chooses its AVX2 kernels at compile time only. Without the
//! check, an older CPU would end the process with `SIGILL` somewhere in the first matrix product.

/// What a CPU must have.
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
pub const REQUIRED: &str = "AVX2, FMA, BMI2 and F16C (x86-64-v3)";

/// Whether this CPU can run this binary.
///
/// Asks the CPU itself: `is_x86_feature_detected!` answers from what was compiled for, without looking.
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
#[must_use]
pub fn is_supported() -> bool {
    let cpuid = raw_cpuid::CpuId::new();
    let extended = cpuid.get_extended_feature_info().is_some_and(|features| features.has_avx2() && features.has_bmi2());
    let basic = cpuid.get_feature_info().is_some_and(|features| {
        features.has_fma() && features.has_f16c() && features.has_avx() && features.has_oxsave()
    });
    extended && basic
}

/// What a CPU must have.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
pub const REQUIRED: &str = "nothing special";

/// Whether this CPU can run this binary.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
#[must_use]
pub fn is_supported() -> bool {
    true
}

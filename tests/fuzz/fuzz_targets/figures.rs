//! `cargo xtask fuzz code --target figures`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: zyron_fuzz::allow_caught_panics(), |data: &[u8]| zyron_fuzz::targets::figures::run(data));

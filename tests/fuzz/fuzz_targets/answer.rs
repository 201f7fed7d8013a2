//! `cargo xtask fuzz code --target answer`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: zyron_fuzz::allow_caught_panics(), |data: &[u8]| zyron_fuzz::targets::answer::run(data));

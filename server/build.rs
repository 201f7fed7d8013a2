//! Embeds the page, which `cargo xtask` has built before, and puts the check of the CPU before everything else.

use std::env;

fn main() {
    check_cpu();
    const PAGE: &str = "../web/dist";
    println!("cargo::rerun-if-changed={PAGE}");
    if !std::path::Path::new(PAGE).join("index.html").exists() {
        println!("cargo::error=the page is missing; build it with `cargo xtask page`");
        return;
    }
    memory_serve::load_directory(PAGE);
}

/// Compiled for any CPU, and linked as an object file: nothing refers to it, so out of a library it would be left out.
fn check_cpu() {
    println!("cargo::rerun-if-changed=src/cpu.c");
    let set = |name: &str| env::var(name).unwrap_or_default();
    let is_v3 = set("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "avx2");
    if set("CARGO_CFG_TARGET_ARCH") == "x86_64" && is_v3 {
        let objects = cc::Build::new().file("src/cpu.c").inherit_rustflags(false).compile_intermediates();
        for object in objects {
            println!("cargo::rustc-link-arg-bins={}", object.display());
        }
    }
}

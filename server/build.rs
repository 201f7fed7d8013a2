//! Embeds the page, which `cargo xtask` has built before, and links what runs before `main`.

use std::env;

fn main() {
    before_main();
    const PAGE: &str = "../web/dist";
    println!("cargo::rerun-if-changed={PAGE}");
    if !std::path::Path::new(PAGE).join("index.html").exists() {
        println!("cargo::error=the page is missing; build it with `cargo xtask page`");
        return;
    }
    memory_serve::load_directory(PAGE);
}

/// Compiled for any CPU, and linked as an object file: nothing refers to it, so out of a library it would be left out.
fn before_main() {
    println!("cargo::rerun-if-changed=src/before_main.c");
    let set = |name: &str| env::var(name).unwrap_or_default();
    let mut compiler = cc::Build::new();
    if set("CARGO_CFG_TARGET_ARCH") == "x86_64" && set("CARGO_CFG_TARGET_FEATURE").split(',').any(|it| it == "avx2") {
        compiler.define("NEEDS_X86_64_V3", None);
    }
    for object in compiler.file("src/before_main.c").inherit_rustflags(false).compile_intermediates() {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
}

//! Embeds the page, which `cargo xtask` has built before.

fn main() {
    const PAGE: &str = "../web/dist";
    println!("cargo::rerun-if-changed={PAGE}");
    if !std::path::Path::new(PAGE).join("index.html").exists() {
        println!("cargo::error=the page is missing; build it with `cargo xtask page`");
        return;
    }
    memory_serve::load_directory(PAGE);
}

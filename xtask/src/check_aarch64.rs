//! `cargo xtask check-aarch64`: does the server still compile for 64-bit ARM, the first deployment's processor?

use std::env::consts::ARCH;

use anyhow::Result;

use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{apt, rust_target, setup, web};

/// Checks the server's Rust and compiles its C and C++ parts; nothing is linked.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::for_building(workspace)?;
    web::build(workspace)?;
    let mut check = workspace.cargo(["check", "--release", "--package", "zyron-server", "--target"]);
    check.arg(rust_target::AARCH64);
    if ARCH != "aarch64" {
        apt::ensure(workspace, &[apt::AARCH64_COMPILER])?;
        rust_target::ensure(workspace, rust_target::AARCH64)?;
        check.envs([
            ("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc"),
            ("CXX_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-g++"),
            ("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar"),
            ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc"),
            // libclang, which reads llama.cpp's headers, does not look where Debian puts C's for another processor.
            ("BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu", "-I/usr/aarch64-linux-gnu/include"),
        ]);
    }
    run_program(&mut check)
}

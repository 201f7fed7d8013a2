//! `cargo xtask cuda-check`: does the CUDA build compile, link and start, on a machine that may have no GPU?
//!
//! The compiler and the libraries come from PyPI, where NVIDIA puts them. Their wheels are made for programs that load
//! the libraries while they run: they lack the names that a linker looks for, the static libraries that llama.cpp's
//! crate asks for, and the driver, which belongs to a machine with a GPU. This puts the names there, empty static
//! libraries beside the shared ones, and a driver whose every function says that it is none. What is built so runs on
//! a machine with a driver and the same libraries; a release is built with NVIDIA's own toolkit (docs/gpu.md).

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use crate::process::run as run_program;
use crate::workspace::Workspace;
use crate::{checkpoint, python, setup, web};

/// The version whose programs run with the oldest driver of all that know the GB10.
const CUDA: &str = "13.0";
/// Its parts.
const WHEELS: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-cccl==13.0.85",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cublas==13.0.2.14",
    "nvidia-curand==10.4.0.35",
];
/// The static libraries that llama.cpp's crate asks for and no wheel has.
const STATIC: [&str; 3] = ["cublas_static", "cublasLt_static", "culibos"];
/// The shared libraries that are named to the linker in their place.
const SHARED: [&str; 3] = ["cudart", "cublas", "cublasLt"];
/// An archive with nothing in it.
const EMPTY_ARCHIVE: &str = "!<arch>\n";

/// Builds for each of `architectures`, such as 90 for an H100 and 121 for a GB10, and starts what was built.
pub(crate) fn run(workspace: &Workspace, architectures: &[u32]) -> Result<()> {
    setup::for_checkpoint(workspace)?;
    web::build(workspace)?;
    let toolkit = toolkit(workspace)?;
    for &architecture in architectures {
        println!("\nCompiling for sm_{architecture}.");
        let target = workspace.target().join(format!("cuda-{architecture}"));
        build(workspace, &toolkit, architecture, &target)?;
        start(workspace, &toolkit, &target.join("release/zyron"))?;
    }
    Ok(())
}

/// Gets the compiler and the libraries, once.
fn toolkit(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.cache().join(format!("cuda-{CUDA}"));
    let toolkit = folder.join("toolkit");
    let _lock = workspace.lock_cache()?;
    if toolkit.exists() {
        return Ok(toolkit);
    }
    let unpacked = folder.join("unpacked");
    println!("Getting the compiler and the libraries of CUDA {CUDA} from PyPI (once, 700 MB).");
    fs::create_dir_all(&unpacked).with_context(|| format!("could not create {}", unpacked.display()))?;
    let mut install = python::pip(workspace, "install");
    install.args(["--no-deps", "--only-binary", ":all:", "--upgrade", "--target"]).arg(&unpacked).args(WHEELS);
    run_program(&mut install).context("the download failed; is PyPI reachable?")?;
    let unfinished = unpacked.join("nvidia/cu13");
    complete(&unfinished)?;
    fs::rename(unfinished, &toolkit)?;
    fs::remove_dir_all(unpacked)?;
    Ok(toolkit)
}

/// Adds what the wheels leave out.
fn complete(toolkit: &Path) -> Result<()> {
    for folder in ["bin", "nvvm/bin"] {
        for program in fs::read_dir(toolkit.join(folder))? {
            let program = program?;
            if program.file_type()?.is_file() {
                fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755))?;
            }
        }
    }
    let libraries = toolkit.join("lib");
    symlink("lib", toolkit.join("lib64"))?;
    for library in fs::read_dir(&libraries)? {
        let name = library?.file_name().into_string().unwrap_or_default();
        if let Some((stem, _version)) = name.split_once(".so.") {
            symlink(&name, libraries.join(format!("{stem}.so")))?;
        }
    }
    for name in STATIC {
        fs::write(libraries.join(format!("lib{name}.a")), EMPTY_ARCHIVE)?;
    }
    let stubs = libraries.join("stubs");
    fs::create_dir(&stubs)?;
    let source = stubs.join("cuda.c");
    let header = fs::read_to_string(toolkit.join("include/cuda.h"))?;
    fs::write(&source, driver_that_is_none(&header))?;
    let library = stubs.join("libcuda.so.1");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]).arg(&library).arg(source);
    run_program(&mut compile)?;
    symlink("libcuda.so.1", stubs.join("libcuda.so"))?;
    Ok(())
}

/// C source in which each function of the driver says `CUDA_ERROR_STUB_LIBRARY`.
fn driver_that_is_none(header: &str) -> String {
    let is_name = |word: &&str| {
        word.strip_prefix("cu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
    };
    let words = |line: &str| -> Vec<String> {
        line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .filter(is_name)
            .map(str::to_owned)
            .collect()
    };
    // Declarations, and the macros that give a function's name its version.
    let lines =
        header.lines().filter(|line| line.contains("CUDAAPI cu") || line.trim_start().starts_with("#define cu"));
    let names: BTreeSet<String> = lines.flat_map(words).collect();
    names.iter().map(|name| format!("int {name}(void) {{ return 34; }}\n")).collect()
}

fn build(workspace: &Workspace, toolkit: &Path, architecture: u32, target: &Path) -> Result<()> {
    let libraries = toolkit.join("lib");
    let mut path = toolkit.join("bin").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut flags = Vec::new();
    if env::consts::ARCH == "x86_64" {
        flags.push(("-C", "target-cpu=x86-64-v3".to_owned()));
    }
    flags.extend([&libraries, &libraries.join("stubs")].map(|folder| ("-L", format!("native={}", folder.display()))));
    flags.extend(SHARED.map(|library| ("-C", format!("link-arg=-l{library}"))));
    let flags: Vec<String> = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
    let mut cargo = workspace.cargo(["build", "--release", "--package", "zyron-server", "--features", "cuda"]);
    cargo
        .env("PATH", path)
        // One name for each who asks: candle's kernels, cudarc, llama.cpp's crate, CMake.
        .envs(["CUDA_PATH", "CUDA_HOME", "CUDA_LIBRARY_PATH", "CUDAToolkit_ROOT"].map(|name| (name, toolkit)))
        .env("CUDACXX", toolkit.join("bin/nvcc"))
        .env("CUDA_COMPUTE_CAP", architecture.to_string())
        .env("CMAKE_CUDA_ARCHITECTURES", format!("{architecture}-real"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", target);
    run_program(&mut cargo)
}

/// Starts each engine with a driver that is none, and expects to be told so.
fn start(workspace: &Workspace, toolkit: &Path, zyron: &Path) -> Result<()> {
    let libraries = toolkit.join("lib");
    let path = env::join_paths([libraries.clone(), libraries.join("stubs")])?;
    let model = checkpoint::ensure(workspace)?;
    for engine in ["llama_cpp", "mistralrs"] {
        let mut serve = Command::new(zyron);
        serve.args(["serve", "--port", "0", "--engine", engine, "--model"]).arg(&model).env("LD_LIBRARY_PATH", &path);
        let output = serve.output().with_context(|| format!("could not start {}", zyron.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().find(|line| line.to_lowercase().contains("error")).unwrap_or_default();
        println!("{engine}: {reason}");
        let is_told = said.contains("NVIDIA GPU") || said.contains("CUDA_ERROR_STUB_LIBRARY");
        ensure!(!output.status.success() && is_told, "{engine} did not say that there is no driver:\n{said}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_of_the_version_that_names_the_folder() {
        assert!(WHEELS[0].starts_with(&format!("nvidia-cuda-nvcc=={CUDA}.")));
    }

    #[test]
    fn every_function_of_the_driver_is_there() {
        let header = "#define cuMemAlloc cuMemAlloc_v2\nCUresult CUDAAPI cuInit(unsigned int Flags);\n\
                      typedef struct CUctx_st *CUcontext;\n";
        let expected =
            ["cuInit", "cuMemAlloc", "cuMemAlloc_v2"].map(|name| format!("int {name}(void) {{ return 34; }}\n"));
        assert_eq!(driver_that_is_none(header), expected.concat());
    }
}

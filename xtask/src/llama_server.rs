//! llama.cpp's own server, which the benchmark measures Zyron beside: built from the source that a PyPI package carries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::pinned::Pinned;
use crate::process::run;
use crate::python;
use crate::workspace::Workspace;

/// Of llama-cpp-python, whose source distribution holds the whole of llama.cpp (MIT).
const VERSION: &str = "0.3.36";
const SOURCE: Pinned = Pinned {
    name: "llama_cpp_python-0.3.36.tar.gz",
    bytes: 76_589_250,
    sha256: "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
};
/// What pip runs to read the version out of a source distribution.
const BUILDER: &str = "scikit-build-core==1.1.2";

/// Builds the server where it is not there yet, for the instructions that Zyron is built for, and returns its path.
pub(crate) fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let name = format!("llama-server-{VERSION}");
    let folder = workspace.cache().join(&name);
    let server = folder.join("build/bin/llama-server");
    let _lock = workspace.lock_cache()?;
    if !server.exists() {
        println!("Building llama.cpp's server in .cache/{name} (once, about ten minutes).");
        let source = fetch(workspace, &folder)?;
        build(&source, &folder.join("build"))?;
    }
    Ok(server)
}

fn fetch(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    python::ensure_environment(workspace)?;
    fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    run(python::pip(workspace, "install").arg(BUILDER))?;
    let mut download = python::pip(workspace, "download");
    download.args(["--no-deps", "--no-build-isolation", "--no-binary", "llama-cpp-python", "--dest"]).arg(folder);
    run(download.arg(format!("llama-cpp-python=={VERSION}"))).context("the download failed; is PyPI reachable?")?;
    let archive = folder.join(SOURCE.name);
    SOURCE.verify(&archive)?;
    run(python::program(workspace, "python").args(["-m", "tarfile", "--extract"]).arg(&archive).arg(folder))?;
    Ok(folder.join(format!("llama_cpp_python-{VERSION}/vendor/llama.cpp")))
}

fn build(source: &Path, folder: &Path) -> Result<()> {
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source).arg("-B").arg(folder);
    for option in ["CMAKE_BUILD_TYPE=Release", "BUILD_SHARED_LIBS=ON", "GGML_NATIVE=OFF"] {
        configure.arg(format!("-D{option}"));
    }
    // What it says of itself: left alone, it names the commit of the repository around it, which is ours.
    configure.args(["-DLLAMA_BUILD_NUMBER=0".to_owned(), format!("-DLLAMA_BUILD_COMMIT=llama-cpp-python-{VERSION}")]);
    for left_out in ["LLAMA_CURL", "LLAMA_OPENSSL", "LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_UI"] {
        configure.arg(format!("-D{left_out}=OFF"));
    }
    if env::consts::ARCH == "x86_64" {
        for instructions in ["AVX", "AVX2", "FMA", "F16C", "BMI2", "SSE42"] {
            configure.arg(format!("-DGGML_{instructions}=ON"));
        }
        configure.args(["-DCMAKE_C_FLAGS=-march=x86-64-v3", "-DCMAKE_CXX_FLAGS=-march=x86-64-v3"]);
    }
    run(&mut configure)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    run(Command::new("cmake").arg("--build").arg(folder).args(["--target", "llama-server", "--parallel", &cores]))
}

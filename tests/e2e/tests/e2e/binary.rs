//! The binary `zyron`, started as an operator would, and broken as one would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The binary under test; `cargo xtask test` says where it is.
pub(crate) fn zyron() -> PathBuf {
    from_environment("ZYRON_BIN")
}

/// The real checkpoint; `cargo xtask test` says where it is.
pub(crate) fn checkpoint() -> PathBuf {
    from_environment("ZYRON_TEST_MODEL")
}

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask test`")).into()
}

/// The binary with these arguments.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(zyron());
    command.args(arguments).env_remove("ZYRON_API_KEY");
    command
}

pub(crate) fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new(zyron());
    command.arg("serve").args(["--port", "0"]).args(arguments).env_remove("ZYRON_API_KEY");
    // Several servers share the machine here: threads that spin while they wait would take the others' time.
    command.env("OMP_WAIT_POLICY", "passive");
    command
}

/// Runs `zyron serve`, which must fail with one sentence. Returns the sentence.
pub(crate) fn refusal(arguments: &[&str]) -> String {
    sentence(&serve(arguments).output().unwrap())
}

/// The one sentence with which a run failed.
pub(crate) fn sentence(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(!stderr.contains("panic"), "{stderr}");
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("not one sentence: {stderr}") };
    error.to_owned()
}

fn model(path: &Path) -> String {
    refusal(&["--model", path.to_str().unwrap()])
}

#[test]
fn a_wrong_path_is_said_and_no_hub_is_asked() {
    assert!(model(Path::new("mistralai/Mistral-7B-v0.3")).contains("there is no model at `mistralai/Mistral-7B-v0.3`"));
    let folder = TempDir::new().unwrap();
    assert!(model(folder.path()).contains("no `config.json`"));
}

#[test]
fn a_model_that_cannot_be_unpacked_is_said() {
    let output = serve(&[]).env("TMPDIR", "/nowhere").output().unwrap();
    assert!(sentence(&output).contains("temporary file"));
}

#[test]
fn a_damaged_file_is_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    let bytes = fs::read(checkpoint()).unwrap();
    for (length, reason) in [(0, "not a GGUF file"), (1000, "damaged"), (bytes.len() - 1, "damaged")] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = model(&path);
        assert!(error.contains(reason), "{length} bytes: {error}");
    }
    fs::write(&path, "not a model at all").unwrap();
    assert!(model(&path).contains("not a GGUF file"));
}

#[test]
fn an_architecture_nobody_knows_is_said() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    let mut bytes = fs::read(checkpoint()).unwrap();
    // Names of the same length, everywhere in the metadata.
    let header = 4096;
    for at in 0..header {
        if bytes[at..].starts_with(b"llama") {
            bytes[at..at + 5].copy_from_slice(b"klama");
        }
    }
    fs::write(&path, bytes).unwrap();
    assert!(model(&path).contains("unknown model architecture: 'klama'"));
    let refused = refusal(&["--engine", "mistralrs", "--model", path.to_str().unwrap()]);
    assert!(refused.contains("`klama` is not supported"));
}

#[test]
fn options_that_cannot_be_honoured_are_said() {
    let checkpoint = checkpoint();
    let with = |more: &[&str]| refusal(&[&["--model", checkpoint.to_str().unwrap()], more].concat());
    assert!(with(&["--isq", "q4k"]).contains("quantized already"));
    assert!(with(&["--dtype", "bf16"]).contains("`engine.dtype` is for the mistralrs engine"));
    assert!(with(&["--engine", "mistralrs", "--isq", "q4k"]).contains("quantized already"));
    assert!(with(&["--engine", "mistralrs", "--dtype", "bf16"]).contains("bf16 on a CPU"));
    assert!(with(&["--context-length", "8193"]).contains("context has 8192 tokens"));
    assert!(with(&["--max-sequences", "129"]).contains("runs 128 at most"));
    assert!(with(&["--host", "0.0.0.0"]).contains("ZYRON_API_KEY"));
    assert!(with(&["--config", "/nowhere.toml"]).contains("nowhere"));
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("zyron.toml");
    fs::write(&config, "[server]\nprot = 1\n").unwrap();
    assert!(with(&["--config", config.to_str().unwrap()]).contains("prot"));
    fs::write(&config, "[engine]\nthreads = 1\n").unwrap();
    let refused = with(&["--engine", "mistralrs", "--config", config.to_str().unwrap()]);
    assert!(refused.contains("`engine.threads` is for the llama_cpp engine"), "{refused}");
}

#[test]
fn the_environment_is_configuration_too() {
    let output = serve(&[]).env("ZYRON__SERVER__PROT", "1").output().unwrap();
    assert!(sentence(&output).contains("prot"));
}

#[test]
fn a_port_in_use_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let checkpoint = checkpoint();
    let mut command = Command::new(zyron());
    let output = command.args(["serve", "--port", &port, "--model", checkpoint.to_str().unwrap()]).output().unwrap();
    assert!(sentence(&output).contains(&format!("cannot listen on 127.0.0.1:{port}")));
}

/// On an emulated CPU from before AVX2, where every instruction of that kind is a SIGILL.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_cpu_without_avx2_is_said() {
    let output = Command::new("qemu-x86_64").args(["-cpu", "Nehalem"]).arg(zyron()).arg("--version").output();
    let output = output.expect("qemu-user is installed; `cargo xtask setup` does it");
    assert!(sentence(&output).contains("AVX2"));
}

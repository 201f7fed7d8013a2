//! `zyron doctor`, run as an operator would.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{checkpoint, sentence, zyron};

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(zyron());
    command.arg("doctor").args(arguments);
    command
}

fn stdout(output: &Output) -> &str {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", output.status);
    std::str::from_utf8(&output.stdout).unwrap()
}

/// What the text says behind `label`, where that comes first.
fn line<'a>(text: &'a str, label: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
    found.unwrap_or_else(|| panic!("no line `{label}` in:\n{text}")).trim()
}

#[test]
fn the_machine_and_the_model_are_described() {
    let output = doctor(&["--model", checkpoint().to_str().unwrap()]).output().unwrap();
    let text = stdout(&output);
    assert!(line(text, "engine").starts_with("llama_cpp: "), "{text}");
    assert_eq!(line(text, "quantization"), "Q4_1");
    let bandwidth: f64 = line(text, "bandwidth").split(' ').next().unwrap().parse().unwrap();
    assert!(bandwidth > 0.1, "{text}");
    assert!(line(text, "verdict").starts_with("it fits"), "{text}");
}

#[test]
fn the_same_is_said_as_json() {
    let output = doctor(&["--json", "--model", checkpoint().to_str().unwrap()]).output().unwrap();
    let said: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert!(said["memory"]["bandwidth_gb_s"].as_f64().unwrap() > 0.1, "{said}");
    assert_eq!(said["model"]["engine"], "llama_cpp");
    let format = &said["formats"][0];
    // 30 layers, 3 heads of 64 for keys and values; the file is weights, and 3 MB of vocabulary.
    assert_eq!(format["kv_bytes_per_token"], 30 * 3 * (64 + 64) * 2);
    let (weights, file) = (format["weights_bytes"].as_u64().unwrap(), checkpoint().metadata().unwrap().len());
    assert!(weights < file && weights > file - 5_000_000, "{weights} of {file}");
    assert!(format["contexts"].as_u64().unwrap() > 0, "{said}");
}

#[test]
fn a_gpu_is_what_nvidia_smi_says() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("nvidia-smi");
    let with = |script: &str| {
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output = doctor(&[]).env("PATH", path).output().unwrap();
        stdout(&output).to_owned()
    };
    let text = with("echo 'NVIDIA GB10, [N/A], [N/A], 12.1, 580.95.05'");
    assert!(line(&text, "GPU").starts_with("NVIDIA GB10; it shares the machine's memory; 273 GB/s"), "{text}");
    let text = with("printf 'No devices\\377 were found'; exit 6");
    assert!(line(&text, "GPU").contains("it says: No devices\u{fffd} were found"), "{text}");
}

#[test]
fn what_is_no_model_is_said() {
    for path in ["nowhere/model.gguf", "/", "/dev/null"] {
        let output = doctor(&["--model", path]).output().unwrap();
        sentence(&output);
        assert!(output.stdout.is_empty(), "the machine is not measured for nothing");
    }
    let wrong = sentence(&doctor(&["--model", "nowhere/model.gguf"]).output().unwrap());
    assert!(wrong.contains("there is no model at `nowhere/model.gguf`"), "{wrong}");
}

//! End-to-end tests. Those over the scripted engine need nothing; those over the real checkpoint need
//! `ZYRON_BIN` and `ZYRON_TEST_MODEL`, which `cargo xtask test` sets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod analyse;
mod audit;
mod auth;
mod batches;
mod batching;
mod binary;
mod chat_completions;
mod compatibility;
mod completions;
mod connections;
mod doctor;
mod embeddings;
mod errors;
mod eu;
mod failures;
mod finance;
mod grpc;
mod health;
mod keys;
mod logprobs;
mod metrics;
mod mini;
mod model_check;
mod models;
mod pages;
mod privacy;
mod provenance;
mod real_model;
mod responses;
mod safetensors;
mod several_models;
mod shapes;
mod state;
mod structured;
mod tls;
mod tokenize;
mod tools;
mod upstream;
mod watchdog;

use std::path::{Path, PathBuf};

/// Every file in a folder and in those within, with its content.
fn files_under(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            files.push((path, content));
        }
    }
    files
}

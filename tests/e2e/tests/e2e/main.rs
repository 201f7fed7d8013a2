//! End-to-end tests. Those over the scripted engine need nothing; those over the real checkpoint need
//! `ZYRON_BIN` and `ZYRON_TEST_MODEL`, which `cargo xtask test` sets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod analyse;
mod auth;
mod batching;
mod binary;
mod chat_completions;
mod compatibility;
mod completions;
mod connections;
mod doctor;
mod errors;
mod failures;
mod finance;
mod health;
mod keys;
mod logprobs;
mod metrics;
mod mini;
mod model_check;
mod models;
mod pages;
mod real_model;
mod responses;
mod safetensors;
mod structured;
mod tokenize;
mod tools;
mod upstream;

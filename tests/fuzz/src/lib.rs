//! What reads bytes that come from outside, each as a function of bytes: a target for fuzzing.
//!
//! A target does to its bytes what the product does, and panics where anything comes of it that must not. libFuzzer calls
//! it under `cargo xtask fuzz code`, which also bounds the time and memory that an input may take; the test `replay` calls
//! it with every input of `corpus`, which has what each target reads in earnest and whatever was once answered wrongly.

pub mod targets;

use self::targets::{accounts, answer, chat_template, figures, gguf, grammar, ledger, model_folder, sse, tokenizer};
#[cfg(feature = "server")]
use self::targets::{batch_lines, requests};

/// A function of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Panics where the bytes have an effect that none may have.
    pub run: fn(&[u8]),
}

/// All of them. `Cargo.toml` has a program for each.
pub const TARGETS: &[Target] = &[
    Target { name: "accounts", run: accounts::run },
    Target { name: "answer", run: answer::run },
    #[cfg(feature = "server")]
    Target { name: "batch_lines", run: batch_lines::run },
    Target { name: "chat_template", run: chat_template::run },
    Target { name: "figures", run: figures::run },
    Target { name: "gguf", run: gguf::run },
    Target { name: "grammar", run: grammar::run },
    Target { name: "ledger", run: ledger::run },
    Target { name: "model_folder", run: model_folder::run },
    #[cfg(feature = "server")]
    Target { name: "requests", run: requests::run },
    Target { name: "sse", run: sse::run },
    Target { name: "tokenizer", run: tokenizer::run },
];

/// Takes away libFuzzer's hook, which ends the program at every panic: some libraries panic on wrong files, and that is
/// caught on purpose. A panic that nobody catches ends the program all the same.
pub fn allow_caught_panics() {
    drop(std::panic::take_hook());
}

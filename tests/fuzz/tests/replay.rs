//! Every input of the corpus, and inputs that differ from them a little: the same each time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zyron_fuzz::{TARGETS, Target};

/// Numbers that readers stumble over.
const ODD: [u64; 8] = [0, 1, 127, i32::MAX as u64, u32::MAX as u64, 1 << 60, i64::MAX as u64, u64::MAX];
/// The longest input, in bytes.
const LONGEST: usize = 1 << 16;
/// The most bytes of all inputs: they are in everybody's clone for good.
const MAX_CORPUS: usize = 300_000;

fn replay(name: &str, variations: usize) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is such a target");
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "there is no corpus for {name}");
    for (file, bytes) in &corpus {
        check(target, file, bytes);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..variations {
        let (file, bytes) = corpus.choose(&mut rng).expect("it is not empty");
        let (_, other) = corpus.choose(&mut rng).expect("it is not empty");
        check(target, file, &vary(bytes, other, &mut rng));
    }
}

/// The files of a target's folder with their names, in their order.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn check(target: &Target, file: &str, bytes: &[u8]) {
    let ran = catch_unwind(|| (target.run)(bytes));
    assert!(ran.is_ok(), "{} fails on what is made of {file}: {}", target.name, bytes.escape_ascii());
}

/// A few changes, and sometimes a piece of another input.
fn vary(bytes: &[u8], other: &[u8], rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=bytes.len());
        let to = rng.random_range(at..=bytes.len().min(at + 64));
        match rng.random_range(0..6) {
            0 => bytes[at..to].iter_mut().take(1).for_each(|byte| *byte = rng.random()),
            1 => drop(bytes.drain(at..to)),
            2 => bytes.extend_from_within(at..to),
            3 => {
                let number = ODD.choose(rng).expect("there are some").to_le_bytes();
                bytes[at..].iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
            }
            4 => {
                let number = ODD.choose(rng).expect("there are some").to_string();
                bytes.splice(at..to, number.into_bytes());
            }
            _ => {
                let from = rng.random_range(0..=other.len());
                let piece = &other[from..rng.random_range(from..=other.len().min(from + 256))];
                bytes.splice(at..to, piece.iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

#[test]
fn the_corpus_is_small() {
    let bytes: usize = TARGETS.iter().flat_map(|target| corpus(target.name)).map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= MAX_CORPUS, "the corpus has {bytes} bytes");
}

macro_rules! replays {
    ($($(#[$when:meta])? $name:ident: $variations:literal,)*) => {
        $(
            $(#[$when])?
            #[test]
            fn $name() {
                replay(stringify!($name), $variations);
            }
        )*

        #[test]
        fn each_target_is_replayed() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$($(#[$when])? stringify!($name)),*]);
        }
    };
}

replays! {
    accounts: 2000,
    answer: 5000,
    #[cfg(feature = "server")]
    batch_lines: 2000,
    chat_template: 2000,
    figures: 1000,
    gguf: 2000,
    grammar: 1000,
    ledger: 1000,
    model_folder: 2000,
    #[cfg(feature = "server")]
    requests: 2000,
    sse: 5000,
    tokenizer: 2000,
}

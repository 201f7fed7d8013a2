//! A GGUF file's dimensions. `zyron_engine::gguf` keeps the metadata, but not the table of tensors: it is read again.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use anyhow::Context;
use zyron_engine::gguf::{Gguf, GgufError, Value};

use super::{Shape, Tensor, kv_values};

pub(super) fn read(path: &Path, architecture: &str) -> anyhow::Result<Shape> {
    let unknown = || format!("the size of `{}` is unknown", path.display());
    let gguf = Gguf::open(path).with_context(unknown)?;
    let kv_values = cache(&gguf, architecture).with_context(unknown)?;
    let number = |key: &str| gguf.uint(&format!("{architecture}.{key}"));
    let experts = number("expert_count").zip(number("expert_used_count"));
    let used_experts = experts.map(|(all, used)| used as f64 / all as f64);
    let tensors = tensors(path, gguf.uint("general.alignment").unwrap_or(32)).with_context(unknown)?;
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

/// The table of tensors. A tensor takes what is between its offset and the next, padding included.
fn tensors(path: &Path, alignment: u64) -> io::Result<Vec<Tensor>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut header = Header(BufReader::new(file));
    // The magic and the version.
    header.skip(8)?;
    let (count, entries) = (header.u64()?, header.u64()?);
    for _ in 0..entries {
        header.skip_text()?;
        let kind = header.u32()?;
        header.skip_value(kind)?;
    }
    let mut tensors = (0..count).map(|_| header.tensor()).collect::<io::Result<Vec<_>>>()?;
    let start = header.0.stream_position()?.checked_next_multiple_of(alignment).unwrap_or(length);
    tensors.sort_by_key(|&(offset, _)| offset);
    let mut end = length.saturating_sub(start);
    for (offset, tensor) in tensors.iter_mut().rev() {
        tensor.bytes = end.saturating_sub(*offset);
        end = *offset;
    }
    Ok(tensors.into_iter().map(|(_, tensor)| tensor).collect())
}

/// Reads what a GGUF file begins with: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
struct Header(BufReader<File>);

impl Header {
    /// Reads, as beyond the end of the file nothing would stop a seek.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn u64(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn text(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        let length = self.u64()?;
        self.0.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let length = self.u64()?;
        self.skip(length)
    }

    fn skip_value(&mut self, kind: u32) -> io::Result<()> {
        match kind {
            0 | 1 | 7 => self.skip(1),
            2 | 3 => self.skip(2),
            4..=6 => self.skip(4),
            10..=12 => self.skip(8),
            8 => self.skip_text(),
            9 => match (self.u32()?, self.u64()?) {
                (9, _) => Err(io::Error::other("a list in its metadata holds lists")),
                (kind, count) => (0..count).try_for_each(|_| self.skip_value(kind)),
            },
            _ => Err(io::Error::other(format!("a metadata value has the unknown type {kind}"))),
        }
    }

    /// A tensor, without its size, after its offset.
    fn tensor(&mut self) -> io::Result<(u64, Tensor)> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        let sizes = (0..dimensions).map(|_| self.u64()).collect::<io::Result<Vec<_>>>()?;
        let elements = sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size));
        // Its number format, which its size speaks for.
        self.u32()?;
        Ok((self.u64()?, Tensor { name, dimensions: sizes.len(), elements, bytes: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use temp_dir::TempDir;

    use super::*;

    fn put_text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    /// Metadata of integers, and three F32 tensors, of which the second has 8 elements in 2 rows.
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
        let path = folder.child("model.gguf");
        std::fs::write(&path, bytes).unwrap();
        read(&path, "llama")
    }

    #[test]
    fn dimensions_are_read() {
        let shape = read_bytes(&sample(&ENTRIES)).unwrap();
        assert_eq!(shape.kv_values, 3 * 2 * (16 + 16));
        assert_eq!((shape.embedding.elements, shape.embedding.bytes), (8, 32));
        assert_eq!((shape.rest.elements, shape.rest.bytes), (4, 32), "padding included");
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
        let bytes = sample(&ENTRIES);
        assert!((0..bytes.len()).all(|length| read_bytes(&bytes[..length]).is_err()));
    }

    #[test]
    fn the_table_stands_on_its_own() {
        // Not behind the checks of `Gguf::open`: a file can change between the two.
        let folder = TempDir::new().unwrap();
        let path = folder.child("model.gguf");
        let bytes = sample(&ENTRIES);
        for at in 8..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            std::fs::write(&path, damaged).unwrap();
            drop(tensors(&path, 32));
        }
    }
}

//! Reads the header of a GGUF file: its metadata and the table of its tensors, never the weights.
//!
//! Everything in the header is checked against the length of the file before it is believed, so a truncated or
//! damaged file is a sentence, not a panic in the engine that loads it afterwards.
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use thiserror::Error;

use crate::tensors::{MAX_HEADER_BYTES, TensorInfo, most_common_format};

/// The most metadata entries and elements of lists, all together: four lists for a vocabulary of two million tokens.
const MAX_VALUES: u64 = 10_000_000;

/// Why a GGUF file was refused.
#[derive(Debug, Error)]
pub enum GgufError {
    /// The file could not be opened or read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file does not begin as a GGUF file does.
    #[error("it is not a GGUF file")]
    NotGguf,
    /// A version this reader does not know.
    #[error("it is GGUF version {0}; versions 2 and 3 are supported")]
    Version(u32),
    /// A tensor's numbers are in a format this reader does not know.
    #[error("tensor `{tensor}` has the number format {format}, which is not known here")]
    Format {
        /// The first such tensor.
        tensor: String,
        /// ggml's number of the format.
        format: u32,
    },
    /// The header says something the file cannot hold.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A key that every model needs is missing or of another type.
    #[error("it lacks a usable `{0}`")]
    MissingKey(String),
}

fn damaged(what: impl Into<String>) -> GgufError {
    GgufError::Damaged(what.into())
}

/// A metadata value. Integers of every width are one variant.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any integer type. `u64` above `i64::MAX` is refused as damaged.
    Int(i64),
    /// Either float type.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// Text.
    String(String),
    /// A list, all of one type.
    Array(Vec<Value>),
}

/// The header of a GGUF file.
#[derive(Debug)]
pub struct Gguf {
    metadata: HashMap<String, Value>,
    tensors: Vec<TensorInfo>,
}

impl Gguf {
    /// Reads and checks the header of the file at `path`.
    ///
    /// # Errors
    /// [`GgufError`], when the file cannot be read, is not GGUF, or cannot hold what its header says.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut reader = Reader { inner: BufReader::new(file), position: 0, length, values: 0 };
        if reader.bytes::<4>().map_err(|_| GgufError::NotGguf)? != *b"GGUF" {
            return Err(GgufError::NotGguf);
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensor_count = reader.u64()?;
        let metadata_count = reader.u64()?;
        let mut metadata = HashMap::new();
        for _ in 0..metadata_count {
            let key = reader.string()?;
            let kind = reader.u32()?;
            let value = reader.value(kind, 0)?;
            if metadata.contains_key(&key) {
                return Err(damaged(format!("it has `{key}` twice")));
            }
            metadata.insert(key, value);
        }
        let tensors = read_tensor_table(&mut reader, tensor_count, &metadata)?;
        if tensors.is_empty() {
            return Err(damaged("it has no tensors"));
        }
        Ok(Self { metadata, tensors })
    }

    /// The table of tensors, in the file's order.
    #[must_use]
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The number format that holds the most weights, such as `Q4_K`.
    #[must_use]
    pub fn quantization(&self) -> &str {
        most_common_format(&self.tensors).expect("a file without tensors is refused")
    }

    /// The value of `key`, if it is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// The text at `key`, if it is there and is text.
    #[must_use]
    pub fn str(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The non-negative integer at `key`, if it is there and is one.
    #[must_use]
    pub fn uint(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key)? {
            Value::Int(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The boolean at `key`, if it is there and is one.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The list at `key`, if it is there and is one.
    #[must_use]
    pub fn array(&self, key: &str) -> Option<&[Value]> {
        match self.metadata.get(key)? {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }

    /// As [`Self::str`], for a key that every model has.
    ///
    /// # Errors
    /// [`GgufError::MissingKey`].
    pub fn require_str(&self, key: &str) -> Result<&str, GgufError> {
        self.str(key).ok_or_else(|| GgufError::MissingKey(key.to_owned()))
    }

    /// As [`Self::uint`], for a key that every model has.
    ///
    /// # Errors
    /// [`GgufError::MissingKey`].
    pub fn require_uint(&self, key: &str) -> Result<u64, GgufError> {
        self.uint(key).ok_or_else(|| GgufError::MissingKey(key.to_owned()))
    }

    /// The list of texts at `key`.
    ///
    /// # Errors
    /// [`GgufError::MissingKey`], also where an element is not text.
    pub fn require_strings(&self, key: &str) -> Result<Vec<&str>, GgufError> {
        let texts = self.array(key).and_then(|values| {
            values
                .iter()
                .map(|value| if let Value::String(text) = value { Some(text.as_str()) } else { None })
                .collect()
        });
        texts.ok_or_else(|| GgufError::MissingKey(key.to_owned()))
    }
}

/// Reads the table, and checks that each tensor has a place of its own within the file.
fn read_tensor_table(
    reader: &mut Reader,
    count: u64,
    metadata: &HashMap<String, Value>,
) -> Result<Vec<TensorInfo>, GgufError> {
    let mut tensors = Vec::new();
    let mut places = Vec::new();
    for at in 0..count {
        let (tensor, offset) = read_tensor(reader)?;
        let end = tensor.bytes.checked_add(offset);
        places.push((offset, end.ok_or_else(|| damaged(format!("tensor `{}` is too large", tensor.name)))?, at));
        tensors.push(tensor);
    }
    check_names_and_places(&tensors, &mut places)?;
    let data_length = places.last().map_or(0, |&(_, end, _)| end);
    let alignment = match metadata.get("general.alignment") {
        None => 32,
        Some(Value::Int(value)) if *value > 0 && value % 8 == 0 => *value as u64,
        Some(_) => return Err(damaged("`general.alignment` is not a positive multiple of 8")),
    };
    let start = reader.position.checked_next_multiple_of(alignment);
    let needed = start.and_then(|start| start.checked_add(data_length));
    match needed {
        Some(needed) if needed <= reader.length => Ok(tensors),
        _ => {
            let needed = needed.map_or_else(|| "more".to_owned(), |needed| needed.to_string());
            Err(damaged(format!("its tensors need {needed} bytes and it has {}", reader.length)))
        }
    }
}

/// Checks that no two tensors share a name or a byte, and sorts `places`: where each begins and ends, and its number.
fn check_names_and_places(tensors: &[TensorInfo], places: &mut [(u64, u64, u64)]) -> Result<(), GgufError> {
    let mut names = HashSet::new();
    if let Some(twice) = tensors.iter().find(|tensor| !names.insert(&tensor.name)) {
        return Err(damaged(format!("it has tensor `{}` twice", twice.name)));
    }
    places.sort_unstable();
    if let Some(overlap) = places.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        let name = |at: u64| &tensors[at as usize].name;
        return Err(damaged(format!("tensors `{}` and `{}` overlap", name(overlap[0].2), name(overlap[1].2))));
    }
    Ok(())
}

/// A tensor, and where it begins behind the header.
fn read_tensor(reader: &mut Reader) -> Result<(TensorInfo, u64), GgufError> {
    let name = reader.string()?;
    let dimensions = reader.u32()?;
    if !(1..=4).contains(&dimensions) {
        return Err(damaged(format!("tensor `{name}` has {dimensions} dimensions")));
    }
    let too_large = || damaged(format!("tensor `{name}` is too large"));
    let (mut elements, mut shape) = (1u64, Vec::new());
    for _ in 0..dimensions {
        let size = reader.u64()?;
        // Nothing would bound the other sizes.
        if size == 0 {
            return Err(damaged(format!("tensor `{name}` is empty")));
        }
        elements = elements.checked_mul(size).ok_or_else(too_large)?;
        shape.push(size);
    }
    // ggml names the columns first.
    let columns = shape[0];
    shape.reverse();
    let format = reader.u32()?;
    let offset = reader.u64()?;
    let Some((format, block, bytes)) = format_of(format) else {
        return Err(GgufError::Format { tensor: name, format });
    };
    if !columns.is_multiple_of(block) {
        return Err(damaged(format!("the rows of tensor `{name}` do not fill their blocks")));
    }
    let bytes = (elements / block).checked_mul(bytes).ok_or_else(too_large)?;
    Ok((TensorInfo { name, shape, elements, bytes, format: format.to_owned() }, offset))
}

/// Name, elements per block and bytes per block of a ggml number format.
fn format_of(format: u32) -> Option<(&'static str, u64, u64)> {
    Some(match format {
        0 => ("F32", 1, 4),
        1 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        9 => ("Q8_1", 32, 36),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        15 => ("Q8_K", 256, 292),
        16 => ("IQ2_XXS", 256, 66),
        17 => ("IQ2_XS", 256, 74),
        18 => ("IQ3_XXS", 256, 98),
        19 => ("IQ1_S", 256, 50),
        20 => ("IQ4_NL", 32, 18),
        21 => ("IQ3_S", 256, 110),
        22 => ("IQ2_S", 256, 82),
        23 => ("IQ4_XS", 256, 136),
        29 => ("IQ1_M", 256, 56),
        30 => ("BF16", 1, 2),
        34 => ("TQ1_0", 256, 54),
        35 => ("TQ2_0", 256, 66),
        39 => ("MXFP4", 32, 17),
        _ => return None,
    })
}

/// Reads little-endian values and never past the end of the file.
struct Reader {
    inner: BufReader<File>,
    position: u64,
    length: u64,
    /// Metadata values read so far.
    values: u64,
}

impl Reader {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GgufError> {
        self.check_left(bytes.len() as u64)?;
        self.inner.read_exact(bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Before anything of `size` bytes is allocated or read.
    fn check_left(&self, size: u64) -> Result<(), GgufError> {
        if size > self.length - self.position {
            return Err(damaged("it ends in the middle of its header"));
        }
        if self.position + size > MAX_HEADER_BYTES {
            return Err(damaged(format!("its header is longer than {} MB", MAX_HEADER_BYTES / 1_000_000)));
        }
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn string(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        self.check_left(length)?;
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        // Token tables of some models hold bytes that are not UTF-8 on their own.
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn value(&mut self, kind: u32, depth: u8) -> Result<Value, GgufError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(damaged(format!("its metadata has more than {} million values", MAX_VALUES / 1_000_000)));
        }
        Ok(match kind {
            0 => Value::Int(self.bytes::<1>()?[0].into()),
            1 => Value::Int(i8::from_le_bytes(self.bytes()?).into()),
            2 => Value::Int(u16::from_le_bytes(self.bytes()?).into()),
            3 => Value::Int(i16::from_le_bytes(self.bytes()?).into()),
            4 => Value::Int(self.u32()?.into()),
            5 => Value::Int(i32::from_le_bytes(self.bytes()?).into()),
            6 => Value::Float(f32::from_le_bytes(self.bytes()?).into()),
            7 => Value::Bool(self.bytes::<1>()?[0] != 0),
            8 => Value::String(self.string()?),
            9 if depth == 0 => Value::Array(self.array()?),
            10 => Value::Int(i64::try_from(self.u64()?).map_err(|_| damaged("a number is out of range"))?),
            11 => Value::Int(i64::from_le_bytes(self.bytes()?)),
            12 => Value::Float(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(damaged(format!("a metadata value has the unknown type {kind}"))),
        })
    }

    fn array(&mut self) -> Result<Vec<Value>, GgufError> {
        let kind = self.u32()?;
        let count = self.u64()?;
        // Each element takes at least a byte, so a count beyond that is a lie.
        self.check_left(count)?;
        (0..count).map(|_| self.value(kind, 1)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// A tensor in a file's table.
    #[derive(Clone, Copy)]
    pub(crate) struct Tensor {
        pub(crate) name: &'static str,
        /// Columns first.
        pub(crate) sizes: &'static [u64],
        /// ggml's number.
        pub(crate) format: u32,
        pub(crate) offset: u64,
    }

    /// Bytes of a small valid file: one F32 tensor of four elements.
    pub(crate) fn sample(entries: &[(&str, Value)]) -> Vec<u8> {
        let mut bytes = header(entries, &[Tensor { name: "t", sizes: &[4], format: 0, offset: 0 }]);
        bytes.resize(bytes.len() + 16, 0);
        bytes
    }

    /// Everything before the weights, the padding too.
    pub(crate) fn header(entries: &[(&str, Value)], tensors: &[Tensor]) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((tensors.len() as u64).to_le_bytes());
        bytes.extend((entries.len() as u64).to_le_bytes());
        for (key, value) in entries {
            put_string(&mut bytes, key);
            put_value(&mut bytes, value, true);
        }
        for tensor in tensors {
            put_string(&mut bytes, tensor.name);
            bytes.extend((tensor.sizes.len() as u32).to_le_bytes());
            bytes.extend(tensor.sizes.iter().flat_map(|size| size.to_le_bytes()));
            bytes.extend(tensor.format.to_le_bytes());
            bytes.extend(tensor.offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes
    }

    pub(crate) fn put_string(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    fn put_value(bytes: &mut Vec<u8>, value: &Value, typed: bool) {
        let kind: u32 = match value {
            Value::Int(_) => 11,
            Value::Float(_) => 12,
            Value::Bool(_) => 7,
            Value::String(_) => 8,
            Value::Array(_) => 9,
        };
        if typed {
            bytes.extend(kind.to_le_bytes());
        }
        match value {
            Value::Int(value) => bytes.extend(value.to_le_bytes()),
            Value::Float(value) => bytes.extend(value.to_le_bytes()),
            Value::Bool(value) => bytes.push((*value).into()),
            Value::String(text) => put_string(bytes, text),
            Value::Array(values) => {
                let inner: u32 = match values.first() {
                    Some(Value::Int(_)) => 11,
                    Some(Value::Float(_)) => 12,
                    _ => 8,
                };
                bytes.extend(inner.to_le_bytes());
                bytes.extend((values.len() as u64).to_le_bytes());
                for value in values {
                    put_value(bytes, value, false);
                }
            }
        }
    }

    /// A file that is gone with this.
    pub(crate) struct TestFile(TempDir);

    impl TestFile {
        pub(crate) fn path(&self) -> PathBuf {
            self.0.path().join("model.gguf")
        }
    }

    pub(crate) fn write(bytes: &[u8]) -> TestFile {
        let file = TestFile(TempDir::new().unwrap());
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn open(bytes: &[u8]) -> Result<Gguf, GgufError> {
        Gguf::open(&write(bytes).path())
    }

    fn entries() -> Vec<(&'static str, Value)> {
        vec![
            ("general.architecture", Value::String("llama".into())),
            ("tokens", Value::Array(vec![Value::String("a".into()), Value::String("é".into())])),
            ("n", Value::Int(7)),
        ]
    }

    #[test]
    fn reads_what_was_written() {
        let gguf = open(&sample(&entries())).unwrap();
        assert_eq!(gguf.str("general.architecture"), Some("llama"));
        assert_eq!(gguf.require_strings("tokens").unwrap(), ["a", "é"]);
        assert_eq!(gguf.uint("n"), Some(7));
        assert_eq!(gguf.quantization(), "F32");
        assert!(matches!(gguf.require_uint("absent"), Err(GgufError::MissingKey(key)) if key == "absent"));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = sample(&entries());
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length]).is_err(), "{length} of {} bytes were accepted", bytes.len());
        }
    }

    #[test]
    fn a_giant_count_allocates_nothing() {
        let mut bytes = sample(&entries());
        bytes[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(open(&bytes), Err(GgufError::Damaged(_))));
    }

    proptest! {
        #[test]
        fn flipped_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
            let mut bytes = sample(&entries());
            for (index, value) in flips {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            let _ = open(&bytes);
        }
    }
}

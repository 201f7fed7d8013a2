//! What the header of a weight file says of its tensors, whatever the file's format.

use std::collections::BTreeMap;

/// The longest header that is read. Those of real models are a few megabytes, most of it the tokenizer's.
pub(crate) const MAX_HEADER_BYTES: u64 = 64_000_000;

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name, such as `blk.0.attn_q.weight` (GGUF) or `model.layers.0.self_attn.q_proj.weight` (safetensors).
    pub name: String,
    /// Its sizes, rows before columns.
    pub shape: Vec<u64>,
    /// How many numbers it holds.
    pub elements: u64,
    /// Their size in the file.
    pub bytes: u64,
    /// Their format, such as `Q4_K` or `BF16`.
    pub format: String,
}

/// The number format that holds the most weights. None where there are none.
pub(crate) fn most_common_format(tensors: &[TensorInfo]) -> Option<&str> {
    let mut elements: BTreeMap<&str, u64> = BTreeMap::new();
    for tensor in tensors {
        let total = elements.entry(&tensor.format).or_default();
        *total = total.saturating_add(tensor.elements);
    }
    elements.into_iter().max_by_key(|&(_, elements)| elements).map(|(format, _)| format)
}

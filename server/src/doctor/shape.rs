//! How large the parts of a model are, from the headers of its files. [`Model::open`] has checked them, and does not
//! keep them. No weights are read.

mod gguf;
mod safetensors;

use zyron_engine::{Model, TensorInfo, Weights};

/// A group of a model's tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) elements: u64,
    /// In the file.
    pub(super) bytes: u64,
}

/// A model's dimensions, as far as memory and speed depend on them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    /// The longest prompt plus answer, in tokens.
    pub(super) context: u64,
    /// Numbers that a token leaves in the KV cache, over all layers.
    pub(super) kv_values: u64,
    /// The table of token embeddings.
    pub(super) embedding: Part,
    /// Matrices that each token is multiplied with.
    pub(super) matrices: Part,
    /// Matrices of which each token uses [`Self::used_experts`].
    pub(super) experts: Part,
    /// Norms and biases.
    pub(super) rest: Part,
    /// Whether the embeddings are the output's matrix too, and so are read whole for each token.
    pub(super) is_tied: bool,
    /// The share of the experts that a token uses.
    pub(super) used_experts: f64,
    /// Whether the weights are quantized already.
    pub(super) is_quantized: bool,
}

/// The 7B of the owner's vision: 32 layers of 4096, 32 heads for keys and values too, 11008, 32000 tokens.
pub(super) const SEVEN_B: Shape = Shape {
    context: 8192,
    kv_values: 32 * 2 * 4096,
    embedding: Part { elements: 32_000 * 4096, bytes: 0 },
    matrices: Part { elements: 32_000 * 4096 + 32 * (4 * 4096 * 4096 + 3 * 4096 * 11_008), bytes: 0 },
    experts: Part { elements: 0, bytes: 0 },
    rest: Part { elements: 65 * 4096, bytes: 0 },
    is_tied: false,
    used_experts: 1.0,
    is_quantized: false,
};

impl Shape {
    /// Of a model that can be opened.
    ///
    /// # Errors
    /// What its files do not say.
    pub(super) fn of(model: &Model) -> anyhow::Result<Self> {
        let mut shape = match &model.weights {
            Weights::Gguf(path) => gguf::read(path, &model.architecture, &model.tensors)?,
            Weights::Safetensors(folder) => safetensors::read(folder, &model.tensors)?,
        };
        shape.context = model.context_length as u64;
        Ok(shape)
    }

    /// Sorts the tensors into parts. The context is the model's to say.
    fn new(kv_values: u64, used_experts: Option<f64>, is_quantized: bool, tensors: &[TensorInfo]) -> Self {
        let mut shape = Self {
            context: 0,
            kv_values,
            embedding: Part::default(),
            matrices: Part::default(),
            experts: Part::default(),
            rest: Part::default(),
            is_tied: true,
            used_experts: used_experts.filter(|share| *share > 0.0 && *share < 1.0).unwrap_or(1.0),
            is_quantized,
        };
        for tensor in tensors {
            let name = tensor.name.as_str();
            if name == "output.weight" || name.ends_with("lm_head.weight") {
                shape.is_tied = false;
            }
            let part = if name == "token_embd.weight" || name.ends_with("embed_tokens.weight") {
                &mut shape.embedding
            } else if name.contains("_exps.") || name.contains(".experts.") {
                &mut shape.experts
            } else if tensor.shape.len() > 1 {
                &mut shape.matrices
            } else {
                &mut shape.rest
            };
            part.elements = part.elements.saturating_add(tensor.elements);
            part.bytes = part.bytes.saturating_add(tensor.bytes);
        }
        shape
    }
}

/// Numbers that a token leaves in the cache: for each head of keys and values of each layer, a key and a value.
fn kv_values(heads: u64, key: u64, value: u64) -> u64 {
    heads.saturating_mul(key.saturating_add(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_7b_is_what_its_name_says() {
        let parts = [SEVEN_B.embedding, SEVEN_B.matrices, SEVEN_B.rest];
        assert_eq!(parts.iter().map(|part| part.elements).sum::<u64>(), 6_738_415_616);
        assert_eq!(SEVEN_B.kv_values * 2, 524_288, "bytes in F16");
    }

    fn tensor(name: &str, dimensions: usize, elements: u64) -> TensorInfo {
        let shape = vec![1; dimensions];
        TensorInfo {
            name: name.to_owned(),
            shape,
            elements,
            bytes: elements.saturating_mul(2),
            format: "F16".to_owned(),
        }
    }

    #[test]
    fn tensors_are_sorted_by_what_they_are_for() {
        let tensors = || {
            vec![
                tensor("token_embd.weight", 2, 1),
                tensor("blk.0.attn_q.weight", 2, 2),
                tensor("blk.0.ffn_up_exps.weight", 3, 4),
                tensor("blk.0.attn_norm.weight", 1, 8),
            ]
        };
        let shape = Shape::new(7, Some(0.25), false, &tensors());
        assert_eq!(shape.embedding, Part { elements: 1, bytes: 2 });
        assert_eq!((shape.matrices.elements, shape.experts.elements, shape.rest.elements), (2, 4, 8));
        assert!(shape.is_tied && shape.used_experts == 0.25);
        let with_output: Vec<TensorInfo> = tensors().into_iter().chain([tensor("output.weight", 2, 16)]).collect();
        let untied = Shape::new(7, Some(f64::NAN), false, &with_output);
        assert!(!untied.is_tied && untied.used_experts == 1.0);
        assert_eq!(untied.matrices.elements, 18);
        let vast = Shape::new(7, None, false, &[tensor("a", 2, u64::MAX / 2), tensor("b", 2, u64::MAX / 2)]);
        assert_eq!(vast.matrices.bytes, u64::MAX, "what is too large is no panic");
        assert_eq!(kv_values(u64::MAX, 2, u64::MAX), u64::MAX);
    }
}

//! The network: Mistral's, forwards, with parameters that a gradient can be taken of. No cache, no batching of other
//! people's requests: it is here to be trained, and to check what the engines compute.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use candle_core::{DType, Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::kernels::{self, Positions};
use crate::packing::Window;

/// The sizes of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Entries of the vocabulary.
    pub vocabulary: usize,
    /// Numbers that a token is.
    pub width: usize,
    /// Layers.
    pub layers: usize,
    /// Heads that ask.
    pub heads: usize,
    /// Heads that answer, each for as many that ask.
    pub kv_heads: usize,
    /// Width of the feed-forward part.
    pub inner: usize,
    /// The longest text.
    pub context: usize,
    /// The base of the rotary positions.
    pub theta: f64,
    /// What keeps the norm from dividing by zero.
    pub epsilon: f64,
}

impl Shape {
    /// Numbers that a head looks at.
    #[must_use]
    pub fn head(&self) -> usize {
        self.width / self.heads
    }

    /// Each parameter's name in Hugging Face's layout, and its rows and columns; one row for a norm.
    pub fn parameters(&self) -> Vec<(String, usize, usize)> {
        let (width, kv) = (self.width, self.kv_heads * self.head());
        let mut all = vec![("model.embed_tokens".to_owned(), self.vocabulary, width)];
        for layer in 0..self.layers {
            let of = |part: &str| format!("model.layers.{layer}.{part}");
            all.extend([
                (of("input_layernorm"), 1, width),
                (of("self_attn.q_proj"), width, width),
                (of("self_attn.k_proj"), kv, width),
                (of("self_attn.v_proj"), kv, width),
                (of("self_attn.o_proj"), width, width),
                (of("post_attention_layernorm"), 1, width),
                (of("mlp.gate_proj"), self.inner, width),
                (of("mlp.up_proj"), self.inner, width),
                (of("mlp.down_proj"), width, self.inner),
            ]);
        }
        all.push(("model.norm".to_owned(), 1, width));
        all.into_iter().map(|(name, rows, columns)| (name + ".weight", rows, columns)).collect()
    }

    /// How many numbers that is.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parameters().iter().map(|(_, rows, columns)| rows * columns).sum()
    }
}

/// A network with its parameters. The embedding is its output, too.
pub struct Network {
    shape: Shape,
    parameters: BTreeMap<String, Var>,
}

impl Network {
    /// With parameters at random.
    ///
    /// # Errors
    /// Where memory is not enough.
    pub fn new(shape: Shape, seed: u64) -> anyhow::Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut parameters = BTreeMap::new();
        for (name, rows, columns) in shape.parameters() {
            let tensor = if rows == 1 {
                Tensor::ones(columns, DType::F32, &Device::Cpu)?
            } else {
                // What adds to the residual stream is smaller, by how often that is done.
                let adds = name.contains("o_proj") || name.contains("down_proj");
                let deviation = if adds { 0.02 / (2.0 * shape.layers as f32).sqrt() } else { 0.02 };
                let bound = deviation * 3_f32.sqrt();
                let values: Vec<f32> = (0..rows * columns).map(|_| rng.random_range(-bound..bound)).collect();
                Tensor::from_vec(values, (rows, columns), &Device::Cpu)?
            };
            parameters.insert(name, Var::from_tensor(&tensor)?);
        }
        Ok(Self { shape, parameters })
    }

    /// With parameters of a file, in whatever number format.
    ///
    /// # Errors
    /// Where one is missing or has another shape.
    pub fn from_tensors(shape: Shape, tensors: &HashMap<String, Tensor>) -> anyhow::Result<Self> {
        let mut parameters = BTreeMap::new();
        for (name, rows, columns) in shape.parameters() {
            let tensor = tensors.get(&name).with_context(|| format!("there is no tensor `{name}`"))?;
            let dims: &[usize] = if rows == 1 { &[columns] } else { &[rows, columns] };
            anyhow::ensure!(tensor.dims() == dims, "`{name}` is {:?}, not {dims:?}", tensor.dims());
            parameters.insert(name, Var::from_tensor(&tensor.to_dtype(DType::F32)?)?);
        }
        Ok(Self { shape, parameters })
    }

    /// Its sizes.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Its parameters, by their names.
    #[must_use]
    pub fn parameters(&self) -> &BTreeMap<String, Var> {
        &self.parameters
    }

    fn weight(&self, name: &str) -> &Tensor {
        &self.parameters[&format!("{name}.weight")]
    }

    /// `x` times a matrix of the network.
    fn project(&self, x: &Tensor, name: &str) -> candle_core::Result<Tensor> {
        x.matmul(&self.weight(name).t()?)
    }

    /// What each token of `ids` (rows, length) has become, a row each.
    fn hidden(&self, ids: &Tensor) -> candle_core::Result<Tensor> {
        let (rows, length) = ids.dims2()?;
        let Shape { width, heads, kv_heads, .. } = self.shape;
        let head = self.shape.head();
        let positions = Positions::new(length, head / 2, self.shape.theta);
        let epsilon = self.shape.epsilon as f32;
        let mut x = self.weight("model.embed_tokens").index_select(&ids.flatten_all()?, 0)?;
        for layer in 0..self.shape.layers {
            let of = |part: &str| format!("model.layers.{layer}.{part}");
            let normed = kernels::rms_norm(&x, self.weight(&of("input_layernorm")), epsilon)?;
            let split = |name: &str, heads: usize| -> candle_core::Result<Tensor> {
                let all = self.project(&normed, &of(name))?;
                all.reshape((rows, length, heads, head))?.transpose(1, 2)?.contiguous()
            };
            let query = kernels::rotate(&split("self_attn.q_proj", heads)?, &positions)?;
            let key = kernels::rotate(&split("self_attn.k_proj", kv_heads)?, &positions)?;
            let value = split("self_attn.v_proj", kv_heads)?;
            // The heads that share a key are rows of one matrix.
            let group = heads / kv_heads;
            let query = query.reshape((rows, kv_heads, group * length, head))?;
            let scores = query.matmul(&key.transpose(2, 3)?)?;
            let scores = kernels::causal_softmax(&scores, length, (head as f32).powf(-0.5))?;
            let mixed = scores.matmul(&value)?.reshape((rows, heads, length, head))?;
            let mixed = mixed.transpose(1, 2)?.reshape((rows * length, width))?;
            x = (x + self.project(&mixed, &of("self_attn.o_proj"))?)?;
            let normed = kernels::rms_norm(&x, self.weight(&of("post_attention_layernorm")), epsilon)?;
            let gate = self.project(&normed, &of("mlp.gate_proj"))?;
            let up = self.project(&normed, &of("mlp.up_proj"))?;
            x = (x + self.project(&kernels::swiglu(&gate, &up)?, &of("mlp.down_proj"))?)?;
        }
        kernels::rms_norm(&x, self.weight("model.norm"), epsilon)
    }

    /// The logits of each token of one text, (length, vocabulary).
    ///
    /// # Errors
    /// Where a token is not of the vocabulary.
    pub fn logits(&self, tokens: &[u32]) -> candle_core::Result<Tensor> {
        let ids = Tensor::new(tokens, &Device::Cpu)?.unsqueeze(0)?;
        self.project(&self.hidden(&ids)?, "model.embed_tokens")
    }

    /// The sum of the losses of the tokens that are learnt, and how many those are.
    pub(crate) fn loss(&self, windows: &[Window]) -> anyhow::Result<(Tensor, usize)> {
        let length = windows[0].learnt.len();
        let ids: Vec<u32> = windows.iter().flat_map(|window| &window.tokens[..length]).copied().collect();
        let ids = Tensor::from_vec(ids, (windows.len(), length), &Device::Cpu)?;
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        for (row, window) in windows.iter().enumerate() {
            for place in (0..length).filter(|&place| window.learnt[place]) {
                places.push((row * length + place) as u32);
                targets.push(window.tokens[place + 1]);
            }
        }
        let count = targets.len();
        let places = Tensor::from_vec(places, count, &Device::Cpu)?;
        // Only of those that are learnt: the output is the largest matrix.
        let hidden = self.hidden(&ids)?.index_select(&places, 0)?;
        let logits = hidden.matmul(&self.weight("model.embed_tokens").t()?)?;
        Ok((kernels::cross_entropy(&logits, targets)?, count))
    }

    /// The mean loss over some windows, without a gradient.
    pub(crate) fn evaluate(&self, windows: &[Window]) -> anyhow::Result<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for window in windows.chunks(4) {
            let (loss, learnt) = self.loss(window)?;
            sum += f64::from(loss.to_scalar::<f32>()?);
            count += learnt;
        }
        Ok(sum / count.max(1) as f64)
    }
}

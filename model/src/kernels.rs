//! What the network computes beside its matrix products, each in one pass with its gradient. candle has them too, as
//! chains of simple operations, whose every step goes through memory: half of the time of a training step.
//!
//! All of them compute on one thread: the training has a thread of its own for each part of a batch.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Storage, Tensor, bail};

/// Numbers that are added up side by side, so that the processor does them at once.
const LANES: usize = 16;

/// The numbers of a storage, which are in a row.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("the tensor is not in one piece") };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Calls `with` with the numbers of a tensor on the CPU.
fn read<T>(tensor: &Tensor, with: impl FnOnce(&[f32]) -> T) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("the tensor is not on the CPU") };
    Ok(with(values(storage, layout)?))
}

fn tensor(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.shape(), &Device::Cpu)
}

fn last(shape: &Shape) -> usize {
    shape.dims().last().copied().unwrap_or(1)
}

/// The sum of `of` over two rows of the same length.
fn sum(one: &[f32], other: &[f32], of: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (ones, others) = (one.chunks_exact(LANES), other.chunks_exact(LANES));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(&a, &b)| of(a, b)).sum();
    for (one, other) in ones.zip(others) {
        for lane in 0..LANES {
            lanes[lane] += of(one[lane], other[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    sum(one, other, |a, b| a * b)
}

/// `e` to the `x`, to seven digits, without a branch or a call: 2ⁿ by the exponent's bits, the rest by a polynomial.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Added to a number it leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    // ln 2 in two parts, the first of which has few bits.
    let rest = whole.mul_add(-0.693_359_4, x);
    let rest = whole.mul_add(2.121_944_4e-4, rest);
    let mut power = 1.987_569_1e-4_f32;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        power = power.mul_add(rest, coefficient);
    }
    let power = power.mul_add(rest * rest, rest) + 1.0;
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `row` becomes `e` to the power of itself, times `scale`, less its largest; the sum of that is returned.
fn exp_row(row: &mut [f32], scale: f32) -> f32 {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|value| *value = exp((*value - largest) * scale));
    sum(row, row, |a, _| a)
}

/// Divides each row by its root mean square, and scales its columns.
///
/// # Errors
/// Where the tensors do not fit.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    x.apply_op2(weight, RmsNorm { epsilon })
}

struct RmsNorm {
    epsilon: f32,
}

impl RmsNorm {
    fn inverse(&self, row: &[f32]) -> f32 {
        (dot(row, row) / row.len() as f32 + self.epsilon).sqrt().recip()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout, weight: &CpuStorage, of: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, at)?, values(weight, of)?);
        let mut y = Vec::with_capacity(x.len());
        for row in x.chunks_exact(weight.len()) {
            let inverse = self.inverse(row);
            y.extend(row.iter().zip(weight).map(|(x, weight)| x * inverse * weight));
        }
        Ok((CpuStorage::F32(y), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let columns = weight.elem_count();
        let (dx, dweight) = read(x, |xs| {
            read(weight, |weight| {
                read(dy, |dys| {
                    let (mut dxs, mut dweight) = (Vec::with_capacity(xs.len()), vec![0.0; columns]);
                    let mut g = vec![0.0; columns];
                    for (x, dy) in xs.chunks_exact(columns).zip(dys.chunks_exact(columns)) {
                        let inverse = self.inverse(x);
                        for column in 0..columns {
                            g[column] = dy[column] * weight[column];
                            dweight[column] += dy[column] * x[column] * inverse;
                        }
                        let along = dot(&g, x) * inverse * inverse / columns as f32;
                        dxs.extend(g.iter().zip(x).map(|(g, x)| inverse * (g - x * along)));
                    }
                    (dxs, dweight)
                })
            })
        })???;
        Ok((Some(tensor(dx, x)?), Some(tensor(dweight, weight)?)))
    }
}

/// Rotary positions: cosines and sines of the angle of each position and pair.
#[derive(Clone)]
pub(crate) struct Positions {
    cos: Arc<[f32]>,
    sin: Arc<[f32]>,
    length: usize,
}

impl Positions {
    /// Of `length` positions, for heads of twice `half` numbers.
    pub(crate) fn new(length: usize, half: usize, theta: f64) -> Self {
        let angle = |position: usize, pair: usize| position as f64 * theta.powf(-(pair as f64) / half as f64);
        let angles: Vec<f64> =
            (0..length).flat_map(|position| (0..half).map(move |pair| angle(position, pair))).collect();
        let table = |of: fn(f64) -> f64| angles.iter().map(|&angle| of(angle) as f32).collect();
        Self { cos: table(f64::cos), sin: table(f64::sin), length }
    }

    /// Turns each pair of `x`, (…, length, head), whose parts are half a head apart, by `sign` times its angle.
    fn turn(&self, x: &[f32], head: usize, sign: f32) -> Vec<f32> {
        let half = head / 2;
        let mut y = vec![0.0; x.len()];
        for (at, (x, y)) in x.chunks_exact(head).zip(y.chunks_exact_mut(head)).enumerate() {
            let place = at % self.length * half;
            let (cos, sin) = (&self.cos[place..place + half], &self.sin[place..place + half]);
            let ((x1, x2), (y1, y2)) = (x.split_at(half), y.split_at_mut(half));
            for pair in 0..half {
                let sin = sin[pair] * sign;
                y1[pair] = x1[pair] * cos[pair] - x2[pair] * sin;
                y2[pair] = x2[pair] * cos[pair] + x1[pair] * sin;
            }
        }
        y
    }
}

/// Turns queries or keys, (…, length, head), to their positions.
///
/// # Errors
/// Where the tensor does not fit.
pub(crate) fn rotate(x: &Tensor, positions: &Positions) -> Result<Tensor> {
    x.apply_op1(Rotate { positions: positions.clone() })
}

struct Rotate {
    positions: Positions,
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = self.positions.turn(values(x, at)?, last(at.shape()), 1.0);
        Ok((CpuStorage::F32(y), at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dx = read(dy, |dy| self.positions.turn(dy, last(x.shape()), -1.0))?;
        Ok(Some(tensor(dx, x)?))
    }
}

/// Scores, (…, queries, keys), to weights: each query sees the keys up to its own place, which begins anew after
/// `length` queries.
///
/// # Errors
/// Where the tensor does not fit.
pub(crate) fn causal_softmax(scores: &Tensor, length: usize, scale: f32) -> Result<Tensor> {
    scores.apply_op1(CausalSoftmax { length, scale })
}

struct CausalSoftmax {
    length: usize,
    scale: f32,
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal-softmax"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let scores = values(scores, at)?;
        let keys = last(at.shape());
        let mut weights = vec![0.0; scores.len()];
        for (query, (row, out)) in scores.chunks_exact(keys).zip(weights.chunks_exact_mut(keys)).enumerate() {
            let seen = query % self.length + 1;
            let out = &mut out[..seen];
            out.copy_from_slice(&row[..seen]);
            let inverse = exp_row(out, self.scale).recip();
            out.iter_mut().for_each(|weight| *weight *= inverse);
        }
        Ok((CpuStorage::F32(weights), at.shape().clone()))
    }

    fn bwd(&self, scores: &Tensor, weights: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let keys = last(scores.shape());
        let dx = read(weights, |weights| {
            read(dy, |dy| {
                let mut dx = vec![0.0; dy.len()];
                let rows = weights.chunks_exact(keys).zip(dy.chunks_exact(keys)).zip(dx.chunks_exact_mut(keys));
                for (query, ((weights, dy), dx)) in rows.enumerate() {
                    let seen = query % self.length + 1;
                    let mean = dot(&weights[..seen], &dy[..seen]);
                    for key in 0..seen {
                        dx[key] = weights[key] * (dy[key] - mean) * self.scale;
                    }
                }
                dx
            })
        })??;
        Ok(Some(tensor(dx, scores)?))
    }
}

/// `gate · σ(gate) · up`.
///
/// # Errors
/// Where the tensors do not fit.
pub(crate) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    gate.apply_op2(up, SwiGlu)
}

struct SwiGlu;

fn sigmoid(x: f32) -> f32 {
    (1.0 + exp(-x)).recip()
}

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, gate: &CpuStorage, at: &Layout, up: &CpuStorage, of: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (values(gate, at)?, values(up, of)?);
        let y = gate.iter().zip(up).map(|(&gate, &up)| gate * sigmoid(gate) * up).collect();
        Ok((CpuStorage::F32(y), at.shape().clone()))
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _: &Tensor, dy: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dgate, dup) = read(gate, |gates| {
            read(up, |ups| {
                read(dy, |dys| {
                    let (mut dgate, mut dup) = (vec![0.0; gates.len()], vec![0.0; gates.len()]);
                    for at in 0..gates.len() {
                        let (gate, dy) = (gates[at], dys[at]);
                        let open = sigmoid(gate);
                        dgate[at] = dy * ups[at] * open * (1.0 + gate * (1.0 - open));
                        dup[at] = dy * gate * open;
                    }
                    (dgate, dup)
                })
            })
        })???;
        Ok((Some(tensor(dgate, gate)?), Some(tensor(dup, up)?)))
    }
}

/// The sum over the rows of `logits` of the negative log-probability of their targets.
///
/// # Errors
/// Where the tensor does not fit.
pub(crate) fn cross_entropy(logits: &Tensor, targets: Vec<u32>) -> Result<Tensor> {
    logits.apply_op1(CrossEntropy { targets })
}

struct CrossEntropy {
    targets: Vec<u32>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = values(logits, at)?;
        let columns = last(at.shape());
        let mut loss = 0.0_f64;
        let mut row = vec![0.0; columns];
        for (logits, &target) in logits.chunks_exact(columns).zip(&self.targets) {
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.copy_from_slice(logits);
            loss += f64::from(exp_row(&mut row, 1.0).ln() + largest - logits[target as usize]);
        }
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let columns = last(logits.shape());
        let dy = dy.to_scalar::<f32>()?;
        let dx = read(logits, |logits| {
            let mut dx = logits.to_vec();
            for (row, &target) in dx.chunks_exact_mut(columns).zip(&self.targets) {
                let scale = dy / exp_row(row, 1.0);
                row.iter_mut().for_each(|value| *value *= scale);
                row[target as usize] -= dy;
            }
            dx
        })?;
        Ok(Some(tensor(dx, logits)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor, Var};
    use candle_nn::ops;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{Positions, causal_softmax, cross_entropy, exp, rms_norm, rotate, swiglu};

    fn random(dims: &[usize], seed: u64) -> Var {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| rng.random_range(-2.0..2.0)).collect();
        Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu).unwrap()).unwrap()
    }

    fn difference(one: &Tensor, other: &Tensor) -> f32 {
        let difference = (one - other).unwrap().abs().unwrap().flatten_all().unwrap();
        difference.max(0).unwrap().to_scalar().unwrap()
    }

    /// Both ways give the same numbers and the same gradients.
    fn same(variables: &[&Var], ours: impl Fn() -> Tensor, theirs: impl Fn() -> Tensor) {
        let (ours, theirs) = (ours(), theirs());
        assert!(difference(&ours, &theirs) < 1e-5);
        // Weights that differ, so that no gradient is zero by symmetry.
        let weights = random(ours.dims(), 99);
        let gradient = |of: &Tensor| (of * weights.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let (our, their) = (gradient(&ours), gradient(&theirs));
        for variable in variables {
            assert!(difference(our.get(variable).unwrap(), their.get(variable).unwrap()) < 1e-4);
        }
    }

    #[test]
    fn exp_is_exact_to_seven_digits() {
        for x in (-8000..8000).map(|x| x as f32 / 100.0) {
            assert!((exp(x) / x.exp() - 1.0).abs() < 3e-7, "{x}");
        }
    }

    #[test]
    fn they_agree_with_candle() {
        let (x, weight) = (random(&[5, 40], 1), random(&[40], 2));
        same(
            &[&x, &weight],
            || rms_norm(&x, &weight, 1e-5).unwrap(),
            || ops::rms_norm_slow(&x, &weight, 1e-5).unwrap(),
        );
        let up = random(&[5, 40], 3);
        same(&[&x, &up], || swiglu(&x, &up).unwrap(), || (x.as_tensor().silu().unwrap() * up.as_tensor()).unwrap());
        let heads = random(&[2, 3, 7, 8], 4);
        let positions = Positions::new(7, 4, 10_000.0);
        let table = |values: &[f32]| Tensor::from_slice(values, (7, 4), &Device::Cpu).unwrap();
        let (cos, sin) = (table(&positions.cos), table(&positions.sin));
        same(
            &[&heads],
            || rotate(&heads, &positions).unwrap(),
            || candle_nn::rotary_emb::rope_slow(&heads, &cos, &sin).unwrap(),
        );
    }

    #[test]
    fn the_softmax_sees_no_later_key() {
        let scores = random(&[2, 14, 7], 5);
        let mask: Vec<f32> = (0..14)
            .flat_map(|query| (0..7).map(move |key| if key > query % 7 { f32::NEG_INFINITY } else { 0.0 }))
            .collect();
        let mask = Tensor::from_vec(mask, (14, 7), &Device::Cpu).unwrap();
        same(
            &[&scores],
            || causal_softmax(&scores, 7, 0.3).unwrap(),
            || ops::softmax(&(scores.as_tensor() * 0.3).unwrap().broadcast_add(&mask).unwrap(), 2).unwrap(),
        );
    }

    #[test]
    fn the_loss_is_the_negative_log_probability() {
        let logits = random(&[4, 33], 6);
        let targets = vec![3_u32, 0, 32, 7];
        let ids = Tensor::new(&targets[..], &Device::Cpu).unwrap();
        same(
            &[&logits],
            || cross_entropy(&logits, targets.clone()).unwrap(),
            || (candle_nn::loss::cross_entropy(&logits, &ids).unwrap() * 4.0).unwrap(),
        );
    }
}

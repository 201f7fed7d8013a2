//! How a gradient changes the parameters: Muon for matrices, AdamW for the embedding and the norms.
//!
//! Muon (Jordan et al., 2024) takes the momentum's nearest orthogonal matrix for its direction, which makes a small
//! network learn from fewer tokens. The scale that gives it AdamW's step size is that of Liu et al., "Muon is Scalable
//! for LLM Training" (2025).

use std::collections::{BTreeMap, HashMap};

use candle_core::{Result, Tensor, Var};

/// Of AdamW's mean and of its mean square.
const BETAS: [f64; 2] = [0.9, 0.95];
const EPSILON: f64 = 1e-8;
/// Of Muon.
const MOMENTUM: f64 = 0.95;
/// Of the Newton-Schulz iteration whose fifth step has singular values near one.
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// The part of a matrix that a step of rate one takes away.
const DECAY: f64 = 0.1;

/// What the optimizer remembers of each parameter.
#[derive(Default)]
pub(crate) struct Optimizer {
    /// The mean of the gradient, by the parameter's name.
    mean: HashMap<String, Tensor>,
    /// The mean of its square, where AdamW is used.
    square: HashMap<String, Tensor>,
}

impl Optimizer {
    /// One that goes on from `tensors`.
    pub(crate) fn from_tensors(tensors: &HashMap<String, Tensor>) -> Self {
        let part = |prefix: &str| {
            let of_part = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
            of_part.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
        };
        Self { mean: part("mean."), square: part("square.") }
    }

    /// All it remembers.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let mean = self.mean.iter().map(|(name, tensor)| (format!("mean.{name}"), tensor));
        mean.chain(self.square.iter().map(|(name, tensor)| (format!("square.{name}"), tensor)))
    }

    /// Changes `parameters` by `gradients` at the learning rate `rate`; `step` counts from one.
    pub(crate) fn step(
        &mut self,
        parameters: &BTreeMap<String, Var>,
        gradients: &HashMap<String, Tensor>,
        rate: f64,
        step: usize,
    ) -> Result<()> {
        for (name, parameter) in parameters {
            let Some(gradient) = gradients.get(name) else { continue };
            let is_matrix = parameter.rank() == 2 && !name.contains("embed");
            let change = if is_matrix { self.muon(name, gradient)? } else { self.adam(name, gradient, step)? };
            let kept = if is_matrix { 1.0 - rate * DECAY } else { 1.0 };
            parameter.set(&((parameter.as_tensor() * kept)? - (change * rate)?)?)?;
        }
        Ok(())
    }

    fn muon(&mut self, name: &str, gradient: &Tensor) -> Result<Tensor> {
        let mean = averaged(&mut self.mean, name, gradient, MOMENTUM)?;
        // Nesterov's: the mean as the next step would have it.
        let ahead = ((gradient * (1.0 - MOMENTUM))? + (mean * MOMENTUM)?)?;
        let (rows, columns) = gradient.dims2()?;
        orthogonal(&ahead)? * (0.2 * (rows.max(columns) as f64).sqrt())
    }

    fn adam(&mut self, name: &str, gradient: &Tensor, step: usize) -> Result<Tensor> {
        let mean = averaged(&mut self.mean, name, gradient, BETAS[0])?;
        let square = averaged(&mut self.square, name, &gradient.sqr()?, BETAS[1])?;
        let unbiased = |beta: f64| 1.0 / (1.0 - beta.powi(i32::try_from(step).unwrap_or(i32::MAX)));
        (mean * unbiased(BETAS[0]))? / ((square * unbiased(BETAS[1]))?.sqrt()? + EPSILON)?
    }
}

/// The running mean of `value`, which forgets all but `beta` of itself.
fn averaged(means: &mut HashMap<String, Tensor>, name: &str, value: &Tensor, beta: f64) -> Result<Tensor> {
    let mean = match means.get(name) {
        Some(mean) => ((mean * beta)? + (value * (1.0 - beta))?)?,
        None => (value * (1.0 - beta))?,
    };
    means.insert(name.to_owned(), mean.clone());
    Ok(mean)
}

/// A matrix with the same directions as `matrix`, each of about the same strength.
fn orthogonal(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    // The products are smaller this way.
    let is_tall = rows > columns;
    let x = if is_tall { matrix.t()?.contiguous()? } else { matrix.clone() };
    let norm = f64::from(x.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?);
    let mut x = (x / (norm + 1e-7))?;
    let [a, b, c] = QUINTIC;
    for _ in 0..5 {
        let gram = x.matmul(&x.t()?)?;
        let inner = ((&gram * b)? + (gram.matmul(&gram)? * c)?)?;
        x = ((&x * a)? + inner.matmul(&x)?)?;
    }
    if is_tall { x.t()?.contiguous() } else { Ok(x) }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::orthogonal;

    #[test]
    fn all_directions_become_as_strong() {
        let matrix = Tensor::new(&[[3.0_f32, 0.0, 0.0], [0.0, -0.5, 0.0]], &Device::Cpu).unwrap();
        let result = orthogonal(&matrix).unwrap().to_vec2::<f32>().unwrap();
        assert!((0.6..1.3).contains(&result[0][0]) && (-1.3..-0.6).contains(&result[1][1]), "{result:?}");
        let tall = orthogonal(&matrix.t().unwrap()).unwrap().t().unwrap().to_vec2::<f32>().unwrap();
        assert!((tall[0][0] - result[0][0]).abs() < 1e-5);
    }
}

//! What a training is told: the network's sizes, and what is read how fast. A recipe is a file, and says all that a run
//! depends on but its corpus; nothing is trained here.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::network::Shape;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Where chance starts.
    pub(crate) seed: u64,
    /// The network's sizes.
    pub(crate) shape: Shape,
    /// What is done, one after the other.
    pub(crate) stages: Vec<Stage>,
}

/// A part of a training with its own share of documents, in which the learning rate rises and falls once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    /// The highest learning rate.
    pub(crate) rate: f64,
    /// Steps in which the rate rises to that.
    pub(crate) warmup: usize,
    /// The part of the steps, at the end, in which it falls to zero.
    pub(crate) decay: f64,
    /// What is read, one after the other.
    pub(crate) phases: Vec<Phase>,
    /// The part of the learnt tokens that each kind of document has.
    pub(crate) mixture: BTreeMap<String, f64>,
}

/// Some steps with windows of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phase {
    /// Steps.
    pub(crate) steps: usize,
    /// Windows in each.
    pub(crate) windows: usize,
    /// Windows that are computed at once by a thread.
    pub(crate) at_once: usize,
    /// Tokens of a window.
    pub(crate) length: usize,
}

impl Recipe {
    /// Reads one.
    ///
    /// # Errors
    /// Where the file is no recipe, or has a stage without a phase.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let recipe: Self = serde_json::from_str(&text).with_context(|| format!("{} is no recipe", path.display()))?;
        ensure!(
            !recipe.stages.is_empty() && recipe.stages.iter().all(|stage| !stage.phases.is_empty()),
            "{}: there is at least one stage, and each has at least one phase",
            path.display()
        );
        Ok(recipe)
    }

    /// Whether what was done by `other` is the first part of what this asks for.
    pub(crate) fn goes_on_from(&self, other: &Self) -> bool {
        (self.seed, &self.shape) == (other.seed, &other.shape) && self.stages.starts_with(&other.stages)
    }

    /// Of all stages.
    pub(crate) fn phases(&self) -> impl Iterator<Item = &Phase> {
        self.stages.iter().flat_map(|stage| &stage.phases)
    }

    pub(crate) fn steps(&self) -> usize {
        self.stages.iter().map(Stage::steps).sum()
    }

    /// The learning rate of a step, which counts from zero.
    pub(crate) fn rate(&self, step: usize) -> f64 {
        let mut step = step;
        for stage in &self.stages {
            match step.checked_sub(stage.steps()) {
                Some(rest) => step = rest,
                None => return stage.rate(step),
            }
        }
        0.0
    }
}

impl Stage {
    pub(crate) fn steps(&self) -> usize {
        self.phases.iter().map(|phase| phase.steps).sum()
    }

    /// Tokens that are read.
    pub(crate) fn tokens(&self) -> usize {
        self.phases.iter().map(|phase| phase.steps * phase.windows * phase.length).sum()
    }

    /// Up, level, down to zero.
    fn rate(&self, step: usize) -> f64 {
        let steps = self.steps() as f64;
        let up = (step + 1) as f64 / self.warmup.max(1) as f64;
        let down = (steps - step as f64) / (steps * self.decay).max(1.0);
        self.rate * up.min(down).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Phase, Recipe, Stage};
    use crate::network::Shape;

    fn stage(rate: f64, steps: usize) -> Stage {
        let phases = vec![Phase { steps, windows: 1, at_once: 1, length: 256 }];
        Stage { rate, warmup: 2, decay: 0.5, phases, mixture: [("fiche".to_owned(), 1.0)].into() }
    }

    fn recipe(stages: Vec<Stage>) -> Recipe {
        let shape = serde_json::from_value::<Shape>(serde_json::json!({
            "vocabulary": 300, "width": 32, "layers": 2, "heads": 4, "kv_heads": 2,
            "inner": 48, "context": 512, "theta": 10000.0, "epsilon": 1e-5,
        }));
        Recipe { seed: 1, shape: shape.unwrap(), stages }
    }

    #[test]
    fn the_rate_rises_and_falls_in_each_stage() {
        let recipe = recipe(vec![stage(4.0, 8), stage(1.0, 4)]);
        let rates: Vec<f64> = (0..13).map(|step| recipe.rate(step)).collect();
        assert_eq!(rates, [2.0, 4.0, 4.0, 4.0, 4.0, 3.0, 2.0, 1.0, 0.5, 1.0, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_recipe_goes_on_from_one_with_fewer_stages_only() {
        let (one, two) = (recipe(vec![stage(4.0, 8)]), recipe(vec![stage(4.0, 8), stage(1.0, 4)]));
        assert!(two.goes_on_from(&one) && one.goes_on_from(&one) && !one.goes_on_from(&two));
        assert!(!recipe(vec![stage(4.0, 9), stage(1.0, 4)]).goes_on_from(&one));
        assert!(!Recipe { seed: 2, ..two }.goes_on_from(&one));
    }
}

//! How far a score can be trusted: Wilson's interval for shares, the bootstrap for everything else. Both are 95 %.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resamplings of a bootstrap.
const DRAWS: usize = 2000;
/// Where its chance starts: the same items and scores give the same interval.
const SEED: u64 = 20_260_101;
/// The normal distribution's 97.5th percentile.
const Z: f64 = 1.959_963_985;

/// What a score lies in, with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The score of an item, and how much it counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) score: f64,
    pub(crate) weight: f64,
}

/// The weighted mean; not a number where there are none.
pub(crate) fn mean(samples: impl IntoIterator<Item = Sample>) -> f64 {
    let (sum, weight) = samples
        .into_iter()
        .fold((0.0, 0.0), |(sum, weight), sample| (sum + sample.score * sample.weight, weight + sample.weight));
    sum / weight
}

/// Wilson's score interval of a share, observed over `count`.
pub(crate) fn wilson(share: f64, count: usize) -> Interval {
    if count == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let n = count as f64;
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// The percentile bootstrap of a statistic over groups of items. Items are drawn anew within each group, `sizes` has how
/// many it has; `statistic` gets the places of the items drawn, group by group.
pub(crate) fn bootstrap(sizes: &[usize], statistic: impl Fn(&[Vec<usize>]) -> f64) -> Interval {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut drawn: Vec<Vec<usize>> = sizes.iter().map(|&size| vec![0; size]).collect();
    let mut values: Vec<f64> = (0..DRAWS)
        .map(|_| {
            for group in &mut drawn {
                let size = group.len();
                group.fill_with(|| rng.random_range(0..size));
            }
            statistic(&drawn)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    Interval { low: quantile(&values, 0.025), high: quantile(&values, 0.975) }
}

/// Of values in order, of which there is at least one.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() - 1) as f64 * share;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(interval: Interval, low: f64, high: f64, tolerance: f64) {
        let is_near = (interval.low - low).abs() < tolerance && (interval.high - high).abs() < tolerance;
        assert!(is_near, "{interval:?}");
    }

    #[test]
    fn wilson_has_the_values_of_the_textbooks() {
        assert_near(wilson(0.0, 10), 0.0, 0.2775, 1e-4);
        assert_near(wilson(0.5, 10), 0.2366, 0.7634, 1e-4);
        assert_near(wilson(0.81, 263), 0.7583, 0.8529, 1e-3);
        assert_near(wilson(1.0, 10), 0.7225, 1.0, 1e-4);
        assert_near(wilson(0.0, 0), 0.0, 1.0, 1e-9);
    }

    #[test]
    fn the_bootstrap_of_a_mean_is_what_theory_says() {
        // Zero to 99: a standard deviation of 28.87, so 2.887 for the mean of 100.
        let of = |drawn: &[Vec<usize>]| drawn[0].iter().sum::<usize>() as f64 / 100.0;
        let interval = bootstrap(&[100], of);
        assert_near(interval, 49.5 - Z * 2.887, 49.5 + Z * 2.887, 0.5);
        assert_eq!(interval, bootstrap(&[100], of));
    }

    #[test]
    fn what_does_not_vary_has_no_width() {
        assert_near(bootstrap(&[7, 3], |drawn| (drawn[0].len() + drawn[1].len()) as f64), 10.0, 10.0, 1e-9);
    }

    #[test]
    fn heavier_items_count_more() {
        let sample = |score, weight| Sample { score, weight };
        assert_eq!(mean([sample(1.0, 3.0), sample(5.0, 1.0)]), 2.0);
        assert!(mean([]).is_nan());
    }
}

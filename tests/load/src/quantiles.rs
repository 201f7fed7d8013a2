//! Medians and their kin.

/// The value below which `share` (0 to 1) of the values lie; not a number where there are none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The first quartile, the median and the third.
pub(crate) fn quartiles(values: &[f64]) -> [f64; 3] {
    [0.25, 0.5, 0.75].map(|share| quantile(values, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_values_of_the_sample() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quartiles(&values), [25.0, 50.0, 75.0]);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}

//! Medians and their kin.

/// The value below which `share` (0 to 1) of the values lie, between two of them where it is none; not a number where
/// there are none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = last as f64 * share;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// The first quartile, the median and the third.
pub(crate) fn quartiles(values: &[f64]) -> [f64; 3] {
    [0.25, 0.5, 0.75].map(|share| quantile(values, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_values_of_the_sample_or_lie_between_two() {
        let values: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quartiles(&values), [25.0, 50.0, 75.0]);
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), [1.75, 2.5, 3.25]);
        assert_eq!(quartiles(&[7.0]), [7.0; 3]);
        assert!(quantile(&[], 0.5).is_nan());
    }
}

//! Vectors that stand for texts.

/// Scales a vector to length 1. False, and nothing is changed, where it has no direction: it is zero, or not finite.
pub fn normalize(vector: &mut [f32]) -> bool {
    // In double precision: the squares of some models' values leave the range of single.
    let length = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let has_direction = length.is_finite() && length > 0.0;
    if has_direction {
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
    has_direction
}

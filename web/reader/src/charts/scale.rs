//! Where values are on a picture.

/// From the least to the greatest of some values and zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    pub(super) fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((0.0, 0.0), |(low, high), value| (f64::min(low, value), f64::max(high, value)));
        Self { low, high }
    }

    pub(super) fn has_negatives(self) -> bool {
        self.low < 0.0
    }

    /// In hundredths of the way. Where there are only zeros, all are at the beginning.
    pub(super) fn at(self, value: f64) -> f64 {
        let length = self.high - self.low;
        if length > 0.0 && length.is_finite() && value.is_finite() {
            (100.0 * (value - self.low) / length).clamp(0.0, 100.0)
        } else {
            0.0
        }
    }

    /// Where a bar begins and how wide it is; a small one is still seen.
    pub(super) fn span(self, from: f64, to: f64) -> (f64, f64) {
        let (from, to) = (self.at(from), self.at(to));
        let width = (to - from).abs().max(if from == to { 0.0 } else { LEAST });
        (from.min(to).min(100.0 - width), width)
    }
}

/// The narrowest bar, in hundredths.
const LEAST: f64 = 0.4;

/// As an attribute.
pub(super) fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

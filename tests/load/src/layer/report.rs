//! Medians and quartiles of paired measurements.

use std::fmt;

use crate::layer::Timing;
use crate::quantiles::quartiles;

/// The figures of each round.
#[derive(Default)]
pub(crate) struct Report {
    direct: Ways,
    zyron: Ways,
    layer: Ways,
}

/// One way's figures, round by round.
#[derive(Default)]
struct Ways {
    /// Milliseconds to the first text.
    first_ms: Vec<f64>,
    /// Milliseconds for each token after it.
    token_ms: Vec<f64>,
}

impl Ways {
    fn add(&mut self, timing: Timing) {
        self.first_ms.push(timing.first.as_secs_f64() * 1e3);
        self.token_ms.push(timing.rest.as_secs_f64() * 1e3 / (timing.tokens.max(2) - 1) as f64);
    }
}

impl Report {
    pub(crate) fn add(&mut self, direct: Timing, zyron: Timing, layer: Timing) {
        self.direct.add(direct);
        self.zyron.add(zyron);
        self.layer.add(layer);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.direct.first_ms.len();
        writeln!(formatter, "median of {rounds} rounds (quartiles)   first text                 each token after it")?;
        for (name, way) in [("mistral.rs, called directly", &self.direct), ("Zyron, over HTTP", &self.zyron)] {
            let speed = 1e3 / quartiles(&way.token_ms)[1];
            writeln!(
                formatter,
                "{name:<36} {:<26} {} = {speed:.1} tok/s",
                with_unit(&way.first_ms, "ms"),
                with_unit(&way.token_ms, "ms")
            )?;
        }
        let first: Vec<f64> =
            pairs(&self.zyron.first_ms, &self.direct.first_ms).map(|(ours, its)| ours - its).collect();
        let token: Vec<f64> =
            pairs(&self.zyron.token_ms, &self.direct.token_ms).map(|(ours, its)| (ours / its - 1.0) * 100.0).collect();
        writeln!(
            formatter,
            "{:<36} {:<26} {}",
            "difference, pair by pair",
            with_unit(&first, "ms"),
            with_unit(&token, "%")
        )?;
        let share = 100.0 * quartiles(&self.layer.token_ms)[1] / quartiles(&self.direct.token_ms)[1];
        write!(
            formatter,
            "{:<36} {:<26} {} = {share:.2} % of mistral.rs's",
            "our layer alone, without a model",
            with_unit(&self.layer.first_ms, "ms"),
            with_unit(&self.layer.token_ms, "ms")
        )
    }
}

fn pairs<'a>(ours: &'a [f64], its: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    ours.iter().copied().zip(its.iter().copied())
}

fn with_unit(values: &[f64], unit: &str) -> String {
    let [low, median, high] = quartiles(values);
    format!("{median:.3} ({low:.3} to {high:.3}) {unit}")
}

//! The loss over the tokens read, as a picture.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use super::Record;

/// Draws the training's loss, smoothed, and what is held out, by kind.
pub(super) fn draw(path: &Path, records: &[Record]) -> anyhow::Result<()> {
    let millions = |record: &Record| record.tokens as f64 / 1e6;
    let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    let mut smooth = None;
    for record in records {
        let mean = smooth.map_or(record.loss, |mean: f64| 0.95 * mean + 0.05 * record.loss);
        smooth = Some(mean);
        lines.entry("training").or_default().push((millions(record), mean));
        for (kind, &loss) in &record.heldout {
            lines.entry(kind).or_default().push((millions(record), loss));
        }
    }
    let width = records.last().map_or(1.0, millions);
    let height = lines.values().flatten().skip(1).map(|point| point.1).fold(1.0, f64::max);
    let root = SVGBackend::new(path, (900, 520)).into_drawing_area();
    drawn(root.fill(&WHITE))?;
    let mut chart = ChartBuilder::on(&root);
    let chart = chart.margin(14).x_label_area_size(40).y_label_area_size(52);
    let mut chart = drawn(chart.build_cartesian_2d(0.0..width, 0.0..height * 1.05))?;
    let mut mesh = chart.configure_mesh();
    drawn(mesh.light_line_style(WHITE).x_desc("millions of tokens read").y_desc("loss, nats a token").draw())?;
    for (at, (kind, points)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        drawn(chart.draw_series(LineSeries::new(points, colour.stroke_width(2))))?
            .label(kind)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 4)], colour.filled()));
    }
    let mut legend = chart.configure_series_labels();
    drawn(legend.position(SeriesLabelPosition::UpperRight).background_style(WHITE.mix(0.8)).draw())?;
    drawn(root.present())
}

/// The library's errors are not errors for `anyhow`.
fn drawn<T, E: std::fmt::Display>(result: Result<T, E>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow!("cannot draw: {error}"))
}

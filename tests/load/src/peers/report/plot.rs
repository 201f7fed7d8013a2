//! Three plots over the number of requests at once: tokens per second, first text, time between texts.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

use super::{Load, Summary};

const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 90, 180), RGBColor(215, 90, 0), RGBColor(0, 140, 90), RGBColor(140, 60, 150)];

/// Draws them into one SVG file.
pub(super) fn draw(path: &Path, title: &str, summaries: &[Summary]) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, (1200, 460)).into_drawing_area();
    drawn(root.fill(&WHITE))?;
    let root = drawn(root.titled(title, ("sans-serif", 20)))?;
    let panels = root.split_evenly((1, 3));
    panel(&panels[0], "tokens per second", summaries, |summary| summary.tokens_per_s)?;
    panel(&panels[1], "first text, p95, ms", summaries, |summary| summary.first_ms[1])?;
    panel(&panels[2], "between texts, p99, ms", summaries, |summary| summary.between_ms[2])?;
    drawn(root.present())
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    caption: &str,
    summaries: &[Summary],
    value: fn(&Summary) -> f64,
) -> anyhow::Result<()> {
    let points: Vec<(&str, f64, f64)> = summaries
        .iter()
        .filter_map(|summary| match summary.load {
            Load::Closed(concurrency) => Some((summary.contender, concurrency as f64, value(summary))),
            Load::Open(_) => None,
        })
        .collect();
    let mut contenders: Vec<&str> = Vec::new();
    for (contender, ..) in &points {
        if !contenders.contains(contender) {
            contenders.push(contender);
        }
    }
    let most = |of: fn(&(&str, f64, f64)) -> f64| points.iter().map(of).fold(1.0, f64::max);
    let (width, height) = (most(|point| point.1), most(|point| point.2));
    let mut chart = ChartBuilder::on(area);
    let chart = chart.caption(caption, ("sans-serif", 16)).margin(12).x_label_area_size(36).y_label_area_size(56);
    let mut chart = drawn(chart.build_cartesian_2d(0.0..width * 1.05, 0.0..height * 1.15))?;
    drawn(chart.configure_mesh().light_line_style(WHITE).x_desc("requests at once").draw())?;
    for (contender, colour) in contenders.iter().zip(COLOURS.iter().cycle()) {
        let line = points.iter().filter(|point| point.0 == *contender).map(|&(_, x, y)| (x, y));
        let line = LineSeries::new(line, colour.stroke_width(2)).point_size(3);
        drawn(chart.draw_series(line))?
            .label(*contender)
            .legend(|(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 4)], colour.filled()));
    }
    let mut legend = chart.configure_series_labels();
    drawn(legend.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8)).draw())
}

/// The library's errors are not errors for `anyhow`.
fn drawn<T, E: std::fmt::Display>(result: Result<T, E>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow!("cannot draw: {error}"))
}

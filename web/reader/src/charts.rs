//! A company's accounts as charts: how the result is made, what margins became, what the balance sheet is made of.
//!
//! Each is SVG that says in words what it shows, with the same numbers in a table beside it. Both are text, which the page
//! sets as the content of an element: it draws nothing itself. What is asked for by a click names its item
//! (`data-opens`). Places are percentages of the width it has, so text keeps its size whatever that is. Where things are
//! is computed in [`waterfall`], [`margins`] and [`balance`], of numbers that were computed elsewhere: this only adds up
//! what it puts together.

mod balance;
mod figures;
mod margins;
mod scale;
mod tag;
mod waterfall;

use serde::Serialize;
use zyron_finance::reading::Reading;

use self::figures::Figures;
use self::scale::percent;
use self::tag::{Tag, tag};

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Chart {
    title: &'static str,
    /// What can be chosen of it, the last of which is shown first; one where there is no choice.
    views: Vec<View>,
}

/// What a chart shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct View {
    /// What it is chosen by: the year's last day.
    name: String,
    /// What there is to see, in a sentence.
    summary: String,
    /// The picture, as markup.
    picture: String,
    /// Its numbers, as markup.
    table: String,
}

/// The charts of a company, as far as its accounts give them.
pub(crate) fn charts(reading: &Reading) -> Vec<Chart> {
    let figures = Figures::new(reading);
    let charts = [waterfall::chart(&figures), margins::chart(&figures), balance::chart(&figures)];
    charts.into_iter().flatten().collect()
}

/// What a picture says to whoever does not see it.
struct Words {
    /// Unique on the page.
    id: String,
    title: String,
    description: String,
}

fn picture(words: Words, height: f64, inside: impl IntoIterator<Item = Tag>) -> Tag {
    let Words { id, title, description } = words;
    let (titled, described) = (format!("{id}-title"), format!("{id}-words"));
    tag("svg")
        .set("role", "img")
        .set("aria-labelledby", format!("{titled} {described}"))
        .set("width", "100%")
        .set("height", height)
        .with([tag("title").set("id", titled).text(title), tag("desc").set("id", described).text(description)])
        .with(inside)
}

/// A row of a table: an item, its name and its cells.
type Line = (Option<&'static str>, &'static str, Vec<String>);

fn table(head: &[String], lines: Vec<Line>) -> Tag {
    let heading = |text: &str| tag("th").set("scope", "col").text(text);
    let name = |id: Option<&str>, label: &str| match id {
        Some(_) => tag("th").with([tag("button").set("type", "button").set("class", "link").opens(id).text(label)]),
        None => tag("th").text(label),
    };
    let line = |(id, label, cells): Line| {
        tag("tr").with([name(id, label).set("scope", "row")]).with(cells.into_iter().map(|cell| tag("td").text(cell)))
    };
    let head = tag("tr").with([heading("Poste")]).with(head.iter().map(|cell| heading(cell)));
    tag("table").with([tag("thead").with([head]), tag("tbody").with(lines.into_iter().map(line))])
}

/// A bar from one value to another, below its name and what it is.
#[derive(Clone, Debug, PartialEq)]
struct Bar {
    id: Option<&'static str>,
    label: &'static str,
    written: String,
    kind: &'static str,
    from: f64,
    to: f64,
}

/// How high a bar is with its text.
const ROW: f64 = 32.0;

/// Bars one below the other. Where they are steps, a line leads from each to where the next begins.
fn bars(words: Words, bars: &[Bar], are_steps: bool) -> Tag {
    let scale = scale::Scale::over(bars.iter().flat_map(|bar| [bar.from, bar.to]));
    let height = ROW * bars.len() as f64;
    let vertical = |class: &str, x: &str, from: f64, to: f64| {
        tag("line").set("class", class).set("x1", x).set("x2", x).set("y1", from).set("y2", to)
    };
    // At the edge, where the bars begin, nobody needs it.
    let zero = scale.has_negatives().then(|| vertical("zero", &percent(scale.at(0.0)), 0.0, height));
    let line = |(at, bar): (usize, &Bar)| {
        let (x, y) = (percent(scale.at(bar.to)), ROW * at as f64);
        (are_steps && at + 1 < bars.len()).then(|| vertical("lead", &x, y + 26.0, y + ROW + 18.0))
    };
    let row = |(at, bar): (usize, &Bar)| {
        let Bar { id, label, written, kind, .. } = bar;
        let (x, width) = scale.span(bar.from, bar.to);
        let top = ROW * at as f64;
        let hit = tag("rect").set("class", "hit").set("x", 0).set("width", "100%").set("y", top).set("height", ROW);
        let bar = tag("rect").set("class", "bar").set("x", percent(x)).set("width", percent(width));
        let amount = tag("text").set("class", "amount").set("x", "100%").set("y", top + 13.0);
        tag("g").set("class", kind).opens(*id).with([
            tag("title").text(format!("{label}\u{a0}: {written}")),
            hit,
            tag("text").set("x", 0).set("y", top + 13.0).text(label),
            amount.text(written),
            bar.set("y", top + 18.0).set("height", 8),
        ])
    };
    let lines = bars.iter().enumerate().filter_map(line);
    picture(words, height, zero.into_iter().chain(lines).chain(bars.iter().enumerate().map(row)))
}

#[cfg(test)]
mod tests;

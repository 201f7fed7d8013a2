//! Margins, each on a scale of its own, and the besoin en fonds de roulement: over the years, or side by side where there
//! is one.

use super::figures::{Figures, listed};
use super::scale::{Scale, percent};
use super::tag::{Tag, markup, tag};
use super::{Bar, Chart, Line, View, Words, bars, picture, table};

/// Identifiers and short names.
const MARGINS: [(&str, &str); 4] = [
    ("taux_valeur_ajoutee", "Valeur ajoutée"),
    ("taux_marge_brute_exploitation", "EBE"),
    ("marge_exploitation", "Exploitation"),
    ("marge_nette", "Marge nette"),
];
const BFR: [(&str, &str); 3] = [
    ("bfr_exploitation", "BFR d’exploitation"),
    ("bfr_hors_exploitation", "BFR hors exploitation"),
    ("bfr", "Besoin en fonds de roulement"),
];
const DAYS: (&str, &str) = ("bfr_jours", "BFR en jours de chiffre d’affaires");

/// What is above the lines and below them, and how far they reach.
const TOP: f64 = 44.0;
const REACH: f64 = 44.0;

/// A row's figures over the years, on a scale from zero.
#[derive(Debug, PartialEq)]
pub(super) struct Course {
    /// Where zero is, from the top.
    pub(super) zero: f64,
    /// For each year.
    pub(super) points: Vec<Point>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Point {
    /// In hundredths of the width.
    pub(super) x: f64,
    /// From the top; nothing where there is no value.
    pub(super) y: Option<f64>,
    pub(super) written: String,
}

pub(super) fn course(figures: &Figures<'_>, id: &str) -> Course {
    let count = figures.years().len();
    let scale = Scale::over((0..count).filter_map(|year| figures.value(id, year)));
    let y = |value: f64| TOP + REACH * (1.0 - scale.at(value) / 100.0);
    let point = |year: usize| Point {
        x: 100.0 * (year as f64 + 0.5) / count as f64,
        y: figures.value(id, year).map(y),
        written: figures.written(id, year),
    };
    Course { zero: y(0.0), points: (0..count).map(point).collect() }
}

pub(super) fn chart(figures: &Figures<'_>) -> Option<Chart> {
    let years = figures.years();
    let has = |id: &str| (0..years.len()).any(|year| figures.value(id, year).is_some());
    let known: Vec<_> = MARGINS.into_iter().filter(|(id, _)| has(id)).collect();
    let bfr: Vec<_> = BFR.into_iter().filter(|(id, _)| has(id)).collect();
    if known.is_empty() && bfr.is_empty() {
        return None;
    }
    let in_percent = match years.len() {
        1 => "Marges, en\u{a0}% du chiffre d’affaires",
        _ => "Marges, en\u{a0}% du chiffre d’affaires, chacune à son échelle",
    };
    let in_days = "Besoin en fonds de roulement, et en jours de chiffre d’affaires";
    let group = |id, title: &'static str, rows: &[_], of_years: fn(&_, _) -> Tag| {
        let picture = if years.len() > 1 {
            tag("div").set("class", "courses").with(rows.iter().map(|row| of_years(figures, *row)))
        } else {
            of_year(figures, id, title, rows)
        };
        (!rows.is_empty()).then(|| [tag("h4").text(title), picture])
    };
    let bfr = if years.len() > 1 { bfr.into_iter().filter(|(id, _)| *id == "bfr").collect() } else { bfr };
    let pictures =
        [group("chart-margins", in_percent, &known, margin_panel), group("chart-bfr", in_days, &bfr, bfr_panel)];
    let lines = MARGINS.into_iter().chain(BFR).chain([DAYS]).filter(|(id, _)| has(id)).map(|(id, label)| -> Line {
        (Some(id), label, (0..years.len()).map(|year| figures.written(id, year)).collect())
    });
    let view = View {
        name: String::new(),
        summary: summary(figures),
        picture: markup(pictures.into_iter().flatten().flatten()),
        table: table(&years, lines.collect()).to_string(),
    };
    Some(Chart { title: "Marges et besoin en fonds de roulement", views: vec![view] })
}

/// The first year and the last in a sentence.
fn summary(figures: &Figures<'_>) -> String {
    let years = figures.years();
    let (Some(first), Some(last)) = (years.first(), years.last()) else { return String::new() };
    let end = years.len() - 1;
    let written = |id: &str, year: usize| {
        let days = figures.cell(DAYS.0, year).filter(|cell| id == "bfr" && cell.value.is_some());
        let days = days.map(|cell| format!(" ({})", cell.written)).unwrap_or_default();
        figures.value(id, year).map(|_| figures.written(id, year) + &days)
    };
    let told = |(id, words): (&str, &str)| {
        let (before, now) = (written(id, 0)?, written(id, end)?);
        Some(match (end, before == now) {
            (0, _) => format!("{words} est de {now}"),
            (_, true) => format!("{words} reste à {now}"),
            _ => format!("{words} passe de {before} à {now}"),
        })
    };
    let told: Vec<String> =
        [("marge_nette", "la marge nette"), ("bfr", "le BFR")].into_iter().filter_map(told).collect();
    match (told.is_empty(), end) {
        (true, _) => String::new(),
        (_, 0) => format!("En {last}, {}.", listed(told)),
        _ => format!("De {first} à {last}, {}.", listed(told)),
    }
}

/// A margin over the years.
fn margin_panel(figures: &Figures<'_>, (id, label): (&'static str, &'static str)) -> Tag {
    let course = course(figures, id);
    let segment = |pair: &[Point]| {
        let (from, to) = (pair[0].y?, pair[1].y?);
        let line = tag("line").set("class", "course").set("x1", percent(pair[0].x)).set("x2", percent(pair[1].x));
        Some(line.set("y1", from).set("y2", to))
    };
    let dot = |point: &Point| Some(tag("circle").set("cx", percent(point.x)).set("cy", point.y?).set("r", 3.5));
    let segments = course.points.windows(2).filter_map(segment);
    let inside: Vec<Tag> = segments.chain(course.points.iter().filter_map(dot)).collect();
    panel(figures, (id, label), &course, inside, &[])
}

/// The BFR over the years, with how many days of sales it is.
fn bfr_panel(figures: &Figures<'_>, (id, _): (&'static str, &'static str)) -> Tag {
    let course = course(figures, id);
    let width = (50.0 / course.points.len() as f64).min(14.0);
    let bar = |point: &Point| {
        let y = point.y?;
        let bar = tag("rect").set("class", "bar").set("x", percent(point.x - width / 2.0)).set("width", percent(width));
        Some(bar.set("y", y.min(course.zero)).set("height", (y - course.zero).abs().max(1.0)))
    };
    let inside = course.points.iter().filter_map(bar).collect();
    let days: Vec<String> = (0..course.points.len()).map(|year| figures.written(DAYS.0, year)).collect();
    panel(figures, (id, ""), &course, inside, &days)
}

/// Years from left to right, each value at its point, and `more` of each year below it. Without a label, it is higher up.
fn panel(
    figures: &Figures<'_>,
    (id, label): (&'static str, &'static str),
    course: &Course,
    inside: Vec<Tag>,
    more: &[String],
) -> Tag {
    let Course { zero, points } = course;
    let has_below = points.iter().any(|point| is_below(point, *zero));
    let years_at = TOP + REACH + if has_below { 32.0 } else { 17.0 };
    let lift = if label.is_empty() { 18.0 } else { 0.0 };
    let height = years_at + if more.is_empty() { 6.0 } else { 22.0 };
    let text = |(at, (point, year)): (usize, (&Point, String))| {
        let y = point.y.unwrap_or(*zero) + if is_below(point, *zero) { 16.0 } else { -8.0 };
        let place = place(at, points.len())?;
        let text = |class: &str, y: f64, text: &str| {
            tag("text").set("class", class).set("x", percent(point.x)).set("y", y).text(text)
        };
        let when = format!("when {place}");
        let below = more.get(at).map(|more| text(&when, years_at + 16.0, more));
        Some([text(place, y, &point.written), text(&when, years_at, &year)].into_iter().chain(below))
    };
    let hit = tag("rect").set("class", "hit").set("x", 0).set("y", 0).set("width", "100%").set("height", height);
    let line = tag("line").set("class", "zero").set("x1", 0).set("x2", "100%").set("y1", zero).set("y2", zero);
    let drawn = tag("g")
        .set("transform", format!("translate(0 {})", -lift))
        .opens(Some(id))
        .with([hit, tag("text").set("class", "name").set("x", 0).set("y", 13).text(label), line])
        .with(inside)
        .with(points.iter().zip(figures.years()).enumerate().filter_map(text).flatten());
    let told = points.iter().zip(figures.years()).enumerate().map(|(at, (point, year))| {
        let more = more.get(at).map(|more| format!(" ({more})")).unwrap_or_default();
        format!("{}{more} en {year}", point.written)
    });
    let description = format!("{}.", told.collect::<Vec<_>>().join("\u{202f}; "));
    let words = Words { id: format!("chart-{id}"), title: figures.label(id).to_owned(), description };
    tag("div").set("class", "course").with([picture(words, height - lift, [drawn])])
}

fn is_below(point: &Point, zero: f64) -> bool {
    point.y.is_some_and(|y| y > zero)
}

/// How a year's text stands to its point. In the midst of many years there is no room for it.
fn place(year: usize, count: usize) -> Option<&'static str> {
    match year {
        _ if count <= 3 => Some("middle"),
        0 => Some("start"),
        _ => (year + 1 == count).then_some("end"),
    }
}

/// One year's figures as bars.
fn of_year(figures: &Figures<'_>, id: &str, title: &str, rows: &[(&'static str, &'static str)]) -> Tag {
    let bar = |(id, label): &(&'static str, &'static str)| {
        let to = figures.value(id, 0)?;
        let days = figures.cell(DAYS.0, 0).filter(|_| *id == "bfr").map(|cell| format!(" · {}", cell.written));
        let written = figures.written(id, 0) + &days.unwrap_or_default();
        // A margin below zero is a loss; a BFR below zero is none.
        let is_loss = to < 0.0 && MARGINS.iter().any(|(margin, _)| margin == id);
        let kind = if is_loss { "measure negative" } else { "measure" };
        Some(Bar { id: Some(id), label, written, kind, from: 0.0, to })
    };
    let all: Vec<Bar> = rows.iter().filter_map(bar).collect();
    let told = all.iter().map(|bar| format!("{} {}", bar.label, bar.written)).collect();
    let words = Words { id: id.to_owned(), title: title.to_owned(), description: format!("{}.", listed(told)) };
    bars(words, &all, false)
}

//! The balance sheet as two columns of blocks, as high as what they stand for.

use super::figures::{Figures, ROUNDING, share};
use super::scale::percent;
use super::tag::{Tag, tag};
use super::{Chart, Line, View, Words, picture, table};

/// A side of the balance sheet, and its parts from the top.
struct Side {
    title: &'static str,
    total: &'static str,
    parts: &'static [Part],
}

struct Part {
    id: &'static str,
    label: &'static str,
    /// What it is made of but is shown by itself.
    less: &'static [&'static str],
    kind: &'static str,
}

const fn part(id: &'static str, label: &'static str, kind: &'static str) -> Part {
    Part { id, label, less: &[], kind }
}

const SIDES: [Side; 2] = [
    Side {
        title: "Actif",
        total: "total_actif",
        parts: &[
            part("actif_immobilise", "Immobilisé", "fixed"),
            part("stocks", "Stocks", "goods"),
            part("creances", "Créances", "goods"),
            part("valeurs_mobilieres", "Titres de placement", "own"),
            part("disponibilites", "Disponibilités", "own"),
        ],
    },
    Side {
        title: "Passif",
        total: "total_passif",
        parts: &[
            part("capitaux_propres", "Capitaux propres", "own"),
            part("provisions", "Provisions", "fixed"),
            part("dettes_financieres", "Dettes financières", "debt"),
            part("fournisseurs", "Fournisseurs", "goods"),
            Part { id: "dettes", label: "Autres dettes", less: &["dettes_financieres", "fournisseurs"], kind: "goods" },
        ],
    },
];

/// A side in a year: its blocks add up to its total.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) total: f64,
    pub(super) written: String,
    pub(super) blocks: Vec<Block>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// Nothing for what remains.
    pub(super) id: Option<&'static str>,
    pub(super) label: &'static str,
    pub(super) kind: &'static str,
    pub(super) value: f64,
    pub(super) written: String,
}

/// The two sides of a year; one that has no total is left out.
pub(super) fn columns(figures: &Figures<'_>, year: usize) -> Vec<Column> {
    SIDES.iter().filter_map(|side| column(figures, year, side)).collect()
}

fn column(figures: &Figures<'_>, year: usize, side: &Side) -> Option<Column> {
    let total = figures.value(side.total, year)?;
    let value = |id: &str| figures.value(id, year).unwrap_or_default();
    let block = |part: &Part| {
        let less: f64 = part.less.iter().map(|id| value(id)).sum();
        let value = figures.value(part.id, year)? - less;
        let written = if less == 0.0 { figures.written(part.id, year) } else { figures.amount(value) };
        let block = Block { id: Some(part.id), label: part.label, kind: part.kind, value, written };
        (value.abs() >= ROUNDING).then_some(block)
    };
    let mut blocks: Vec<Block> = side.parts.iter().filter_map(block).collect();
    let rest = total - blocks.iter().map(|block| block.value).sum::<f64>();
    if rest.abs() >= ROUNDING {
        blocks.push(Block { id: None, label: "Autres", kind: "rest", value: rest, written: figures.amount(rest) });
    }
    Some(Column { title: side.title, total, written: figures.written(side.total, year), blocks })
}

impl Column {
    /// What is above the axis and what is below it.
    fn reach(&self) -> (f64, f64) {
        let sum = |is_in: fn(f64) -> bool| {
            self.blocks.iter().map(|block| block.value).filter(|value| is_in(*value)).sum::<f64>().abs()
        };
        (sum(|value| value > 0.0), sum(|value| value < 0.0))
    }
}

/// How high the highest column is.
const HEIGHT: f64 = 260.0;

/// Where blocks are, from the top of the axis: what is negative is below it. `unit` is a pixel's worth.
pub(super) fn stacked(column: &Column, unit: f64) -> Vec<(f64, f64)> {
    let high = |value: f64| if unit > 0.0 { value.abs() / unit } else { 0.0 };
    let (above, _) = column.reach();
    let (mut up, mut down) = (-high(above), 0.0);
    let place = |block: &Block| {
        let (height, edge) = (high(block.value), if block.value < 0.0 { &mut down } else { &mut up });
        let top = *edge;
        *edge += height;
        (top, height)
    };
    column.blocks.iter().map(place).collect()
}

/// A pixel's worth, for columns that are to be compared; zero where they are empty.
pub(super) fn unit<'a>(columns: impl Iterator<Item = &'a Column> + Clone) -> f64 {
    let most = |of: fn(&Column) -> f64| columns.clone().map(of).fold(0.0, f64::max);
    (most(|column| column.reach().0) + most(|column| column.reach().1)) / HEIGHT
}

/// How many years are side by side; the table has them all.
const SHOWN: usize = 3;

pub(super) fn chart(figures: &Figures<'_>) -> Option<Chart> {
    let count = figures.years().len();
    let years: Vec<(usize, Vec<Column>)> = (0..count).map(|year| (year, columns(figures, year))).collect();
    let known: Vec<&(usize, Vec<Column>)> = years.iter().filter(|(_, columns)| !columns.is_empty()).collect();
    let shown = &known[known.len().saturating_sub(SHOWN)..];
    let (last, columns) = shown.last()?;
    let unit = unit(shown.iter().flat_map(|(_, columns)| columns));
    let pictures = shown.iter().map(|(year, columns)| {
        let title = tag("h4").text(format!("Au {}", figures.end(*year)));
        tag("div").with([title, picture_of(figures, *year, columns, unit)])
    });
    let view = View {
        name: String::new(),
        summary: summary(figures, *last, columns),
        picture: tag("div").set("class", "sheets").with(pictures).to_string(),
        table: table(&figures.years(), lines(&years)).to_string(),
    };
    Some(Chart { title: "Structure du bilan", views: vec![view] })
}

/// The year in a sentence or two.
fn summary(figures: &Figures<'_>, year: usize, columns: &[Column]) -> String {
    let share_of = |title: &str, id: &str| {
        // A negative share says nothing; what is below the axis is told by itself.
        let column = columns.iter().find(|column| column.title == title)?;
        let block = column.blocks.iter().find(|block| block.id == Some(id) && block.value > 0.0)?;
        share(block.value, column.total)
    };
    let parts = [
        share_of("Passif", "capitaux_propres").map(|share| format!("capitaux propres {share}")),
        share_of("Passif", "dettes_financieres").map(|share| format!("dettes financières {share}")),
        share_of("Actif", "actif_immobilise").map(|share| format!("actif immobilisé {share}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let total = columns.first().map(|column| column.written.clone()).unwrap_or_default();
    let mut text = format!("Au {}, le bilan est de {total}", figures.end(year));
    if !parts.is_empty() {
        text += &format!("\u{a0}: {}", parts.join(", "));
    }
    text.push('.');
    if let [actif, passif] = columns
        && (actif.total - passif.total).abs() >= ROUNDING
    {
        text += &format!(" L’actif et le passif diffèrent de {}.", figures.amount((actif.total - passif.total).abs()));
    }
    let below = columns.iter().flat_map(|column| &column.blocks).filter(|block| block.value < 0.0);
    for block in below {
        text += &format!(" Négatif, sous l’axe\u{a0}: {} ({}).", block.label.to_lowercase(), block.written);
    }
    text
}

fn lines(years: &[(usize, Vec<Column>)]) -> Vec<Line> {
    let of = |year: &[Column], side: &Side, label: &str| {
        let column = year.iter().find(|column| column.title == side.title)?;
        let block = column.blocks.iter().find(|block| block.label == label);
        Some(block.map_or_else(|| "–".to_owned(), |block| block.written.clone()))
    };
    let cell = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let mut lines = Vec::new();
    for side in &SIDES {
        let parts = side.parts.iter().map(|part| (Some(part.id), part.label)).chain([(None, "Autres")]);
        for (id, label) in parts {
            let cells: Vec<String> = years.iter().map(|(_, year)| cell(of(year, side, label))).collect();
            if cells.iter().any(|cell| cell != "–") {
                lines.push((id, label, cells));
            }
        }
        let total = |(_, year): &(usize, Vec<Column>)| {
            cell(year.iter().find(|column| column.title == side.title).map(|column| column.written.clone()))
        };
        let label = if side.title == "Actif" { "Total de l’actif" } else { "Total du passif" };
        lines.push((Some(side.total), label, years.iter().map(total).collect()));
    }
    lines
}

/// What is above the blocks, and how high one must be to have its text in it.
const TOP: f64 = 24.0;
const TEXT: f64 = 34.0;
/// The longest amount, in characters, that has room for a share behind it on the narrowest screen.
const LONGEST: usize = 12;

fn picture_of(figures: &Figures<'_>, year: usize, columns: &[Column], unit: f64) -> Tag {
    let high = |value: f64| if unit > 0.0 { value / unit } else { 0.0 };
    let most = |of: fn(&Column) -> f64| columns.iter().map(of).fold(0.0, f64::max);
    let axis = TOP + high(most(|column| column.reach().0));
    let end = axis + high(most(|column| column.reach().1)) + 6.0;
    let small = |column: &Column| stacked(column, unit).iter().filter(|(_, height)| *height < TEXT).count();
    let height = end + TEXT * columns.iter().map(small).max().unwrap_or(0) as f64;
    let width = 100.0 / columns.len().max(1) as f64 - 1.0;
    let drawn = columns.iter().enumerate().flat_map(|(at, column)| {
        drawn(column, (at as f64 * (width + 2.0), width), &stacked(column, unit), (axis, end))
    });
    let zero = tag("line").set("class", "zero").set("x1", 0).set("x2", "100%").set("y1", axis).set("y2", axis);
    let words = Words {
        id: format!("chart-sheet-{year}"),
        title: format!("Bilan au {}", figures.end(year)),
        description: columns.iter().map(described).collect::<Vec<_>>().join(" "),
    };
    picture(words, height, drawn.chain([zero]))
}

fn described(column: &Column) -> String {
    let parts: Vec<String> = column.blocks.iter().map(|block| format!("{} {}", block.label, block.written)).collect();
    format!("{} {}\u{a0}: {}.", column.title, column.written, parts.join(", "))
}

/// A column, `x` and its width in hundredths. Of a block that is too low for its text, the text is below all of them.
fn drawn(column: &Column, (x, width): (f64, f64), places: &[(f64, f64)], (axis, end): (f64, f64)) -> Vec<Tag> {
    let left = percent(x);
    let mut below = end;
    let block = |(block, (top, height)): (&Block, &(f64, f64))| {
        let Block { id, label, kind, written, .. } = block;
        let share = share(block.value, column.total).filter(|_| written.chars().count() <= LONGEST);
        let share = share.map(|share| format!(" · {share}")).unwrap_or_default();
        let (y, is_small) = (axis + top, *height < TEXT);
        let text_at = if is_small { below } else { y + height / 2.0 - 17.0 };
        if is_small {
            below += TEXT;
        }
        let shape = || tag("rect").set("class", "block").set("x", &left);
        let swatch = is_small.then(|| shape().set("y", text_at + 5.0).set("width", 10).set("height", 10));
        let text = |y: f64| tag("text").set("x", &left).set("dx", if is_small { 16 } else { 8 }).set("y", text_at + y);
        tag("g")
            .set("class", kind)
            .opens(*id)
            .with([
                tag("title").text(format!("{label}\u{a0}: {written}{share}")),
                shape().set("width", percent(width)).set("y", y).set("height", (height - 1.0).max(0.5)),
            ])
            .with(swatch)
            .with([text(14.0).text(label), text(29.0).set("class", "part").text(format!("{written}{share}"))])
    };
    let blocks: Vec<Tag> = column.blocks.iter().zip(places).map(block).collect();
    let name = tag("text").set("class", "name").set("x", &left).set("y", 14).text(column.title);
    let total = tag("text").set("class", "amount part").set("x", percent(x + width)).set("y", 14).text(&column.written);
    [name, total].into_iter().chain(blocks).collect()
}

//! From glyphs with their places to lines, and in them to the cells of tables.
//!
//! Amounts stand one above the other, their right edges in line: that makes the columns of a page. What stands left of
//! them is a label; what stands above them is the heading of the one it is above. A page without such columns is
//! running text.

use hayro_font::kurbo::Point;

use super::Page;
use super::content::Glyph;

/// Sizes of the font: what is lower than this is on another line.
const LINE: f64 = 0.45;
/// What is lower by less than this is beside what is above: amounts in the middle of a label of two lines.
const BESIDE: f64 = 0.8;
/// A gap as wide as this is between words.
const WORD: f64 = 0.18;
/// Between cells; between two amounts less is enough, as the groups of one are closer.
const CELL: f64 = 1.0;
const AMOUNT: f64 = 0.55;
/// Right edges as close as this are in line: a parenthesis may stand beyond them.
const EDGE: f64 = 0.8;

/// A word, or what stands together in a line.
#[derive(Clone, Debug)]
struct Piece {
    left: f64,
    right: f64,
    size: f64,
    text: String,
    /// The words that it is made of; none of a word.
    words: Vec<Piece>,
}

/// A line, or several that are read as one.
struct Row {
    /// Where its first line is, and its last.
    top: f64,
    bottom: f64,
    size: f64,
    pieces: Vec<Piece>,
}

/// A column of amounts.
#[derive(Clone, Copy, Debug)]
struct Column {
    left: f64,
    right: f64,
    /// Where what is above it may begin.
    from: f64,
}

/// The lines of a page.
pub(crate) fn page(glyphs: Vec<Glyph>) -> Page {
    let rows = joined(rows(lines(upright(glyphs))));
    let columns = columns(&rows);
    let cells: Vec<Vec<(usize, String)>> = rows.iter().map(|row| cells(&row.pieces, &columns)).collect();
    // Places between columns where nothing stands are no columns.
    let mut used: Vec<usize> = cells.iter().flatten().map(|(at, _)| *at).collect();
    used.sort_unstable();
    used.dedup();
    let line = |cells: Vec<(usize, String)>| {
        let mut line: Vec<String> = Vec::new();
        for (at, text) in cells {
            let at = used.binary_search(&at).unwrap_or(at);
            line.resize(line.len().max(at + 1), String::new());
            if !line[at].is_empty() {
                line[at].push(' ');
            }
            line[at].push_str(&text);
        }
        line
    };
    cells.into_iter().map(line).collect()
}

/// The glyphs of the direction that most are written in, turned so that they run to the right. Others are stamps and
/// the like.
fn upright(glyphs: Vec<Glyph>) -> Vec<Glyph> {
    let quarter = |glyph: &Glyph| {
        let along = glyph.to - glyph.from;
        match (along.x.abs() >= along.y.abs(), along.x >= 0.0, along.y >= 0.0) {
            (true, true, _) => 0,
            (true, false, _) => 2,
            (false, _, true) => 1,
            (false, _, false) => 3,
        }
    };
    let mut counts = [0_usize; 4];
    let is_seen = |glyph: &Glyph| {
        let numbers = [glyph.from.x, glyph.from.y, glyph.to.x, glyph.to.y, glyph.size];
        numbers.iter().all(|number| number.is_finite()) && glyph.size > 0.1
    };
    let glyphs: Vec<Glyph> = glyphs.into_iter().filter(is_seen).collect();
    glyphs.iter().filter(|glyph| !glyph.text.trim().is_empty()).for_each(|glyph| counts[quarter(glyph)] += 1);
    let most = (0..4).rev().max_by_key(|quarter| counts[*quarter]).unwrap_or(0);
    let turned = |point: Point| match most {
        0 => point,
        1 => Point::new(point.y, -point.x),
        2 => Point::new(-point.x, -point.y),
        _ => Point::new(-point.y, point.x),
    };
    let own = glyphs.into_iter().filter(|glyph| quarter(glyph) == most);
    own.map(|glyph| Glyph { from: turned(glyph.from), to: turned(glyph.to), ..glyph }).collect()
}

/// From the top to the bottom, each from the left to the right.
fn lines(mut glyphs: Vec<Glyph>) -> Vec<Vec<Glyph>> {
    glyphs.sort_by(|one, other| one.from.y.total_cmp(&other.from.y));
    let mut lines: Vec<Vec<Glyph>> = Vec::new();
    for glyph in glyphs {
        let first = lines.last().and_then(|line| line.first());
        let is_same = first.is_some_and(|first| glyph.from.y - first.from.y <= LINE * glyph.size.max(first.size));
        match lines.last_mut().filter(|_| is_same) {
            Some(line) => line.push(glyph),
            None => lines.push(vec![glyph]),
        }
    }
    for line in &mut lines {
        line.sort_by(|one, other| one.from.x.total_cmp(&other.from.x));
        // What is drawn twice, a little apart, is bold.
        line.dedup_by(|next, glyph| next.text == glyph.text && next.from.x - glyph.from.x < 0.15 * glyph.size);
    }
    lines
}

/// Lines as pieces, those that stand beside one another together.
fn rows(lines: Vec<Vec<Glyph>>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        let y = line.first().map_or(0.0, |glyph| glyph.from.y);
        let size = line.iter().map(|glyph| glyph.size).fold(0.0, f64::max);
        let pieces = pieces(line);
        if pieces.is_empty() {
            continue;
        }
        match rows.last_mut().filter(|row| y - row.bottom < BESIDE * size.min(row.size)) {
            Some(row) => {
                (row.bottom, row.size) = (y, size);
                row.pieces.extend(pieces);
            }
            None => rows.push(Row { top: y, bottom: y, size, pieces }),
        }
    }
    rows
}

/// Puts labels of several lines together, where rows are further apart than their lines are.
fn joined(rows: Vec<Row>) -> Vec<Row> {
    let with_amounts: Vec<&Row> = rows.iter().filter(|row| row.has_amount()).collect();
    let mut apart: Vec<f64> = with_amounts.windows(2).map(|pair| pair[1].top - pair[0].bottom).collect();
    apart.sort_by(f64::total_cmp);
    let Some(usual) = apart.get(apart.len() / 4).copied() else { return rows };
    let is_near =
        |above: &Row, below: &Row| below.top - above.bottom < (0.85 * usual).min(1.35 * above.size.min(below.size));
    let mut joined: Vec<Row> = Vec::new();
    for mut row in rows {
        match joined.last_mut() {
            Some(last) if !last.has_amount() && row.has_amount() && is_near(last, &row) => {
                // The label's first lines come first.
                last.pieces.append(&mut row.pieces);
                last.bottom = row.bottom;
            }
            Some(last) if last.has_amount() && !row.has_amount() && is_near(last, &row) => {
                last.pieces.append(&mut row.pieces);
                last.bottom = row.bottom;
            }
            _ => joined.push(row),
        }
    }
    joined
}

/// What stands together in a line.
fn pieces(line: Vec<Glyph>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for word in words(line) {
        let last = pieces.last_mut().filter(|piece| {
            let are_amounts = is_amount(&word.text) && piece.words.last().is_some_and(|last| is_amount(&last.text));
            let gap = if are_amounts { AMOUNT } else { CELL };
            word.left - piece.right <= gap * piece.size.max(word.size)
        });
        match last {
            Some(piece) => piece.add(word),
            None => pieces.push(Piece { words: vec![word.clone()], ..word }),
        }
    }
    pieces
}

fn words(line: Vec<Glyph>) -> Vec<Piece> {
    let mut words: Vec<Piece> = Vec::new();
    let mut is_apart = true;
    for Glyph { from, to, size, text } in line {
        // A space that does not break is within a number.
        if text.chars().all(|char| char.is_whitespace() && !matches!(char, '\u{a0}' | '\u{202f}')) {
            is_apart = true;
            continue;
        }
        let last = words.last_mut().filter(|last| !is_apart && from.x - last.right <= WORD * size.max(last.size));
        match last {
            Some(word) => {
                word.text.push_str(&text);
                word.right = word.right.max(to.x);
            }
            None => words.push(Piece { left: from.x, right: to.x, size, text, words: Vec::new() }),
        }
        is_apart = false;
    }
    words.retain(|word| !word.text.trim().is_empty());
    words
}

impl Row {
    fn has_amount(&self) -> bool {
        self.pieces.iter().any(|piece| is_amount(&piece.text))
    }
}

impl Piece {
    fn add(&mut self, word: Piece) {
        self.text.push(' ');
        self.text.push_str(&word.text);
        self.right = self.right.max(word.right);
        self.size = self.size.max(word.size);
        self.words.push(word);
    }

    fn middle(&self) -> f64 {
        (self.left + self.right) / 2.0
    }
}

/// Whether a text is a number, as tables have them.
fn is_amount(text: &str) -> bool {
    let may_be = |char: char| char.is_ascii_digit() || char.is_whitespace() || "()-−–+.,'’%€".contains(char);
    text.chars().all(may_be) && text.contains(|char: char| char.is_ascii_digit())
}

/// The columns of amounts, from the left to the right.
fn columns(rows: &[Row]) -> Vec<Column> {
    let pieces = rows.iter().flat_map(|row| &row.pieces);
    let mut amounts: Vec<&Piece> = pieces.filter(|piece| is_amount(&piece.text)).collect();
    amounts.sort_by(|one, other| one.right.total_cmp(&other.right));
    let mut columns: Vec<(Column, usize)> = Vec::new();
    for amount in amounts {
        let Piece { left, right, size, .. } = amount;
        match columns.last_mut().filter(|(column, _)| right - column.right <= EDGE * size) {
            Some((column, count)) => {
                column.left = column.left.min(*left);
                column.right = *right;
                *count += 1;
            }
            None => columns.push((Column { left: *left, right: *right, from: *left }, 1)),
        }
    }
    let mut columns: Vec<Column> =
        columns.into_iter().filter(|(_, count)| *count > 1).map(|(column, _)| column).collect();
    for at in 1..columns.len() {
        let (before, column) = (columns[at - 1].right, columns[at].left);
        // Where there are labels between two columns, a heading is no wider than its amounts.
        let is_label = |piece: &&Piece| piece.left > before && piece.right < column && has_letters(&piece.text);
        let is_after = |piece: &Piece| is_amount(&piece.text) && piece.left >= column;
        let has_label = |row: &&Row| row.pieces.iter().any(is_after) && row.pieces.iter().any(|piece| is_label(&piece));
        let labels = rows.iter().filter(has_label).count();
        columns[at].from = if labels > 2 { column } else { before.min(column) };
    }
    columns
}

fn has_letters(text: &str) -> bool {
    text.contains(char::is_alphabetic)
}

/// A line's cells with their columns: twice as many as there are columns of amounts, and one more, as labels may stand
/// before each of them and after the last.
fn cells(line: &[Piece], columns: &[Column]) -> Vec<(usize, String)> {
    let Some(first) = columns.first() else {
        return line.iter().enumerate().map(|(at, piece)| (at, piece.text.clone())).collect();
    };
    let mut cells = Vec::new();
    let between = |piece: &Piece| 2 * columns.iter().filter(|column| column.right < piece.middle()).count();
    for piece in line {
        let is_in = |column: &&Column| (piece.right - column.right).abs() <= EDGE * piece.size;
        let own = columns.iter().position(|column| is_in(&column)).filter(|_| is_amount(&piece.text));
        if let Some(own) = own {
            cells.push((2 * own + 1, piece.text.clone()));
        } else if piece.middle() < first.left {
            cells.push((0, piece.text.clone()));
        } else {
            let above = |word: &Piece| {
                let is_above = |column: &Column| {
                    let margin = word.size / 2.0;
                    (column.from - margin..=column.right + margin).contains(&word.middle())
                };
                columns.iter().position(is_above).map_or_else(|| between(word), |column| 2 * column + 1)
            };
            cells.extend(piece.words.iter().map(|word| (above(word), word.text.clone())));
        }
    }
    cells
}

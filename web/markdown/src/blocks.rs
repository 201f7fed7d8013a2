//! Markdown as a small tree, with the marks' pieces apart.
//!
//! HTML is text, and so are images' descriptions, and definitions such as `[1]: bilan.xlsx`, which Markdown would hide and
//! which would change what is above them. So only the last block of a growing answer changes.

use std::ops::Range;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, LinkType, Options, Parser, Tag};

use super::Mark;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A text and the index of its mark.
    Text(Option<usize>, String),
    Break,
    Rule,
    Element(Kind, Vec<Node>),
}

/// What a part of an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Paragraph,
    /// From 3 to 6: the page has the others.
    Heading(u8),
    Quote,
    CodeBlock,
    Code,
    List {
        is_ordered: bool,
    },
    /// With its number, in an ordered list.
    Item(Option<u64>),
    Table,
    Head,
    Row,
    Cell {
        is_heading: bool,
        align: Option<&'static str>,
    },
    Emphasis,
    Strong,
    Link {
        to: String,
        title: String,
    },
}

/// The top-level blocks of an answer, or of the beginning of one.
pub(super) fn blocks(text: &str, marks: &[Mark]) -> Vec<Node> {
    let source = text.replace("]:", DEFINES);
    let mut reader = Reader { source: &source, marks: places(text, marks), open: vec![Open::default()] };
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    for (event, range) in Parser::new_ext(&source, options).into_offset_iter() {
        reader.take(event, range);
    }
    let mut blocks = reader.open.swap_remove(0).children;
    if let [.., Node::Element(Kind::Table, _), Node::Element(Kind::Paragraph, last)] = &blocks[..]
        && matches!(&last[..], [Node::Text(_, text)] if text == "|")
    {
        // The beginning of the table's next row.
        blocks.pop();
    }
    blocks
}

/// What `]:` is replaced by while an answer is read, so that nothing in it is a definition. As long, so that places stay.
const DEFINES: &str = "]\u{1}";

/// Elements that are deeper stand in the one that is as deep as this, lest an answer that is nothing but `> > > >…`
/// exhaust the stack.
pub(super) const MAX_DEPTH: usize = 24;

/// The marks in bytes, in order; where two overlap, the first keeps what they share.
fn places(text: &str, marks: &[Mark]) -> Vec<(Range<usize>, usize)> {
    if marks.is_empty() {
        return Vec::new();
    }
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let byte = |char: usize| bytes.get(char).copied().unwrap_or(text.len());
    let mut marks = marks.to_vec();
    marks.sort_by_key(|mark| mark.start);
    let mut done = 0;
    let place = |mark: Mark| {
        let range = byte(mark.start).max(done)..byte(mark.end);
        done = done.max(range.end);
        (!range.is_empty()).then_some((range, mark.index))
    };
    marks.into_iter().filter_map(place).collect()
}

/// Makes nodes of events.
struct Reader<'a> {
    source: &'a str,
    marks: Vec<(Range<usize>, usize)>,
    /// The elements that the next event is in, the innermost last. The first is the answer itself.
    open: Vec<Open>,
}

/// An element that is not closed yet.
#[derive(Default)]
struct Open {
    /// Nothing where its children are its parent's.
    kind: Option<Kind>,
    children: Vec<Node>,
    /// The columns of a table.
    columns: Vec<Alignment>,
    /// Of a list: the last number as it was written and as it is shown.
    number: Option<(u64, u64)>,
    /// Where its last child ended.
    end: usize,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(_) => self.end(range),
            Event::Code(text) => {
                self.enter(Some(Kind::Code));
                self.text(&text, range.clone());
                self.end(range);
            }
            Event::InlineHtml(html) if is_line_break(&html) => self.push(Node::Break),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.text(&text, range),
            Event::SoftBreak => self.text("\n", range),
            Event::HardBreak => self.push(Node::Break),
            Event::Rule => self.push(Node::Rule),
            Event::TaskListMarker(is_done) => self.write(None, if is_done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        let kind = match tag {
            Tag::Paragraph | Tag::HtmlBlock => Some(Kind::Paragraph),
            Tag::Heading { .. } if self.is_unfinished_heading(&range) => Some(Kind::Paragraph),
            Tag::Heading { level, .. } => Some(Kind::Heading(((level as u8).max(2) + 1).min(6))),
            Tag::BlockQuote(_) => Some(Kind::Quote),
            Tag::CodeBlock(_) => Some(Kind::CodeBlock),
            Tag::List(first) => Some(Kind::List { is_ordered: first.is_some() }),
            Tag::Item => Some(Kind::Item(self.number(&self.source[range]))),
            Tag::Table(_) => Some(Kind::Table),
            Tag::TableHead => Some(Kind::Head),
            Tag::TableRow => Some(Kind::Row),
            Tag::TableCell => Some(self.cell()),
            Tag::Emphasis => Some(Kind::Emphasis),
            Tag::Strong => Some(Kind::Strong),
            Tag::Link { link_type, ref dest_url, ref title, .. } => {
                destination(link_type, dest_url).map(|to| Kind::Link { to, title: restored(title) })
            }
            _ => None,
        };
        self.enter(kind);
        match tag {
            Tag::Table(columns) => self.innermost().columns = columns,
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) if !is_language(&info) => {
                self.write(None, &format!("{info}\n"))
            }
            _ => {}
        }
    }

    fn enter(&mut self, kind: Option<Kind>) {
        let kind = kind.filter(|_| self.open.len() <= MAX_DEPTH);
        self.open.push(Open { kind, ..Open::default() });
    }

    fn end(&mut self, range: Range<usize>) {
        if self.innermost().kind == Some(Kind::Row) {
            self.take_excess_cells(range.end);
        }
        let Some(Open { kind, mut children, .. }) = self.open.pop() else { return };
        self.innermost().end = range.end;
        match kind {
            Some(kind) => {
                if kind == Kind::CodeBlock {
                    trim_end(&mut children);
                }
                self.push(Node::Element(kind, children));
            }
            None => self.innermost().children.append(&mut children),
        }
    }

    /// Of an ordered list's item. Numbers are shown as they are written, unless they are all the same.
    fn number(&mut self, item: &str) -> Option<u64> {
        let list = self.innermost();
        let digits = item.trim_start().split(|char: char| !char.is_ascii_digit()).next()?;
        let written = digits.parse().ok().filter(|_| list.kind == Some(Kind::List { is_ordered: true }))?;
        let shown = match list.number {
            Some((last, shown)) if last == written => shown + 1,
            _ => written,
        };
        list.number = Some((written, shown));
        Some(shown)
    }

    /// Whether it is a text above a `-` that is still being written, most often a list's.
    fn is_unfinished_heading(&self, range: &Range<usize>) -> bool {
        range.end == self.source.len() && !self.source[range.clone()].trim_start().starts_with('#')
    }

    fn cell(&self) -> Kind {
        let [.., table, row] = &self.open[..] else { return Kind::Paragraph };
        let align = match table.columns.get(row.children.len()) {
            Some(Alignment::Left) => Some("left"),
            Some(Alignment::Center) => Some("center"),
            Some(Alignment::Right) => Some("right"),
            _ => None,
        };
        Kind::Cell { is_heading: row.kind == Some(Kind::Head), align }
    }

    /// What a row has beyond its table's columns, which GitHub's Markdown leaves out.
    fn take_excess_cells(&mut self, end: usize) {
        let from = self.innermost().end;
        let rest = self.source.get(from..end).unwrap_or_default();
        let is_frame = |char: char| char == '|' || char.is_whitespace();
        let kept = rest.trim_matches(is_frame);
        if !kept.is_empty() {
            let start = from + rest.len() - rest.trim_start_matches(is_frame).len();
            self.enter(Some(Kind::Cell { is_heading: false, align: None }));
            self.text(kept, start..start + kept.len());
            self.end(start..end);
        }
    }

    /// Takes a text that is at `range` of the source, with its marks.
    fn text(&mut self, text: &str, range: Range<usize>) {
        let first = self.marks.partition_point(|(mark, _)| mark.end <= range.start);
        let written = &self.source[range.clone()];
        let within = if written == text { Some(0) } else { written.find(text) };
        let Some(start) = within.map(|at| range.start + at) else {
            // It is written otherwise in the source (`&nbsp;`), so its parts have no place of their own.
            let index = self.marks.get(first).filter(|(mark, _)| mark.start < range.end).map(|(_, index)| *index);
            return self.write(index, text);
        };
        let end = start + text.len();
        let marks: Vec<_> = self.marks[first..].iter().take_while(|(mark, _)| mark.start < end).cloned().collect();
        let mut done = start;
        for (mark, index) in marks {
            let (from, to) = (mark.start.max(start), mark.end.min(end));
            if from < to {
                self.write(None, &text[done - start..from - start]);
                self.write(Some(index), &text[from - start..to - start]);
                done = to;
            }
        }
        self.write(None, &text[done - start..]);
    }

    fn write(&mut self, mark: Option<usize>, text: &str) {
        if text.is_empty() {
            return;
        }
        let text = restored(text);
        match self.innermost().children.last_mut() {
            // Parsers cut text at every sign.
            Some(Node::Text(last, before)) if *last == mark => before.push_str(&text),
            _ => self.push(Node::Text(mark, text)),
        }
    }

    fn push(&mut self, node: Node) {
        self.innermost().children.push(node);
    }

    fn innermost(&mut self) -> &mut Open {
        self.open.last_mut().expect("the answer itself is never closed, as starts and ends are balanced")
    }
}

fn restored(text: &str) -> String {
    text.replace('\u{1}', ":")
}

/// Takes off the end of a code block's last line.
fn trim_end(children: &mut [Node]) {
    if let Some(Node::Text(_, text)) = children.last_mut()
        && text.ends_with('\n')
    {
        text.pop();
    }
}

/// Whether a code block's first line is a language's name and says nothing.
fn is_language(info: &str) -> bool {
    info.chars().all(|char| char.is_ascii_alphanumeric() || "+-#_.".contains(char))
        && !info.starts_with(|char: char| char.is_ascii_digit())
}

fn is_line_break(html: &str) -> bool {
    let name = html.trim_matches(['<', '>', '/', ' ']);
    name.eq_ignore_ascii_case("br")
}

/// Where a link may lead: out of the page, and never to a script.
fn destination(link_type: LinkType, to: &str) -> Option<String> {
    if link_type == LinkType::Email {
        return Some(format!("mailto:{to}"));
    }
    let has = |scheme: &str| to.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    ["http://", "https://", "mailto:"].into_iter().any(has).then(|| restored(to))
}

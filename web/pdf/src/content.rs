//! What a page draws, as far as it is text: each glyph with its place. Colours, pictures and layers are not looked at.

use std::sync::Arc;

use hayro_font::hayro_cmap::BfString;
use hayro_font::hayro_syntax::content::TypedIter;
use hayro_font::hayro_syntax::content::ops::TypedInstruction;
use hayro_font::hayro_syntax::object::dict::keys::{MATRIX, RESOURCES, SUBTYPE};
use hayro_font::hayro_syntax::object::{Name, Number, Object};
use hayro_font::hayro_syntax::page::{Page, Resources};
use hayro_font::kurbo::{Affine, Point, Vec2};
use hayro_font::{CMapResolverFn, Font, FontCache, FontGlyph, FontResolverFn, StandardFont};

/// Forms inside one another.
const DEPTH: usize = 12;
/// States that are saved and not restored.
const STATES: usize = 500;
/// Thousandths of its size that a glyph is wide of which nothing is known.
const WIDTH: f64 = 500.0;

/// A TrueType font without tables.
const EMPTY: [u8; 12] = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A piece of text, mostly a character.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Glyph {
    /// Where it begins and where the next would; `y` grows downwards.
    pub(crate) from: Point,
    pub(crate) to: Point,
    /// The font's size on the page.
    pub(crate) size: f64,
    pub(crate) text: String,
}

/// Reads the pages of a document.
pub(crate) struct Reader<'a> {
    fonts: FontCache<'a>,
    stand_in: FontResolverFn,
    maps: CMapResolverFn,
}

#[derive(Clone)]
struct State<'a> {
    page: Affine,
    font: Option<Font<'a>>,
    size: f64,
    /// Between characters and between words.
    spaces: (f64, f64),
    /// Its horizontal scale.
    scale: f64,
    leading: f64,
    rise: f64,
}

struct Run<'r, 'a> {
    reader: &'r Reader<'a>,
    glyphs: Vec<Glyph>,
    room: usize,
    state: State<'a>,
    saved: Vec<State<'a>>,
    /// Where the next glyph is, and where its line began.
    text: Affine,
    line: Affine,
}

impl<'a> Reader<'a> {
    pub(crate) fn new() -> Self {
        // No glyph is drawn, and widths and characters are those of the font that is named: an empty one stands in.
        let stand_in: FontResolverFn = Arc::new(|_| Some((Arc::new(EMPTY), 0)));
        Self { fonts: FontCache::new(), stand_in, maps: Arc::new(|_| None) }
    }

    /// The glyphs of a page, at most so many.
    pub(crate) fn read(&mut self, page: &Page<'a>, room: usize) -> Vec<Glyph> {
        let page_transform = Affine::new(page.initial_transform(true).as_coeffs());
        let state = State {
            page: page_transform,
            font: None,
            size: 1.0,
            spaces: (0.0, 0.0),
            scale: 1.0,
            leading: 0.0,
            rise: 0.0,
        };
        let (text, line) = (Affine::IDENTITY, Affine::IDENTITY);
        let mut run = Run { reader: self, glyphs: Vec::new(), room, state, saved: Vec::new(), text, line };
        run.content(page.typed_operations(), page.resources(), 0);
        run.glyphs
    }
}

fn numbers(six: [&Number; 6]) -> Affine {
    Affine::new(six.map(Number::as_f64))
}

impl<'a> Run<'_, 'a> {
    fn content(&mut self, mut content: TypedIter<'_>, resources: &Resources<'a>, depth: usize) {
        let saved = self.saved.len();
        while let Some(instruction) = content.next() {
            if self.glyphs.len() >= self.room {
                break;
            }
            self.instruction(&instruction, resources, depth);
        }
        // What is saved here is restored here.
        if self.saved.len() > saved {
            self.saved.truncate(saved + 1);
            self.state = self.saved.pop().unwrap_or_else(|| self.state.clone());
        }
    }

    fn instruction(&mut self, instruction: &TypedInstruction<'_, '_>, resources: &Resources<'a>, depth: usize) {
        let state = &mut self.state;
        match instruction {
            TypedInstruction::SaveState(_) if self.saved.len() < STATES => self.saved.push(state.clone()),
            TypedInstruction::RestoreState(_) => {
                if let Some(saved) = self.saved.pop() {
                    self.state = saved;
                }
            }
            TypedInstruction::Transform(six) => {
                state.page *= numbers([&six.0, &six.1, &six.2, &six.3, &six.4, &six.5]);
            }
            TypedInstruction::BeginText(_) => (self.text, self.line) = (Affine::IDENTITY, Affine::IDENTITY),
            TypedInstruction::SetTextMatrix(six) => {
                self.line = numbers([&six.0, &six.1, &six.2, &six.3, &six.4, &six.5]);
                self.text = self.line;
            }
            TypedInstruction::TextFont(font) => {
                let dict = resources.get_font(font.0);
                let Reader { fonts, stand_in, maps } = self.reader;
                state.font = match dict {
                    Some(dict) => fonts.font(&dict, stand_in, maps),
                    None => fonts.standard_font(StandardFont::Helvetica, stand_in),
                };
                state.size = font.1.as_f64();
            }
            TypedInstruction::CharacterSpacing(space) => state.spaces.0 = space.0.as_f64(),
            TypedInstruction::WordSpacing(space) => state.spaces.1 = space.0.as_f64(),
            TypedInstruction::HorizontalScaling(scale) => state.scale = scale.0.as_f64() / 100.0,
            TypedInstruction::TextLeading(leading) => state.leading = leading.0.as_f64(),
            TypedInstruction::TextRise(rise) => state.rise = rise.0.as_f64(),
            TypedInstruction::NextLine(by) => self.next_line(by.0.as_f64(), by.1.as_f64()),
            TypedInstruction::NextLineAndSetLeading(by) => {
                state.leading = -by.1.as_f64();
                self.next_line(by.0.as_f64(), by.1.as_f64());
            }
            TypedInstruction::NextLineUsingLeading(_) => self.next_line(0.0, -self.state.leading),
            TypedInstruction::ShowText(text) => self.show(text.0.as_bytes()),
            TypedInstruction::ShowTexts(texts) => {
                for part in texts.0.iter::<Object<'_>>() {
                    match part {
                        Object::Number(back) => self.advance(-back.as_f64() / 1000.0 * self.state.size),
                        Object::String(text) => self.show(text.as_bytes()),
                        _ => {}
                    }
                }
            }
            TypedInstruction::NextLineAndShowText(text) => {
                self.next_line(0.0, -self.state.leading);
                self.show(text.0.as_bytes());
            }
            TypedInstruction::ShowTextWithParameters(text) => {
                self.state.spaces = (text.1.as_f64(), text.0.as_f64());
                self.next_line(0.0, -self.state.leading);
                self.show(text.2.as_bytes());
            }
            TypedInstruction::XObject(name) if depth < DEPTH => self.form(name.0, resources, depth),
            _ => {}
        }
    }

    /// A drawing inside a page; pictures have no text.
    fn form(&mut self, name: &Name<'_>, resources: &Resources<'a>, depth: usize) {
        let Some(form) = resources.get_x_object(name) else { return };
        let is_form = form.dict().get::<Name<'_>>(SUBTYPE).is_some_and(|kind| &*kind == b"Form");
        let Some(content) = form.decoded_data().ok().filter(|_| is_form) else { return };
        let (state, text, line) = (self.state.clone(), self.text, self.line);
        self.state.page *= Affine::new(form.dict().get::<[f64; 6]>(MATRIX).unwrap_or([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]));
        let own = form.dict().get(RESOURCES).map(Resources::new);
        self.content(TypedIter::new(&content), own.as_ref().unwrap_or(resources), depth + 1);
        (self.state, self.text, self.line) = (state, text, line);
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line *= Affine::translate((x, y));
        self.text = self.line;
    }

    /// Along the line, before its scale.
    fn advance(&mut self, by: f64) {
        let by = if self.state.font.as_ref().is_none_or(Font::is_horizontal) {
            Vec2::new(by * self.state.scale, 0.0)
        } else {
            Vec2::new(0.0, by)
        };
        self.text *= Affine::translate(by);
    }

    fn show(&mut self, bytes: &[u8]) {
        let Some(font) = self.state.font.clone() else { return };
        let mut at = 0;
        while at < bytes.len() && self.glyphs.len() < self.room {
            let (code, length) = font.read_code(bytes, at);
            at += length.max(1);
            let width = font.code_advance(code);
            let width = if font.is_horizontal() { width.x } else { width.y };
            let place = self.state.page * self.text;
            let from = place * Point::new(0.0, self.state.rise);
            let top = place * Point::new(0.0, self.state.rise + self.state.size);
            let is_space = code == 32 && length == 1;
            let spaces = self.state.spaces.0 + if is_space { self.state.spaces.1 } else { 0.0 };
            let known = if width == 0.0 { WIDTH } else { width };
            // Where it ends, and where the next begins.
            let ink = Point::new(known / 1000.0 * self.state.size * self.state.scale, self.state.rise);
            let to = if font.is_horizontal() { place * ink } else { from };
            self.advance(width / 1000.0 * self.state.size + spaces);
            if let Some(text) = text(&font, code) {
                self.glyphs.push(Glyph { from, to, size: (top - from).hypot(), text });
            }
        }
    }
}

/// What a code stands for; nothing where it is no text.
fn text(font: &Font<'_>, code: u32) -> Option<String> {
    let text = match font.glyph(font.map_code(code), code) {
        FontGlyph::Outline(glyph) => glyph.as_unicode(),
        FontGlyph::Type3(glyph) => glyph.as_unicode(),
    };
    let text = match text {
        Some(BfString::Char(char)) => char.to_string(),
        Some(BfString::String(text)) => text,
        None => char::REPLACEMENT_CHARACTER.to_string(),
    };
    let plain: String = text.chars().filter(|char| !char.is_control() && *char != '\u{ad}').map(unbound).collect();
    (!plain.is_empty()).then_some(plain)
}

/// The letters of a ligature.
fn unbound(char: char) -> String {
    match char {
        '\u{fb00}' => "ff".to_owned(),
        '\u{fb01}' => "fi".to_owned(),
        '\u{fb02}' => "fl".to_owned(),
        '\u{fb03}' => "ffi".to_owned(),
        '\u{fb04}' => "ffl".to_owned(),
        '\u{fb05}' | '\u{fb06}' => "st".to_owned(),
        char => char.to_string(),
    }
}

//! An answer's Markdown as elements of a page, while it is being written: [`blocks`](mod@blocks) reads it, [`draw`]
//! draws it.
//!
//! A module of its own, which the page loads with the first answer: who asks nothing does not download it, and a crash
//! leaves the answer as plain text. No HTML is ever made of it, and nothing that the model said is lost: what is not
//! known here is text. When an answer is drawn again is the page's to say.

mod blocks;
mod draw;

use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Element;

use self::blocks::{Node, blocks};

/// A piece of an answer that is shown in a way of its own: a number with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// Where it begins in the answer, in Unicode code points.
    start: usize,
    /// Where it ends.
    end: usize,
    /// What the page knows it by.
    index: usize,
}

/// An answer that may be growing, in its place on the page.
#[wasm_bindgen]
pub struct Answer {
    place: Element,
    mark: Function,
    shown: Vec<Node>,
}

/// Begins an answer in `place`, which is empty and whose content is this module's from now on. `mark` is called with the
/// index of a mark and the text of a piece under it, and gives its element: a mark that begins in one element and ends in
/// another has several.
#[wasm_bindgen]
pub fn answer(place: Element, mark: Function) -> Answer {
    console_error_panic_hook::set_once();
    Answer { place, mark, shown: Vec::new() }
}

#[wasm_bindgen]
impl Answer {
    /// Shows `text`, whose marks are at these places: where the first begins and where it ends, in Unicode code points,
    /// then the second, and so on.
    ///
    /// The whole is read again, which is cheap. Drawing is not, so what is the same is left alone: a selection or a
    /// table's scroll position outlives what is being written.
    ///
    /// # Errors
    /// Where the page refuses an element. What is in the place then is no longer known.
    pub fn show(&mut self, text: &str, marks: &[u32]) -> Result<(), JsValue> {
        let mark = |(index, place): (usize, &[u32])| Mark { start: place[0] as usize, end: place[1] as usize, index };
        let marks: Vec<Mark> = marks.chunks_exact(2).enumerate().map(mark).collect();
        let nodes = blocks(text, &marks);
        draw::update(&self.place, &self.shown, &nodes, &self.mark)?;
        self.shown = nodes;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

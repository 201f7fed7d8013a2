//! An answer's Markdown as views, while it is being written: [`blocks`](mod@blocks) reads it, [`markdown_view`] draws it.
//!
//! No HTML is ever made of it, and nothing that the model said is lost: what is not known here is text.
//!
//! The whole is read again in each frame, which is cheap. Drawing is not, so a block whose nodes are the same is left
//! alone, and in one that changes, elements that are the same stay: a selection or a table's scroll position outlives
//! what is being written.

mod blocks;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;

use self::blocks::{Kind, Node, blocks};

/// A piece of an answer that is shown in a way of its own: a number with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Where it begins in the answer, in Unicode code points.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// What the caller knows it by.
    pub(crate) index: usize,
}

/// Draws an answer that may be growing, at most once in a frame. `mark` is called for each piece of text under a mark:
/// a mark that begins in one element and ends in another has several.
pub(crate) fn markdown_view(
    text: ArcSignal<String>,
    marks: ArcSignal<Vec<Mark>>,
    mark: impl Fn(usize, String) -> AnyView + 'static,
) -> impl IntoView {
    let read = {
        let (text, marks) = (text.clone(), marks.clone());
        move || text.with_untracked(|text| marks.with_untracked(|marks| blocks(text, marks)))
    };
    let shown = RwSignal::new(Vec::<ArcRwSignal<Arc<Node>>>::new());
    let show = move |nodes: Vec<Arc<Node>>| {
        let count = shown.with_untracked(|shown| {
            let changed = shown.iter().zip(&nodes).filter(|(block, node)| block.with_untracked(|block| block != *node));
            changed.for_each(|(block, node)| block.set(node.clone()));
            shown.len()
        });
        if count != nodes.len() {
            shown.update(|shown| {
                shown.truncate(nodes.len());
                shown.extend(nodes.into_iter().skip(count).map(ArcRwSignal::new));
            });
        }
    };
    show(read());
    let is_waiting = Rc::new(Cell::new(false));
    Effect::new(move |_| {
        text.track();
        marks.track();
        if !is_waiting.replace(true) {
            let (read, is_waiting) = (read.clone(), is_waiting.clone());
            request_animation_frame(move || {
                is_waiting.set(false);
                // By now it may be off the page, and what `text` is made of with it.
                if !shown.is_disposed() {
                    show(read());
                }
            });
        }
    });
    let mark = StoredValue::new_local(mark);
    let block =
        move |block: ArcRwSignal<Arc<Node>>| move || block.with(|block| mark.with_value(|mark| draw(block, mark)));
    view! { <For each=move || shown.get() key=ArcRwSignal::clone children=block/> }
}

fn draw(node: &Node, mark: &dyn Fn(usize, String) -> AnyView) -> AnyView {
    let (kind, children) = match node {
        Node::Text(None, text) => return text.clone().into_any(),
        Node::Text(Some(index), text) => return mark(*index, text.clone()),
        Node::Break => return view! { <br/> }.into_any(),
        Node::Rule => return view! { <hr/> }.into_any(),
        Node::Element(kind, children) => (kind, children),
    };
    let draw_all = |nodes: &[Node]| nodes.iter().map(|node| draw(node, mark)).collect_view();
    let inside = if *kind == Kind::Table { Vec::new() } else { draw_all(children) };
    match kind {
        Kind::Paragraph => view! { <p>{inside}</p> }.into_any(),
        Kind::Heading(3) => view! { <h3>{inside}</h3> }.into_any(),
        Kind::Heading(4) => view! { <h4>{inside}</h4> }.into_any(),
        Kind::Heading(5) => view! { <h5>{inside}</h5> }.into_any(),
        Kind::Heading(_) => view! { <h6>{inside}</h6> }.into_any(),
        Kind::Quote => view! { <blockquote>{inside}</blockquote> }.into_any(),
        Kind::CodeBlock => view! { <pre tabindex="0"><code>{inside}</code></pre> }.into_any(),
        Kind::Code => view! { <code>{inside}</code> }.into_any(),
        Kind::List { is_ordered: true } => view! { <ol>{inside}</ol> }.into_any(),
        Kind::List { is_ordered: false } => view! { <ul>{inside}</ul> }.into_any(),
        Kind::Item(number) => view! { <li value=number.map(|number| number.to_string())>{inside}</li> }.into_any(),
        Kind::Table => {
            let (head, body) = children.split_at(children.len().min(1));
            let table = view! {
                <table>
                    <thead>{draw_all(head)}</thead>
                    <tbody>{draw_all(body)}</tbody>
                </table>
            };
            view! { <div class="scroll" tabindex="0" role="region" aria-label="Tableau">{table}</div> }.into_any()
        }
        Kind::Head | Kind::Row => view! { <tr>{inside}</tr> }.into_any(),
        Kind::Cell { is_heading: true, align } => view! { <th scope="col" class=*align>{inside}</th> }.into_any(),
        Kind::Cell { align, .. } => view! { <td class=*align>{inside}</td> }.into_any(),
        Kind::Emphasis => view! { <em>{inside}</em> }.into_any(),
        Kind::Strong => view! { <strong>{inside}</strong> }.into_any(),
        Kind::Link { to, title } => {
            let (to, title) = (to.clone(), Some(title.clone()).filter(|title| !title.is_empty()));
            view! { <a href=to title=title rel="noopener noreferrer" target="_blank">{inside}</a> }.into_any()
        }
    }
}

#[cfg(test)]
mod tests;

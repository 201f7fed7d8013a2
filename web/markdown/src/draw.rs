//! Nodes as elements of the document. Of what was drawn before, only what has changed is touched.

use js_sys::Function;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CharacterData, Document, Element};

use super::blocks::{Kind, Node};

/// Makes what is in `place`, which is `before`, to be `now`. `mark` draws a piece of text under a mark.
pub(super) fn update(place: &Element, before: &[Node], now: &[Node], mark: &Function) -> Result<(), JsValue> {
    let mut drawn = place.first_child();
    for (at, node) in now.iter().enumerate() {
        let next = drawn.as_ref().and_then(web_sys::Node::next_sibling);
        match (before.get(at), drawn) {
            (Some(before), Some(drawn)) => change(place, &drawn, before, node, mark)?,
            _ => drop(place.append_child(&made(node, mark)?)?),
        }
        drawn = next;
    }
    while let Some(rest) = drawn {
        drawn = rest.next_sibling();
        place.remove_child(&rest)?;
    }
    Ok(())
}

fn change(place: &Element, drawn: &web_sys::Node, before: &Node, now: &Node, mark: &Function) -> Result<(), JsValue> {
    match (before, now) {
        _ if before == now => Ok(()),
        (Node::Text(None, before), Node::Text(None, now)) => {
            let text: &CharacterData = drawn.unchecked_ref();
            match now.strip_prefix(before.as_str()) {
                Some(more) => text.append_data(more)?,
                None => text.set_data(now),
            }
            Ok(())
        }
        (Node::Element(kind, before), Node::Element(same, now)) if kind == same => {
            fill(drawn.unchecked_ref(), kind, before, now, mark)
        }
        _ => place.replace_child(&made(now, mark)?, drawn).map(drop),
    }
}

fn made(node: &Node, mark: &Function) -> Result<web_sys::Node, JsValue> {
    Ok(match node {
        Node::Text(None, text) => document()?.create_text_node(text).into(),
        Node::Text(Some(index), text) => {
            mark.call2(&JsValue::NULL, &(*index as f64).into(), &text.as_str().into())?.dyn_into()?
        }
        Node::Break => element("br", &[])?.into(),
        Node::Rule => element("hr", &[])?.into(),
        Node::Element(kind, children) => {
            let element = frame(kind)?;
            fill(&element, kind, &[], children, mark)?;
            element.into()
        }
    })
}

/// The children of an element that is drawn.
fn fill(element: &Element, kind: &Kind, before: &[Node], now: &[Node], mark: &Function) -> Result<(), JsValue> {
    let inner = |element: &Element| element.first_element_child().ok_or("the frame has what it was made with");
    match kind {
        Kind::CodeBlock => update(&inner(element)?, before, now, mark),
        Kind::Table => {
            let head = inner(&inner(element)?)?;
            let body = head.next_element_sibling().ok_or("a table's body is behind its head")?;
            let ((head_before, body_before), (head_now, body_now)) = (parts(before), parts(now));
            update(&head, head_before, head_now, mark)?;
            update(&body, body_before, body_now, mark)
        }
        _ => update(element, before, now, mark),
    }
}

/// The head of a table, and the rows below it.
fn parts(table: &[Node]) -> (&[Node], &[Node]) {
    table.split_at(table.len().min(1))
}

/// An element without its children.
fn frame(kind: &Kind) -> Result<Element, JsValue> {
    match kind {
        Kind::Paragraph => element("p", &[]),
        Kind::Heading(level) => element(&format!("h{level}"), &[]),
        Kind::Quote => element("blockquote", &[]),
        Kind::CodeBlock => within(element("pre", &[("tabindex", "0")])?, &["code"]),
        Kind::Code => element("code", &[]),
        Kind::List { is_ordered: true } => element("ol", &[]),
        Kind::List { is_ordered: false } => element("ul", &[]),
        Kind::Item(Some(number)) => element("li", &[("value", &number.to_string())]),
        Kind::Item(None) => element("li", &[]),
        Kind::Table => {
            let table = within(element("table", &[])?, &["thead", "tbody"])?;
            let region = [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", "Tableau")];
            let scroll = element("div", &region)?;
            scroll.append_child(&table)?;
            Ok(scroll)
        }
        Kind::Head | Kind::Row => element("tr", &[]),
        Kind::Cell { is_heading: true, align } => element("th", &[("scope", "col"), ("class", align.unwrap_or(""))]),
        Kind::Cell { is_heading: false, align } => element("td", &[("class", align.unwrap_or(""))]),
        Kind::Emphasis => element("em", &[]),
        Kind::Strong => element("strong", &[]),
        Kind::Link { to, title } => {
            element("a", &[("href", to), ("title", title), ("rel", "noopener noreferrer"), ("target", "_blank")])
        }
    }
}

/// An element with these attributes; one that would be empty is left out.
fn element(name: &str, attributes: &[(&str, &str)]) -> Result<Element, JsValue> {
    let element = document()?.create_element(name)?;
    for (name, value) in attributes {
        if !value.is_empty() {
            element.set_attribute(name, value)?;
        }
    }
    Ok(element)
}

/// The element with elements in it.
fn within(outer: Element, inner: &[&str]) -> Result<Element, JsValue> {
    for name in inner {
        let inner = element(name, &[])?;
        outer.append_child(&inner)?;
    }
    Ok(outer)
}

fn document() -> Result<Document, JsValue> {
    Ok(web_sys::window().and_then(|window| window.document()).ok_or("there is a page")?)
}

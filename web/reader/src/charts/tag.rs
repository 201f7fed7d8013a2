//! Elements as text, for the page to set as the content of one of its own: whatever comes into one is escaped.

use std::fmt::{Display, Formatter, Result, Write};

/// An element with what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    name: &'static str,
    attributes: String,
    inside: String,
}

/// An element of this name.
pub(super) fn tag(name: &'static str) -> Tag {
    Tag { name, attributes: String::new(), inside: String::new() }
}

impl Tag {
    /// With an attribute.
    pub(super) fn set(mut self, name: &str, value: impl Display) -> Self {
        let _ = write!(self.attributes, " {name}=\"{}\"", escaped(&value.to_string()));
        self
    }

    /// As what a click on opens the item with this identifier, if there is one.
    pub(super) fn opens(self, item: Option<&str>) -> Self {
        match item {
            Some(item) => self.set("data-opens", item),
            None => self,
        }
    }

    /// With these elements behind what is in it.
    pub(super) fn with(mut self, elements: impl IntoIterator<Item = Self>) -> Self {
        for element in elements {
            let _ = write!(self.inside, "{element}");
        }
        self
    }

    /// With a text behind what is in it.
    pub(super) fn text(mut self, text: impl Display) -> Self {
        self.inside += &escaped(&text.to_string());
        self
    }
}

impl Display for Tag {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let Self { name, attributes, inside } = self;
        write!(formatter, "<{name}{attributes}>{inside}</{name}>")
    }
}

/// These elements, one behind the other.
pub(super) fn markup(elements: impl IntoIterator<Item = Tag>) -> String {
    elements.into_iter().map(|element| element.to_string()).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! XML as a stream: what is kept of a file is what its handler keeps, and the largest of its tags.
//!
//! A document declares nothing: an entity that XML and HTML do not define is no text, so none can grow.

use std::io::{BufReader, Read};

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, QName, ResolveResult};
use quick_xml::{Error, NsReader, XmlVersion};

use crate::import::ImportError;

/// Elements inside one another.
const MOST_DEPTH: usize = 1_000;

/// What takes from a file what it needs.
pub(super) trait Handler {
    /// An element begins.
    fn start(&mut self, element: &Element<'_>) -> Result<(), ImportError>;
    /// A piece of the text that is in every element that has begun and not ended.
    fn text(&mut self, text: &str);
    /// The last of those ends.
    fn end(&mut self, names: &NamespaceResolver);
}

/// The beginning of an element.
pub(super) struct Element<'a> {
    tag: &'a BytesStart<'a>,
    names: &'a NamespaceResolver,
    /// Where it is, in bytes from the beginning of the file.
    pub(super) position: u64,
}

impl Element<'_> {
    /// Its namespace, empty where it has none, and its name in that.
    pub(super) fn name(&self) -> (&str, &str) {
        let (namespace, name) = self.names.resolve_element(self.tag.name());
        (uri(&namespace), name.into_inner())
    }

    /// The value of an attribute, whose namespace is empty for one without a prefix; empty where there is none.
    pub(super) fn attribute(&self, namespace: &str, name: &str) -> String {
        let is_it = |key| {
            let (of, local) = self.names.resolve_attribute(key);
            local.into_inner() == name && uri(&of) == namespace
        };
        // Whether one occurs twice is not looked at: all are, for each that is asked for.
        let mut attributes = self.tag.attributes();
        let attribute = attributes.with_checks(false).flatten().find(|attribute| is_it(attribute.key));
        let value = attribute.map(|attribute| attribute.normalized_value(XmlVersion::Implicit1_0).map(Into::into));
        value.and_then(Result::ok).unwrap_or_default()
    }

    /// See [`resolve`].
    pub(super) fn resolve<'b>(&self, name: &'b str) -> Option<(&str, &'b str)> {
        resolve(self.names, name)
    }
}

/// The namespace of `prefix:name` and the name in that; nothing where the prefix is not declared.
pub(super) fn resolve<'a, 'b>(names: &'a NamespaceResolver, name: &'b str) -> Option<(&'a str, &'b str)> {
    let (namespace, local) = names.resolve(QName(name.trim()), true);
    let namespace = uri(&namespace);
    (!namespace.is_empty()).then(|| (namespace, local.into_inner()))
}

fn uri<'a>(namespace: &ResolveResult<'a>) -> &'a str {
    match namespace {
        ResolveResult::Bound(Namespace(uri)) => uri,
        ResolveResult::Unbound | ResolveResult::Unknown(_) => "",
    }
}

/// Reads the file of this name, and takes its bytes off `room`.
///
/// # Errors
/// Where it is no well-formed XML in UTF-8 or has more of something than is allowed, and where `input` or `handler`
/// fails.
pub(super) fn read(
    input: impl Read,
    file: &str,
    room: &mut u64,
    handler: &mut impl Handler,
) -> Result<(), ImportError> {
    let mut reader = NsReader::from_reader(BufReader::new(input.take(*room)));
    reader.config_mut().expand_empty_elements = true;
    let (mut buffer, mut depth) = (Vec::new(), 0_usize);
    loop {
        buffer.clear();
        let position = reader.buffer_position();
        let event = reader.read_event_into(&mut buffer);
        *room = reader.get_ref().get_ref().limit();
        match event {
            Ok(Event::Start(_)) if depth == MOST_DEPTH => {
                return Err(ImportError::too_large(file, "trop d’éléments XML imbriqués"));
            }
            Ok(Event::Start(tag)) => {
                depth += 1;
                handler.start(&Element { tag: &tag, names: reader.resolver(), position })?;
            }
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                handler.end(reader.resolver());
            }
            Ok(Event::Text(text)) => handler.text(&text),
            Ok(Event::CData(text)) => handler.text(&text),
            Ok(Event::GeneralRef(reference)) => handler.text(&character(&reference)),
            Ok(Event::Eof) | Err(_) if *room == 0 => {
                return Err(ImportError::too_large(file, "le rapport est trop gros"));
            }
            Ok(Event::Eof) if depth == 0 => return Ok(()),
            Ok(Event::Eof) => return Err(ImportError::damaged(file, "le fichier est tronqué")),
            Ok(_) => {}
            Err(Error::Io(_)) => return Err(ImportError::damaged(file, "les données compressées sont abîmées")),
            Err(_) => return Err(ImportError::damaged(file, format!("XML mal formé à l’octet {position}"))),
        }
    }
}

/// The text of `&nbsp;` or `&#160;`.
fn character(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(char)) = reference.resolve_char_ref() {
        return char.to_string();
    }
    // Of what HTML defines, that which numbers are written with.
    let text = match &**reference {
        "nbsp" => "\u{a0}",
        "thinsp" => "\u{2009}",
        "ndash" => "–",
        "mdash" => "—",
        "minus" => "−",
        name => resolve_predefined_entity(name).unwrap_or("\u{fffd}"),
    };
    text.to_owned()
}

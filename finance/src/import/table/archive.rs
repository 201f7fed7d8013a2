//! The parts of a workbook that is a ZIP archive of XML, and the XML itself.
//!
//! An archive of a few kilobytes can hold gigabytes of nothing: what is unpacked is counted, whatever it says of
//! itself.

use std::io::{Cursor, Read};

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::import::ImportError;

/// Bytes that are unpacked of one archive.
const MOST: u64 = 256 << 20;

/// An archive, and how many bytes may still be unpacked.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    file: &'a str,
    left: u64,
}

/// What an XML document says, one after the other. An element without content is opened and closed.
pub(super) enum Node<'a> {
    /// An element begins: its name, without its prefix, and its attributes.
    Open(&'a str, Attributes<'a>),
    Text(&'a str),
    Close(&'a str),
}

/// An element's attributes.
pub(super) struct Attributes<'a>(&'a BytesStart<'a>);

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8], file: &'a str) -> Result<Self, ImportError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| ImportError::damaged(file, "archive ZIP abîmée"))?;
        Ok(Self { zip, file, left: MOST })
    }

    /// Whether it has the parts of a workbook.
    pub(super) fn is_workbook(&self) -> bool {
        let mut names = self.zip.file_names().flatten();
        names.any(|name| name == "content.xml" || name == "[Content_Types].xml" || name.starts_with("xl/"))
    }

    /// A part's text; nothing where there is none of that name.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, ImportError> {
        let damaged = || ImportError::damaged(self.file, "données compressées abîmées");
        let part = match self.zip.by_name(name) {
            Ok(part) => part,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(_) => return Err(damaged()),
        };
        let mut text = Vec::new();
        let size = part.take(self.left + 1).read_to_end(&mut text).map_err(|_| damaged())? as u64;
        let Some(left) = self.left.checked_sub(size) else {
            return Err(ImportError::too_large(self.file, "plus de 256\u{a0}Mio une fois décompressé"));
        };
        self.left = left;
        String::from_utf8(text).map(Some).map_err(|_| damaged())
    }
}

/// Shows `look` all of `xml`.
pub(super) fn walk(
    xml: &str,
    file: &str,
    mut look: impl FnMut(Node<'_>) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    loop {
        match reader.read_event().map_err(|_| ImportError::damaged(file, "classeur mal formé"))? {
            Event::Start(start) => look(Node::Open(start.local_name().as_ref(), Attributes(&start)))?,
            Event::Empty(start) => {
                look(Node::Open(start.local_name().as_ref(), Attributes(&start)))?;
                look(Node::Close(start.local_name().as_ref()))?;
            }
            Event::Text(text) => look(Node::Text(&text.xml10_content()))?,
            Event::CData(text) => look(Node::Text(&text.xml10_content()))?,
            Event::GeneralRef(name) => look(Node::Text(&entity(&name)))?,
            Event::End(end) => look(Node::Close(end.local_name().as_ref()))?,
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// What `&name;` stands for; of entities that a document defines itself, nothing.
fn entity(name: &BytesRef<'_>) -> String {
    match name.resolve_char_ref() {
        Ok(Some(char)) => char.to_string(),
        _ => resolve_predefined_entity(name).unwrap_or_default().to_owned(),
    }
}

impl Attributes<'_> {
    /// An attribute's value, by its name without the prefix.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let mut attributes = attributes.with_checks(false).flatten();
        let attribute = attributes.find(|attribute| attribute.key.local_name().as_ref() == name)?;
        Some(attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or_default().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::*;

    #[test]
    fn what_is_unpacked_is_counted_over_all_parts() {
        let bytes = made::zip(&[("a", &" ".repeat(100_000)), ("b", &" ".repeat(100_000))]);
        assert!(bytes.len() < 1000);
        let mut archive = Archive::open(&bytes, "b.xlsx").unwrap();
        archive.left = 150_000;
        assert_eq!(archive.part("a").unwrap().map(|text| text.len()), Some(100_000));
        let error = archive.part("b").unwrap_err().to_string();
        assert_eq!(error, "b.xlsx\u{a0}: plus de 256\u{a0}Mio une fois décompressé");
        assert_eq!(archive.part("c"), Ok(None));
    }

    #[test]
    fn entities_are_characters_and_the_documents_own_are_nothing() {
        let mut texts = String::new();
        let xml = "<!DOCTYPE a [<!ENTITY b 'bbb'>]><a c='1 &amp; 2'>&lt;&#233;&b;<![CDATA[<]]></a>";
        walk(xml, "b", |node| {
            match node {
                Node::Open(name, attributes) => texts += &format!("{name} {:?} ", attributes.get("c")),
                Node::Text(text) => texts += text,
                Node::Close(name) => texts += &format!(" {name}"),
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(texts, "a Some(\"1 & 2\") <é< a");
    }
}

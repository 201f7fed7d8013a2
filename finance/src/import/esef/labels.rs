//! What a company calls the elements of its own taxonomy: the French label linkbase of a report package.
//!
//! XBRL 2.1 ties three things together: `loc` names an element, `label` is a text, `labelArc` says which is whose.

use std::collections::HashMap;
use std::io::Read;

use quick_xml::name::NamespaceResolver;

use super::xml::{self, Element, Handler};
use crate::import::ImportError;

const LINKBASE: &str = "http://www.xbrl.org/2003/linkbase";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The role of an element's name; others are for totals, opening balances and the like.
const STANDARD: &str = "http://www.xbrl.org/2003/role/label";
/// Bytes of a label.
const MOST_TEXT: usize = 200;
/// Labels of a taxonomy.
const MOST: usize = 20_000;

/// The labels, by `prefix:Name`.
///
/// # Errors
/// Where the file is damaged or has more of something than any taxonomy has.
pub(super) fn read(input: impl Read, file: &str, room: &mut u64) -> Result<HashMap<String, String>, ImportError> {
    let mut linkbase = Linkbase::default();
    xml::read(input, file, room, &mut linkbase)?;
    let Linkbase { elements, labels, arcs, .. } = linkbase;
    let label = |(from, to): (String, String)| Some((elements.get(&from)?.clone(), labels.get(&to)?.clone()));
    Ok(arcs.into_iter().filter_map(label).collect())
}

#[derive(Default)]
struct Linkbase {
    /// By their names in the linkbase, as are the labels.
    elements: HashMap<String, String>,
    labels: HashMap<String, String>,
    arcs: Vec<(String, String)>,
    /// The label that has begun: its name, and its text so far.
    open: Option<(String, String)>,
}

impl Handler for Linkbase {
    fn start(&mut self, element: &Element<'_>) -> Result<(), ImportError> {
        let link = |name| element.attribute(XLINK, name);
        let is_full = [self.elements.len(), self.labels.len(), self.arcs.len()].into_iter().any(|count| count >= MOST);
        match element.name() {
            _ if is_full => {}
            (LINKBASE, "loc") => {
                // The identifier of an element in its schema is `prefix_Name`.
                let name = link("href").rsplit('#').next().unwrap_or_default().replacen('_', ":", 1);
                self.elements.insert(link("label"), name);
            }
            (LINKBASE, "label") => {
                let is_french = element.attribute(XML, "lang").to_lowercase().starts_with("fr");
                let is_standard = matches!(link("role").as_str(), "" | STANDARD);
                self.open = (is_french && is_standard).then(|| (link("label"), String::new()));
            }
            (LINKBASE, "labelArc") => self.arcs.push((link("from"), link("to"))),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some((_, label)) = &mut self.open {
            let room = MOST_TEXT.saturating_sub(label.len());
            label.extend(text.chars().take(room));
        }
    }

    fn end(&mut self, _: &NamespaceResolver) {
        // A label has no elements in it, so it is the one that ends.
        if let Some((name, label)) = self.open.take() {
            self.labels.insert(name, label.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

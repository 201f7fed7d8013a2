//! An Inline XBRL document: the numbers that are tagged in its pages, and the contexts and units that they refer to.
//!
//! What is referred to may come later, or in another document of the report, so references are left as they are here.

use std::io::Read;

use chrono::NaiveDate;
use quick_xml::name::NamespaceResolver;
use thiserror::Error;

use super::concepts::{Concept, NAME};
use super::number::Format;
use super::report::{Context, Fact, Report, Unit};
use super::xml::{self, Element, Handler};
use crate::amount::AmountError;
use crate::import::ImportError;
use crate::statement::{AnomalyKind, Place};

/// Inline XBRL 1.1 and 1.0.
const INLINE: [&str; 2] = ["http://www.xbrl.org/2013/inlineXBRL", "http://www.xbrl.org/2008/inlineXBRL"];
const INSTANCE: &str = "http://www.xbrl.org/2003/instance";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const CURRENCIES: &str = "http://www.xbrl.org/2003/iso4217";
/// The registries of formats; a date follows.
const FORMATS: &str = "http://www.xbrl.org/inlineXBRL/transformation/";
/// Facts, contexts and units of a report, each. A bank's has some 30 000 facts.
const MOST: usize = 200_000;
/// Elements inside one another whose texts are kept: a number for two facts is two.
const MOST_OPEN: usize = 20;
/// Bytes of a text that are kept.
const MOST_TEXT: usize = 500;

/// Reads a document of `report`, which has this name.
///
/// # Errors
/// Where it is damaged or has more of something than any report has.
pub(super) fn read(input: impl Read, file: &str, room: &mut u64, report: &mut Report) -> Result<(), ImportError> {
    let (context, unit) = (Context::default(), Unit::default());
    let mut reader = Reader { file, report, open: Vec::new(), depth: 0, context, unit };
    xml::read(input, file, room, &mut reader)
}

struct Reader<'a> {
    file: &'a str,
    report: &'a mut Report,
    /// The elements that are kept, those in others after them.
    open: Vec<Open>,
    /// How many elements have begun and not ended.
    depth: usize,
    /// The last that began.
    context: Context,
    unit: Unit,
}

/// An element that is kept when it ends.
struct Open {
    depth: usize,
    what: What,
    text: String,
}

/// What an element is.
enum What {
    Number(Box<Tag>),
    /// The company's name.
    Name,
    /// With its identifier.
    Context(String),
    Entity,
    Start,
    End,
    Instant,
    /// With its identifier.
    Unit(String),
    Measure,
}

/// What the tag of a number says.
struct Tag {
    name: String,
    concept: Option<Concept>,
    context: String,
    unit: String,
    /// Or the name of one that is not known.
    format: Result<Format, String>,
    scale: String,
    decimals: String,
    is_negative: bool,
    place: Place,
}

/// Why a number is not read.
#[derive(Debug, Error)]
enum Unread {
    #[error("son espace de noms n’est pas déclaré")]
    Concept,
    #[error("le format «\u{a0}{0}\u{a0}» n’est pas connu")]
    Format(String),
    #[error("l’échelle «\u{a0}{0}\u{a0}» n’est pas un nombre entier")]
    Scale(String),
    #[error(transparent)]
    Value(#[from] AmountError),
}

impl Handler for Reader<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), ImportError> {
        self.depth += 1;
        let what = match element.name() {
            (namespace, name) if INLINE.contains(&namespace) => self.start_inline(name, element),
            (INSTANCE, name) => self.start_instance(name, element),
            _ => None,
        };
        if let Some(what) = what {
            self.open.push(Open { depth: self.depth, what, text: String::new() });
        }
        let counts = [self.report.facts.len(), self.report.contexts.len(), self.report.units.len()];
        let what = match counts.iter().max() {
            Some(count) if *count > MOST => format!("plus de {MOST} faits, contextes ou unités"),
            _ if self.open.len() > MOST_OPEN => "trop de faits imbriqués".to_owned(),
            _ => return Ok(()),
        };
        Err(ImportError::TooLarge { file: self.file.to_owned(), what })
    }

    fn text(&mut self, text: &str) {
        for open in &mut self.open {
            let text = if open.text.is_empty() { text.trim_start() } else { text };
            let room = MOST_TEXT.saturating_sub(open.text.len());
            open.text.extend(text.chars().take(room));
        }
    }

    fn end(&mut self, names: &NamespaceResolver) {
        let depth = self.depth;
        if let Some(open) = self.open.pop_if(|open| open.depth == depth) {
            self.finish(open, names);
        }
        self.depth = depth.saturating_sub(1);
    }
}

impl Reader<'_> {
    fn start_inline(&mut self, name: &str, element: &Element<'_>) -> Option<What> {
        let is_nil = || matches!(element.attribute(SCHEMA_INSTANCE, "nil").trim(), "true" | "1");
        match name {
            "nonFraction" if is_nil() => None,
            "nonFraction" => Some(What::Number(Box::new(Tag::of(self.file, element)))),
            "nonNumeric" => {
                let concept = Concept::of(&element.attribute("", "name"), element);
                let is_name = self.report.name.is_none() && concept == Some(Concept::Ifrs(NAME.to_owned()));
                is_name.then_some(What::Name)
            }
            "fraction" => {
                let message = || format!("{}\u{a0}: une fraction n’est pas lue", element.attribute("", "name"));
                self.report.log.at(AnomalyKind::Unreadable, "fraction", Some(place_of(self.file, element)), message);
                None
            }
            _ => None,
        }
    }

    fn start_instance(&mut self, name: &str, element: &Element<'_>) -> Option<What> {
        match name {
            "context" => {
                self.context = Context::default();
                Some(What::Context(element.attribute("", "id")))
            }
            "segment" | "scenario" => {
                self.context.is_part = true;
                None
            }
            "identifier" => Some(What::Entity),
            "startDate" => Some(What::Start),
            "endDate" => Some(What::End),
            "instant" => Some(What::Instant),
            "unit" => {
                self.unit = Unit::default();
                Some(What::Unit(element.attribute("", "id")))
            }
            "unitDenominator" => {
                self.unit.name.push('/');
                self.unit.is_currency = false;
                None
            }
            "measure" => Some(What::Measure),
            _ => None,
        }
    }

    fn finish(&mut self, Open { what, text, .. }: Open, names: &NamespaceResolver) {
        match what {
            What::Number(tag) => self.finish_number(*tag, &text),
            What::Name => {
                let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
                self.report.name = Some(name).filter(|name| !name.is_empty());
            }
            What::Entity => {
                let (entities, entity) = (&mut self.report.entities, text.trim());
                if entities.len() < 2 && !entities.iter().any(|known| known == entity) {
                    entities.push(entity.to_owned());
                }
            }
            What::Start => self.context.start = day(&text, false),
            What::End => self.context.end = day(&text, true),
            What::Instant => {
                self.context.end = day(&text, true);
                self.context.is_instant = true;
            }
            What::Measure => self.finish_measure(&text, names),
            // What has no identifier cannot be referred to.
            What::Context(id) if !id.is_empty() => {
                self.report.contexts.insert(id, std::mem::take(&mut self.context));
            }
            What::Unit(id) if !id.is_empty() => {
                self.report.units.insert(id, std::mem::take(&mut self.unit));
            }
            What::Context(_) | What::Unit(_) => {}
        }
    }

    fn finish_measure(&mut self, text: &str, names: &NamespaceResolver) {
        let (namespace, name) = xml::resolve(names, text).unwrap_or(("", text.trim()));
        let unit = &mut self.unit;
        unit.is_currency = unit.name.is_empty() && namespace == CURRENCIES;
        if !unit.name.is_empty() && !unit.name.ends_with('/') {
            unit.name.push('*');
        }
        unit.name.push_str(name);
    }

    fn finish_number(&mut self, tag: Tag, text: &str) {
        let (name, place) = (tag.name.clone(), tag.place.clone());
        match tag.fact(text) {
            Ok(fact) => self.report.facts.push(fact),
            Err(error) => {
                let (kind, rule) = match error {
                    Unread::Concept => (AnomalyKind::Unknown, "concept"),
                    Unread::Format(_) => (AnomalyKind::Unknown, "format"),
                    Unread::Scale(_) => (AnomalyKind::Unreadable, "scale"),
                    Unread::Value(_) => (AnomalyKind::Unreadable, "value"),
                };
                let message = || format!("{name}\u{a0}: {error}\u{a0}; ce fait n’est pas compté");
                self.report.log.at(kind, rule, Some(place), message);
            }
        }
    }
}

impl Tag {
    fn of(file: &str, element: &Element<'_>) -> Self {
        let of = |name| element.attribute("", name);
        let (name, format) = (of("name"), of("format"));
        let is_registered = |(namespace, _): &(&str, &str)| namespace.starts_with(FORMATS);
        let registered = element.resolve(&format).filter(is_registered).and_then(|(_, name)| Format::named(name));
        Self {
            concept: Concept::of(&name, element),
            name,
            context: of("contextRef"),
            unit: of("unitRef"),
            format: if format.is_empty() { Ok(Format::Plain) } else { registered.ok_or(format) },
            scale: of("scale"),
            decimals: of("decimals"),
            is_negative: of("sign") == "-",
            place: place_of(file, element),
        }
    }

    /// The fact, with `text` for its number.
    fn fact(self, text: &str) -> Result<Fact, Unread> {
        let concept = self.concept.ok_or(Unread::Concept)?;
        let format = self.format.map_err(Unread::Format)?;
        let scale = match self.scale.trim() {
            "" => 0,
            scale => scale.parse().map_err(|_| Unread::Scale(self.scale))?,
        };
        // What is cut is no number.
        let value = format.read(if text.len() < MOST_TEXT { text } else { "…" }, scale)?;
        let rounding = match self.decimals.trim() {
            "INF" => None,
            // Where it does not say how exact it is, no more is known than the digits that it shows.
            decimals => Some(decimals.parse().map_or(scale, |decimals: i32| decimals.saturating_neg())),
        };
        let value = if self.is_negative && !value.is_zero() { -value } else { value };
        Ok(Fact { concept, context: self.context, unit: self.unit, value, rounding, place: self.place })
    }
}

/// An element's identifier; without one, its place in the file.
pub(super) fn place_of(file: &str, element: &Element<'_>) -> Place {
    let id = element.attribute("", "id");
    let at = if id.is_empty() { format!("octet {}", element.position) } else { id };
    Place { file: file.to_owned(), sheet: None, at }
}

/// A date, with or without a time. Midnight is the end of the day before.
fn day(text: &str, is_end: bool) -> Option<NaiveDate> {
    let text = text.trim();
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let day = NaiveDate::parse_from_str(day.trim_end_matches('Z'), "%Y-%m-%d").ok()?;
    if is_end && time.starts_with("00:00:00") { day.pred_opt() } else { Some(day) }
}

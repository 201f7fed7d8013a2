//! `openapi/reference/compatibility.json`: what becomes of each field, and what must be true of it.
//!
//! An operation has `request`, `response` and `stream`; each maps fields to a status, or to an object with a `status`,
//! a `note` for the reader and, in requests, what proves it: `send`, what to set in the smallest request there is.
//! `a(b|c)` and `a=b|c` are several fields at once. The other keys are read by the end-to-end test alone: `param`, the
//! field that the error names, if not the top-level one; `storage`, whether the server keeps answers; `says`, what the
//! model says; `scripted`, the status under the scripted model, where that lacks what the field needs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use super::facts::Facts;
use super::path;

const KEYS: &[&str] = &["status", "note", "send", "param", "storage", "says", "scripted"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Status {
    // Of requests.
    Works,
    Ignored,
    Refused,
    // Of responses and streams.
    Sent,
    Empty,
    Never,
}

impl Status {
    fn read(text: &str, side: &str) -> Option<Self> {
        match (side, text) {
            ("request", "works") => Some(Self::Works),
            ("request", "ignored") => Some(Self::Ignored),
            ("request", "refused") => Some(Self::Refused),
            ("response" | "stream", "sent") => Some(Self::Sent),
            ("response" | "stream", "empty") => Some(Self::Empty),
            ("response" | "stream", "never") => Some(Self::Never),
            _ => None,
        }
    }

    /// Its words on the page.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Ignored => "accepted and ignored",
            Self::Refused => "refused",
            Self::Sent => "sent",
            Self::Empty => "always empty",
            Self::Never => "never sent",
        }
    }

    /// Whether it holds for all that is in the field. If not, it holds for the field and its values.
    fn holds_within(self) -> bool {
        !matches!(self, Self::Works | Self::Sent)
    }
}

/// A status, and the fields that have it.
pub(super) struct Entry {
    operation: String,
    side: String,
    /// Those it names. It may hold for more.
    pub(super) fields: Vec<String>,
    pub(super) status: Status,
    pub(super) note: String,
    send: Vec<Value>,
}

impl Entry {
    fn read(operation: &str, side: &str, fields: &str, json: &Value) -> Result<Self> {
        let shorthand = Map::from_iter([("status".to_owned(), json.clone())]);
        let json = json.as_object().unwrap_or(&shorthand);
        if let Some(key) = json.keys().find(|key| !KEYS.contains(&key.as_str())) {
            bail!("`{key}` is not a key of a field");
        }
        let text = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default();
        let status =
            Status::read(text("status"), side).with_context(|| format!("{} is not a status", text("status")))?;
        let send = json.get("send").map(|send| send.as_array().cloned().context("`send` is an array")).transpose()?;
        let send = send.unwrap_or_default();
        ensure!(send.iter().all(Value::is_object), "`send` holds objects");
        let note = text("note").to_owned();
        Ok(Self { operation: operation.to_owned(), side: side.to_owned(), fields: several(fields), status, note, send })
    }

    /// How much of `field` the entry names, if it holds for it.
    fn holds_for(&self, field: &str) -> Option<usize> {
        self.fields.iter().find_map(|named| {
            let rest = field.strip_prefix(named.as_str())?;
            let is_value = rest.trim_start_matches("[]").starts_with('=');
            let is_within = rest.starts_with(['.', '[', '(']) && self.status.holds_within();
            (rest.is_empty() || is_value || is_within).then_some(named.len())
        })
    }

    fn is_accepted(&self) -> bool {
        matches!(self.status, Status::Works | Status::Ignored)
    }
}

/// `a(b|c)` is `a(b)` and `a(c)`; `a=b|c` is `a=b` and `a=c`.
fn several(fields: &str) -> Vec<String> {
    let Some((start, last)) = fields.rfind(['(', '=']).map(|open| fields.split_at(open + 1)) else {
        return vec![fields.to_owned()];
    };
    match last.strip_suffix(')') {
        Some(members) => members.split('|').map(|member| format!("{start}{member})")).collect(),
        None => last.split('|').map(|value| format!("{start}{value}")).collect(),
    }
}

/// The whole file.
pub(super) struct Statuses(Vec<Entry>);

impl Statuses {
    pub(super) fn from_json(json: &Value) -> Result<Self> {
        let mut entries = Vec::new();
        for (operation, sides) in json.as_object().context("it is not an object")? {
            for (side, fields) in sides.as_object().with_context(|| format!("{operation} is not an object"))? {
                for (field, entry) in
                    fields.as_object().with_context(|| format!("{operation} {side} is not an object"))?
                {
                    let entry = Entry::read(operation, side, field, entry);
                    entries.push(entry.with_context(|| format!("{operation}, {side}, {field}"))?);
                }
            }
        }
        Ok(Self(entries))
    }

    /// The entry that says most precisely what becomes of a field.
    pub(super) fn of(&self, operation: &str, side: &str, field: &str) -> Option<&Entry> {
        let entries = self.0.iter().filter(|entry| entry.operation == operation && entry.side == side);
        entries
            .filter_map(|entry| Some((entry.holds_for(field)?, entry)))
            .max_by_key(|(named, _)| *named)
            .map(|(_, entry)| entry)
    }

    fn names(&self, operation: &str, side: &str, field: &str) -> bool {
        self.of(operation, side, field).is_some_and(|entry| entry.fields.iter().any(|named| named == field))
    }
}

/// Fields without a status, and statuses without a field.
pub(super) fn unmatched(theirs: &Facts, statuses: &Statuses) -> Vec<String> {
    let without_status = theirs.all().filter(|(operation, side, field)| statuses.of(operation, side, field).is_none());
    let mut problems: Vec<String> = without_status
        .map(|(operation, side, field)| format!("{operation}, {side}: `{field}` has no status"))
        .collect();
    for Entry { operation, side, fields, .. } in &statuses.0 {
        let unknown =
            fields.iter().filter(|field| !theirs.of_part(operation, side).is_some_and(|known| known.contains(*field)));
        problems.extend(unknown.map(|field| format!("{operation}, {side}: OpenAI has no `{field}`")));
    }
    problems
}

/// Statuses of requests' fields that no request proves.
pub(super) fn unproved(theirs: &Facts, statuses: &Statuses) -> Vec<String> {
    let mut problems = Vec::new();
    for (operation, side, field) in theirs.all().filter(|(_, side, _)| *side == "request") {
        let Some(entry) = statuses.of(operation, side, field) else { continue };
        let is_named = statuses.names(operation, side, field);
        let is_proved = match entry.status {
            Status::Works => is_sent(statuses, operation, field),
            Status::Ignored if is_named => is_sent(statuses, operation, field),
            Status::Refused if is_named => entry.send.iter().any(|request| path::occurs(request, field)),
            _ => true,
        };
        if !is_proved {
            problems.push(format!("{operation}: `{field}`: no request proves that it is {}", entry.status.words()));
        }
    }
    problems
}

fn is_sent(statuses: &Statuses, operation: &str, field: &str) -> bool {
    let accepted = statuses.0.iter().filter(|entry| entry.operation == operation && entry.is_accepted());
    accepted.flat_map(|entry| &entry.send).any(|request| path::occurs(request, field))
}

/// Statuses that our own document denies.
pub(super) fn untrue(theirs: &Facts, ours: &Facts, statuses: &Statuses) -> Vec<String> {
    let mut problems = Vec::new();
    for part in &theirs.parts {
        let (operation, side) = (part.operation.as_str(), part.side.as_str());
        let Some(described) = ours.of_part(operation, side) else {
            problems.push(format!("{operation}, {side}: our document does not describe it"));
            continue;
        };
        for field in &part.fields {
            let Some(entry) = statuses.of(operation, side, field) else { continue };
            let is_there = is_described(described, field);
            let is_named = statuses.names(operation, side, field);
            let wrong = match entry.status {
                Status::Sent => !is_there,
                Status::Empty => is_named && !is_there,
                // Where our document has no union, it says nothing of a member.
                Status::Never if field.ends_with(')') => is_named && described.contains(field),
                // What both sides know is described with all its values.
                Status::Never => is_named && is_there && !field.contains('='),
                Status::Works | Status::Ignored => path::top_level(field) == field && !is_there,
                Status::Refused => false,
            };
            if wrong {
                let verb = if is_there { "describes" } else { "does not describe" };
                let status = entry.status.words();
                problems
                    .push(format!("{operation}, {side}: `{field}` is said to be {status}, but our document {verb} it"));
            }
        }
    }
    problems
}

/// Whether our document has the field. Where it has no union, the member is not asked for; where it does not list a
/// field's values, the value is not.
fn is_described(fields: &BTreeSet<String>, field: &str) -> bool {
    let has_values =
        |name: &str| fields.iter().any(|field| field.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')));
    path::without_members(field).iter().any(|variant| match variant.split_once('=') {
        Some((name, _)) if !has_values(name) => fields.contains(name.trim_end_matches("[]")),
        _ => fields.contains(variant),
    })
}

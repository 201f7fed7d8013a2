//! `docs/compatibility.md`: the fields and their statuses as tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::facts::{Facts, Part, our_description};
use super::path;
use super::statuses::{Entry, Statuses};

const HEAD: &str = "\
# Compatibility with OpenAI's API

<!-- Written by `cargo xtask compat`. Do not edit. -->

What becomes of each field of OpenAI's API in Zyron. A field of a request

- **works** as OpenAI documents it, or
- is **accepted and ignored**, because it cannot change the answer, or
- is **refused**: the answer is a 400 whose `param` names the field.

A field of an answer is **sent**, **always empty** (null, or a list of nothing), or **never sent**.

This page is made from the list of the fields of OpenAI's document (`openapi/reference/fields.json`) and from what is
said of each in `openapi/reference/compatibility.json`. `cargo xtask compat --check`, a part of the test run, fails if a
field is not on this page, if no request proves what is said of it, or if Zyron's own `openapi/openapi.json` does not
describe a field that is said to be sent. The test `compatibility` of `tests/e2e` sends those requests.

`messages[](user).content` is a field of those elements of `messages` whose `role` or `type` is `user`; `verbosity=low`
is the value `low` of `verbosity`. Of the tools that OpenAI hosts only the names are listed.
";

/// The whole page.
pub(super) fn render(theirs: &Facts, ours: &Facts, statuses: &Statuses, document: &Value) -> String {
    let mut page = HEAD.to_owned();
    _ = writeln!(page, "\nThe document compared: {}.\n", theirs.document);
    page.push_str(&summary(theirs, statuses));
    let mut last = "";
    for part in &theirs.parts {
        if part.operation != last {
            _ = writeln!(page, "\n## {}", title(&part.operation));
            last = &part.operation;
        }
        _ = writeln!(page, "\n### {}\n", heading(&part.side));
        page.push_str(&table(part, statuses));
    }
    page.push_str("\n## Not served\n\n");
    for operation in &theirs.not_served {
        _ = writeln!(page, "- `{}`: there is no such route, so the answer is a 404.", title(operation));
    }
    page.push_str(&extensions(theirs, ours, document));
    page
}

fn title(operation: &str) -> String {
    operation.replacen(' ', " /v1", 1)
}

fn heading(side: &str) -> &str {
    match side {
        "request" => "Request",
        "response" => "Answer",
        _ => "Streamed answer",
    }
}

fn summary(theirs: &Facts, statuses: &Statuses) -> String {
    let mut table = "| Fields and values | | |\n|---|---|---|\n".to_owned();
    for part in &theirs.parts {
        let mut counts = BTreeMap::new();
        for field in &part.fields {
            if let Some(entry) = statuses.of(&part.operation, &part.side, field) {
                counts.entry(entry.status as u8).or_insert((entry.status, 0)).1 += 1;
            }
        }
        let counts: Vec<String> =
            counts.values().map(|(status, count)| format!("{count} {}", status.words())).collect();
        let row = (title(&part.operation), heading(&part.side).to_lowercase(), counts.join(", "));
        _ = writeln!(table, "| `{}` | {} | {} |", row.0, row.1, row.2);
    }
    table
}

/// One entry, and the fields it holds for.
struct Row<'a> {
    entry: &'a Entry,
    named: Vec<&'a str>,
    values: Vec<&'a str>,
    within: Vec<&'a str>,
}

fn table(part: &Part, statuses: &Statuses) -> String {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for field in &part.fields {
        let Some(entry) = statuses.of(&part.operation, &part.side, field) else { continue };
        let row = match rows.iter().position(|row| std::ptr::eq(row.entry, entry)) {
            Some(row) => row,
            None => {
                rows.push(Row { entry, named: Vec::new(), values: Vec::new(), within: Vec::new() });
                rows.len() - 1
            }
        };
        let row = &mut rows[row];
        let named =
            entry.fields.iter().filter_map(|named| field.strip_prefix(named.as_str())).min_by_key(|rest| rest.len());
        match named.unwrap_or_default() {
            "" => row.named.push(field),
            rest => match rest.trim_start_matches("[]").strip_prefix('=') {
                Some(value) => row.values.push(value),
                None => row.within.push(rest.trim_start_matches("[]").trim_start_matches('.')),
            },
        }
    }
    let mut table = "| Field | | |\n|---|---|---|\n".to_owned();
    for Row { entry, named, values, within } in rows {
        let mut remarks = Vec::new();
        if !entry.note.is_empty() {
            remarks.push(entry.note.clone());
        }
        if !values.is_empty() {
            remarks.push(format!("Values: {}.", codes(&values)));
        }
        if !within.is_empty() {
            remarks.push(format!("And all in it: {}.", codes(&within)));
        }
        _ = writeln!(table, "| {} | {} | {} |", codes(&named), entry.status.words(), remarks.join(" "));
    }
    table
}

fn codes(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
}

/// Ours that OpenAI has not, with what our document says of them.
fn extensions(theirs: &Facts, ours: &Facts, document: &Value) -> String {
    let mut text = "\n## Extensions\n\nFields of Zyron that OpenAI's document does not have.\n".to_owned();
    for part in &ours.parts {
        let theirs = theirs.of_part(&part.operation, &part.side).into_iter().flatten();
        let known: Vec<String> = theirs.flat_map(|field| path::without_members(field)).collect();
        let is_new = |field: &&String| path::top_level(field) == *field && !known.contains(field);
        let fields: Vec<&String> = part.fields.iter().filter(is_new).collect();
        if part.side == "stream" || fields.is_empty() {
            continue;
        }
        _ = writeln!(text, "\n### {}: {}\n", title(&part.operation), heading(&part.side).to_lowercase());
        text.push_str("| Field | |\n|---|---|\n");
        for field in fields {
            let description = our_description(document, part, field);
            let description = description.strip_prefix("Extension: ").unwrap_or(description);
            _ = writeln!(text, "| `{field}` | {} |", description.replace('\n', " "));
        }
    }
    text
}

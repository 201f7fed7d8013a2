//! An answer whose numbers say where they are from.

use leptos::prelude::*;
use zyron_finance::check::Verdict;
use zyron_finance::facts::SheetFact;
use zyron_openapi::finance::CheckedNumber;

use crate::app::App;
use crate::words;

/// A number of an answer, which opens what it is from.
pub(super) fn number_view(app: App, number: &CheckedNumber, facts: &[SheetFact], written: String) -> AnyView {
    let (kind, words) = words::verdict(&number.verdict, facts);
    let opened = opened(&number.verdict, facts);
    let hidden = format!(" ({words})");
    match opened {
        Some(item) => view! {
            <button type="button" class=format!("number {kind}") title=words on:click=move |_| app.open_item(&item)>
                {written}<span class="hidden">{hidden}</span>
            </button>
        }
        .into_any(),
        None => view! {
            <span class=format!("number {kind}") title=words>{written}<span class="hidden">{hidden}</span></span>
        }
        .into_any(),
    }
}

/// The item of the accounts that shows where a number is from.
fn opened(verdict: &Verdict, facts: &[SheetFact]) -> Option<String> {
    let id = match verdict {
        Verdict::Source { fact } => fact,
        Verdict::Derived { facts, .. } => facts.first()?,
        Verdict::Given | Verdict::NotFound => return None,
    };
    facts.iter().find(|fact| fact.id == *id).map(|fact| fact.item.clone())
}

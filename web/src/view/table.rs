//! A table of figures, each of which opens to what it is made of and where it was read, and can be corrected.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::{Event, SubmitEvent};

use super::controls::{button, unseen};
use crate::app::App;
use crate::language::tr;
use crate::reading::{Account, Choice, Place, Reading, Row};

/// A table of the reading, by its place among them.
pub(super) fn table_view(app: App, reading: Arc<Reading>, at: usize) -> impl IntoView {
    let table = &reading.tables[at];
    let has_change = reading.years.len() > 1;
    let years = reading.years.iter().map(|year| view! { <th scope="col">{year.clone()}</th> }).collect_view();
    let rows = (0..table.rows.len()).map(|row| row_view(app, Arc::clone(&reading), at, row)).collect_view();
    let ids: Vec<String> = table.rows.iter().map(|row| row.id.clone()).collect();
    // The soldes are what an analyst reads first; any table opens for a row that was asked for.
    let is_first = table.name.starts_with("SIG");
    let is_wanted =
        Memo::new(move |_| app.desk.opened.with(|opened| opened.as_ref().is_some_and(|id| ids.contains(id))));
    view! {
        <details class="table" open=move || is_first || is_wanted.get()>
            <summary>{table.title.clone()}</summary>
            <div class="scroll" tabindex="0" role="region" aria-label=table.title.clone()>
                <table>
                    <thead>
                        <tr>
                            <th scope="col">{unseen(tr("Poste", "Line"))}</th>
                            {years}
                            {has_change.then(|| view! { <th scope="col">{tr("Variation", "Change")}</th> })}
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

fn row_view(app: App, reading: Arc<Reading>, table: usize, at: usize) -> impl IntoView {
    let row = &reading.tables[table].rows[at];
    let id = row.id.clone();
    let is_open = Memo::new(move |_| app.desk.opened.with(|opened| opened.as_ref() == Some(&id)));
    let id = row.id.clone();
    let toggle = move |_| app.desk.opened.set((!is_open.get_untracked()).then(|| id.clone()));
    let total = row.formula.is_some();
    let cells =
        row.cells.iter().map(|cell| view! { <td title=cell.reason.clone()>{cell.written.clone()}</td> }).collect_view();
    let columns = (row.cells.len() + 1 + usize::from(row.change.is_some())).to_string();
    let (row_id, item, label) = (format!("row-{}", row.id), row.id.clone(), row.label.clone());
    let change = row.change.clone().map(|change| view! { <td class="change">{change}</td> });
    view! {
        <tr id=row_id data-item=item class:total=total>
            <th scope="row">
                <button type="button" class="item" aria-expanded=move || is_open.get().to_string() on:click=toggle>{label}</button>
            </th>
            {cells}
            {change}
        </tr>
        {move || is_open.get().then(|| {
            let row = &reading.tables[table].rows[at];
            view! { <tr class="parts" data-testid="parts"><td colspan=columns.clone()>{parts_view(app, &reading, row)}</td></tr> }
        })}
    }
}

/// What a figure is made of.
fn parts_view(app: App, reading: &Arc<Reading>, row: &Row) -> impl IntoView + use<> {
    let formula = row.formula.clone().map(|formula| view! { <p class="formula">"= "{formula}</p> });
    let definition = (!row.definition.is_empty()).then(|| view! { <p class="hint">{row.definition.clone()}</p> });
    let inputs = row.inputs.iter().map(|input| {
        let (id, cells) =
            (input.id.clone(), input.cells.iter().map(|cell| view! { <td>{cell.clone()}</td> }).collect_view());
        view! {
            <tr>
                <th scope="row">{button("item", "input-item", input.label.clone(), move || app.open_item(&id))}</th>
                {cells}
            </tr>
        }
    });
    let inputs = inputs.collect_view();
    let has_inputs = !row.inputs.is_empty();
    let years = row.cells.iter().enumerate().map(|(year, cell)| {
        let reason = cell.reason.clone().map(|reason| view! { <p class="hint">{reason}</p> });
        let accounts =
            cell.accounts.iter().map(|account| account_view(app, reading, row, year, account)).collect_view();
        let is_something = cell.reason.is_some() || !cell.accounts.is_empty() || !cell.places.is_empty();
        let places = (cell.accounts.is_empty()).then(|| places_view(app, &cell.places));
        is_something.then(|| {
            view! {
                <div class="year">
                    <h4>{reading.years[year].clone()}</h4>
                    {reason}{places}
                    <ul class="accounts">{accounts}</ul>
                </div>
            }
        })
    });
    let years = years.collect_view();
    view! {
        <div class="inside">
        {formula}{definition}
        {has_inputs.then(|| view! { <table class="inputs"><tbody>{inputs}</tbody></table> })}
        <div class="years">{years}</div>
        {row.formula.is_none().then(|| correction_view(app, reading, row))}
        </div>
    }
}

fn places_view(app: App, places: &[Place]) -> impl IntoView + use<> {
    let place = |place: &Place| {
        let (text, place) = (place.written(), place.clone());
        button("link", "place", text, move || app.open_place(place.clone()))
    };
    view! { <span class="places">{places.iter().map(place).collect_view()}</span> }
}

fn account_view(app: App, reading: &Arc<Reading>, row: &Row, year: usize, account: &Account) -> impl IntoView + use<> {
    let (from, number, end) = (row.id.clone(), account.number.clone(), reading.ends[year].clone());
    let moved = move |to: String| app.move_to(&end, &from, Some(&number), &to);
    view! {
        <li>
            <span class="account">{format!("{} {}", account.number, account.label)}</span>
            <span class="amount">{account.written.clone()}</span>
            {places_view(app, &account.places)}
            {lines_view(reading, tr("Reclasser ce compte", "Move this account"), "move-account", &row.id, moved)}
        </li>
    }
}

/// A line that the sources give, to be corrected.
fn correction_view(app: App, reading: &Arc<Reading>, row: &Row) -> impl IntoView + use<> {
    let year = RwSignal::new((reading.ends.len() - 1).to_string());
    let amount = RwSignal::new(String::new());
    let ends = reading.ends.clone();
    let chosen = move || ends.get(year.get_untracked().parse::<usize>().unwrap_or_default()).cloned();
    let (line, chosen_too) = (row.id.clone(), chosen.clone());
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(year) = chosen_too() {
            app.set_amount(year, line.clone(), amount.get_untracked());
        }
    };
    let from = row.id.clone();
    let moved = move |to: String| {
        if let Some(year) = chosen() {
            app.move_to(&year, &from, None, &to);
        }
    };
    let years = reading.years.iter().enumerate();
    let years = years.map(|(at, year)| view! { <option value=at.to_string()>{year.clone()}</option> }).collect_view();
    let has_years = reading.years.len() > 1;
    view! {
        <form class="correct" on:submit=submit>
            {has_years.then(|| view! {
                <label class="field">{tr("Exercice", "Year")}<select bind:value=year>{years}</select></label>
            })}
            <label class="field">
                {tr("Corriger le montant", "Correct the amount")}
                <input inputmode="decimal" data-testid="correct-amount" bind:value=amount/>
            </label>
            <button type="submit" class="quiet" data-testid="correct">{tr("Corriger", "Correct")}</button>
            {lines_view(reading, tr("Reclasser tout le poste", "Move the whole line"), "move-line", &row.id, moved)}
        </form>
    }
}

/// The lines that something can be moved to.
fn lines_view<F: Fn(String) + 'static>(
    reading: &Arc<Reading>,
    label: &'static str,
    name: &'static str,
    from: &str,
    moved: F,
) -> impl IntoView + use<F> {
    let (from, reading) = (from.to_owned(), Arc::clone(reading));
    let option = |choice: &Choice| view! { <option value=choice.id.clone()>{choice.label.clone()}</option> };
    // Hundreds of options for each of hundreds of accounts: drawn once one is looked at.
    let is_asked = RwSignal::new(false);
    let chosen = move |event: Event| {
        let to = event_target_value(&event);
        if !to.is_empty() {
            moved(to);
        }
    };
    view! {
        <select
            class="move"
            data-testid=name
            aria-label=label
            on:focus=move |_| is_asked.set(true)
            on:pointerdown=move |_| is_asked.set(true)
            on:change=chosen
        >
            <option value="">{label}"…"</option>
            {move || is_asked.get().then(|| {
                reading.choices.iter().filter(|choice| choice.id != from).map(option).collect_view()
            })}
        </select>
    }
}

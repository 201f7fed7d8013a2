//! The desk as the analyst sees it: where files are dropped, and what they say.

use std::rc::Rc;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, Event, HtmlInputElement};
use zyron_finance::reading::{ReadRow, ReadTable, Reading};

use crate::desk::Desk;

/// The company's accounts.
pub(crate) fn desk_view(desk: Desk) -> impl IntoView {
    view! {
        <section class="desk" aria-label="Comptes de la société">
            <Drop desk/>
            <p role="alert" class="error" data-testid="desk-error">{move || desk.error.get()}</p>
            {move || desk.reading.get().map(|reading| view! { <ReadingView desk reading/> })}
        </section>
    }
}

/// Where files are dropped or chosen.
#[component]
fn Drop(desk: Desk) -> impl IntoView {
    let is_over = RwSignal::new(false);
    let over = move |event: DragEvent| {
        event.prevent_default();
        is_over.set(true);
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        is_over.set(false);
        if let Some(files) = event.data_transfer().and_then(|data| data.files()) {
            desk.open(&files);
        }
    };
    let choose = move |event: Event| {
        let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        if let Some(input) = input {
            if let Some(files) = input.files() {
                desk.open(&files);
            }
            // The same file may be chosen again.
            input.set_value("");
        }
    };
    view! {
        <div class="drop" class:over=move || is_over.get() on:dragover=over on:dragleave=move |_| is_over.set(false) on:drop=drop>
            <p>"Comptes d’une société\u{a0}: FEC, balance, bilan et compte de résultat, rapport ESEF. Déposez-les ici."</p>
            <div class="choose">
                <input
                    id="files"
                    class="hidden"
                    type="file"
                    multiple
                    data-testid="files"
                    disabled=move || desk.is_reading.get()
                    on:change=choose
                />
                <label class="button" for="files">"Choisir des fichiers"</label>
            </div>
            <label for="end">"Clôture, si les fichiers ne la disent pas"</label>
            <input id="end" type="date" data-testid="end" bind:value=desk.end/>
            <p class="hint" aria-live="polite" data-testid="desk-state">
                {move || if desk.is_reading.get() {
                    "Lecture en cours…"
                } else {
                    "Les fichiers sont lus dans votre navigateur et n’en sortent pas. Une question n’envoie que les montants \
                     des postes."
                }}
            </p>
        </div>
    }
}

#[component]
fn ReadingView(desk: Desk, reading: Rc<Reading>) -> impl IntoView {
    let years = reading.years.clone();
    let tables = reading.tables.iter().map(|table| view! { <TableView table=table.clone() years=years.clone()/> });
    let list = |title: &'static str, points: &[String]| {
        let points = points.to_vec();
        (!points.is_empty()).then(|| {
            view! {
                <details open>
                    <summary>{format!("{title} ({})", points.len())}</summary>
                    <ul>{points.into_iter().map(|point| view! { <li>{point}</li> }).collect_view()}</ul>
                </details>
            }
        })
    };
    view! {
        <header class="company">
            <h2 data-testid="company">{reading.company.clone()}</h2>
            <button type="button" data-testid="clear-desk" on:click=move |_| desk.clear()>"Retirer du bureau"</button>
        </header>
        {list("Observations", &reading.observations)}
        {list("Anomalies", &reading.anomalies)}
        {tables.collect_view()}
    }
}

#[component]
fn TableView(table: ReadTable, years: Vec<String>) -> impl IntoView {
    let has_change = years.len() > 1;
    let ReadTable { title, rows } = table;
    let is_first = title.starts_with("Soldes");
    let row = |row: ReadRow| {
        view! {
            <tr data-item=row.id title=row.source>
                <th scope="row">{row.label}</th>
                {row.cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}
                {row.change.map(|change| view! { <td class="change">{change}</td> })}
            </tr>
        }
    };
    view! {
        <details class="table" open=is_first>
            <summary>{title.clone()}</summary>
            <div class="scroll" tabindex="0" role="region" aria-label=title>
                <table>
                    <thead>
                        <tr>
                            <th scope="col"></th>
                            {years.into_iter().map(|year| view! { <th scope="col">{year}</th> }).collect_view()}
                            {has_change.then(|| view! { <th scope="col">"Variation"</th> })}
                        </tr>
                    </thead>
                    <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
}

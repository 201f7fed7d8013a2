//! The company's accounts: where files are dropped, and what they say.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::DragEvent;

use super::charts::charts_view;
use super::controls::{button, button_unless};
use super::table::table_view;
use crate::app::App;
use crate::desk::Document;
use crate::export::Form;
use crate::language::tr;
use crate::library::chosen;
use crate::reading::{Point, Reading};
use crate::words;

/// The desk.
pub(super) fn desk_view(app: App) -> impl IntoView {
    let desk = app.desk;
    view! {
        <section class="desk" aria-label=tr("Comptes de la société", "The company’s accounts")>
            {drop_view(app)}
            <p role="alert" class="error" data-testid="desk-error">{move || desk.error.get()}</p>
            {move || desk.document.get().map(|document| document_view(app, &document))}
            {move || desk.reading.get().map(|reading| reading_view(app, &reading))}
        </section>
    }
}

/// Where files are dropped or chosen.
fn drop_view(app: App) -> impl IntoView {
    let desk = app.desk;
    let is_over = RwSignal::new(false);
    let over = move |event: DragEvent| {
        event.prevent_default();
        is_over.set(true);
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        is_over.set(false);
        if let Some(files) = event.data_transfer().and_then(|data| data.files()) {
            app.open_files((0..files.length()).filter_map(|at| files.item(at)).collect());
        }
    };
    let is_filled = move || desk.reading.with(Option::is_some);
    let is_reading = move || desk.is_reading.get();
    let state = move || {
        if is_reading() {
            tr("Lecture en cours…", "Reading…")
        } else {
            tr(
                "Les fichiers sont lus dans votre navigateur et n’en sortent pas. Une question n’envoie que les montants \
                 des postes.",
                "The files are read in your browser and do not leave it. A question sends the amounts of the lines only.",
            )
        }
    };
    view! {
        <div class="drop" class:over=move || is_over.get() class:filled=is_filled
            on:dragover=over on:dragleave=move |_| is_over.set(false) on:drop=drop
        >
            <p class="lead">
                {tr(
                    "Déposez ici les comptes d’une société\u{a0}: FEC, balance, bilan et compte de résultat, rapport ESEF, PDF.",
                    "Drop a company’s accounts here: FEC, trial balance, balance sheet and income statement, ESEF report, PDF.",
                )}
            </p>
            <div class="row">
                <div class="choose">
                    <input id="files" class="hidden" type="file" multiple data-testid="files" disabled=is_reading
                        on:change=move |event| app.open_files(chosen(&event))/>
                    <label class="button" for="files">{tr("Choisir des fichiers", "Choose files")}</label>
                </div>
                {button_unless(desk.is_reading, "quiet", "sample", tr("Société d’exemple", "Sample company"), move || app.open_sample())}
                <Show when=is_reading>
                    {button("quiet", "cancel-reading", tr("Interrompre", "Cancel"), move || desk.cancel())}
                </Show>
                <label class="field">
                    {tr("Clôture, si les fichiers ne la disent pas", "Year’s end, if the files do not say it")}
                    <input id="end" type="date" data-testid="end" bind:value=desk.end/>
                </label>
            </div>
            <p class="hint" aria-live="polite" data-testid="desk-state">{state}</p>
        </div>
    }
}

/// A document that is no accounts: its text, page by page.
fn document_view(app: App, document: &Document) -> impl IntoView + use<> {
    let page = |(at, text): (usize, &String)| view! { <h4>{format!("p. {}", at + 1)}</h4><pre tabindex="0">{text.clone()}</pre> };
    let pages = document.pages.iter().enumerate().map(page).collect_view();
    view! {
        <header class="company">
            <h2 data-testid="document">{document.name.clone()}</h2>
            {button("quiet", "clear-document", tr("Retirer du bureau", "Take off the desk"), move || app.desk.document.set(None))}
        </header>
        <p class="hint">
            {tr(
                "Pas de comptes dans ce document. Une question avec le document en envoie le texte au serveur.",
                "There are no accounts in this document. A question with the document sends its text to the server.",
            )}
        </p>
        <details class="pages">
            <summary>{words::filled(tr("Texte ({} pages)", "Text ({} pages)"), &[&document.pages.len().to_string()])}</summary>
            {pages}
        </details>
    }
}

fn reading_view(app: App, reading: &Arc<Reading>) -> impl IntoView + use<> {
    let company =
        if reading.company.is_empty() { tr("Société sans nom", "Unnamed company") } else { &reading.company };
    let tables = reading.tables.iter().enumerate();
    let tables = tables.map(|(at, _)| table_view(app, Arc::clone(reading), at)).collect_view();
    view! {
        <header class="company">
            <h2 data-testid="company">{company.to_owned()}</h2>
            {actions(app)}
        </header>
        <div class="reading" lang="fr">
        {corrections_view(app, reading)}
        {points_view(app, tr("Observations", "Observations"), "observations", &reading.observations)}
        {points_view(app, tr("Anomalies", "Anomalies"), "anomalies", &reading.anomalies)}
        {charts_view(app, &reading.charts)}
        {tables}
        </div>
    }
}

fn actions(app: App) -> impl IntoView {
    let export = move |form: Form, name: &'static str, label: &'static str| {
        button("quiet", name, label, move || app.export_desk(form))
    };
    view! {
        <div class="actions">
            {export(Form::Xlsx, "export-xlsx", "Excel")}
            {export(Form::Csv, "export-csv", "CSV")}
            {export(Form::Markdown, "export-markdown", "Markdown")}
            {button("quiet", "print", tr("Imprimer", "Print"), print)}
            {button("quiet", "clear-desk", tr("Retirer du bureau", "Take off the desk"), move || app.desk.clear())}
        </div>
    }
}

/// Everything that is folded away is on the paper.
fn print() {
    let folded = document().query_selector_all("details:not([open])").ok();
    let folded: Vec<_> = folded.iter().flat_map(|list| (0..list.length()).filter_map(|at| list.item(at))).collect();
    let all = |is_open: bool| {
        use wasm_bindgen::JsCast;
        for details in &folded {
            details.unchecked_ref::<web_sys::HtmlDetailsElement>().set_open(is_open);
        }
    };
    all(true);
    // A browser that cannot print has said so.
    let _ = window().print();
    all(false);
}

fn corrections_view(app: App, reading: &Reading) -> impl IntoView + use<> {
    let items = reading.corrections.iter().cloned().enumerate().map(|(at, text)| {
        let undo = move || {
            let mut corrections = app.desk.corrections.get_untracked();
            if at < corrections.len() {
                corrections.remove(at);
            }
            app.correct(corrections);
        };
        view! {
            <li>
                {text}
                {button("link", "undo-correction", tr("Annuler", "Undo"), undo)}
            </li>
        }
    });
    let items = items.collect_view();
    (!reading.corrections.is_empty()).then(|| {
        view! {
            <section class="points" data-testid="corrections">
                <h3>{tr("Corrigé à la main", "Corrected by hand")}</h3>
                <ul>{items}</ul>
            </section>
        }
    })
}

fn points_view(app: App, title: &'static str, name: &'static str, points: &[Point]) -> impl IntoView + use<> {
    let point = |point: &Point| {
        let opens = match (point.place.clone(), point.item.clone()) {
            (Some(place), _) => {
                let label = place.written();
                Some(button("link", "place", label, move || app.open_place(place.clone())))
            }
            (None, Some(item)) => {
                Some(button("link", "line", tr("Voir le poste", "See the line"), move || app.open_item(&item)))
            }
            (None, None) => None,
        };
        view! { <li>{point.text.clone()}" "{opens}</li> }
    };
    let items = points.iter().map(point).collect_view();
    let count = points.len();
    (count > 0).then(|| {
        view! {
            <details class="points" open data-testid=name>
                <summary>{format!("{title} ({count})")}</summary>
                <ul>{items}</ul>
            </details>
        }
    })
}

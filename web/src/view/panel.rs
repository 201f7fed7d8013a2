//! What lies over the page: one dialog, whatever is in it.

use leptos::html::Dialog;
use leptos::prelude::*;

use super::controls::{button, unseen};
use super::library::library_view;
use super::settings::settings_view;
use crate::api::Ask;
use crate::app::{App, Panel};
use crate::code::Client;
use crate::download::copy;
use crate::language::tr;
use crate::reading::Excerpt;

/// The dialog.
pub(super) fn panel_view(app: App) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = dialog.get() else { return };
        match (app.panel.with(Option::is_some), dialog.open()) {
            // One that is in the document and closed can be shown.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    view! {
        <dialog node_ref=dialog aria-labelledby="panel-title" on:close=move |_| app.panel.set(None)>
            {move || app.panel.get().map(|panel| view! {
                <header>
                    <h2 id="panel-title">{title(&panel)}</h2>
                    {button("quiet", "close", tr("Fermer", "Close"), move || app.panel.set(None))}
                </header>
                {content(app, panel)}
            })}
        </dialog>
    }
}

fn title(panel: &Panel) -> &'static str {
    match panel {
        Panel::Library => tr("Bibliothèque", "Library"),
        Panel::Settings => tr("Paramètres", "Settings"),
        Panel::Code(_) => tr("La même requête par programme", "The same request by program"),
        Panel::Source => "Source",
    }
}

fn content(app: App, panel: Panel) -> AnyView {
    match panel {
        Panel::Library => library_view(app).into_any(),
        Panel::Settings => settings_view(app).into_any(),
        Panel::Code(ask) => code_view(ask).into_any(),
        Panel::Source => app.desk.excerpt.get_untracked().map(|excerpt| source_view(&excerpt)).into_any(),
    }
}

fn code_view(ask: Ask) -> impl IntoView {
    let client = RwSignal::new(Client::Curl);
    let origin = window().location().origin().unwrap_or_default();
    let program = Memo::new(move |_| client.get().program(&ask, &origin));
    let tab = |of: Client| {
        let is_chosen = move || (client.get() == of).to_string();
        view! { <button type="button" class="quiet" aria-pressed=is_chosen on:click=move |_| client.set(of)>{of.name()}</button> }
    };
    view! {
        <div class="actions">
            {Client::ALL.map(tab).collect_view()}
            {button("quiet", "copy-program", tr("Copier", "Copy"), move || copy(&program.get_untracked()))}
        </div>
        <p class="hint">
            {tr(
                "La clé n’est pas dans ce texte\u{a0}: le programme la lit dans OPENAI_API_KEY.",
                "The key is not in this text: the program reads it from OPENAI_API_KEY.",
            )}
        </p>
        <pre tabindex="0" data-testid="program"><code>{move || program.get()}</code></pre>
    }
}

fn source_view(excerpt: &Excerpt) -> impl IntoView + use<> {
    let column = excerpt.column;
    let headings = excerpt.columns.iter().map(|name| view! { <th scope="col">{name.clone()}</th> }).collect_view();
    let rows = excerpt.rows.iter().map(|row| {
        let is_place = row.is_place;
        let cells = row.cells.iter().enumerate().map(|(at, cell)| {
            let is_it = is_place && column == Some(at);
            view! { <td class:found=is_it>{cell.clone()}</td> }
        });
        view! {
            <tr class:found=is_place aria-current=is_place.then_some("true")>
                <th scope="row">{row.number.clone()}</th>
                {cells.collect_view()}
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <p data-testid="source-title">{excerpt.title.clone()}</p>
        <div class="scroll" tabindex="0" role="region" aria-label=excerpt.title.clone()>
            <table class="excerpt">
                <thead><tr><th scope="col">{unseen(tr("Ligne", "Row"))}</th>{headings}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

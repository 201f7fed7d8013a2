//! What is kept in this browser, as lists.

use leptos::prelude::*;

use super::controls::button;
use crate::app::App;
use crate::language::tr;
use crate::library::{Entry, chosen};
use crate::store::Kind;
use crate::words;

/// The conversations and the companies' accounts, and both as a file.
pub(super) fn library_view(app: App) -> impl IntoView {
    let library = app.library;
    view! {
        <p role="alert" class="error" data-testid="library-error">{move || library.error.get()}</p>
        <p role="status" data-testid="library-notice">{move || library.notice.get()}</p>
        {list_view(app, Kind::Conversation, tr("Conversations", "Conversations"), library.conversations)}
        {list_view(app, Kind::Desk, tr("Comptes de sociétés", "Companies’ accounts"), library.desks)}
        <p class="hint">
            {tr(
                "Tout est conservé dans ce navigateur, et nulle part ailleurs. La sauvegarde contient tout sauf les fichiers \
                 lus.",
                "Everything is kept in this browser and nowhere else. The backup has everything but the files that were read.",
            )}
        </p>
        <div class="actions">
            {button("quiet", "back-up", tr("Sauvegarder dans un fichier", "Back up to a file"), move || library.back_up())}
            <div class="choose">
                <input id="restore" class="hidden" type="file" accept=".json,application/json" data-testid="restore"
                    on:change=move |event| chosen(&event).into_iter().for_each(|file| library.restore(file))/>
                <label class="button" for="restore">{tr("Restaurer une sauvegarde", "Restore a backup")}</label>
            </div>
        </div>
    }
}

fn list_view(app: App, kind: Kind, title: &'static str, entries: RwSignal<Vec<Entry>>) -> impl IntoView {
    let entry = move |entry: Entry| {
        let Entry { id, title, updated } = entry;
        let (opened, deleted) = (id.clone(), id.clone());
        let open = move || {
            match kind {
                Kind::Conversation => app.library.open_talk(app, opened.clone()),
                Kind::Desk => app.library.open_desk(app, opened.clone()),
            }
            app.shows_desk.set(kind == Kind::Desk);
            app.panel.set(None);
        };
        // What is forgotten is gone: it takes two clicks.
        let is_sure = RwSignal::new(false);
        let delete = move |_| {
            if is_sure.get_untracked() {
                app.library.delete(app, kind, deleted.clone());
            } else {
                is_sure.set(true);
            }
        };
        view! {
            <li data-testid="kept">
                {button("item", "open", title, open)}
                <time>{words::moment(updated)}</time>
                <button type="button" class="link" data-testid="delete" on:click=delete on:blur=move |_| is_sure.set(false)>
                    {move || if is_sure.get() { tr("Supprimer vraiment\u{202f}?", "Really delete?") } else { tr("Supprimer", "Delete") }}
                </button>
            </li>
        }
    };
    view! {
        <section class="kept">
            <h3>{title}</h3>
            <ul>
                <For each=move || entries.get() key=|entry| (entry.id.clone(), entry.updated.to_bits()) let:kept>{entry(kept)}</For>
            </ul>
            {move || entries.with(Vec::is_empty).then(|| view! { <p class="hint">{tr("Rien pour l’instant.", "Nothing yet.")}</p> })}
        </section>
    }
}

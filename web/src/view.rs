//! What the analyst sees: the company's accounts beside the conversation, and what lies over both.

mod charts;
mod composer;
mod controls;
mod desk;
mod exchange;
mod library;
mod numbers;
mod opening;
mod panel;
mod settings;
mod table;

use js_sys::Function;
use leptos::mount::mount_to_body;
use leptos::prelude::*;

use self::controls::{button, button_unless};
use crate::app::{App, Panel, Trouble};
use crate::focus;
use crate::language::{Language, tr};
use crate::words;

/// Puts the page into the document. `load_markdown` gives a promise of the module that draws answers.
pub(crate) fn mount(load_markdown: Function) {
    mount_to_body(|| {
        let app = App::new(load_markdown);
        app.connect();
        app.library.refresh();
        keep_when_hidden(app);
        move || {
            app.language.get().choose();
            page(app)
        }
    });
}

/// A page that is put away may not come back: what is being said is kept as it is then.
fn keep_when_hidden(app: App) {
    let keep = window_event_listener(leptos::ev::visibilitychange, move |_| {
        if document().hidden() {
            app.library.keep_talk(app);
        }
    });
    // For as long as there is a page.
    std::mem::forget(keep);
}

fn page(app: App) -> impl IntoView {
    let tab = move |is_desk: bool, name: &'static str, label: &'static str| {
        let is_chosen = move || app.shows_desk.get() == is_desk;
        let choose = move |_| app.shows_desk.set(is_desk);
        view! {
            <button type="button" data-testid=name aria-pressed=move || is_chosen().to_string() on:click=choose>{label}</button>
        }
    };
    view! {
        <a class="skip" href="#input">{tr("Aller à la question", "Skip to the question")}</a>
        {header(app)}
        <nav class="tabs" aria-label=tr("Vue", "View")>
            {tab(true, "tab-desk", tr("Comptes", "Accounts"))}
            {tab(false, "tab-talk", tr("Conversation", "Conversation"))}
        </nav>
        <main class:shows-desk=move || app.shows_desk.get()>
            {desk::desk_view(app)}
            <section class="talk" aria-label=tr("Conversation avec le modèle", "Conversation with the model")>
                {exchange::exchanges_view(app)}
                {composer::composer_view(app)}
            </section>
        </main>
        <section class="stamp" aria-hidden="true">
            {move || app.provenance().into_iter().map(|line| view! { <p>{line}</p> }).collect_view()}
        </section>
        {panel::panel_view(app)}
    }
}

fn header(app: App) -> impl IntoView {
    let opens = move |panel: Panel, name: &'static str, label: &'static str| {
        button("quiet", name, label, move || app.panel.set(Some(panel.clone())))
    };
    let begin = move || {
        app.library.keep_talk(app);
        app.talk.begin();
        app.trouble.set(None);
        focus::input();
    };
    let code = move || match app.request() {
        Ok(ask) => app.panel.set(Some(Panel::Code(ask))),
        Err(words) => app.trouble.set(Some(Trouble::Words(words))),
    };
    let other = Language::current().other();
    let is_new = Signal::derive(move || app.talk.exchanges.with(Vec::is_empty));
    view! {
        <header class="top">
            <h1>"Zyron"</h1>
            <p data-testid="model" aria-live="polite" title=move || described(app)>
                {move || match app.model(&app.settings[0].get()) {
                    Some(model) => words::model(&model),
                    None => tr("En attente du modèle…", "Waiting for the model…").to_owned(),
                }}
            </p>
            <div class="actions">
                {button_unless(is_new, "quiet", "new", tr("Nouvelle conversation", "New conversation"), begin)}
                {opens(Panel::Library, "library", tr("Bibliothèque", "Library"))}
                {opens(Panel::Settings, "settings", tr("Paramètres", "Settings"))}
                {button("quiet", "code", "Code", code)}
                <span lang=other.code()>
                    {button("quiet", "language", tr("English", "Français"), move || app.language.set(other))}
                </span>
            </div>
        </header>
    }
}

fn described(app: App) -> String {
    app.model(&app.settings[0].get()).and_then(|model| model.description).unwrap_or_default()
}

/// What one has to know before one writes, and beside every answer.
fn notice() -> impl IntoView {
    view! {
        <p class="notice" id="notice" data-testid="notice">
            {tr(
                "Vous dialoguez avec une intelligence artificielle. Ses réponses peuvent être fausses\u{a0}: \
                 vérifiez chaque chiffre. Elles ne constituent pas un conseil en investissement.",
                "You are talking with an artificial intelligence. Its answers may be wrong: check every figure. They do not \
                 constitute investment advice.",
            )}
        </p>
    }
}

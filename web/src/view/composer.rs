//! Where a question is written.

use leptos::prelude::*;
use web_sys::{KeyboardEvent, SubmitEvent};

use super::controls::{button, check};
use super::notice;
use crate::app::App;
use crate::focus;
use crate::language::tr;
use crate::words;

/// The key, what went wrong last, the notice, and the question.
pub(super) fn composer_view(app: App) -> impl IntoView {
    let talk = app.talk;
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        app.send();
    };
    let keydown = move |event: KeyboardEvent| {
        // While an accent or a character is being composed, Enter belongs to the keyboard.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            app.send();
        }
    };
    // The field is where it is once it is written anew.
    Effect::new(move || {
        if talk.editing.get().is_some() {
            focus::input();
        }
    });
    let send = move || {
        view! {
            <button type="submit" data-testid="send" disabled=move || !app.can_send()>{tr("Envoyer", "Send")}</button>
        }
    };
    view! {
        <div class="composer">
            <p role="alert" class="error" data-testid="error">
                {move || app.trouble.with(|trouble| trouble.as_ref().map(words::trouble))}
            </p>
            <p role="alert" class="error" data-testid="kept-error">{move || app.library.error.get()}</p>
            {key_view(app)}
            {notice()}
            <form on:submit=submit>
                {options(app)}
                <Show when=move || talk.editing.get().is_some()>
                    <p class="editing">
                        {tr("Vous modifiez une question. L’ancienne reste.", "You are changing a question. The old one stays.")}
                        {button("link", "cancel-edit", tr("Annuler", "Cancel"), move || {
                            talk.editing.set(None);
                            focus::input();
                        })}
                    </p>
                </Show>
                <div class="writing">
                    <textarea
                        id="input"
                        data-testid="input"
                        aria-label=tr("Votre question", "Your question")
                        aria-describedby="notice"
                        placeholder=tr("Posez une question…", "Ask a question…")
                        title=tr(
                            "Entrée pour envoyer, Maj\u{a0}+\u{a0}Entrée pour aller à la ligne",
                            "Enter to send, Shift + Enter for a new line",
                        )
                        rows="2"
                        bind:value=talk.draft
                        on:keydown=keydown
                    ></textarea>
                    <Show when=move || talk.is_running() fallback=send>
                        {button("", "stop", tr("Arrêter", "Stop"), move || talk.stop())}
                    </Show>
                </div>
            </form>
        </div>
    }
}

/// What goes with the question: the accounts, an analysis of them, a second way to ask.
fn options(app: App) -> impl IntoView {
    let talk = app.talk;
    let has_accounts = move || app.desk.reading.with(Option::is_some);
    let template = move || {
        let options = app.offered().into_iter();
        let options =
            options.map(|template| view! { <option value=template.id>{template.title}</option> }).collect_view();
        view! {
            <label class="field">
                {tr("Analyse", "Analysis")}
                <select id="template" data-testid="template" bind:value=talk.template>
                    <option value="">{tr("Question libre", "Free question")}</option>
                    {options}
                </select>
            </label>
        }
    };
    view! {
        <div class="options">
            {move || (app.takes_accounts() || app.takes_document()).then(template)}
            {move || has_accounts().then(|| {
                check("takes-accounts", tr("Avec les comptes", "With the accounts"), talk.takes_accounts)
            })}
            {move || app.desk.document.with(Option::is_some).then(|| {
                check("takes-document", tr("Avec le document", "With the document"), talk.takes_document)
            })}
            {check("compare", tr("Comparer deux réglages", "Compare two settings"), app.compares)}
        </div>
    }
}

fn key_view(app: App) -> impl IntoView {
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        app.connect();
    };
    view! {
        <Show when=move || app.needs_key()>
            <form class="key" on:submit=submit>
                <label for="key">{tr("Clé d’API", "API key")}</label>
                <input id="key" type="password" autocomplete="off" data-testid="key" bind:value=app.key/>
                <button type="submit">{tr("Valider", "Use it")}</button>
                {check("keep-key", tr("La garder dans ce navigateur", "Keep it in this browser"), app.keeps_key)}
            </form>
        </Show>
    }
}

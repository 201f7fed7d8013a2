//! What the analyst sees.

use leptos::mount::mount_to_body;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, SubmitEvent};
use zyron_finance::facts::SheetFact;
use zyron_openapi::finance::CheckedNumber;

use crate::conversation::{Conversation, Exchange};
use crate::desk_view::desk_view;
use crate::french;

/// Puts the page into the document.
pub(crate) fn mount() {
    mount_to_body(Page);
}

#[component]
fn Page() -> impl IntoView {
    let conversation = Conversation::new();
    conversation.connect();
    view! {
        <header>
            <h1>"Zyron"</h1>
            <p data-testid="model">
                {move || match conversation.model.get() {
                    Some(model) => french::model(&model),
                    None => "En attente du modèle…".to_owned(),
                }}
            </p>
            <p data-testid="description">
                {move || conversation.model.with(|model| model.as_ref().and_then(|model| model.description.clone()))}
            </p>
            <button
                type="button"
                data-testid="new"
                disabled=move || conversation.exchanges.with(Vec::is_empty)
                on:click=move |_| conversation.clear()
            >
                "Nouvelle conversation"
            </button>
        </header>
        <main>
            {desk_view(conversation.desk)}
            <div class="talk">
                <section class="exchanges" role="log" aria-label="Conversation">
                    <For each=move || conversation.exchanges.get() key=|exchange| exchange.id let:exchange>
                        <ExchangeView exchange/>
                    </For>
                </section>
            </div>
        </main>
        <footer>
            <Key conversation/>
            <p role="alert" class="error" data-testid="error">
                {move || conversation.error.with(|error| error.as_ref().map(french::error))}
            </p>
            <p class="notice" id="notice" data-testid="notice">
                "Vous dialoguez avec une intelligence artificielle. Ses réponses peuvent être fausses\u{a0}: \
                 vérifiez chaque chiffre. Elles ne constituent pas un conseil en investissement."
            </p>
            <Composer conversation/>
        </footer>
    }
}

#[component]
fn ExchangeView(exchange: Exchange) -> impl IntoView {
    let Exchange { question, template, answer, numbers, facts, ending, .. } = exchange;
    let title = template.map(|(_, title)| view! { <strong>{title}</strong> });
    let text = move || {
        let numbers = numbers.get();
        answer.with(|answer| match numbers.as_slice() {
            [] => answer.clone().into_any(),
            numbers => facts.with(|facts| marked(answer, numbers, facts)),
        })
    };
    let is_running = {
        let ending = ending.clone();
        move || ending.with(Option::is_none)
    };
    view! {
        <article class="question" data-testid="message-user">{title}{question}</article>
        <article class="answer" class:running=is_running.clone() aria-busy=move || is_running().to_string()>
            <div data-testid="message-assistant">{text}</div>
            <p class="ending" data-testid="stats">
                {move || ending.with(|ending| ending.as_ref().map(french::ending))}
            </p>
        </article>
    }
}

/// An answer whose numbers say where they are from.
fn marked(answer: &str, numbers: &[CheckedNumber], facts: &[SheetFact]) -> AnyView {
    let chars: Vec<char> = answer.chars().collect();
    let text = |range: std::ops::Range<usize>| chars.get(range).unwrap_or_default().iter().collect::<String>();
    let mut views = Vec::new();
    let mut done = 0;
    for number in numbers {
        views.push(text(done..number.start).into_any());
        let (class, words) = french::verdict(&number.verdict, facts);
        let span = text(number.start..number.end);
        views.push(view! { <mark class=class title=words.clone() data-verdict=class>{span}<span class="hidden">{format!(" ({words})")}</span></mark> }.into_any());
        done = number.end;
    }
    views.push(text(done..chars.len()).into_any());
    views.into_any()
}

#[component]
fn Key(conversation: Conversation) -> impl IntoView {
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        conversation.connect();
    };
    view! {
        <Show when=move || conversation.needs_key()>
            <form class="key" on:submit=submit>
                <label for="key">"Clé d’API"</label>
                <input id="key" type="password" autocomplete="off" data-testid="key" bind:value=conversation.key/>
                <button type="submit">"Valider"</button>
            </form>
        </Show>
    }
}

#[component]
fn Composer(conversation: Conversation) -> impl IntoView {
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        conversation.send();
    };
    let keydown = move |event: KeyboardEvent| {
        // While an accent or a character is being composed, Enter belongs to the keyboard.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            conversation.send();
        }
    };
    let template = move || {
        let offered = conversation.templates.get();
        let option = |id: String, title: String| view! { <option value=id>{title}</option> };
        let options = offered.into_iter().map(|template| option(template.id, template.title)).collect_view();
        view! {
            <label for="template">"Analyse"</label>
            <select id="template" data-testid="template" bind:value=conversation.desk.template>
                {option(String::new(), "Question libre".to_owned())}
                {options}
            </select>
        }
    };
    view! {
        <form class="composer" on:submit=submit>
            {move || conversation.desk.reading.with(Option::is_some).then(template)}
            <textarea
                data-testid="input"
                aria-label="Votre question"
                aria-describedby="notice"
                placeholder="Posez une question… (Entrée pour envoyer, Maj\u{a0}+\u{a0}Entrée pour aller à la ligne)"
                rows="3"
                bind:value=conversation.draft
                on:keydown=keydown
            ></textarea>
            <Show
                when=move || conversation.is_running()
                fallback=move || {
                    view! {
                        <button type="submit" data-testid="send" disabled=move || !conversation.can_send()>
                            "Envoyer"
                        </button>
                    }
                }
            >
                <button type="button" data-testid="stop" on:click=move |_| conversation.stop()>"Arrêter"</button>
            </Show>
        </form>
    }
}

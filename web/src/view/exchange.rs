//! Questions and answers.

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::controls::{button, button_unless, unseen};
use super::numbers::number_element;
use super::opening::open_clicked;
use crate::app::App;
use crate::code::pretty_json;
use crate::conversation::{Answer, Asked, Ending, Exchange, Said, ToolResult};
use crate::download::copy;
use crate::language::tr;
use crate::wire::Call;
use crate::{markdown, words};

/// The exchanges shown, and what can be done with the whole.
pub(super) fn exchanges_view(app: App) -> impl IntoView {
    let talk = app.talk;
    let is_empty = move || talk.exchanges.with(Vec::is_empty);
    view! {
        <div class="scroller">
            <h2 class="hidden">{tr("Conversation", "Conversation")}</h2>
            <div class="exchanges" role="log" aria-label=tr("Conversation", "Conversation")>
                {move || is_empty().then(welcome)}
                <For each=move || talk.path() key=|exchange| exchange.id let:exchange>
                    {exchange_view(app, exchange)}
                </For>
                {move || talk.continuation().map(|next| {
                    let label = tr("Voir la suite de cette conversation", "Show how this conversation went on");
                    button("link", "continuation", label, move || talk.show(next))
                })}
                {move || (!is_empty()).then(|| {
                    let label = tr("Exporter la conversation (Markdown)", "Export the conversation (Markdown)");
                    button("link", "export-talk", label, move || app.export_talk())
                })}
            </div>
        </div>
    }
}

fn welcome() -> impl IntoView {
    view! {
        <div class="welcome">
            <h2>{tr("Un bureau d’analyse financière", "A desk for financial analysis")}</h2>
            <p>
                {tr(
                    "Déposez les comptes d’une société\u{a0}: soldes, ratios et anomalies sont calculés dans votre \
                     navigateur. Demandez ensuite un commentaire\u{a0}: chaque nombre dit d’où il vient.",
                    "Drop a company’s accounts: balances, ratios and anomalies are computed in your browser. Then ask for a \
                     commentary: each number says where it is from.",
                )}
            </p>
        </div>
    }
}

fn exchange_view(app: App, exchange: Exchange) -> impl IntoView {
    let Exchange { id, asked, answers, .. } = exchange;
    let is_compared = answers.len() > 1;
    view! {
        <section class="exchange" class:compared=is_compared>
            {question_view(app, id, &asked)}
            <div class="answers">
                {answers.into_iter().map(|answer| answer_view(app, id, answer, is_compared)).collect_view()}
            </div>
        </section>
    }
}

fn question_view(app: App, id: u32, asked: &Asked) -> AnyView {
    let talk = app.talk;
    if !asked.results.is_empty() {
        let results = asked.results.iter().map(|result| view! { <pre tabindex="0">{result.text.clone()}</pre> });
        return view! {
            <article class="question results" data-testid="message-tool">
                <strong>{tr("Résultats des outils", "Results of the tools")}</strong>
                {results.collect_view()}
            </article>
        }
        .into_any();
    }
    let title = asked.template.as_ref().map(|template| view! { <strong>{template.title.clone()}</strong> });
    let is_busy = Signal::derive(move || talk.is_running());
    view! {
        <article class="question">
            <div data-testid="message-user">{title}{asked.question.clone()}</div>
            <p class="tools">
                {versions_view(app, id)}
                {button_unless(is_busy, "link", "edit", tr("Modifier", "Edit"), move || talk.edit(id))}
            </p>
        </article>
    }
    .into_any()
}

/// The other ways that the conversation took here.
fn versions_view(app: App, id: u32) -> impl IntoView {
    let talk = app.talk;
    move || {
        let (versions, at) = talk.versions(id);
        let step = |to: Option<&u32>, name: &'static str, label: &'static str, sign: &'static str| {
            let to = to.copied();
            let show = move || to.into_iter().for_each(|to| talk.show(to));
            view! { <span title=label>{button_unless(Signal::stored(to.is_none()), "link", name, sign, show)}{unseen(label)}</span> }
        };
        (versions.len() > 1).then(|| {
            view! {
                <span class="versions">
                    {step(at.checked_sub(1).and_then(|at| versions.get(at)), "version-before", tr("Version précédente", "Version before"), "‹")}
                    <span data-testid="version">{format!("{}/{}", at + 1, versions.len())}</span>
                    {step(versions.get(at + 1), "version-after", tr("Version suivante", "Version after"), "›")}
                </span>
            }
        })
    }
}

fn answer_view(app: App, id: u32, answer: Answer, is_compared: bool) -> impl IntoView {
    let Answer { settings, said } = answer;
    let talk = app.talk;
    let model = {
        let said = said.clone();
        Memo::new(move |_| said.with(|said| said.model.clone()))
    };
    let of = move || format!("{} · {}", model.get(), settings.written());
    let part = |read: fn(&Said) -> bool| {
        let said = said.clone();
        Memo::new(move |_| said.with(read))
    };
    let is_running = part(|said| said.ending.is_none());
    let is_silent = part(|said| said.text.is_empty() && said.ending.is_none());
    let has_calls = part(|said| !said.calls.is_empty() && said.ending.is_some());
    let has_server_calls = part(|said| !said.server_calls.is_empty());
    let ending = {
        let said = said.clone();
        move || said.with(|said| said.ending.as_ref().map(words::ending))
    };
    let failed = part(|said| matches!(said.ending, Some(Ending::Failed | Ending::Stopped)));
    let (spoken, calls, server_calls, copied) = (said.clone(), said.clone(), said.clone(), said);
    let is_busy = Signal::derive(move || talk.is_running());
    let actions = move || {
        let copied = copied.clone();
        let retry = if failed.get() { tr("Réessayer", "Try again") } else { tr("Refaire", "Do it again") };
        view! {
            <span class="tools">
                {button("link", "copy", tr("Copier", "Copy"), move || copy(&copied.with_untracked(|said| said.text.clone())))}
                {button_unless(is_busy, "link", "retry", retry, move || app.retry(id))}
                {button_unless(is_busy, "link", "branch", tr("Repartir d’ici", "Go on from here"), move || talk.branch(id))}
            </span>
        }
    };
    view! {
        <article class="answer" class:running=move || is_running.get() aria-busy=move || is_running.get().to_string()>
            {is_compared.then(|| view! { <p class="of" data-testid="answer-of">{of}</p> })}
            {move || has_server_calls.get().then(|| server_calls_view(&server_calls.get_untracked()))}
            {text_view(app, spoken)}
            {move || is_silent.get().then(|| view! { <p class="waiting">{tr("Le modèle lit…", "The model is reading…")}</p> })}
            {move || has_calls.get().then(|| calls_view(app, id, calls.with_untracked(|said| said.calls.clone())))}
            <p class="ending">
                <span data-testid="stats">{ending}</span>
                {move || (!is_running.get()).then(actions.clone())}
            </p>
        </article>
    }
}

/// The text with its numbers, each of which opens what it is from.
fn text_view(app: App, said: ArcRwSignal<Said>) -> impl IntoView {
    let number = {
        let said = said.clone();
        move |at: usize, written: String| {
            said.with_untracked(|said| match said.numbers.get(at) {
                Some(number) => number_element(number, &said.facts, &written),
                None => Err(JsValue::NULL),
            })
        }
    };
    let place = NodeRef::new();
    markdown::draw(app.markdown, place, said, number);
    let click = move |event| open_clicked(app, &event);
    view! { <div class="said" data-testid="message-assistant" node_ref=place on:click=click></div> }
}

/// What the server ran for the model, with what it gave.
fn server_calls_view(said: &Said) -> impl IntoView + use<> {
    let calls = said.server_calls.iter().map(|call| {
        let (name, arguments) = (call.function.name.clone(), call.function.arguments.clone());
        view! {
            <details class="call" data-testid="server-call">
                <summary>{name}" "<code>{arguments}</code></summary>
                <pre tabindex="0">{pretty_json(&call.result)}</pre>
            </details>
        }
    });
    calls.collect_view()
}

/// What the model calls, for a developer to answer.
fn calls_view(app: App, id: u32, calls: Vec<Call>) -> impl IntoView {
    let results: Vec<RwSignal<String>> = calls.iter().map(|_| RwSignal::new(String::new())).collect();
    let ids: Vec<String> = calls.iter().map(|call| call.id.clone()).collect();
    let fields = calls.into_iter().zip(results.clone()).map(|(call, result)| {
        view! {
            <label class="call" data-testid="call">
                <code>{format!("{}({})", call.function.name, call.function.arguments)}</code>
                <textarea rows="2" data-testid="call-result" placeholder=tr("Résultat de l’outil", "The tool’s result") bind:value=result></textarea>
            </label>
        }
    });
    let fields = fields.collect_view();
    let is_busy = Signal::derive(move || app.talk.is_running());
    let send = move || {
        let results = ids.iter().cloned().zip(&results);
        app.send_results(id, results.map(|(id, text)| ToolResult { id, text: text.get_untracked() }).collect());
    };
    view! {
        <div class="calls">
            {fields}
            {button_unless(is_busy, "", "send-results", tr("Envoyer les résultats", "Send the results"), send)}
        </div>
    }
}

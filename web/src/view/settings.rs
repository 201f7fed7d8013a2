//! How questions are asked: the model, its parameters, and what a developer may want.

use leptos::prelude::*;

use super::controls::check;
use crate::app::App;
use crate::language::tr;
use crate::settings::Settings;

/// The settings, and those that they are compared with.
pub(super) fn settings_view(app: App) -> impl IntoView {
    view! {
        <div class="columns">
            {column(app, app.settings[0], tr("Réglage A", "Setting A"))}
            {move || app.compares.get().then(|| column(app, app.settings[1], tr("Réglage B", "Setting B")))}
        </div>
        {check("compare-settings", tr("Comparer deux réglages", "Compare two settings"), app.compares)}
        <label class="field">
            {tr("Clé d’API, si le serveur en demande une", "API key, if the server asks for one")}
            <input type="password" autocomplete="off" data-testid="settings-key" bind:value=app.key/>
        </label>
        {check("settings-keep-key", tr("La garder dans ce navigateur", "Keep it in this browser"), app.keeps_key)}
        <p class="hint">
            {tr(
                "Un champ vide laisse le choix au serveur. Les consignes, le format et les outils valent pour les questions \
                 sans comptes\u{a0}: avec des comptes, les consignes sont celles de l’analyse.",
                "An empty field leaves the choice to the server. Instructions, format and tools hold for questions without \
                 accounts: with accounts, the instructions are those of the analysis.",
            )}
        </p>
    }
}

fn column(app: App, settings: RwSignal<Settings>, title: &'static str) -> impl IntoView {
    let text = move |read: fn(&Settings) -> &String, write: fn(&mut Settings, String)| {
        (
            move || settings.with(|settings| read(settings).clone()),
            move |event| settings.update(|settings| write(settings, event_target_value(&event))),
        )
    };
    let number = move |name: &'static str,
                       label: &'static str,
                       of: fn(&mut Settings) -> &mut String,
                       read: fn(&Settings) -> &String| {
        let value = move || settings.with(|settings| read(settings).clone());
        let write = move |event| settings.update(|settings| *of(settings) = event_target_value(&event));
        view! {
            <label class="field">{label}<input inputmode="decimal" data-testid=name prop:value=value on:input=write/></label>
        }
    };
    let models = move || {
        let chosen = settings.with(|settings| settings.model.clone());
        let model = |id: String| {
            let is_chosen = id == chosen;
            let name = id.clone();
            view! { <option value=id selected=is_chosen>{name}</option> }
        };
        app.models.get().into_iter().map(|served| model(served.id)).collect_view()
    };
    let (system, write_system) = text(|settings| &settings.system, |settings, text| settings.system = text);
    let (tools, write_tools) = text(|settings| &settings.tools, |settings, text| settings.tools = text);
    let (schema, write_schema) = text(|settings| &settings.schema, |settings, text| settings.schema = text);
    let format = move || {
        settings.with(|settings| match settings.format.as_str() {
            "" => "text".to_owned(),
            format => format.to_owned(),
        })
    };
    view! {
        <fieldset>
            <legend>{title}</legend>
            <label class="field">
                {tr("Modèle", "Model")}
                <select data-testid="model-choice" on:change=move |event| settings.update(|settings| settings.model = event_target_value(&event))>
                    {models}
                </select>
            </label>
            <div class="numbers">
                {number("temperature", tr("Température", "Temperature"), |settings| &mut settings.temperature, |settings| &settings.temperature)}
                {number("top-p", "top_p", |settings| &mut settings.top_p, |settings| &settings.top_p)}
                {number("max-tokens", tr("Tokens au plus", "Tokens at most"), |settings| &mut settings.max_completion_tokens, |settings| &settings.max_completion_tokens)}
                {number("seed", tr("Graine", "Seed"), |settings| &mut settings.seed, |settings| &settings.seed)}
            </div>
            <label class="check">
                <input type="checkbox" data-testid="server-tools" prop:checked=move || settings.with(|settings| settings.uses_server_tools)
                    on:change=move |event| settings.update(|settings| settings.uses_server_tools = event_target_checked(&event))/>
                {tr("Avec des comptes, outils de calcul du serveur", "With accounts, the server’s tools to compute")}
            </label>
            <label class="field">
                {tr("Consignes (system)", "Instructions (system)")}
                <textarea rows="3" data-testid="system" prop:value=system on:input=write_system></textarea>
            </label>
            <label class="field">
                {tr("Format de la réponse", "Form of the answer")}
                <select data-testid="format" prop:value=format on:change=move |event| settings.update(|settings| settings.format = event_target_value(&event))>
                    <option value="text">{tr("Texte", "Text")}</option>
                    <option value="json_object">"JSON"</option>
                    <option value="json_schema">{tr("Schéma JSON", "JSON schema")}</option>
                </select>
            </label>
            <Show when=move || format() == "json_schema">
                <label class="field">
                    {tr("Schéma", "Schema")}
                    <textarea rows="4" class="code" spellcheck="false" data-testid="schema" prop:value=schema on:input=write_schema></textarea>
                </label>
            </Show>
            <label class="field">
                {tr("Outils (JSON)", "Tools (JSON)")}
                <textarea rows="3" class="code" spellcheck="false" data-testid="tools" prop:value=tools on:input=write_tools></textarea>
            </label>
        </fieldset>
    }
}

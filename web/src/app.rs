//! The state of the page, each part in a module of its own.

use js_sys::Function;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::{self, Ask, Failure};
use crate::desk::Desk;
use crate::kept;
use crate::language::Language;
use crate::library::Library;
use crate::markdown::Markdown;
use crate::settings::Settings;
use crate::talk::Talk;
use crate::wire::{Model, Template};

/// How long until a model that is loading is asked for again.
const LOADING_RETRY: std::time::Duration = std::time::Duration::from_secs(1);

/// Where the key is kept, where the analyst asks for it.
const KEY: &str = "zyron.key";

/// All of it.
#[derive(Clone, Copy)]
pub(crate) struct App {
    /// The page's language.
    pub(crate) language: RwSignal<Language>,
    /// The models served, once known.
    pub(crate) models: RwSignal<Vec<Model>>,
    /// The analyses on offer.
    pub(crate) templates: RwSignal<Vec<Template>>,
    /// The API key, where the server asks for one.
    pub(crate) key: RwSignal<String>,
    /// Whether this browser keeps the key.
    pub(crate) keeps_key: RwSignal<bool>,
    /// What went wrong last.
    pub(crate) trouble: RwSignal<Option<Trouble>>,
    /// How a question is asked, and what it is compared with.
    pub(crate) settings: [RwSignal<Settings>; 2],
    /// Whether a question is asked both ways.
    pub(crate) compares: RwSignal<bool>,
    /// The company on the desk.
    pub(crate) desk: Desk,
    /// The conversation.
    pub(crate) talk: Talk,
    /// What is kept in this browser.
    pub(crate) library: Library,
    /// What draws answers.
    pub(crate) markdown: Markdown,
    /// What lies over the page.
    pub(crate) panel: RwSignal<Option<Panel>>,
    /// On a screen with room for one: whether the desk is in front, not the conversation.
    pub(crate) shows_desk: RwSignal<bool>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// With the server.
    Failure(Failure),
    /// On the page, in its words.
    Words(String),
}

/// What can lie over the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Panel {
    /// What is kept.
    Library,
    /// How questions are asked.
    Settings,
    /// A request as a program would make it.
    Code(Ask),
    /// Where a figure was read.
    Source,
}

impl App {
    pub(crate) fn new(load_markdown: Function) -> Self {
        let kept_key = kept::read(KEY);
        let [settings, compared] = Settings::kept();
        let app = Self {
            language: RwSignal::new(Language::kept()),
            models: RwSignal::new(Vec::new()),
            templates: RwSignal::new(Vec::new()),
            keeps_key: RwSignal::new(kept_key.is_some()),
            key: RwSignal::new(kept_key.unwrap_or_default()),
            trouble: RwSignal::new(None),
            settings: [RwSignal::new(settings), RwSignal::new(compared)],
            compares: RwSignal::new(false),
            desk: Desk::new(),
            talk: Talk::new(),
            library: Library::new(),
            markdown: Markdown::new(load_markdown),
            panel: RwSignal::new(None),
            shows_desk: RwSignal::new(false),
        };
        Effect::new(move || Settings::keep(&app.settings.map(|settings| settings.get())));
        Effect::new(move || {
            let kept = Some(app.key.get()).filter(|key| app.keeps_key.get() && !key.is_empty());
            kept::keep(KEY, kept.as_deref());
        });
        app
    }

    /// Asks which models are served, until there is one.
    pub(crate) fn connect(self) {
        spawn_local(async move {
            let key = self.key.get_untracked();
            match api::models(&key).await {
                Ok(models) => {
                    self.models.set(models);
                    self.trouble.set(None);
                    // Without them there are questions still.
                    self.templates.set(api::templates(&key).await.unwrap_or_default());
                }
                Err(failure) => {
                    if failure.has_code("model_loading") {
                        set_timeout(move || self.connect(), LOADING_RETRY);
                    }
                    self.trouble.set(Some(Trouble::Failure(failure)));
                }
            }
        });
    }

    /// The model that is asked with these settings.
    pub(crate) fn model(self, settings: &Settings) -> Option<Model> {
        self.models
            .with(|models| models.iter().find(|model| model.id == settings.model).or_else(|| models.first()).cloned())
    }

    /// Whether the server has refused the key, or the lack of one.
    pub(crate) fn needs_key(self) -> bool {
        self.trouble.with(|trouble| match trouble {
            Some(Trouble::Failure(failure)) => failure.has_code("invalid_api_key"),
            _ => false,
        })
    }

    /// The settings that a question is asked with: one, or two where they are compared.
    pub(crate) fn columns(self) -> Vec<Settings> {
        let columns = if self.compares.get_untracked() { 2 } else { 1 };
        self.settings.iter().take(columns).map(|settings| settings.get_untracked()).collect()
    }
}

/// Something unique in this browser. It is no secret.
pub(crate) fn unique() -> String {
    let random = (js_sys::Math::random() * 4_294_967_296.0) as u32;
    format!("{:x}{random:08x}", js_sys::Date::now() as u64)
}

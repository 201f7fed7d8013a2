//! The conversation on the page: asking, stopping, asking again, and going another way.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::AbortController;

use crate::api::Ask;
use crate::app::{App, Trouble, unique};
use crate::conversation::{
    Answer, Asked, Chosen, Conversation, Ending, Exchange, Said, ToolResult, newest_behind, path, versions,
};
use crate::focus;
use crate::language::tr;
use crate::request::{self, Material};
use crate::settings::Settings;
use crate::stream::stream;
use crate::wire::Template;

/// What the page holds of it.
#[derive(Clone, Copy)]
pub(crate) struct Talk {
    /// What it is kept as.
    pub(crate) id: RwSignal<String>,
    /// All exchanges, those of other ways too.
    pub(crate) exchanges: RwSignal<Vec<Exchange>>,
    /// The last one shown.
    pub(crate) leaf: RwSignal<Option<u32>>,
    /// The question being written.
    pub(crate) draft: RwSignal<String>,
    /// The analysis that is asked for; empty where a question is.
    pub(crate) template: RwSignal<String>,
    /// Whether the accounts on the desk go with a question.
    pub(crate) takes_accounts: RwSignal<bool>,
    /// Whether the text of the document on the desk goes with a question.
    pub(crate) takes_document: RwSignal<bool>,
    /// The exchange whose question is being written anew.
    pub(crate) editing: RwSignal<Option<u32>>,
    /// Ends the answers being streamed.
    running: RwSignal<Vec<AbortController>, LocalStorage>,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self {
            id: RwSignal::new(unique()),
            exchanges: RwSignal::new(Vec::new()),
            leaf: RwSignal::new(None),
            draft: RwSignal::new(String::new()),
            template: RwSignal::new(String::new()),
            takes_accounts: RwSignal::new(true),
            takes_document: RwSignal::new(true),
            editing: RwSignal::new(None),
            running: RwSignal::new_local(Vec::new()),
        }
    }

    /// The exchanges shown, in their order.
    pub(crate) fn path(self) -> Vec<Exchange> {
        self.exchanges.with(|exchanges| path(exchanges, self.leaf.get()))
    }

    /// Whether an answer is being streamed.
    pub(crate) fn is_running(self) -> bool {
        self.running.with(|running| !running.is_empty())
    }

    /// Stops the answers being streamed; what was said stays.
    pub(crate) fn stop(self) {
        self.running.with_untracked(|running| running.iter().for_each(AbortController::abort));
    }

    /// The exchanges in the place of this one, and where it is among them.
    pub(crate) fn versions(self, id: u32) -> (Vec<u32>, usize) {
        let versions = self.exchanges.with(|exchanges| versions(exchanges, id));
        let at = versions.iter().position(|version| *version == id).unwrap_or(0);
        (versions, at)
    }

    /// Shows this exchange and what followed it last.
    pub(crate) fn show(self, id: u32) {
        let leaf = self.exchanges.with_untracked(|exchanges| newest_behind(exchanges, id));
        self.leaf.set(Some(leaf));
        let to = ["[data-testid=version-after]:enabled", "[data-testid=version-before]:enabled", "#input"];
        focus::if_lost(to.map(str::to_owned));
    }

    /// Ends the conversation at this exchange: what is asked next goes another way.
    pub(crate) fn branch(self, id: u32) {
        self.leaf.set(Some(id));
    }

    /// How the conversation went on from its last exchange shown.
    pub(crate) fn continuation(self) -> Option<u32> {
        let leaf = self.leaf.get();
        self.exchanges
            .with(|all| all.iter().rfind(|exchange| leaf.is_some() && exchange.parent == leaf).map(|next| next.id))
    }

    /// Has a question written anew.
    pub(crate) fn edit(self, id: u32) {
        let asked =
            self.exchanges.with_untracked(|all| all.iter().find(|one| one.id == id).map(|one| one.asked.clone()));
        if let Some(asked) = asked {
            self.editing.set(Some(id));
            self.restore(&asked);
        }
    }

    fn restore(self, asked: &Asked) {
        self.draft.set(asked.question.clone());
        self.template.set(asked.template.as_ref().map(|template| template.id.clone()).unwrap_or_default());
    }

    /// As it is kept; nothing where nothing was said.
    pub(crate) fn to_keep(self, desk: Option<String>) -> Option<Conversation> {
        let exchanges = self.exchanges.get_untracked();
        let first = exchanges.first()?;
        let title: String = first.asked.title().chars().take(80).collect();
        Some(Conversation { id: self.id.get_untracked(), title, desk, leaf: self.leaf.get_untracked(), exchanges })
    }

    /// Puts a conversation on the page.
    pub(crate) fn open(self, conversation: Conversation) {
        self.stop();
        self.id.set(conversation.id);
        self.exchanges.set(conversation.exchanges);
        self.leaf.set(conversation.leaf);
        self.editing.set(None);
    }

    /// Begins another one; this one stays where it is kept.
    pub(crate) fn begin(self) {
        self.open(Conversation { id: unique(), title: String::new(), desk: None, exchanges: Vec::new(), leaf: None });
    }

    fn parent_of(self, id: u32) -> Option<u32> {
        self.exchanges.with_untracked(|all| all.iter().find(|one| one.id == id).and_then(|one| one.parent))
    }
}

impl App {
    /// Whether there is a question to send and a model to send it to.
    pub(crate) fn can_send(self) -> bool {
        let asks = self.talk.draft.with(|draft| !draft.trim().is_empty()) || self.template().is_some();
        self.models.with(|models| !models.is_empty()) && !self.talk.is_running() && asks
    }

    /// Whether the accounts on the desk go with a question.
    pub(crate) fn takes_accounts(self) -> bool {
        self.talk.takes_accounts.get() && self.desk.reading.with(Option::is_some)
    }

    /// Whether the text of the document on the desk goes with a question.
    pub(crate) fn takes_document(self) -> bool {
        self.talk.takes_document.get() && self.desk.document.with(Option::is_some)
    }

    /// The analyses of what goes with a question.
    pub(crate) fn offered(self) -> Vec<Template> {
        let (accounts, document) = (self.takes_accounts(), self.takes_document());
        let fits = |template: &&Template| if template.takes_text { document } else { accounts };
        self.templates.with(|all| all.iter().filter(fits).cloned().collect())
    }

    /// The analysis that is chosen.
    fn template(self) -> Option<Chosen> {
        let chosen = self.talk.template.get();
        let template = self.offered().into_iter().find(|template| template.id == chosen);
        template.map(|template| Chosen { id: template.id, title: template.title })
    }

    /// What is asked as it is written.
    fn asked(self) -> Asked {
        Asked {
            question: self.talk.draft.get().trim().to_owned(),
            template: self.template(),
            has_accounts: self.takes_accounts(),
            has_document: self.takes_document(),
            results: Vec::new(),
        }
    }

    /// Sends the question being written.
    pub(crate) fn send(self) {
        if !untrack(|| self.can_send()) {
            return;
        }
        let asked = untrack(|| self.asked());
        let parent = match self.talk.editing.get_untracked() {
            Some(id) => self.talk.parent_of(id),
            None => self.talk.leaf.get_untracked(),
        };
        if self.go_on(parent, asked) {
            self.talk.draft.set(String::new());
            self.talk.template.set(String::new());
            self.talk.editing.set(None);
            focus::input();
        }
    }

    /// Asks a question again, as the settings are now.
    pub(crate) fn retry(self, id: u32) {
        let asked =
            self.talk.exchanges.with_untracked(|all| all.iter().find(|one| one.id == id).map(|one| one.asked.clone()));
        if let Some(mut asked) = asked {
            (asked.has_accounts, asked.has_document) = untrack(|| (self.takes_accounts(), self.takes_document()));
            self.go_on(self.talk.parent_of(id), asked);
            focus::if_lost(["#input".to_owned()]);
        }
    }

    /// Tells the model what the tools that it called have given.
    pub(crate) fn send_results(self, id: u32, results: Vec<ToolResult>) {
        self.go_on(Some(id), Asked { results, ..Asked::default() });
    }

    /// The request that the question being written would be, or that of the last one.
    ///
    /// # Errors
    /// What of the settings cannot be sent.
    pub(crate) fn request(self) -> Result<Ask, String> {
        let settings = self.settings[0].get_untracked();
        let mut path = untrack(|| self.talk.path());
        if path.is_empty() || untrack(|| self.can_send()) {
            path.push(Exchange { id: u32::MAX, parent: None, asked: untrack(|| self.asked()), answers: Vec::new() });
        }
        self.request_of(&settings, &path, 0)
    }

    fn request_of(self, settings: &Settings, path: &[Exchange], column: usize) -> Result<Ask, String> {
        let model = untrack(|| self.model(settings)).map(|model| model.id).unwrap_or_default();
        let asked = path.last().map(|exchange| exchange.asked.clone()).unwrap_or_default();
        request::ask(settings, &model, path, column, self.material(&asked)?)
    }

    /// What lies on the desk and goes with what is asked.
    fn material(self, asked: &Asked) -> Result<Option<Material>, String> {
        let gone = || {
            let text = tr(
                "Ce que la question analyse n’est plus sur le bureau. Remettez-le, ou posez une question libre.",
                "What the question is about is no longer on the desk. Put it back, or ask a free question.",
            );
            text.to_owned()
        };
        let mut material = Material::default();
        if asked.has_accounts {
            let reading = self.desk.reading.get_untracked().ok_or_else(gone)?;
            material.statement = Some(reading.statement.clone());
        }
        if asked.has_document {
            let document = self.desk.document.get_untracked().ok_or_else(gone)?;
            material.text = Some(document.pages.join("\n\n"));
        }
        Ok(asked.is_analysis().then_some(material))
    }

    /// Adds an exchange behind `parent` and has it answered. False where it cannot be sent as the settings are.
    fn go_on(self, parent: Option<u32>, asked: Asked) -> bool {
        if untrack(|| self.talk.is_running()) {
            return false;
        }
        let before = self.talk.leaf.get_untracked();
        let columns = self.columns();
        let exchange = self.talk.exchanges.with_untracked(|all| Exchange {
            id: all.iter().map(|exchange| exchange.id + 1).max().unwrap_or(0),
            parent,
            asked,
            answers: columns.iter().cloned().map(Answer::to_come).collect(),
        });
        let mut whole = self.talk.exchanges.with_untracked(|all| path(all, parent));
        whole.push(exchange.clone());
        let asks: Result<Vec<Ask>, String> =
            (0..).zip(&columns).map(|(column, settings)| self.request_of(settings, &whole, column)).collect();
        let asks = match asks {
            Ok(asks) => asks,
            Err(words) => {
                self.trouble.set(Some(Trouble::Words(words)));
                return false;
            }
        };
        self.trouble.set(None);
        self.talk.exchanges.update(|all| all.push(exchange.clone()));
        self.talk.leaf.set(Some(exchange.id));
        for (answer, ask) in exchange.answers.clone().into_iter().zip(asks) {
            // Only a browser without `AbortController` refuses, and none of those runs WebAssembly.
            let Ok(abort) = AbortController::new() else { continue };
            self.talk.running.update(|running| running.push(abort.clone()));
            let exchange = exchange.clone();
            spawn_local(async move {
                let ending = self.answer(&answer.said, &ask, &abort).await;
                answer.said.update(|said| said.ending = Some(ending));
                self.talk.running.update(|running| running.retain(|other| *other != abort));
                self.settle(&exchange, before);
            });
        }
        self.keep_while_answering();
        true
    }

    /// What is being said is kept every second: a page may be gone at once.
    fn keep_while_answering(self) {
        self.library.keep_talk(self);
        if untrack(|| self.talk.is_running()) {
            set_timeout(move || self.keep_while_answering(), Duration::from_secs(1));
        }
    }

    async fn answer(self, said: &ArcRwSignal<Said>, ask: &Ask, abort: &AbortController) -> Ending {
        said.update(|said| said.began = js_sys::Date::now());
        match stream(&self.key.get_untracked(), ask, abort, said).await {
            Ok((reason, stats)) => Ending::Finished(reason, stats),
            Err(_) if abort.signal().aborted() => Ending::Stopped,
            Err(failure) => {
                // Of what cannot be read the rest need not come.
                abort.abort();
                self.trouble.set(Some(Trouble::Failure(failure)));
                Ending::Failed
            }
        }
    }

    /// Once an exchange has ended: one without an answer goes, and its question back to where it can be sent again.
    fn settle(self, exchange: &Exchange, before: Option<u32>) {
        let is_open = |said: &Said| said.ending.is_none();
        let is_nothing = |said: &Said| {
            said.text.is_empty() && said.calls.is_empty() && !matches!(said.ending, Some(Ending::Finished(..)))
        };
        if exchange.answers.iter().any(|answer| answer.said.with_untracked(is_open)) {
            return;
        }
        if exchange.answers.iter().all(|answer| answer.said.with_untracked(is_nothing)) {
            // The conversation may have been put away meanwhile: another one has no exchange of these answers.
            let is_here = self.talk.exchanges.with_untracked(|all| is_among(all, exchange));
            if is_here {
                self.talk.exchanges.update(|all| all.retain(|other| other.id != exchange.id));
                self.talk.leaf.set(before);
                if self.talk.draft.with_untracked(String::is_empty) && exchange.asked.results.is_empty() {
                    self.talk.restore(&exchange.asked);
                }
            }
        }
        focus::if_lost(["#input".to_owned()]);
        self.library.keep_talk(self);
    }
}

/// Whether this very exchange is among them.
fn is_among(all: &[Exchange], exchange: &Exchange) -> bool {
    let said = |exchange: &Exchange| exchange.answers.first().map(|answer| answer.said.clone());
    all.iter().any(|other| other.id == exchange.id && said(other) == said(exchange))
}

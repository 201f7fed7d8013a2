//! What is kept in this browser: keeping it, opening it again, and taking it elsewhere as a file.

use std::rc::Rc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use crate::app::App;
use crate::conversation::Conversation;
use crate::desk::KeptDesk;
use crate::download::download;
use crate::focus;
use crate::json::{self, Json};
use crate::language::tr;
use crate::store::{Kind, Record, Refused, Store, refused};
use crate::words;

/// What the page knows of it.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    /// The conversations, the newest first.
    pub(crate) conversations: RwSignal<Vec<Entry>>,
    /// The companies' accounts, the newest first.
    pub(crate) desks: RwSignal<Vec<Entry>>,
    /// What was not kept, opened or removed, and why.
    pub(crate) error: RwSignal<Option<String>>,
    /// What was done last that one would not see.
    pub(crate) notice: RwSignal<Option<String>>,
    store: RwSignal<Option<Rc<Store>>, LocalStorage>,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) title: String,
    /// In milliseconds since 1970.
    pub(crate) updated: f64,
}

impl Entry {
    fn of(record: Record) -> Self {
        Self { id: record.id, title: record.title, updated: record.updated }
    }
}

/// The form of a backup: everything that is kept, but the files that accounts were read from.
const BACKUP: &str = "zyron_backup";
const VERSION: f64 = 1.0;

impl Library {
    pub(crate) fn new() -> Self {
        Self {
            conversations: RwSignal::new(Vec::new()),
            desks: RwSignal::new(Vec::new()),
            error: RwSignal::new(None),
            notice: RwSignal::new(None),
            store: RwSignal::new_local(None),
        }
    }

    /// Reads the lists.
    pub(crate) fn refresh(self) {
        self.try_to(async move {
            let store = self.store().await?;
            for kind in [Kind::Conversation, Kind::Desk] {
                self.list(kind).set(store.all(kind).await?.into_iter().map(Entry::of).collect());
            }
            Ok(())
        });
    }

    /// Keeps the conversation on the page.
    pub(crate) fn keep_talk(self, app: App) {
        let Some(conversation) = app.talk.to_keep(app.desk.kept_as()) else { return };
        let data = conversation.json();
        let Conversation { id, title, .. } = conversation;
        self.keep(Kind::Conversation, Record { id, title, updated: js_sys::Date::now(), data, files: Vec::new() });
    }

    /// Keeps the desk with its files.
    pub(crate) fn keep_desk(self, app: App) {
        let Some((id, title, desk)) = app.desk.to_keep() else { return };
        let data = desk.json();
        let files = app.desk.files.get_untracked();
        self.keep(Kind::Desk, Record { id, title, updated: js_sys::Date::now(), data, files });
    }

    fn keep(self, kind: Kind, record: Record) {
        self.try_to(async move {
            self.store().await?.put(kind, &record).await?;
            // Reading all of them again would take the longer the more there are.
            self.list(kind).update(|list| {
                list.retain(|other| other.id != record.id);
                list.insert(0, Entry::of(record));
            });
            Ok(())
        });
    }

    fn list(self, kind: Kind) -> RwSignal<Vec<Entry>> {
        match kind {
            Kind::Conversation => self.conversations,
            Kind::Desk => self.desks,
        }
    }

    /// Puts a conversation on the page, with the accounts that it is about.
    pub(crate) fn open_talk(self, app: App, id: String) {
        self.keep_talk(app);
        self.try_to(async move {
            let Some(record) = self.store().await?.get(Kind::Conversation, &id).await? else { return Ok(()) };
            let conversation = kept(&record, Conversation::of)?;
            let desk = conversation.desk.clone();
            app.talk.open(conversation);
            match desk.filter(|desk| app.desk.kept_as().as_ref() != Some(desk)) {
                Some(desk) => self.put_desk(app, desk).await,
                None => Ok(()),
            }
        });
    }

    /// Puts a company's accounts on the desk.
    pub(crate) fn open_desk(self, app: App, id: String) {
        self.try_to(self.put_desk(app, id));
    }

    async fn put_desk(self, app: App, id: String) -> Result<(), Refused> {
        let Some(record) = self.store().await?.get(Kind::Desk, &id).await? else { return Ok(()) };
        let desk = kept(&record, KeptDesk::of)?;
        app.desk.restore(record.id, desk, record.files);
        Ok(())
    }

    /// Forgets one. What is on the page as well is not kept again.
    pub(crate) fn delete(self, app: App, kind: Kind, id: String) {
        match kind {
            Kind::Conversation if app.talk.id.get_untracked() == id => app.talk.begin(),
            Kind::Desk if app.desk.kept_as().as_ref() == Some(&id) => app.desk.let_go(),
            _ => {}
        }
        self.try_to(async move {
            self.store().await?.delete(kind, &id).await?;
            self.list(kind).update(|list| list.retain(|other| other.id != id));
            focus::if_lost(["[data-testid=delete]", "[data-testid=close]"].map(str::to_owned));
            Ok(())
        });
    }

    /// Gives everything that is kept as a file.
    pub(crate) fn back_up(self) {
        self.try_to(async move {
            let store = self.store().await?;
            let text = json::object(&[
                (BACKUP, json::number(VERSION)),
                ("conversations", saved(store.all(Kind::Conversation).await?)),
                ("desks", saved(store.all(Kind::Desk).await?)),
            ]);
            download("zyron-sauvegarde.json", "application/json", text.as_bytes())
        });
    }

    /// Adds what is in such a file. What has the same identifier is replaced.
    pub(crate) fn restore(self, file: File) {
        self.notice.set(None);
        self.try_to(async move {
            let text = JsFuture::from(file.text()).await.map_err(|_| file.name())?.as_string().unwrap_or_default();
            let (conversations, desks) = backup(&text).ok_or_else(|| {
                let message = tr("{} n’est pas une sauvegarde de Zyron", "{} is no backup of Zyron");
                words::filled(message, &[&file.name()])
            })?;
            let store = self.store().await?;
            let counts = [conversations.len(), desks.len()].map(|count| count.to_string());
            put(&store, Kind::Conversation, conversations).await?;
            put(&store, Kind::Desk, desks).await?;
            let message =
                tr("Restauré\u{a0}: conversations {}, comptes {}.", "Restored: conversations {}, accounts {}.");
            self.notice.set(Some(words::filled(message, &[&counts[0], &counts[1]])));
            self.refresh();
            Ok(())
        });
    }

    async fn store(self) -> Result<Rc<Store>, Refused> {
        if let Some(store) = self.store.get_untracked() {
            return Ok(store);
        }
        let store = Rc::new(Store::open().await?);
        self.store.set(Some(Rc::clone(&store)));
        Ok(store)
    }

    fn try_to(self, work: impl Future<Output = Result<(), Refused>> + 'static) {
        spawn_local(async move {
            match work.await {
                Ok(()) => self.error.set(None),
                Err(reason) => self.error.set(Some(reason)),
            }
        });
    }
}

fn kept<T>(record: &Record, of: fn(&Json) -> Option<T>) -> Result<T, Refused> {
    let data = Json::read(&record.data).map_err(|reason| refused(&reason))?;
    of(&data).ok_or_else(|| refused(&record.id))
}

/// Records as a backup has them.
fn saved(records: Vec<Record>) -> String {
    let record = |Record { id, title, updated, data, .. }: Record| {
        let [id, title] = [("id", json::text(&id)), ("title", json::text(&title))];
        json::object(&[id, title, ("updated", json::number(updated)), ("data", data)])
    };
    json::list(records.into_iter().map(record))
}

/// The conversations and the desks of a backup; nothing where the text is none.
fn backup(text: &str) -> Option<(Vec<Record>, Vec<Record>)> {
    let backup = Json::read(text).ok().filter(|backup| backup.number(BACKUP) == Some(VERSION))?;
    let conversation = |record: &Json| restored(record, |data| Some(Conversation::of(data)?.json()));
    let desk = |record: &Json| restored(record, |data| Some(KeptDesk::of(data)?.json()));
    Some((backup.all("conversations", conversation)?, backup.all("desks", desk)?))
}

fn restored(record: &Json, data: fn(&Json) -> Option<String>) -> Option<Record> {
    let data = data(&record.field("data"))?;
    let [id, title] = [record.text("id")?, record.text("title")?];
    Some(Record { id, title, updated: record.number("updated")?, data, files: Vec::new() })
}

async fn put(store: &Store, kind: Kind, records: Vec<Record>) -> Result<(), Refused> {
    for mut record in records {
        // Files that are still here stay with their desk.
        record.files = store.get(kind, &record.id).await?.map(|record| record.files).unwrap_or_default();
        store.put(kind, &record).await?;
    }
    Ok(())
}

/// The files that were chosen in an input of files, which can be chosen again.
pub(crate) fn chosen(event: &web_sys::Event) -> Vec<File> {
    let input = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
    let Some(input) = input else { return Vec::new() };
    let files = input.files().map(|files| (0..files.length()).filter_map(|at| files.item(at)).collect());
    input.set_value("");
    files.unwrap_or_default()
}

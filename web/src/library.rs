//! What is kept in this browser: keeping it, opening it again, and taking it elsewhere as a file.

use std::rc::Rc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use crate::app::App;
use crate::conversation::Conversation;
use crate::desk::KeptDesk;
use crate::download::download;
use crate::focus;
use crate::json;
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

/// Everything that is kept, but the files that accounts were read from.
#[derive(Serialize, Deserialize)]
struct Backup {
    /// Of this form.
    zyron_backup: u32,
    conversations: Vec<Kept<Conversation>>,
    desks: Vec<Kept<KeptDesk>>,
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    id: String,
    title: String,
    updated: f64,
    data: T,
}

const BACKUP: u32 = 1;

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
        let Ok(data) = serde_json::to_string(&conversation) else { return };
        let Conversation { id, title, .. } = conversation;
        self.keep(Kind::Conversation, Record { id, title, updated: js_sys::Date::now(), data, files: Vec::new() });
    }

    /// Keeps the desk with its files.
    pub(crate) fn keep_desk(self, app: App) {
        let Some((id, title, desk)) = app.desk.to_keep() else { return };
        let Ok(data) = serde_json::to_string(&desk) else { return };
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
            let conversation: Conversation = json::read(&record.data).map_err(|error| refused(&error))?;
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
        let kept: KeptDesk = json::read(&record.data).map_err(|error| refused(&error))?;
        app.desk.restore(record.id, kept, record.files);
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
            let backup = Backup {
                zyron_backup: BACKUP,
                conversations: read(store.all(Kind::Conversation).await?)?,
                desks: read(store.all(Kind::Desk).await?)?,
            };
            let text = serde_json::to_string(&backup).map_err(|error| refused(&error))?;
            download("zyron-sauvegarde.json", "application/json", text.as_bytes())
        });
    }

    /// Adds what is in such a file. What has the same identifier is replaced.
    pub(crate) fn restore(self, file: File) {
        self.notice.set(None);
        self.try_to(async move {
            let text = JsFuture::from(file.text()).await.map_err(|_| file.name())?.as_string().unwrap_or_default();
            let backup: Backup =
                json::read(&text).ok().filter(|backup: &Backup| backup.zyron_backup == BACKUP).ok_or_else(|| {
                    words::filled(
                        tr("{} n’est pas une sauvegarde de Zyron", "{} is no backup of Zyron"),
                        &[&file.name()],
                    )
                })?;
            let store = self.store().await?;
            let counts = [backup.conversations.len(), backup.desks.len()].map(|count| count.to_string());
            write(&store, Kind::Conversation, backup.conversations).await?;
            write(&store, Kind::Desk, backup.desks).await?;
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

fn read<T: for<'de> Deserialize<'de>>(records: Vec<Record>) -> Result<Vec<Kept<T>>, Refused> {
    let kept = |record: Record| {
        let data = json::read(&record.data).map_err(|error| refused(&error))?;
        Ok(Kept { id: record.id, title: record.title, updated: record.updated, data })
    };
    records.into_iter().map(kept).collect()
}

async fn write<T: Serialize>(store: &Store, kind: Kind, all: Vec<Kept<T>>) -> Result<(), Refused> {
    for Kept { id, title, updated, data } in all {
        let data = serde_json::to_string(&data).map_err(|error| refused(&error))?;
        // Files that are still here stay with their desk.
        let files = store.get(kind, &id).await?.map(|record| record.files).unwrap_or_default();
        store.put(kind, &Record { id, title, updated, data, files }).await?;
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

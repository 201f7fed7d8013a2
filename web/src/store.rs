//! What the browser keeps: conversations and desks, a record each, in IndexedDB. It stays on this machine.

use js_sys::{Array, Object, Reflect};
use rexie::{ObjectStore, Rexie, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

use crate::language::tr;
use crate::words;

/// Raised when the stores change; the upgrade goes here then.
const VERSION: u32 = 1;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Conversation,
    Desk,
}

impl Kind {
    fn store(self) -> &'static str {
        match self {
            Self::Conversation => "conversations",
            Self::Desk => "desks",
        }
    }
}

/// Something that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Unique in this browser.
    pub(crate) id: String,
    /// For a list.
    pub(crate) title: String,
    /// When it was kept, in milliseconds since 1970.
    pub(crate) updated: f64,
    /// The thing itself, as JSON.
    pub(crate) data: String,
    /// The files that a desk was read from.
    pub(crate) files: Vec<File>,
}

/// The database, open.
pub(crate) struct Store(Rexie);

/// Why something was not kept, found or removed, in the page's words.
pub(crate) type Refused = String;

impl Store {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// Where the browser keeps nothing, as in some private windows.
    pub(crate) async fn open() -> Result<Self, Refused> {
        let store = |kind: Kind| ObjectStore::new(kind.store()).key_path("id");
        let builder = Rexie::builder("zyron").version(VERSION);
        let builder = builder.add_object_store(store(Kind::Conversation)).add_object_store(store(Kind::Desk));
        builder.build().await.map(Self).map_err(|error| failed(&error))
    }

    /// Keeps a record in the place of the one with its id.
    pub(crate) async fn put(&self, kind: Kind, record: &Record) -> Result<(), Refused> {
        let transaction =
            self.0.transaction(&[kind.store()], TransactionMode::ReadWrite).map_err(|error| failed(&error))?;
        transaction
            .store(kind.store())
            .map_err(|error| failed(&error))?
            .put(&record.to_js(), None)
            .await
            .map_err(|error| failed(&error))?;
        transaction.done().await.map(drop).map_err(|error| failed(&error))
    }

    /// The record with this id.
    pub(crate) async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, Refused> {
        let transaction =
            self.0.transaction(&[kind.store()], TransactionMode::ReadOnly).map_err(|error| failed(&error))?;
        let record = transaction
            .store(kind.store())
            .map_err(|error| failed(&error))?
            .get(id.into())
            .await
            .map_err(|error| failed(&error))?;
        Ok(record.map(|record| Record::of_js(&record)))
    }

    /// Every record, the newest first.
    pub(crate) async fn all(&self, kind: Kind) -> Result<Vec<Record>, Refused> {
        let transaction =
            self.0.transaction(&[kind.store()], TransactionMode::ReadOnly).map_err(|error| failed(&error))?;
        let records = transaction
            .store(kind.store())
            .map_err(|error| failed(&error))?
            .get_all(None, None)
            .await
            .map_err(|error| failed(&error))?;
        let mut records: Vec<Record> = records.iter().map(Record::of_js).collect();
        records.sort_by(|one, other| other.updated.total_cmp(&one.updated));
        Ok(records)
    }

    /// Forgets the record with this id.
    pub(crate) async fn delete(&self, kind: Kind, id: &str) -> Result<(), Refused> {
        let transaction =
            self.0.transaction(&[kind.store()], TransactionMode::ReadWrite).map_err(|error| failed(&error))?;
        transaction
            .store(kind.store())
            .map_err(|error| failed(&error))?
            .delete(id.into())
            .await
            .map_err(|error| failed(&error))?;
        transaction.done().await.map(drop).map_err(|error| failed(&error))
    }
}

impl Record {
    fn to_js(&self) -> JsValue {
        let object = Object::new();
        let files: Array = self.files.iter().collect();
        let fields: [(&str, JsValue); 5] = [
            ("id", self.id.as_str().into()),
            ("title", self.title.as_str().into()),
            ("updated", self.updated.into()),
            ("data", self.data.as_str().into()),
            ("files", files.into()),
        ];
        for (name, value) in fields {
            // On a plain object it cannot fail.
            let _ = Reflect::set(&object, &name.into(), &value);
        }
        object.into()
    }

    fn of_js(object: &JsValue) -> Self {
        let field = |name: &str| Reflect::get(object, &name.into()).unwrap_or_default();
        let text = |name: &str| field(name).as_string().unwrap_or_default();
        let files = field("files").dyn_into::<Array>().unwrap_or_default();
        Self {
            id: text("id"),
            title: text("title"),
            updated: field("updated").as_f64().unwrap_or_default(),
            data: text("data"),
            files: files.iter().filter_map(|file| file.dyn_into().ok()).collect(),
        }
    }
}

/// The words for it, with the error that is behind all others.
fn failed(error: &dyn std::error::Error) -> Refused {
    let last = std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error);
    refused(&last.to_string())
}

/// The words for it, with the reason.
pub(crate) fn refused(reason: &str) -> Refused {
    let text = tr(
        "Le navigateur n’a pas pu conserver ou retrouver vos travaux ({}). Exportez ce qui compte.",
        "The browser could not keep or find your work ({}). Export what matters.",
    );
    words::filled(text, &[reason])
}

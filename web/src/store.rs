//! What the browser keeps: conversations and desks, a record each, in IndexedDB. It stays on this machine.

use js_sys::{Array, Object, Promise, Reflect};
use leptos::prelude::window;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, IdbDatabase, IdbObjectStore, IdbObjectStoreParameters, IdbOpenDbRequest, IdbRequest, IdbTransactionMode,
};

use crate::json::Json;
use crate::language::tr;
use crate::words;

const NAME: &str = "zyron";
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
pub(crate) struct Store(IdbDatabase);

/// Why something was not kept, found or removed, in the page's words.
pub(crate) type Refused = String;

impl Store {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// Where the browser keeps nothing, as in some private windows.
    pub(crate) async fn open() -> Result<Self, Refused> {
        let factory = window().indexed_db().map_err(thrown)?.ok_or_else(|| refused("IndexedDB"))?;
        let request = factory.open_with_u32(NAME, VERSION).map_err(thrown)?;
        let opening = request.clone();
        // One that could not be made has no stores, which whatever asks for one is told.
        let make = Closure::<dyn Fn()>::new(move || drop(make(&opening)));
        request.set_onupgradeneeded(Some(make.as_ref().unchecked_ref()));
        Ok(Self(given(&request).await?.unchecked_into()))
    }

    /// Keeps a record in the place of the one with its id.
    pub(crate) async fn put(&self, kind: Kind, record: &Record) -> Result<(), Refused> {
        self.change(kind, |store| store.put(&record.to_js())).await
    }

    /// The record with this id.
    pub(crate) async fn get(&self, kind: Kind, id: &str) -> Result<Option<Record>, Refused> {
        let found = self.read(kind, |store| store.get(&id.into())).await?;
        Ok(found.is_object().then(|| Record::of_js(&found)))
    }

    /// Every record, the newest first.
    pub(crate) async fn all(&self, kind: Kind) -> Result<Vec<Record>, Refused> {
        let found = self.read(kind, IdbObjectStore::get_all).await?;
        let found: Array = found.unchecked_into();
        let mut records: Vec<Record> = found.iter().map(|record| Record::of_js(&record)).collect();
        records.sort_by(|one, other| other.updated.total_cmp(&one.updated));
        Ok(records)
    }

    /// Forgets the record with this id.
    pub(crate) async fn delete(&self, kind: Kind, id: &str) -> Result<(), Refused> {
        self.change(kind, |store| store.delete(&id.into())).await
    }

    async fn read(&self, kind: Kind, ask: impl FnOnce(&IdbObjectStore) -> Asked) -> Result<JsValue, Refused> {
        let transaction = self.0.transaction_with_str(kind.store()).map_err(thrown)?;
        let request = transaction.object_store(kind.store()).and_then(|store| ask(&store)).map_err(thrown)?;
        given(&request).await
    }

    /// Makes a change, and waits until it is on the disk.
    async fn change(&self, kind: Kind, ask: impl FnOnce(&IdbObjectStore) -> Asked) -> Result<(), Refused> {
        let mode = IdbTransactionMode::Readwrite;
        let transaction = self.0.transaction_with_str_and_mode(kind.store(), mode).map_err(thrown)?;
        transaction.object_store(kind.store()).and_then(|store| ask(&store)).map_err(thrown)?;
        let done = Promise::new(&mut |resolve, reject| {
            transaction.set_oncomplete(Some(&resolve));
            transaction.set_onerror(Some(&reject));
            transaction.set_onabort(Some(&reject));
        });
        JsFuture::from(done).await.map(drop).map_err(failed)
    }
}

type Asked = Result<IdbRequest, JsValue>;

/// Makes the stores of a new database.
fn make(opening: &IdbOpenDbRequest) -> Result<(), JsValue> {
    let database: IdbDatabase = opening.result()?.unchecked_into();
    let parameters = IdbObjectStoreParameters::new();
    parameters.set_key_path(&"id".into());
    for kind in [Kind::Conversation, Kind::Desk] {
        database.create_object_store_with_optional_parameters(kind.store(), &parameters)?;
    }
    Ok(())
}

/// What a request gives, once it does.
async fn given(request: &IdbRequest) -> Result<JsValue, Refused> {
    let done = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    JsFuture::from(done).await.map_err(failed)?;
    request.result().map_err(thrown)
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

/// The words for the event that something failed.
fn failed(event: JsValue) -> Refused {
    let error = Json::from(event).field("target").field("error");
    refused(&error.text("message").unwrap_or_default())
}

/// The words for an error that was thrown.
fn thrown(error: JsValue) -> Refused {
    refused(&Json::from(error).text("message").unwrap_or_default())
}

/// The words for it, with the reason.
pub(crate) fn refused(reason: &str) -> Refused {
    let text = tr(
        "Le navigateur n’a pas pu conserver ou retrouver vos travaux ({}). Exportez ce qui compte.",
        "The browser could not keep or find your work ({}). Export what matters.",
    );
    words::filled(text, &[reason])
}

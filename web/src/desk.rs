//! The company on the desk: its files, read in a worker of their own, and what they say.
//!
//! The files stay in the browser. With a question about them goes the statement: the lines of the accounts, without
//! where they were read.

use std::rc::Rc;

use js_sys::{Array, Object, Reflect};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, FileList, MessageEvent, Worker, WorkerOptions, WorkerType};
use zyron_finance::reading::Reading;

/// What the page knows of a company's accounts.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    /// What the files say.
    pub(crate) reading: RwSignal<Option<Rc<Reading>>, LocalStorage>,
    /// Whether files are being read.
    pub(crate) is_reading: RwSignal<bool>,
    /// Why files could not be read.
    pub(crate) error: RwSignal<Option<String>>,
    /// The last day of the last fiscal year, where no file says it.
    pub(crate) end: RwSignal<String>,
    /// The analysis that is asked for; empty where a question is.
    pub(crate) template: RwSignal<String>,
    worker: RwSignal<Option<Reader>, LocalStorage>,
}

/// The worker, and what it calls.
struct Reader {
    worker: Worker,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

/// The words for a reader that ended without an answer.
const CRASHED: &str = "La lecture s’est interrompue. Le bureau est intact\u{a0}: réessayez, ou vérifiez le fichier.";

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            reading: RwSignal::new_local(None),
            is_reading: RwSignal::new(false),
            error: RwSignal::new(None),
            end: RwSignal::new(String::new()),
            template: RwSignal::new(String::new()),
            worker: RwSignal::new_local(None),
        }
    }

    /// Reads files. What lies on the desk stays there until they are read.
    pub(crate) fn open(self, files: &FileList) {
        let files: Vec<File> = (0..files.length()).filter_map(|at| files.item(at)).collect();
        if files.is_empty() || self.is_reading.get_untracked() {
            return;
        }
        self.is_reading.set(true);
        self.error.set(None);
        spawn_local(async move {
            if let Err(error) = self.hand_over(files).await {
                self.fail(format!("{CRASHED} ({})", error.as_string().unwrap_or_default()));
            }
        });
    }

    /// Takes everything off the desk.
    pub(crate) fn clear(self) {
        self.reading.set(None);
        self.error.set(None);
        self.template.set(String::new());
    }

    async fn hand_over(self, files: Vec<File>) -> Result<(), JsValue> {
        let (list, moved) = (Array::new(), Array::new());
        for file in files {
            let bytes = JsFuture::from(file.array_buffer()).await?;
            let entry = Object::new();
            Reflect::set(&entry, &"name".into(), &file.name().into())?;
            Reflect::set(&entry, &"bytes".into(), &bytes)?;
            list.push(&entry);
            moved.push(&bytes);
        }
        let message = Object::new();
        Reflect::set(&message, &"files".into(), &list)?;
        Reflect::set(&message, &"end".into(), &self.end.get_untracked().into())?;
        if self.worker.with_untracked(Option::is_none) {
            self.worker.set(Some(self.start()?));
        }
        // The bytes are moved, not copied.
        let posted = self.worker.with_untracked(|reader| {
            reader.as_ref().map(|reader| reader.worker.post_message_with_transfer(&message, &moved))
        });
        posted.unwrap_or(Ok(()))
    }

    fn start(self) -> Result<Reader, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let place = document().query_selector("meta[name=reader]")?.and_then(|meta| meta.get_attribute("content"));
        let worker = Worker::new_with_options(&place.unwrap_or_default(), &options)?;
        let message = Closure::new(move |event: MessageEvent| self.receive(&event.data()));
        let error = Closure::new(move |_| self.crash());
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        Ok(Reader { worker, _message: message, _error: error })
    }

    fn receive(self, data: &JsValue) {
        let field = |name: &str| Reflect::get(data, &JsValue::from_str(name)).ok().and_then(|value| value.as_string());
        if let Some(refused) = field("refused") {
            return self.fail(refused);
        }
        match field("reading").map(|json| serde_json::from_str::<Reading>(&json)) {
            Some(Ok(reading)) => {
                self.reading.set(Some(Rc::new(reading)));
                self.is_reading.set(false);
            }
            _ => self.crash(),
        }
    }

    /// The next file gets a worker of its own.
    fn crash(self) {
        // Not here: this is called by what it would drop.
        set_timeout(move || self.worker.set(None), std::time::Duration::ZERO);
        self.fail(CRASHED.to_owned());
    }

    fn fail(self, error: String) {
        self.error.set(Some(error));
        self.is_reading.set(false);
    }
}

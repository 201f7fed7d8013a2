//! The company on the desk: its files, read in a worker of their own, what they say, and what was corrected by hand.
//!
//! The files stay in the browser. With a question about them goes the statement: the lines of the accounts, without
//! where they were read.

use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{File, ScrollIntoViewOptions, ScrollLogicalPosition};

use crate::app::{App, Panel, unique};
use crate::focus;
use crate::json::{self, Json};
use crate::language::tr;
use crate::reader::{ReadError, Reader};
use crate::reading::{Excerpt, Place, Reading};

/// What the page knows of a company's accounts.
#[derive(Clone, Copy)]
pub(crate) struct Desk {
    /// What it is kept as; empty where there is nothing on the desk.
    id: RwSignal<String>,
    /// What the files say, corrected.
    pub(crate) reading: RwSignal<Option<Arc<Reading>>>,
    /// The files, where the browser still has them.
    pub(crate) files: RwSignal<Vec<File>, LocalStorage>,
    /// What is known of them.
    pub(crate) sources: RwSignal<Vec<Source>>,
    /// What was corrected by hand, in its order: each as the worker reads it, in JSON.
    pub(crate) corrections: RwSignal<Vec<String>>,
    /// A document that is no accounts, to be asked about.
    pub(crate) document: RwSignal<Option<Arc<Document>>>,
    /// Whether files are being read.
    pub(crate) is_reading: RwSignal<bool>,
    /// Why something could not be done.
    pub(crate) error: RwSignal<Option<String>>,
    /// The last day of the last fiscal year, where no file says it.
    pub(crate) end: RwSignal<String>,
    /// The row whose parts are shown: an item.
    pub(crate) opened: RwSignal<Option<String>>,
    /// Where a figure was read, once it was looked up.
    pub(crate) excerpt: RwSignal<Option<Arc<Excerpt>>>,
    /// The accounts as they were read, with all their places, as JSON.
    statement: RwSignal<Rc<str>, LocalStorage>,
    reader: StoredValue<Reader, LocalStorage>,
}

/// A document's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The file's name.
    pub(crate) name: String,
    /// By page.
    pub(crate) pages: Vec<String>,
}

/// A file that accounts were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its name.
    pub(crate) name: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub(crate) sha256: String,
}

/// A desk as it is kept, but for its files.
pub(crate) struct KeptDesk {
    statement: String,
    sources: Vec<Source>,
    corrections: Vec<String>,
}

impl Source {
    fn of(source: &Json) -> Option<Self> {
        Some(Self { name: source.text("name")?, sha256: source.text("sha256")? })
    }

    fn json(&self) -> String {
        json::object(&[("name", json::text(&self.name)), ("sha256", json::text(&self.sha256))])
    }
}

impl KeptDesk {
    pub(crate) fn of(desk: &Json) -> Option<Self> {
        Some(Self {
            statement: desk.text("statement")?,
            sources: desk.all("sources", Source::of)?,
            corrections: desk.items("corrections")?.iter().map(Json::written).collect(),
        })
    }

    pub(crate) fn json(&self) -> String {
        json::object(&[
            ("statement", json::text(&self.statement)),
            ("sources", json::list(self.sources.iter().map(Source::json))),
            ("corrections", json::list(self.corrections.clone())),
        ])
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            id: RwSignal::new(String::new()),
            reading: RwSignal::new(None),
            files: RwSignal::new_local(Vec::new()),
            sources: RwSignal::new(Vec::new()),
            corrections: RwSignal::new(Vec::new()),
            document: RwSignal::new(None),
            is_reading: RwSignal::new(false),
            error: RwSignal::new(None),
            end: RwSignal::new(String::new()),
            opened: RwSignal::new(None),
            excerpt: RwSignal::new(None),
            statement: RwSignal::new_local("".into()),
            reader: StoredValue::new_local(Reader::default()),
        }
    }

    /// Takes everything off the desk. What is kept of it stays kept.
    pub(crate) fn clear(self) {
        self.id.set(String::new());
        self.reading.set(None);
        self.files.set(Vec::new());
        self.sources.set(Vec::new());
        self.corrections.set(Vec::new());
        self.statement.set("".into());
        self.opened.set(None);
        self.error.set(None);
        focus::if_lost(["#files".to_owned()]);
    }

    /// What it is kept as; nothing where there is nothing on the desk.
    pub(crate) fn kept_as(self) -> Option<String> {
        Some(self.id.get_untracked()).filter(|id| !id.is_empty())
    }

    /// Keeps nothing more of it, as what was kept is forgotten.
    pub(crate) fn let_go(self) {
        self.id.set(String::new());
    }

    /// Its identifier, a title, and what is to be kept of it; nothing where there is nothing on the desk.
    pub(crate) fn to_keep(self) -> Option<(String, String, KeptDesk)> {
        let (id, reading) = (self.kept_as()?, self.reading.get_untracked()?);
        let company =
            if reading.company.is_empty() { tr("Société sans nom", "Unnamed company") } else { &reading.company };
        let title = format!("{company} · {}", reading.years.join(", "));
        let kept = KeptDesk {
            statement: self.statement.get_untracked().to_string(),
            sources: self.sources.get_untracked(),
            corrections: self.corrections.get_untracked(),
        };
        Some((id, title, kept))
    }

    /// Puts what was kept on the desk.
    pub(crate) fn restore(self, id: String, kept: KeptDesk, files: Vec<File>) {
        self.clear();
        self.work(async move {
            let reading = self.compute(&kept.statement, &kept.corrections).await?;
            self.put(id, kept.statement.into(), kept.sources, kept.corrections, files, reading);
            Ok(())
        });
    }

    /// Ends reading; what lies on the desk stays.
    pub(crate) fn cancel(self) {
        self.reader.with_value(Reader::crash);
    }

    fn put(
        self,
        id: String,
        statement: Rc<str>,
        sources: Vec<Source>,
        corrections: Vec<String>,
        files: Vec<File>,
        reading: Reading,
    ) {
        self.id.set(id);
        self.statement.set(statement);
        self.sources.set(sources);
        self.corrections.set(corrections);
        self.files.set(files);
        self.opened.set(None);
        self.reading.set(Some(Arc::new(reading)));
    }

    async fn compute(self, statement: &str, corrections: &[String]) -> Result<Reading, ReadError> {
        let arguments = [("statement", statement.into()), ("corrections", json::list(corrections.to_vec()).into())];
        parsed(&self.call("reading", &arguments).await?, Reading::of)
    }

    async fn call(self, name: &str, arguments: &[(&str, JsValue)]) -> Result<JsValue, ReadError> {
        self.reader.get_value().call(name, arguments).await
    }

    /// The analysis as a file of this kind: `markdown`, `csv` or `xlsx`, with lines that say where it is from.
    ///
    /// # Errors
    /// Where the worker crashed.
    pub(crate) async fn export(self, kind: &str, notes: &[String]) -> Result<Vec<u8>, ReadError> {
        let arguments = [
            ("kind", kind.into()),
            ("statement", (&*self.statement.get_untracked()).into()),
            ("corrections", json::list(self.corrections.get_untracked()).into()),
            ("notes", json::list(notes.iter().map(|note| json::text(note))).into()),
        ];
        Ok(Uint8Array::new(&self.call("export", &arguments).await?).to_vec())
    }

    async fn open_document(self, file: &File) -> Result<(), ReadError> {
        let text = self.call("text", &[("file", file.into())]).await?;
        let pages = parsed(&text, |pages| Some(pages.texts("pages")))?;
        self.document.set(Some(Arc::new(Document { name: file.name(), pages })));
        Ok(())
    }

    /// Does what takes the worker, one thing at a time, and says what went wrong.
    fn work(self, work: impl Future<Output = Result<(), ReadError>> + 'static) {
        if self.is_reading.get_untracked() {
            return;
        }
        self.is_reading.set(true);
        self.error.set(None);
        spawn_local(async move {
            if let Err(error) = work.await {
                self.error.set(Some(words(error)));
            }
            self.is_reading.set(false);
        });
    }
}

impl App {
    /// Reads files. What lies on the desk stays there until they are read.
    pub(crate) fn open_files(self, files: Vec<File>) {
        let desk = self.desk;
        if files.is_empty() {
            return;
        }
        desk.work(async move {
            let list: Array = files.iter().collect();
            let read = desk.call("read", &[("files", list.into()), ("end", desk.end.get_untracked().into())]).await;
            let read = match (read, files.as_slice()) {
                // A report without accounts is one to ask about.
                (Err(ReadError::Refused(_)), [file]) if is_pdf(file) => return desk.open_document(file).await,
                (read, _) => read?,
            };
            let (statement, sources) = of_files(read).ok_or(ReadError::Crashed)?;
            let reading = desk.compute(&statement, &[]).await?;
            desk.put(unique(), statement, sources, Vec::new(), files, reading);
            self.library.keep_desk(self);
            Ok(())
        });
    }

    /// Puts the company on the desk that does not exist.
    pub(crate) fn open_sample(self) {
        let desk = self.desk;
        spawn_local(async move {
            match desk.call("sample", &[]).await {
                Ok(files) => self.open_files(
                    files
                        .dyn_into::<Array>()
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|file| file.dyn_into().ok())
                        .collect(),
                ),
                Err(error) => desk.error.set(Some(words(error))),
            }
        });
    }

    /// Takes these corrections in the place of those before; everything follows from them.
    pub(crate) fn correct(self, corrections: Vec<String>) {
        let desk = self.desk;
        desk.work(async move {
            let reading = desk.compute(&desk.statement.get_untracked(), &corrections).await?;
            desk.corrections.set(corrections);
            desk.reading.set(Some(Arc::new(reading)));
            let row = desk.opened.get_untracked().map(|item| format!("#row-{item} button"));
            focus::if_lost(row.into_iter().chain(["#files".to_owned()]));
            self.library.keep_desk(self);
            Ok(())
        });
    }

    /// Corrects something else, too.
    fn correct_too(self, correction: &[(&str, String)]) {
        let mut corrections = self.desk.corrections.get_untracked();
        corrections.push(json::object(correction));
        self.correct(corrections);
    }

    /// Takes an account out of a line, or the whole line without one, and adds it to another. `year` is the last day of the
    /// fiscal year, as corrections name it.
    pub(crate) fn move_to(self, year: &str, from: &str, account: Option<&str>, to: &str) {
        let text = |name: &'static str, value| (name, json::text(value));
        let mut correction = vec![text("kind", "move"), text("year", year), text("from", from), text("to", to)];
        correction.extend(account.map(|account| text("account", account)));
        self.correct_too(&correction);
    }

    /// Gives a line the amount that the analyst has written.
    pub(crate) fn set_amount(self, year: String, line: String, written: String) {
        let desk = self.desk;
        spawn_local(async move {
            match desk.call("amount", &[("written", written.into())]).await {
                Ok(value) => {
                    let value = value.as_string().unwrap_or_default();
                    let fields = [("kind", "set"), ("year", &*year), ("line", &*line), ("value", &*value)];
                    self.correct_too(&fields.map(|(name, value)| (name, json::text(value))));
                }
                Err(ReadError::Refused(_)) => {
                    let words = tr(
                        "Corriger\u{a0}: un montant est attendu, comme 12\u{202f}345,67.",
                        "Correct: an amount is expected, such as 12 345,67.",
                    );
                    desk.error.set(Some(words.to_owned()));
                }
                Err(error) => desk.error.set(Some(words(error))),
            }
        });
    }

    /// Shows where a figure was read.
    pub(crate) fn open_place(self, place: Place) {
        let desk = self.desk;
        let files = desk.files.get_untracked();
        if files.is_empty() {
            let text = tr(
                "Les fichiers ne sont plus dans ce navigateur\u{a0}: déposez-les à nouveau pour voir la source.",
                "The files are no longer in this browser: drop them again to see the source.",
            );
            desk.error.set(Some(text.to_owned()));
            return;
        }
        desk.work(async move {
            let files: Array = files.iter().collect();
            let found = desk.call("excerpt", &[("files", files.into()), ("place", place.json().into())]).await?;
            let excerpt = parsed(&found, Excerpt::of)?;
            desk.excerpt.set(Some(Arc::new(excerpt)));
            self.panel.set(Some(Panel::Source));
            Ok(())
        });
    }

    /// Shows an item of the accounts with what it is made of.
    pub(crate) fn open_item(self, item: &str) {
        self.desk.opened.set(Some(item.to_owned()));
        self.shows_desk.set(true);
        self.panel.set(None);
        // Once the row is drawn.
        let row = format!("row-{item}");
        request_animation_frame(move || {
            if let Some(row) = document().get_element_by_id(&row) {
                let options = ScrollIntoViewOptions::new();
                options.set_block(ScrollLogicalPosition::Center);
                row.scroll_into_view_with_scroll_into_view_options(&options);
                if let Some(button) = row.query_selector("button").ok().flatten() {
                    // What is focused is read out first.
                    let _ = button.unchecked_into::<web_sys::HtmlElement>().focus();
                }
            }
        });
    }
}

fn parsed<T>(said: &JsValue, of: impl FnOnce(&Json) -> Option<T>) -> Result<T, ReadError> {
    let said = Json::read(&said.as_string().unwrap_or_default()).ok();
    // What the worker says is of the same build as the page.
    said.and_then(|said| of(&said)).ok_or(ReadError::Crashed)
}

fn is_pdf(file: &File) -> bool {
    file.type_() == "application/pdf" || file.name().to_ascii_lowercase().ends_with(".pdf")
}

/// What the worker read of files.
fn of_files(read: JsValue) -> Option<(Rc<str>, Vec<Source>)> {
    let read = Json::from(read);
    Some((read.text("statement")?.into(), read.all("files", Source::of)?))
}

fn words(error: ReadError) -> String {
    match error {
        ReadError::Refused(words) => words,
        ReadError::Crashed => tr(
            "La lecture s’est interrompue. Le bureau est intact\u{a0}: réessayez, ou vérifiez le fichier.",
            "Reading broke off. The desk is as it was: try again, or check the file.",
        )
        .to_owned(),
    }
}

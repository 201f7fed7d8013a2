//! The content log: requests and answers as they were, kept only where the operator has said what for, and only so long.
//!
//! A file an hour in the state folder, deleted when its last line's time is over. It is no evidence: what cannot be written
//! is lost, and said so in the log, and nobody waits for it. The audit log, which has no texts, is `audit.rs`'s.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use hyper::body::{Frame, SizeHint};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use crate::call::Call;
use crate::config::ContentConfig;
use crate::middleware::ai_generated;
use crate::private;
use crate::state::AppState;
use crate::time::written;

/// Its folder in the state folder.
const FOLDER: &str = "content";
/// Who has this file locked is the only one that writes.
const LOCK: &str = "lock";
/// A file's name, but for its ending: the hour of its lines.
const NAME: &str = "%Y-%m-%dT%H";
/// The longest answer that is kept whole.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Most bytes that wait to be written; more is lost.
const MAX_WAITING_BYTES: usize = 64 << 20;
/// Says to clients that what they send and get is kept.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-content-kept");

/// The content log of a server that runs.
#[derive(Debug)]
pub(crate) struct Contents {
    folder: PathBuf,
    purpose: String,
    ttl: TimeDelta,
    waiting: Mutex<Waiting>,
    /// Told when there is something to write.
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<String>,
    bytes: usize,
    lost: u64,
}

/// What is kept of a request.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    time: String,
    purpose: String,
    request_id: String,
    /// The key's identifier, where there is one.
    key: Option<String>,
    route: String,
    status: u16,
    /// JSON where it is that, else a text.
    request: Value,
    answer: Value,
    /// Whether the answer was longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
}

impl Contents {
    /// The log in a state folder, if it is wanted.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn open(state: Option<&Path>, config: &ContentConfig) -> io::Result<Option<Self>> {
        let (Some(state), Some(purpose)) = (state, &config.purpose) else { return Ok(None) };
        let folder = state.join(FOLDER);
        private::make_folder(&folder)?;
        let ttl = TimeDelta::hours(i64::try_from(config.ttl_hours).unwrap_or(i64::MAX).min(1_000_000));
        let (waiting, more) = Default::default();
        Ok(Some(Self { folder, purpose: purpose.clone(), ttl, waiting, more }))
    }

    /// What it is for.
    pub(crate) fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Resolves when there is something to write.
    pub(crate) async fn more(&self) {
        self.more.notified().await;
    }

    fn enter(&self, line: &Line) {
        let Ok(text) = serde_json::to_string(line) else { return };
        let mut waiting = self.waiting();
        if waiting.bytes + text.len() > MAX_WAITING_BYTES {
            waiting.lost += 1;
        } else {
            waiting.bytes += text.len();
            waiting.lines.push(text);
        }
        self.more.notify_one();
    }

    /// Writes what waits. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Those of the disk; what could not be written is lost.
    pub(crate) fn write(&self) -> io::Result<()> {
        let Waiting { lines, lost, .. } = std::mem::take(&mut *self.waiting());
        if lost > 0 {
            tracing::error!(lost, "there was no room for requests in the content log");
        }
        if lines.is_empty() {
            return Ok(());
        }
        let _lock = lock(&self.folder)?;
        let file = self.folder.join(Utc::now().format(NAME).to_string()).with_extension("jsonl");
        let mut file = private::options().append(true).create(true).open(file)?;
        file.write_all((lines.join("\n") + "\n").as_bytes())
    }

    /// Deletes what is beyond its time.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn retire(&self) -> io::Result<()> {
        let _lock = lock(&self.folder)?;
        let now = Utc::now();
        for file in files(&self.folder)? {
            if hour(&file).is_some_and(|hour| hour + TimeDelta::hours(1) + self.ttl <= now) {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hour that a file's lines are of.
fn hour(file: &Path) -> Option<DateTime<Utc>> {
    let name = file.file_stem()?.to_str()?;
    NaiveDateTime::parse_from_str(&format!("{name}:00"), &format!("{NAME}:%M")).ok().map(|hour| hour.and_utc())
}

fn lock(folder: &Path) -> io::Result<File> {
    let file = private::options().write(true).create(true).open(folder.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    Ok(files)
}

fn lines(file: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    Ok(BufReader::new(File::open(file)?).lines())
}

fn is_of(line: &str, key: &str) -> bool {
    serde_json::from_str::<Line>(line).is_ok_and(|line| line.key.as_deref() == Some(key))
}

/// Gives each line of a state folder's content log that is of a key, as it is written.
///
/// # Errors
/// Those of the disk.
pub fn about(state: &Path, key: &str, mut give: impl FnMut(&str)) -> io::Result<()> {
    let folder = state.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    let _lock = lock(&folder)?;
    for file in files(&folder)? {
        for line in lines(&file)? {
            let line = line?;
            if is_of(&line, key) {
                give(&line);
            }
        }
    }
    Ok(())
}

/// Deletes each line of a state folder's content log that is of a key, and says how many these were.
///
/// # Errors
/// Those of the disk.
pub fn erase(state: &Path, key: &str) -> io::Result<u64> {
    let folder = state.join(FOLDER);
    let mut erased = 0;
    if !folder.is_dir() {
        return Ok(erased);
    }
    let _lock = lock(&folder)?;
    for file in files(&folder)? {
        private::replace(&file, |rest| {
            let mut rest = io::BufWriter::new(rest);
            for line in lines(&file)? {
                let line = line?;
                if is_of(&line, key) {
                    erased += 1;
                } else {
                    writeln!(rest, "{line}")?;
                }
            }
            rest.flush()
        })?;
    }
    Ok(erased)
}

/// Keeps what a model is asked, and what it answers, where that is wanted.
pub(crate) async fn keep(State(app): State<AppState>, call: Call, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let is_kept = request.method() == Method::POST && ai_generated::generates(&route);
    let Some(contents) = app.contents().filter(|_| is_kept) else { return next.run(request).await };
    let asked = Arc::new(Mutex::new(Copied::new(app.limits().max_body_bytes)));
    let copy = Arc::clone(&asked);
    let request = request.map(|body| Body::new(Copying { body, copy, _kept: None }));
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, HeaderValue::from_static("true"));
    let answered = Arc::new(Mutex::new(Copied::new(MAX_ANSWER_BYTES)));
    let kept = Kept {
        contents: Arc::clone(contents),
        call,
        route,
        status: response.status().as_u16(),
        asked,
        answered: Arc::clone(&answered),
    };
    response.map(|body| Body::new(Copying { body, copy: answered, _kept: Some(kept) }))
}

/// The first bytes of a body.
struct Copied {
    bytes: Vec<u8>,
    limit: usize,
    is_cut: bool,
}

impl Copied {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, is_cut: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        self.is_cut |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.bytes).into_owned()))
    }
}

/// A request, entered when the last of its answer has gone.
struct Kept {
    contents: Arc<Contents>,
    call: Call,
    route: String,
    status: u16,
    asked: Arc<Mutex<Copied>>,
    answered: Arc<Mutex<Copied>>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        let (request_id, key) = {
            let facts = self.call.facts();
            (facts.request_id.clone(), facts.key.as_deref().map(str::to_owned))
        };
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        self.contents.enter(&Line {
            time: written(Utc::now()),
            purpose: self.contents.purpose.clone(),
            request_id,
            key,
            route: std::mem::take(&mut self.route),
            status: self.status,
            request: asked.value(),
            answer: answered.value(),
            is_cut: answered.is_cut,
        });
    }
}

/// A body that is copied as it is read.
struct Copying {
    body: Body,
    copy: Arc<Mutex<Copied>>,
    /// Dropped with it.
    _kept: Option<Kept>,
}

impl HttpBody for Copying {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.copy.lock().unwrap_or_else(PoisonError::into_inner).add(data);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn line(key: &str, text: &str) -> Line {
        Line {
            time: String::new(),
            purpose: "a test".to_owned(),
            request_id: String::new(),
            key: Some(key.to_owned()),
            route: String::new(),
            status: 200,
            request: text.into(),
            answer: Value::Null,
            is_cut: false,
        }
    }

    fn contents(state: &TempDir) -> Contents {
        let config = ContentConfig { purpose: Some("a test".to_owned()), ttl_hours: 2 };
        Contents::open(Some(state.path()), &config).unwrap().unwrap()
    }

    #[test]
    fn what_is_of_a_key_is_found_and_erased_and_nothing_else() {
        let state = TempDir::new().unwrap();
        let contents = contents(&state);
        for (key, text) in [("a", "one"), ("b", "two"), ("a", "three")] {
            contents.enter(&line(key, text));
        }
        contents.write().unwrap();
        let count = |key: &str| {
            let mut count = 0;
            about(state.path(), key, |_| count += 1).unwrap();
            count
        };
        assert_eq!((count("a"), count("b"), count("c")), (2, 1, 0));
        assert_eq!(erase(state.path(), "a").unwrap(), 2);
        assert_eq!((count("a"), count("b")), (0, 1));
    }

    #[test]
    fn a_file_is_deleted_when_its_last_line_is_beyond_its_time() {
        let state = TempDir::new().unwrap();
        let contents = contents(&state);
        contents.enter(&line("a", "now"));
        contents.write().unwrap();
        let name = |hours| (Utc::now() - TimeDelta::hours(hours)).format(NAME).to_string() + ".jsonl";
        for hours in [2, 3, 4] {
            fs::write(contents.folder.join(name(hours)), "old").unwrap();
        }
        contents.retire().unwrap();
        let left = files(&contents.folder).unwrap();
        // The last line of two hours ago may be hardly more than one hour old.
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(contents.folder.join(name(2)).exists());
    }

    #[test]
    fn what_has_no_room_is_lost_and_counted() {
        let state = TempDir::new().unwrap();
        let contents = contents(&state);
        contents.enter(&line("a", &"x".repeat(MAX_WAITING_BYTES)));
        let Waiting { lines, lost, .. } = std::mem::take(&mut *contents.waiting());
        assert_eq!((lost, lines.len()), (1, 0));
        let mut copied = Copied::new(4);
        copied.add(b"abc");
        copied.add(b"def");
        assert_eq!((copied.value(), copied.is_cut), ("abcd".into(), true));
    }
}

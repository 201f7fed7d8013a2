//! Lines of JSON that each hold the hash of the one before, in files of a folder: a line that is changed, taken out or
//! put in afterwards does not fit its neighbours.
//!
//! Whoever can write the files can write them anew from a line on. What shows that is a hash that was noted elsewhere:
//! [`verify`] says the last one, and takes one to look for.
//!
//! A server and `zyron` at the command line may write at once: each takes a lock for as long as it writes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Days, NaiveDate, Utc};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Answered, KeyChange};
use crate::run::{Crash, LostEngine};
use crate::{private, time};

/// A file that is longer is followed by another.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// No line is longer: it has counts, and names of bounded length.
const MAX_LINE_BYTES: u64 = 16 << 10;
/// What stands for the hash of the line before the first.
const BEGINNING: &str = "";
const LOCK: &str = "lock";

/// Why the audit log could not be read or written.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The disk's fault, or the folder's.
    #[error("the audit log in {}: {error}", folder.display())]
    Io {
        /// Where it is.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The server could not go on with what this user writes.
    #[error("the audit log in {} is another user's: run this as the user of the server", .0.display())]
    OtherUser(PathBuf),
    /// The end of the log, which the next line must follow, is no line.
    #[error(
        "{}: its last line is damaged. `zyron audit verify` says what is wrong; once you have put the folder aside, a new log begins.",
        .0.display()
    )]
    Damaged(PathBuf),
}

/// What happened, as the log has it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A server has begun to run.
    Started { version: &'static str },
    /// The one before has ended without saying so.
    Crashed(Crash),
    /// It keeps requests and answers in full.
    Keeping { purpose: String, ttl_hours: u64 },
    /// It answers with this model from now on.
    Serving { model: String, engine: &'static str, system_fingerprint: String },
    /// It no longer does.
    Unloaded { model: String },
    /// Its engine hung or panicked, and was given up with the requests that it had; what follows is that it serves the
    /// model again.
    EngineLost(LostEngine),
    /// It has ended in good order.
    Stopped,
    /// A request is over.
    Answered(Box<Answered>),
    /// Requests that came to nothing since the last such line: without a key, or beyond a limit.
    Refused { status: u16, requests: u64 },
    /// A key was made, given a new text or ended.
    Key { change: KeyChange },
    /// Lines up to this one are beyond their time, and their files deleted.
    Retired { through: u64, through_hash: String },
    /// From so many lines before this one it was taken who asked, at the wish of that person.
    Erased { lines: u64 },
    /// The end of the line before was missing, and so many bytes were cut off: the power failed, or the disk was full.
    Torn { bytes: u64 },
}

/// Who an event is about: all of it that can lead to a person. It can be erased, and the chain still holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Who {
    /// The key's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The request's, as in the log and in `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

/// An event with its time and who it is about.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) time: DateTime<Utc>,
    pub(crate) event: Event,
    pub(crate) who: Option<Who>,
}

impl Entry {
    /// What happens now.
    pub(crate) fn now(event: Event, who: Option<Who>) -> Self {
        Self { time: Utc::now(), event, who }
    }
}

/// The end of the log, which the next line follows.
struct Tip {
    file: PathBuf,
    length: u64,
    number: u64,
    hash: String,
}

/// The log, for writing.
#[derive(Debug)]
pub(crate) struct Chain {
    folder: PathBuf,
}

impl Chain {
    /// The log in `folder`, which is made where it is not there, for this user alone.
    ///
    /// # Errors
    /// [`AuditError`] where it cannot be made.
    pub(crate) fn open(folder: &Path) -> Result<Self, AuditError> {
        let owned = private::make_folder(folder).and_then(|()| fs::metadata(folder));
        let owner = owned.map_err(|error| AuditError::Io { folder: folder.to_owned(), error })?.uid();
        // What it would make would be its own, and the server could not write there any more.
        let me = File::open("/proc/self").and_then(|me| me.metadata()).map(|me| me.uid());
        if me.is_ok_and(|me| me != owner) {
            return Err(AuditError::OtherUser(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes entries, all or none; they are on the disk when this returns.
    ///
    /// # Errors
    /// [`AuditError`]; then none is written.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), AuditError> {
        let _lock = lock(&self.folder)?;
        self.append_locked(entries)
    }

    /// [`Self::append`], for who has the lock.
    fn append_locked(&mut self, entries: &[Entry]) -> Result<(), AuditError> {
        let folder = self.folder.clone();
        let (tip, torn) = self.find_tip()?;
        let torn = torn.map(|bytes| Entry::now(Event::Torn { bytes }, None));
        let all = torn.iter().chain(entries);
        write(&folder, tip, all).map_err(|error| AuditError::Io { folder, error })
    }

    /// Deletes files whose lines are all older than so many days, and says so in the log.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) fn retire(&mut self, days: u64) -> Result<(), AuditError> {
        let folder = self.folder.clone();
        let wrong = |error| AuditError::Io { folder: folder.clone(), error };
        let _lock = lock(&folder)?;
        let files = files(&folder).map_err(wrong)?;
        let oldest = Utc::now().date_naive().checked_sub_days(Days::new(days)).unwrap_or_default();
        // What a file has was written before the next began.
        let gone = files.windows(2).take_while(|pair| date(&pair[1]).is_some_and(|began| began < oldest)).count();
        let Some(last) = gone.checked_sub(1).and_then(|last| files.get(last)) else { return Ok(()) };
        let end = last_line(last).map_err(wrong)?.0;
        let link = end.as_deref().and_then(|line| Line::read(line).ok());
        let Some(Line { number, hash, .. }) = link else { return Err(AuditError::Damaged(last.clone())) };
        // Said first: a file that is there longer than said is no fault, one that is missing is.
        self.append_locked(&[Entry::now(Event::Retired { through: number, through_hash: hash }, None)])?;
        files.iter().take(gone).try_for_each(fs::remove_file).map_err(wrong)
    }

    /// Takes out who asked wherever it is this key, and says how often; the lines stay, and so does the chain.
    ///
    /// # Errors
    /// [`AuditError`].
    pub(crate) fn erase(&mut self, key: &str) -> Result<u64, AuditError> {
        let folder = self.folder.clone();
        let wrong = |error| AuditError::Io { folder: folder.clone(), error };
        let _lock = lock(&folder)?;
        let (mut lines, mut theirs) = (0, BTreeSet::new());
        each_text(&folder, open_all(&folder)?, |file, _, text, is_whole| {
            if is_whole && Line::read(text).is_ok_and(|line| line.is_about(key)) {
                lines += 1;
                theirs.insert(file.to_owned());
            }
        })?;
        if lines == 0 {
            return Ok(0);
        }
        // Said first, as above.
        self.append_locked(&[Entry::now(Event::Erased { lines }, None)])?;
        theirs.iter().try_for_each(|file| erase_in(file, key)).map_err(wrong)?;
        Ok(lines)
    }

    /// Where the log ends, and how much of an incomplete line was cut off.
    fn find_tip(&self) -> Result<(Tip, Option<u64>), AuditError> {
        let wrong = |error| AuditError::Io { folder: self.folder.clone(), error };
        let files = files(&self.folder).map_err(wrong)?;
        let mut torn = None;
        for file in files.into_iter().rev() {
            let (line, rest) = last_line(&file).map_err(wrong)?;
            let length = fs::metadata(&file).map_err(wrong)?.len() - rest;
            if rest > 0 && (line.is_some() || length == 0) {
                OpenOptions::new().write(true).open(&file).and_then(|open| open.set_len(length)).map_err(wrong)?;
                torn = Some(rest);
            }
            // A file without a line was begun when the power failed.
            let Some(line) = line else {
                if length > 0 {
                    return Err(AuditError::Damaged(file));
                }
                continue;
            };
            let Ok(Line { number, hash, .. }) = Line::read(&line) else { return Err(AuditError::Damaged(file)) };
            return Ok((Tip { file, length, number, hash }, torn));
        }
        Ok((Tip { file: PathBuf::new(), length: 0, number: 0, hash: BEGINNING.to_owned() }, torn))
    }
}

/// Adds lines after the tip, in a file that begins with the day or where the one before is full.
fn write<'a>(folder: &Path, mut tip: Tip, entries: impl Iterator<Item = &'a Entry>) -> io::Result<()> {
    let today = Utc::now().date_naive();
    let is_new = tip.length >= MAX_FILE_BYTES || date(&tip.file) != Some(today);
    if is_new {
        // By name they are in order.
        tip.file = folder.join(format!("{:012}-{today}.jsonl", tip.number + 1));
        tip.length = 0;
    }
    let mut text = String::new();
    for entry in entries {
        tip.number += 1;
        let (line, hash) = line(entry, tip.number, &tip.hash)?;
        tip.hash = hash;
        text.push_str(&line);
        text.push('\n');
    }
    let mut file = private::options().append(true).create(true).open(&tip.file)?;
    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.sync_data()) {
        // A part of it may be there; whoever tries again would write that twice.
        let _ = file.set_len(tip.length);
        return Err(error);
    }
    if is_new {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// An entry's line, and its hash: of the line without the hash and without who it is about, of which it has a digest.
fn line(entry: &Entry, number: u64, previous: &str) -> io::Result<(String, String)> {
    let mut line = Map::new();
    line.insert("seq".to_owned(), number.into());
    line.insert("time".to_owned(), time::written(entry.time).into());
    line.insert("previous".to_owned(), previous.into());
    if let Value::Object(event) = serde_json::to_value(&entry.event)? {
        line.extend(event);
    }
    let mut who = None;
    if let Some(about) = &entry.who {
        // The digest of an identifier alone could be found by trying.
        let salted = Salted { who: about.clone(), salt: format!("{:032x}", rand::rng().random::<u128>()) };
        let salted = serde_json::to_value(salted)?;
        line.insert("who_digest".to_owned(), digest(&salted).into());
        who = Some(salted);
    }
    let hash = digest(&line);
    line.extend(who.map(|who| ("who".to_owned(), who)));
    line.insert("hash".to_owned(), hash.clone().into());
    Ok((serde_json::to_string(&line)?, hash))
}

#[derive(Serialize, Deserialize)]
struct Salted {
    #[serde(flatten)]
    who: Who,
    salt: String,
}

/// SHA-256 of a value as compact JSON, in hexadecimal.
fn digest(value: &impl Serialize) -> String {
    // Values of our own, with string keys only.
    format!("{:x}", Sha256::digest(serde_json::to_vec(value).unwrap_or_default()))
}

/// A line that is whole in itself.
pub(super) struct Line {
    number: u64,
    previous: String,
    hash: String,
    pub(super) time: DateTime<Utc>,
    /// Who it is about and whether that is as it was; none where it never had it, or has it no more.
    who: Option<(Who, bool)>,
    is_erased: bool,
    /// All of it but who and hash.
    body: Map<String, Value>,
}

impl Line {
    /// Reads a line; in words what is wrong with it.
    fn read(text: &str) -> Result<Self, &'static str> {
        let mut body: Map<String, Value> = serde_json::from_str(text).map_err(|_| "it is no line of JSON")?;
        // What is read one way by us and another by others, such as a name that is there twice, is a change.
        if serde_json::to_string(&body).is_ok_and(|again| again != text) {
            return Err("it is not written as it was");
        }
        let Some(Value::String(hash)) = body.shift_remove("hash") else { return Err("it has no hash") };
        let who = body.shift_remove("who");
        if digest(&body) != hash {
            return Err("it is not what its hash says");
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let stated = text("who_digest").map(str::to_owned);
        let time = text("time").and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        let (Some(number), Some(previous), Some(time)) =
            (body.get("seq").and_then(Value::as_u64), text("previous").map(str::to_owned), time)
        else {
            return Err("it lacks its number, its time or the hash before it");
        };
        let is_erased = stated.is_some() && who.is_none();
        let who = who.map(|who| {
            let is_true = stated.as_deref() == Some(&digest(&who));
            serde_json::from_value::<Salted>(who).map_or((Who::default(), false), |salted| (salted.who, is_true))
        });
        Ok(Self { number, previous, hash, time: time.to_utc(), who, is_erased, body })
    }

    /// Whether it is about this key.
    pub(super) fn is_about(&self, key: &str) -> bool {
        self.who.as_ref().is_some_and(|(who, _)| who.key.as_deref() == Some(key))
    }

    fn event(&self) -> &str {
        self.body.get("event").and_then(Value::as_str).unwrap_or_default()
    }

    fn count(&self, name: &str) -> u64 {
        self.body.get(name).and_then(Value::as_u64).unwrap_or_default()
    }
}

/// What a look at the whole log has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Lines that there are.
    pub lines: u64,
    /// The number of the first; those before it are beyond their time.
    pub first: u64,
    /// The number of the last, and its hash: to be noted elsewhere.
    pub last: Option<(u64, String)>,
    /// Lines from which it was taken who asked.
    pub erased: u64,
    /// Whether the last line is incomplete; a server cuts it off when it starts.
    pub is_torn: bool,
    /// What is wrong: the file, the line in it, from 1, and what it is.
    pub problems: Vec<(PathBuf, u64, String)>,
}

/// Looks at every line of the log in `folder`. `noted` are a line's number and hash, noted before.
///
/// # Errors
/// [`AuditError::Io`] where it cannot be read.
pub fn verify(folder: &Path, noted: Option<(u64, &str)>) -> Result<Verified, AuditError> {
    let mut verifier = Verifier { noted, ..Verifier::default() };
    let look = |file: &Path, place: u64, text: &str, is_whole: bool| verifier.line(file, place, text, is_whole);
    each_text(folder, open_now(folder)?, look)?;
    Ok(verifier.end())
}

#[derive(Default)]
struct Verifier<'a> {
    found: Verified,
    noted: Option<(u64, &'a str)>,
    is_noted_found: bool,
    /// The number of the line before, and its hash if it is not damaged.
    after: Option<(u64, Option<String>)>,
    /// What the first line follows, where it is not the beginning.
    before: Option<(PathBuf, u64, String)>,
    /// Where lines were said to be deleted, up to which.
    retired: Vec<(u64, String)>,
    /// Lines that have lost who they are about and no later line that says so.
    unexplained: Vec<(PathBuf, u64)>,
    /// An incomplete line: no fault at the end of all, where a crash leaves it.
    torn: Option<(PathBuf, u64)>,
}

impl Verifier<'_> {
    fn line(&mut self, file: &Path, place: u64, text: &str, is_whole: bool) {
        if let Some((file, place)) = self.torn.take() {
            self.problem(&file, place, "it is not complete");
        }
        if !is_whole {
            self.torn = Some((file.to_owned(), place));
            return;
        }
        self.found.lines += 1;
        let line = match Line::read(text) {
            Ok(line) => line,
            Err(what) => {
                if let Some((number, hash)) = &mut self.after {
                    (*number, *hash) = (*number + 1, None);
                }
                return self.problem(file, place, what);
            }
        };
        match &self.after {
            Some((number, _)) if line.number <= *number => self.problem(file, place, "it is not where it was"),
            Some((number, _)) if line.number > number + 1 => {
                let missing = format!("lines before it are missing: {} to {}", number + 1, line.number - 1);
                self.problem(file, place, &missing);
            }
            Some((_, Some(hash))) if *hash != line.previous => {
                self.problem(file, place, "the line before it is not the one it followed");
            }
            Some(_) => {}
            None => {
                self.found.first = line.number;
                if self.found.lines == 1 && (line.number != 1 || line.previous != BEGINNING) {
                    self.before = Some((file.to_owned(), line.number, line.previous.clone()));
                }
            }
        }
        if line.who.as_ref().is_some_and(|(_, is_true)| !is_true) {
            self.problem(file, place, "whom it is about is not what it was");
        }
        if line.is_erased {
            self.found.erased += 1;
            self.unexplained.push((file.to_owned(), place));
        }
        match line.event() {
            "retired" => {
                let hash = line.body.get("through_hash").and_then(Value::as_str).unwrap_or_default();
                self.retired.push((line.count("through"), hash.to_owned()));
            }
            "erased" => {
                let explained = usize::try_from(line.count("lines")).unwrap_or(usize::MAX);
                self.unexplained.drain(..explained.min(self.unexplained.len()));
            }
            _ => {}
        }
        if let Some((number, hash)) = self.noted.filter(|(number, _)| *number == line.number) {
            self.is_noted_found = true;
            if line.hash != hash {
                self.problem(file, place, &format!("line {number} is not the one that was noted"));
            }
        }
        self.after = Some((line.number, Some(line.hash.clone())));
        self.found.last = Some((line.number, line.hash));
    }

    fn problem(&mut self, file: &Path, place: u64, what: &str) {
        self.found.problems.push((file.to_owned(), place, what.to_owned()));
    }

    fn end(mut self) -> Verified {
        if let Some((file, number, previous)) = self.before.take()
            && !self.retired.iter().any(|(through, hash)| through + 1 == number && *hash == previous)
        {
            self.problem(&file, 1, &format!("lines before it are missing: up to {}", number.saturating_sub(1)));
        }
        for (file, place) in std::mem::take(&mut self.unexplained) {
            self.problem(&file, place, "whom it is about was taken out, and no line says so");
        }
        if let Some((number, _)) = self.noted.filter(|_| !self.is_noted_found) {
            let why = if number < self.found.first { ": it may be beyond its time" } else { "" };
            self.problem(Path::new(""), 0, &format!("line {number}, which was noted, is not there{why}"));
        }
        self.found.is_torn = self.torn.is_some();
        self.found
    }
}

/// Gives each whole line of the log, in order, as it is written and as it reads. Others may write meanwhile.
pub(super) fn each_line(folder: &Path, mut look: impl FnMut(&str, &Line)) -> Result<(), AuditError> {
    each_text(folder, open_now(folder)?, |_, _, text, is_whole| {
        if let Some(line) = is_whole.then(|| Line::read(text).ok()).flatten() {
            look(text, &line);
        }
    })
}

/// Gives each line of opened files, whatever it is: its file, its place there from 1, and whether it has an end.
fn each_text(
    folder: &Path,
    opened: Vec<(PathBuf, Opened)>,
    mut look: impl FnMut(&Path, u64, &str, bool),
) -> Result<(), AuditError> {
    for (file, mut reader) in opened {
        let mut place = 0;
        let wrong = |error| AuditError::Io { folder: folder.to_owned(), error };
        while let Some((text, is_whole)) = next_line(&mut reader).map_err(wrong)? {
            place += 1;
            look(&file, place, &text, is_whole);
        }
    }
    Ok(())
}

/// A file as far as it is written now.
type Opened = BufReader<io::Take<File>>;

/// [`open_all`], for who has not the lock.
fn open_now(folder: &Path) -> Result<Vec<(PathBuf, Opened)>, AuditError> {
    let _lock = lock(folder)?;
    open_all(folder)
}

/// The log as it is now, whatever is written, erased or deleted while it is read; for who has the lock.
fn open_all(folder: &Path) -> Result<Vec<(PathBuf, Opened)>, AuditError> {
    let open = |file: PathBuf| {
        let open = File::open(&file)?;
        let length = open.metadata()?.len();
        Ok((file, BufReader::new(open.take(length))))
    };
    let opened = files(folder).and_then(|files| files.into_iter().map(open).collect());
    opened.map_err(|error| AuditError::Io { folder: folder.to_owned(), error })
}

/// Does something with the log's files, the oldest first, while nobody writes them.
pub(crate) fn with_files<T>(folder: &Path, work: impl FnOnce(&[PathBuf]) -> io::Result<T>) -> Result<T, AuditError> {
    let _lock = lock(folder)?;
    files(folder).and_then(|files| work(&files)).map_err(|error| AuditError::Io { folder: folder.to_owned(), error })
}

/// Writes a file anew, without whom its lines are about where that is this key.
fn erase_in(file: &Path, key: &str) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(file)?);
    private::replace(file, |new| {
        let mut writer = BufWriter::new(new);
        while let Some((mut text, is_whole)) = next_line(&mut reader)? {
            if let Some(mut line) = Line::read(&text).ok().filter(|line| line.is_about(key)) {
                line.body.insert("hash".to_owned(), line.hash.into());
                text = serde_json::to_string(&line.body)?;
            }
            writer.write_all(text.as_bytes())?;
            if is_whole {
                writer.write_all(b"\n")?;
            }
        }
        writer.flush()
    })
}

/// The next line without its end, and whether it has one. What is no text stays what it is as far as that goes: it is
/// damaged either way.
fn next_line(reader: &mut impl BufRead) -> io::Result<Option<(String, bool)>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let is_whole = line.pop_if(|last| *last == b'\n').is_some();
    Ok(Some((String::from_utf8_lossy(&line).into_owned(), is_whole)))
}

/// The last whole line of a file, and how many bytes come after it.
fn last_line(file: &Path) -> io::Result<(Option<String>, u64)> {
    let mut open = File::open(file)?;
    let length = open.metadata()?.len();
    open.seek(SeekFrom::Start(length.saturating_sub(2 * MAX_LINE_BYTES)))?;
    let mut end = Vec::new();
    open.read_to_end(&mut end)?;
    let Some(last) = end.iter().rposition(|&byte| byte == b'\n') else { return Ok((None, end.len() as u64)) };
    let begin = end[..last].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    Ok((Some(String::from_utf8_lossy(&end[begin..last]).into_owned()), (end.len() - last - 1) as u64))
}

/// The log's files, the oldest first.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().filter(|path| date(path).is_some()).collect();
    files.sort();
    Ok(files)
}

/// The day on which a file was begun, which is in its name.
fn date(file: &Path) -> Option<NaiveDate> {
    let name = file.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    let (number, date) = name.split_once('-')?;
    (number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| date.parse().ok())?
}

/// Held while the log is read or written; others wait.
fn lock(folder: &Path) -> Result<File, AuditError> {
    let open = private::options().write(true).create(true).truncate(false).open(folder.join(LOCK));
    let locked = open.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| AuditError::Io { folder: folder.to_owned(), error })
}

#[cfg(test)]
mod tests;

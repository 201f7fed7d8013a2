//! Who answers batches: a task that takes their requests, a few at a time, from each batch in turn, and sends them the way of
//! any other request.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use zyron_openapi::{Batch, BatchErrors, BatchLine, BatchResponse, BatchResult, BatchResultError, BatchStatus};

use super::lines::{self, Bounds};
use super::store::Store;
use super::{Background, BatchStoreError, Batches, OUTPUT, identifier};
use crate::error::{ApiError, ENGINE_LOST};
use crate::private;
use crate::state::AppState;
use crate::time::now;

/// How long a request waits that the server has no place for, where that does not say.
const PAUSE: Duration = Duration::from_secs(1);
/// And at most: the reason may be gone sooner.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How often the engine may be lost while it has a request, until the request counts as what the engine is lost by.
const MAX_LOSSES: usize = 3;
/// How often it is looked for batches whose time is over.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// A batch that is being answered.
struct Open {
    owner: String,
    batch: Batch,
    /// Requests that nobody has begun with.
    left: VecDeque<u64>,
    running: HashSet<u64>,
    /// Ends those that are under way.
    end: CancellationToken,
}

/// A request that nobody works on any more.
struct Done {
    batch: String,
    number: u64,
    /// Whether its answer is kept, or it is not to have one.
    is_over: bool,
}

/// Answers what there is and what comes, for as long as the server runs.
pub(crate) async fn work(app: &AppState, router: Router) {
    let Some(batches) = app.batches() else { return std::future::pending().await };
    let mut open: Vec<Open> = Vec::new();
    let mut running: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
    let mut turn = 0;
    loop {
        if let Err(error) = refresh(app, batches, &mut open).await {
            tracing::error!(%error, "batches wait until this is mended");
        }
        loop {
            while running.len() < batches.config().concurrency
                && !app.is_draining()
                && let Some((at, number)) = next(&mut open, &mut turn)
            {
                running.push(Box::pin(answer(app.clone(), router.clone(), Asked::of(&open[at], number))));
            }
            let left: usize = open.iter().map(|open| open.left.len() + open.running.len()).sum();
            batches.left.store(left as u64, Ordering::Relaxed);
            tokio::select! {
                Some(done) = running.next() => {
                    let Some(open) = open.iter_mut().find(|open| open.batch.id == done.batch) else { continue };
                    open.running.remove(&done.number);
                    if !done.is_over {
                        open.left.push_back(done.number);
                    }
                    if open.left.is_empty() && open.running.is_empty() {
                        break;
                    }
                }
                () = batches.changed.notified() => break,
                () = tokio::time::sleep(LOOK_INTERVAL) => break,
            }
        }
    }
}

/// The next request, of the batch whose turn it is.
fn next(open: &mut [Open], turn: &mut usize) -> Option<(usize, u64)> {
    for _ in 0..open.len() {
        *turn = (*turn + 1) % open.len();
        let batch = &mut open[*turn];
        if let Some(number) = batch.left.pop_front() {
            batch.running.insert(number);
            return Some((*turn, number));
        }
    }
    None
}

/// Takes in what is new, and ends what has ended.
async fn refresh(app: &AppState, batches: &Batches, open: &mut Vec<Open>) -> Result<(), ApiError> {
    let known = batches.with(|store| store.open_batches()).await?;
    open.retain(|open| known.iter().any(|(_, batch)| batch.id == open.batch.id));
    for (owner, batch) in known {
        let batch = if batch.status == BatchStatus::Validating { validate(app, batches, batch).await? } else { batch };
        let at = match open.iter().position(|open| open.batch.id == batch.id) {
            _ if batch.status == BatchStatus::Failed => continue,
            Some(at) => at,
            None => {
                let id = batch.id.clone();
                let left = batches.with(move |store| store.unanswered(&id)).await?.into();
                let (running, end) = (HashSet::new(), CancellationToken::new());
                open.push(Open { owner, batch: batch.clone(), left, running, end });
                open.len() - 1
            }
        };
        let entry = &mut open[at];
        entry.batch = batch;
        let end = match entry.batch.status {
            BatchStatus::Cancelling => Some(BatchStatus::Cancelled),
            _ if entry.batch.expires_at.is_some_and(|expires| expires <= now()) => Some(BatchStatus::Expired),
            _ => None,
        };
        if end.is_some() {
            entry.left.clear();
            entry.end.cancel();
        }
        if entry.left.is_empty() && entry.running.is_empty() {
            let (owner, batch) = (entry.owner.clone(), entry.batch.clone());
            let (end, expires) = (end.unwrap_or(BatchStatus::Completed), batches.gone());
            batches.with(move |store| finish(store, &owner, &batch, end, expires)).await?;
            open.remove(at);
        }
    }
    let at = now();
    batches.with(move |store| store.retire(at)).await
}

/// Reads a batch's file.
async fn validate(app: &AppState, batches: &Batches, mut batch: Batch) -> Result<Batch, ApiError> {
    let requests = batches.config().max_requests;
    let bounds = Bounds { requests, bytes_per_request: app.limits().max_body_bytes };
    batches
        .with(move |store| {
            let file = store.content_of(&batch.input_file_id);
            match lines::check(&file, &batch.endpoint, bounds)? {
                Ok(lines) => {
                    // A crash may have come between this and the next.
                    store.delete_lines(&batch.id)?;
                    store.add_lines(&batch.id, &lines)?;
                    batch.status = BatchStatus::InProgress;
                    batch.in_progress_at = Some(now());
                    batch.request_counts.total = lines.len() as u64;
                }
                Err(errors) => {
                    batch.status = BatchStatus::Failed;
                    batch.failed_at = Some(now());
                    batch.errors = Some(BatchErrors { object: "list".to_owned(), data: errors });
                }
            }
            let changed = batch.clone();
            store.change(&batch.id, |kept| {
                // Somebody may have ended it meanwhile.
                if kept.status == BatchStatus::Validating {
                    *kept = changed;
                }
            })?;
            Ok(batch)
        })
        .await
}

/// Puts a batch's answers into files, and ends it.
fn finish(
    store: &mut Store,
    owner: &str,
    batch: &Batch,
    status: BatchStatus,
    expires: u64,
) -> Result<(), BatchStoreError> {
    let at = now();
    store.change(&batch.id, |batch| {
        if batch.status == BatchStatus::InProgress {
            batch.status = BatchStatus::Finalizing;
        }
        batch.finalizing_at = Some(at);
    })?;
    let reason = match status {
        BatchStatus::Cancelled => ("batch_cancelled", "The batch was cancelled before this request was answered."),
        _ => ("batch_expired", "The batch's time was over before this request was answered."),
    };
    let output = write(store, owner, batch, true, reason, expires)?;
    let errors = write(store, owner, batch, false, reason, expires)?;
    store.change(&batch.id, |kept| {
        kept.request_counts = batch.request_counts;
        (kept.status, kept.output_file_id, kept.error_file_id) = (status, output, errors);
        match status {
            BatchStatus::Cancelled => kept.cancelled_at = Some(at),
            BatchStatus::Expired => kept.expired_at = Some(at),
            _ => kept.completed_at = Some(at),
        }
    })?;
    store.delete_lines(&batch.id)
}

/// Writes the file of a batch's answers, or of those that did not come well; none where there is nothing.
fn write(
    store: &mut Store,
    owner: &str,
    batch: &Batch,
    are_good: bool,
    (code, message): (&str, &str),
    expires_at: u64,
) -> Result<Option<String>, BatchStoreError> {
    // The same name again after a crash: what was written then is replaced.
    let id = format!("file-{}{}", batch.id.trim_start_matches("batch_"), if are_good { "o" } else { "e" });
    let path = store.content_of(&id);
    let mut file = BufWriter::new(private::options().write(true).create(true).truncate(true).open(&path)?);
    let mut is_empty = true;
    store.answers(&batch.id, are_good, |answer| {
        is_empty = false;
        match answer {
            Ok(answer) => writeln!(file, "{answer}"),
            Err(custom_id) => {
                let error = BatchResultError { code: code.to_owned(), message: message.to_owned() };
                let id = identifier("batch_req_");
                let line = BatchResult { id, custom_id: custom_id.to_owned(), response: None, error: Some(error) };
                writeln!(file, "{}", serde_json::to_string(&line)?)
            }
        }
    })?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    let bytes = File::metadata(&file)?.len();
    if is_empty {
        std::fs::remove_file(path)?;
        return Ok(None);
    }
    let filename = format!("{}_{}.jsonl", batch.id, if are_good { "output" } else { "error" });
    let file = zyron_openapi::FileObject {
        id: id.clone(),
        object: "file".to_owned(),
        bytes,
        created_at: now(),
        expires_at,
        filename,
        purpose: OUTPUT.to_owned(),
        status: "processed".to_owned(),
    };
    if store.file(owner, &id)?.is_none() {
        store.add_file(owner, &file)?;
    }
    Ok(Some(id))
}

/// A request of a batch, as it is asked.
struct Asked {
    owner: String,
    batch: Batch,
    number: u64,
    end: CancellationToken,
}

impl Asked {
    fn of(open: &Open, number: u64) -> Self {
        let Open { owner, batch, end, .. } = open;
        Self { owner: owner.clone(), batch: batch.clone(), number, end: end.clone() }
    }
}

/// Has one request answered, and keeps the answer.
async fn answer(app: AppState, router: Router, asked: Asked) -> Done {
    let (batch, number, end) = (asked.batch.id.clone(), asked.number, asked.end.clone());
    let is_over = tokio::select! {
        kept = keep_answer(&app, router, asked) => kept.is_some(),
        () = end.cancelled() => true,
    };
    if !is_over {
        // The disk, or the server, is not what it should be.
        tokio::time::sleep(PAUSE).await;
    }
    Done { batch, number, is_over }
}

/// None where there is no answer, or it could not be kept.
async fn keep_answer(app: &AppState, router: Router, asked: Asked) -> Option<()> {
    let batches = app.batches()?;
    let Asked { owner, batch, number, .. } = asked;
    let (id, input) = (batch.id.clone(), batch.input_file_id.clone());
    let (custom_id, line) = batches.with(move |store| store.line(&id, number, &input)).await.ok()??;
    // It was one when the file was read.
    let line: BatchLine = serde_json::from_slice(&line).ok()?;
    let response = Some(ask(app, router, &owner, &batch, &line.body).await?);
    let status = response.as_ref().map_or(500, |response| response.status_code);
    let result = BatchResult { id: identifier("batch_req_"), custom_id, response, error: None };
    let text = serde_json::to_string(&result).ok()?;
    batches.with(move |store| store.answer(&batch.id, number, status, &text)).await.ok()
}

/// Asks until there is an answer other than that there is no place now; none where the server ends first.
async fn ask(app: &AppState, router: Router, owner: &str, batch: &Batch, body: &Value) -> Option<BatchResponse> {
    let left = batch.expires_at.map_or(0, |expires| expires.saturating_sub(now()));
    let deadline = Instant::now() + Duration::from_secs(left);
    let body = serde_json::to_string(body).ok()?;
    let mut losses = 0;
    while !app.is_draining() {
        let request_id = identifier("req_");
        let mut request = Request::post(&batch.endpoint)
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-request-id", &request_id)
            .body(Body::from(body.clone()))
            .ok()?;
        request.extensions_mut().insert(Background { key: app.keys().named(owner), deadline });
        let response = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = response.status();
        let after = response.headers().get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let bytes = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        losses += usize::from(is_engine_lost(&answer));
        let is_no_place = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if is_no_place && losses < MAX_LOSSES {
            tokio::time::sleep(after.map_or(PAUSE, Duration::from_secs).min(MAX_PAUSE)).await;
            continue;
        }
        return Some(BatchResponse { status_code: status.as_u16(), request_id, body: answer });
    }
    None
}

/// Whether a request ended with the engine that had it.
fn is_engine_lost(answer: &Value) -> bool {
    answer["error"]["code"] == ENGINE_LOST
}

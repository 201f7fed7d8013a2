//! The loop that runs the model: who is admitted, what each step computes, and what follows from it.
//!
//! First come, first served; but each third step the prompt that is first comes last, so that a short question behind a
//! long document is soon read. A request that was admitted stays, unless the cache's memory runs out: then the youngest
//! gives up its place, waits in front of the others, and is computed again later, from its prompt and what it has
//! generated. Its reader notices a pause.
//!
//! What nobody waits for (batches) runs only while nothing else does: it gives way within a step, which is kept short, and
//! goes on later with what is still there of it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use zyron_engine::{Active, EngineError, Model, Sequence, Step, Tokenizer};

use crate::Report;
use crate::kv_cache::{KvCache, Layout, Memory, Source, common_prefix};
use crate::load::BATCH;
use crate::pace::Pace;

/// Positions whose logits are taken in one step to score a prompt: a row of the vocabulary each.
const SCORED: usize = 32;
/// The prompt that is first comes last in one of so many steps. (To divide each step would be fairer, and slower:
/// llama.cpp takes a pass over the weights for each stream with another number of tokens.)
const TURNS: usize = 3;
/// Tokens with which it is measured how long a prompt takes.
const WARM_UP: usize = 32;

/// About how long a step may take that reads prompts alone: on a slow machine less of them is read in one, so that it is
/// seen to work, and a request that is cancelled is soon gone.
const LONGEST_STEP: Duration = Duration::from_secs(10);
/// How much of a prompt is read in a step that somebody may come in, for whom it is in the way.
const SHORT_STEP: Duration = Duration::from_millis(20);
/// But no less than this.
const LEAST_PIECE: usize = 8;

/// A request on its way to the scheduler.
pub(crate) struct Arrival {
    pub(crate) sequence: Sequence,
    pub(crate) active: Active,
}

/// A request, waiting or running.
struct Request {
    sequence: Sequence,
    /// The prompt and what was generated. The last may not be computed yet.
    tokens: Vec<u32>,
    /// Its place in the cache while it runs.
    slot: usize,
    /// The first position of the prompt that is not scored, while scores are wanted.
    to_score: Option<usize>,
    /// Whether it has run before: it was told then how much of its prompt was there already.
    has_run: bool,
    _active: Active,
}

/// What a step computes for a request: these of its tokens.
struct Part {
    /// The request's place in the cache.
    slot: usize,
    tokens: Range<usize>,
    /// Whether it is the one token that an answer goes on with, not a piece of a prompt.
    is_answer: bool,
    /// The place of the first in the batch.
    row: usize,
}

/// The loop's state.
pub(crate) struct Scheduler<'model> {
    context: LlamaContext<'model>,
    batch: LlamaBatch<'static>,
    model: Arc<Model>,
    kv_cache: KvCache,
    layout: Layout,
    slots: usize,
    pace: Pace,
    sequences: usize,
    /// Steps since prompts have been read without a break.
    turn: usize,
    waiting: VecDeque<Request>,
    /// Those that nobody waits for, while they wait.
    background: VecDeque<Request>,
    /// In the order in which they came.
    running: Vec<Request>,
}

/// Says at its end, through panics too, that nothing is served any more.
pub(crate) struct Ended<'report>(pub(crate) &'report Report);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::SeqCst);
    }
}

impl Memory for LlamaContext<'_> {
    fn copy(&mut self, from: usize, to: usize, tokens: usize) {
        // Streams are copied whole only.
        self.copy_cache(id(from), id(to), -1);
        Memory::truncate(self, to, tokens);
    }

    fn truncate(&mut self, slot: usize, tokens: usize) {
        // Fails for positions beyond 2^31 and for caches that cannot forget a part, which are refused at loading.
        let _ = self.clear_kv_cache_seq(u32::try_from(slot).ok(), u32::try_from(tokens).ok(), None);
    }
}

/// llama.cpp's numbers are 32 bits wide; there are 256 sequences at most.
fn id(slot: usize) -> i32 {
    i32::try_from(slot).unwrap_or(i32::MAX)
}

impl<'model> Scheduler<'model> {
    pub(crate) fn new(
        context: LlamaContext<'model>,
        model: Arc<Model>,
        layout: Layout,
        slots: usize,
        sequences: usize,
        stretch: f64,
        has_window: bool,
    ) -> Self {
        Self {
            context,
            batch: LlamaBatch::new(BATCH + slots, 1),
            model,
            kv_cache: KvCache::new(layout, slots, has_window),
            layout,
            slots,
            pace: Pace::new(BATCH, stretch, sequences, matches!(layout, Layout::Streams { .. })),
            sequences,
            turn: 0,
            waiting: VecDeque::new(),
            background: VecDeque::new(),
            running: Vec::new(),
        }
    }

    /// Computes a few tokens. What cannot be computed shows here, and how long things take.
    pub(crate) fn warm_up(&mut self) -> Result<(), EngineError> {
        // The first time is for what is allocated lazily.
        self.compute(0, WARM_UP)?;
        let took = self.compute(0, WARM_UP)?;
        self.compute(0, 1)?;
        let one = self.compute(0, 1)?;
        self.pace.record_first(one, (WARM_UP, took));
        if let Layout::Streams { .. } = self.layout
            && self.slots > 1
        {
            self.compute(1, 1)?;
            let without = self.compute(1, 1)?;
            self.context.copy_cache(1, 0, -1);
            let copying = self.compute(1, 1)?.saturating_sub(without);
            self.kv_cache.set_copy_cost(self.pace.tokens_in(copying));
        }
        self.context.clear_kv_cache();
        Ok(())
    }

    /// Computes `tokens` in a slot and forgets them.
    fn compute(&mut self, slot: usize, tokens: usize) -> Result<Duration, EngineError> {
        let failed = |what: &str| EngineError::Backend(what.to_owned());
        self.batch.clear();
        for position in 0..tokens {
            add(&mut self.batch, 0, position, slot, position + 1 == tokens);
        }
        let start = Instant::now();
        self.context.decode(&mut self.batch).map_err(|error| failed(&error.to_string()))?;
        self.context.synchronize();
        let took = start.elapsed();
        let logits = self.context.get_logits_ith(id(tokens - 1));
        if logits.len() < self.model.tokenizer.vocabulary_size() {
            return Err(failed("it has fewer logits than its tokenizer has tokens"));
        }
        if logits.iter().all(|logit| !logit.is_finite()) {
            return Err(EngineError::NoFiniteLogit);
        }
        Memory::truncate(&mut self.context, slot, 0);
        Ok(took)
    }

    /// Serves what arrives until nothing can any more.
    pub(crate) fn run(&mut self, arrivals: &Receiver<Arrival>, report: &Report) {
        // Said before the sequences are dropped, whose readers then know why.
        let _ended = Ended(report);
        while self.receive(arrivals) {
            self.drop_cancelled();
            self.give_way();
            let parts = self.plan();
            if !parts.is_empty() {
                self.step(parts);
                report.steps.fetch_add(1, Ordering::Relaxed);
            }
            let (used, kept) = self.kv_cache.held();
            report.used.store(used, Ordering::Relaxed);
            report.kept.store(kept, Ordering::Relaxed);
        }
    }

    /// Takes what has arrived, and waits for it where there is nothing else to do. False once the engine was dropped.
    fn receive(&mut self, arrivals: &Receiver<Arrival>) -> bool {
        let is_idle = self.running.is_empty() && self.waiting.is_empty() && self.background.is_empty();
        receive(arrivals, is_idle, |arrival| {
            let request = Request::new(arrival);
            self.queue_of(&request).push_back(request);
        })
    }

    fn drop_cancelled(&mut self) {
        for queue in [&mut self.waiting, &mut self.background] {
            queue.retain(|request| !request.sequence.is_cancelled());
        }
        let kv_cache = &mut self.kv_cache;
        self.running.retain(|request| {
            let stays = !request.sequence.is_cancelled();
            if !stays {
                kv_cache.close(request.slot);
            }
            stays
        });
    }

    /// Where a request waits.
    fn queue_of(&mut self, request: &Request) -> &mut VecDeque<Request> {
        if request.sequence.is_background() { &mut self.background } else { &mut self.waiting }
    }

    /// Whether there is nothing but what nobody waits for.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.iter().all(|request| request.sequence.is_background())
    }

    /// Takes from what nobody waits for its places, unless there is nothing else. What was computed of it stays in the cache
    /// as that of past requests does.
    fn give_way(&mut self) {
        if self.is_idle() {
            return;
        }
        while let Some(at) = self.running.iter().rposition(|request| request.sequence.is_background()) {
            let request = self.running.remove(at);
            self.kv_cache.close(request.slot);
            self.background.push_front(request);
        }
    }

    /// Lets in who waits, in order, as long as there is a place, memory for the whole prompt, and time to begin with it:
    /// one of the `tokens` that this step has for new prompts. Who came in, runs; a place is not held for waiting.
    fn admit(&mut self, mut tokens: usize) {
        while tokens > 0
            && self.running.len() < self.sequences
            && let Some(mut request) = self.take_waiting()
        {
            let opened = if self.awaits_prefix(&request) || !self.make_room_for(&request) {
                None
            } else {
                self.kv_cache.open(&request.tokens, request.reuses(), &mut self.context)
            };
            let Some(opened) = opened else {
                self.queue_of(&request).push_front(request);
                return;
            };
            request.slot = opened.slot;
            if !std::mem::replace(&mut request.has_run, true) {
                request.sequence.note_cached(opened.reused);
            }
            tokens -= request.piece(request.tokens.len() - opened.reused, tokens);
            self.running.push(request);
        }
    }

    /// Who is next.
    fn take_waiting(&mut self) -> Option<Request> {
        if self.is_idle() { self.background.pop_front() } else { self.waiting.pop_front() }
    }

    /// Moves one sequence a step, so that those that run are neighbours.
    fn close_gaps(&mut self) {
        let Some((from, to)) = self.kv_cache.closer() else { return };
        if let Some(request) = self.running.iter_mut().find(|request| request.slot == from) {
            self.kv_cache.relocate(from, to, &mut self.context);
            request.slot = to;
        }
    }

    /// Whether one that runs is about to compute more of a request's prompt than there is now.
    fn awaits_prefix(&self, request: &Request) -> bool {
        let Some((_, wanted)) = request.tokens.split_last().filter(|_| request.reuses()) else {
            return false;
        };
        let there = self.kv_cache.source(&request.tokens).map_or(0, |source| source.tokens);
        self.running.iter().any(|running| {
            let common = common_prefix(&running.tokens, wanted);
            common > self.kv_cache.len(running.slot) && self.kv_cache.shareable(common) > there
        })
    }

    /// Whether the memory for a request, and for what is left of the running ones' prompts, is or can be made free.
    fn make_room_for(&mut self, request: &Request) -> bool {
        let promised: usize = self.running.iter().map(|request| self.blocks_left(request)).sum();
        let wanted =
            |shared: usize| KvCache::blocks_for(shared, request.tokens.len() - shared + 1).saturating_add(promised);
        // Alone it may have all there is: what it needs was checked when it was accepted.
        let is_alone = self.running.is_empty();
        // What an idle slot would share takes memory that is counted as idle.
        let lent = self.source(request).filter(|source| self.kv_cache.is_busy(source.slot));
        let most = self.kv_cache.free_blocks().saturating_add(self.kv_cache.idle_blocks());
        if !is_alone && wanted(lent.map_or(0, |source| source.tokens)) > most {
            return false;
        }
        loop {
            let source = self.source(request);
            if self.kv_cache.free_blocks() >= wanted(source.map_or(0, |source| source.tokens)) {
                return true;
            }
            if !self.kv_cache.evict(source.map(|source| source.slot), &mut self.context) {
                return is_alone;
            }
        }
    }

    fn source(&self, request: &Request) -> Option<Source> {
        if request.reuses() { self.kv_cache.source(&request.tokens) } else { None }
    }

    fn blocks_left(&self, request: &Request) -> usize {
        let held = self.kv_cache.len(request.slot);
        KvCache::blocks_for(held, request.tokens.len().saturating_sub(held))
    }

    /// What the next step computes: a token for each answer, and as much of the prompts as that leaves time for.
    fn plan(&mut self) -> Vec<Part> {
        let reading = |request: &Request| self.tokens_left(request) > 1;
        let prompts = self.running.iter().filter(|request| reading(request)).count();
        let first = self.running.iter().position(reading);
        let decodes = self.running.len() - prompts;
        // One pass over the weights computes no more than a batch.
        let mut tokens = self.pace.chunk(decodes, prompts + self.waiting.len()).min(BATCH - decodes);
        // No less than what it is measured by, or one step that was disturbed would count for ever.
        tokens = tokens.min(self.pace.tokens_in(LONGEST_STEP).max(WARM_UP));
        if self.is_idle() {
            tokens = tokens.min(self.pace.tokens_in(SHORT_STEP).max(LEAST_PIECE));
        }
        self.turn = if first.is_some() { self.turn + 1 } else { 0 };
        let last = first.filter(|_| self.turn.is_multiple_of(TURNS));
        let (_, left) = self.pieces(tokens, last);
        self.admit(left);
        self.close_gaps();
        let (mut pieces, left) = self.pieces(tokens, last);
        if let Some(last) = last {
            let request = &self.running[last];
            pieces[last] = request.piece(self.tokens_left(request), left);
        }
        let mut parts = Vec::new();
        for (at, piece) in pieces.into_iter().enumerate() {
            // Those that came later may have given way.
            let Some(request) = self.running.get(at) else { break };
            let start = self.kv_cache.len(request.slot);
            if piece == 0 {
                continue;
            }
            let (slot, is_answer) = (request.slot, self.tokens_left(request) == 1);
            match self.grow(at, start..start + piece) {
                Some(tokens) => parts.push(Part { slot, tokens, is_answer, row: 0 }),
                // It was the youngest, and waits now.
                None => break,
            }
        }
        parts
    }

    fn tokens_left(&self, request: &Request) -> usize {
        request.tokens.len() - self.kv_cache.len(request.slot)
    }

    /// What each running request computes in this step, but for the one that comes `last`, where prompts may have `tokens`
    /// together; and how many of these are left.
    fn pieces(&self, mut tokens: usize, last: Option<usize>) -> (Vec<usize>, usize) {
        let piece = |(at, request): (usize, &Request)| match self.tokens_left(request) {
            1 => 1,
            _ if Some(at) == last => 0,
            left => {
                let piece = request.piece(left, tokens);
                tokens -= piece;
                piece
            }
        };
        (self.running.iter().enumerate().map(piece).collect(), tokens)
    }

    /// Makes room in the cache for a request's next tokens; who came later gives way. None where it had to itself.
    fn grow(&mut self, at: usize, tokens: Range<usize>) -> Option<Range<usize>> {
        loop {
            let request = &self.running[at];
            if self.kv_cache.grow(request.slot, &request.tokens[tokens.clone()]) {
                return Some(tokens);
            }
            if self.kv_cache.evict(None, &mut self.context) {
                continue;
            }
            let youngest = self.running.len() - 1;
            let request = self.running.remove(youngest);
            self.kv_cache.discard(request.slot, &mut self.context);
            self.queue_of(&request).push_front(request);
            if youngest == at {
                return None;
            }
        }
    }

    /// Computes the parts. Where each sequence has a stream of its own, prompts and answers are computed apart: llama.cpp
    /// computes the streams of a pass as if all were as long as the longest, which a prompt often is.
    fn step(&mut self, parts: Vec<Part>) {
        let decodes = parts.iter().filter(|part| part.is_answer).count();
        let prefill = parts.iter().map(|part| part.tokens.len()).sum::<usize>() - decodes;
        if matches!(self.layout, Layout::Streams { .. }) && decodes > 0 && prefill > 0 {
            let (answers, prompts) = parts.into_iter().partition(|part| part.is_answer);
            let Some(took) = self.pass(prompts) else { return };
            self.pace.record_beside(prefill, took);
            let Some(took) = self.pass(answers) else { return };
            self.pace.record(decodes, 0, took);
        } else {
            let Some(took) = self.pass(parts) else { return };
            self.pace.record(decodes, prefill, took);
        }
    }

    /// Computes parts and hands out what comes of them. What it took to compute them; None where that failed.
    fn pass(&mut self, mut parts: Vec<Part>) -> Option<Duration> {
        let filled = self.fill_batch(&mut parts);
        let start = Instant::now();
        let computed = self.context.decode(&mut self.batch);
        self.context.synchronize();
        for slot in filled {
            Memory::truncate(&mut self.context, slot, self.kv_cache.len(slot));
        }
        if let Err(error) = computed {
            tracing::error!(%error, "llama.cpp could not compute a step");
            self.fail_all(&error.to_string());
            return None;
        }
        let took = start.elapsed();
        let decodes = parts.iter().filter(|part| part.is_answer).count();
        let tokens = self.batch.n_tokens();
        self.take_logits(parts);
        tracing::trace!(decodes, tokens, ?took, sampling = ?start.elapsed().saturating_sub(took), "pass");
        Some(took)
    }

    /// Puts the parts into the batch, by slot: llama.cpp computes streams together only where they are neighbours and
    /// in order. Returns the slots that were filled with a token of no meaning, to be forgotten again.
    fn fill_batch(&mut self, parts: &mut [Part]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&part| parts[part].slot);
        let mut filled = Vec::new();
        let mut last: Option<usize> = None;
        let are_answers = parts.iter().all(|part| part.is_answer);
        // Streams that do nothing are computed along rather than split a batch, as long as that takes less than a pass.
        let worth = self.pace.worth_a_pass();
        // What would be computed along must not make all of them longer.
        let longest = parts.iter().map(|part| part.tokens.start).max().unwrap_or(0);
        self.batch.clear();
        for part in order {
            let part = &mut parts[part];
            let Some(request) = self.running.iter().find(|request| request.slot == part.slot) else { continue };
            let gap = last.map_or(0..0, |last| last + 1..part.slot);
            if matches!(self.layout, Layout::Streams { .. })
                && are_answers
                && gap.len() <= worth
                && gap.clone().all(|slot| self.kv_cache.len(slot) <= longest)
            {
                for slot in gap {
                    add(&mut self.batch, 0, self.kv_cache.len(slot), slot, false);
                    filled.push(slot);
                }
            }
            part.row = usize::try_from(self.batch.n_tokens()).unwrap_or(0);
            for position in part.tokens.clone() {
                let logits = position >= request.first_wanted();
                add(&mut self.batch, request.tokens[position], position, request.slot, logits);
            }
            last = Some(request.slot);
        }
        filled
    }

    /// Hands each request its logits, and lets go of those that are done.
    fn take_logits(&mut self, parts: Vec<Part>) {
        let tokenizer = &self.model.tokenizer;
        let context = &self.context;
        let mut parts = parts.into_iter().peekable();
        let mut work: Vec<(usize, &mut Request, usize, Vec<&[f32]>)> = Vec::new();
        for (at, request) in self.running.iter_mut().enumerate() {
            let Some(Part { tokens, row, .. }) = parts.next_if(|part| part.slot == request.slot) else { continue };
            let first = request.first_wanted().max(tokens.start);
            let rows = (first..tokens.end).map(|position| context.get_logits_ith(id(row + position - tokens.start)));
            // Weights are often padded beyond the vocabulary; those logits mean nothing.
            let rows: Vec<&[f32]> = rows.map(|row| &row[..row.len().min(tokenizer.vocabulary_size())]).collect();
            if !rows.is_empty() {
                work.push((at, request, first, rows));
            }
        }
        let take = |(at, request, first, rows): (usize, &mut Request, usize, Vec<&[f32]>)| {
            // A panic in one request is that request's end, and no other's.
            let next = catch_unwind(AssertUnwindSafe(|| request.take(first, &rows, tokenizer)));
            (at, next.unwrap_or(Next::Done))
        };
        let taken: Vec<(usize, Next)> = match work.len() {
            1 => work.into_iter().map(take).collect(),
            _ => work.into_par_iter().map(take).collect(),
        };
        for (at, next) in taken.into_iter().rev() {
            if next == Next::Done {
                let request = self.running.remove(at);
                self.kv_cache.close(request.slot);
            }
        }
    }

    /// Ends all that runs: nobody knows what the cache holds now.
    fn fail_all(&mut self, error: &str) {
        for mut request in self.running.drain(..) {
            request.sequence.fail(EngineError::Backend(error.to_owned()));
            self.kv_cache.close(request.slot);
        }
        while self.kv_cache.evict(None, &mut self.context) {}
        self.context.clear_kv_cache();
    }
}

/// Takes what has arrived, and waits for the first of it where there is nothing else to do. False once the engine was
/// dropped.
pub(crate) fn receive(arrivals: &Receiver<Arrival>, mut is_idle: bool, mut take: impl FnMut(Arrival)) -> bool {
    loop {
        let arrival =
            if is_idle { arrivals.recv().map_err(|_| TryRecvError::Disconnected) } else { arrivals.try_recv() };
        match arrival {
            Ok(arrival) => take(arrival),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
        is_idle = false;
    }
}

fn add(batch: &mut LlamaBatch<'_>, token: u32, position: usize, slot: usize, logits: bool) {
    // Ids were checked against the vocabulary, and the batch holds a token for each slot beside a prompt's piece.
    let token = LlamaToken(i32::try_from(token).unwrap_or(0));
    let added = batch.add(token, id(position), &[id(slot)], logits);
    debug_assert!(added.is_ok(), "the batch is full");
}

/// How a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    On,
    Done,
}

impl Request {
    fn new(Arrival { sequence, active }: Arrival) -> Self {
        let tokens = sequence.prompt().to_vec();
        let to_score = sequence.wants_prompt_logits().then_some(0);
        Self { sequence, tokens, slot: 0, to_score, has_run: false, _active: active }
    }

    /// Whether it may begin with what others have computed: not where all of its prompt's logits are wanted.
    fn reuses(&self) -> bool {
        self.to_score.is_none()
    }

    /// How many of its `left` tokens it computes in a step that has `most` for it.
    fn piece(&self, left: usize, most: usize) -> usize {
        left.min(most).min(if self.to_score.is_some() { SCORED } else { BATCH })
    }

    /// The first position whose logits are wanted.
    fn first_wanted(&self) -> usize {
        self.to_score.unwrap_or(self.tokens.len() - 1)
    }

    /// Takes the logits after its tokens from position `first` on: of those that are scored, and of the last.
    fn take(&mut self, first: usize, rows: &[&[f32]], tokenizer: &Tokenizer) -> Next {
        for (position, row) in (first..).zip(rows) {
            let step = if position + 1 < self.tokens.len() {
                self.score(position, row).map(|()| None)
            } else {
                self.choose(row, tokenizer).map(Some)
            };
            match step.unwrap_or_else(|error| Some(self.sequence.fail(error))) {
                None => {}
                Some(Step::Continue(token)) => self.tokens.push(token),
                Some(Step::Done) => return Next::Done,
            }
        }
        Next::On
    }

    fn score(&mut self, position: usize, row: &[f32]) -> Result<(), EngineError> {
        self.to_score = Some(position + 1);
        self.sequence.score(row)
    }

    fn choose(&mut self, row: &[f32], tokenizer: &Tokenizer) -> Result<Step, EngineError> {
        thread_local! {
            static LOGITS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        if self.to_score.take().is_some() {
            self.sequence.finish_scoring()?;
        }
        if self.sequence.only_reads() {
            return Ok(self.sequence.end());
        }
        // llama.cpp's own are not ours to change.
        Ok(LOGITS.with_borrow_mut(|logits| {
            logits.clear();
            logits.extend_from_slice(row);
            self.sequence.step(logits, tokenizer)
        }))
    }
}

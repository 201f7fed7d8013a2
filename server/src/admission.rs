//! Who may run, and who waits: as many requests as the engine serves with profit, and a bounded queue before it.
//!
//! A request that cannot be served soon is refused at once, before any byte of an answer, so that its client can go
//! elsewhere. Each key has its share: a free place goes to the key that has the fewest running, of several to the one
//! whose last turn is the longest ago, and of its requests to the first that came; when the queue is full, the key that
//! waits with the most gives up its last. With one key, or none, that is first come, first served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::config::AdmissionConfig;
use crate::error::ApiError;

/// How often it is looked whether nobody asks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The queue before the engine.
pub(crate) struct Admission(Arc<Inner>);

struct Inner {
    parallelism: usize,
    max_queue: usize,
    max_queue_tokens: u64,
    queue_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of each key that runs or waits with any.
    shares: HashMap<Arc<str>, Share>,
    turns: u64,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    /// How long requests take, as a moving average.
    service: Option<Duration>,
    refused: Refused,
}

/// How many were refused.
#[derive(Default)]
struct Refused {
    /// The queue had no place for one more.
    full: u64,
    /// The turn did not come within the time that a request may wait.
    waited: u64,
    /// It could not come within the time that the client gives.
    hopeless: u64,
}

#[derive(Default)]
struct Share {
    running: usize,
    /// Which turn of all was its last.
    last_turn: u64,
}

struct Waiting {
    key: Arc<str>,
    tokens: u64,
    /// It was admitted before, for another answer: it takes no place in the queue, and is not refused.
    is_next: bool,
    turn: oneshot::Sender<Result<Permit, ApiError>>,
}

/// How things stand in a queue.
pub(crate) struct Load {
    pub(crate) running: usize,
    pub(crate) running_limit: usize,
    pub(crate) waiting: usize,
    pub(crate) waiting_limit: usize,
    pub(crate) waiting_tokens: u64,
    /// How many were refused since the start, for each reason.
    pub(crate) refused: [(&'static str, u64); 3],
}

/// Who asks to run, and with how much.
#[derive(Clone)]
pub(crate) struct Applicant {
    /// Whose share it is of.
    pub(crate) key: Arc<str>,
    /// The prompt's tokens, as far as they are known.
    pub(crate) tokens: u64,
    /// When it is too late to begin.
    pub(crate) deadline: Instant,
    /// Whether nobody waits for the answer.
    pub(crate) is_background: bool,
}

/// The right to run one request. Dropping it lets the next one in.
pub(crate) struct Permit {
    key: Arc<str>,
    since: Instant,
    admission: Arc<Inner>,
}

impl Admission {
    pub(crate) fn new(config: &AdmissionConfig, parallelism: usize) -> Self {
        Self(Arc::new(Inner {
            parallelism,
            max_queue: config.max_queue,
            max_queue_tokens: config.max_queue_tokens,
            queue_timeout: Duration::from_millis(config.queue_timeout_ms),
            state: Mutex::default(),
        }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] when the queue is full, or the turn does not come in time; [`ApiError::Timeout`] when
    /// the request's own time is over.
    pub(crate) async fn admit(&self, applicant: Applicant) -> Result<Permit, ApiError> {
        let deadline = applicant.deadline;
        let turn = self.0.enter(applicant, false)?;
        let latest = deadline.min(Instant::now() + self.0.queue_timeout);
        match tokio::time::timeout_at(latest.into(), turn).await {
            Ok(turn) => turn.unwrap_or(Err(ApiError::Draining)),
            Err(_) if latest == deadline => Err(ApiError::Timeout),
            Err(_) => {
                let mut state = self.0.state();
                state.refused.waited += 1;
                Err(self.0.overloaded(&state))
            }
        }
    }

    /// Waits until nobody runs or waits.
    pub(crate) async fn until_idle(&self) {
        loop {
            let Load { running, waiting, .. } = self.load();
            if running + waiting == 0 {
                return;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// How things stand.
    pub(crate) fn load(&self) -> Load {
        let state = self.0.state();
        let Refused { full, waited, hopeless } = state.refused;
        Load {
            running: state.count_running(),
            running_limit: self.0.parallelism,
            waiting: state.queue().count(),
            waiting_limit: self.0.max_queue,
            waiting_tokens: state.queue().map(|waiting| waiting.tokens).sum(),
            refused: [("queue_full", full), ("queue_timeout", waited), ("too_little_time", hopeless)],
        }
    }

    /// Waits for a turn of a further answer of a request that was admitted: it came in time, so it is not refused now.
    pub(crate) async fn admit_next(&self, applicant: Applicant) -> Result<Permit, ApiError> {
        self.0.enter(applicant, true)?.await.unwrap_or(Err(ApiError::Draining))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the queue, and leaves it at once where there is room to run.
    fn enter(
        self: &Arc<Self>,
        applicant: Applicant,
        is_next: bool,
    ) -> Result<oneshot::Receiver<Result<Permit, ApiError>>, ApiError> {
        let (turn, waits) = oneshot::channel();
        let Applicant { key, tokens, deadline, .. } = applicant;
        let mut evicted = None;
        {
            let mut state = self.state();
            let must_wait = state.count_running() >= self.parallelism;
            if must_wait && !is_next {
                let is_hopeless = self.wait(&state) > deadline.saturating_duration_since(Instant::now());
                if is_hopeless {
                    state.refused.hopeless += 1;
                    return Err(self.overloaded(&state));
                }
                if state.is_full(self, tokens, None) {
                    // Either this one, or another in its place.
                    state.refused.full += 1;
                    evicted = Some(state.make_room(self, &key, tokens).ok_or_else(|| self.overloaded(&state))?);
                }
            }
            state.waiting.push(Waiting { key, tokens, is_next, turn });
        }
        if let Some(evicted) = evicted {
            let error = self.overloaded(&self.state());
            let _ = evicted.turn.send(Err(error));
        }
        self.call_up();
        Ok(waits)
    }

    /// Lets in whoever is next while there is room.
    fn call_up(self: &Arc<Self>) {
        loop {
            let Some(next) = self.state().take_next(self.parallelism) else { return };
            let permit = Permit { key: next.key, since: Instant::now(), admission: Arc::clone(self) };
            // Whoever has gone gives the permit back by dropping it.
            let _ = next.turn.send(Ok(permit));
        }
    }

    /// How long one waits that comes now, as far as recent requests tell: until as many have ended as wait, and one more.
    fn wait(&self, state: &State) -> Duration {
        let turns = u32::try_from(state.queue().count() + 1).unwrap_or(u32::MAX);
        let at_once = u32::try_from(self.parallelism.max(1)).unwrap_or(u32::MAX);
        state.service.unwrap_or_default().saturating_mul(turns) / at_once
    }

    /// Says when to come back: once the queue has been served.
    fn overloaded(&self, state: &State) -> ApiError {
        ApiError::Overloaded(self.wait(state).clamp(Duration::from_secs(1), Duration::from_secs(60)))
    }
}

impl State {
    fn count_running(&self) -> usize {
        self.shares.values().map(|share| share.running).sum()
    }

    /// Those that wait for their first turn and have not gone.
    fn queue(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter().filter(|waiting| !waiting.is_next && !waiting.turn.is_closed())
    }

    /// Whether one more with so many tokens is too much, once `gone` has left. An empty queue takes any.
    fn is_full(&self, admission: &Inner, tokens: u64, gone: Option<&Waiting>) -> bool {
        let stays = |waiting: &&Waiting| gone.is_none_or(|gone| !std::ptr::eq(*waiting, gone));
        let (count, waiting) =
            self.queue().filter(stays).fold((0, 0), |(count, sum), waiting| (count + 1, sum + waiting.tokens));
        count >= admission.max_queue || (count > 0 && waiting + tokens > admission.max_queue_tokens)
    }

    /// Takes out of the queue what the key that waits with the most asked for last, if that makes room for one of
    /// `key` and leaves the other with no fewer.
    fn make_room(&mut self, admission: &Inner, key: &Arc<str>, tokens: u64) -> Option<Waiting> {
        let (greedy, count) = self.greediest()?;
        if count <= self.count_of(key) + 1 {
            return None;
        }
        let is_last = |waiting: &Waiting| !waiting.is_next && !waiting.turn.is_closed() && waiting.key == greedy;
        let last = self.waiting.iter().rposition(is_last)?;
        (!self.is_full(admission, tokens, Some(&self.waiting[last]))).then(|| self.waiting.remove(last))
    }

    /// A key that neither runs nor waits has no share, so there are never more of them than requests.
    fn forget_idle(&mut self) {
        let Self { shares, waiting, .. } = self;
        shares.retain(|key, share| share.running > 0 || waiting.iter().any(|waiting| waiting.key == *key));
    }

    fn count_of(&self, key: &Arc<str>) -> usize {
        self.queue().filter(|waiting| waiting.key == *key).count()
    }

    fn greediest(&self) -> Option<(Arc<str>, usize)> {
        let mut counts = HashMap::<&Arc<str>, usize>::new();
        for waiting in self.queue() {
            *counts.entry(&waiting.key).or_default() += 1;
        }
        counts.into_iter().max_by_key(|&(_, count)| count).map(|(key, count)| (Arc::clone(key), count))
    }

    /// Whose turn it is, if there is room: of the key that runs the fewest, and had its last turn first.
    fn take_next(&mut self, parallelism: usize) -> Option<Waiting> {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
        if self.count_running() >= parallelism {
            return None;
        }
        let rank = |waiting: &Waiting| self.shares.get(&waiting.key).map(|share| (share.running, share.last_turn));
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| rank(waiting))?;
        let next = self.waiting.remove(at);
        self.turns += 1;
        let share = self.shares.entry(Arc::clone(&next.key)).or_default();
        (share.running, share.last_turn) = (share.running + 1, self.turns);
        Some(next)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.admission.state();
            let took = self.since.elapsed();
            state.service = Some(state.service.map_or(took, |average| average - average / 8 + took / 8));
            if let Some(share) = state.shares.get_mut(&self.key) {
                share.running -= 1;
            }
            state.forget_idle();
        }
        self.admission.call_up();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn admission(max_queue: usize) -> Admission {
        with(max_queue, 1_000_000, 60_000)
    }

    fn with(max_queue: usize, max_queue_tokens: u64, queue_timeout_ms: u64) -> Admission {
        Admission::new(&AdmissionConfig { max_queue, max_queue_tokens, queue_timeout_ms }, 1)
    }

    fn of(key: &str) -> Applicant {
        Applicant {
            key: key.into(),
            tokens: 10,
            deadline: Instant::now() + Duration::from_secs(60),
            is_background: false,
        }
    }

    #[tokio::test]
    async fn one_runs_one_waits_and_the_next_is_refused() {
        let admission = admission(1);
        let running = admission.admit(of("a")).await.unwrap();
        let mut waiting = Box::pin(admission.admit(of("a")));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(
            matches!(admission.admit(of("a")).await, Err(ApiError::Overloaded(after)) if after >= Duration::from_secs(1))
        );
        drop(running);
        let second = waiting.await.unwrap();
        drop(second);
        admission.admit(of("a")).await.unwrap();
    }

    #[tokio::test]
    async fn giving_up_frees_the_place() {
        let admission = admission(1);
        let _running = admission.admit(of("a")).await.unwrap();
        let mut waiting = Box::pin(admission.admit(of("a")));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        assert_eq!(admission.0.state().queue().count(), 0);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_is_refused() {
        let admission = with(1, 1_000_000, 1);
        let _running = admission.admit(of("a")).await.unwrap();
        assert!(matches!(admission.admit(of("a")).await, Err(ApiError::Overloaded(_))));
    }

    #[tokio::test]
    async fn turns_come_in_order() {
        let admission = admission(2);
        let running = admission.admit(of("a")).await.unwrap();
        let mut first = Box::pin(admission.admit(of("a")));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(admission.admit(of("a")));
        assert!(second.as_mut().now_or_never().is_none());
        drop(running);
        assert!(second.as_mut().now_or_never().is_none(), "the second overtook the first");
        let first = first.await.unwrap();
        drop(first);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_key_with_little_comes_before_one_with_much() {
        let admission = admission(8);
        let running = admission.admit(of("greedy")).await.unwrap();
        let mut greedy = [Box::pin(admission.admit(of("greedy"))), Box::pin(admission.admit(of("greedy")))];
        assert!(greedy.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
        let mut modest = Box::pin(admission.admit(of("modest")));
        assert!(modest.as_mut().now_or_never().is_none());
        drop(running);
        let modest = modest.await.unwrap();
        assert!(greedy.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
        drop(modest);
        let [first, second] = greedy;
        drop(first.await.unwrap());
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_free_place_goes_to_the_key_that_runs_the_fewest() {
        let admission = with_two();
        let running = (admission.admit(of("greedy")).await.unwrap(), admission.admit(of("greedy")).await.unwrap());
        let mut greedy = Box::pin(admission.admit(of("greedy")));
        assert!(greedy.as_mut().now_or_never().is_none());
        let mut modest = Box::pin(admission.admit(of("modest")));
        assert!(modest.as_mut().now_or_never().is_none());
        drop(running.0);
        let modest = modest.await.unwrap();
        assert!(greedy.as_mut().now_or_never().is_none(), "the greedy key was served before the modest one");
        drop(modest);
        greedy.await.unwrap();
    }

    fn with_two() -> Admission {
        Admission::new(&AdmissionConfig { max_queue: 8, max_queue_tokens: 1000, queue_timeout_ms: 60_000 }, 2)
    }

    #[tokio::test]
    async fn a_full_queue_has_room_for_whoever_waits_with_less() {
        let admission = admission(2);
        let _running = admission.admit(of("greedy")).await.unwrap();
        let mut first = Box::pin(admission.admit(of("greedy")));
        assert!(first.as_mut().now_or_never().is_none());
        let mut last = Box::pin(admission.admit(of("greedy")));
        assert!(last.as_mut().now_or_never().is_none());
        assert!(matches!(admission.admit(of("greedy")).await, Err(ApiError::Overloaded(_))));
        let mut modest = Box::pin(admission.admit(of("modest")));
        assert!(modest.as_mut().now_or_never().is_none(), "the modest key has a place");
        assert!(matches!(last.await, Err(ApiError::Overloaded(_))));
        // Now both wait with one, and neither loses it to another.
        assert!(matches!(admission.admit(of("greedy")).await, Err(ApiError::Overloaded(_))));
        assert!(matches!(admission.admit(of("modest")).await, Err(ApiError::Overloaded(_))));
        assert!(first.as_mut().now_or_never().is_none());
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_tokens() {
        let admission = with(8, 15, 60_000);
        let _running = admission.admit(of("a")).await.unwrap();
        let mut waiting = Box::pin(admission.admit(of("a")));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(admission.admit(of("a")).await, Err(ApiError::Overloaded(_))));
    }

    #[tokio::test]
    async fn a_request_without_time_is_refused_at_once_or_when_its_time_is_over() {
        let admission = admission(8);
        let hurried = |ms| Applicant { deadline: Instant::now() + Duration::from_millis(ms), ..of("a") };
        let running = admission.admit(of("a")).await.unwrap();
        assert!(matches!(admission.admit(hurried(1)).await, Err(ApiError::Timeout)));
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(running);
        // By now it is known how long one runs.
        let _running = admission.admit(of("a")).await.unwrap();
        let refused = admission.admit(hurried(10)).now_or_never();
        assert!(matches!(refused, Some(Err(ApiError::Overloaded(_)))));
    }
}

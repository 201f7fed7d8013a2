//! Who may run, and who waits: as many requests as the engine serves with profit, and a bounded queue before it.
//!
//! A request that cannot be served soon is refused at once, before any byte of an answer, so that its client can go
//! elsewhere. First come, first served.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::AdmissionConfig;
use crate::error::ApiError;

/// The queue before the engine.
pub(crate) struct Admission {
    running: Arc<Semaphore>,
    parallelism: usize,
    waiting: AtomicUsize,
    max_queue: usize,
    queue_timeout: Duration,
    service: Arc<ServiceTime>,
}

/// The right to run one request. Dropping it lets the next one in.
pub(crate) struct Permit {
    _running: OwnedSemaphorePermit,
    since: Instant,
    service: Arc<ServiceTime>,
}

impl Admission {
    pub(crate) fn new(config: &AdmissionConfig, parallelism: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(parallelism)),
            parallelism,
            waiting: AtomicUsize::new(0),
            max_queue: config.max_queue,
            queue_timeout: Duration::from_millis(config.queue_timeout_ms),
            service: Arc::default(),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] when the queue is full, or the turn does not come in time.
    pub(crate) async fn admit(&self) -> Result<Permit, ApiError> {
        // Never ahead of those who wait: a permit that is given back goes to the first of them, not to the pool.
        if let Ok(running) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(self.permit(running));
        }
        let _place = Place::take(self)?;
        match tokio::time::timeout(self.queue_timeout, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(running)) => Ok(self.permit(running)),
            Ok(Err(_)) => Err(ApiError::Draining),
            Err(_) => Err(self.overloaded()),
        }
    }

    /// Waits for a turn of a further answer of a request that was admitted: it came in time, so it is not refused now.
    pub(crate) async fn admit_next(&self) -> Result<Permit, ApiError> {
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| ApiError::Draining)?;
        Ok(self.permit(running))
    }

    fn permit(&self, running: OwnedSemaphorePermit) -> Permit {
        Permit { _running: running, since: Instant::now(), service: Arc::clone(&self.service) }
    }

    /// Says when to come back: once the queue has been served, as far as recent requests tell.
    fn overloaded(&self) -> ApiError {
        let rounds = self.waiting.load(Ordering::SeqCst) / self.parallelism + 1;
        let wait = self.service.average() * u32::try_from(rounds).unwrap_or(u32::MAX);
        ApiError::Overloaded(wait.clamp(Duration::from_secs(1), Duration::from_secs(60)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.service.record(self.since.elapsed());
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(admission: &'a Admission) -> Result<Self, ApiError> {
        let taken = admission.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |waiting| {
            (waiting < admission.max_queue).then_some(waiting + 1)
        });
        taken.map(|_| Self(&admission.waiting)).map_err(|_| admission.overloaded())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How long requests take, as a moving average.
#[derive(Default)]
struct ServiceTime {
    micros: AtomicU64,
}

impl ServiceTime {
    fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let old = self.micros.load(Ordering::Relaxed);
        // Two requests that end together may lose one update, which an estimate can bear.
        let new = if old == 0 { took } else { old - old / 8 + took / 8 };
        self.micros.store(new, Ordering::Relaxed);
    }

    fn average(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn admission(max_queue: usize) -> Admission {
        Admission::new(&AdmissionConfig { max_queue, queue_timeout_ms: 60_000 }, 1)
    }

    #[tokio::test]
    async fn one_runs_one_waits_and_the_next_is_refused() {
        let admission = admission(1);
        let running = admission.admit().await.unwrap();
        let mut waiting = Box::pin(admission.admit());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(admission.admit().await, Err(ApiError::Overloaded(after)) if after >= Duration::from_secs(1)));
        drop(running);
        let second = waiting.await.unwrap();
        drop(second);
        admission.admit().await.unwrap();
    }

    #[tokio::test]
    async fn giving_up_frees_the_place() {
        let admission = admission(1);
        let _running = admission.admit().await.unwrap();
        let mut waiting = Box::pin(admission.admit());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        assert_eq!(admission.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_is_refused() {
        let admission = Admission::new(&AdmissionConfig { max_queue: 1, queue_timeout_ms: 1 }, 1);
        let _running = admission.admit().await.unwrap();
        assert!(matches!(admission.admit().await, Err(ApiError::Overloaded(_))));
    }

    #[tokio::test]
    async fn turns_come_in_order() {
        let admission = admission(2);
        let running = admission.admit().await.unwrap();
        let mut first = Box::pin(admission.admit());
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(admission.admit());
        assert!(second.as_mut().now_or_never().is_none());
        drop(running);
        assert!(second.as_mut().now_or_never().is_none(), "the second overtook the first");
        let first = first.await.unwrap();
        drop(first);
        second.await.unwrap();
    }
}

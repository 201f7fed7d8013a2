//! Notices an engine that hangs, or has ended by itself, and has its model loaded again (`models.rs`).
//!
//! A hung thread cannot be ended: it keeps its memory, and maybe a core, until it ends by itself or the process does.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;
use zyron_engine::{Engine, Progress};

use crate::serving::Serving;
use crate::state::AppState;

/// The longest time from one look to the next.
const MAX_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked, at least, in the time after which an engine counts as hung.
const LOOKS: u32 = 8;

/// Why an engine is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// It has requests, and makes no step.
    Hung,
    /// It has ended by itself: its thread panicked.
    Ended,
}

impl Fault {
    /// All there are.
    pub(crate) const ALL: [Self; 2] = [Self::Hung, Self::Ended];

    /// Its name in metrics and in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hung => "hung",
            Self::Ended => "ended",
        }
    }
}

/// Looks at the engines again and again, for as long as the server runs.
pub(crate) async fn watch(app: &AppState) {
    let patience = Patience::new(app);
    let mut watched: Vec<(Weak<Serving>, Silence)> = Vec::new();
    loop {
        watched.retain(|(serving, _)| serving.strong_count() > 0);
        for serving in app.models().with_engines() {
            let silence = silence_of(&mut watched, &serving);
            if let Some(fault) = silence.look(&*serving.engine, Instant::now(), &patience) {
                app.give_up(&serving, fault);
            }
        }
        tokio::select! {
            () = app.models().suspected() => {}
            () = tokio::time::sleep(patience.interval) => {}
        }
    }
}

fn silence_of<'watched>(
    watched: &'watched mut Vec<(Weak<Serving>, Silence)>,
    serving: &Arc<Serving>,
) -> &'watched mut Silence {
    let known = watched.iter().position(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(serving)));
    let at = known.unwrap_or(watched.len());
    if known.is_none() {
        watched.push((Arc::downgrade(serving), Silence::default()));
    }
    &mut watched[at].1
}

/// How long an engine may be silent.
struct Patience {
    /// None where it may be for ever.
    step: Option<Duration>,
    /// While it reads a prompt at once.
    long_step: Duration,
    /// From one look to the next.
    interval: Duration,
}

impl Patience {
    fn new(app: &AppState) -> Self {
        let timeout = Duration::from_millis(app.config().engine.hang_timeout_ms);
        // Who asked has left by then.
        let request = Duration::from_millis(app.limits().request_timeout_ms);
        Self::of(timeout, request)
    }

    fn of(timeout: Duration, request: Duration) -> Self {
        let step = (!timeout.is_zero()).then_some(timeout);
        let interval = step.map_or(MAX_INTERVAL, |step| step / LOOKS);
        Self { step, long_step: timeout + request, interval: interval.clamp(Duration::from_millis(1), MAX_INTERVAL) }
    }

    fn with(&self, progress: Progress) -> Option<Duration> {
        self.step.map(|step| if progress.is_long { self.long_step } else { step })
    }
}

/// For how long an engine that has requests has made no step.
#[derive(Default)]
struct Silence {
    steps: u64,
    lasts: Duration,
    looked: Option<Instant>,
}

impl Silence {
    /// What is wrong with an engine that is looked at `now`, if anything is.
    fn look(&mut self, engine: &dyn Engine, now: Instant, patience: &Patience) -> Option<Fault> {
        if engine.has_ended() {
            return Some(Fault::Ended);
        }
        let progress = engine.progress()?;
        let since = self.looked.replace(now).map_or(Duration::ZERO, |looked| now.duration_since(looked));
        if engine.active() == 0 || progress.steps != self.steps {
            (self.steps, self.lasts) = (progress.steps, Duration::ZERO);
            return None;
        }
        // A process that was stopped for a while, or a machine, is not to be taken for an engine that hangs.
        self.lasts += since.min(2 * patience.interval);
        (self.lasts >= patience.with(progress)?).then_some(Fault::Hung)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

    use zyron_engine::{GenerateRequest, Generation, Sequence};

    use super::*;

    #[derive(Default)]
    struct Told {
        active: AtomicUsize,
        steps: AtomicU64,
        is_long: AtomicBool,
        has_ended: AtomicBool,
    }

    impl Engine for Told {
        fn name(&self) -> &'static str {
            "told"
        }

        fn parallelism(&self) -> usize {
            1
        }

        fn context_length(&self) -> usize {
            1
        }

        fn active(&self) -> usize {
            self.active.load(Ordering::SeqCst)
        }

        fn progress(&self) -> Option<Progress> {
            let (steps, is_long) = (self.steps.load(Ordering::SeqCst), self.is_long.load(Ordering::SeqCst));
            Some(Progress { steps, is_long })
        }

        fn has_ended(&self) -> bool {
            self.has_ended.load(Ordering::SeqCst)
        }

        fn generate(&self, request: GenerateRequest) -> Generation {
            Sequence::start(request).1
        }
    }

    /// Looks each second, `seconds` times, and says what was found first and when.
    fn looks(
        silence: &mut Silence,
        engine: &Told,
        start: Instant,
        seconds: std::ops::Range<u64>,
    ) -> Option<(u64, Fault)> {
        let patience = Patience::of(Duration::from_secs(60), Duration::from_secs(600));
        assert_eq!(patience.interval, Duration::from_secs(1));
        let mut at = |second| silence.look(engine, start + Duration::from_secs(second), &patience);
        seconds.into_iter().find_map(|second| Some((second, at(second)?)))
    }

    #[test]
    fn one_that_works_or_rests_is_left_alone() {
        let (engine, mut silence, start) = (Told::default(), Silence::default(), Instant::now());
        assert_eq!(looks(&mut silence, &engine, start, 0..1000), None);
        engine.active.store(1, Ordering::SeqCst);
        for minute in 0..10 {
            let from = 1000 + minute * 59;
            assert_eq!(looks(&mut silence, &engine, start, from..from + 59), None);
            engine.steps.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn one_that_makes_no_step_is_hung() {
        let (engine, mut silence, start) = (Told::default(), Silence::default(), Instant::now());
        assert_eq!(looks(&mut silence, &engine, start, 0..10), None);
        engine.active.store(1, Ordering::SeqCst);
        assert_eq!(looks(&mut silence, &engine, start, 10..200), Some((69, Fault::Hung)));
    }

    #[test]
    fn a_prompt_that_is_read_at_once_takes_longer() {
        let (engine, mut silence, start) = (Told::default(), Silence::default(), Instant::now());
        engine.active.store(1, Ordering::SeqCst);
        engine.is_long.store(true, Ordering::SeqCst);
        assert_eq!(looks(&mut silence, &engine, start, 0..660), None);
        assert_eq!(looks(&mut silence, &engine, start, 660..700), Some((660, Fault::Hung)));
    }

    #[test]
    fn a_process_that_was_stopped_is_no_engine_that_hangs() {
        let (engine, mut silence, start) = (Told::default(), Silence::default(), Instant::now());
        engine.active.store(1, Ordering::SeqCst);
        assert_eq!(looks(&mut silence, &engine, start, 0..10), None);
        assert_eq!(looks(&mut silence, &engine, start, 3600..3610), None);
    }

    #[test]
    fn one_that_has_ended_is_given_up_at_once_and_none_hangs_where_that_is_off() {
        let (engine, mut silence) = (Told::default(), Silence::default());
        let patience = Patience::of(Duration::ZERO, Duration::from_secs(600));
        engine.active.store(1, Ordering::SeqCst);
        for second in 0..10_000 {
            let now = Instant::now() + Duration::from_secs(second);
            assert_eq!(silence.look(&engine, now, &patience), None);
        }
        engine.has_ended.store(true, Ordering::SeqCst);
        assert_eq!(silence.look(&engine, Instant::now(), &patience), Some(Fault::Ended));
    }
}

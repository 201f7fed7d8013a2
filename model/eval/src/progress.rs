//! Lines on standard error that say how far a run is: one a second at most, so that a log of them can be read.

use std::time::{Duration, Instant};

use crate::tasks::Task;

const PAUSE: Duration = Duration::from_secs(1);

/// How far a run is.
pub(crate) struct Progress {
    /// Items that have an answer, and all.
    done: usize,
    all: usize,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// Of `all` items, `done` have answers from before.
    pub(crate) fn new(done: usize, all: usize) -> Self {
        if done > 0 {
            eprintln!("eval: {done} of {all} items have answers already");
        }
        let now = Instant::now();
        Self { done, all, started: now, said: now }
    }

    /// An item of `task` has an answer.
    pub(crate) fn step(&mut self, task: Task) {
        self.done += 1;
        let now = Instant::now();
        if now - self.said >= PAUSE || self.done == self.all {
            self.said = now;
            let seconds = (now - self.started).as_secs();
            eprintln!("eval: {} of {} items after {seconds} s, now {}", self.done, self.all, task.name());
        }
    }
}

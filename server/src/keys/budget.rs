//! What a key may use and has used: requests and tokens of a minute and of a day, and requests at once.
//!
//! Of a minute is a bucket that leaks: what was used drains evenly, the whole limit in a minute, so there is no moment at
//! which everybody's limit begins anew. Days are those of UTC and survive a restart. A request is let in by what has been
//! used so far and by its prompt; what it then generates is counted as it ends, and never cut off.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{ApiError, Quota};
use crate::time::now;

const MINUTE: f64 = 60.0;
const DAY: u64 = 86_400;

/// A key's limits; none is no limit. The flags of `zyron keys create`, too, whose help these descriptions are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests of a minute [default for this and the next: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests_per_minute: Option<u64>,
    /// Tokens of a minute, of prompts and answers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens_per_minute: Option<u64>,
    /// Requests of a day, in UTC
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests_per_day: Option<u64>,
    /// Tokens of a day, in UTC
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens_per_day: Option<u64>,
    /// Requests at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub concurrency: Option<u64>,
    /// A model it may ask; may be repeated [default: any]
    #[arg(long = "model", value_name = "NAME")]
    pub models: Vec<String>,
}

impl Limits {
    /// Those of a day only.
    pub(crate) fn of_day(&self) -> Self {
        let (requests_per_minute, tokens_per_minute, concurrency) = (None, None, None);
        Self { requests_per_minute, tokens_per_minute, concurrency, ..self.clone() }
    }
}

/// What a key has used. Shared by all requests with it.
#[derive(Default)]
pub(crate) struct Budget(Mutex<Used>);

#[derive(Default)]
struct Used {
    requests: Bucket,
    tokens: Bucket,
    /// The day that the next two are of, since 1970.
    day: u64,
    day_requests: u64,
    day_tokens: u64,
    running: u64,
}

/// What has been used and not drained yet.
struct Bucket {
    used: f64,
    at: Instant,
}

/// A request that counts as running, where that is limited. Dropping it ends that.
pub(crate) struct Slot(Option<Arc<Budget>>);

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Left {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until all of it is there again.
    pub(crate) reset: Duration,
}

/// The day it is, since 1970, in UTC.
pub(crate) fn today() -> u64 {
    now() / DAY
}

fn until_tomorrow() -> Duration {
    Duration::from_secs(DAY - now() % DAY)
}

impl Default for Bucket {
    fn default() -> Self {
        Self { used: 0.0, at: Instant::now() }
    }
}

impl Bucket {
    fn drain(&mut self, limit: u64) {
        let now = Instant::now();
        let drained = now.duration_since(self.at).as_secs_f64() * limit as f64 / MINUTE;
        (self.used, self.at) = ((self.used - drained).max(0.0), now);
    }

    /// How long until `amount` more fits, if it does not now.
    fn wait(&mut self, amount: u64, limit: u64) -> Option<Duration> {
        self.drain(limit);
        let excess = self.used + amount as f64 - limit as f64;
        (excess > 0.0).then(|| until_drained(excess, limit))
    }

    fn left(&mut self, limit: u64) -> Left {
        self.drain(limit);
        let remaining = (limit as f64 - self.used).max(0.0) as u64;
        Left { limit, remaining, reset: until_drained(self.used, limit) }
    }
}

/// How long it takes until so much has drained.
fn until_drained(amount: f64, limit: u64) -> Duration {
    Duration::from_secs_f64(amount * MINUTE / limit.max(1) as f64)
}

impl Used {
    fn turn_day(&mut self) {
        let today = today();
        if self.day != today {
            (self.day, self.day_requests, self.day_tokens) = (today, 0, 0);
        }
    }

    /// Whether so many tokens more are within the limits.
    fn check_tokens(&mut self, limits: &Limits, tokens: u64) -> Result<(), ApiError> {
        if let Some(limit) = limits.tokens_per_day.filter(|&limit| self.day_tokens + tokens > limit) {
            return Err(reached("tokens per day", "tokens", limit, until_tomorrow()));
        }
        if let Some(limit) = limits.tokens_per_minute
            && let Some(wait) = self.tokens.wait(tokens, limit)
        {
            return Err(reached("tokens per minute", "tokens", limit, wait));
        }
        Ok(())
    }

    fn add_tokens(&mut self, limits: &Limits, tokens: u64) {
        if let Some(limit) = limits.tokens_per_minute {
            self.tokens.drain(limit);
            self.tokens.used += tokens as f64;
        }
        self.day_tokens += tokens;
    }
}

impl Budget {
    /// What has been used today already.
    pub(crate) fn with_today(requests: u64, tokens: u64) -> Self {
        Self(Mutex::new(Used { day: today(), day_requests: requests, day_tokens: tokens, ..Used::default() }))
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // Every change of it is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request in, and counts it.
    ///
    /// # Errors
    /// [`ApiError::QuotaReached`] names the limit.
    pub(crate) fn enter(self: &Arc<Self>, limits: &Limits) -> Result<Slot, ApiError> {
        let mut used = self.used();
        used.turn_day();
        let second = Duration::from_secs(1);
        if let Some(limit) = limits.concurrency.filter(|&limit| used.running >= limit) {
            return Err(reached("requests at once", "requests", limit, second));
        }
        if let Some(limit) = limits.requests_per_day.filter(|&limit| used.day_requests >= limit) {
            return Err(reached("requests per day", "requests", limit, until_tomorrow()));
        }
        used.check_tokens(limits, 1)?;
        if let Some(limit) = limits.requests_per_minute
            && let Some(wait) = used.requests.wait(1, limit)
        {
            return Err(reached("requests per minute", "requests", limit, wait));
        }
        if limits.requests_per_minute.is_some() {
            used.requests.used += 1.0;
        }
        used.day_requests += 1;
        let is_counted = limits.concurrency.is_some();
        used.running += u64::from(is_counted);
        Ok(Slot(is_counted.then(|| Arc::clone(self))))
    }

    /// Counts a prompt's tokens, if they fit.
    ///
    /// # Errors
    /// [`ApiError::QuotaReached`] names the limit.
    pub(crate) fn read(&self, limits: &Limits, tokens: u64) -> Result<(), ApiError> {
        let mut used = self.used();
        used.turn_day();
        used.check_tokens(limits, tokens)?;
        used.add_tokens(limits, tokens);
        Ok(())
    }

    /// Counts an answer's tokens.
    pub(crate) fn wrote(&self, limits: &Limits, tokens: u64) {
        let mut used = self.used();
        used.turn_day();
        used.add_tokens(limits, tokens);
    }

    /// What is left of requests and of tokens: of the minute where that is limited, else of the day.
    pub(crate) fn left(&self, limits: &Limits) -> (Option<Left>, Option<Left>) {
        let mut used = self.used();
        used.turn_day();
        let of_day = |limit: Option<u64>, used: u64| {
            limit.map(|limit| Left { limit, remaining: limit.saturating_sub(used), reset: until_tomorrow() })
        };
        let (requests, tokens) = (used.day_requests, used.day_tokens);
        let requests = limits
            .requests_per_minute
            .map(|limit| used.requests.left(limit))
            .or(of_day(limits.requests_per_day, requests));
        let tokens =
            limits.tokens_per_minute.map(|limit| used.tokens.left(limit)).or(of_day(limits.tokens_per_day, tokens));
        (requests, tokens)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.used().running -= 1;
        }
    }
}

fn reached(what: &'static str, kind: &'static str, limit: u64, after: Duration) -> ApiError {
    ApiError::QuotaReached(Quota { what, kind, limit, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(result: Result<Slot, ApiError>) -> (&'static str, Duration) {
        match result {
            Err(ApiError::QuotaReached(quota)) => (quota.what, quota.after),
            other => panic!("{:?}", other.err()),
        }
    }

    #[test]
    fn each_limit_refuses_what_is_beyond_it() {
        let budget = Arc::<Budget>::default();
        let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
        let _running = (budget.enter(&limits).unwrap(), budget.enter(&limits).unwrap());
        let (what, after) = refused(budget.enter(&limits));
        assert!(what == "requests per minute" && after > Duration::from_secs(29) && after < Duration::from_secs(31));
        let limits = Limits { concurrency: Some(2), ..Limits::default() };
        let _running = (budget.enter(&limits).unwrap(), budget.enter(&limits).unwrap());
        assert_eq!(refused(budget.enter(&limits)).0, "requests at once");
        let limits = Limits { requests_per_day: Some(4), ..Limits::default() };
        assert_eq!(refused(budget.enter(&limits)).0, "requests per day");
    }

    #[test]
    fn an_answer_may_overdraw_and_the_next_request_waits() {
        let budget = Arc::<Budget>::default();
        let limits = Limits { tokens_per_minute: Some(100), ..Limits::default() };
        budget.read(&limits, 60).unwrap();
        assert!(budget.read(&limits, 60).is_err());
        budget.wrote(&limits, 140);
        let (what, after) = refused(budget.enter(&limits));
        assert!(what == "tokens per minute" && after > Duration::from_secs(55), "{after:?}");
        let (_, tokens) = budget.left(&limits);
        assert_eq!(tokens.map(|left| left.remaining), Some(0));
    }

    #[test]
    fn what_nobody_waits_for_takes_from_the_day_only() {
        let budget = Arc::<Budget>::default();
        let limits = Limits {
            requests_per_minute: Some(1),
            tokens_per_minute: Some(10),
            concurrency: Some(1),
            requests_per_day: Some(3),
            ..Limits::default()
        };
        let of_day = limits.of_day();
        let _running = (budget.enter(&of_day).unwrap(), budget.enter(&of_day).unwrap());
        budget.read(&of_day, 100).unwrap();
        budget.enter(&limits).unwrap();
        assert_eq!(refused(budget.enter(&of_day)).0, "requests per day");
    }

    #[test]
    fn what_runs_no_longer_does_not_count() {
        let budget = Arc::<Budget>::default();
        let limits = Limits { concurrency: Some(1), ..Limits::default() };
        drop(budget.enter(&limits).unwrap());
        budget.enter(&limits).unwrap();
    }
}

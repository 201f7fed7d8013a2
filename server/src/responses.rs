//! Answers of `/v1/responses` that are kept, where the operator turned that on: in memory, so many bytes, for so long.
//!
//! Nothing is written to disk, and a restart forgets them all.

use std::sync::Arc;
use std::time::Duration;

use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use zyron_openapi::Response;
use zyron_openapi::responses::ResponseStatus;

use crate::call::Call;
use crate::config::ResponsesConfig;

/// A kept answer.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) response: Response,
    /// The conversation up to the answer, as messages of a chat template.
    pub(crate) messages: Arc<Vec<Value>>,
    /// Ends the work on an answer that is made in the background.
    pub(crate) cancel: Option<CancellationToken>,
    /// Its length as JSON.
    bytes: u32,
}

impl Kept {
    /// Whether more of the answer may come.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.response.status, ResponseStatus::Queued | ResponseStatus::InProgress)
    }
}

/// The answers that are kept, by whose they are and their id.
pub(crate) struct Responses(Cache<(Arc<str>, String), Kept>);

/// Those of one key, which nobody else finds.
#[derive(Clone)]
pub(crate) struct OwnResponses {
    all: Cache<(Arc<str>, String), Kept>,
    owner: Arc<str>,
}

impl Responses {
    /// None where answers are not kept.
    pub(crate) fn new(config: &ResponsesConfig) -> Option<Self> {
        let cache = Cache::builder()
            .max_capacity(config.max_stored_bytes)
            .weigher(|_, kept: &Kept| kept.bytes)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(Duration::from_millis(config.ttl_ms))
            .build();
        config.store.then_some(Self(cache))
    }

    /// Lets go of what is over: by itself the cache does so only when it is asked for something.
    pub(crate) fn clean(&self) {
        self.0.run_pending_tasks();
    }

    /// Those of a key, or, without keys, of everybody.
    pub(crate) fn of(&self, call: &Call) -> OwnResponses {
        self.owned_by(call.key().map(|key| Arc::clone(&key.id)).unwrap_or_default())
    }

    fn owned_by(&self, owner: Arc<str>) -> OwnResponses {
        OwnResponses { all: self.0.clone(), owner }
    }
}

impl OwnResponses {
    fn key(&self, id: &str) -> (Arc<str>, String) {
        (Arc::clone(&self.owner), id.to_owned())
    }

    pub(crate) fn get(&self, id: &str) -> Option<Kept> {
        self.all.get(&self.key(id))
    }

    /// Forgets an answer, and ends the work on it.
    pub(crate) fn remove(&self, id: &str) -> Option<Kept> {
        let kept = self.all.remove(&self.key(id))?;
        kept.cancel.iter().for_each(CancellationToken::cancel);
        Some(kept)
    }

    /// Ends an answer that is made in the background, unless it is complete.
    pub(crate) fn cancel(&self, id: &str) -> Option<Kept> {
        let result = self.all.entry(self.key(id)).and_compute_with(|entry| {
            let Some(mut kept) = entry.map(moka::Entry::into_value).filter(Kept::is_open) else { return Op::Nop };
            let Some(cancel) = &kept.cancel else { return Op::Nop };
            cancel.cancel();
            kept.response.status = ResponseStatus::Cancelled;
            Op::Put(kept)
        });
        match result {
            CompResult::ReplacedWith(entry) | CompResult::Unchanged(entry) => Some(entry.into_value()),
            _ => None,
        }
    }

    /// What will keep the answer to a conversation.
    pub(crate) fn keeper(&self, messages: Vec<Value>, cancel: Option<CancellationToken>) -> Keeper {
        Keeper { responses: self.clone(), messages: Arc::new(messages), cancel }
    }
}

/// Keeps one answer, at each stage of it.
pub(crate) struct Keeper {
    responses: OwnResponses,
    messages: Arc<Vec<Value>>,
    cancel: Option<CancellationToken>,
}

impl Keeper {
    /// Keeps the answer as it is now.
    pub(crate) fn keep(&self, response: &Response) {
        self.responses.all.insert(self.responses.key(&response.id), self.kept(response));
    }

    /// As [`Self::keep`], but not where the answer was forgotten or cancelled meanwhile.
    pub(crate) fn update(&self, response: &Response) {
        self.responses.all.entry(self.responses.key(&response.id)).and_compute_with(|entry| match entry {
            Some(entry) if entry.value().is_open() => Op::Put(self.kept(response)),
            _ => Op::Nop,
        });
    }

    fn kept(&self, response: &Response) -> Kept {
        let length = |json: serde_json::Result<Vec<u8>>| json.map_or(0, |json| json.len());
        let bytes = length(serde_json::to_vec(response)) + length(serde_json::to_vec(&*self.messages));
        Kept {
            response: response.clone(),
            messages: Arc::clone(&self.messages),
            cancel: self.cancel.clone(),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn responses(max_stored_bytes: u64, ttl_ms: u64) -> Responses {
        Responses::new(&ResponsesConfig { store: true, max_stored_bytes, ttl_ms }).unwrap()
    }

    fn answer(id: &str, status: ResponseStatus) -> Response {
        let answer = json!({
            "id": id, "object": "response", "created_at": 0, "status": status, "output": [], "model": "m", "tools": [],
            "tool_choice": "auto", "parallel_tool_calls": true, "text": {}, "store": true, "background": false,
            "metadata": {},
        });
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn the_newest_stay() {
        let all = responses(20_000, 60_000);
        let responses = all.owned_by("a".into());
        for id in 0..100 {
            let text = json!({"role": "user", "content": "a".repeat(1000)});
            responses.keeper(vec![text], None).keep(&answer(&id.to_string(), ResponseStatus::Completed));
            all.clean();
        }
        assert!(responses.get("99").is_some() && responses.get("98").is_some());
        assert!(responses.get("0").is_none());
        assert!((2..20).contains(&all.0.entry_count()), "{}", all.0.entry_count());
    }

    #[test]
    fn what_is_over_is_let_go_of() {
        let all = responses(20_000, 1);
        let responses = all.owned_by("a".into());
        responses.keeper(Vec::new(), None).keep(&answer("a", ResponseStatus::Completed));
        std::thread::sleep(Duration::from_millis(5));
        all.clean();
        assert_eq!((responses.get("a").is_none(), all.0.entry_count()), (true, 0));
    }

    #[test]
    fn what_has_ended_stays_as_it_ended() {
        let responses = responses(20_000, 60_000).owned_by("a".into());
        let cancel = CancellationToken::new();
        let keeper = responses.keeper(Vec::new(), Some(cancel.clone()));
        keeper.keep(&answer("a", ResponseStatus::Queued));
        assert_eq!(responses.cancel("a").unwrap().response.status, ResponseStatus::Cancelled);
        assert!(cancel.is_cancelled());
        keeper.update(&answer("a", ResponseStatus::Completed));
        assert_eq!(responses.get("a").unwrap().response.status, ResponseStatus::Cancelled);
        responses.remove("a");
        keeper.update(&answer("a", ResponseStatus::Completed));
        assert!(responses.get("a").is_none());
        assert!(responses.cancel("a").is_none());
        keeper.keep(&answer("b", ResponseStatus::Completed));
        assert_eq!(responses.cancel("b").unwrap().response.status, ResponseStatus::Completed);
    }
}

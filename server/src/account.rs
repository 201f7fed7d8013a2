//! What is kept of a request that is over: a line in the log, what was used with its key, its part in the
//! figures, its span if it is traced, and a line in the audit log.

use opentelemetry::Context;

use crate::call::Ended;
use crate::state::AppState;
use crate::time::millis;

impl AppState {
    /// Takes account of a request that is over, once.
    pub(crate) fn account(&self, ended: &Ended, trace: Option<&Context>) {
        log(ended);
        self.keys().count(&ended.facts);
        self.metrics().count(ended);
        if let (Some(traces), Some(trace)) = (self.traces(), trace) {
            traces.end(trace, ended);
        }
        if let Some(audit) = self.audit() {
            audit.answered(ended);
        }
    }
}

fn log(ended: &Ended) {
    let Ended { facts, outcome, total } = ended;
    let status = facts.status.unwrap_or_default();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                method = %facts.method,
                route = facts.route,
                status,
                outcome = outcome.name(),
                key = facts.key.as_deref(),
                model = facts.model,
                prompt_tokens = facts.prompt_tokens,
                cached_tokens = facts.cached_tokens,
                completion_tokens = facts.completion_tokens,
                queued_ms = facts.queued.map(millis),
                first_token_ms = facts.first_token.map(millis),
                total_ms = millis(*total),
                "answered"
            )
        };
    }
    // 503 is no fault: a model that loads, and a server that ends, say so to whoever asks.
    if status >= 500 && status != 503 {
        line!(error);
    } else {
        line!(info);
    }
}

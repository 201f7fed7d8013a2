//! What `zyron top` shows of what it has read, as lines of text.

use std::time::{SystemTime, UNIX_EPOCH};

use super::scrape::Scrape;

/// Two looks at a server, one after the other; or one, which is compared with its start.
pub(super) struct View<'look> {
    before: Option<&'look Scrape>,
    now: &'look Scrape,
    /// Between them.
    seconds: f64,
}

const FIRST_TOKEN: &str = "gen_ai_server_time_to_first_token_seconds";
const PER_TOKEN: &str = "gen_ai_server_time_per_output_token_seconds";
const TOKENS: &str = "gen_ai_client_token_usage_sum";
/// The queue before the engine.
const MODEL: (&str, &str) = ("queue", "model");

impl<'look> View<'look> {
    pub(super) fn new(before: Option<&'look Scrape>, now: &'look Scrape) -> Self {
        let since_start = || {
            let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            today - now.get("process_start_time_seconds").unwrap_or(today)
        };
        let seconds = before.map_or_else(since_start, |before| now.at.duration_since(before.at).as_secs_f64());
        Self { before, now, seconds: seconds.max(0.001) }
    }

    pub(super) fn lines(&self, server: String) -> Vec<String> {
        let now = self.now;
        let label = |name, label| clean(now.label(name, label).unwrap_or_default());
        let get = |name| now.get(name).unwrap_or_default();
        let of_model = |name| now.get_where(name, MODEL).unwrap_or_default();
        let state = match (get("zyron_draining") > 0.0, get("zyron_ready") > 0.0) {
            (true, _) => "draining",
            (_, true) => "ready",
            _ => "not ready",
        };
        let period = match self.before {
            Some(_) => format!("the last {:.0} s", self.seconds),
            None => "since its start".to_owned(),
        };
        vec![
            format!("zyron {}  {server}  {state}", label("zyron_build_info", "version")),
            format!("{} {}", label("zyron_model_info", "model"), label("zyron_model_info", "quantization")),
            String::new(),
            format!(
                "requests     {:>9}/s   errors {}/s   refused {}/s   ({period})",
                number(self.growth(|scrape| scrape.requests(None))),
                number(self.growth(|scrape| scrape.requests(Some("5xx")))),
                number(self.rate("zyron_refused_requests_total")),
            ),
            format!("tokens in    {:>9}/s", number(self.tokens("input"))),
            format!("tokens out   {:>9}/s", number(self.tokens("output"))),
            format!("first token  {}", self.quantiles(FIRST_TOKEN)),
            format!("per token    {}", self.quantiles(PER_TOKEN)),
            String::new(),
            format!(
                "running      {:>9} of {}",
                of_model("zyron_running_requests"),
                of_model("zyron_running_requests_limit")
            ),
            format!(
                "waiting      {:>9} of {}   {} tokens",
                of_model("zyron_waiting_requests"),
                of_model("zyron_waiting_requests_limit"),
                of_model("zyron_waiting_tokens"),
            ),
            self.kv_cache(),
            format!(
                "memory       {:>9} MB   CPU {:.0} %   connections {}   files {} of {}",
                (get("process_resident_memory_bytes") / 1e6).round(),
                self.rate("process_cpu_seconds_total") * 100.0,
                get("zyron_connections"),
                get("process_open_fds"),
                get("process_max_fds"),
            ),
        ]
    }

    fn kv_cache(&self) -> String {
        const WIDTH: usize = 20;
        let get = |name| self.now.get(name).unwrap_or_default();
        let Some(size) = self.now.get("zyron_kv_cache_size_tokens").filter(|&size| size > 0.0) else {
            return format!("KV cache     {:>9}", "-");
        };
        let (used, kept) = (get("zyron_kv_cache_used_tokens"), get("zyron_kv_cache_kept_tokens"));
        let share = used / size;
        let bar: String =
            (0..WIDTH).map(|at| if (at as f64) < (share * WIDTH as f64).round() { '#' } else { '.' }).collect();
        format!("KV cache     {:>9} of {size} tokens   [{bar}] {:.0} %   {kept} kept", used, share * 100.0)
    }

    /// By how much a counter has grown in a second.
    fn rate(&self, name: &str) -> f64 {
        self.growth(|scrape| scrape.get(name).unwrap_or_default())
    }

    /// Tokens of a kind in a second: `input` or `output`.
    fn tokens(&self, kind: &str) -> f64 {
        self.growth(|scrape| scrape.get_where(TOKENS, ("gen_ai_token_type", kind)).unwrap_or_default())
    }

    fn growth(&self, count: impl Fn(&Scrape) -> f64) -> f64 {
        ((count(self.now) - self.before.map_or(0.0, &count)) / self.seconds).max(0.0)
    }

    fn quantiles(&self, name: &str) -> String {
        let quantile = |quantile| match self.now.quantile(name, self.before, quantile) {
            Some(seconds) if seconds < 0.01 => format!("{:.1} ms", seconds * 1000.0),
            Some(seconds) => format!("{:.0} ms", seconds * 1000.0),
            None => "-".to_owned(),
        };
        format!("  p50 {:>9}   p95 {:>9}", quantile(0.5), quantile(0.95))
    }
}

/// With as many digits as are worth reading.
fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A server's text, without what a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(requests: u32, tokens: u32) -> Scrape {
        Scrape::read(&format!(
            "zyron_requests_total{{route=\"/v1/chat/completions\",status=\"2xx\"}} {requests}\n\
             gen_ai_client_token_usage_sum{{gen_ai_token_type=\"output\"}} {tokens}\n\
             zyron_model_info{{model=\"mini\\n\u{1b}[2J\",quantization=\"Q8_0\"}} 1\nzyron_ready 1\n\
             zyron_kv_cache_used_tokens 512\nzyron_kv_cache_size_tokens 1024\n",
        ))
    }

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let before = scrape(100, 1000);
        let mut now = scrape(110, 3000);
        now.at = before.at + std::time::Duration::from_secs(2);
        let text = View::new(Some(&before), &now).lines("http://here".to_owned()).join("\n");
        assert!(text.contains("requests           5.0/s"), "{text}");
        assert!(text.contains("tokens out        1000/s"), "{text}");
        assert!(text.contains("[##########..........] 50 %"), "{text}");
        assert!(text.contains("the last 2 s") && text.contains("http://here  ready"), "{text}");
        assert!(!text.contains('\u{1b}'), "the terminal would obey the server");
    }
}

//! Prometheus's text format, as far as this server writes it, and what can be asked of it.

use std::time::Instant;

/// What the server said at one time.
pub(super) struct Scrape {
    pub(super) at: Instant,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Scrape {
    /// Reads what there is; a line that is none of a sample is left out.
    pub(super) fn read(text: &str) -> Self {
        Self { at: Instant::now(), samples: text.lines().filter_map(Sample::read).collect() }
    }

    fn samples(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The sum of a name's samples, if there are any.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        sum(self.samples(name))
    }

    /// The sum of those with this label, if there are any.
    pub(super) fn get_where(&self, name: &str, label: (&str, &str)) -> Option<f64> {
        sum(self.samples(name).filter(|sample| sample.label(label.0) == Some(label.1)))
    }

    /// Requests to the API, with this status class if there is one: who looks at the server is no load.
    pub(super) fn requests(&self, status: Option<&str>) -> f64 {
        let of_api = |sample: &&Sample| sample.label("route").is_some_and(|route| route.starts_with("/v1/"));
        let wanted = |sample: &&Sample| status.is_none_or(|status| sample.label("status") == Some(status));
        sum(self.samples("zyron_requests_total").filter(of_api).filter(wanted)).unwrap_or_default()
    }

    /// A label of a name's first sample.
    pub(super) fn label(&self, name: &str, label: &str) -> Option<&str> {
        self.samples(name).next()?.label(label)
    }

    /// Whether both are of the same run of the server.
    pub(super) fn is_same_process(&self, other: &Self) -> bool {
        self.get("process_start_time_seconds") == other.get("process_start_time_seconds")
            && self.get("process_cpu_seconds_total") <= other.get("process_cpu_seconds_total")
    }

    /// A histogram's buckets, of all its labels together: upper bounds, and how many are not above.
    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for sample in self.samples(&format!("{name}_bucket")) {
            let Some(bound) = sample.label("le").and_then(|bound| bound.parse().ok()) else { continue };
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((bound, sample.value)),
            }
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }

    /// A quantile of what a histogram has seen since `before`, as Prometheus's `histogram_quantile` estimates it. None
    /// where it has seen nothing.
    pub(super) fn quantile(&self, name: &str, before: Option<&Self>, quantile: f64) -> Option<f64> {
        let past = before.map(|before| before.buckets(name)).unwrap_or_default();
        let past = |bound: f64| past.iter().find(|(known, _)| *known == bound).map_or(0.0, |(_, count)| *count);
        let buckets: Vec<(f64, f64)> =
            self.buckets(name).into_iter().map(|(bound, count)| (bound, count - past(bound))).collect();
        let rank = buckets.last().map(|(_, count)| count * quantile).filter(|&rank| rank > 0.0)?;
        let at = buckets.iter().position(|(_, count)| *count >= rank)?;
        let (low, below) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
        let (high, count) = buckets[at];
        // Above the last bound there is nothing to interpolate with.
        Some(if high.is_infinite() { low } else { low + (high - low) * (rank - below) / (count - below) })
    }
}

fn sum<'scrape>(samples: impl Iterator<Item = &'scrape Sample>) -> Option<f64> {
    samples.map(|sample| sample.value).reduce(|sum, value| sum + value)
}

impl Sample {
    fn read(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        if name.starts_with('#') {
            return None;
        }
        Some(Self { name: name.to_owned(), labels: labels_of(labels)?, value })
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `name="value",…}`, with the format's three escapes.
fn labels_of(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches(',');
        if rest == "}" {
            return Some(labels);
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &quoted[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let scrape = Scrape::read(
            "# HELP a Text.\n# TYPE a counter\na_total{of=\"x\",as=\"q\\\"\\\\\\n}\"} 2\na_total{of=\"y\"} 3\nb 1.5\nodd\nc{ 1\n",
        );
        assert_eq!(scrape.get("a_total"), Some(5.0));
        assert_eq!(scrape.get_where("a_total", ("of", "y")), Some(3.0));
        assert_eq!(scrape.label("a_total", "as"), Some("q\"\\\n}"));
        assert_eq!((scrape.get("b"), scrape.get("c"), scrape.get("odd")), (Some(1.5), None, None));
    }

    #[test]
    fn a_quantile_lies_within_its_bucket_and_counts_only_what_is_new() {
        let text = |one: u32, two: u32, all: u32| {
            format!("h_bucket{{le=\"1.0\"}} {one}\nh_bucket{{le=\"2.0\"}} {two}\nh_bucket{{le=\"+Inf\"}} {all}\n")
        };
        let before = Scrape::read(&text(100, 100, 100));
        let now = Scrape::read(&text(100, 110, 110));
        assert_eq!(now.quantile("h", Some(&before), 0.5), Some(1.5));
        assert!(now.quantile("h", None, 0.5).unwrap() < 1.0);
        assert_eq!(now.quantile("h", Some(&now), 0.5), None);
        assert_eq!(now.quantile("none", None, 0.5), None);
        assert_eq!(Scrape::read(&text(0, 0, 4)).quantile("h", None, 0.95), Some(2.0));
    }
}

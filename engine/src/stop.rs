//! Stop strings: an answer ends where one is complete, and no part of it is ever shown.

/// Watches an answer for stop strings.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stop: Vec<String>,
    /// Text from which on stop strings no longer count.
    until: Option<&'static str>,
    /// Text not shown yet: the longest end of the answer with which a stop string begins.
    held: String,
}

impl StopMatcher {
    /// Watches for `stop`, of which none may be empty, until the answer holds the text `until`.
    #[must_use]
    pub fn new(stop: Vec<String>, until: Option<&'static str>) -> Self {
        debug_assert!(stop.iter().all(|stop| !stop.is_empty()), "an empty stop string would match everywhere");
        Self { stop, until, held: String::new() }
    }

    /// Adds `text` to the answer. Returns what may be shown and whether a stop string is complete.
    ///
    /// The first stop string to be completed ends the answer, wherever the text was split; of two completed by the
    /// same character, the longer.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        if self.stop.is_empty() {
            return (text.to_owned(), false);
        }
        self.held.push_str(text);
        let found = |text: &str| self.held.find(text).map(|start| (start + text.len(), start));
        let first = self.stop.iter().filter_map(|stop| found(stop)).min();
        let last = self.until.and_then(found);
        if last.is_some_and(|(end, _)| first.is_none_or(|(stopped, _)| end < stopped)) {
            self.stop.clear();
            return (std::mem::take(&mut self.held), false);
        }
        if let Some((_, start)) = first {
            self.held.truncate(start);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = unfinished(&self.held, || self.stop.iter().map(String::as_str).chain(self.until));
        let kept = self.held.split_off(keep);
        (std::mem::replace(&mut self.held, kept), false)
    }

    /// What is left to show once the answer has ended without a stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes of the text that is not shown yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

/// Where the longest end of `text` begins that is the beginning of one of the `watched` texts.
pub(crate) fn unfinished<'a, I: Iterator<Item = &'a str>>(text: &str, watched: impl Fn() -> I) -> usize {
    let longest = watched().map(str::len).max().unwrap_or(0);
    let earliest = text.len().saturating_sub(longest.saturating_sub(1));
    (earliest..text.len())
        .filter(|&start| text.is_char_boundary(start))
        .find(|&start| watched().any(|watched| watched.starts_with(&text[start..])))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::StopMatcher;
    use proptest::prelude::*;

    fn run(stop: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        run_until(stop, None, pieces)
    }

    fn run_until(stop: &[&str], until: Option<&'static str>, pieces: &[&str]) -> (Vec<String>, bool) {
        let mut matcher = StopMatcher::new(stop.iter().map(|&stop| stop.to_owned()).collect(), until);
        let mut shown = Vec::new();
        for piece in pieces {
            let (text, stopped) = matcher.push(piece);
            shown.push(text);
            if stopped {
                return (shown, true);
            }
        }
        shown.push(matcher.finish());
        (shown, false)
    }

    #[test]
    fn a_stop_string_across_tokens_never_leaks() {
        assert_eq!(run(&["###"], &["a#", "#", "#b"]), (vec!["a".into(), String::new(), String::new()], true));
    }

    #[test]
    fn a_false_beginning_is_shown_once_it_is_certain() {
        assert_eq!(run(&["###"], &["a##", "b"]), (vec!["a".into(), "##b".into(), String::new()], false));
        assert_eq!(run(&["###"], &["a##"]), (vec!["a".into(), "##".into()], false));
    }

    #[test]
    fn the_first_to_be_complete_wins() {
        assert_eq!(run(&["abcd", "bc"], &["abcd"]).0, ["a"]);
        assert_eq!(run(&["bc", "abc"], &["abcd"]).0, [""]);
    }

    #[test]
    fn behind_a_text_they_no_longer_count() {
        let until = |pieces: &[&str]| run_until(&[":", "<x"], Some("<call>"), pieces);
        assert_eq!(until(&["a <ca", "ll>b: c", ":"]).0.concat(), "a <call>b: c:");
        assert_eq!(until(&["a: <call>b"]), (vec!["a".into()], true));
        assert_eq!(until(&["a <call", "b:"]), (vec!["a ".into(), "<callb".into()], true));
    }

    /// The definition, letter by letter over the whole text.
    fn by_definition(stop: &[String], text: &str) -> Option<usize> {
        let ends = text.char_indices().map(|(at, char)| at + char.len_utf8());
        ends.into_iter().find_map(|end| {
            stop.iter().filter(|stop| text[..end].ends_with(stop.as_str())).map(|stop| end - stop.len()).min()
        })
    }

    proptest! {
        #[test]
        fn any_split_shows_the_same(
            stop in prop::collection::vec("[abé]{1,3}", 1..4),
            pieces in prop::collection::vec("[abcé]{0,4}", 0..8),
        ) {
            let text = pieces.concat();
            let stops: Vec<&str> = stop.iter().map(String::as_str).collect();
            let (shown, stopped) = run(&stops, &pieces.iter().map(String::as_str).collect::<Vec<_>>());
            match by_definition(&stop, &text) {
                Some(end) => {
                    prop_assert!(stopped);
                    prop_assert_eq!(shown.concat(), &text[..end]);
                }
                None => {
                    prop_assert!(!stopped);
                    prop_assert_eq!(shown.concat(), text);
                }
            }
        }
    }
}

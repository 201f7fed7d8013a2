//! Anomalies as they are found: the first of each rule are kept, the rest counted.

use crate::statement::{Anomaly, AnomalyKind, Place};

/// Anomalies of a rule that are kept.
const KEPT: usize = 20;

/// What an import finds wrong.
#[derive(Debug)]
pub(super) struct Log {
    file: String,
    /// By rule, in the order in which each was first broken.
    found: Vec<(&'static str, Vec<Anomaly>, u64)>,
}

impl Log {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    /// `rule` names what is counted together; `at` is a place of the file.
    pub(super) fn add(
        &mut self,
        kind: AnomalyKind,
        rule: &'static str,
        at: Option<String>,
        message: impl FnOnce() -> String,
    ) {
        let place = at.map(|at| Place { file: self.file.clone(), sheet: None, at });
        self.at(kind, rule, place, message);
    }

    /// The same with a place that may be in a sheet.
    pub(super) fn at(
        &mut self,
        kind: AnomalyKind,
        rule: &'static str,
        place: Option<Place>,
        message: impl FnOnce() -> String,
    ) {
        let at_rule = self.found.iter().position(|(known, ..)| *known == rule).unwrap_or_else(|| {
            self.found.push((rule, Vec::new(), 0));
            self.found.len() - 1
        });
        let (_, kept, more) = &mut self.found[at_rule];
        if kept.len() == KEPT {
            *more += 1;
            return;
        }
        kept.push(Anomaly { kind, message: message(), place, more: 0 });
    }

    /// The last of a rule says how many more there are.
    pub(super) fn into_anomalies(self) -> Vec<Anomaly> {
        let of_rule = |(_, mut kept, more): (_, Vec<Anomaly>, u64)| {
            if let Some(last) = kept.last_mut() {
                last.more = more;
            }
            kept
        };
        self.found.into_iter().flat_map(of_rule).collect()
    }
}

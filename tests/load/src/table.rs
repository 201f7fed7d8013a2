//! What was measured, as a table that a document can take.

use std::fmt;

/// Rows of what was done, what was looked at, and what it was.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 3]>);

impl Table {
    /// Adds a row.
    pub(crate) fn row(&mut self, case: &str, what: &str, value: impl fmt::Display) {
        println!("{case}: {what}: {value}");
        self.0.push([case.to_owned(), what.to_owned(), value.to_string()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| case | what | measured |\n|---|---|---|")?;
        self.0.iter().try_for_each(|[case, what, value]| writeln!(formatter, "| {case} | {what} | {value} |"))
    }
}

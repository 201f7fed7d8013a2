//! The steps of a long command: a heading and a time for each, a table at the end.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Steps {
    /// Does one step. Its error says which step it was.
    pub(crate) fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        self.done.push(Step { name, took, passed: result.is_ok() });
        println!("<== {name}: {} in {:.1} s", verdict(result.is_ok()), took.as_secs_f64());
        result.with_context(|| format!("the step \"{name}\" failed"))
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        for Step { name, took, passed } in &self.done {
            writeln!(formatter, "{name:<40} {:>8.1} s  {}", took.as_secs_f64(), verdict(*passed))?;
        }
        write!(formatter, "{:<40} {:>8.1} s", "total", total.as_secs_f64())
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_failed_step_is_named_and_the_table_shows_it() {
        let mut steps = Steps::default();
        assert_eq!(steps.step("first", || Ok(7)).unwrap(), 7);
        let error = steps.step("second", || -> Result<()> { bail!("no luck") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step \"second\" failed: no luck");
        let table = steps.to_string();
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["first", "0.0", "s", "ok"]);
        assert_eq!(rows[1], ["second", "0.0", "s", "FAILED"]);
        assert_eq!(rows[2], ["total", "0.0", "s"]);
    }
}

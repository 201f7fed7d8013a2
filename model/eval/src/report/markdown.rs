//! The report to read.

use std::fmt::Write as _;

use super::comparison::{Comparison, Difference};
use super::{Report, TaskReport};
use crate::statistics::Interval;
use crate::tasks::Task;

/// How much of the set's hash is shown.
const SHOWN: usize = 12;

pub(super) fn written(report: &Report) -> String {
    let run = &report.run;
    let mut text = format!("# {} on French finance\n\n", run.model);
    let _ = writeln!(text, "- Server: {}", run.url);
    let _ = writeln!(text, "- Set: `{}`", run.set.get(..SHOWN).unwrap_or(&run.set));
    if let Some(limit) = run.limit {
        let _ = writeln!(text, "- Only the first {limit} items of each task");
    }
    let _ = writeln!(text, "- Questions with choices are scored in `{}`", run.format.replace('\n', "\\n"));
    text += "\n";
    text += &scores(report);
    text += "\nIntervals are 95 %: Wilson's for shares, the bootstrap over items for the others. Of bits per byte less is better.\n";
    if report.tasks.iter().any(|task| !task.baselines.is_empty()) {
        text += "Rows below `text` are what n-gram models of bytes, trained on zyron-mini's corpus, get on the same items.\n";
    }
    text += &observations(report);
    text += &not_measured(report);
    if let Some(verified_numbers) = &report.verified_numbers {
        text += "\n";
        text += &verified_numbers.written();
    }
    if let Some(comparison) = &report.comparison {
        text += &compared(&run.model, comparison);
    }
    text
}

fn scores(report: &Report) -> String {
    let mut rows = vec![["task", "measured", "score", "95 % interval", "chance"].map(str::to_owned)];
    for task in &report.tasks {
        let measured = if task.measured == task.items {
            task.items.to_string()
        } else {
            format!("{} of {}", task.measured, task.items)
        };
        rows.push([
            task.task.name(),
            measured,
            task.score.map_or("not measurable".to_owned(), |score| amount(task.task, score)),
            task.interval.map_or(String::new(), |interval| range(task.task, interval)),
            task.chance.map_or(String::new(), |chance| amount(task.task, chance)),
        ]);
        for (name, score) in &task.baselines {
            let name = format!("{}, {name}", task.task.name());
            rows.push([name, String::new(), amount(task.task, *score), String::new(), String::new()]);
        }
    }
    if let Some(overall) = report.overall.as_ref().filter(|overall| overall.tasks > 1) {
        rows.push([
            format!("mean of {} tasks", overall.tasks),
            String::new(),
            percent(overall.score),
            format!("{} to {}", percent(overall.interval.low), percent(overall.interval.high)),
            String::new(),
        ]);
    }
    table(&rows)
}

/// What else was observed, a line a task.
fn observations(report: &Report) -> String {
    let mut text = String::new();
    for task in report.tasks.iter().filter(|task| !task.extras.is_empty()) {
        let extras = task.extras.iter().map(|(name, mean)| format!("{name} {mean:.2}"));
        let _ = writeln!(text, "- {}: {}", task.task.name(), extras.collect::<Vec<_>>().join(", "));
    }
    if text.is_empty() { text } else { format!("\n## Also observed\n\nMeans over the items that have it.\n\n{text}") }
}

fn not_measured(report: &Report) -> String {
    let mut text = String::new();
    for TaskReport { task, not_measured, .. } in &report.tasks {
        for (why, count) in not_measured {
            let _ = writeln!(text, "- {}, {count} {}: {why}", task.name(), if *count == 1 { "item" } else { "items" });
        }
    }
    if text.is_empty() { text } else { format!("\n## Not measurable\n\n{text}") }
}

fn compared(model: &str, comparison: &Comparison) -> String {
    let against = &comparison.against;
    let mut text = format!("\n## Against {}\n\n", against.model);
    let _ = writeln!(
        text,
        "The other run is at {}. Only items that both have count; differences of shares are in points.\n",
        against.url
    );
    for warning in &comparison.warnings {
        let _ = writeln!(text, "**{warning}**\n");
    }
    // Two runs of one model have to be told apart, too.
    let (this, other) =
        if model == against.model { ("this run", "the other") } else { (model, against.model.as_str()) };
    let mut rows =
        vec![["task", "items", this, other, "difference", "95 % interval", "this run is"].map(str::to_owned)];
    rows.extend(comparison.tasks.iter().map(|task| row(task.task.name(), Some(task.task), &task.difference)));
    let averaged = comparison.tasks.iter().filter(|task| task.task.is_right_or_wrong()).count();
    if let Some(overall) = comparison.overall.as_ref().filter(|_| averaged > 1) {
        rows.push(row(format!("mean of {averaged} tasks"), None, overall));
    }
    text + &table(&rows)
}

fn row(name: String, task: Option<Task>, difference: &Difference) -> [String; 7] {
    let is_bits = task.is_some_and(|task| !task.is_right_or_wrong());
    let amount = |value: f64| if is_bits { format!("{value:.3}") } else { percent(value) };
    // Differences of shares are in points.
    let signed = |value: f64| if is_bits { format!("{value:+.3}") } else { format!("{:+.1}", 100.0 * value) };
    let Difference { items, this, other, difference, interval, verdict } = difference;
    [
        name,
        items.to_string(),
        amount(*this),
        amount(*other),
        signed(*difference),
        format!("{} to {}", signed(interval.low), signed(interval.high)),
        verdict.name().to_owned(),
    ]
}

fn amount(task: Task, value: f64) -> String {
    if task.is_right_or_wrong() { percent(value) } else { format!("{value:.3} bits per byte") }
}

fn range(task: Task, interval: Interval) -> String {
    let Interval { low, high } = interval;
    if task.is_right_or_wrong() {
        format!("{} to {}", percent(low), percent(high))
    } else {
        format!("{low:.3} to {high:.3}")
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A table whose columns are aligned in the text, too: the first to the left, the others to the right.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let cell = |text: &String| text.replace('|', "\\|").replace('\n', " ");
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(cell)).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3));
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if column == 0 { write!(text, "| {cell:<width$} ") } else { write!(text, "| {cell:>width$} ") };
        }
        text += "|\n";
        if at == 0 {
            for (column, width) in widths.into_iter().enumerate() {
                let line = "-".repeat(width);
                text += &if column == 0 { format!("| {line} ") } else { format!("|{line}-:") };
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{result, run};
    use super::*;
    use crate::results::ItemResult;

    #[test]
    fn baselines_are_below_the_score() {
        let measured = ItemResult { id: "txt-001".to_owned(), ..result(Task::Text, 0, 1.25) };
        let text = written(&Report::new(run("mini"), &[measured]));
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| text")).collect();
        assert_eq!(rows.len(), 3, "{text}");
        assert!(rows[1].starts_with("| text, 5-gram  |") && rows[2].starts_with("| text, unigram |"), "{text}");
        assert!(text.contains("n-gram models of bytes"), "{text}");
    }

    #[test]
    fn it_reads_well() {
        let mut results: Vec<ItemResult> = (0..8).map(|at| result(Task::Regulation, at, f64::from(at < 6))).collect();
        results.push(result(Task::Text, 0, 1.25));
        results.push(result(Task::Tools, 0, -1.0));
        let mut report = Report::new(run("mini"), &results);
        let others: Vec<ItemResult> = (0..8).map(|at| result(Task::Regulation, at, 0.0)).collect();
        report.compare(&Report::new(run("other"), &others));
        let text = written(&report);
        for part in [
            "# mini on French finance\n",
            "- Set: `5e7`\n",
            "\
| task       | measured |               score |    95 % interval | chance |
| ---------- |---------:|--------------------:|-----------------:|-------:|
| text       |        1 | 1.250 bits per byte |                  |        |
| regulation |        8 |              75.0 % | 40.9 % to 92.9 % | 25.0 % |
| tools      |   0 of 1 |      not measurable |                  |        |
",
            "- tools, 1 item: HTTP 400: no tools\n",
            "## Against other\n",
            "\
| task       | items |   mini | other | difference |   95 % interval | this run is |
| ---------- |------:|-------:|------:|-----------:|----------------:|------------:|
| regulation |     8 | 75.0 % | 0.0 % |      +75.0 | +37.5 to +100.0 |      better |
",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}

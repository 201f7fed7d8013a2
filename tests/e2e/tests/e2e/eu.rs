//! docs/eu.md and docs/reliability.md say which test shows what: each of them must be there.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Looks for the tests that a cell of a table names, and says how many there are.
fn check_named(cell: &str) -> usize {
    let named: Vec<(&str, &str)> =
        cell.split('`').skip(1).step_by(2).filter_map(|named| named.split_once(": ")).collect();
    for (file, name) in &named {
        let (folder, line) = match file.strip_suffix(".test.js") {
            Some(_) => ("tests/browser", format!("test(\"{name}\",")),
            None => ("tests/e2e/tests/e2e", format!("fn {name}()")),
        };
        let text = std::fs::read_to_string(root().join(folder).join(file)).unwrap();
        assert!(text.lines().any(|found| found.contains(&line)), "{file} has no test `{name}`");
    }
    named.len()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let table = std::fs::read_to_string(root().join("docs/eu.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| line.split('|').collect()).collect();
    assert!(rows.len() > 8);
    for row in rows {
        let [_, source, _, _, tests, stays, _] = row[..] else { panic!("not five columns: {row:?}") };
        assert!(!stays.trim().is_empty(), "{source}");
        assert!(check_named(tests) > 0, "{source} is shown by nothing");
    }
    assert!(!table.to_lowercase().contains("compliant"));
}

#[test]
fn every_test_of_reliability_is_there() {
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let named: usize = page.lines().filter(|line| line.starts_with("| ")).map(check_named).sum();
    assert!(named > 30, "{named}");
}

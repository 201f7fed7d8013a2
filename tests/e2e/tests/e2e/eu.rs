//! docs/eu.md says which test shows what: each of them must be there.

use std::path::Path;

#[test]
fn every_test_that_the_table_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = std::fs::read_to_string(root.join("docs/eu.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| line.split('|').collect()).collect();
    assert!(rows.len() > 8);
    for row in rows {
        let [_, source, _, _, tests, stays, _] = row[..] else { panic!("not five columns: {row:?}") };
        assert!(!stays.trim().is_empty(), "{source}");
        let named: Vec<(&str, &str)> = tests.split('`').filter_map(|named| named.split_once(": ")).collect();
        assert!(!named.is_empty(), "{source} is shown by nothing");
        for (file, name) in named {
            let (folder, line) = match file.strip_suffix(".test.js") {
                Some(_) => ("tests/browser", format!("test(\"{name}\",")),
                None => ("tests/e2e/tests/e2e", format!("fn {name}()")),
            };
            let text = std::fs::read_to_string(root.join(folder).join(file)).unwrap();
            assert!(text.lines().any(|found| found.contains(&line)), "{file} has no test `{name}`");
        }
    }
    assert!(!table.to_lowercase().contains("compliant"));
}

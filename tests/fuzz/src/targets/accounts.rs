//! A company's file, whatever kind it is of or claims to be: a FEC, a balance générale, a bilan, a workbook, an annual
//! report, the text of a PDF. What is read of it can be analysed, written and read again.

use std::io::Read;

use zyron_finance::import::{self, Options};
use zyron_finance::{Report, Statement, report};

const NAMES: [&str; 4] = ["732829320FEC20241231.txt", "balance.csv", "comptes.xlsx", "rapport.xhtml"];

/// The first byte says how the file is called and whether the end of its year is known, the others are the file.
pub fn run(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else { return };
    let name = NAMES[usize::from(how) % NAMES.len()];
    let options = Options { end: if how & 4 == 0 { None } else { "2024-12-31".parse().ok() } };
    if let Ok(statement) = import::read(bytes, name, &options) {
        let json = serde_json::to_string(&statement).expect("a statement can be written");
        let again: Statement = serde_json::from_str(&json).expect("a statement that was written can be read");
        assert_eq!(again, statement, "written and read again, it is another statement");
        write(statement);
    }
    // A ledger is read line by line, however many bytes come at once.
    let by_pieces = import::fec::read(Dribble(bytes), name);
    assert_eq!(by_pieces, import::fec::read(bytes, name), "by pieces, it is another ledger");
}

/// Whatever can be made of it.
fn write(statement: Statement) {
    if statement.check().is_err() {
        return;
    }
    let report = Report::of(statement);
    let _ = (report::text(&report), report::markdown(&report, &[]), report::csv(&report.analysis, &[]));
    serde_json::to_string(&report).expect("a report can be written");
}

/// Gives at most seven bytes at once.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}

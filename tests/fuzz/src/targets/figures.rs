//! The numbers of an answer, judged by a company's figures: the same while it is written as when it is whole.

use std::sync::LazyLock;

use zyron_finance::check::{Checked, Checker, StreamedCheck};
use zyron_finance::import::{self, Options};
use zyron_finance::{analyse, fact_sheet, sample};

/// In a longer line the check of a stream forgets the beginning, as it says.
const LONGEST: usize = 1500;

static CHECKER: LazyLock<Checker> = LazyLock::new(|| {
    let files = sample::company();
    let statement = import::read_all(&files, &Options::default()).expect("the sample can be read");
    let sheet = fact_sheet(&statement, &analyse(&statement));
    Checker::new(sheet.checkable(), "Comment le chiffre d’affaires a-t-il évolué de 2023 à 2024 ?")
});

/// The first byte says where the answer is cut, the others are the answer.
pub fn run(data: &[u8]) {
    let Some((&seed, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let whole = CHECKER.check(text);
    let length = text.chars().count();
    assert!(whole.iter().all(|number| number.start < number.end && number.end <= length), "a number is nowhere");
    if text.len() <= LONGEST {
        assert_eq!(streamed(&super::text_pieces(text, seed)), whole, "cut, the same numbers are judged otherwise");
    }
}

fn streamed(pieces: &[&str]) -> Vec<Checked> {
    let mut stream = StreamedCheck::default();
    let mut numbers: Vec<Checked> = pieces.iter().flat_map(|piece| stream.push(piece, &CHECKER)).collect();
    numbers.extend(stream.finish(&CHECKER));
    numbers
}

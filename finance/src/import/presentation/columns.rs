//! The columns of a bilan and a compte de résultat, by the headings above them.

use std::collections::BTreeMap;

use chrono::Datelike;

use super::labels;
use crate::import::heading::{When, headings, when};
use crate::import::table::{Cell, Row, Sheet};
use crate::words;

/// Which of an asset's amounts a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// The only one.
    Value,
    Gross,
    Depreciation,
    Net,
}

/// A column of amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) measure: Measure,
    pub(super) when: When,
}

/// What is known of a sheet's columns, down to a row.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// By their places; those without a value have something else than accounts.
    known: BTreeMap<usize, Option<Column>>,
    /// The rows of the last heading.
    rows: Vec<usize>,
}

impl Columns {
    /// Whether the headings say what a column has; of one that has no accounts, nothing in that.
    pub(super) fn get(&self, column: usize) -> Option<Option<Column>> {
        self.known.get(&column).copied()
    }

    /// How many columns of amounts are to the left of one.
    pub(super) fn before(&self, column: usize) -> usize {
        self.known.range(..column).filter(|(_, known)| known.is_some()).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether a row is a heading; if so, what it says is from here on what the columns have.
    pub(super) fn read(&mut self, sheet: &Sheet, at: usize) -> bool {
        let row = &sheet.rows[at];
        if !self.is_heading(sheet, row) {
            // What comes after amounts is another heading.
            if row.cells().any(|(_, cell)| cell.is_amount(sheet.notation)) {
                self.end();
            }
            return false;
        }
        // A heading may have two or three rows, with an empty one between.
        let is_next = |last: &usize| row.number - sheet.rows[*last].number <= 2;
        if !self.rows.last().is_some_and(is_next) {
            self.rows.clear();
        }
        self.rows.push(at);
        let first = sheet.rows[at].cells().next().map_or(0, |(column, _)| column);
        let width =
            self.rows.iter().filter_map(|row| sheet.rows[*row].cells().next_back()).map(|(column, _)| column).max();
        for column in first..=width.unwrap_or_default() {
            let headings = headings(sheet, &self.rows, first, column);
            match meaning(&headings) {
                // The first column has labels, if not accounts' numbers; and « Passif », below a heading of several
                // columns, is above labels.
                Some(meaning)
                    if column == 0 && (meaning.is_some() || headings.iter().any(|text| labels::is_known(text))) => {}
                Some(Some(_)) if headings.last().is_some_and(|last| is_of_labels(last)) => {
                    self.known.remove(&column);
                }
                Some(meaning) => {
                    self.known.insert(column, meaning);
                }
                None => {}
            }
        }
        true
    }

    /// What comes next is another heading.
    pub(super) fn end(&mut self) {
        self.rows.clear();
    }

    /// It has something that names a column, and no amount: years are numbers, too.
    fn is_heading(&self, sheet: &Sheet, row: &Row) -> bool {
        let is_year = |cell: &Cell| matches!(when(&cell.text()), Some(When::Day(_) | When::Year(_)));
        let names = |(column, cell): (usize, &Cell)| {
            column > 0 && !labels::is_known(&cell.text()) && meaning(&[cell.text().into_owned()]).is_some()
        };
        let has_amounts = row.cells().any(|(_, cell)| cell.is_amount(sheet.notation) && !is_year(cell));
        let is_row = || {
            // « Stocks 2024 2023 » below headings has amounts that look like years.
            let label = row.cells().next().map(|(_, cell)| cell.text()).unwrap_or_default();
            let numbers: Vec<i32> = row.cells().filter_map(|(_, cell)| year_of(cell)).collect();
            let are_years = numbers.windows(2).all(|pair| pair[0].abs_diff(pair[1]) == 1) && numbers.len() > 1;
            labels::is_known(&label) && !self.is_empty() && !numbers.is_empty() && !are_years
        };
        !has_amounts && row.cells().any(names) && !is_row()
    }
}

/// Whether a heading is above labels.
fn is_of_labels(heading: &str) -> bool {
    let words = words::of(heading);
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    labels::is_known(heading) && !has(&["total"]) || has(&["libelle", "libelles", "poste", "postes", "intitule"])
}

fn year_of(cell: &Cell) -> Option<i32> {
    match (cell, when(&cell.text())?) {
        (Cell::Number(_) | Cell::Text(_), When::Year(year)) => Some(year),
        (_, When::Day(day)) => Some(day.year()),
        _ => None,
    }
}

/// What a column has, by its headings; nothing where they do not say it, nothing in that where it has no accounts.
fn meaning(headings: &[String]) -> Option<Option<Column>> {
    const OTHER: [&str; 16] = [
        "variation",
        "ecart",
        "evolution",
        "budget",
        "prevision",
        "note",
        "renvoi",
        "ref",
        "france",
        "export",
        "code",
        "debut",
        "ouverture",
        "augmentation",
        "diminution",
        "acquisition",
    ];
    let text = headings.join(" ");
    let words = words::of(&text);
    let has = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word.starts_with(name)));
    let is_number = |word: &String| matches!(word.as_str(), "n" | "no" | "numero" | "de" | "compte" | "comptes");
    let are_numbers = words.iter().any(|word| word.starts_with("compte")) && words.iter().all(is_number);
    if text.contains('%') || has(&OTHER) || are_numbers {
        return Some(None);
    }
    let year = headings.iter().rev().find_map(|heading| when(heading));
    let measure = if has(&["brut"]) {
        Measure::Gross
    } else if has(&["amort", "depreciation", "provision"]) {
        Measure::Depreciation
    } else if has(&["net"]) {
        Measure::Net
    } else if year.is_some() || has(&["montant", "valeur", "total", "euro", "keur", "solde"]) || text.contains('€') {
        Measure::Value
    } else {
        return None;
    };
    Some(Some(Column { measure, when: year.unwrap_or(When::Back(0)) }))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn headings_name_what_a_column_has() {
        let of = |headings: &[&str]| meaning(&headings.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let column = |measure, when| Some(Some(Column { measure, when }));
        let end = NaiveDate::from_ymd_opt(2024, 12, 31).map(When::Day).unwrap();
        assert_eq!(of(&["Brut"]), column(Measure::Gross, When::Back(0)));
        assert_eq!(of(&["Exercice N", "Amort. et prov."]), column(Measure::Depreciation, When::Back(0)));
        assert_eq!(of(&["Exercice clos le 31/12/2024", "Net"]), column(Measure::Net, end));
        assert_eq!(of(&["Net N-1"]), column(Measure::Net, When::Back(1)));
        assert_eq!(of(&["2023"]), column(Measure::Value, When::Year(2023)));
        assert_eq!(of(&["Montant (€)"]), column(Measure::Value, When::Back(0)));
        assert_eq!(of(&["2024", "2023"]), column(Measure::Value, When::Year(2023)));
        for other in ["Variation N/N-1", "Écart", "% du CA", "Notes", "Budget 2025"] {
            assert_eq!(of(&[other]), Some(None), "{other}");
        }
        for none in ["Libellé", "ACTIF", ""] {
            assert_eq!(of(&[none]), None, "{none}");
        }
    }
}

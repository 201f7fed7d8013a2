//! What stands above figures in a table: whose they are, of which fiscal year, and in which unit.

use std::borrow::Cow;

use chrono::{Datelike, Months, NaiveDate};
use rust_decimal::Decimal;

use super::log::Log;
use super::table::{Cell, Row, Sheet, Workbook};
use super::{ImportError, Options};
use crate::siren::SirenError;
use crate::statement::{AnomalyKind, Company, day};
use crate::words;

/// Rows at the top of a sheet that may say it.
const TOP: usize = 30;

/// Which fiscal year a column is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum When {
    /// `31/12/2024`: the one that ends on this day.
    Day(NaiveDate),
    /// `2024`
    Year(i32),
    /// `N-1`: so many before the last.
    Back(u32),
}

/// What the tops of a workbook's sheets say.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) company: Company,
    /// Its code, where it is not the euro.
    pub(super) currency: Option<String>,
    /// Of each sheet.
    periods: Vec<Period>,
}

/// The fiscal year that a sheet says it is of.
#[derive(Clone, Copy, Debug, Default)]
struct Period {
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    /// What its name says.
    name: Option<When>,
}

/// The day on which each column's fiscal year ends.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The last day of the last year.
    last: NaiveDate,
}

impl Head {
    /// Reads the tops of all sheets; of the company what the first says counts.
    pub(super) fn of(workbook: &Workbook, log: &mut Log) -> Self {
        let mut head = Self::default();
        for sheet in &workbook.sheets {
            let mut period = Period { name: sheet.name.as_deref().and_then(of_name), ..Period::default() };
            for (at, row) in sheet.rows.iter().take(TOP).enumerate() {
                let texts: Vec<String> = row.cells().map(|(_, cell)| cell.text().into_owned()).collect();
                let words = words::of(&texts.join(" "));
                period.read(&words);
                head.siren(&words, log, || {
                    workbook.place(sheet, row, row.cells().next().map_or(0, |(column, _)| column))
                });
                if head.company.name.is_none() {
                    head.company.name = name(row, at < 6);
                }
                head.currency = head.currency.take().or_else(|| currency(&words));
            }
            head.periods.push(period);
        }
        head
    }

    /// The last day that any sheet says.
    fn last(&self) -> Option<NaiveDate> {
        self.periods.iter().filter_map(|period| period.end).max()
    }

    /// The first day of the year that ends on this one, where a sheet says it.
    pub(super) fn start(&self, end: NaiveDate) -> Option<NaiveDate> {
        self.periods.iter().filter(|period| period.end == Some(end)).find_map(|period| period.start)
    }

    /// The year of a sheet's column: sheets of several years may each call theirs N.
    pub(super) fn dated(&self, sheet: usize, when: When, options: &Options) -> When {
        let When::Back(years) = when else { return when };
        let period = self.periods.get(sheet).copied().unwrap_or_default();
        // Of the last year the caller may know better.
        let end = period.end.filter(|end| options.end.is_none() || Some(*end) < self.last());
        match end.map(When::Day).or(period.name) {
            Some(When::Day(end)) => When::Day(back(end, i64::from(years))),
            Some(When::Year(year)) => When::Year(year.saturating_sub_unsigned(years)),
            _ => when,
        }
    }

    fn siren(&mut self, words: &[String], log: &mut Log, place: impl FnOnce() -> crate::statement::Place) {
        let is_name = |word: &String| matches!(word.as_str(), "siren" | "siret" | "rcs");
        let Some(at) = words.iter().position(is_name) else { return };
        let is_number = |word: &&String| word.chars().all(|char| char.is_ascii_digit());
        // The registry's town may stand between.
        let mut numbers = words[at..].iter().enumerate().skip_while(|(at, word)| *at < 4 && !is_number(word));
        let length = if words[at] == "siret" { 14 } else { 9 };
        let mut digits = String::new();
        while let Some((_, word)) = numbers.next().filter(|(_, word)| is_number(word) && digits.len() < length) {
            digits += word;
        }
        if digits.is_empty() || self.company.siren.is_some() {
            return;
        }
        let siren = if digits.len() == 14 { &digits[..9] } else { &digits };
        match siren.parse() {
            Ok(siren) => self.company.siren = Some(siren),
            Err(error) => log.at(AnomalyKind::Rule, "siren", Some(place()), || {
                let what = match error {
                    SirenError::Length => "n’a pas neuf chiffres",
                    SirenError::Check => "a une clé de contrôle fausse",
                };
                format!("le SIREN «\u{a0}{siren}\u{a0}» {what}")
            }),
        }
    }
}

impl Period {
    fn read(&mut self, words: &[String]) {
        const CLOSING: [&str; 13] = [
            "clos", "close", "cloture", "au", "arrete", "arretee", "arretes", "exercice", "fin", "periode", "bilan",
            "balance", "comptes",
        ];
        const PRINTED: [&str; 9] =
            ["edite", "editee", "edition", "imprime", "imprimee", "impression", "tirage", "genere", "extrait"];
        // When it was printed is not when the year ended.
        let printed = words.iter().position(|word| PRINTED.contains(&word.as_str())).unwrap_or(words.len());
        let words = &words[..printed];
        let dates = dates(words);
        let end = dates.iter().max().copied();
        if end > self.end && words.iter().any(|word| CLOSING.contains(&word.as_str())) {
            let is_period = words.iter().any(|word| word == "du") && dates.len() == 2;
            self.start = dates.first().copied().filter(|start| is_period && Some(*start) < end);
            self.end = end;
        }
    }
}

/// The year that a sheet's name says: `2023`, `Bilan 31-12-2023`. The tax forms are 2033 and 2050 to 2053.
fn of_name(name: &str) -> Option<When> {
    when(name).filter(|when| match when {
        When::Year(year) => *year < 2033,
        When::Day(_) => true,
        When::Back(_) => false,
    })
}

/// The company's name, of a row that says it; where `may_be_bare` it may stand there by itself, with its legal form.
fn name(row: &Row, may_be_bare: bool) -> Option<String> {
    const NAMES: [&str; 8] = [
        "societe",
        "denomination",
        "denomination sociale",
        "raison sociale",
        "entreprise",
        "nom",
        "dossier",
        "designation de l entreprise",
    ];
    const FORMS: [&str; 12] =
        ["sas", "sasu", "sarl", "eurl", "sa", "sci", "snc", "scp", "scop", "selarl", "selas", "gie"];
    let is_text = |cell: &&Cell| matches!(cell, Cell::Text(_));
    let mut cells = row.cells().map(|(_, cell)| cell).filter(is_text);
    let first = cells.next()?.text();
    let (before, after) = first.split_once(':').unwrap_or((&first, ""));
    if NAMES.contains(&words::of(before).join(" ").as_str()) {
        let after = after.trim();
        return if after.is_empty() { Some(cells.next()?.text().into_owned()) } else { Some(after.to_owned()) };
    }
    let words = words::of(&first);
    let has_form = words.iter().any(|word| FORMS.contains(&word.as_str()));
    let is_bare = may_be_bare && has_form && (2..=8).contains(&words.len()) && after.is_empty();
    is_bare.then(|| first.into_owned())
}

/// The code of a currency that is not the euro, where it is named.
fn currency(words: &[String]) -> Option<String> {
    const CODES: [&str; 10] = ["usd", "chf", "gbp", "cad", "xof", "xaf", "xpf", "mad", "tnd", "dzd"];
    let code = words.iter().map(|word| word.strip_prefix('k').unwrap_or(word)).find(|word| CODES.contains(word))?;
    Some(code.to_uppercase())
}

/// What a sheet's amounts are multiplied with to be in its currency, where its top says so.
pub(super) fn unit(sheet: &Sheet) -> Option<Decimal> {
    let cells = sheet.rows.iter().take(TOP).flat_map(Row::cells);
    let texts = cells.filter_map(|(_, cell)| if let Cell::Text(text) = cell { Some(text) } else { None });
    sheet.name.iter().chain(texts).find_map(|text| unit_of(text))
}

fn unit_of(text: &str) -> Option<Decimal> {
    const UNITS: [(i64, &[&str]); 4] = [
        (1_000_000_000, &["md€", "mds€", "mrd€", "md €", "mds €", "milliards"]),
        (1_000_000, &["m€", "m €", "meur", "m eur", "millions"]),
        (1000, &["k€", "k €", "keur", "k eur", "milliers"]),
        (1, &["en euros", "en euro", "en €", "en eur", "(€)", "(euros)"]),
    ];
    let text = text.to_lowercase().replace(char::is_whitespace, " ");
    // That of a company is no unit.
    if text.contains("capital") {
        return None;
    }
    let is_it = |(_, names): &&(i64, &[&str])| names.iter().any(|name| text.contains(name));
    UNITS.iter().find(is_it).map(|(factor, _)| Decimal::from(*factor))
}

/// The dates of a text, in their order: `31/12/2024`, `2024-12-31`, `1er mars 2024`, `31/12/24`.
fn dates(words: &[String]) -> Vec<NaiveDate> {
    let (mut dates, mut at) = (Vec::new(), 0);
    while let Some([one, two, three]) = words.get(at..at + 3) {
        let date = match (one.len(), three.len()) {
            (4, 1..=2) => date(three, two, one),
            (1..=3, 4) => date(one, two, three),
            (2, 2) if two.len() == 2 => date(one, two, &format!("20{three}")),
            _ => None,
        };
        at += if date.is_some() { 3 } else { 1 };
        dates.extend(date);
    }
    dates
}

fn date(day: &str, month: &str, year: &str) -> Option<NaiveDate> {
    const MONTHS: [&str; 12] =
        ["janv", "fevr", "mars", "avr", "mai", "juin", "juil", "aou", "sept", "oct", "nov", "dec"];
    let day = day.strip_suffix("er").unwrap_or(day).parse().ok()?;
    let name = || MONTHS.iter().position(|name| month.starts_with(name)).map(|at| at as u32 + 1);
    let month = month.parse().ok().or_else(name)?;
    let year = year.parse().ok().filter(|year| (1900..=2100).contains(year))?;
    NaiveDate::from_ymd_opt(year, month, day)
}

/// Whether a text has a date.
pub(super) fn is_date(text: &str) -> bool {
    !dates(&words::of(text)).is_empty()
}

/// The fiscal year that a column's heading names; nothing where it names none.
pub(super) fn when(text: &str) -> Option<When> {
    let words = words::of(text);
    if let Some(date) = dates(&words).last() {
        return Some(When::Day(*date));
    }
    let year = |word: &String| word.parse().ok().filter(|year: &i32| word.len() == 4 && (1990..2050).contains(year));
    if let Some(year) = words.iter().filter_map(year).next_back() {
        // `juin 2024`, `06/2024`: its last day. The rest of a day that is none says nothing.
        let is_month = |pair: &[String]| pair[0].len() > 1 && pair[1] == year.to_string();
        let at = words.windows(2).position(is_month);
        let at = at.filter(|at| *at == 0 || !words[at - 1].starts_with(|first: char| first.is_ascii_digit()));
        let day = at.and_then(|at| date("1", &words[at], &words[at + 1])).map(end_of_month);
        return Some(day.map_or(When::Year(year), When::Day));
    }
    let is = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    let after_n = words.windows(2).find(|pair| pair[0] == "n").and_then(|pair| pair[1].parse().ok());
    let glued = words.iter().find_map(|word| word.strip_prefix('n')?.parse().ok());
    match after_n.or(glued).filter(|years| (1..=9).contains(years)) {
        Some(years) => Some(When::Back(years)),
        None if is(&["precedent", "precedente", "anterieur", "anterieure"]) => Some(When::Back(1)),
        None if is(&["n", "exercice", "courant", "annee"]) => Some(When::Back(0)),
        None => None,
    }
}

/// The headings of a column in some rows of a sheet, one below the other. A cell may be the heading of several columns,
/// from `first` on: it stands above the first of them.
pub(super) fn headings(sheet: &Sheet, rows: &[usize], first: usize, column: usize) -> Vec<String> {
    let text = |row: &usize, column: usize| sheet.rows.get(*row).map(|row| row.get(column).text()).unwrap_or_default();
    let mut headings = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let has_below = rows.iter().skip(at + 1).any(|row| !text(row, column).is_empty());
        let group = || (first..column).rev().map(|left| text(row, left)).find(|text| has_below && !text.is_empty());
        let own = Some(text(row, column)).filter(|text| !text.is_empty());
        headings.extend(own.or_else(group).map(Cow::into_owned));
    }
    headings
}

impl Calendar {
    /// The years of columns that name them so. Columns that have dates say it themselves; for others it is what the
    /// caller says, else what the tops of the sheets say.
    ///
    /// # Errors
    /// Where none of them says when a year ends.
    pub(super) fn new(
        whens: &[When],
        head: &Head,
        options: &Options,
        file: &str,
        log: &mut Log,
    ) -> Result<Self, ImportError> {
        let days = whens.iter().filter_map(|when| if let When::Day(day) = when { Some(*day) } else { None });
        let years = whens.iter().filter_map(|when| if let When::Year(year) = when { Some(*year) } else { None });
        let by_year = || {
            let last = NaiveDate::from_ymd_opt(years.max()?, 12, 31)?;
            log.at(AnomalyKind::Missing, "end", None, || {
                let last = day(last);
                format!("la date de clôture n’est pas dite\u{a0}: l’exercice est supposé clos le {last}")
            });
            Some(last)
        };
        let last = options.end.or(head.last()).or(days.max()).or_else(by_year);
        last.map(|last| Self { last }).ok_or_else(|| ImportError::NoYear(file.to_owned()))
    }

    /// The last day of a column's year.
    pub(super) fn end(&self, when: When) -> NaiveDate {
        match when {
            When::Day(day) => day,
            When::Year(year) => back(self.last, i64::from(self.last.year()) - i64::from(year)),
            When::Back(years) => back(self.last, i64::from(years)),
        }
    }
}

/// The day so many years before; the last day of a month stays one.
fn back(day: NaiveDate, years: i64) -> NaiveDate {
    let months = Months::new(u32::try_from(years.unsigned_abs()).unwrap_or(u32::MAX).saturating_mul(12));
    let moved = if years < 0 { day.checked_add_months(months) } else { day.checked_sub_months(months) };
    let moved = moved.unwrap_or(day);
    if day == end_of_month(day) { end_of_month(moved) } else { moved }
}

/// The last day of its month.
pub(super) fn end_of_month(date: NaiveDate) -> NaiveDate {
    let next = date.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
    next.and_then(|next| next.pred_opt()).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn columns_say_their_year_in_many_ways() {
        for (text, expected) in [
            ("31/12/2024", Some(When::Day(day("2024-12-31")))),
            ("Au 31 décembre 2024", Some(When::Day(day("2024-12-31")))),
            ("Exercice clos le 1er mars 2024", Some(When::Day(day("2024-03-01")))),
            ("Du 01/07/2023 au 30/06/2024", Some(When::Day(day("2024-06-30")))),
            ("Juin 2024", Some(When::Day(day("2024-06-30")))),
            ("02/2024", Some(When::Day(day("2024-02-29")))),
            ("30.06.24", Some(When::Day(day("2024-06-30")))),
            ("2024-12-31", Some(When::Day(day("2024-12-31")))),
            ("Net 2024", Some(When::Year(2024))),
            ("Exercice 2023/2024", Some(When::Year(2024))),
            ("Exercice N", Some(When::Back(0))),
            ("N", Some(When::Back(0))),
            ("N-1", Some(When::Back(1))),
            ("Montant N – 2", Some(When::Back(2))),
            ("Exercice précédent", Some(When::Back(1))),
            ("Exercice", Some(When::Back(0))),
            ("Net", None),
            ("Brut", None),
            ("31/02/2024", Some(When::Year(2024))),
        ] {
            assert_eq!(when(text), expected, "{text}");
        }
    }

    #[test]
    fn a_year_is_counted_from_the_last_that_is_known() {
        let mut log = Log::new("b.csv");
        let period = Period { end: Some(day("2024-06-30")), ..Period::default() };
        let head = Head { periods: vec![period], ..Head::default() };
        let calendar = Calendar::new(&[When::Back(1)], &head, &Options::default(), "b.csv", &mut log).unwrap();
        assert_eq!(calendar.end(When::Back(0)), day("2024-06-30"));
        assert_eq!(calendar.end(When::Back(1)), day("2023-06-30"));
        assert_eq!(calendar.end(When::Year(2022)), day("2022-06-30"));
        assert_eq!(calendar.end(When::Year(2025)), day("2025-06-30"));
        assert_eq!(calendar.end(When::Day(day("2021-05-31"))), day("2021-05-31"));
        // The caller knows better than what stands above; the last day of a month stays one.
        let options = Options { end: Some(day("2025-02-28")) };
        let calendar = Calendar::new(&[], &head, &options, "b.csv", &mut log).unwrap();
        assert_eq!(calendar.end(When::Back(1)), day("2024-02-29"));
        assert!(log.into_anomalies().is_empty());
    }

    #[test]
    fn a_year_without_a_day_is_the_calendars_and_nothing_at_all_is_an_error() {
        let mut log = Log::new("b.csv");
        let of = |whens: &[When], log: &mut Log| {
            Calendar::new(whens, &Head::default(), &Options::default(), "b.csv", log).map(|calendar| calendar.last)
        };
        assert_eq!(of(&[When::Year(2023), When::Year(2024)], &mut log), Ok(day("2024-12-31")));
        assert_eq!(of(&[When::Back(0)], &mut log), Err(ImportError::NoYear("b.csv".to_owned())));
        let messages: Vec<String> = log.into_anomalies().into_iter().map(|anomaly| anomaly.message).collect();
        assert_eq!(messages, ["la date de clôture n’est pas dite\u{a0}: l’exercice est supposé clos le 31/12/2024"]);
    }

    #[test]
    fn units_are_read_from_what_stands_above() {
        for (text, factor) in [
            ("Bilan (en k€)", Some(1000)),
            ("en milliers d’euros", Some(1000)),
            ("KEUR", Some(1000)),
            ("En M€", Some(1_000_000)),
            ("montants en millions d'euros", Some(1_000_000)),
            ("Mds€", Some(1_000_000_000)),
            ("(en euros)", Some(1)),
            ("SAS au capital de 2 millions d’euros", None),
            ("Bilan", None),
        ] {
            assert_eq!(unit_of(text), factor.map(Decimal::from), "{text}");
        }
    }
}

//! A report as a workbook: a sheet for each table, with numbers as numbers.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::{Cell, Report, Table, tables};
use crate::items::{self, Unit};
use crate::monthly;
use crate::statement::day;

/// A workbook (Office Open XML); `notes` on what it was made from have a sheet of their own.
///
/// # Errors
/// Where there is more text in a cell than a workbook can have.
pub fn xlsx(report: &Report, notes: &[String]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    // No clock here: the day of the accounts.
    let mut properties = DocProperties::new();
    if let Some(end) = report.statement.years.last().map(|year| year.end) {
        properties = properties.set_creation_datetime(&ExcelDateTime::parse_from_str(&end.to_string())?);
    }
    workbook.set_properties(&properties);
    let formats = Formats::new(&report.statement.currency);
    for table in tables(&report.analysis) {
        let sheet = workbook.add_worksheet().set_name(table.name)?;
        write_table(sheet, &table, report, &formats)?;
    }
    if !report.months.is_empty() {
        write_months(workbook.add_worksheet().set_name("Mois")?, report, &formats)?;
    }
    for (title, points) in super::points(report, notes) {
        let sheet = workbook.add_worksheet().set_name(title)?;
        sheet.set_column_width(0, 120)?;
        for (row, point) in (0..).zip(points) {
            sheet.write_string(row, 0, text(&point))?;
        }
    }
    workbook.save_to_buffer()
}

struct Formats {
    heading: Format,
    currency: Format,
    percent: Format,
    times: Format,
    days: Format,
    /// Of what is said in place of a number.
    word: Format,
}

impl Formats {
    fn new(currency: &str) -> Self {
        let sign = if currency == "EUR" { "€" } else { currency };
        // Of a code from a file only what is one.
        let sign: String = sign.chars().filter(|char| char.is_alphanumeric() || *char == '€').take(8).collect();
        let format = |code: &str| Format::new().set_num_format(code);
        Self {
            heading: Format::new().set_bold(),
            currency: format(&format!("#,##0\u{a0}\"{sign}\"")),
            percent: format("0.0\u{a0}%"),
            times: format("0.00"),
            days: format("0\u{a0}\"jours\""),
            word: Format::new().set_align(FormatAlign::Right),
        }
    }
}

fn write_table(sheet: &mut Worksheet, table: &Table, report: &Report, formats: &Formats) -> Result<(), XlsxError> {
    let years = &report.analysis.years;
    let last = years.len() as u16 + 1;
    sheet.set_column_width(0, 60)?.set_column_range_width(1, last - 1, 18)?.set_column_width(last, 90)?;
    sheet.set_freeze_panes(1, 1)?;
    for (column, year) in (1..).zip(years) {
        sheet.write_string_with_format(0, column, day(year.end), &formats.heading)?;
    }
    sheet.write_string_with_format(0, last, "Formule", &formats.heading)?;
    for (at, row) in (1..).zip(&table.rows) {
        sheet.write_string(at, 0, text(&row.label))?;
        for (column, cell) in (1..).zip(&row.cells) {
            match cell {
                Cell::Value(value) => write_number(sheet, (at, column), *value, row.unit, formats)?,
                Cell::Undefined(undefined) => {
                    sheet.write_string_with_format(at, column, text(&undefined.reason()), &formats.word)?;
                }
                Cell::Absent => {}
            }
        }
        sheet.write_string(at, last, text(row.formula.as_deref().unwrap_or_default()))?;
    }
    Ok(())
}

fn write_months(sheet: &mut Worksheet, report: &Report, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_column_range_width(0, monthly::SHOWN.len() as u16, 26)?.set_freeze_panes(1, 1)?;
    for (column, id) in (1..).zip(monthly::SHOWN) {
        sheet.write_string_with_format(0, column, items::label(id), &formats.heading)?;
        for (at, month) in (1..).zip(&report.months) {
            sheet.write_string(at, 0, &month.month)?;
            if let Some(value) = month.results.get(id) {
                write_number(sheet, (at, column), *value, Unit::Currency, formats)?;
            }
        }
    }
    Ok(())
}

fn write_number(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    value: Decimal,
    unit: Unit,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let (value, format) = match unit {
        Unit::Currency => (value, &formats.currency),
        Unit::Percent => (value / Decimal::ONE_HUNDRED, &formats.percent),
        Unit::Times => (value, &formats.times),
        Unit::Days => (value, &formats.days),
    };
    sheet.write_number_with_format(row, column, value.to_f64().unwrap_or_default(), format)?;
    Ok(())
}

/// What fits in a cell, without what its XML cannot have.
fn text(text: &str) -> String {
    const MOST: usize = 32_000;
    super::plain(text).chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Place;
    use crate::{import, sample};

    #[test]
    fn a_workbook_is_read_again_with_the_same_results() {
        let mut file = String::new();
        sample::fec(2_000, 1, &mut |line| file.extend([line, "\n"]));
        let statement = import::read(file.as_bytes(), sample::NAME, &import::Options::default()).unwrap();
        let report = Report::of(statement);
        let notes = ["Exercice corrigé".to_owned(), "=1+1 \u{1}".to_owned()];
        let bytes = xlsx(&report, &notes).unwrap();
        let place = Place { file: "a.xlsx".to_owned(), sheet: Some("Provenance".to_owned()), at: "A2".to_owned() };
        let sheet = import::excerpt(&bytes, "a.xlsx", &place).unwrap();
        let cells: Vec<&String> = sheet.rows.iter().flat_map(|row| &row.cells).collect();
        assert_eq!(cells, ["Exercice corrigé", "=1+1"]);
        // By our own reader, as a bilan and compte de résultat; Excel's numbers are binary, but to the cent exact.
        let again = import::read(&bytes, "analyse.xlsx", &import::Options::default()).unwrap();
        let again = crate::analyse(&again);
        for id in ["ebe", "total_actif", "resultat_net"] {
            let of = |analysis: &crate::Analysis| analysis.years[0].value(id).map(|value| value.round_dp(2));
            assert!(of(&report.analysis).is_some());
            assert_eq!(of(&again), of(&report.analysis), "{id}");
        }
    }
}

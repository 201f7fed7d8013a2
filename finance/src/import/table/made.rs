//! Workbooks for tests, made of what their cells are shown as.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A sheet's name and its rows, cells apart by tabs: `1234,5` is a number, `31/12/2024` a date, `12 %` a share,
/// `#REF!` an error, `'12` the text `12`.
pub(in crate::import) type Sheet<'a> = (&'a str, &'a str);

/// A ZIP archive.
pub(in crate::import) fn zip(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

enum Kind<'a> {
    Number(String),
    /// Day, month, year.
    Date(i64, i64, i64),
    Percent(String),
    Error(&'a str),
    Text(&'a str),
}

fn kind(cell: &str) -> Kind<'_> {
    let number = |text: &str| {
        let plain = text.replace(' ', "").replace(',', ".");
        plain.parse::<f64>().is_ok().then_some(plain)
    };
    let date = || {
        let parts: Vec<&str> = cell.split('/').collect();
        let [day, month, year] = parts.as_slice() else { return None };
        Some((day.parse().ok()?, month.parse().ok()?, year.parse().ok()?))
    };
    if let Some(text) = cell.strip_prefix('\'') {
        Kind::Text(text)
    } else if let Some((day, month, year)) = date() {
        Kind::Date(day, month, year)
    } else if let Some(share) = cell.strip_suffix(" %").and_then(number) {
        Kind::Percent((share.parse::<f64>().unwrap() / 100.0).to_string())
    } else if cell.starts_with('#') {
        Kind::Error(cell)
    } else {
        number(cell).map_or(Kind::Text(cell), Kind::Number)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// A workbook as Excel writes it.
pub(in crate::import) fn xlsx(sheets: &[Sheet<'_>]) -> Vec<u8> {
    let mut texts: Vec<&str> = Vec::new();
    let (mut list, mut relations, mut parts) = (String::new(), String::new(), Vec::new());
    for (at, (name, rows)) in sheets.iter().enumerate() {
        let number = at + 1;
        write!(list, r#"<sheet name="{}" sheetId="{number}" r:id="rId{number}"/>"#, escaped(name)).unwrap();
        let kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";
        write!(relations, r#"<Relationship Id="rId{number}" Type="{kind}" Target="worksheets/sheet{number}.xml"/>"#)
            .unwrap();
        parts.push((format!("xl/worksheets/sheet{number}.xml"), sheet_xml(rows, &mut texts)));
    }
    let of = |kind: &str| format!("http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}");
    for (id, kind, target) in [("s", "sharedStrings", "sharedStrings.xml"), ("f", "styles", "styles.xml")] {
        write!(relations, r#"<Relationship Id="{id}" Type="{}" Target="{target}"/>"#, of(kind)).unwrap();
    }
    let texts: String = texts.iter().map(|text| format!("<si><t>{}</t></si>", escaped(text))).collect();
    let main = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
    let root = format!(
        r#"<Relationships><Relationship Id="r" Type="{}" Target="xl/workbook.xml"/></Relationships>"#,
        of("officeDocument")
    );
    let mut all = vec![
        ("[Content_Types].xml".to_owned(), "<Types/>".to_owned()),
        ("_rels/.rels".to_owned(), root),
        ("xl/workbook.xml".to_owned(), format!("<workbook {main}><workbookPr/><sheets>{list}</sheets></workbook>")),
        ("xl/_rels/workbook.xml.rels".to_owned(), format!("<Relationships>{relations}</Relationships>")),
        ("xl/sharedStrings.xml".to_owned(), format!("<sst {main}>{texts}</sst>")),
        (
            "xl/styles.xml".to_owned(),
            format!(
                "<styleSheet {main}><numFmts><numFmt numFmtId=\"164\" formatCode=\"dd/mm/yyyy\"/></numFmts>\
                 <cellStyleXfs><xf numFmtId=\"9\"/></cellStyleXfs>\
                 <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"10\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    all.extend(parts);
    zip(&all.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
}

fn sheet_xml<'a>(rows: &'a str, texts: &mut Vec<&'a str>) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?><worksheet><dimension ref=\"A1\"/><sheetData>");
    for (row, cells) in rows.lines().enumerate().filter(|(_, cells)| !cells.is_empty()) {
        write!(xml, "<row r=\"{}\">", row + 1).unwrap();
        for (column, cell) in cells.split('\t').enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let at = format!("{}{}", super::letters(column), row + 1);
            match kind(cell) {
                Kind::Number(number) => write!(xml, "<c r=\"{at}\"><v>{number}</v></c>"),
                Kind::Date(day, month, year) => {
                    let date = chrono::NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32).unwrap();
                    let first = chrono::NaiveDate::from_ymd_opt(1899, 12, 30).unwrap();
                    write!(xml, "<c r=\"{at}\" s=\"1\"><v>{}</v></c>", (date - first).num_days())
                }
                Kind::Percent(share) => write!(xml, "<c r=\"{at}\" s=\"2\"><v>{share}</v></c>"),
                Kind::Error(error) => write!(xml, "<c r=\"{at}\" t=\"e\"><f>A1/0</f><v>{error}</v></c>"),
                Kind::Text(text) => {
                    texts.push(text);
                    write!(xml, "<c r=\"{at}\" t=\"s\"><v>{}</v></c>", texts.len() - 1)
                }
            }
            .unwrap();
        }
        xml.push_str("</row>");
    }
    xml + "</sheetData></worksheet>"
}

/// The same as LibreOffice writes it, with the empty rest of each row and sheet.
pub(in crate::import) fn ods(sheets: &[Sheet<'_>]) -> Vec<u8> {
    let mut xml = String::from("<office:document-content><office:body><office:spreadsheet>");
    for (name, rows) in sheets {
        write!(xml, "<table:table table:name=\"{}\"><table:table-column/>", escaped(name)).unwrap();
        for cells in rows.lines() {
            xml.push_str("<table:table-row>");
            for cell in cells.split('\t') {
                let (attributes, text) = match kind(cell) {
                    Kind::Number(number) => (format!("office:value-type=\"float\" office:value=\"{number}\""), cell),
                    Kind::Date(day, month, year) => (
                        format!("office:value-type=\"date\" office:date-value=\"{year:04}-{month:02}-{day:02}\""),
                        cell,
                    ),
                    Kind::Percent(share) => {
                        (format!("office:value-type=\"percentage\" office:value=\"{share}\""), cell)
                    }
                    Kind::Error(error) => {
                        ("office:value-type=\"string\" calcext:value-type=\"error\"".to_owned(), error)
                    }
                    Kind::Text(text) => ("office:value-type=\"string\"".to_owned(), text),
                };
                match text {
                    "" => xml.push_str("<table:table-cell/>"),
                    text => write!(
                        xml,
                        "<table:table-cell {attributes}><text:p>{}</text:p></table:table-cell>",
                        escaped(text)
                    )
                    .unwrap(),
                }
            }
            xml.push_str("<table:table-cell table:number-columns-repeated=\"16000\"/></table:table-row>");
        }
        xml.push_str(
            "<table:table-row table:number-rows-repeated=\"1048000\"><table:table-cell \
             table:number-columns-repeated=\"16384\"/></table:table-row></table:table>",
        );
    }
    xml.push_str("</office:spreadsheet></office:body></office:document-content>");
    zip(&[("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", &xml)])
}

/// The same as a text, tabs being the separator.
pub(in crate::import) fn text(rows: &str, separator: &str) -> String {
    let line = |line: &str| {
        let cells: Vec<&str> = line.split('\t').map(|cell| cell.strip_prefix('\'').unwrap_or(cell)).collect();
        cells.join(separator) + "\r\n"
    };
    rows.lines().map(line).collect()
}

use proptest::prelude::*;

use super::*;

const ROWS: &str = "Société Exemple\n\nCompte\tLibellé\tSolde\n'411000\tClients & \"Cie\"\t1 234,56\n\
                    '512000\tBanque\t-0,3\n\
                    \tPart\t12,5 %\n\tClôture\t31/12/2024\nFaux\t\t#REF!";

fn cells(workbook: &Workbook) -> Vec<(String, Cell)> {
    let sheets = workbook.sheets.iter();
    let rows = sheets.flat_map(|sheet| sheet.rows.iter().map(move |row| (sheet, row)));
    rows.flat_map(|(sheet, row)| {
        row.cells().map(move |(column, cell)| (workbook.place(sheet, row, column).at, cell.clone()))
    })
    .collect()
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let workbook = read(bytes, "table").unwrap();
    cells(&workbook).into_iter().map(|(_, cell)| cell.text().into_owned()).collect()
}

#[test]
fn workbooks_are_cells_with_their_addresses() {
    for bytes in [made::xlsx(&[("Balance", ROWS)]), made::ods(&[("Balance", ROWS)])] {
        let workbook = read(&bytes, "b.xlsx").unwrap();
        assert_eq!(workbook.sheets.len(), 1);
        let place = workbook.place(&workbook.sheets[0], &workbook.sheets[0].rows[1], 2);
        assert_eq!((place.sheet.as_deref(), place.at.as_str()), (Some("Balance"), "C3"));
        let text = |text: &str| Cell::Text(text.to_owned());
        let number = |text: &str| Cell::Number(text.parse().unwrap());
        let expected: Vec<(String, Cell)> = [
            ("A1", text("Société Exemple")),
            ("A3", text("Compte")),
            ("B3", text("Libellé")),
            ("C3", text("Solde")),
            ("A4", text("411000")),
            ("B4", text("Clients & \"Cie\"")),
            ("C4", number("1234.56")),
            ("A5", text("512000")),
            ("B5", text("Banque")),
            ("C5", number("-0.3")),
            ("B6", text("Part")),
            ("C6", Cell::Percent("12.5".parse().unwrap())),
            ("B7", text("Clôture")),
            ("C7", Cell::Date(NaiveDate::from_ymd_opt(2024, 12, 31).unwrap())),
            ("A8", text("Faux")),
            ("C8", Cell::Error("#REF!".to_owned())),
        ]
        .into_iter()
        .map(|(at, cell)| (at.to_owned(), cell))
        .collect();
        assert_eq!(cells(&workbook), expected);
    }
}

#[test]
fn a_text_is_read_in_any_encoding_and_with_any_separator() {
    let rows = "Compte\tLibellé\tSolde\n411000\tClients français\t1 234,56\n512000\tBanque\t-12,5";
    let expected =
        ["Compte", "Libellé", "Solde", "411000", "Clients français", "1 234,56", "512000", "Banque", "-12,5"];
    let semicolons = made::text(rows, ";");
    let quoted: String = rows.lines().map(|line| format!("\"{}\"\n", line.replace('\t', "\",\""))).collect();
    let utf_16 = |bytes: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
        let mark = mark.then_some(0xFEFF);
        mark.into_iter().chain(semicolons.encode_utf16()).flat_map(bytes).collect()
    };
    let latin: Vec<u8> = semicolons.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    for (what, bytes) in [
        ("semicolons", semicolons.clone().into_bytes()),
        ("tabs", made::text(rows, "\t").into_bytes()),
        ("pipes", made::text(rows, "|").into_bytes()),
        ("commas and quotes", quoted.into_bytes()),
        ("a mark", ["\u{feff}", &semicolons].concat().into_bytes()),
        ("UTF-16LE", utf_16(u16::to_le_bytes, true)),
        ("UTF-16BE", utf_16(u16::to_be_bytes, true)),
        ("UTF-16LE without a mark", utf_16(u16::to_le_bytes, false)),
        ("Windows-1252", latin),
        ("an old Macintosh", semicolons.replace("\r\n", "\r").into_bytes()),
        ("Unix", semicolons.replace('\r', "").into_bytes()),
    ] {
        assert_eq!(texts(&bytes), expected, "{what}");
    }
    // Lines are counted as an editor counts them.
    let workbook = read(semicolons.as_bytes(), "b.csv").unwrap();
    let sheet = &workbook.sheets[0];
    assert_eq!((sheet.name.as_deref(), workbook.place(sheet, &sheet.rows[2], 1).at.as_str()), (None, "3"));
}

#[test]
fn quotation_marks_keep_separators_and_lines_and_one_alone_keeps_nothing() {
    assert_eq!(texts("a;\"b;c\nd\"\n1;2".as_bytes()), ["a", "b;c\nd", "1", "2"]);
    assert_eq!(texts("a;\"b\n1;2\n3;4".as_bytes()), ["a", "b", "1", "2", "3", "4"]);
}

#[test]
fn numbers_of_a_workbook_are_what_it_shows() {
    for (text, expected) in [
        ("1234567890123.4501", Some("1234567890123.45")),
        ("0.30000000000000004", Some("0.3")),
        ("1.5E3", Some("1500")),
        ("-4.9E-14", Some("0")),
        ("1E400", None),
        ("1E20", None),
        ("NaN", None),
        ("x", None),
    ] {
        assert_eq!(number(text), expected.map(|text| text.parse().unwrap()), "{text}");
    }
}

#[test]
fn columns_have_letters() {
    assert_eq!([0, 25, 26, 199, 701, 702].map(letters), ["A", "Z", "AA", "GR", "ZZ", "AAA"]);
}

#[test]
fn what_is_amount_like_is_an_amount_or_should_be() {
    for text in ["1 234,5", "(12)", "-", "12,5O", "1.234.5", "#REF!"] {
        assert!(Cell::text_of(text).is_amount(Notation::Comma), "{text}");
    }
    for text in ["Capital", "31/12/2024", "N-1", "2 rue de la Paix", ""] {
        assert!(!Cell::text_of(text).is_amount(Notation::Comma), "{text}");
    }
}

#[test]
fn more_than_is_allowed_is_an_error() {
    let message = |bytes: &[u8]| read(bytes, "b").unwrap_err().to_string();
    assert_eq!(message("a;".repeat(250).as_bytes()), "b: plus de 200 colonnes".replace(": ", "\u{a0}: "));
    let sheets = vec![("Feuille", "a"); 101];
    assert!(message(&made::xlsx(&sheets)).ends_with("plus de 100 feuilles"));
    let many = (("1;".repeat(100) + "1\n").repeat(10_000)).into_bytes();
    assert!(message(&many).ends_with("plus d’un million de cellules"));
    // Few bytes that say much: a cell that is repeated, an archive of spaces, a text in a million cells.
    let repeated = "<table:table><table:table-row table:number-rows-repeated=\"1048576\"><table:table-cell \
                    table:number-columns-repeated=\"100\"><text:p>a</text:p></table:table-cell></table:table-row>\
                    </table:table>";
    assert!(message(&made::zip(&[("content.xml", repeated)])).ends_with("plus d’un million de cellules"));
    let wide = repeated.replace("\"100\"", "\"16384\"");
    assert!(message(&made::zip(&[("content.xml", &wide)])).ends_with("plus de 200 colonnes"));
    let mut builder = Builder::new("b");
    builder.sheet(None).unwrap();
    builder.text = TEXT - 2;
    assert!(builder.cell(1, 0, Cell::text_of("ab")).is_ok());
    let error = builder.cell(1, 1, Cell::text_of("a")).unwrap_err().to_string();
    assert!(error.ends_with("plus de texte qu’il n’est permis"));
}

#[test]
fn what_is_no_workbook_is_an_error() {
    let message = |bytes: &[u8]| read(bytes, "b").unwrap_err().to_string();
    assert_eq!(message(b""), "b\u{a0}: le fichier est vide");
    assert_eq!(message(b" \n "), "b\u{a0}: le fichier est vide");
    assert!(message(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1").contains(".xlsx"));
    assert!(message(b"PK\x03\x04 not an archive").contains("archive ZIP abîmée"));
    assert!(message(&made::zip(&[("a.txt", "a")])).contains("ce n’est pas un classeur"));
    assert!(message(&made::zip(&[("content.xml", "<a><b></a>")])).contains("classeur mal formé"));
    assert!(!is_workbook(&made::zip(&[("reports/a.xhtml", "a")])));
    assert!(is_workbook(&made::xlsx(&[("a", "a")])) && is_workbook(&made::ods(&[("a", "a")])));
}

#[test]
fn texts_of_several_pieces_are_put_together() {
    let sheet = "<worksheet><sheetData><row><c t=\"inlineStr\"><is><r><t>Rés</t></r><r><t>erve</t></r></is></c>\
                 <c t=\"str\"><f>A1</f><v>a &amp; b</v></c><c t=\"b\"><v>1</v></c><c/><c><v>7</v></c></row></sheetData>\
                 </worksheet>";
    let kind = "http://purl.oclc.org/ooxml/officeDocument/relationships";
    let bytes = made::zip(&[
        (
            "_rels/.rels",
            &format!(
                "<Relationships><Relationship Id='r' Type='{kind}/officeDocument' Target='/book.xml'/></Relationships>"
            ),
        ),
        (
            "book.xml",
            "<x:workbook xmlns:x='a' xmlns:r='b'><x:sheets><x:sheet name='A' r:id='1'/></x:sheets></x:workbook>",
        ),
        (
            "_rels/book.xml.rels",
            &format!("<Relationships><Relationship Id='1' Type='{kind}/worksheet' Target='s.xml'/></Relationships>"),
        ),
        ("s.xml", sheet),
    ]);
    let workbook = read(&bytes, "b").unwrap();
    let found: Vec<(String, String)> =
        cells(&workbook).into_iter().map(|(at, cell)| (at, cell.text().into_owned())).collect();
    let expected = [("A1", "Réserve"), ("B1", "a & b"), ("C1", "VRAI"), ("E1", "7")];
    assert_eq!(found, expected.map(|(at, text)| (at.to_owned(), text.to_owned())));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..4_usize) {
        let begin: &[u8] = [&b""[..], b"PK\x03\x04", b"\xFF\xFE", b"Compte;Solde\n"][kind];
        let _ = read(&[begin, &bytes].concat(), "b");
    }

    /// Damage inside the parts, where no checksum of the archive stops it.
    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..3000, byte: u8, cut in 0_usize..3000, is_ods: bool) {
        let bytes = if is_ods { made::ods(&[("Balance", ROWS)]) } else { made::xlsx(&[("Balance", ROWS)]) };
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let mut parts = Vec::new();
        for name in names {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut archive.by_name(&name).unwrap(), &mut text).unwrap();
            let length = text.len().max(1);
            if let Some(damaged) = text.get_mut(at % length) {
                *damaged = byte & 0x7F;
            }
            text.truncate(text.len() - (cut % 40).min(text.len()) * usize::from(cut % 3 == 0));
            parts.push((name, String::from_utf8_lossy(&text).into_owned()));
        }
        let parts: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let _ = read(&made::zip(&parts), "b");
    }
}

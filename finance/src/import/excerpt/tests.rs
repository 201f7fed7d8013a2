use proptest::prelude::*;

use super::*;
use crate::import::table::made;
use crate::import::{Options, read};
use crate::sample;

fn place(file: &str, sheet: Option<&str>, at: &str) -> Place {
    Place { file: file.to_owned(), sheet: sheet.map(str::to_owned), at: at.to_owned() }
}

fn numbers(excerpt: &Excerpt) -> Vec<&str> {
    excerpt.rows.iter().map(|row| row.number.as_str()).collect()
}

/// The one row that is the place.
fn marked(excerpt: &Excerpt) -> &ExcerptRow {
    let mut marked = excerpt.rows.iter().filter(|row| row.is_place);
    let first = marked.next().unwrap();
    assert_eq!(marked.next(), None);
    first
}

fn fec(lines: u64) -> String {
    let mut file = String::new();
    sample::fec(lines, 1, &mut |line| file.extend([line, "\r\n"]));
    file
}

#[test]
fn a_line_of_a_fec_is_shown_between_its_neighbours() {
    let file = fec(200);
    let of = |bytes: &[u8], at: &str| excerpt(bytes, sample::NAME, &place(sample::NAME, None, at)).unwrap();
    let middle = of(file.as_bytes(), "20");
    assert_eq!(middle.title, format!("{}, 20", sample::NAME));
    assert_eq!((middle.columns.len(), middle.columns[4].as_str()), (18, "CompteNum"));
    assert_eq!(numbers(&middle), ["16", "17", "18", "19", "20", "21", "22", "23", "24"]);
    let line: Vec<String> = file.lines().nth(19).unwrap().split('\t').map(str::to_owned).collect();
    assert_eq!((&marked(&middle).cells, middle.column), (&line, None));
    assert_eq!(numbers(&of(file.as_bytes(), "2")), ["2", "3", "4", "5", "6"]);
    let utf_16: Vec<u8> = std::iter::once(0xFEFF).chain(file.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(of(&utf_16, "20"), middle);
    let quoted: String = file.lines().map(|line| format!("\"{}\"\n", line.replace('\t', "\";\""))).collect();
    assert_eq!(of(quoted.as_bytes(), "20"), middle);
}

#[test]
fn an_account_of_a_fec_is_shown_by_its_lines() {
    let file = fec(400);
    let statement = read(file.as_bytes(), sample::NAME, &Options::default()).unwrap();
    let stock = statement.years[0].accounts.iter().find(|account| account.number == "370000").unwrap();
    let excerpt = excerpt(file.as_bytes(), sample::NAME, &stock.places[0]).unwrap();
    assert_eq!(excerpt.rows.len(), 2);
    assert!(excerpt.rows.iter().all(|row| row.is_place && row.cells[4] == "370000"), "{excerpt:?}");
    assert!(excerpt.title.ends_with("(2 lignes)"), "{}", excerpt.title);
    for account in &statement.years[0].accounts {
        let excerpt = super::excerpt(file.as_bytes(), sample::NAME, &account.places[0]).unwrap();
        let own = excerpt.rows.iter().filter(|row| row.is_place);
        assert!((1..=20).contains(&excerpt.rows.len()));
        assert!(own.clone().count() > 0 && own.clone().all(|row| row.cells[4] == account.number), "{excerpt:?}");
    }
}

const BALANCE: &str = "Société Exemple SAS\n\nBalance au 31/12/2024\nCompte\tLibellé\tDébit\tCrédit\n\
                       '101000\tCapital\t\t100\n'401000\tFournisseurs\t\t50,5\n'411000\tClients\t40\t\n\
                       '607000\tAchats\t30\t\n'641000\tSalaires\t20\t\n'707000\tVentes\t\t0,5\n\
                       '512000\tBanque\t61\t\n";

#[test]
fn a_cell_of_a_workbook_is_shown_with_the_letters_and_the_heading() {
    for bytes in
        [made::xlsx(&[("Notes", "a\tb"), ("Balance", BALANCE)]), made::ods(&[("Notes", "a"), ("Balance", BALANCE)])]
    {
        let excerpt = excerpt(&bytes, "b.xlsx", &place("b.xlsx", Some("Balance"), "C11")).unwrap();
        assert_eq!(excerpt.title, "b.xlsx, Balance!C11");
        assert_eq!(excerpt.columns, ["A", "B", "C", "D"]);
        assert_eq!(numbers(&excerpt), ["4", "7", "8", "9", "10", "11"]);
        assert_eq!(excerpt.rows[0].cells, ["Compte", "Libellé", "Débit", "Crédit"]);
        assert_eq!(
            (marked(&excerpt).cells.as_slice(), excerpt.column),
            (&["512000", "Banque", "61", ""].map(str::to_owned)[..], Some(2))
        );
        assert_eq!(excerpt.rows[4].cells[3], "0,5");
    }
}

#[test]
fn a_line_of_a_text_is_shown_under_its_heading() {
    let text = made::text(BALANCE, ";");
    let excerpt = excerpt(text.as_bytes(), "b.csv", &place("b.csv", None, "6")).unwrap();
    assert_eq!(excerpt.columns, ["Compte", "Libellé", "Débit", "Crédit"]);
    assert_eq!(numbers(&excerpt), ["1", "3", "5", "6", "7", "8", "9", "10"]);
    assert_eq!(marked(&excerpt).cells, ["401000", "Fournisseurs", "", "50,5"]);
    assert_eq!(excerpt.column, None);
}

#[test]
fn every_place_of_a_statement_can_be_opened() {
    for (name, bytes) in [
        ("b.csv", made::text(BALANCE, ";").into_bytes()),
        ("b.xlsx", made::xlsx(&[("Balance", BALANCE)])),
        ("b.ods", made::ods(&[("Balance", BALANCE)])),
        (sample::NAME, fec(300).into_bytes()),
    ] {
        let statement = read(&bytes, name, &Options::default()).unwrap();
        let year = &statement.years[0];
        let lines = year.lines.values().flat_map(|figure| &figure.places);
        let places: Vec<&Place> = lines.chain(year.accounts.iter().flat_map(|account| &account.places)).collect();
        assert!(!places.is_empty());
        for place in places {
            let excerpt = excerpt(&bytes, name, place).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(excerpt.title, place.written());
        }
    }
}

#[test]
fn a_page_of_a_pdf_is_read_and_shown_by_its_lines() {
    let cover = vec![vec!["Exemple SAS"], vec!["Comptes au 31/12/2024"]];
    let text = vec![vec!["Rien que du texte."]];
    let bilan = vec![
        vec!["Bilan passif"],
        vec!["Passif", "31/12/2024", "31/12/2023"],
        vec!["Capital social", "300\u{202f}000", "300 000"],
        vec!["Total passif", "300 000", "300 000"],
    ];
    let bytes = serde_json::to_vec(&serde_json::json!({ "pages": [cover, text, text, text, bilan] })).unwrap();
    let statement = read(&bytes, "r.pdf", &Options::default()).unwrap();
    let messages: Vec<&str> = statement.anomalies.iter().map(|anomaly| anomaly.message.as_str()).collect();
    assert_eq!(
        messages,
        ["r.pdf\u{a0}: les montants sont lus d’un PDF, d’après leur place sur la page\u{202f}; vérifiez-les"]
    );
    let [_, year] = statement.years.as_slice() else { panic!("{statement:?}") };
    assert_eq!(year.lines["capital"].value, 300_000.into());
    let place = &year.lines["capital"].places[0];
    assert_eq!(place.written(), "r.pdf, p. 5, ligne 3");
    let excerpt = excerpt(&bytes, "r.pdf", place).unwrap();
    assert_eq!(excerpt.columns, ["Passif", "31/12/2024", "31/12/2023"]);
    assert_eq!((numbers(&excerpt), marked(&excerpt).cells[0].as_str()), (vec!["1", "3", "4"], "Capital social"));
    for at in ["p. 4, ligne 1", "p. 5, ligne 9", "p. 5", "C3"] {
        assert!(super::excerpt(&bytes, "r.pdf", &self::place("r.pdf", None, at)).is_err(), "{at}");
    }
    assert!(read(br#"{"pages":[[["a"]"#, "r.pdf", &Options::default()).is_err());
}

#[test]
fn what_is_shown_is_bounded() {
    let wide: Vec<String> = (0..150).map(|cell| format!("{cell}{}", "x".repeat(300))).collect();
    let bytes = made::xlsx(&[("S", &wide.join("\t"))]);
    let excerpt = excerpt(&bytes, "b.xlsx", &place("b.xlsx", Some("S"), "CV1")).unwrap();
    assert_eq!((excerpt.columns.len(), excerpt.column), (30, Some(29)));
    assert_eq!(excerpt.columns[29], "CV");
    assert!(excerpt.rows[0].cells[29].starts_with("99x"));
    assert!(excerpt.rows[0].cells.iter().all(|cell| cell.chars().count() == 201));
}

#[test]
fn what_is_not_there_is_said() {
    let text = made::text(BALANCE, ";");
    for at in ["2", "99", "", "B3", "x", "18446744073709551616"] {
        let error = excerpt(text.as_bytes(), "b.csv", &place("b.csv", None, at)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("b.csv\u{a0}: lecture impossible (l’endroit «\u{a0}{at}\u{a0}» n’y est pas)")
        );
    }
    for at in ["1", "999", "5–2 (3 lignes)", "5–", "–", "x–y", "0"] {
        assert!(excerpt(fec(50).as_bytes(), "f", &place("f", None, at)).is_err(), "{at}");
    }
    let bytes = made::xlsx(&[("S", "a\tb")]);
    for (sheet, at) in [(Some("S"), "C9"), (Some("T"), "A1"), (None, "1"), (Some("S"), "1A")] {
        assert!(excerpt(&bytes, "b.xlsx", &place("b.xlsx", sheet, at)).is_err(), "{at}");
    }
    assert!(excerpt(b"", "f", &place("f", None, "1")).is_err());
    assert!(excerpt(text.as_bytes(), "b.csv", &place("c.csv", None, "6")).is_err());
}

proptest! {
    #[test]
    fn no_bytes_and_no_place_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in 0..8_usize,
        at in prop_oneof!["p. [0-9], ligne [0-9]", "[0-9]{0,3}(–[0-9]{0,3})?.{0,4}", "[A-Z]{1,3}[0-9]{1,3}", ".{0,8}"],
        sheet in prop::option::of("[A-Z]?"),
    ) {
        let tables: [&[u8]; 5] = [br#"{"pages":[[["a","1"]"#, b"CompteNum\tJournalCode\n", b"\"CompteNum\";\"JournalCode\"\n", b"Compte;Solde 2024\n101;", b"<a><p id='A1'>"];
        let begin = [b"", &b"PK\x03\x04"[..], b"<", tables[0], tables[1], tables[2], tables[3], tables[4]][kind];
        let _ = excerpt(&[begin, &bytes].concat(), "f", &Place { file: "f".to_owned(), sheet, at });
    }

    #[test]
    fn damage_makes_no_panic(
        kind in 0..4_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        line in 0_usize..20,
        cut in any::<bool>(),
    ) {
        let mut bytes = match kind {
            0 => fec(30).into_bytes(),
            1 => made::text(BALANCE, ";").into_bytes(),
            2 => made::xlsx(&[("Balance", BALANCE)]),
            _ => made::ods(&[("Balance", BALANCE)]),
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        for (sheet, place) in [(None, line.to_string()), (Some("Balance"), format!("B{line}"))] {
            let _ = excerpt(&bytes, "f", &self::place("f", sheet, &place));
        }
    }
}

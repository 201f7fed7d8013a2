use proptest::prelude::*;

use super::*;

const ACCOUNTS: &[u8] = include_bytes!("../tests/comptes.pdf");

/// A PDF with these contents of pages, whose font `F` is Helvetica, which is not in it.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        format!("<</Type/Pages/Kids[{}]/Count {}>>", kids.join(" "), pages.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_owned(),
    ];
    for (at, content) in pages.iter().enumerate() {
        objects.push(format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents {} 0 R>>",
            5 + 2 * at
        ));
        objects.push(format!("<</Length {}>>stream\n{content}\nendstream", content.len()));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        places.push(file.len());
        file += &format!("{} 0 obj\n{object}\nendobj\n", at + 1);
    }
    let table = file.len();
    file += &format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for place in places {
        file += &format!("{place:010} 00000 n \n");
    }
    file += &format!("trailer<</Size {}/Root 1 0 R>>\nstartxref\n{table}\n%%EOF\n", objects.len() + 1);
    // In Windows-1252, as the font's encoding is.
    file.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect()
}

#[test]
fn a_font_that_is_not_in_the_file_is_read() {
    let text =
        read(pdf(&["BT /F 10 Tf 50 700 Td (D\\351cembre : fi) Tj ( 2024) Tj 0 -14 Td [(A) -2000 (B)] TJ ET"])).unwrap();
    assert_eq!(text.pages, [vec![vec!["Décembre : fi 2024".to_owned()], vec!["A".to_owned(), "B".to_owned()]]]);
}

/// A page with these texts at their places.
fn page(texts: &[(f64, f64, &str)]) -> Page {
    let shows: String =
        texts.iter().map(|(x, y, text)| format!("BT /F 10 Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n")).collect();
    read(pdf(&[&shows])).unwrap().pages.remove(0)
}

#[test]
fn amounts_one_above_the_other_are_columns() {
    // Helvetica's digits are 5.56 wide at this size.
    let page = page(&[
        (50.0, 700.0, "Passif"),
        (285.0, 700.0, "2024"),
        (342.0, 700.0, "Variation 2023"),
        (50.0, 680.0, "Capital"),
        (277.0, 680.0, "1 000"),
        (377.0, 680.0, "1 000"),
        (50.0, 660.0, "Dettes"),
        (285.7, 660.0, "200"),
        (385.7, 660.0, "150"),
        (50.0, 640.0, "Une note qui va bien plus loin que toutes les colonnes de la table qui est au-dessus"),
    ]);
    assert_eq!(
        page,
        [
            vec!["Passif", "2024", "Variation 2023"],
            vec!["Capital", "1 000", "1 000"],
            vec!["Dettes", "200", "150"],
            vec!["Une note qui va bien plus loin que toutes les colonnes de la table qui est au-dessus"],
        ]
    );
}

#[test]
fn a_label_of_two_lines_is_one() {
    let page = page(&[
        (50.0, 700.0, "Emprunts aupr\\350s des"),
        (50.0, 688.5, "banques"),
        (285.0, 694.0, "100"),
        (50.0, 665.0, "Fournisseurs et comptes"),
        (285.0, 665.0, "200"),
        (50.0, 653.5, "rattach\\351s"),
        (50.0, 630.0, "Autres"),
        (285.0, 630.0, "300"),
        (50.0, 610.0, "Un titre"),
        (50.0, 590.0, "Dettes"),
        (285.0, 590.0, "600"),
    ]);
    assert_eq!(
        page,
        [
            vec!["Emprunts auprès des banques", "100"],
            vec!["Fournisseurs et comptes rattachés", "200"],
            vec!["Autres", "300"],
            vec!["Un titre"],
            vec!["Dettes", "600"],
        ]
    );
}

#[test]
fn a_page_that_is_written_sideways_is_read_upright() {
    let text = read(pdf(&["BT /F 10 Tf 0 1 -1 0 100 50 Tm (Premi\\350re ligne) Tj 0 -14 Td (Deuxi\\350me) Tj ET \
                           BT /F 10 Tf 300 300 Td (x) Tj ET"]));
    assert_eq!(text.unwrap().pages, [[["Première ligne"], ["Deuxième"]]]);
}

#[test]
fn letters_are_drawn_twice_and_ligatures_are_letters() {
    let page = page(&[(50.0, 700.0, "Gras"), (50.2, 700.0, "Gras"), (50.0, 680.0, "Total")]);
    assert_eq!(page, [["Gras"], ["Total"]]);
    let accounts = read(ACCOUNTS.to_vec()).unwrap();
    let words = accounts.pages.concat().concat().join(" ");
    assert!(words.contains("fiscales") && words.contains("bénéfice") | words.contains("Bénéfice"), "{words}");
    assert!(!words.contains('\u{fffd}'), "{words}");
}

#[test]
fn what_has_no_text_says_why() {
    let message = |bytes: &[u8]| read(bytes.to_vec()).unwrap_err().to_string();
    assert_eq!(message(b"Bonjour"), "ce n’est pas un PDF lisible");
    assert!(message(&pdf(&["0 0 100 100 re f"])).contains("image numérisée"));
    assert_eq!(pages(b"%PDF-1.7".to_vec()).unwrap_err(), "ce n’est pas un PDF lisible");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damage_makes_no_panic(
        is_small in any::<bool>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = if is_small { pdf(&["BT /F 10 Tf 50 700 Td (Un) Tj [(A) -2000 (12)] TJ ET q Q"]) } else { ACCOUNTS.to_vec() };
        for (at, byte) in places {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read(bytes);
    }

    #[test]
    fn no_drawing_makes_it_panic(
        steps in prop::collection::vec((0..9_usize, -1e9..1e9_f64, -1e3..1e3_f64), 0..40),
    ) {
        let step = |(kind, large, small): &(usize, f64, f64)| match kind {
            0 => format!("q {small} 0 0 {large} 0 0 cm"),
            1 => "Q".to_owned(),
            2 => format!("/F {small} Tf"),
            3 => format!("1 0 0 1 {large} {small} Tm"),
            4 => format!("{small} Tz {small} Tc {large} Tw"),
            5 => format!("[(Un) {large} (12,5)] TJ"),
            6 => format!("0 {small} Td ({small}) Tj"),
            7 => format!("0 {small} {large} 0 0 0 cm"),
            _ => "T* (1 234) '".to_owned(),
        };
        let content: String = steps.iter().map(|it| step(it) + "\n").collect();
        let _ = read(pdf(&[&format!("BT /F 10 Tf {content} ET")]));
    }
}

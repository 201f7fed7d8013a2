use proptest::prelude::*;

use super::table::made;
use super::*;

fn import(bytes: &[u8], name: &str) -> Result<Statement, ImportError> {
    read(bytes, name, &Options::default())
}

const BALANCE: &str =
    "Balance au 31/12/2024\nCompte\tLibellé\tDébit\tCrédit\n101000\tCapital\t\t100\n512000\tBanque\t100\t\n";
const BILAN: &str = "Bilan\t31/12/2024\nDisponibilités\t100\nTotal actif\t100\nCapital\t100\nTotal passif\t100\n";
const FEC: &str = "JournalCode\tJournalLib\tEcritureNum\tEcritureDate\tCompteNum\tCompteLib\t\
                   CompAuxNum\tCompAuxLib\tPieceRef\tPieceDate\tEcritureLib\tDebit\tCredit\tEcritureLet\t\
                   DateLet\tValidDate\tMontantdevise\tIdevise\n\
                   OD\tDivers\t1\t20241231\t512000\tBanque\t\t\tP1\t20241231\tApport\t100,00\t0,00\t\t\t20241231\t\t\n\
                   OD\tDivers\t1\t20241231\t101000\tCapital\t\t\tP1\t20241231\tApport\t0,00\t100,00\t\t\t\
                   20241231\t\t\n";

#[test]
fn each_file_is_known_by_what_is_in_it() {
    let utf_16: Vec<u8> = std::iter::once(0xFEFF).chain(FEC.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (what, bytes) in [
        ("a FEC", FEC.as_bytes().to_vec()),
        ("a FEC in UTF-16", utf_16),
        ("a balance", made::text(BALANCE, ";").into_bytes()),
        ("a balance in a workbook", made::xlsx(&[("Balance", BALANCE)])),
        ("a bilan", made::text(BILAN, ",").into_bytes()),
        ("a bilan in a workbook", made::ods(&[("Bilan", BILAN)])),
    ] {
        let statement = import(&bytes, "732829320FEC20241231.txt").unwrap_or_else(|error| panic!("{what}: {error}"));
        let year = &statement.years[0];
        assert_eq!(year.end.to_string(), "2024-12-31", "{what}");
        let value = crate::analyse(&statement).years[0].value("total_actif");
        assert_eq!(value, Some(100.into()), "{what}");
        assert_eq!(crate::checks(&statement), [], "{what}");
        assert!(year.lines["capital"].places.iter().all(|place| place.file == "732829320FEC20241231.txt"));
    }
}

#[test]
fn what_is_not_read_says_so() {
    let message = |bytes: &[u8]| import(bytes, "f").unwrap_err().to_string();
    assert_eq!(message(b""), "f\u{a0}: le fichier est vide");
    assert!(message(b"%PDF-1.7").contains("PDF"));
    assert!(message(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1").contains(".xlsx"));
    assert!(message(b"Bonjour").contains("ni FEC, ni balance"));
    assert!(message(made::text(BILAN, ";").replace("31/12/2024", "N").as_bytes()).contains("date de clôture"));
    // A page and an archive of others may be reports.
    assert!(matches!(import(b"\xEF\xBB\xBF <html/>", "f"), Err(ImportError::NoReport { .. })));
    assert!(matches!(import(&made::zip(&[("a.txt", "a")]), "f"), Err(ImportError::NoReport { .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..6_usize) {
        let tables: [&[u8]; 3] = [b"CompteNum\tJournalCode\n", b"Compte;Solde 2024\n101;", b"Actif;2024\nStocks;"];
        let begin = [b"", &b"PK\x03\x04"[..], b"<", tables[0], tables[1], tables[2]][kind];
        let _ = import(&[begin, &bytes].concat(), "f");
    }
}

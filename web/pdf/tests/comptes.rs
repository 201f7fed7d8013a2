//! Accounts in a PDF, as a browser prints them: read by `zyron-finance` without a difference.

use zyron_finance::import::{self, Options};
use zyron_finance::{analyse, checks};

#[test]
fn accounts_in_a_pdf_add_up() {
    let bytes = include_bytes!("comptes.pdf");
    let text = zyron_pdf::pages(bytes.to_vec()).unwrap();
    let statement = import::read(text.as_bytes(), "comptes.pdf", &Options::default()).unwrap();
    let messages: Vec<&str> = statement.anomalies.iter().map(|anomaly| anomaly.message.as_str()).collect();
    // That it is a PDF, and nothing else.
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(checks(&statement), []);
    assert_eq!(statement.company.siren.unwrap().to_string(), "732\u{a0}829\u{a0}320");
    let analysis = analyse(&statement);
    for (id, before, now) in [
        ("total_actif", 1_690_846, 2_048_418),
        ("total_passif", 1_690_846, 2_048_418),
        ("clients", 721_181, 898_279),
        ("capitaux_propres", 607_563, 584_344),
        ("ebe", 115_626, 44_745),
        ("resultat_net", 80_803, 6_781),
    ] {
        let values: Vec<_> = analysis.years.iter().map(|year| year.value(id).unwrap()).collect();
        assert_eq!(values, [before.into(), now.into()], "{id}");
    }
    assert_eq!(statement.years[1].lines["clients_brut"].places[0].written(), "comptes.pdf, p. 2, ligne 8");
    let opened = import::excerpt(text.as_bytes(), "comptes.pdf", &statement.years[1].lines["clients_brut"].places[0]);
    assert!(opened.unwrap().rows.iter().any(|row| row.is_place && row.cells[0] == "Clients et comptes rattachés"));
}

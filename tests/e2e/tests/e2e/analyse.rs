//! `zyron analyse`, run as an accountant would.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::zyron;

/// A bakery's balance: 237500 of sales, 109600 of purchases, 123000 of staff: an EBE of 4900.
const BALANCE: &str = "Balance générale;;;
Exercice clos le 31/12/2024;;;
Compte;Libellé;Débit;Crédit
101000;Capital;;20 000,00
106100;Réserve légale;;2 000,00
164000;Emprunt;;45 000,00
215400;Matériel;80 000,00;
281540;Amortissements;;32 000,00
310000;Farine;4 200,00;
401000;Fournisseurs;;11 300,00
411000;Clients;2 400,00;
421000;Personnel;;6 100,00
431000;URSSAF;;5 200,00
445710;TVA;;1 900,00
512000;Banque;31 400,00;
601000;Achats farine;78 000,00;
603100;Variation stocks;;700,00
606000;Énergie;14 300,00;
613000;Loyers;18 000,00;
641000;Salaires;92 000,00;
645000;Charges sociales;31 000,00;
661000;Intérêts;1 400,00;
681100;Dotations;9 000,00;
701000;Ventes de pain;;237 500,00
";

fn analyse(folder: &Path, files: &[(&str, &str)], more: &[&str]) -> Output {
    let paths = files.iter().map(|(name, text)| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    });
    Command::new(zyron()).arg("analyse").args(paths).args(more).output().unwrap()
}

#[test]
fn a_balance_becomes_tables() {
    let folder = TempDir::new().unwrap();
    let output = analyse(folder.path(), &[("balance.csv", BALANCE)], &[]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap().replace(['\u{a0}', '\u{202f}'], " ");
    let row = |label: &str| {
        let line = text.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no {label} in {text}"));
        line[label.len()..].trim().to_owned()
    };
    for (label, value) in [
        ("Excédent brut d’exploitation ", "4 900 €"),
        ("Capacité d’autofinancement (méthode soustractive)", "3 500 €"),
        ("Fonds de roulement net global", "13 500 €"),
        ("Total du passif", "86 000 €"),
        ("Rentabilité financière (ROE)", "−33,3 %"),
        ("Taux de marge commerciale", "n.s."),
    ] {
        assert_eq!(row(label), value, "{label}");
    }
    assert!(text.contains("Les capitaux propres") || text.contains("OBSERVATIONS"), "{text}");
}

#[test]
fn figures_are_also_for_programs_and_spreadsheets() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("analyse.json");
    let files = [("balance.csv", BALANCE)];
    let output = analyse(folder.path(), &files, &["--format", "json", "--out", out.to_str().unwrap()]);
    assert!(output.status.success() && output.stdout.is_empty());
    let report: Value = serde_json::from_slice(&fs::read(out).unwrap()).unwrap();
    let results = report["analysis"]["years"][0]["results"].as_array().unwrap();
    let ebe = results.iter().find(|result| result["id"] == "ebe").unwrap();
    assert_eq!((&ebe["value"], &ebe["undefined"]), (&Value::from("4900"), &Value::Null));
    assert!(ebe["formula"].as_str().unwrap().starts_with("Valeur ajoutée + "), "{ebe}");
    let csv = analyse(folder.path(), &files, &["--format", "csv"]).stdout;
    assert!(String::from_utf8(csv).unwrap().contains(";Excédent brut d’exploitation;montant;4900;"));
}

#[test]
fn a_workbook_is_read_again() {
    let folder = TempDir::new().unwrap();
    let book = folder.path().join("analyse.xlsx");
    let output =
        analyse(folder.path(), &[("balance.csv", BALANCE)], &["--format", "xlsx", "--out", book.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    let output = Command::new(zyron()).arg("analyse").arg(&book).args(["--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = report["analysis"]["years"][0]["results"].as_array().unwrap();
    let surplus = results.iter().find(|result| result["id"] == "ebe").unwrap();
    assert_eq!(surplus["value"].as_str().unwrap().parse::<f64>().unwrap(), 4_900.0);
}

#[test]
fn what_is_wrong_is_said_and_what_is_no_accounts_refused() {
    let folder = TempDir::new().unwrap();
    let damaged = BALANCE.replace("2 400,00", "2 4OO,00");
    let output = analyse(folder.path(), &[("balance.csv", &damaged)], &["--format", "markdown"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("n’est pas un montant") && text.contains("balance.csv"), "{text}");
    for (name, text) in [("vide.csv", ""), ("notes.txt", "Bonjour"), ("image.pdf", "%PDF-1.7")] {
        let output = analyse(folder.path(), &[(name, text)], &[]);
        assert!(!output.status.success() && output.stdout.is_empty());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with("error: ") && error.contains(name), "{error}");
    }
}

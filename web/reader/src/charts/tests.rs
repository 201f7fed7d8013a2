//! Where things are on the charts, whatever the accounts say.

use serde_json::Value;
use zyron_finance::import::{Options, read};
use zyron_finance::items::Unit;
use zyron_finance::reading::{ReadCell, ReadRow, ReadTable};

use super::scale::Scale;
use super::*;

/// Atelier Alba, two years, by the forms 2050 to 2053.
fn alba() -> Reading {
    let file = include_str!("../../../../finance/tests/files/liasse_2050.csv");
    let statement = read(file.as_bytes(), "liasse_2050.csv", &Options::default()).unwrap();
    Reading::of(&statement, &[]).unwrap()
}

/// A company that has these values alone.
fn of(years: usize, rows: &[(&str, &[Option<f64>])]) -> Reading {
    let cell = |value: &Option<f64>| ReadCell {
        written: value.map_or("–".to_owned(), |value| format!("{value}").replace('-', "−")),
        value: *value,
        reason: None,
        is_corrected: false,
        places: Vec::new(),
        accounts: Vec::new(),
    };
    let row = |(id, values): &(&str, &[Option<f64>])| ReadRow {
        id: (*id).to_owned(),
        label: String::new(),
        unit: Unit::Currency,
        cells: values.iter().map(cell).collect(),
        change: None,
        formula: None,
        inputs: Vec::new(),
        definition: String::new(),
    };
    let rows = rows.iter().map(row).collect();
    Reading {
        company: String::new(),
        currency: "EUR".to_owned(),
        years: (0..years).map(|at| format!("31/12/{}", 2020 + at)).collect(),
        ends: Vec::new(),
        tables: vec![ReadTable { name: String::new(), title: String::new(), rows }],
        observations: Vec::new(),
        anomalies: Vec::new(),
        corrections: Vec::new(),
        choices: Vec::new(),
        facts: Vec::new(),
        statement: Value::Null,
    }
}

fn steps_of(reading: &Reading, year: usize) -> Vec<Bar> {
    waterfall::steps(&Figures::new(reading), year)
}

/// Each bar begins where the one before ended, and each solde is what the steps before it come to.
fn assert_adds_up(bars: &[Bar]) {
    let mut now = 0.0;
    for bar in bars {
        let is_balance = bar.kind.starts_with("balance");
        assert!(bar.from.is_finite() && bar.to.is_finite());
        assert_eq!(bar.from, if is_balance { 0.0 } else { now }, "{bars:?}");
        assert!(!is_balance || bars[0] == *bar || (bar.to - now).abs() < 0.5, "{bar:?} of {now}");
        now = bar.to;
    }
}

#[test]
fn steps_lead_from_sales_to_the_result() {
    let reading = alba();
    let steps = steps_of(&reading, 1);
    assert_adds_up(&steps);
    let balances: Vec<f64> = steps.iter().filter(|bar| bar.kind.starts_with("balance")).map(|bar| bar.to).collect();
    assert_eq!(balances, [573_600.0, 296_700.0, 50_300.0, 28_400.0, 24_055.0]);
    assert!(steps.iter().all(|bar| bar.label != "Non détaillé"), "{steps:#?}");
    let step = |label: &str| steps.iter().find(|bar| bar.label == label).unwrap();
    assert_eq!(step("Salaires").written, "−176\u{202f}000\u{a0}€");
    assert_eq!(step("Production stockée").kind, "loss".to_owned());
    assert_adds_up(&steps_of(&reading, 0));
}

#[test]
fn what_no_step_explains_is_one() {
    let values: &[(&str, &[Option<f64>])] = &[
        ("chiffre_affaires", &[Some(100.0)]),
        ("consommations", &[Some(70.0)]),
        ("ebe", &[Some(-20.0)]),
        ("resultat_exploitation", &[None]),
        ("autres_produits", &[Some(3.0)]),
    ];
    let steps = steps_of(&of(1, values), 0);
    assert_adds_up(&steps);
    let shown: Vec<(&str, &str, f64)> = steps.iter().map(|bar| (bar.label, &*bar.written, bar.to)).collect();
    let expected = [
        ("Chiffre d’affaires", "100", 100.0),
        ("Consommations externes", "−70", 30.0),
        ("Non détaillé", "−50\u{a0}€", -20.0),
        ("Excédent brut (EBE)", "−20", -20.0),
    ];
    assert_eq!(shown, expected);
    assert_eq!(steps[3].kind, "balance negative");
}

#[test]
fn subsidies_count_once() {
    let with = |rows: &[(&'static str, f64)], ebe: f64| {
        let rows: Vec<(&str, Vec<Option<f64>>)> =
            [("chiffre_affaires", 100.0), ("ebe", ebe), ("resultat_exploitation", 110.0)]
                .iter()
                .chain(rows)
                .map(|(id, value)| (*id, vec![Some(*value)]))
                .collect();
        let rows: Vec<(&str, &[Option<f64>])> = rows.iter().map(|(id, values)| (*id, &values[..])).collect();
        steps_of(&of(1, &rows), 0).into_iter().filter(|bar| bar.kind == "gain").map(|bar| bar.label).collect::<Vec<_>>()
    };
    assert_eq!(with(&[("subventions", 10.0)], 110.0), ["Subventions"]);
    assert_eq!(with(&[("subventions", 10.0), ("subventions_exploitation", 10.0)], 110.0), ["Subventions"]);
    // All of it is for investment: the reading leaves out what is zero.
    let investment = [("subventions", 10.0), ("quote_part_subventions_exploitation", 10.0)];
    assert_eq!(with(&investment, 100.0), ["Quote-part de subventions"]);
}

#[test]
fn without_sales_or_soldes_there_are_no_steps() {
    assert!(steps_of(&of(1, &[("ebe", &[Some(1.0)])]), 0).is_empty());
    assert!(steps_of(&of(1, &[("chiffre_affaires", &[Some(1.0)]), ("salaires", &[Some(1.0)])]), 0).is_empty());
    assert!(steps_of(&of(0, &[]), 0).is_empty());
    assert!(steps_of(&of(1, &[("chiffre_affaires", &[Some(f64::NAN)]), ("ebe", &[Some(1.0)])]), 0).is_empty());
}

#[test]
fn scales_have_zero_and_keep_to_the_picture() {
    let scale = Scale::over([-50.0, 150.0, f64::NAN, f64::INFINITY]);
    assert_eq!([-50.0, 0.0, 150.0, 900.0, f64::NAN].map(|value| scale.at(value)), [0.0, 25.0, 100.0, 100.0, 0.0]);
    assert_eq!(scale.span(50.0, 0.0), (25.0, 25.0));
    assert_eq!(scale.span(7.0, 7.0), (28.5, 0.0));
    let (x, width) = scale.span(150.0, 149.999);
    assert!(width > 0.3 && x + width <= 100.0);
    assert_eq!(Scale::over([0.0, 0.0]).span(0.0, 0.0), (0.0, 0.0));
    assert_eq!(Scale::over([f64::MAX, f64::MIN]).at(1.0), 0.0);
}

#[test]
fn blocks_fill_their_column() {
    let reading = alba();
    for year in 0..2 {
        let columns = balance::columns(&Figures::new(&reading), year);
        let unit = balance::unit(columns.iter());
        for column in &columns {
            let sum: f64 = column.blocks.iter().map(|block| block.value).sum();
            assert!((sum - column.total).abs() < 0.5, "{column:?}");
            let mut from = -column.total / unit;
            for (top, height) in balance::stacked(column, unit) {
                assert!((top - from).abs() < 1e-6 && height > 0.0);
                from = top + height;
            }
            assert!(from.abs() < 1e-6, "{from}");
        }
    }
    let of_2024 = balance::columns(&Figures::new(&reading), 1);
    let debts = of_2024[1].blocks.iter().find(|block| block.label == "Autres dettes").unwrap();
    // 171245, less 64000 and 49200.
    assert_eq!((debts.value, &*debts.written), (58_045.0, "58\u{202f}045\u{a0}€"));
}

#[test]
fn negative_blocks_are_below_the_axis() {
    let values: &[(&str, &[Option<f64>])] = &[
        ("total_passif", &[Some(100.0)]),
        ("capitaux_propres", &[Some(-60.0)]),
        ("dettes", &[Some(180.0)]),
        ("fournisseurs", &[Some(30.0)]),
    ];
    let columns = balance::columns(&Figures::new(&of(1, values)), 0);
    let [column] = &columns[..] else { panic!("{columns:?}") };
    let shown: Vec<_> = column.blocks.iter().map(|block| (block.label, block.value)).collect();
    let expected = [("Capitaux propres", -60.0), ("Fournisseurs", 30.0), ("Autres dettes", 150.0), ("Autres", -20.0)];
    assert_eq!(shown, expected);
    assert_eq!(balance::stacked(column, 1.0), [(0.0, 60.0), (-180.0, 30.0), (-150.0, 150.0), (60.0, 20.0)]);
    assert!((balance::unit(columns.iter()) - 1.0).abs() < 1e-9);
}

#[test]
fn years_of_zeros_and_of_nothing_have_no_height() {
    let zeros: &[(&str, &[Option<f64>])] = &[
        ("total_actif", &[Some(0.0), None]),
        ("total_passif", &[Some(0.0), Some(f64::NAN)]),
        ("marge_nette", &[Some(0.0), None]),
        ("chiffre_affaires", &[Some(0.0), None]),
        ("resultat_net", &[Some(0.0), None]),
    ];
    let reading = of(2, zeros);
    let figures = Figures::new(&reading);
    let columns = balance::columns(&figures, 0);
    assert_eq!(columns.len(), 2);
    assert_eq!(balance::unit(columns.iter()), 0.0);
    assert!(columns.iter().all(|column| balance::stacked(column, 0.0).is_empty()));
    assert!(balance::columns(&figures, 1).is_empty());
    let course = margins::course(&figures, "marge_nette");
    assert!(course.zero.is_finite());
    assert_eq!(course.points[0].y, Some(course.zero));
    assert_eq!((course.points[1].y, &*course.points[1].written), (None, "–"));
    assert_eq!(steps_of(&reading, 0).iter().map(|bar| bar.to).collect::<Vec<_>>(), [0.0, 0.0]);
}

#[test]
fn courses_keep_zero_in_view() {
    let course = margins::course(&Figures::new(&of(3, &[("bfr", &[Some(-10.0), None, Some(30.0)])])), "bfr");
    let ys: Vec<_> = course.points.iter().map(|point| point.y).collect();
    assert_eq!((ys, course.zero), (vec![Some(88.0), None, Some(44.0)], 77.0));
    let xs: Vec<_> = course.points.iter().map(|point| point.x.round()).collect();
    assert_eq!(xs, [17.0, 50.0, 83.0]);
}

#[test]
fn what_accounts_say_is_no_markup() {
    let mut reading = of(2, &[("marge_nette", &[Some(1.0), Some(2.0)]), ("bfr", &[Some(1.0), Some(2.0)])]);
    for row in &mut reading.tables[0].rows {
        row.label = "<script>\"a\" & 'b'".to_owned();
        row.cells[1].written = "<i>&lt;".to_owned();
    }
    let [chart] = &charts(&reading)[..] else { panic!("the margins alone") };
    let [view] = &chart.views[..] else { panic!("one view") };
    assert!(view.picture.contains("&lt;script&gt;&quot;a&quot; &amp; 'b'"), "{}", view.picture);
    assert!(view.table.contains("<td>&lt;i&gt;&amp;lt;</td>"), "{}", view.table);
    assert!(!view.picture.contains("<script") && !view.picture.contains("<i>"));
    let attribute = tag("g").set("class", "a\" onclick=\"b").opens(Some("ebe")).to_string();
    assert_eq!(attribute, "<g class=\"a&quot; onclick=&quot;b\" data-opens=\"ebe\"></g>");
}

#[test]
fn each_year_of_the_result_can_be_chosen() {
    let drawn = charts(&alba());
    let titles: Vec<&str> = drawn.iter().map(|chart| chart.title).collect();
    let expected =
        ["Du chiffre d’affaires au résultat", "Marges et besoin en fonds de roulement", "Structure du bilan"];
    assert_eq!(titles, expected);
    let names: Vec<&str> = drawn[0].views.iter().map(|view| &*view.name).collect();
    assert_eq!(names, ["31/12/2023", "31/12/2024"]);
    for view in drawn.iter().flat_map(|chart| &chart.views) {
        assert!(view.summary.ends_with('.') && !view.picture.contains("NaN"), "{view:?}");
        assert!(view.picture.contains("<svg role=\"img\"") && view.table.starts_with("<table>"), "{view:?}");
    }
}

#[test]
fn years_are_as_short_as_they_may_be() {
    let mut reading = of(2, &[]);
    assert_eq!(Figures::new(&reading).years(), ["2020", "2021"]);
    reading.years = vec!["30/06/2024".to_owned(), "31/12/2024".to_owned()];
    assert_eq!(Figures::new(&reading).years(), ["06/2024", "12/2024"]);
    reading.years = vec!["?".to_owned()];
    assert_eq!(Figures::new(&reading).years(), ["?"]);
}

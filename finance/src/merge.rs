//! Several files to one statement: a balance sheet and an income statement, or a fiscal year each.

use crate::amount;
use crate::items;
use crate::statement::{Anomaly, AnomalyKind, Basis, Statement, Year};

/// Puts `others` into `statement`: their years beside its own, their lines into years that end on the same day. What
/// both say of a year is kept as `statement` has it; an anomaly names what they disagree about.
pub fn merge(mut statement: Statement, others: impl IntoIterator<Item = Statement>) -> Statement {
    for other in others {
        statement.merge_head(&other);
        statement.anomalies.extend(other.anomalies);
        for year in other.years {
            match statement.years.iter_mut().find(|known| known.end == year.end) {
                Some(known) => statement.anomalies.extend(merge_year(known, year)),
                None => statement.years.push(year),
            }
        }
    }
    statement.years.sort_by_key(|year| year.end);
    statement
}

impl Statement {
    fn merge_head(&mut self, other: &Self) {
        if self.basis != other.basis {
            self.anomalies
                .push(rule("des comptes en normes IFRS et en normes françaises ne se comparent pas".to_owned()));
            // Of the whole nothing is known that one of them leaves out.
            self.basis = Basis::Ifrs;
        }
        self.step = self.step.max(other.step);
        self.left_out += other.left_out;
        let known = self.company.siren;
        if known.zip(other.company.siren).is_some_and(|(one, other)| one != other) {
            self.anomalies.push(rule("les fichiers sont de plusieurs sociétés (SIREN différents)".to_owned()));
        }
        if self.currency != other.currency {
            self.anomalies.push(rule(format!("les montants sont en {} et en {}", self.currency, other.currency)));
        }
        self.company.siren = known.or(other.company.siren);
        if self.company.name.is_none() {
            self.company.name.clone_from(&other.company.name);
        }
    }
}

fn merge_year(year: &mut Year, other: Year) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    year.start = year.start.or(other.start);
    for (id, figure) in other.lines {
        match year.lines.get(&id) {
            Some(known) if known.value != figure.value => {
                let label = items::label(&id);
                let (one, other) = (amount::written(known.value, 2), amount::written(figure.value, 2));
                anomalies.push(Anomaly {
                    kind: AnomalyKind::Duplicate,
                    message: format!("{label}\u{a0}: un fichier donne {one}, un autre {other}"),
                    place: figure.places.into_iter().next(),
                    more: 0,
                });
            }
            Some(_) => {}
            None => {
                year.lines.insert(id, figure);
            }
        }
    }
    year.other.extend(other.other);
    if year.accounts.is_empty() {
        (year.accounts, year.movements, year.journals) = (other.accounts, other.movements, other.journals);
    }
    anomalies
}

fn rule(message: String) -> Anomaly {
    Anomaly { kind: AnomalyKind::Rule, message, place: None, more: 0 }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::statement::Figure;

    fn statement(year: i32, lines: &[(&str, i64)]) -> Statement {
        let lines = lines.iter().map(|(id, value)| ((*id).to_owned(), Figure::of(*value))).collect();
        let year = Year { lines, ..Year::ending(NaiveDate::from_ymd_opt(year, 12, 31).unwrap()) };
        Statement { years: vec![year], ..Statement::default() }
    }

    #[test]
    fn years_are_put_in_order_and_parts_of_one_together() {
        let later = statement(2024, &[("capital", 100)]);
        let merged = merge(later, [statement(2023, &[("capital", 90)]), statement(2024, &[("salaires", 7)])]);
        assert_eq!(merged.anomalies, []);
        let values: Vec<_> = merged.years.iter().map(|year| year.lines.len()).collect();
        assert_eq!(values, [1, 2]);
        assert_eq!(merged.years[1].lines["salaires"].value, 7.into());
    }

    #[test]
    fn what_two_files_disagree_about_is_said() {
        let mut other = statement(2024, &[("capital", 120), ("salaires", 7)]);
        other.company.siren = Some("732829320".parse().unwrap());
        other.currency = "CHF".to_owned();
        other.basis = Basis::Ifrs;
        let mut first = statement(2024, &[("capital", 100), ("salaires", 7)]);
        first.company.siren = Some("356000000".parse().unwrap());
        let merged = merge(first, [other]);
        assert_eq!(merged.years[0].lines["capital"].value, 100.into());
        let messages: Vec<&str> = merged.anomalies.iter().map(|anomaly| anomaly.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "des comptes en normes IFRS et en normes françaises ne se comparent pas",
                "les fichiers sont de plusieurs sociétés (SIREN différents)",
                "les montants sont en EUR et en CHF",
                "Capital social ou individuel\u{a0}: un fichier donne 100,00, un autre 120,00",
            ]
        );
    }
}

//! The numbers of a French or international text, with their units.
//!
//! A notation can mean two things: `1.250` is 1250 or 1.25, `(450)` is a loss or an aside. Such a number has several
//! readings, and is equal to whatever one of them is equal to. Digits inside words (`T3`, `IFRS16`, `N-1`, `3e`) and
//! dates are no numbers; of a date its year is one.

mod scan;
mod unit;

use std::ops::Range;

use rust_decimal::Decimal;

pub use self::unit::Unit;

/// A number of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The likeliest first; never empty.
    readings: Vec<Reading>,
    unit: Option<Unit>,
    /// Where it is with its unit, in characters; of a date the whole of it.
    span: Range<usize>,
    /// Four digits that look like a year, without a unit.
    is_year: bool,
}

/// What a number may mean, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    value: Decimal,
    /// Those that are written.
    decimals: u32,
}

/// A number that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// In its unit.
    pub value: Decimal,
    /// Nothing where it counts something else than money, shares or time.
    pub unit: Option<Unit>,
    /// How exactly it is asked for.
    pub decimals: u32,
}

/// The numbers of `text`, in their order. Those that count a list's points are left out.
pub fn numbers(text: &str) -> Vec<Number> {
    scan::scan(text)
}

impl Number {
    /// Whether it is a year, or a date of which this is the year.
    pub fn is_year(&self) -> bool {
        self.is_year
    }

    /// Where it is with its unit, in characters; of a date the whole of it.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Its likeliest value in its unit's base unit, without the sign: two numbers that say the same have the same.
    pub fn size(&self) -> Decimal {
        let value = self.readings.first().map_or(Decimal::ZERO, |reading| reading.value);
        let factor = self.unit.map_or(Decimal::ONE, Unit::factor);
        value.abs().checked_mul(factor).unwrap_or(Decimal::MAX).normalize()
    }

    /// Whether it says `wanted`, as exactly as that is asked for. A number without a unit is taken to be in the other's.
    pub fn equals(&self, wanted: &Wanted) -> bool {
        self.readings.iter().any(|reading| {
            let value = self.in_unit(reading.value, wanted.unit);
            value.is_some_and(|value| near(value, wanted.value, half_unit(wanted.decimals)))
        })
    }

    /// Whether it is `value` of `unit`, rounded to the decimals that are written, whatever the sign. Without a unit of
    /// its own it is taken to be in that one.
    pub fn rounds(&self, value: Decimal, unit: Option<Unit>) -> bool {
        self.readings.iter().any(|reading| {
            // The tolerance grows and shrinks with the unit as the number does.
            let (found, tolerance) =
                (self.in_unit(reading.value, unit), self.in_unit(half_unit(reading.decimals), unit));
            found.zip(tolerance).is_some_and(|(found, tolerance)| near(found.abs(), value.abs(), tolerance))
        })
    }

    /// The unit that is written after it.
    pub fn unit(&self) -> Option<Unit> {
        self.unit
    }

    /// The same number in a unit that is said elsewhere, as in a table's heading.
    #[must_use]
    pub fn in_the_unit(self, unit: Unit) -> Self {
        Self { unit: self.unit.or(Some(unit)), ..self }
    }

    /// Whether decimals are written, in one reading at least.
    pub fn has_decimals(&self) -> bool {
        self.readings.iter().any(|reading| reading.decimals > 0)
    }

    fn in_unit(&self, value: Decimal, target: Option<Unit>) -> Option<Decimal> {
        match self.unit {
            None => Some(value),
            Some(unit) => value.checked_mul(unit.to(target)?),
        }
    }
}

fn half_unit(decimals: u32) -> Decimal {
    // What is written with more decimals than a decimal number has is exact.
    Decimal::try_new(5, decimals + 1).unwrap_or(Decimal::ZERO)
}

fn near(one: Decimal, other: Decimal, tolerance: Decimal) -> bool {
    one.checked_sub(other).is_some_and(|difference| difference.abs() <= tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str, value: f64, unit: &str, decimals: u32) -> bool {
        let wanted = Wanted { value: Decimal::try_from(value).unwrap(), unit: Unit::named(unit), decimals };
        numbers(text).iter().any(|number| number.equals(&wanted))
    }

    /// The values of a text, each in its likeliest reading and its own unit.
    fn values(text: &str) -> Vec<f64> {
        numbers(text).iter().map(|number| number.readings[0].value.try_into().unwrap()).collect()
    }

    #[test]
    fn thousands_are_apart_in_many_ways() {
        for text in [
            "1250",
            "1 250",
            "1\u{a0}250",
            "1\u{202f}250",
            "1.250",
            "1,250",
            "1'250",
            "1 250,00",
            "1,250.0",
            "1.250,0",
            "**1 250**",
            "(1 250)",
            "= 1250.",
            "1 250 k€",
            "1250k€",
            "1 250 K€",
            "1,25 M€",
            "1 250 000 €",
            "1,250,000 euros",
            "1.250.000,00 EUR",
            "€1,250,000",
            "€ 1 250 000",
            "1 250 milliers d'euros",
            "1,25 million d’euros",
            "0,00125 Md€",
            "**1 250** k€",
            "1 250 kEUR",
        ] {
            assert!(says(text, 1250.0, "k€", 0), "{text}: {:?}", numbers(text));
        }
        for text in ["1 250 €", "1250 M€", "1 251", "12 50", "1 250 %", "1 250 jours", "2 250", "k1250", "1250e"] {
            assert!(!says(text, 1250.0, "k€", 0), "{text}: {:?}", numbers(text));
        }
    }

    #[test]
    fn signs_are_written_in_many_ways() {
        for text in ["-41", "−41", "– 41", "résultat : -41 k€", "(41)", "(41 k€)", "| (41) |", "de − 41", "-41.000 €"]
        {
            assert!(says(text, -41.0, "k€", 0), "{text}: {:?}", numbers(text));
        }
        for text in ["41", "perte de 41 k€", "2-41", "a-41", "20 % - 41"] {
            assert!(!says(text, -41.0, "k€", 0), "{text}: {:?}", numbers(text));
        }
        assert!(says("- 41 salariés", 41.0, "salariés", 0), "a list's dash is no sign");
        assert!(says("(3,7) M€", -3.7, "M€", 1));
        assert!(!says("-41", 41.0, "k€", 0));
    }

    #[test]
    fn shares_and_times_have_units() {
        for text in
            ["12,4 %", "12.4%", "12,4\u{a0}%", "12,4\u{202f}%", "12.40 \\%", "12,4 pour cent", "12,4 points", "+12,4 %"]
        {
            assert!(says(text, 12.4, "%", 1), "{text}: {:?}", numbers(text));
        }
        assert!(says("47 jours", 47.0, "jours", 0) && says("47j", 47.0, "jours", 0) && says("47", 47.0, "jours", 0));
        assert!(!says("47 mois", 47.0, "jours", 0) && !says("47 %", 47.0, "jours", 0));
        assert!(says("1,8 fois", 1.8, "fois", 1) && says("1,8x", 1.8, "", 1) && says("180 %", 1.8, "", 1));
        assert!(says("5,2 millions d'actions", 5_200_000.0, "actions", 0));
        assert_eq!(values("3 x 4 = 12"), [3.0, 4.0, 12.0]);
    }

    #[test]
    fn the_last_decimal_asked_for_may_be_rounded() {
        assert!(says("35 pb", 0.35, "%", 2) && says("35 points de base", 0.35, "%", 2));
        assert!(says("12,44", 12.4, "%", 1) && says("12,35", 12.4, "%", 1) && says("12,45", 12.4, "%", 1));
        assert!(!says("12,46", 12.4, "%", 1) && !says("12", 12.4, "%", 1));
        assert!(says("1 249 600 €", 1250.0, "k€", 0));
    }

    #[test]
    fn digits_in_words_and_dates_are_no_numbers() {
        assert!(values("T3 IFRS16 N-1 CAC-40 FR7612 note_4 2e 3ème 1er x2 version 1.2.3").is_empty());
        assert_eq!(
            values("le 31 décembre 2023, le 1er mars 2024, le 31/12/2022, 2021-06-30, 30.06.2020, en 12/2019"),
            [2023.0, 2024.0, 2022.0, 2021.0, 2020.0, 2019.0]
        );
        assert_eq!(values("2023-2024"), [2023.0, 2024.0]);
        assert_eq!(values("12,5"), [12.5]);
        assert_eq!(values("12, 5"), [12.0, 5.0]);
        assert_eq!(values("5-10 %"), [5.0, 10.0]);
    }

    #[test]
    fn years_are_four_digits_without_a_unit() {
        let years = |text: &str| numbers(text).iter().map(Number::is_year).collect::<Vec<_>>();
        assert_eq!(years("2023"), [true]);
        assert_eq!(years("2 023 et 2023 k€ et 2023,0 et 1812 et -2023"), [false; 5]);
    }

    #[test]
    fn a_lists_points_are_not_counted() {
        assert_eq!(values("1. Le chiffre d'affaires : 1 250\n 2) le résultat\n**3.** la dette\n4. 12"), [1250.0, 12.0]);
        assert_eq!(values("12."), [12.0]);
        assert_eq!(values("12.5 et\n12,5 %"), [12.5, 12.5]);
    }

    #[test]
    fn a_table_row_is_its_cells() {
        assert_eq!(values("Total        1 335            159         41       1 453"), [1335.0, 159.0, 41.0, 1453.0]);
        assert_eq!(values("| Stocks | 1 940 | 615 | (132) |"), [1940.0, 615.0, 132.0]);
        assert_eq!(values("Ventes 2023 12 500 13 400"), [2023.0, 12500.0, 13400.0]);
    }

    #[test]
    fn rounding_is_that_of_the_text() {
        let rounds = |text: &str, value: f64, unit| {
            numbers(text)[0].rounds(Decimal::try_from(value).unwrap(), Unit::named(unit))
        };
        assert!(rounds("1,2 M€", 1234.0, "k€") && rounds("1,23 M€", 1234.0, "k€") && rounds("1 234", 1234.0, "k€"));
        assert!(
            !rounds("1,3 M€", 1234.0, "k€") && !rounds("1 200 k€", 1234.0, "k€") && !rounds("1,24 M€", 1234.0, "k€")
        );
        assert!(rounds("-41 k€", 41.0, "k€") && rounds("12 %", 12.4, "%") && !rounds("13 %", 12.4, "%"));
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in
            ["", "1", "-", "(", "1,", "1 ", "€", "€1", "1(", "١٢", "²", "1²", "9".repeat(500).as_str(), "é1é", "-\n1"]
        {
            numbers(text);
        }
    }
}

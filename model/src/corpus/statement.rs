//! Fact sheets: some figures of a company, laid out as analysts, accountants and spreadsheets do.

use rand::Rng;
use rand::seq::{IndexedRandom, index};
use rand_chacha::ChaCha8Rng;

use super::company::{Company, Year};
use super::french::{NO_BREAK, capital, grouped, integer, of_the, percent, share};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Thousands of euros.
    Thousands,
    /// Tenths of a percent.
    Percent,
    /// Days.
    Days,
    /// People.
    People,
}

/// A figure that a sheet can show.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) key: &'static str,
    article: &'static str,
    pub(crate) noun: &'static str,
    /// Its abbreviation, where it has one.
    pub(crate) short: Option<&'static str>,
    pub(crate) unit: Unit,
    value: fn(&Year) -> Option<i64>,
}

impl Measure {
    /// `le chiffre d'affaires`
    pub(crate) fn with_article(&self) -> String {
        format!("{}{}", self.article, self.noun)
    }

    /// `du chiffre d'affaires`
    pub(crate) fn of(&self) -> String {
        of_the(self.article, self.noun)
    }

    pub(crate) fn is_plural(&self) -> bool {
        self.article == "les "
    }

    pub(crate) fn is_feminine(&self) -> bool {
        self.article == "la " || FEMININE.contains(&self.key)
    }

    pub(crate) fn value(&self, year: &Year) -> Option<i64> {
        (self.value)(year)
    }

    /// As answers write it: `1 250 k€`.
    pub(crate) fn written(&self, value: i64) -> String {
        match self.unit {
            Unit::Thousands => format!("{}{NO_BREAK}k€", integer(value)),
            Unit::Percent => percent(value),
            Unit::Days => format!("{}{NO_BREAK}jours", integer(value)),
            Unit::People => format!("{}{NO_BREAK}salariés", integer(value)),
        }
    }
}

/// Those whose article does not tell.
const FEMININE: [&str; 2] = ["autonomie", "immobilisations"];

macro_rules! measures {
    ($($key:literal, $article:literal, $noun:literal, $short:expr, $unit:ident, $value:expr;)*) => {
        &[$(Measure { key: $key, article: $article, noun: $noun, short: $short, unit: Unit::$unit, value: $value }),*]
    };
}

/// What is never zero by chance, or is left out where it is.
fn unless_zero(value: i64) -> Option<i64> {
    (value != 0).then_some(value)
}

/// All measures, in the order of a sheet.
pub(crate) const MEASURES: &[Measure] = measures! {
    "chiffre_affaires", "le ", "chiffre d'affaires", Some("CA"), Thousands, |y| Some(y.revenue());
    "ventes_marchandises", "les ", "ventes de marchandises", None, Thousands, |y| unless_zero(y.goods_sold);
    "marge_commerciale", "la ", "marge commerciale", None, Thousands, |y| unless_zero(y.trade_margin());
    "production_exercice", "la ", "production de l'exercice", None, Thousands, |y| unless_zero(y.production());
    "consommations", "les ", "consommations en provenance de tiers", None, Thousands, |y| Some(y.external_costs);
    "valeur_ajoutee", "la ", "valeur ajoutée", Some("VA"), Thousands, |y| Some(y.value_added());
    "impots_taxes", "les ", "impôts et taxes", None, Thousands, |y| Some(y.taxes);
    "charges_personnel", "les ", "charges de personnel", None, Thousands, |y| Some(y.staff);
    "ebe", "l'", "excédent brut d'exploitation", Some("EBE"), Thousands, |y| Some(y.gross_operating_surplus());
    "dotations", "les ", "dotations aux amortissements", None, Thousands, |y| Some(y.depreciation);
    "resultat_exploitation", "le ", "résultat d'exploitation", None, Thousands, |y| Some(y.operating_result());
    "charges_interets", "les ", "charges d'intérêts", None, Thousands, |y| Some(y.interest);
    "rcai", "le ", "résultat courant avant impôts", Some("RCAI"), Thousands, |y| Some(y.current_result());
    "resultat_exceptionnel", "le ", "résultat exceptionnel", None, Thousands, |y| unless_zero(y.exceptional_result());
    "impot_societes", "l'", "impôt sur les sociétés", Some("IS"), Thousands, |y| unless_zero(y.corporate_tax);
    "resultat_net", "le ", "résultat net", None, Thousands, |y| Some(y.net_result());
    "caf", "la ", "capacité d'autofinancement", Some("CAF"), Thousands, |y| Some(y.self_financing());
    "immobilisations", "les ", "immobilisations nettes", None, Thousands, |y| Some(y.fixed_assets);
    "stocks", "les ", "stocks", None, Thousands, |y| unless_zero(y.stocks);
    "creances_clients", "les ", "créances clients", None, Thousands, |y| Some(y.receivables);
    "disponibilites", "les ", "disponibilités", None, Thousands, |y| Some(y.cash);
    "total_bilan", "le ", "total du bilan", None, Thousands, |y| Some(y.total_assets());
    "capitaux_propres", "les ", "capitaux propres", None, Thousands, |y| Some(y.equity);
    "capital_social", "le ", "capital social", None, Thousands, |y| Some(y.share_capital);
    "dettes_financieres", "les ", "dettes financières", None, Thousands, |y| Some(y.financial_debt);
    "dettes_fournisseurs", "les ", "dettes fournisseurs", None, Thousands, |y| Some(y.payables);
    "dettes_fiscales", "les ", "dettes fiscales et sociales", None, Thousands, |y| Some(y.tax_and_social_debt);
    "concours_bancaires", "les ", "concours bancaires", None, Thousands, |y| unless_zero(y.bank_overdraft);
    "fr", "le ", "fonds de roulement", Some("FR"), Thousands, |y| Some(y.working_capital());
    "bfr", "le ", "besoin en fonds de roulement", Some("BFR"), Thousands, |y| Some(y.working_capital_need());
    "tresorerie_nette", "la ", "trésorerie nette", Some("TN"), Thousands, |y| Some(y.net_cash());
    "endettement_net", "l'", "endettement net", None, Thousands, |y| Some(y.net_debt());
    "taux_valeur_ajoutee", "le ", "taux de valeur ajoutée", None, Percent, |y| share(y.value_added(), y.revenue());
    "taux_ebe", "le ", "taux de marge d'EBE", None, Percent, |y| share(y.gross_operating_surplus(), y.revenue());
    "taux_net", "le ", "taux de marge nette", None, Percent, |y| share(y.net_result(), y.revenue());
    "autonomie", "l'", "autonomie financière", None, Percent, Year::autonomy;
    "rentabilite", "la ", "rentabilité des capitaux propres", Some("ROE"), Percent, |y| share(y.net_result(), y.equity);
    "delai_clients", "le ", "délai de règlement des clients", None, Days, |y| Some(y.customer_days());
    "delai_fournisseurs", "le ", "délai de règlement des fournisseurs", None, Days, |y| Some(y.supplier_days());
    "effectif", "l'", "effectif", None, People, |y| Some(y.headcount);
};

/// A measure by its key.
pub(crate) fn measure(key: &str) -> &'static Measure {
    MEASURES.iter().find(|measure| measure.key == key).expect("every key named in this crate is in the table")
}

/// Some measures of a company, and how they were laid out.
pub(crate) struct Sheet<'a> {
    pub(crate) company: &'a Company,
    pub(crate) measures: Vec<&'static Measure>,
    pub(crate) text: String,
}

impl<'a> Sheet<'a> {
    /// A sheet of `count` measures, `wanted` among them where the company has them.
    pub(crate) fn generate(
        rng: &mut ChaCha8Rng,
        company: &'a Company,
        count: usize,
        wanted: &[&'static Measure],
    ) -> Self {
        let all: Vec<&'static Measure> =
            MEASURES.iter().filter(|measure| company.years.iter().all(|year| measure.value(year).is_some())).collect();
        let mut chosen: Vec<usize> = all
            .iter()
            .enumerate()
            .filter(|(_, of)| wanted.iter().any(|one| one.key == of.key))
            .map(|(at, _)| at)
            .collect();
        let more = index::sample(rng, all.len(), count.min(all.len()));
        chosen.extend(more.into_iter().take(count.saturating_sub(chosen.len())));
        chosen.sort_unstable();
        chosen.dedup();
        let measures: Vec<&'static Measure> = chosen.into_iter().map(|at| all[at]).collect();
        let text = Layout::choose(rng, company).write(rng, company, &measures);
        Self { company, measures, text }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.measures.iter().any(|measure| measure.key == key)
    }

    pub(crate) fn last(&self) -> &'a Year {
        self.company.years.last().expect("a company has a year")
    }

    /// The year before the last, where there is one.
    pub(crate) fn previous(&self) -> Option<&'a Year> {
        self.company.years.iter().rev().nth(1)
    }
}

/// How figures are laid out.
struct Layout {
    shape: Shape,
    /// Between groups of three digits.
    separator: &'static str,
    /// Whether each figure brings its unit.
    has_units: bool,
    /// Whether amounts are in euros rather than thousands of euros.
    in_euros: bool,
    is_short: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lines,
    Bullets,
    Table,
    Semicolons,
    Prose,
}

impl Layout {
    fn choose(rng: &mut ChaCha8Rng, company: &Company) -> Self {
        let shapes: &[Shape] = if company.years.len() == 1 {
            &[Shape::Lines, Shape::Lines, Shape::Bullets, Shape::Semicolons, Shape::Prose, Shape::Table]
        } else {
            &[Shape::Table, Shape::Table, Shape::Lines, Shape::Bullets, Shape::Prose]
        };
        let separators = ["\u{202f}", "\u{202f}", "\u{202f}", "\u{a0}", " ", " ", ""];
        Self {
            shape: *shapes.choose(rng).expect("there are shapes"),
            separator: separators.choose(rng).expect("there are separators"),
            has_units: rng.random_bool(0.6),
            in_euros: rng.random_bool(0.08),
            is_short: rng.random_bool(0.2),
        }
    }

    fn figure(&self, measure: &Measure, value: i64, has_unit: bool) -> String {
        match measure.unit {
            Unit::Thousands if self.in_euros => {
                grouped(value * 1000, self.separator) + if has_unit { "\u{a0}€" } else { "" }
            }
            Unit::Thousands => grouped(value, self.separator) + if has_unit { "\u{a0}k€" } else { "" },
            Unit::Percent | Unit::Days => measure.written(value),
            Unit::People => grouped(value, self.separator),
        }
    }

    fn label(&self, measure: &Measure) -> String {
        match measure.short {
            Some(short) if self.is_short => short.to_owned(),
            _ => capital(measure.noun),
        }
    }

    fn write(&self, rng: &mut ChaCha8Rng, company: &Company, measures: &[&'static Measure]) -> String {
        let unit = if self.in_euros { "en euros" } else { "en k€" };
        let years: Vec<String> = company.years.iter().map(|year| year.year.to_string()).collect();
        let span =
            if years.len() == 1 { format!("exercice {}", years[0]) } else { format!("exercices {}", years.join(", ")) };
        let about = match rng.random_range(0..4) {
            0 => format!("{} ({}, {})", company.name, company.activity, company.city),
            1 => format!("{}, {}", company.name, company.activity),
            _ => company.name.clone(),
        };
        let has_units = self.has_units || self.shape == Shape::Prose;
        let head = match (self.shape, has_units) {
            (Shape::Prose, _) => String::new(),
            (Shape::Table, _) | (_, false) => format!("{about}{NO_BREAK}: {span} ({unit})\n"),
            _ => format!("{about}{NO_BREAK}: {span}\n"),
        };
        let one = |measure: &Measure, year: &Year, has_unit: bool| {
            self.figure(measure, measure.value(year).expect("only measures that every year has"), has_unit)
        };
        let series = |measure: &Measure| -> String {
            match &company.years[..] {
                [year] => one(measure, year, has_units),
                years => {
                    let each: Vec<String> = years
                        .iter()
                        .map(|year| format!("{} en {}", one(measure, year, has_units), year.year))
                        .collect();
                    each.join(", ")
                }
            }
        };
        let line = |measure: &&Measure| format!("{}{NO_BREAK}: {}", self.label(measure), series(measure));
        let body = match self.shape {
            Shape::Lines => measures.iter().map(line).collect::<Vec<_>>().join("\n"),
            Shape::Bullets => {
                measures.iter().map(|measure| format!("- {}", line(measure))).collect::<Vec<_>>().join("\n")
            }
            Shape::Semicolons => measures.iter().map(line).collect::<Vec<_>>().join("\u{a0}; ") + ".",
            Shape::Table => {
                let mut rows = vec![format!("| | {} |", years.join(" | ")), "|---".repeat(years.len() + 1) + "|"];
                rows.extend(measures.iter().map(|measure| {
                    let cells: Vec<String> = company.years.iter().map(|year| one(measure, year, false)).collect();
                    format!("| {} | {} |", self.label(measure), cells.join(" | "))
                }));
                rows.join("\n")
            }
            Shape::Prose => prose(rng, &about, &years, measures, &series),
        };
        head + &body
    }
}

/// A sentence or two with every figure.
fn prose(
    rng: &mut ChaCha8Rng,
    about: &str,
    years: &[String],
    measures: &[&'static Measure],
    series: &dyn Fn(&Measure) -> String,
) -> String {
    let when = if years.len() == 1 { format!("En {}, ", years[0]) } else { String::new() };
    let opening = match rng.random_range(0..3) {
        0 => format!("{when}{about} publie les chiffres suivants. "),
        1 => format!(
            "Voici des chiffres de {about}{}. ",
            if years.len() == 1 { format!(" pour {}", years[0]) } else { String::new() }
        ),
        _ => format!("{when}la société {about} présente ses comptes. "),
    };
    let sentences: Vec<String> = measures
        .iter()
        .map(|measure| {
            let verb = match (measure.is_plural(), rng.random_range(0..3)) {
                (true, 0) => "s'élèvent à",
                (true, 1) => "atteignent",
                (true, _) => "sont de",
                (false, 0) => "s'élève à",
                (false, 1) => "atteint",
                (false, _) => "est de",
            };
            format!("{} {verb} {}.", capital(&measure.with_article()), series(measure))
        })
        .collect();
    capital(&(opening + &sentences.join(" ")))
}

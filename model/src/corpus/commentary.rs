//! Commentaries: sentences that quote figures of a sheet and say what they mean, and nothing that is not in it.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::company::Year;
use super::french::{NO_BREAK, capital};
use super::statement::{Measure, Sheet, measure};

/// A theme: what it needs of a sheet, and its sentence.
struct Theme {
    keys: &'static [&'static str],
    write: fn(&mut ChaCha8Rng, &Quoted<'_>) -> String,
}

/// A sheet's last year, in words.
struct Quoted<'a> {
    sheet: &'a Sheet<'a>,
}

impl Quoted<'_> {
    fn year(&self) -> i64 {
        self.sheet.last().year
    }

    fn value(&self, key: &str) -> i64 {
        measure(key).value(self.sheet.last()).expect("a theme is chosen where the sheet has its measures")
    }

    fn figure(&self, key: &str) -> String {
        measure(key).written(self.value(key))
    }

    /// The change since the year before, where there is one.
    fn since(&self, rng: &mut ChaCha8Rng, key: &str) -> Option<String> {
        let before = measure(key).value(self.sheet.previous()?)?;
        let year = self.sheet.previous()?.year;
        let (now, figure) = (self.value(key), measure(key).written(before));
        let trend = trend(rng, before, now);
        Some(format!(", contre {figure} en {year}{NO_BREAK}: {trend}"))
    }
}

/// What became of a figure.
fn trend(rng: &mut ChaCha8Rng, before: i64, now: i64) -> &'static str {
    let words: &[&str] = match now.cmp(&before) {
        std::cmp::Ordering::Greater => &["il y a une hausse", "c'est une progression", "la tendance est à la hausse"],
        std::cmp::Ordering::Less => &["il y a une baisse", "c'est un recul", "la tendance est à la baisse"],
        std::cmp::Ordering::Equal => &["le niveau est stable"],
    };
    words.choose(rng).expect("there are words")
}

/// How a figure went from one year to the next.
pub(crate) fn change(rng: &mut ChaCha8Rng, measure: &Measure, before: &Year, now: &Year) -> String {
    let value = |year: &Year| measure.value(year).expect("only measures that every year has");
    let (old, new) = (value(before), value(now));
    let pass = if measure.is_plural() { "passent" } else { "passe" };
    let name = capital(&measure.with_article());
    let (old_figure, new_figure) = (measure.written(old), measure.written(new));
    let trend = trend(rng, old, new);
    match rng.random_range(0..2) {
        0 => format!(
            "{name} {pass} de {old_figure} en {} à {new_figure} en {}{NO_BREAK}: {trend}.",
            before.year, now.year
        ),
        _ => format!(
            "De {} à {}, {} {pass} de {old_figure} à {new_figure}{NO_BREAK}: {trend}.",
            before.year,
            now.year,
            measure.with_article()
        ),
    }
}

const THEMES: &[Theme] = &[
    Theme {
        keys: &["chiffre_affaires"],
        write: |rng, quoted| {
            let figure = quoted.figure("chiffre_affaires");
            let since = quoted.since(rng, "chiffre_affaires").unwrap_or_default();
            let (name, year) = (&quoted.sheet.company.name, quoted.year());
            match rng.random_range(0..3) {
                0 => format!("En {year}, {name} réalise un chiffre d'affaires de {figure}{since}."),
                1 => format!("Le chiffre d'affaires {year} de {name} s'élève à {figure}{since}."),
                _ => format!("L'activité {year} de {name} représente un chiffre d'affaires de {figure}{since}."),
            }
        },
    },
    Theme {
        keys: &["valeur_ajoutee"],
        write: |rng, quoted| {
            let since = quoted.since(rng, "valeur_ajoutee").unwrap_or_default();
            format!(
                "La valeur ajoutée, richesse créée par l'entreprise, atteint {}{since}.",
                quoted.figure("valeur_ajoutee")
            )
        },
    },
    Theme {
        keys: &["ebe"],
        write: |rng, quoted| {
            let figure = quoted.figure("ebe");
            if quoted.value("ebe") < 0 {
                return format!(
                    "L'excédent brut d'exploitation est négatif ({figure})\u{a0}: l'exploitation consomme de la trésorerie."
                );
            }
            let since = quoted.since(rng, "ebe").unwrap_or_default();
            format!("L'excédent brut d'exploitation s'établit à {figure}{since}.")
        },
    },
    Theme {
        keys: &["taux_ebe"],
        write: |_, quoted| {
            format!("Le taux de marge d'EBE ressort à {} du chiffre d'affaires.", quoted.figure("taux_ebe"))
        },
    },
    Theme {
        keys: &["charges_personnel"],
        write: |_, quoted| format!("Les charges de personnel pèsent {}.", quoted.figure("charges_personnel")),
    },
    Theme {
        keys: &["resultat_exploitation"],
        write: |_, quoted| {
            let figure = quoted.figure("resultat_exploitation");
            if quoted.value("resultat_exploitation") < 0 {
                format!("Le résultat d'exploitation est une perte de {}.", figure.trim_start_matches('-'))
            } else {
                format!("Le résultat d'exploitation est de {figure}\u{a0}: l'activité courante est bénéficiaire.")
            }
        },
    },
    Theme {
        keys: &["resultat_net"],
        write: |rng, quoted| {
            let figure = quoted.figure("resultat_net");
            match quoted.value("resultat_net") {
                loss if loss < 0 => {
                    format!("L'exercice se solde par une perte nette de {}.", figure.trim_start_matches('-'))
                }
                _ if rng.random_bool(0.5) => format!("Le résultat net est bénéficiaire, à {figure}."),
                _ => format!("L'exercice se solde par un bénéfice net de {figure}."),
            }
        },
    },
    Theme {
        keys: &["caf"],
        write: |_, quoted| {
            let figure = quoted.figure("caf");
            if quoted.value("caf") < 0 {
                format!(
                    "La capacité d'autofinancement est négative ({figure})\u{a0}: l'activité ne dégage pas de ressources propres."
                )
            } else {
                format!(
                    "La capacité d'autofinancement atteint {figure}\u{a0}; elle peut servir aux investissements et aux remboursements."
                )
            }
        },
    },
    Theme {
        keys: &["capitaux_propres"],
        write: |_, quoted| {
            let figure = quoted.figure("capitaux_propres");
            if quoted.value("capitaux_propres") < 0 {
                format!("Les capitaux propres sont négatifs ({figure}), ce qui fragilise la structure financière.")
            } else {
                format!("Les capitaux propres s'élèvent à {figure}.")
            }
        },
    },
    Theme {
        keys: &["autonomie"],
        write: |_, quoted| format!("L'autonomie financière est de {} du total du bilan.", quoted.figure("autonomie")),
    },
    Theme {
        keys: &["dettes_financieres"],
        write: |_, quoted| format!("L'endettement financier représente {}.", quoted.figure("dettes_financieres")),
    },
    Theme {
        keys: &["fr", "bfr"],
        write: |_, quoted| {
            let (fr, bfr) = (quoted.figure("fr"), quoted.figure("bfr"));
            if quoted.value("fr") >= quoted.value("bfr") {
                format!("Le fonds de roulement ({fr}) couvre le besoin en fonds de roulement ({bfr}).")
            } else {
                format!("Le fonds de roulement ({fr}) ne couvre pas le besoin en fonds de roulement ({bfr}).")
            }
        },
    },
    Theme {
        keys: &["tresorerie_nette"],
        write: |_, quoted| {
            let figure = quoted.figure("tresorerie_nette");
            if quoted.value("tresorerie_nette") < 0 {
                format!("La trésorerie nette est négative, à {figure}\u{a0}: l'entreprise dépend de ses banques.")
            } else {
                format!("La trésorerie nette est positive, à {figure}.")
            }
        },
    },
    Theme {
        keys: &["delai_clients"],
        write: |_, quoted| format!("Les clients règlent en {} en moyenne.", quoted.figure("delai_clients")),
    },
    Theme {
        keys: &["delai_fournisseurs"],
        write: |_, quoted| format!("Les fournisseurs sont payés à {} en moyenne.", quoted.figure("delai_fournisseurs")),
    },
];

/// Measures that a commentary would like to find: those of some themes.
pub(crate) fn wanted(rng: &mut ChaCha8Rng) -> Vec<&'static Measure> {
    let count = rng.random_range(2..=5);
    let themes = THEMES.choose_multiple(rng, count);
    themes.flat_map(|theme| theme.keys).map(|key| measure(key)).collect()
}

/// Up to five sentences, in the order of an analysis.
pub(crate) fn write(rng: &mut ChaCha8Rng, sheet: &Sheet<'_>) -> String {
    let mut themes: Vec<(usize, &Theme)> =
        THEMES.iter().enumerate().filter(|(_, theme)| theme.keys.iter().all(|key| sheet.has(key))).collect();
    let at_most = rng.random_range(3..=5);
    if themes.len() > at_most {
        themes.shuffle(rng);
        themes.truncate(at_most);
        themes.sort_unstable_by_key(|(place, _)| *place);
    }
    let quoted = Quoted { sheet };
    let mut sentences: Vec<String> = themes.into_iter().map(|(_, theme)| (theme.write)(rng, &quoted)).collect();
    if sentences.len() < 3 {
        // What no theme speaks of is quoted as it is.
        let rest = sheet.measures.iter().filter(|one| !THEMES.iter().any(|theme| theme.keys.contains(&one.key)));
        sentences.extend(rest.take(3 - sentences.len()).map(|measure| {
            let is = if measure.is_plural() { "s'élèvent à" } else { "s'élève à" };
            let value = measure.value(sheet.last()).expect("only measures that every year has");
            format!("{} {is} {}.", capital(&measure.with_article()), measure.written(value))
        }));
    }
    sentences.join(" ")
}

//! French words as they are compared: without case, accents, punctuation, and endings of the plural.

/// The words of a text.
pub(crate) fn of(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for char in text.chars().flat_map(char::to_lowercase) {
        match plain(char) {
            "" => words.push(String::new()),
            plain => {
                if let Some(word) = words.last_mut() {
                    word.push_str(plain);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Those that say what a label is about.
pub(crate) fn meaningful(label: &str) -> Vec<String> {
    // What is in too many labels to tell them apart.
    const EMPTY: [&str; 24] = [
        "a", "au", "aux", "d", "de", "des", "du", "en", "et", "l", "la", "le", "les", "ou", "par", "pour", "sur", "un",
        "une", "exercice", "total", "autres", "brut", "nette",
    ];
    let mut words = of(label);
    words.retain(|word| !EMPTY.contains(&word.as_str()));
    words
}

/// Whether two words are the same up to the plural.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    stem(one) == stem(other)
}

fn stem(word: &str) -> &str {
    let stem = word.strip_suffix(['s', 'x']).unwrap_or(word);
    if stem.len() >= 3 { stem } else { word }
}

/// A letter or digit as it is compared; nothing for what is between words.
fn plain(char: char) -> &'static str {
    const ASCII: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
    match char {
        'à' | 'â' | 'ä' | 'á' | 'ã' => "a",
        'ç' => "c",
        'é' | 'è' | 'ê' | 'ë' => "e",
        'î' | 'ï' | 'í' => "i",
        'ô' | 'ö' | 'ó' | 'õ' => "o",
        'ù' | 'û' | 'ü' | 'ú' => "u",
        'ÿ' => "y",
        'ñ' => "n",
        'œ' => "oe",
        'æ' => "ae",
        _ => ASCII.find(char).and_then(|at| ASCII.get(at..=at)).unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_accents_case_and_plural() {
        assert_eq!(
            of("L’Excédent brut d'exploitation (EBE), 2024"),
            ["l", "excedent", "brut", "d", "exploitation", "ebe", "2024"]
        );
        assert_eq!(of("Œuvres\u{a0}: ça — là"), ["oeuvres", "ca", "la"]);
        assert_eq!(meaningful("Total des dettes de l’exercice"), ["dettes"]);
        assert!(
            is_same("dettes", "dette")
                && is_same("bureaux", "bureau")
                && !is_same("as", "a")
                && !is_same("frais", "fra1")
        );
    }
}

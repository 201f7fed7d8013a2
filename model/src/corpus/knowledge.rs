//! What zyron-mini should know by heart: `model/knowledge`, written for it, with a source for each statement.

use anyhow::Context;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::french::{NO_BREAK, of_the};
use crate::document::Document;

/// A term of accounting or finance.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    pub(crate) term: String,
    gender: Gender,
    aliases: Vec<String>,
    short: String,
    long: String,
    formula: Option<String>,
    #[serde(rename = "source")]
    _source: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
enum Gender {
    #[serde(rename = "m")]
    Masculine,
    #[serde(rename = "f")]
    Feminine,
    #[serde(rename = "mp")]
    Masculines,
    #[serde(rename = "fp")]
    Feminines,
}

#[derive(Deserialize)]
struct Question {
    question: String,
    answer: String,
}

#[derive(Deserialize)]
struct Dialogue {
    kind: String,
    user: String,
    assistant: String,
}

#[derive(Deserialize)]
struct Passage {
    title: String,
    text: String,
}

/// All of it.
pub(crate) struct Knowledge {
    pub(crate) definitions: Vec<Definition>,
    questions: Vec<Question>,
    dialogues: Vec<Dialogue>,
    passages: Vec<Passage>,
}

impl Knowledge {
    /// Reads what is compiled in.
    ///
    /// # Errors
    /// Where a line is not what its file should have.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let mut questions = lines::<Question>("questions.jsonl", include_str!("../../knowledge/questions.jsonl"))?;
        questions.extend(lines("regulation.jsonl", include_str!("../../knowledge/regulation.jsonl"))?);
        Ok(Self {
            definitions: lines("definitions.jsonl", include_str!("../../knowledge/definitions.jsonl"))?,
            questions,
            dialogues: lines("dialogues.jsonl", include_str!("../../knowledge/dialogues.jsonl"))?,
            passages: lines("texts.jsonl", include_str!("../../knowledge/texts.jsonl"))?,
        })
    }

    /// Everything once, each definition under several questions.
    pub(crate) fn documents(&self, rng: &mut ChaCha8Rng) -> Vec<Document> {
        let mut documents = Vec::new();
        for definition in &self.definitions {
            documents.extend(definition.documents(rng));
        }
        let questions = self.questions.iter();
        documents.extend(questions.map(|one| Document::exchange("question", &one.question, &one.answer)));
        documents.extend(self.dialogues());
        let passages = self.passages.iter();
        documents.extend(passages.map(|one| Document::text("passage", format!("{}\n{}", one.title, one.text))));
        documents
    }

    /// Exchanges that are about no figure: courtesy, refusals, who the model is.
    pub(crate) fn dialogues(&self) -> impl Iterator<Item = Document> {
        self.dialogues.iter().map(|one| {
            let kind = if one.kind == "refusal" { "refusal" } else { "dialogue" };
            Document::exchange(kind, &one.user, &one.assistant)
        })
    }
}

fn lines<T: DeserializeOwned>(name: &str, text: &str) -> anyhow::Result<Vec<T>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(at, line)| serde_json::from_str(line).with_context(|| format!("{name}, line {}", at + 1))).collect()
}

impl Definition {
    fn article(&self, noun: &str) -> &'static str {
        let starts_with_vowel =
            noun.to_lowercase().starts_with(['a', 'e', 'i', 'o', 'u', 'é', 'è', 'ê', 'â', 'î', 'ô']);
        match self.gender {
            Gender::Masculines | Gender::Feminines => "les ",
            _ if starts_with_vowel => "l'",
            Gender::Masculine => "le ",
            Gender::Feminine => "la ",
        }
    }

    fn documents(&self, rng: &mut ChaCha8Rng) -> Vec<Document> {
        let mut documents = Vec::new();
        let names: Vec<&String> = std::iter::once(&self.term).chain(&self.aliases).collect();
        for form in 0..6 {
            // The term itself mostly, an abbreviation of it sometimes.
            let name = if form < 3 { &self.term } else { names.choose(rng).expect("it has a term") };
            let article = self.article(name);
            let question = match rng.random_range(0..9) {
                0 | 1 => format!("Qu'est-ce que {article}{name}{NO_BREAK}?"),
                2 => format!("Définis {article}{name}."),
                3 => format!("Que signifie «{NO_BREAK}{name}{NO_BREAK}»{NO_BREAK}?"),
                4 => format!("Donne la définition {}.", of_the(article, name)),
                5 => format!("C'est quoi, {article}{name}{NO_BREAK}?"),
                6 => format!("Explique la notion suivante{NO_BREAK}: {name}."),
                7 => format!("{name}{NO_BREAK}: définition{NO_BREAK}?"),
                _ => format!("Peux-tu m'expliquer ce qu'est {article}{name}{NO_BREAK}?"),
            };
            let answer =
                if rng.random_bool(0.7) { self.short.clone() } else { format!("{} {}", self.short, self.long) };
            documents.push(Document::exchange("definition", question, answer));
        }
        if let Some(formula) = &self.formula {
            let article = self.article(&self.term);
            let question = match rng.random_range(0..2) {
                0 => format!("Quelle est la formule {}{NO_BREAK}?", of_the(article, &self.term)),
                _ => format!("Comment calcule-t-on {article}{}{NO_BREAK}?", self.term),
            };
            documents.push(Document::exchange("definition", question, format!("La formule est{NO_BREAK}: {formula}.")));
        }
        documents
    }
}

#[cfg(test)]
mod tests {
    use super::Knowledge;

    #[test]
    fn every_line_is_read() {
        let knowledge = Knowledge::read().unwrap();
        assert!(knowledge.definitions.len() >= 260);
        assert!(knowledge.questions.len() >= 350 && knowledge.dialogues.len() >= 150);
    }
}

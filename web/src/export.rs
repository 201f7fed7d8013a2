//! What leaves the page as a file: the analysis, the conversation, each with where it is from.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::app::App;
use crate::conversation::{Exchange, Said};
use crate::download::download;
use crate::language::tr;
use crate::wire::Verdict;
use crate::words::{self, filled};

/// A form of an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Markdown,
    Csv,
    Xlsx,
}

impl Form {
    fn of_worker(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Markdown => ("md", "text/markdown;charset=utf-8"),
            Self::Csv => ("csv", "text/csv;charset=utf-8"),
            Self::Xlsx => ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        }
    }
}

impl App {
    /// Where what is on the desk is from, a line each.
    pub(crate) fn provenance(self) -> Vec<String> {
        let mut lines = vec![filled(
            tr("Établi le {} avec Zyron.", "Made on {} with Zyron."),
            &[&words::moment(js_sys::Date::now())],
        )];
        let file = tr("Fichier {}, SHA-256 {}.", "File {}, SHA-256 {}.");
        lines.extend(self.desk.sources.get().iter().map(|source| filled(file, &[&source.name, &source.sha256])));
        let corrections = self.desk.reading.get().map(|reading| reading.corrections.clone()).unwrap_or_default();
        let corrected = tr("Corrigé à la main\u{a0}: {}.", "Corrected by hand: {}.");
        lines.extend(corrections.iter().map(|correction| filled(corrected, &[correction])));
        if self.desk.reading.with(Option::is_some) {
            lines.push(
                tr(
                    "Les chiffres sont calculés à partir des fichiers, sans modèle de langue.",
                    "The figures are computed from the files, without a language model.",
                )
                .to_owned(),
            );
        }
        lines.extend(self.asked_of());
        lines.push(advice().to_owned());
        lines
    }

    /// Which models wrote what is in the conversation, and how they were asked.
    fn asked_of(self) -> Vec<String> {
        let text = tr(
            "Commentaires rédigés par une intelligence artificielle\u{a0}: modèle {}, {}. Ils peuvent être faux.",
            "Commentaries written by an artificial intelligence: model {}, {}. They may be wrong.",
        );
        let mut lines = Vec::new();
        // A model is named with its first words: this follows the beginnings and ends of answers, not every word of them.
        let _ = self.talk.is_running();
        for answer in self.talk.path().iter().flat_map(|exchange| &exchange.answers) {
            let model = answer.said.with_untracked(|said| said.model.clone());
            let line = filled(text, &[&model, &answer.settings.written()]);
            if !model.is_empty() && !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    }

    /// Gives the analysis of the accounts on the desk as a file.
    pub(crate) fn export_desk(self, form: Form) {
        spawn_local(async move {
            let (extension, media_type) = form.file();
            let notes = untrack(|| self.provenance());
            let result = match self.desk.export(form.of_worker(), &notes).await {
                Ok(bytes) => download(&format!("zyron-analyse.{extension}"), media_type, &bytes),
                Err(_) => {
                    Err(tr("L’export s’est interrompu. Réessayez.", "The export broke off. Try again.").to_owned())
                }
            };
            self.desk.error.set(result.err());
        });
    }

    /// Gives the conversation that is shown as Markdown.
    pub(crate) fn export_talk(self) {
        let markdown = untrack(|| self.talk_as_markdown());
        let result = download("zyron-conversation.md", "text/markdown;charset=utf-8", markdown.as_bytes());
        self.library.error.set(result.err());
    }

    fn talk_as_markdown(self) -> String {
        let mut text = String::from("# Zyron\n");
        for exchange in self.talk.path() {
            text += &exchange_as_markdown(&exchange);
        }
        text += &format!("\n## {}\n\n", tr("Provenance", "Provenance"));
        for line in self.provenance() {
            text += &format!("- {line}\n");
        }
        text
    }
}

fn exchange_as_markdown(exchange: &Exchange) -> String {
    let mut text = format!("\n## {}\n", exchange.asked.title().replace('\n', " "));
    for answer in &exchange.answers {
        let said = answer.said.get_untracked();
        if exchange.answers.len() > 1 {
            text += &format!("\n### {}, {}\n", said.model, answer.settings.written());
        }
        text += &format!("\n{}\n", said.text.trim());
        text += &numbers_as_markdown(&said);
        if let Some(ending) = &said.ending {
            text += &format!("\n*{}*\n", words::ending(ending));
        }
    }
    text
}

/// Where the numbers of an answer are from, but those that the question gave.
fn numbers_as_markdown(said: &Said) -> String {
    let chars: Vec<char> = said.text.chars().collect();
    let shown = said.numbers.iter().filter(|number| number.verdict != Verdict::Given);
    let lines = shown.map(|number| {
        let written: String = chars.get(number.start..number.end).unwrap_or_default().iter().collect();
        format!("- {written}\u{a0}: {}\n", words::verdict(&number.verdict, &said.facts).1)
    });
    let lines: String = lines.collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{}\n\n{lines}", tr("Origine des nombres\u{a0}:", "Where the numbers are from:"))
    }
}

/// What everybody who reads an analysis has to know (directive 2014/65/UE, article 25).
fn advice() -> &'static str {
    tr(
        "Ce document ne constitue pas un conseil en investissement.",
        "This document does not constitute investment advice.",
    )
}

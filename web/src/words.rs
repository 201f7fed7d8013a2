//! What the page says of numbers, answers and errors. In French with French typography: a narrow no-break space (U+202F)
//! before `;`, `!` and `?`, a no-break space (U+00A0) before `:`, a typographic apostrophe, a decimal comma.

use js_sys::{Date, Intl, Object, Reflect};
use wasm_bindgen::JsValue;

use crate::api::Failure;
use crate::app::Trouble;
use crate::conversation::{Ending, Stats};
use crate::language::{Language, tr};
use crate::wire::{Fact, FinishReason, Model, Verdict};

/// A text with each `{}` replaced by the next of `values`.
pub(crate) fn filled(text: &str, values: &[&str]) -> String {
    let mut parts = text.split("{}");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        filled += values.get(at).copied().unwrap_or_default();
        filled += part;
    }
    filled
}

/// A number with so many decimals: `1 234,5`.
pub(crate) fn number(value: f64, decimals: u32) -> String {
    let options = Object::new();
    for name in ["minimumFractionDigits", "maximumFractionDigits"] {
        // On a plain object it cannot fail.
        let _ = Reflect::set(&options, &JsValue::from_str(name), &JsValue::from(decimals));
    }
    let format = Intl::NumberFormat::new(&js_sys::Array::of1(&Language::current().locale().into()), &options);
    let text = format.format().call1(&JsValue::NULL, &JsValue::from_f64(value));
    text.ok().and_then(|text| text.as_string()).unwrap_or_default()
}

/// A day and a time of it, here: `27/11/2026 10:41`. `ms` are milliseconds since 1970.
pub(crate) fn moment(ms: f64) -> String {
    let date = Date::new(&JsValue::from_f64(ms));
    let options = Object::new();
    for (name, style) in [("dateStyle", "short"), ("timeStyle", "short")] {
        // On a plain object it cannot fail.
        let _ = Reflect::set(&options, &name.into(), &style.into());
    }
    date.to_locale_string(Language::current().locale(), &options).into()
}

/// The model, with what matters of it.
pub(crate) fn model(model: &Model) -> String {
    let context = number(model.context_length, 0);
    let text = tr("{} · {} · contexte de {} tokens", "{} · {} · context of {} tokens");
    filled(text, &[&model.id, &model.quantization, &context])
}

/// How an answer ended.
pub(crate) fn ending(ending: &Ending) -> String {
    match ending {
        Ending::Finished(FinishReason::Stop | FinishReason::ToolCalls, figures) => stats(figures),
        Ending::Finished(FinishReason::Length, figures) => {
            let cut = tr("réponse coupée à sa longueur maximale", "answer cut at its greatest length");
            format!("{cut} · {}", stats(figures))
        }
        Ending::Stopped => tr("réponse arrêtée", "answer stopped").to_owned(),
        Ending::Failed => tr("réponse interrompue", "answer broken off").to_owned(),
    }
}

fn stats(stats: &Stats) -> String {
    let mut parts = Vec::new();
    if let Some(wait) = stats.first_text_ms {
        parts.push(filled(tr("premier texte en {} ms", "first text in {} ms"), &[&number(wait, 0)]));
    }
    if let Some(speed) = stats.tokens_per_second {
        parts.push(format!("{} tokens/s", number(speed, 1)));
    }
    if let Some(usage) = &stats.usage {
        let text = tr("{} tokens lus, {} écrits", "{} tokens read, {} written");
        parts.push(filled(text, &[&number(usage.prompt_tokens, 0), &number(usage.completion_tokens, 0)]));
    }
    parts.join(" · ")
}

/// What is known of a number: a name for it in the page's style, and words.
pub(crate) fn verdict(verdict: &Verdict, facts: &[Fact]) -> (&'static str, String) {
    match verdict {
        Verdict::Source(fact) => {
            let fact = facts.iter().find(|known| known.id == *fact);
            let words = fact.map(|fact| format!("{} {}\u{a0}: {}", fact.label, fact.period, fact.written));
            ("source", words.unwrap_or_else(|| tr("dans les comptes", "in the accounts").to_owned()))
        }
        Verdict::Derived(expression, _) => ("derived", expression.clone()),
        Verdict::Given => (
            "given",
            tr("dans la question, ou année des comptes", "in the question, or a year of the accounts").to_owned(),
        ),
        Verdict::NotFound => (
            "not-found",
            tr("introuvable dans les comptes\u{a0}: à vérifier", "found nowhere in the accounts: check it").to_owned(),
        ),
    }
}

/// What went wrong and what to do about it.
pub(crate) fn trouble(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Words(words) => words.clone(),
        Trouble::Failure(failure) => self::failure(failure),
    }
}

fn failure(failure: &Failure) -> String {
    match failure {
        Failure::Refused { code, message, retry_after_s } => {
            refusal(code, *retry_after_s).unwrap_or_else(|| {
                // A case nobody foresaw is told in the server's words rather than not at all.
                let text = tr("Le serveur a refusé la demande\u{a0}: «\u{a0}{}\u{a0}»", "The server refused the request: “{}”");
                filled(text, &[message])
            })
        }
        Failure::Connection => tr(
            "La connexion au serveur a échoué. Vérifiez qu’il est démarré, puis réessayez.",
            "The connection to the server failed. Check that it is running, then try again.",
        )
        .to_owned(),
        Failure::Truncated => tr(
            "La connexion au serveur a été interrompue avant la fin de la réponse. Ce qui a été écrit reste\u{a0}; réessayez \
             pour une réponse entière.",
            "The connection to the server broke before the end of the answer. What was written stays; try again for a whole \
             answer.",
        )
        .replace("\u{a0};", "\u{202f};"),
        Failure::Malformed(detail) => {
            filled(tr("La réponse du serveur est illisible\u{a0}: {}", "The server’s answer cannot be read: {}"), &[detail])
        }
    }
}

/// What an error of this code means for an analyst; nothing for one that nobody foresaw.
fn refusal(code: &str, retry_after_s: Option<f64>) -> Option<String> {
    let text = match code {
        "context_length_exceeded" => tr(
            "La conversation dépasse ce que le modèle peut lire. Raccourcissez la question ou commencez une nouvelle \
             conversation.",
            "The conversation is longer than what the model can read. Shorten the question or begin a new conversation.",
        ),
        "payload_too_large" => {
            tr("La conversation est trop volumineuse pour le serveur.", "The conversation is too large for the server.")
        }
        "invalid_api_key" => tr(
            "Une clé d’API valide est nécessaire\u{a0}: saisissez-la ci-dessous.",
            "A valid API key is needed: enter it below.",
        ),
        "rate_limit_exceeded" => match retry_after_s {
            Some(seconds) => {
                let text = tr("Le serveur est occupé. Réessayez dans {} s.", "The server is busy. Try again in {} s.");
                return Some(filled(text, &[&number(seconds, 0)]));
            }
            None => {
                tr("Le serveur est occupé. Réessayez dans un instant.", "The server is busy. Try again in a moment.")
            }
        },
        "model_loading" => tr(
            "Le modèle est en cours de chargement. La page attend qu’il soit prêt.",
            "The model is being loaded. The page waits until it is ready.",
        ),
        "shutting_down" => tr("Le serveur est en cours d’arrêt.", "The server is shutting down."),
        "timeout" => tr(
            "La réponse a dépassé le temps accordé par le serveur.",
            "The answer took longer than the server allows.",
        ),
        "engine_failed" | "internal_error" => tr(
            "Le serveur n’a pas pu terminer la réponse. Son journal en donne la raison.",
            "The server could not finish the answer. Its log says why.",
        ),
        _ => return None,
    };
    Some(text.to_owned())
}

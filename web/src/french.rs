//! What the page says of numbers and errors, in French with French typography: a narrow no-break space (U+202F) before
//! `;`, `!` and `?`, a no-break space (U+00A0) before `:`, a typographic apostrophe, a decimal comma.

use js_sys::{Intl, Object, Reflect};
use wasm_bindgen::JsValue;
use zyron_finance::check::Verdict;
use zyron_finance::facts::SheetFact;
use zyron_openapi::sse::StreamError;
use zyron_openapi::{FinishReason, Model};

use crate::conversation::{Ending, Stats};

/// A number with so many decimals: `1 234,5`.
pub(crate) fn number(value: f64, decimals: u32) -> String {
    let options = Object::new();
    for name in ["minimumFractionDigits", "maximumFractionDigits"] {
        // On a plain object it cannot fail.
        let _ = Reflect::set(&options, &JsValue::from_str(name), &JsValue::from(decimals));
    }
    let format = Intl::NumberFormat::new(&js_sys::Array::of1(&JsValue::from_str("fr-FR")), &options);
    let text = format.format().call1(&JsValue::NULL, &JsValue::from_f64(value));
    text.ok().and_then(|text| text.as_string()).unwrap_or_else(|| value.to_string())
}

/// The model, with what matters of it.
pub(crate) fn model(model: &Model) -> String {
    let context = number(model.context_length as f64, 0);
    format!("{} · {} · contexte de {context} tokens", model.id, model.quantization)
}

/// How an answer ended.
pub(crate) fn ending(ending: &Ending) -> String {
    match ending {
        // The playground offers no tools yet, so it never sees a call.
        Ending::Finished(FinishReason::Stop | FinishReason::ToolCalls, figures) => stats(figures),
        Ending::Finished(FinishReason::Length, figures) => {
            format!("réponse coupée à sa longueur maximale · {}", stats(figures))
        }
        Ending::Stopped => "réponse arrêtée".to_owned(),
        Ending::Failed => "réponse interrompue".to_owned(),
    }
}

fn stats(stats: &Stats) -> String {
    let mut parts = Vec::new();
    if let Some(wait) = stats.first_text_ms {
        parts.push(format!("premier texte en {} ms", number(wait, 0)));
    }
    if let Some(speed) = stats.tokens_per_second {
        parts.push(format!("{} tokens/s", number(speed, 1)));
    }
    if let Some(usage) = &stats.usage {
        let count = |tokens: u64| number(tokens as f64, 0);
        parts.push(format!("{} tokens lus, {} écrits", count(usage.prompt_tokens), count(usage.completion_tokens)));
    }
    parts.join(" · ")
}

/// What is known of a number: a name for it in the page's style, and words.
pub(crate) fn verdict(verdict: &Verdict, facts: &[SheetFact]) -> (&'static str, String) {
    match verdict {
        Verdict::Source { fact } => {
            let fact = facts.iter().find(|known| known.id == *fact);
            let words = fact.map(|fact| format!("{} {}\u{a0}: {}", fact.label, fact.period, fact.written));
            ("source", words.unwrap_or_else(|| "dans les comptes".to_owned()))
        }
        Verdict::Derived { expression, .. } => ("derived", expression.clone()),
        Verdict::Given => ("given", "dans la question, ou année des comptes".to_owned()),
        Verdict::NotFound => ("not-found", "introuvable dans les comptes\u{a0}: à vérifier".to_owned()),
    }
}

/// What went wrong and what to do about it.
pub(crate) fn error(error: &StreamError) -> String {
    match error {
        StreamError::Api(response) => {
            let error = &response.error;
            match error.code.as_deref().unwrap_or_default() {
                "context_length_exceeded" => "La conversation dépasse ce que le modèle peut lire. Raccourcissez la \
                                              question ou commencez une nouvelle conversation."
                    .to_owned(),
                "payload_too_large" => "La conversation est trop volumineuse pour le serveur.".to_owned(),
                "invalid_api_key" => "Une clé d’API valide est nécessaire\u{a0}: saisissez-la ci-dessus.".to_owned(),
                "rate_limit_exceeded" => "Le serveur est occupé. Réessayez dans un instant.".to_owned(),
                "model_loading" => "Le modèle est en cours de chargement. Réessayez dans un instant.".to_owned(),
                "shutting_down" => "Le serveur est en cours d’arrêt.".to_owned(),
                "timeout" => "La réponse a dépassé le temps accordé par le serveur.".to_owned(),
                "engine_failed" | "internal_error" => {
                    "Le serveur n’a pas pu terminer la réponse. Son journal en donne la raison.".to_owned()
                }
                // A case nobody foresaw is told in the server's words rather than not at all.
                _ => format!("Le serveur a refusé la demande\u{a0}: «\u{a0}{}\u{a0}»", error.message),
            }
        }
        StreamError::Transport(_) => "La connexion au serveur a échoué. Vérifiez qu’il est démarré.".to_owned(),
        StreamError::Truncated => "La connexion au serveur a été interrompue avant la fin de la réponse.".to_owned(),
        StreamError::Malformed(detail) => format!("La réponse du serveur est illisible\u{a0}: {detail}"),
    }
}

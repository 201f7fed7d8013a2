//! `/v1/finance`: files to figures, and commentaries whose every number is checked.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zyron_finance::check::Verdict;
use zyron_finance::templates::Input;
use zyron_finance::{Report, Statement};

use crate::tools::FunctionCall;
use crate::{ChatCompletionMessageParam, OneOrMany, StreamOptions};

/// A company's files, to be read together: a fiscal year each, or the parts of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinanceFilesRequest {
    /// A FEC, a balance générale, a bilan and compte de résultat (CSV, XLSX, ODS), or an ESEF report.
    pub files: Vec<FinanceFile>,
    /// The last day of the last fiscal year, where no file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NaiveDate>,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinanceFile {
    /// Its name, which figures name as their source. That of a FEC says whose it is and when the year ends.
    pub filename: String,
    /// Its bytes in base64, or a `data:` URL of them.
    pub file_data: String,
}

/// The same as a form.
#[cfg(feature = "utoipa")]
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is for the document")]
pub struct FinanceFilesForm {
    /// A file; the field may occur several times.
    file: Vec<FinanceFileBytes>,
    /// The last day of the last fiscal year, where no file says it.
    end: Option<NaiveDate>,
}

/// A file's bytes.
#[cfg(feature = "utoipa")]
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "it is for the document")]
struct FinanceFileBytes(Vec<u8>);

/// What files say of a company, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FinanceReport {
    /// Always `finance.report`.
    pub object: String,
    /// The figures.
    #[serde(flatten)]
    pub report: Report,
}

/// The analyses on offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FinanceTemplateList {
    /// Always `list`.
    pub object: String,
    /// One for each.
    pub data: Vec<FinanceTemplate>,
}

/// An analysis on offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct FinanceTemplate {
    /// Its name in a request.
    pub id: String,
    /// Always `finance.template`.
    pub object: String,
    /// Raised when its instructions change.
    pub version: u32,
    /// Its name in French.
    pub title: String,
    /// What it is about.
    pub input: Input,
}

/// A commentary to write: by a template, or as the answer to a question, about a company's accounts or a text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinanceAnalysisRequest {
    /// The model's name, as `/v1/models` lists it.
    pub model: String,
    /// The accounts, as `/v1/finance/statements` gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Box<Statement>>,
    /// The analysis that is wanted, of `/v1/finance/templates`. Without one, `question` says what is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A question about the accounts or the text; beside a template, what else to look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The text that a template is about, such as answers about a client or a regulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was said since: the commentary, a further question, and so on. The last is the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatCompletionMessageParam>>,

    /// `["finance"]`: the model may read and compute by tools, which the server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_tools: Option<Vec<String>>,
    /// Sign the commentary as this model's. `/.well-known/jwks.json` has the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zyron_provenance: Option<bool>,
    /// Send the commentary in server-sent events as it is generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Only with `stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// Most tokens to generate. Default: what is left of the context, within the server's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    /// Randomness, 0 (greedy) to 2. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sample from the likeliest tokens that hold this share of the probability, 0 to 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Lowers a token's logit by this for each time it was generated, -2 to 2. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Lowers a token's logit by this once it was generated, -2 to 2. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// The same seed and request give the same commentary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Up to 4 strings that end the commentary; they are not part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<OneOrMany>,
}

/// A number of an answer, and where it is from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct CheckedNumber {
    /// Its place among the answer's numbers.
    pub index: u32,
    /// Where it begins in the answer, in characters (Unicode code points).
    pub start: usize,
    /// Where it ends with its unit, in characters.
    pub end: usize,
    /// What it is.
    pub verdict: Verdict,
}

/// A tool that the model called and the server ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ServerToolCall {
    /// Its place among the calls.
    pub index: u32,
    /// Its id in the conversation.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What was called, with which arguments.
    pub function: FunctionCall,
    /// What it gave, as the model was told.
    pub result: Value,
}

/// The template that an answer was written by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct UsedTemplate {
    /// Its name.
    pub id: String,
    /// The version of its instructions.
    pub version: u32,
}

#[cfg(test)]
mod tests {
    use zyron_finance::import::{self, Options};
    use zyron_finance::{Report, sample};

    use super::FinanceReport;

    #[test]
    fn a_report_that_was_written_can_be_read() {
        // The first year of a company: what compares it with the year before has no value.
        let files = sample::company();
        let statement = import::read_all(&files[..1], &Options::default()).unwrap();
        let written = FinanceReport { object: "finance.report".to_owned(), report: Report::of(statement) };
        let json = serde_json::to_string(&written).unwrap();
        assert!(json.contains(r#""value":null"#), "{json}");
        assert_eq!(serde_json::from_str::<FinanceReport>(&json).unwrap(), written);
    }
}

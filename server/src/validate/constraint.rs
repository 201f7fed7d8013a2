//! What the answer must look like: one of the fields that say it, and the tools.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;
use zyron_engine::{Constraint, Grammar, tool_calls};
use zyron_openapi::{ResponseFormat, StructuredOutputs};

use super::tools::{Tools, is_name};
use crate::error::ApiError;
use crate::serving::Serving;

/// A form asked for, and the field that asks for it.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) grammar: Grammar,
    pub(crate) param: String,
}

impl Form {
    fn new(grammar: Grammar, param: &str) -> Self {
        Self { grammar, param: param.to_owned() }
    }
}

/// The fields of chat completions and completions that constrain the answer, as they came.
pub(super) struct FormFields {
    pub(super) response_format: Option<ResponseFormat>,
    pub(super) guided_json: Option<Value>,
    pub(super) guided_regex: Option<String>,
    pub(super) guided_choice: Option<Vec<String>>,
    pub(super) guided_grammar: Option<String>,
    pub(super) structured_outputs: Option<StructuredOutputs>,
}

macro_rules! form_fields_of {
    ($request:ident, $response_format:expr) => {
        $crate::validate::constraint::FormFields {
            response_format: $response_format,
            guided_json: $request.guided_json.take(),
            guided_regex: $request.guided_regex.take(),
            guided_choice: $request.guided_choice.take(),
            guided_grammar: $request.guided_grammar.take(),
            structured_outputs: $request.structured_outputs.take(),
        }
    };
}
pub(super) use form_fields_of;

impl FormFields {
    /// The one form they ask for, if any.
    pub(super) fn read(self) -> Result<Option<Form>, ApiError> {
        let json = |schema: Value| Grammar::JsonSchema { schema, strict: true };
        let other = self.structured_outputs.unwrap_or_default();
        let forms = [
            self.response_format.map(response_format).transpose()?.flatten(),
            self.guided_json.map(|schema| Form::new(json(schema), "guided_json")),
            self.guided_regex.map(|regex| Form::new(Grammar::Regex(regex), "guided_regex")),
            self.guided_choice.map(|choice| Form::new(Grammar::Choice(choice), "guided_choice")),
            self.guided_grammar.map(|grammar| Form::new(Grammar::Lark(grammar), "guided_grammar")),
            other.json.map(|schema| Form::new(json(schema), "structured_outputs.json")),
            other.regex.map(|regex| Form::new(Grammar::Regex(regex), "structured_outputs.regex")),
            other.choice.map(|choice| Form::new(Grammar::Choice(choice), "structured_outputs.choice")),
            other.grammar.map(|grammar| Form::new(Grammar::Lark(grammar), "structured_outputs.grammar")),
        ];
        let mut forms = forms.into_iter().flatten();
        let form = forms.next();
        match forms.next() {
            Some(second) => {
                Err(ApiError::invalid(second.param, "The answer is constrained by two fields; it can be by one."))
            }
            None => Ok(form),
        }
    }
}

fn response_format(format: ResponseFormat) -> Result<Option<Form>, ApiError> {
    let path = "response_format";
    match (format.kind.as_str(), format.json_schema) {
        ("json_schema", Some(given)) => {
            json_schema(&given.name, given.schema, given.strict, "response_format.json_schema")
        }
        (_, Some(_)) => {
            Err(ApiError::invalid("response_format.json_schema", "`json_schema` needs the type `json_schema`."))
        }
        ("json_schema", None) => Err(ApiError::invalid("response_format.json_schema", "The schema is missing.")),
        (kind, _) => plain(kind, path),
    }
}

/// A format without a schema.
pub(super) fn plain(kind: &str, path: &str) -> Result<Option<Form>, ApiError> {
    match kind {
        "text" => Ok(None),
        "json_object" => Ok(Some(Form::new(Grammar::json_object(), path))),
        _ => {
            let message = "The type of a format is `text`, `json_object` or `json_schema`.";
            Err(ApiError::invalid(format!("{path}.type"), message))
        }
    }
}

/// A format with a schema.
pub(super) fn json_schema(
    name: &str,
    schema: Option<Value>,
    strict: Option<bool>,
    path: &str,
) -> Result<Option<Form>, ApiError> {
    if !is_name(name) {
        return Err(ApiError::invalid(format!("{path}.name"), "The name has 1 to 64 letters, digits, `_` and `-`."));
    }
    let grammar = match schema {
        Some(schema) => Grammar::JsonSchema { schema, strict: strict.unwrap_or(false) },
        None => Grammar::json_object(),
    };
    Ok(Some(Form { grammar, param: format!("{path}.schema") }))
}

/// What the answer must look like, all in all.
pub(super) struct Goal {
    pub(super) form: Option<Form>,
    pub(super) tools: Option<Tools>,
    /// The longest form, and the longest schemas of all tools together.
    pub(super) max_bytes: usize,
}

impl Goal {
    /// Those for which its compilation waits. One that takes long must not keep others from tokenizing.
    pub(super) fn turns<'a>(&self, serving: &'a Serving) -> &'a Arc<Semaphore> {
        if self.form.is_none() && self.tools.is_none() { &serving.tokenizing } else { &serving.compiling }
    }

    /// Compiles it, where it constrains the answer at all. Takes a while.
    pub(super) fn compile(&self, serving: &Serving) -> Result<Option<Constraint>, ApiError> {
        let Some(grammar) = self.grammar(serving)? else { return Ok(None) };
        let compiled = serving.grammars.compile(&grammar, &serving.model.tokenizer);
        compiled.map(Some).map_err(|error| self.blame(serving, &error.0))
    }

    fn grammar(&self, serving: &Serving) -> Result<Option<Grammar>, ApiError> {
        let (form, max) = (self.form.as_ref(), self.max_bytes);
        if let Some(form) = form.filter(|form| form.grammar.size() > max) {
            return Err(ApiError::invalid(form.param.clone(), format!("A constraint has at most {max} bytes.")));
        }
        let Some(tools) = &self.tools else { return Ok(form.map(|form| form.grammar.clone())) };
        let size: usize = tools.callable.iter().map(|tool| tool.parameters.to_string().len()).sum();
        if size > max {
            return Err(ApiError::invalid("tools", format!("The schemas of all tools have at most {max} bytes.")));
        }
        let answer = form.map(|form| match &form.grammar {
            Grammar::JsonSchema { schema, strict } => Ok((schema, *strict)),
            _ => Err(ApiError::unsupported(
                form.param.clone(),
                "Beside `tools`, an answer can be constrained by a schema only.",
            )),
        });
        let answer = answer.transpose()?;
        let (format, tokenizer) = (&serving.tool_format, &serving.model.tokenizer);
        let grammar = tool_calls::grammar(format, &tools.callable, tools.choice, tools.parallel, answer, tokenizer);
        grammar.map(Some).map_err(|error| self.blame(serving, &error.0))
    }

    /// Names the field that cannot be compiled.
    fn blame(&self, serving: &Serving, error: &str) -> ApiError {
        let fails = |grammar: &Grammar| serving.grammars.compile(grammar, &serving.model.tokenizer).err();
        for (tool, param) in self.tools.iter().flat_map(|tools| tools.callable.iter().zip(&tools.params)) {
            let grammar = Grammar::JsonSchema { schema: tool.parameters.clone(), strict: tool.strict };
            if let Some(error) = fails(&grammar) {
                return refusal(param, &error.0);
            }
        }
        refusal(self.form.as_ref().map_or("tools", |form| &form.param), error)
    }
}

fn refusal(param: &str, error: &str) -> ApiError {
    ApiError::invalid(param, format!("`{param}` cannot be enforced: {error}."))
}

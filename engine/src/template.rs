//! Chat templates: a conversation to the text the model was trained on, rendered as Hugging Face does it.
//!
//! The environment is that of `transformers`' `apply_chat_template`: Jinja with `trim_blocks`, `lstrip_blocks`, loop
//! controls, Python's string methods, `raise_exception`, `strftime_now` and a `tojson` that writes as Python does.

use std::fmt::Write;

use minijinja::value::Kwargs;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use serde::Serialize;
use serde_json::Value as Json;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use thiserror::Error;

/// Why a conversation could not be rendered.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// The template itself is wrong.
    #[error("its chat template cannot be used: {0}")]
    Invalid(String),
    /// The template refused the conversation, in its own words (`raise_exception`).
    #[error("{0}")]
    Refused(String),
    /// The template failed on the conversation.
    #[error("the model's chat template failed on this conversation: {0}")]
    Failed(String),
}

/// A conversation, as templates see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// The messages: objects with `role`, `content`, and what else Hugging Face's templates read (`name`, `tool_calls`
    /// with `arguments` as an object, `tool_call_id`).
    pub messages: Vec<Json>,
    /// The tools on offer, as OpenAI describes them. None: the template sees `none`.
    pub tools: Vec<Json>,
    /// Whether the text ends ready for the assistant's answer.
    pub add_generation_prompt: bool,
    /// Variables of the template's own, such as `enable_thinking`.
    pub variables: serde_json::Map<String, Json>,
}

/// Variables that are the server's to set.
const RESERVED: [&str; 7] =
    ["messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token", "raise_exception"];

/// Whether a conversation may bring a variable of this name.
#[must_use]
pub fn is_free_variable(name: &str) -> bool {
    !RESERVED.contains(&name)
}

/// Control tokens that templates refer to by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedTokens {
    /// `bos_token`.
    pub bos: Option<String>,
    /// `eos_token`.
    pub eos: Option<String>,
}

/// A model's chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: NamedTokens,
    source: String,
}

const NAME: &str = "chat";
/// The longest template, in bytes. Those of real models are a few thousand, once compiled many times as large.
const MAX_SOURCE_BYTES: usize = 1_000_000;
/// Steps in which a conversation must be rendered, which take some seconds: a thousand messages, each of which a template
/// looks for among all, are a fifth of it.
const MAX_STEPS: u64 = 50_000_000;

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`TemplateError::Invalid`].
    pub fn new(source: &str, tokens: NamedTokens) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(TemplateError::Invalid(format!("it is longer than {MAX_SOURCE_BYTES} bytes")));
        }
        let mut environment = Environment::new();
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message)))
        });
        environment.add_function("strftime_now", strftime_now);
        let compiled = replace_generation_tags(source);
        environment.add_template_owned(NAME, compiled).map_err(|error| TemplateError::Invalid(describe(&error)))?;
        Ok(Self { environment, tokens, source: source.to_owned() })
    }

    /// The template as its model has it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it knows a variable of this name, such as `tools`.
    #[must_use]
    pub fn knows(&self, variable: &str) -> bool {
        let template = self.environment.get_template(NAME);
        template.is_ok_and(|template| template.undeclared_variables(false).contains(variable))
    }

    /// Renders a conversation.
    ///
    /// # Errors
    /// [`TemplateError::Refused`] or [`TemplateError::Failed`].
    pub fn render(&self, conversation: &Conversation) -> Result<String, TemplateError> {
        let Conversation { messages, tools, add_generation_prompt, variables } = conversation;
        let tools = if tools.is_empty() { Value::from(()) } else { Value::from_serialize(tools) };
        let template = self.environment.get_template(NAME).map_err(|error| TemplateError::Invalid(describe(&error)))?;
        let rendered = template.render(context! {
            messages,
            add_generation_prompt,
            bos_token => self.tokens.bos.as_deref().unwrap_or_default(),
            eos_token => self.tokens.eos.as_deref().unwrap_or_default(),
            tools,
            documents => Value::from(()),
            ..Value::from_serialize(variables),
        });
        rendered.map_err(|error| match raised(&error) {
            Some(message) => TemplateError::Refused(message),
            None => TemplateError::Failed(describe(&error)),
        })
    }
}

/// What a template said with `raise_exception`.
#[derive(Debug, Error)]
#[error("{0}")]
struct Raised(String);

fn raised(error: &Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(Raised(message)) = error.downcast_ref() {
            return Some(message.clone());
        }
        source = error.source();
    }
    None
}

fn describe(error: &Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{detail} (line {line})"),
        None => detail,
    }
}

/// `{% generation %}` marks what to train on and changes nothing in the text; minijinja does not know the tag.
fn replace_generation_tags(source: &str) -> String {
    let mut replaced = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start + 2..].find("%}") else { break };
        let (before, tag) = (&rest[..start], &rest[start..start + length + 4]);
        replaced.push_str(before);
        match tag[2..tag.len() - 2].trim_matches(|char: char| matches!(char, '-' | '+') || char.is_whitespace()) {
            "generation" => replaced.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => replaced.push_str(&tag.replace("endgeneration", "endif")),
            _ => replaced.push_str(tag),
        }
        rest = &rest[start + tag.len()..];
    }
    replaced.push_str(rest);
    replaced
}

fn strftime_now(format: &str) -> Result<String, Error> {
    let mut text = String::new();
    match write!(text, "{}", chrono::Local::now().format(format)) {
        Ok(()) => Ok(text),
        Err(_) => Err(Error::new(ErrorKind::InvalidOperation, "strftime_now was given a wrong format")),
    }
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)`: no HTML escapes, and Python's spaces.
fn to_json(value: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let _: Option<bool> = kwargs.get("ensure_ascii")?;
    kwargs.assert_all_used()?;
    let json = match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(16));
            serialize(&value, PrettyFormatter::with_indent(spaces.as_bytes()))
        }
        None => serialize(&value, PythonFormatter(CompactFormatter)),
    };
    let json = json.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from_safe_string(json))
}

/// `json.dumps(value, ensure_ascii=False)`, as templates write JSON and models learn it.
///
/// # Panics
/// Never: a JSON value can be written.
#[must_use]
pub fn python_json(value: &Json) -> String {
    serialize(value, PythonFormatter(CompactFormatter)).expect("a JSON value can be written")
}

fn serialize(value: &impl Serialize, formatter: impl Formatter) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// JSON on one line with `", "` and `": "`.
struct PythonFormatter(CompactFormatter);

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(source: &str) -> Result<ChatTemplate, TemplateError> {
        ChatTemplate::new(source, NamedTokens { bos: Some("<s>".into()), eos: Some("</s>".into()) })
    }

    fn conversation() -> Conversation {
        let messages =
            vec![json!({"role": "user", "content": "Été <b>"}), json!({"role": "assistant", "content": "ok"})];
        Conversation { messages, add_generation_prompt: true, ..Conversation::default() }
    }

    fn render(source: &str) -> Result<String, TemplateError> {
        template(source)?.render(&conversation())
    }

    #[test]
    fn tools_and_variables_reach_the_template() {
        let mut conversation = conversation();
        conversation.tools = vec![json!({"type": "function", "function": {"name": "f"}})];
        conversation.variables = json!({"enable_thinking": false}).as_object().cloned().unwrap();
        let template =
            template("{{ tools[0].function.name }} {{ enable_thinking }} {{ messages | length }} {{ bos_token }}");
        let template = template.unwrap();
        assert_eq!(template.render(&conversation).unwrap(), "f False 2 <s>");
        assert!(template.knows("tools") && template.knows("enable_thinking") && !template.knows("documents"));
        assert!(is_free_variable("enable_thinking") && !is_free_variable("messages"));
    }

    #[test]
    fn renders_a_conversation() {
        let source = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m.content }}\n{% endfor %}\
                      {% if add_generation_prompt %}[assistant]{% endif %}";
        assert_eq!(render(source).unwrap(), "<s>[user] Été <b>\n[assistant] ok\n[assistant]");
    }

    #[test]
    fn knows_what_templates_of_hugging_face_use() {
        assert_eq!(render("{{ messages[0] | tojson }}").unwrap(), r#"{"role": "user", "content": "Été <b>"}"#);
        assert_eq!(render("{{ [1, 'a'] | tojson(indent=2) }}").unwrap(), "[\n  1,\n  \"a\"\n]");
        assert_eq!(render("{{ messages[0].content.split(' ')[0].upper() }}").unwrap(), "ÉTÉ");
        assert_eq!(
            render(
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}"
            )
            .unwrap(),
            "2"
        );
        assert_eq!(
            render("{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}x{% endfor %}").unwrap(),
            "x"
        );
        assert_eq!(render("{% if tools is not none and tools | length > 0 %}t{% endif %}.").unwrap(), ".");
        assert_eq!(render("a {%- generation -%} b {%- endgeneration %} c").unwrap(), "ab c");
        assert_eq!(render("{{ strftime_now('%Y') | length }}").unwrap(), "4");
        // trim_blocks and lstrip_blocks
        assert_eq!(render("  {% if true %}\nx\n  {% endif %}\n").unwrap(), "x\n");
    }

    #[test]
    fn what_a_variable_makes_endless_is_ended() {
        let source = "{% for i in range(n) %}{% for j in range(n) %}{% endfor %}{% endfor %}done";
        let mut conversation = conversation();
        for (times, ends) in [(100, true), (100_000, false)] {
            conversation.variables = json!({"n": times}).as_object().cloned().unwrap();
            let rendered = template(source).unwrap().render(&conversation);
            assert_eq!(rendered.is_ok_and(|text| text == "done"), ends, "{times}");
        }
    }

    #[test]
    fn a_refusal_keeps_its_words() {
        let error = render("{{ raise_exception('Roles must alternate') }}").unwrap_err();
        assert_eq!(error, TemplateError::Refused("Roles must alternate".into()));
        assert!(matches!(render("{{ messages[0].nothing.more }}"), Err(TemplateError::Failed(_))));
        assert!(matches!(render("{{ strftime_now('%!') }}"), Err(TemplateError::Failed(_))));
        assert!(matches!(render("{% for %}"), Err(TemplateError::Invalid(_))));
        assert!(matches!(render("{%}"), Err(TemplateError::Invalid(_))));
    }
}

//! The forms in which families of models write tool calls, one row each.

use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;

/// Marks of the forms that some vocabularies have as control tokens.
pub(super) const MARKS: [&str; 5] = ["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<tool_call>", "</tool_call>"];

/// How a family of models writes tool calls:
/// `head item_open NAME [call_id ID] name_end ARGUMENTS item_close [separator item_open …] tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolFormat {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The text, or the control token, that begins calls and nothing else.
    pub trigger: &'static str,
    /// Whether text may come before the calls. Where not, an answer that begins with the trigger is a call.
    pub(super) after_text: bool,
    pub(super) head: &'static str,
    pub(super) item_open: &'static str,
    /// Before the call's id, where the model gives it one: nine letters and digits.
    pub(super) call_id: Option<&'static str>,
    pub(super) name_end: &'static str,
    pub(super) item_close: &'static str,
    /// Between two calls; none where the family makes one call an answer.
    pub(super) separator: Option<&'static str>,
    pub(super) tail: &'static str,
    /// Whether the template demands ids of nine letters and digits.
    pub(super) short_ids: bool,
    /// Whether the template itself shows the tools, the calls and their results to the model.
    pub(super) in_template: bool,
}

/// Hermes 2 Pro and later, Qwen 2.5 and 3.
const HERMES: ToolFormat = ToolFormat {
    name: "hermes",
    trigger: "<tool_call>",
    after_text: true,
    head: "",
    item_open: "<tool_call>\n{\"name\": \"",
    call_id: None,
    name_end: "\", \"arguments\": ",
    item_close: "}\n</tool_call>",
    separator: Some("\n"),
    tail: "",
    short_ids: false,
    in_template: true,
};

/// Models whose template knows no tools: those of Hermes, described in a system message.
const GENERIC: ToolFormat = ToolFormat { name: "generic", in_template: false, ..HERMES };

/// Mistral 7B v0.3 and its time (tokenizer v3).
const MISTRAL: ToolFormat = ToolFormat {
    name: "mistral",
    trigger: "[TOOL_CALLS]",
    after_text: true,
    head: "[TOOL_CALLS] [",
    item_open: "{\"name\": \"",
    call_id: None,
    name_end: "\", \"arguments\": ",
    item_close: "}",
    separator: Some(", "),
    tail: "]",
    short_ids: true,
    in_template: true,
};

/// Mistral Nemo and its time (tokenizer v3 on Tekken, which has no space before a text).
const MISTRAL_TEKKEN: ToolFormat = ToolFormat { name: "mistral_tekken", head: "[TOOL_CALLS][", ..MISTRAL };

/// Mistral Small 3.1 and 3.2 (tokenizer v11).
const MISTRAL_V11: ToolFormat = ToolFormat { name: "mistral_v11", call_id: Some("[CALL_ID]"), ..MISTRAL_V13 };

/// Mistral's later models (tokenizer v13).
const MISTRAL_V13: ToolFormat = ToolFormat {
    name: "mistral_v13",
    trigger: "[TOOL_CALLS]",
    after_text: true,
    head: "",
    item_open: "[TOOL_CALLS]",
    call_id: None,
    name_end: "[ARGS]",
    item_close: "",
    separator: Some(""),
    tail: "",
    short_ids: true,
    in_template: true,
};

/// Llama 3.1 and later.
const LLAMA3: ToolFormat = ToolFormat {
    name: "llama3",
    trigger: "{\"name\": \"",
    after_text: false,
    head: "",
    item_open: "{\"name\": \"",
    call_id: None,
    name_end: "\", \"parameters\": ",
    item_close: "}",
    separator: None,
    tail: "",
    short_ids: false,
    in_template: true,
};

const ALL: [ToolFormat; 7] = [HERMES, GENERIC, MISTRAL, MISTRAL_TEKKEN, MISTRAL_V11, MISTRAL_V13, LLAMA3];

impl ToolFormat {
    /// The family that a configuration names.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|format| format.name == name)
    }

    /// The names there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ALL.into_iter().map(|format| format.name)
    }

    /// The family that a template belongs to, by the marks it makes.
    #[must_use]
    pub fn of(template: Option<&ChatTemplate>) -> Self {
        let Some(template) = template.filter(|template| template.knows("tools")) else { return GENERIC };
        let source = template.source();
        if source.contains("[TOOL_CALLS]") && source.contains("[ARGS]") {
            if source.contains("[CALL_ID]") { MISTRAL_V11 } else { MISTRAL_V13 }
        } else if source.contains("[TOOL_CALLS][") {
            MISTRAL_TEKKEN
        } else if source.contains("[TOOL_CALLS]") {
            MISTRAL
        } else if source.contains("<tool_call>") {
            HERMES
        } else if source.contains("\"parameters\"") && source.contains("ipython") {
            LLAMA3
        } else {
            // It shows the tools in a form that is not in the table; the grammar asks for Hermes's.
            HERMES
        }
    }

    /// What comes before the first call's name.
    pub(super) fn opening(&self) -> String {
        format!("{}{}", self.head, self.item_open)
    }

    /// The control tokens among its marks: the answer's text must show them.
    #[must_use]
    pub fn control_tokens(&self, tokenizer: &Tokenizer) -> Vec<u32> {
        let ids = MARKS.into_iter().filter_map(|mark| tokenizer.token_id(mark));
        ids.filter(|&id| tokenizer.is_control(id)).collect()
    }

    /// A new id for a call.
    #[must_use]
    pub fn call_id(&self) -> String {
        let random: u128 = rand::random();
        let hex = format!("{random:032x}");
        if self.short_ids { hex[..9].to_owned() } else { format!("call_{}", &hex[..24]) }
    }
}

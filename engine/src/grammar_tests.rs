use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Constraint, Grammar, GrammarCompiler};
use crate::scripted::{byte_tokenizer, byte_tokenizer_json, byte_tokenizer_with};
use crate::tokenizer::Tokenizer;
use crate::tool_calls::{self, Piece, Tool, ToolCallParser, ToolChoice, ToolFormat};

const END: u32 = 257;

/// What the grammar makes of an attempt to say `text`: as much of it as is allowed, and whether it may end there.
fn follow(mut constraint: Constraint, text: &str) -> (String, bool) {
    let mut said = Vec::new();
    for &byte in text.as_bytes() {
        if constraint.is_complete() || !allowed(&mut constraint, u32::from(byte)) {
            break;
        }
        constraint.advance(u32::from(byte)).unwrap();
        said.push(byte);
    }
    let may_end = constraint.is_complete() || allowed(&mut constraint, END);
    (String::from_utf8_lossy(&said).into_owned(), may_end)
}

fn allowed(constraint: &mut Constraint, id: u32) -> bool {
    let mut logits = vec![0.0; 300];
    constraint.mask(&mut logits).unwrap();
    logits[id as usize] == 0.0
}

fn compile(grammar: &Grammar) -> Result<Constraint, String> {
    GrammarCompiler::default().compile(grammar, &byte_tokenizer()).map_err(|error| error.0)
}

fn whole(grammar: &Grammar, text: &str) -> bool {
    follow(compile(grammar).unwrap(), text) == (text.to_owned(), true)
}

fn schema(schema: Value) -> Grammar {
    Grammar::JsonSchema { schema, strict: true }
}

#[test]
fn a_json_object_is_any_object_and_nothing_else() {
    for text in ["{}", r#"{"é": [1, -2.5e3, {"b": null}], "c": "\n\""}"#, "{\n  \"a\": true\n}"] {
        assert!(whole(&Grammar::json_object(), text), "{text}");
    }
    assert_eq!(follow(compile(&Grammar::json_object()).unwrap(), "Voici"), (String::new(), false));
    assert_eq!(follow(compile(&Grammar::json_object()).unwrap(), "[1]"), (String::new(), false));
    let spaces = format!("{{{}}}", " ".repeat(200));
    assert!(follow(compile(&Grammar::json_object()).unwrap(), &spaces).0.len() < 50, "white space is bounded");
}

#[test]
fn a_schema_is_enforced() {
    let grammar = schema(json!({
        "type": "object",
        "properties": {
            "societe": {"type": "string", "maxLength": 5},
            "annee": {"type": "integer", "minimum": 2000, "maximum": 2099},
            "note": {"enum": ["A", "B"]},
            "suite": {"anyOf": [{"$ref": "#/$defs/suite"}, {"type": "null"}]},
        },
        "required": ["societe", "annee", "note", "suite"],
        "additionalProperties": false,
        "$defs": {"suite": {"type": "array", "items": {"type": "number"}}},
    }));
    assert!(whole(&grammar, r#"{"societe": "Zyron", "annee": 2026, "note": "B", "suite": [1.5]}"#));
    assert!(!whole(&grammar, r#"{"societe": "Zyrons", "annee": 2026, "note": "B", "suite": null}"#));
    assert!(!whole(&grammar, r#"{"societe": "Zyron", "annee": 1999, "note": "B", "suite": null}"#));
    assert!(!whole(&grammar, r#"{"annee": 2026}"#));
}

#[test]
fn expressions_choices_and_grammars_are_enforced() {
    let date = Grammar::Regex(r"\d{4}-\d{2}-\d{2}".into());
    assert!(whole(&date, "2026-11-25"));
    assert_eq!(follow(compile(&date).unwrap(), "2026-1x").0, "2026-1");
    let choice = Grammar::Choice(vec!["oui".into(), "non \"ferme\"".into(), "\u{7f}".into()]);
    assert!(whole(&choice, "oui") && whole(&choice, "\u{7f}") && whole(&choice, "non \"ferme\""));
    assert_eq!(follow(compile(&choice).unwrap(), "oups"), ("ou".into(), false));
    let sum = Grammar::Lark("start: NUMBER (\"+\" NUMBER)*\nNUMBER: /[0-9]+/".into());
    assert!(whole(&sum, "1+22+333"));
}

#[test]
fn what_cannot_be_compiled_is_an_error_and_harms_nobody() {
    let compiler = GrammarCompiler::default();
    let tokenizer = byte_tokenizer();
    let good = Grammar::Regex("a+".into());
    let deep = (0..120).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    let wrong = [
        Grammar::Regex("(".into()),
        Grammar::Regex("[a&&b]\\p{Nonsense}".into()),
        Grammar::Lark("start: nowhere".into()),
        Grammar::Lark("%%%".into()),
        Grammar::Lark(String::new()),
        Grammar::Choice(Vec::new()),
        schema(json!({"type": 3})),
        schema(json!({"type": "string", "pattern": "(("})),
        schema(json!({"$ref": "#/$defs/none"})),
        schema(json!([])),
        schema(json!({"type": "string", "minLength": 5, "maxLength": 1})),
    ];
    for grammar in wrong {
        assert!(compiler.compile(&grammar, &tokenizer).is_err(), "{grammar:?}");
        assert!(compiler.compile(&good, &tokenizer).is_ok(), "after {grammar:?}");
    }
    // What is only large may compile or not, but comes back.
    let _ = compiler.compile(&schema(deep), &tokenizer);
    let _ = compiler.compile(&Grammar::Regex("(a{1000}){1000}{1000}".into()), &tokenizer);
}

#[test]
fn what_a_strict_schema_refuses_a_lenient_one_ignores() {
    let schema = json!({"type": "string", "contentEncoding": "base64", "not": {"const": "x"}});
    assert!(compile(&Grammar::JsonSchema { schema: schema.clone(), strict: true }).is_err());
    assert!(compile(&Grammar::JsonSchema { schema, strict: false }).is_ok());
}

#[test]
fn a_cached_grammar_begins_anew() {
    let compiler = GrammarCompiler::default();
    let grammar = Grammar::Regex("ab".into());
    for _ in 0..3 {
        assert_eq!(follow(compiler.compile(&grammar, &byte_tokenizer()).unwrap(), "ab"), ("ab".into(), true));
    }
}

fn tools() -> Vec<Tool> {
    let parameters = json!({
        "type": "object",
        "properties": {"poste": {"type": "string"}, "annee": {"type": "integer"}},
        "required": ["poste", "annee"],
        "additionalProperties": false,
    });
    let none = json!({"type": "object", "properties": {}, "additionalProperties": false});
    vec![
        Tool { name: "lire_poste".into(), parameters, strict: true },
        Tool { name: "aide".into(), parameters: none, strict: false },
    ]
}

fn calling(
    format: &str,
    choice: ToolChoice,
    parallel: bool,
    answer: Option<(&Value, bool)>,
    tokenizer: &Tokenizer,
) -> Constraint {
    let format = ToolFormat::named(format).unwrap();
    let grammar = tool_calls::grammar(&format, &tools(), choice, parallel, answer, tokenizer).unwrap();
    GrammarCompiler::default().compile(&grammar, tokenizer).unwrap_or_else(|error| panic!("{error}\n{grammar:?}"))
}

const ARGUMENTS: &str = r#"{"poste": "CA", "annee": 2025}"#;

fn answers() -> [(&'static str, String); 5] {
    let hermes = |name: &str, arguments: &str| {
        format!("<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>")
    };
    [
        ("hermes", format!("{}\n{}", hermes("lire_poste", ARGUMENTS), hermes("aide", "{}"))),
        (
            "mistral",
            format!(
                "[TOOL_CALLS] [{{\"name\": \"lire_poste\", \"arguments\": {ARGUMENTS}}}, {{\"name\": \"aide\", \"arguments\": {{}}}}]"
            ),
        ),
        (
            "mistral_v11",
            format!(
                "[TOOL_CALLS]lire_poste[CALL_ID]a1B2c3d4e[ARGS]{ARGUMENTS}[TOOL_CALLS]aide[CALL_ID]000000000[ARGS]{{}}"
            ),
        ),
        ("mistral_v13", format!("[TOOL_CALLS]lire_poste[ARGS]{ARGUMENTS}[TOOL_CALLS]aide[ARGS]{{}}")),
        ("llama3", format!("{{\"name\": \"lire_poste\", \"parameters\": {ARGUMENTS}}}")),
    ]
}

#[test]
fn calls_are_allowed_in_each_familys_form_and_read_back() {
    let tokenizer = byte_tokenizer();
    for (format, answer) in answers() {
        for choice in [ToolChoice::Auto, ToolChoice::Required] {
            let said = follow(calling(format, choice, true, None, &tokenizer), &answer);
            assert_eq!(said, (answer.clone(), true), "{format} {choice:?}");
        }
        let mut parser = ToolCallParser::new(ToolFormat::named(format).unwrap());
        let pieces = parser.push(&answer);
        assert_eq!(pieces[..2], [Piece::Call("lire_poste".into()), Piece::Arguments(ARGUMENTS.into())], "{format}");
    }
}

#[test]
fn text_is_free_until_a_call_begins() {
    let tokenizer = byte_tokenizer();
    let text = "Voici : a < b, <tool, {\"nom\": 1}\nfin.";
    for (format, answer) in answers() {
        let auto = || calling(format, ToolChoice::Auto, true, None, &tokenizer);
        assert_eq!(follow(auto(), text), (text.to_owned(), true), "{format}");
        if format != "llama3" {
            let both = format!("Je regarde.\n{answer}");
            assert_eq!(follow(auto(), &both), (both, true), "{format}");
        }
        let wrong = answer.replace("\"annee\"", "\"an\"");
        assert!(follow(auto(), &wrong).0.len() < wrong.len(), "{format}");
        assert!(!follow(calling(format, ToolChoice::Required, true, None, &tokenizer), text).1, "{format}");
    }
    // A call that begins is gone through with, and a tool that is not on offer cannot be called.
    let auto = calling("hermes", ToolChoice::Auto, true, None, &tokenizer);
    assert_eq!(follow(auto, "a<tool_call>\n{\"name\": \"autre"), ("a<tool_call>\n{\"name\": \"a".into(), false));
}

#[test]
fn one_call_where_calls_are_not_parallel() {
    let tokenizer = byte_tokenizer();
    for (format, answer) in answers() {
        let said = follow(calling(format, ToolChoice::Auto, false, None, &tokenizer), &answer);
        let single = format == "llama3";
        assert_eq!(said.0 == answer, single, "{format}");
    }
}

#[test]
fn a_mark_spelled_in_text_begins_no_call() {
    let tokenizer = byte_tokenizer_with(&["[TOOL_CALLS]", "[ARGS]"]);
    for format in ["mistral", "mistral_tekken", "mistral_v11", "mistral_v13"] {
        let said = follow(calling(format, ToolChoice::Auto, true, None, &tokenizer), "a[TOOL_CALLS] [b");
        assert_eq!(said, ("a[TOOL_CALLS".into(), true), "{format}");
        let mut constraint = calling(format, ToolChoice::Auto, true, None, &tokenizer);
        assert!(allowed(&mut constraint, 258), "{format}: the token itself does");
    }
}

#[test]
fn an_end_that_its_model_calls_text_is_no_text() {
    let mut json = byte_tokenizer_json();
    json["added_tokens"].as_array_mut().unwrap().push(
        json!({"id": 258, "content": "end", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
               "special": false}),
    );
    // One that the vocabulary lacks does no harm.
    let tokenizer = Tokenizer::from_json(&json, BTreeSet::from([258, 5000])).unwrap();
    let mut constraint = GrammarCompiler::default().compile(&Grammar::json_object(), &tokenizer).unwrap();
    for &byte in b"{\"" {
        constraint.advance(u32::from(byte)).unwrap();
    }
    assert!(!allowed(&mut constraint, 258));
}

#[test]
fn a_schema_that_begins_as_calls_do_is_refused_beside_them() {
    let schema = json!({"type": "object"});
    let format = ToolFormat::named("llama3").unwrap();
    let grammar =
        |choice| tool_calls::grammar(&format, &tools(), choice, true, Some((&schema, true)), &byte_tokenizer());
    assert!(grammar(ToolChoice::Auto).is_err());
    assert!(grammar(ToolChoice::Required).is_ok());
}

/// Each made a compiler with an ordinary stack overflow it, which ends the process.
#[test]
fn chains_of_references_end_nothing() {
    let compiler = GrammarCompiler::default();
    let tokenizer = byte_tokenizer();
    let name = |number: usize| format!("r{number}");
    let defs = |items: bool, count: usize| {
        let link = |number| {
            let to = json!({"$ref": format!("#/$defs/{}", name(number + 1))});
            (name(number), if items { json!({"type": "array", "items": to}) } else { to })
        };
        let mut defs: serde_json::Map<String, Value> = (0..count).map(link).collect();
        defs.insert(name(count), json!({"type": "string"}));
        schema(json!({"$ref": "#/$defs/r0", "$defs": defs}))
    };
    let rules = |count: usize, letter: &str| {
        let rule = |number| format!("{letter}{number}: {letter}{}", number + 1);
        let rules: Vec<String> = (0..count).map(rule).collect();
        format!("start: {letter}0\n{}\n{letter}{count}: \"a\"", rules.join("\n"))
    };
    let grammars = [
        defs(true, 1000),
        defs(false, 1500),
        Grammar::Lark(rules(4000, "r")),
        Grammar::Lark(rules(4000, "R")),
        Grammar::Lark(format!("start: {}", "a{".repeat(30_000))),
    ];
    for grammar in grammars {
        assert!(grammar.size() < 80_000);
        let _ = compiler.compile(&grammar, &tokenizer);
    }
    assert!(compiler.compile(&Grammar::Regex("a".into()), &tokenizer).is_ok());
}

#[test]
fn what_would_take_long_to_compile_is_refused() {
    let patterns: serde_json::Map<String, Value> =
        (0..100).map(|number| (format!("^a{number}.*x$"), json!({"type": "string"}))).collect();
    let nested = json!({"type": "object", "properties": {"a": {"type": "object", "patternProperties": patterns}}});
    assert!(compile(&schema(nested)).unwrap_err().contains("patternProperties"));
}

#[test]
fn an_answer_may_have_a_schema_beside_the_tools() {
    let tokenizer = byte_tokenizer();
    let answer = json!({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]});
    for text in [r#"{"x": 1}"#, &answers()[0].1] {
        let constraint = calling("hermes", ToolChoice::Auto, true, Some((&answer, true)), &tokenizer);
        assert_eq!(follow(constraint, text), (text.to_owned(), true));
    }
}

//! A request as a program would make it: with curl, and with OpenAI's clients for Python and JavaScript. Each runs as it
//! is shown, once the environment has the key.

use crate::api::Ask;
use crate::json::Json;

/// A way to make a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Curl,
    Python,
    JavaScript,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Curl, Self::Python, Self::JavaScript];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The program. `origin` is the server's address, such as `http://127.0.0.1:8080`.
    pub(crate) fn program(self, ask: &Ask, origin: &str) -> String {
        match self {
            Self::Curl => curl(ask, origin),
            Self::Python => python(ask, origin),
            Self::JavaScript => java_script(ask, origin),
        }
    }
}

fn curl(ask: &Ask, origin: &str) -> String {
    let body = pretty(&ask.body(), 0, &JSON).replace('\'', r"'\''");
    format!(
        "curl --no-buffer {origin}{} \\\n  -H \"Authorization: Bearer ${{OPENAI_API_KEY:-none}}\" \\\n  \
         -H 'Content-Type: application/json' \\\n  -d '{body}'\n",
        ask.path
    )
}

fn python(ask: &Ask, origin: &str) -> String {
    let head = format!(
        "import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url=\"{origin}/v1\", \
         api_key=os.environ.get(\"OPENAI_API_KEY\", \"none\"))\n"
    );
    if ask.path == "/v1/chat/completions" {
        let field = |(name, value): &(&str, String)| format!("    {name}={},\n", pretty(value, 1, &PYTHON));
        let fields: String = ask.fields.iter().map(field).collect();
        let end = "for chunk in stream:\n    for choice in chunk.choices:\n        print(choice.delta.content or \"\", end=\"\", \
                   flush=True)\nprint()\n";
        return format!("{head}stream = client.chat.completions.create(\n{fields})\n{end}");
    }
    let body = pretty(&ask.body(), 1, &PYTHON);
    let path = ask.path.trim_start_matches("/v1");
    format!(
        "import os\n\nfrom openai import OpenAI, Stream\nfrom openai.types.chat import ChatCompletion, \
         ChatCompletionChunk\n\nclient = OpenAI(base_url=\"{origin}/v1\", api_key=os.environ.get(\"OPENAI_API_KEY\", \
         \"none\"))\nstream = client.post(\n    \"{path}\",\n    body={body},\n    cast_to=ChatCompletion,\n    \
         stream=True,\n    stream_cls=Stream[ChatCompletionChunk],\n)\ntext, numbers = \"\", []\nfor chunk in stream:\n    \
         for choice in chunk.choices:\n        text += choice.delta.content or \"\"\n        numbers += \
         getattr(choice.delta, \"zyron_numbers\", None) or []\nprint(text)\nfor number in numbers:\n    \
         print(text[number[\"start\"] : number[\"end\"]], number[\"verdict\"])\n"
    )
}

fn java_script(ask: &Ask, origin: &str) -> String {
    let body = |indent| pretty(&ask.body(), indent, &JSON);
    let call = if ask.path == "/v1/chat/completions" {
        format!("client.chat.completions.create({})", body(0))
    } else {
        let path = ask.path.trim_start_matches("/v1");
        format!("client.post(\"{path}\", {{\n  body: {},\n  stream: true,\n}})", body(1))
    };
    format!(
        "import OpenAI from \"openai\";\n\nconst client = new OpenAI({{\n  baseURL: \"{origin}/v1\",\n  apiKey: \
         process.env.OPENAI_API_KEY ?? \"none\",\n}});\nconst stream = await {call};\nfor await (const chunk of stream) {{\n  \
         for (const {{ delta }} of chunk.choices) {{\n    process.stdout.write(delta.content ?? \"\");\n  }}\n}}\n\
         process.stdout.write(\"\\n\");\n"
    )
}

/// How a language writes JSON's values.
struct Notation {
    indent: &'static str,
    /// After the last of a list, where the language likes one.
    last: &'static str,
    yes: &'static str,
    no: &'static str,
    nothing: &'static str,
}

const JSON: Notation = Notation { indent: "  ", last: "", yes: "true", no: "false", nothing: "null" };
const PYTHON: Notation = Notation { indent: "    ", last: ",", yes: "True", no: "False", nothing: "None" };

/// JSON over several lines.
pub(crate) fn pretty_json(json: &str) -> String {
    pretty(json, 0, &JSON)
}

/// A value of JSON over several lines, the first of which is `depth` levels in. A text of JSON is one of Python and
/// JavaScript, once it is written with as few escapes as it needs. Numbers stay as they are written.
fn pretty(json: &str, depth: usize, notation: &Notation) -> String {
    let (mut written, mut depth, mut rest) = (String::new(), depth, json.trim_start());
    let new_line = |written: &mut String, depth: usize| {
        written.push('\n');
        *written += &notation.indent.repeat(depth);
    };
    while let Some(first) = rest.chars().next() {
        let (token, behind) = rest.split_at(token_length(rest));
        rest = behind.trim_start();
        match first {
            '{' | '[' if rest.starts_with(['}', ']']) => {
                written += token;
                written += &rest[..1];
                rest = rest[1..].trim_start();
            }
            '{' | '[' => {
                written += token;
                depth += 1;
                new_line(&mut written, depth);
            }
            '}' | ']' => {
                written += notation.last;
                depth = depth.saturating_sub(1);
                new_line(&mut written, depth);
                written += token;
            }
            ',' => {
                written += token;
                new_line(&mut written, depth);
            }
            ':' => written += ": ",
            '"' if token.contains('\\') => match Json::read(token) {
                Ok(text) => written += &text.written(),
                Err(_) => written += token,
            },
            _ => {
                written += match token {
                    "true" => notation.yes,
                    "false" => notation.no,
                    "null" => notation.nothing,
                    other => other,
                }
            }
        }
    }
    written
}

/// How long the first token of some JSON is: a sign, a text, a number or a word.
fn token_length(json: &str) -> usize {
    let mut is_escaped = true;
    let ends_text = |char: char| {
        let is_end = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_end
    };
    let ends = |char: char| char.is_whitespace() || matches!(char, ',' | ':' | '{' | '}' | '[' | ']');
    match json.chars().next() {
        Some('"') => json.find(ends_text).map_or(json.len(), |end| end + 1),
        Some(',' | ':' | '{' | '}' | '[' | ']') => 1,
        _ => json.find(ends).unwrap_or(json.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_each_language_writes_it() {
        let json = r#"{"a": [1.50, 12345678901234567890,true] ,"b":{},"c":[ ],"d{,":"[é:,","e":{"f":null}}"#;
        let expected = "{\n  \"a\": [\n    1.50,\n    12345678901234567890,\n    true\n  ],\n  \"b\": {},\n  \"c\": [],\n  \
                        \"d{,\": \"[é:,\",\n  \"e\": {\n    \"f\": null\n  }\n}";
        assert_eq!(pretty_json(json), expected);
        assert_eq!(pretty("[false,null]", 1, &PYTHON), "[\n        False,\n        None,\n    ]");
        assert_eq!(pretty_json(" 1 "), "1");
    }

    #[test]
    fn a_text_ends_where_it_does() {
        for text in [r#""a""#, r#""a\"b""#, r#""\\""#, r#""\\\"""#] {
            assert_eq!(token_length(&format!("{text},\"x\"")), text.len(), "{text}");
        }
    }
}

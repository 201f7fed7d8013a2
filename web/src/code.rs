//! A request as a program would make it: with curl, and with OpenAI's clients for Python and JavaScript. Each runs as it
//! is shown, once the environment has the key.

use serde_json::Value;

use crate::api::Ask;

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
    let body = pretty(&ask.body, 0, &JSON).replace('\'', r"'\''");
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
        let fields: String =
            ask.body.as_object().into_iter().flatten().fold(String::new(), |text, (name, value)| {
                text + &format!("    {name}={},\n", pretty(value, 1, &PYTHON))
            });
        let end = "for chunk in stream:\n    for choice in chunk.choices:\n        print(choice.delta.content or \"\", end=\"\", \
                   flush=True)\nprint()\n";
        return format!("{head}stream = client.chat.completions.create(\n{fields})\n{end}");
    }
    let body = pretty(&ask.body, 1, &PYTHON);
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
    let body = |indent| pretty(&ask.body, indent, &JSON);
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

/// A value over several lines, the first of which is `depth` levels in. A text of JSON is one of Python and JavaScript.
fn pretty(value: &Value, depth: usize, notation: &Notation) -> String {
    let (inner, outer) = (notation.indent.repeat(depth + 1), notation.indent.repeat(depth));
    let list = |open: &str, items: Vec<String>, close: &str| match items.is_empty() {
        true => format!("{open}{close}"),
        false => format!("{open}\n{inner}{}{}\n{outer}{close}", items.join(&format!(",\n{inner}")), notation.last),
    };
    match value {
        Value::Null => notation.nothing.to_owned(),
        Value::Bool(true) => notation.yes.to_owned(),
        Value::Bool(false) => notation.no.to_owned(),
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => list("[", items.iter().map(|item| pretty(item, depth + 1, notation)).collect(), "]"),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), pretty(value, depth + 1, notation))
            };
            list("{", fields.iter().map(field).collect(), "}")
        }
    }
}

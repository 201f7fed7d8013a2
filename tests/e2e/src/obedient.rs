//! An engine that does what it is told, for tests that cannot bring a script of their own.

use zyron_engine::GenerateRequest;
use zyron_engine::scripted::Act;

const START: u32 = 256;
const END: u32 = 257;

/// Does what a request says last:
///
/// - `say …`, the message or a line of it, is answered with the rest, byte for byte as far as the request's constraint
///   lets it. Lines of `---` part it: the second part is said after a call of tools, and so on, the last one for ever.
/// - `stall` waits for ever, `read` reads a prompt for ever. `fail` fails in the middle of the answer.
/// - `hang` hangs the engine, `begin` does so in the middle of an answer, `end` ends it.
/// - Anything else is answered with itself or, where there is a constraint, with the shortest text that it allows.
#[must_use]
pub fn obey(request: &GenerateRequest) -> Vec<Act> {
    let said = said_last(request);
    let mut acts = match said.as_str() {
        "stall" => vec![Act::Stall],
        "read" => vec![Act::Read],
        "hang" => vec![Act::Hang],
        "begin" => vec![Act::Say("abc".to_owned()), Act::Hang],
        "end" => vec![Act::End],
        "fail" => vec![Act::Say("abc".to_owned()), Act::Fail("the script says so".to_owned())],
        said => match said.strip_prefix("say ").or_else(|| Some(said.split_once("\nsay ")?.1)) {
            Some(text) => {
                let parts: Vec<&str> = text.split("\n---\n").collect();
                vec![Act::Say(parts[rounds(request).min(parts.len() - 1)].to_owned())]
            }
            None if request.constraint.is_none() => vec![Act::Say(said.to_owned())],
            None => Vec::new(),
        },
    };
    if request.constraint.is_some() {
        acts.extend(std::iter::repeat_n(Act::Logits(preferences()), request.max_tokens));
    }
    acts
}

/// What soonest ends an answer that is under a constraint comes first, by so much that chance has no say in it.
fn preferences() -> Vec<(u32, f32)> {
    let preference = |byte: u8| match byte {
        b'"' => 80.0,
        b'}' => 70.0,
        b']' => 65.0,
        b',' => 60.0,
        b'0'..=b'9' => 20.0,
        b'a'..=b'z' | b'A'..=b'Z' => 10.0,
        b' ' => -50.0,
        b'\\' => -90.0,
        _ => 30.0,
    };
    (b' '..=b'~').map(|byte| (u32::from(byte), preference(byte))).chain([(END, 120.0)]).collect()
}

/// The messages of a prompt, each with its role in its first line, or all of a prompt that has none.
fn messages(request: &GenerateRequest) -> Vec<String> {
    let text = |tokens: &[u32]| {
        let bytes: Vec<u8> = tokens.iter().filter_map(|&token| u8::try_from(token).ok()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    request.prompt.split(|&token| token == START).map(text).collect()
}

/// How often tools were called since a user said something.
fn rounds(request: &GenerateRequest) -> usize {
    let messages = messages(request);
    let since = messages.iter().rposition(|message| of_user(message).is_some()).unwrap_or(0);
    let said = messages[since..].windows(2).filter(|pair| {
        let [one, next] = pair else { return false };
        one.starts_with("assistant\n") && !next.starts_with("assistant\n")
    });
    said.count()
}

/// What a user said last: the text of the last user's message, or all of a prompt that has none.
fn said_last(request: &GenerateRequest) -> String {
    let messages = messages(request);
    messages.iter().rev().find_map(|message| of_user(message)).map_or_else(|| messages.concat(), str::to_owned)
}

/// What a user says in a message. Where a model's template knows no tools, their results are a user's words to it.
fn of_user(message: &str) -> Option<&str> {
    let said = message.strip_prefix("user\n").filter(|said| !said.starts_with("<tool_response>"));
    said.map(|said| said.trim_end_matches('\n'))
}

//! The lines of a batch's file: whether they are requests, and where each is. What a request says is looked at when it is
//! its turn, by whoever answers it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use zyron_openapi::{BatchError, BatchLine};

/// Most errors that are told.
const MAX_ERRORS: usize = 100;
/// The longest name of a request.
const MAX_CUSTOM_ID: usize = 512;

/// A request in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub custom_id: String,
    /// Its first byte.
    pub start: u64,
    /// Its bytes, without the end of the line.
    pub length: usize,
}

/// What a file may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Requests, at most.
    pub requests: usize,
    /// The bytes of each, at most.
    pub bytes_per_request: usize,
}

/// The requests of a file, all for `endpoint`, or what is wrong with them.
///
/// # Errors
/// Where the file cannot be read; that there is none is among what is wrong.
pub fn check(file: &Path, endpoint: &str, bounds: Bounds) -> io::Result<Result<Vec<Line>, Vec<BatchError>>> {
    let file = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Err(vec![of_file("no_file", "There is no such file any more.")]));
        }
        file => file?,
    };
    let mut reader = BufReader::new(file);
    let (mut lines, mut errors, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    let (mut start, mut number) = (0, 0);
    let mut bytes = Vec::new();
    while errors.len() < MAX_ERRORS {
        bytes.clear();
        // One more than is allowed, and the end of the line.
        let read = (&mut reader).take(bounds.bytes_per_request as u64 + 2).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            break;
        }
        number += 1;
        let wrong = |code: &str, param: Option<&str>, message: String| BatchError {
            code: code.to_owned(),
            message,
            param: param.map(str::to_owned),
            line: Some(number),
        };
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() > bounds.bytes_per_request {
            let message = format!("The line is longer than the {} bytes of a request.", bounds.bytes_per_request);
            errors.push(wrong("line_too_long", None, message));
            // Where the next line begins is not known.
            break;
        }
        let length = text.len();
        if !text.trim_ascii().is_empty() {
            match request(text, endpoint) {
                Err((code, param, message)) => errors.push(wrong(code, param, message)),
                Ok(custom_id) if !names.insert(custom_id.clone()) => {
                    errors.push(wrong(
                        "duplicate_custom_id",
                        Some("custom_id"),
                        "Another line has the same.".to_owned(),
                    ));
                }
                Ok(_) if lines.len() == bounds.requests => {
                    errors.push(wrong("too_many_requests", None, format!("There are more than {}.", bounds.requests)));
                    break;
                }
                Ok(custom_id) => lines.push(Line { custom_id, start, length }),
            }
        }
        start += read as u64;
    }
    if lines.is_empty() && errors.is_empty() {
        errors.push(of_file("empty_file", "The file has no requests."));
    }
    Ok(if errors.is_empty() { Ok(lines) } else { Err(errors) })
}

fn of_file(code: &str, message: &str) -> BatchError {
    BatchError {
        code: code.to_owned(),
        message: message.to_owned(),
        param: Some("input_file_id".to_owned()),
        line: None,
    }
}

/// What is wrong with a line: a name for programs, the field, and what a person reads.
type Wrong = (&'static str, Option<&'static str>, String);

/// The name of a request, if the line is one.
fn request(text: &[u8], endpoint: &str) -> Result<String, Wrong> {
    // serde would also read a request from an array of its fields in order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(("invalid_json_line", None, "The line is no JSON object.".to_owned()));
    }
    let line: BatchLine = serde_json::from_slice(text).map_err(|error| {
        let error = error.to_string();
        let error = error.rsplit_once(" at line ").map_or(error.as_str(), |(error, _)| error);
        ("invalid_json_line", None, format!("The line is no request: {error}."))
    })?;
    if line.custom_id.is_empty() || line.custom_id.len() > MAX_CUSTOM_ID {
        return Err(("invalid_custom_id", Some("custom_id"), format!("`custom_id` has 1 to {MAX_CUSTOM_ID} bytes.")));
    }
    if line.method != "POST" {
        return Err(("invalid_method", Some("method"), "`method` is `POST`.".to_owned()));
    }
    if line.url != endpoint {
        return Err(("invalid_url", Some("url"), format!("`url` is the batch's endpoint, `{endpoint}`.")));
    }
    let Some(body) = line.body.as_object() else {
        return Err(("invalid_body", Some("body"), "`body` is a JSON object.".to_owned()));
    };
    for field in ["stream", "background"] {
        if body.get(field).is_some_and(|value| value == true) {
            return Err(("invalid_body", Some("body"), format!("A request in a batch has no `{field}`.")));
        }
    }
    Ok(line.custom_id)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tempfile::NamedTempFile;

    use super::*;

    const ENDPOINT: &str = "/v1/completions";

    fn line(id: &str) -> Value {
        json!({"custom_id": id, "method": "POST", "url": ENDPOINT, "body": {"model": "m", "prompt": "é"}})
    }

    fn checked(text: &str) -> Result<Vec<Line>, Vec<BatchError>> {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        check(file.path(), ENDPOINT, Bounds { requests: 3, bytes_per_request: 200 }).unwrap()
    }

    #[test]
    fn each_request_is_found_where_it_is() {
        let text = format!("{}\r\n\n{}\n  \n{}", line("a"), line("b"), line("c"));
        let lines = checked(&text).unwrap();
        let found: Vec<Value> = lines
            .iter()
            .map(|line| {
                let start = usize::try_from(line.start).unwrap();
                serde_json::from_str(&text[start..start + line.length]).unwrap()
            })
            .collect();
        assert_eq!(found, [line("a"), line("b"), line("c")]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let with = |field: &str, value: Value| {
            let mut line = line("x");
            line[field] = value;
            line.to_string()
        };
        let long = with("custom_id", json!("x".repeat(300)));
        for (text, code, number) in [
            (String::new(), "empty_file", None),
            ("\n \n".to_owned(), "empty_file", None),
            (format!("{}\n{{", line("a")), "invalid_json_line", Some(2)),
            (json!(["a", "POST", ENDPOINT, {}]).to_string(), "invalid_json_line", Some(1)),
            (with("more", json!(1)), "invalid_json_line", Some(1)),
            (with("custom_id", json!("")), "invalid_custom_id", Some(1)),
            (with("method", json!("GET")), "invalid_method", Some(1)),
            (with("url", json!("/v1/models")), "invalid_url", Some(1)),
            (with("body", json!([])), "invalid_body", Some(1)),
            (with("body", json!({"stream": true})), "invalid_body", Some(1)),
            (format!("{}\n{}", line("a"), line("a")), "duplicate_custom_id", Some(2)),
            (["a", "b", "c", "d"].map(|id| line(id).to_string()).join("\n"), "too_many_requests", Some(4)),
            (long, "line_too_long", Some(1)),
            ("\u{0}\u{1}".to_owned(), "invalid_json_line", Some(1)),
        ] {
            let errors = checked(&text).unwrap_err();
            assert_eq!((errors[0].code.as_str(), errors[0].line), (code, number), "{text}");
        }
    }

    #[test]
    fn a_hundred_errors_are_enough() {
        assert_eq!(checked(&"{\n".repeat(1000)).unwrap_err().len(), MAX_ERRORS);
    }
}

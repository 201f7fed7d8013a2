//! How a field is written, and where it is in a JSON value.

use serde_json::Value;

/// One step of a field: into a property, an element, the member of a union, or to a value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step<'a> {
    Property(&'a str),
    Element,
    Member(&'a str),
    Value(&'a str),
}

/// The top-level property of which `field` is a part.
pub(super) fn top_level(field: &str) -> &str {
    field.split(['.', '[', '(', '=']).next().unwrap_or(field)
}

/// Whether `json` has this field.
pub(super) fn occurs(json: &Value, field: &str) -> bool {
    follow(json, &steps(field))
}

fn follow(json: &Value, steps: &[Step<'_>]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return !json.is_null() };
    match step {
        Step::Property(name) => json.get(name).is_some_and(|json| follow(json, rest)),
        Step::Element => json.as_array().is_some_and(|elements| elements.iter().any(|json| follow(json, rest))),
        Step::Member(name) => is_member(json, name) && follow(json, rest),
        Step::Value(value) => json == value,
    }
}

// A message of the Responses API need not say that it is one.
fn is_member(json: &Value, name: &str) -> bool {
    match (&json["type"], &json["role"]) {
        (Value::Null, Value::Null) => false,
        (Value::Null, role) => role == name || name == "message",
        (kind, _) => kind == name,
    }
}

/// The names that `field` may have in a document that has no union at some of its places.
pub(super) fn without_members(field: &str) -> Vec<String> {
    let mut variants = vec![String::new()];
    for step in steps(field) {
        let mut longer = Vec::new();
        for variant in variants {
            if matches!(step, Step::Member(_)) {
                longer.push(variant.clone());
            }
            longer.push(variant + &written(step));
        }
        variants = longer;
    }
    for variant in &mut variants {
        *variant = variant.trim_start_matches('.').trim_end_matches("[]").to_owned();
    }
    variants
}

fn steps(mut field: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while !field.is_empty() {
        let (step, length) = if field.starts_with("[]") {
            (Step::Element, 2)
        } else if let Some(rest) = field.strip_prefix('=') {
            (Step::Value(rest), field.len())
        } else if let Some(rest) = field.strip_prefix('(') {
            let end = rest.find(')').unwrap_or(rest.len());
            (Step::Member(&rest[..end]), (end + 2).min(field.len()))
        } else {
            let rest = field.strip_prefix('.').unwrap_or(field);
            let end = rest.find(['.', '[', '(', '=']).unwrap_or(rest.len());
            (Step::Property(&rest[..end]), (end + field.len() - rest.len()).max(1))
        };
        steps.push(step);
        field = &field[length..];
    }
    steps
}

fn written(step: Step<'_>) -> String {
    match step {
        Step::Property(name) => format!(".{name}"),
        Step::Element => "[]".to_owned(),
        Step::Member(name) => format!("({name})"),
        Step::Value(value) => format!("={value}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_where_it_is() {
        let json = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "stop": null});
        assert!(occurs(&json, "messages"));
        assert!(occurs(&json, "messages[](user).content[](text).text"));
        assert!(!occurs(&json, "messages[](user).content[](refusal)"));
        assert!(!occurs(&json, "messages[](tool)"));
        assert!(!occurs(&json, "stop"));
        let json = json!({"input": [{"role": "user", "content": "a"}], "include": ["a.b"]});
        assert!(occurs(&json, "input[](message).role=user"));
        assert!(!occurs(&json, "input[](message).role=system"));
        assert!(occurs(&json, "include[]=a.b"));
    }

    #[test]
    fn members_may_be_left_out() {
        assert_eq!(without_members("a(b).c"), ["a.c", "a(b).c"]);
        assert_eq!(without_members("(a.b)"), ["", "(a.b)"]);
        assert_eq!(without_members("a[](b)=c.d"), ["a[]=c.d", "a[](b)=c.d"]);
        assert_eq!(without_members("a[](b)"), ["a", "a[](b)"]);
        assert_eq!(top_level("a[](b).c"), "a");
    }
}

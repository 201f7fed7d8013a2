//! JSON: the browser reads it, and it is written by hand. The code that serde makes to read a type is the largest that a
//! page can have; each type here reads the few fields that the page shows, in a line each.

use js_sys::{Array, JSON, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// A value that was read.
#[derive(Clone, Debug)]
pub(crate) struct Json(JsValue);

impl From<JsValue> for Json {
    fn from(value: JsValue) -> Self {
        Self(value)
    }
}

impl Json {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it, in the browser's words.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let message = |error: JsValue| Self(error).text("message").unwrap_or_default();
        JSON::parse(text).map(Self).map_err(message)
    }

    /// A field; of what has none of this name, nothing.
    pub(crate) fn field(&self, name: &str) -> Self {
        Self(Reflect::get(&self.0, &name.into()).unwrap_or_default())
    }

    /// A field that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.field(name).0.as_string()
    }

    /// A field that is a number.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.field(name).0.as_f64()
    }

    /// Whether a field is true.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.field(name).0.is_truthy()
    }

    /// A field that is a list.
    pub(crate) fn items(&self, name: &str) -> Option<Vec<Self>> {
        let list = self.field(name).0.dyn_into::<Array>().ok()?;
        Some(list.iter().map(Self).collect())
    }

    /// A field that is a list, each of its items as `of` reads it; nothing where one is none of those.
    pub(crate) fn all<T>(&self, name: &str, of: fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        self.items(name)?.iter().map(of).collect()
    }

    /// A list of texts, as it is itself.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.items(name).unwrap_or_default().iter().filter_map(|item| item.0.as_string()).collect()
    }

    /// The value itself where it is a text.
    pub(crate) fn as_text(&self) -> Option<String> {
        self.0.as_string()
    }

    /// As a text again.
    pub(crate) fn written(&self) -> String {
        JSON::stringify(&self.0).map(String::from).unwrap_or_else(|_| "null".to_owned())
    }
}

/// A text, written.
pub(crate) fn text(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for char in text.chars() {
        match char {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            control if control < ' ' => written.push_str(&format!("\\u{:04x}", control as u32)),
            other => written.push(other),
        }
    }
    written.push('"');
    written
}

/// A number, written.
pub(crate) fn number(number: f64) -> String {
    Json(number.into()).written()
}

/// What there may be, written.
pub(crate) fn optional<T>(value: Option<T>, written: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "null".to_owned(), written)
}

/// A list of what is written already.
pub(crate) fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// An object, its fields' values being written already.
pub(crate) fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json() {
        let said = "l’« été » à \"5\" $\\ \n\t\u{1}😀";
        let written = object(&[("a", text(said)), ("b", list(["1".to_owned(), "null".to_owned()]))]);
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read, serde_json::json!({"a": said, "b": [1, null]}));
        assert_eq!((list([]), object(&[])), ("[]".to_owned(), "{}".to_owned()));
    }
}

//! JSON, read in one way everywhere: the code to read a type is among the largest of the page, and is there once.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a `T`, as answers of the server are read too.
///
/// # Errors
/// Where the text is no JSON, or none of a `T`.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Value>(text).and_then(serde_json::from_value)
}

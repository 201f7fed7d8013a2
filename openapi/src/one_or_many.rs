//! A field that takes one value or a list of them, such as `stop`.

use serde::{Deserialize, Deserializer, Serialize};

use crate::untagged::{TextOr, text_or_list};

/// One string or a list of strings. Always read as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_list(deserializer, "a string or an array of strings").map(|read| match read {
            TextOr::Text(text) => Self(vec![text]),
            TextOr::Other(texts) => Self(texts),
        })
    }
}

#[cfg(feature = "utoipa")]
mod schema {
    use std::borrow::Cow;

    use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Schema};
    use utoipa::openapi::{ObjectBuilder, RefOr, Type};
    use utoipa::{PartialSchema, ToSchema};

    impl PartialSchema for super::OneOrMany {
        fn schema() -> RefOr<Schema> {
            let string = || ObjectBuilder::new().schema_type(Type::String);
            OneOfBuilder::new().item(string()).item(ArrayBuilder::new().items(string())).into()
        }
    }

    impl ToSchema for super::OneOrMany {
        fn name() -> Cow<'static, str> {
            "OneOrMany".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OneOrMany;

    #[test]
    fn reads_a_string_and_a_list() {
        assert_eq!(serde_json::from_str::<OneOrMany>(r#""a""#).unwrap(), OneOrMany(vec!["a".into()]));
        assert_eq!(serde_json::from_str::<OneOrMany>(r#"["a","b"]"#).unwrap(), OneOrMany(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn says_what_it_expected() {
        let error = serde_json::from_str::<OneOrMany>("3").unwrap_err().to_string();
        assert!(error.contains("a string or an array of strings"), "{error}");
    }
}

//! A field that takes one value or a list of them, such as `stop`.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// One string or a list of strings. Always read as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;

        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an array of strings")
            }

            fn visit_str<E>(self, value: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![value.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMany(values))
            }
        }

        deserializer.deserialize_any(OneOrManyVisitor)
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

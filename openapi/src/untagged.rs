//! Fields that are a string or something else. Read by hand rather than with serde's `untagged`: an error inside the
//! something else keeps its place and its words.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A string, or something else.
pub(crate) enum TextOr<T> {
    Text(String),
    Other(T),
}

/// Reads a string or an array; `expected` says so, for the error.
pub(crate) fn text_or_list<'de, T, D>(deserializer: D, expected: &'static str) -> Result<TextOr<Vec<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct TextOrList<T>(&'static str, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrList<T> {
        type Value = TextOr<Vec<T>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }

        fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
            Ok(TextOr::Text(value.to_owned()))
        }

        fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
            Ok(TextOr::Text(value))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = seq.next_element()? {
                list.push(element);
            }
            Ok(TextOr::Other(list))
        }
    }

    deserializer.deserialize_any(TextOrList(expected, PhantomData))
}

/// Reads a string or an object.
pub(crate) fn text_or_object<'de, T, D>(deserializer: D) -> Result<TextOr<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct TextOrObject<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrObject<T> {
        type Value = TextOr<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string or an object")
        }

        fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
            Ok(TextOr::Text(value.to_owned()))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Other)
        }
    }

    deserializer.deserialize_any(TextOrObject(PhantomData))
}

//! This server's limits, on what is passed on. A request is read as far as they go: what has another shape than they
//! are about is the other server's to judge.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::config::LimitsConfig;
use crate::error::ApiError;
use crate::{extract, validate};

/// What a request asks for, as far as limits go. A field given twice is refused: no two servers read that alike.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    model: Option<String>,
    stream: Extent,
    messages: Extent,
    tools: Extent,
    prompt: Extent,
    input: Extent,
    n: Extent,
    best_of: Extent,
    max_tokens: Extent,
    max_completion_tokens: Extent,
    zyron_tools: Extent,
    zyron_statement: Extent,
    zyron_provenance: Extent,
}

impl Asked {
    pub(super) fn read(body: &[u8]) -> Result<Self, ApiError> {
        extract::parse(body)
    }

    /// Which model it asks, as far as it says.
    pub(super) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    pub(super) fn is_streamed(&self) -> bool {
        matches!(self.stream, Extent::True)
    }

    pub(super) fn check(&self, limits: &LimitsConfig) -> Result<(), ApiError> {
        let ours = [
            ("zyron_tools", &self.zyron_tools),
            ("zyron_statement", &self.zyron_statement),
            ("zyron_provenance", &self.zyron_provenance),
        ];
        for (param, field) in ours {
            if field.is_given() {
                let message = format!("`{param}` needs a model here: this server passes requests on to others.");
                return Err(ApiError::unsupported(param, message));
            }
        }
        let lists = [
            ("messages", &self.messages, limits.max_messages),
            ("tools", &self.tools, limits.max_tools),
            ("prompt", &self.prompt, limits.max_prompts),
            ("input", &self.input, limits.max_inputs),
        ];
        for (param, list, max) in lists {
            if let Extent::Elements(count) = *list {
                validate::at_most(param, count, max)?;
            }
        }
        for (param, number) in [("n", &self.n), ("best_of", &self.best_of)] {
            if let Extent::Number(count) = *number {
                validate::choices(param, Some(u64::try_from(count).unwrap_or(0)), limits)?;
            }
        }
        let tokens = [("max_completion_tokens", &self.max_completion_tokens), ("max_tokens", &self.max_tokens)];
        tokens.into_iter().try_for_each(|(param, number)| self.check_tokens(param, number, limits.max_tokens))
    }

    fn check_tokens(&self, param: &str, number: &Extent, limit: usize) -> Result<(), ApiError> {
        // A completion may only read its prompt.
        let least = usize::from(!self.is_completion());
        match *number {
            Extent::Number(tokens) if limit > 0 => match usize::try_from(tokens) {
                Ok(tokens) if tokens > limit => Err(validate::too_many_tokens(param, tokens, limit)),
                Ok(tokens) if tokens >= least => Ok(()),
                // To some servers that is no limit.
                _ => Err(ApiError::invalid(param, format!("`{param}` must be at least {least}."))),
            },
            _ => Ok(()),
        }
    }

    /// The request with the most tokens that it may have, where it does not say how many it wants.
    pub(super) fn bounded(&self, body: Vec<u8>, limits: &LimitsConfig) -> Result<Vec<u8>, ApiError> {
        let asks = self.messages.is_given() || self.prompt.is_given();
        let names = self.max_tokens.is_given() || self.max_completion_tokens.is_given();
        if limits.max_tokens == 0 || !asks || names {
            return Ok(body);
        }
        let default = if self.is_completion() { validate::DEFAULT_TOKENS } else { u64::MAX };
        let tokens = default.min(limits.max_tokens as u64);
        if matches!(self.max_tokens, Extent::Null) {
            let mut fields: Map<String, Value> = extract::parse(&body)?;
            fields.insert("max_tokens".to_owned(), tokens.into());
            return serde_json::to_vec(&fields).map_err(|_| ApiError::Internal);
        }
        // All else stays as it is, to the last digit.
        let brace = body.iter().position(|&byte| byte == b'{').map_or(0, |at| at + 1);
        let (before, behind) = body.split_at(brace);
        Ok([before, format!("\"max_tokens\":{tokens},").as_bytes(), behind].concat())
    }

    fn is_completion(&self) -> bool {
        self.prompt.is_given()
    }
}

/// What limits see of a value.
#[derive(Debug, Default, PartialEq, Eq)]
enum Extent {
    #[default]
    Absent,
    Null,
    True,
    /// A fraction is cut off, as others do.
    Number(i64),
    /// How many elements a list has that are no numbers: a list of tokens is one prompt.
    Elements(usize),
    Other,
}

impl Extent {
    fn is_given(&self) -> bool {
        !matches!(self, Self::Absent | Self::Null)
    }
}

impl<'de> Deserialize<'de> for Extent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExtentVisitor;

        impl<'de> Visitor<'de> for ExtentVisitor {
            type Value = Extent;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Extent, E> {
                Ok(Extent::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Extent, E> {
                Ok(if value { Extent::True } else { Extent::Other })
            }

            fn visit_i64<E>(self, value: i64) -> Result<Extent, E> {
                Ok(Extent::Number(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Extent, E> {
                Ok(Extent::Number(i64::try_from(value).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Extent, E> {
                Ok(Extent::Number(value as i64))
            }

            fn visit_str<E>(self, _: &str) -> Result<Extent, E> {
                Ok(Extent::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Extent, A::Error> {
                let mut count = 0;
                while let Some(element) = seq.next_element::<Extent>()? {
                    count += usize::from(!matches!(element, Extent::Number(_)));
                }
                Ok(Extent::Elements(count))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extent, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Extent::Other)
            }
        }

        deserializer.deserialize_any(ExtentVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn limits() -> LimitsConfig {
        let limits = ["max_messages", "max_tools", "max_prompts", "max_inputs", "max_choices"];
        let mut overrides: Vec<_> = limits.iter().map(|name| (format!("limits.{name}"), "2".to_owned())).collect();
        overrides.push(("limits.max_tokens".to_owned(), "20".to_owned()));
        let overrides: Vec<_> = overrides.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        Config::load(None, &overrides).unwrap().limits
    }

    fn refused(body: &str) -> Option<String> {
        match Asked::read(body.as_bytes()).unwrap().check(&limits()) {
            Ok(()) => None,
            Err(ApiError::InvalidRequest { param, .. }) => param,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_beyond_a_limit_is_named() {
        for (body, param) in [
            (r#"{"messages":[{},{},{}]}"#, "messages"),
            (r#"{"messages":[{}],"tools":[{},{},{}]}"#, "tools"),
            (r#"{"prompt":["a","b","c"]}"#, "prompt"),
            (r#"{"prompt":[[1],[2],[3]]}"#, "prompt"),
            (r#"{"messages":[{}],"n":3}"#, "n"),
            (r#"{"messages":[{}],"n":-1}"#, "n"),
            (r#"{"prompt":"a","best_of":3.0}"#, "best_of"),
            (r#"{"messages":[{}],"max_tokens":21}"#, "max_tokens"),
            (r#"{"messages":[{}],"max_tokens":-1}"#, "max_tokens"),
            (r#"{"messages":[{}],"max_\u0074okens":99999999999999999999}"#, "max_tokens"),
            (r#"{"messages":[{}],"max_tokens":5,"max_completion_tokens":21}"#, "max_completion_tokens"),
        ] {
            assert_eq!(refused(body).as_deref(), Some(param), "{body}");
        }
    }

    #[test]
    fn what_is_within_the_limits_or_of_another_shape_passes() {
        for body in [
            r#"{"messages":[{"content":["a","b","c"]},{}],"tools":[{}],"n":2,"max_tokens":20}"#,
            r#"{"prompt":[1,2,3],"max_tokens":0}"#,
            r#"{"prompt":["a","b"],"n":null,"best_of":2,"stop":["a","b","c"]}"#,
            r#"{"messages":"a","tools":{"a":[1,2,3]},"n":"3","max_tokens":true}"#,
        ] {
            assert_eq!(refused(body), None, "{body}");
        }
        for body in ["", "3", "[]", r#"{"n":1,"n":1}"#, r#"{"n":NaN}"#] {
            assert!(Asked::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_request_that_names_no_number_of_tokens_gets_the_most() {
        let bounded = |body: &str| {
            let bounded = Asked::read(body.as_bytes()).unwrap().bounded(body.into(), &limits()).unwrap();
            String::from_utf8(bounded).unwrap()
        };
        assert_eq!(bounded(r#" {"messages":[],"top_p":1e-1}"#), r#" {"max_tokens":20,"messages":[],"top_p":1e-1}"#);
        assert_eq!(bounded(r#"{"prompt":"a"}"#), r#"{"max_tokens":16,"prompt":"a"}"#);
        let null = r#"{"max_tokens":null,"messages":[],"prompt":null}"#;
        assert_eq!(bounded(null), null.replacen("null", "20", 1));
        let given = r#"{"messages":[],"max_completion_tokens":5}"#;
        assert_eq!(bounded(given), given);
        assert_eq!(bounded("{}"), "{}");
    }
}

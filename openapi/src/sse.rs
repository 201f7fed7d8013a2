//! Reads a streamed answer back: bytes in, typed events out. Used by the tests; the server has its [`DONE`].
//!
//! Framing is `eventsource-stream`'s; this module knows what OpenAI's streams add to it: `[DONE]` ends them, an error
//! may come midway, and a stream that merely stops is not an answer.

use std::fmt::Display;

use eventsource_stream::{EventStreamError, Eventsource};
use futures::stream::{self, Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::ErrorResponse;

/// What a stream may begin with, and means nothing there.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The `data:` of the event that ends a stream.
pub const DONE: &str = "[DONE]";

/// One event of a streamed answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ServerSentEvent {
    /// Its name, which only the events of `/v1/responses` have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// JSON: a `ChatCompletionChunk`, a `Completion` or a `ResponseEvent`, or an `ErrorResponse` where the answer failed
    /// on its way. `[DONE]` is the last but in `/v1/responses`.
    pub data: String,
}

/// Why a stream ended without its `[DONE]`.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum StreamError {
    /// The server said what went wrong.
    #[error("{}", .0.error.message)]
    Api(ErrorResponse),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Transport(String),
    /// The bytes are not UTF-8, not an event stream, or an event is not the type expected.
    #[error("the server sent an event that could not be read: {0}")]
    Malformed(String),
    /// The bytes ended before `[DONE]`.
    #[error("the answer was cut off before its end")]
    Truncated,
}

/// Decodes the body of a streamed answer into its events, each a `T`.
///
/// The stream ends after `[DONE]`, or after its first error. Bytes may be split anywhere.
pub fn decode<T, B, E>(bytes: impl Stream<Item = Result<B, E>>) -> impl Stream<Item = Result<T, StreamError>>
where
    T: DeserializeOwned,
    B: AsRef<[u8]>,
    E: Display,
{
    let events = Box::pin(without_mark(bytes).eventsource());
    stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        match events.next().await {
            None => Some((Err(StreamError::Truncated), None)),
            Some(Err(error)) => Some((Err(framing_error(error)), None)),
            Some(Ok(event)) if event.data == DONE => None,
            Some(Ok(event)) => match parse(&event.data) {
                Ok(item) => Some((Ok(item), Some(events))),
                Err(error) => Some((Err(error), None)),
            },
        }
    })
}

/// The bytes behind the byte order mark, if there is one: `eventsource-stream` 0.2.3 panics on it. Behind another, too: it
/// would be the first.
fn without_mark<B: AsRef<[u8]>, E>(bytes: impl Stream<Item = Result<B, E>>) -> impl Stream<Item = Result<Vec<u8>, E>> {
    // How much of a mark has come; nothing once there is something else.
    let mut come = Some(0);
    bytes.map(move |piece| piece.map(|piece| behind_mark(piece.as_ref(), &mut come)))
}

fn behind_mark(piece: &[u8], come: &mut Option<usize>) -> Vec<u8> {
    let Some(before) = come else { return piece.to_vec() };
    for (at, byte) in piece.iter().enumerate() {
        if *byte != BYTE_ORDER_MARK[*before] {
            let held = &BYTE_ORDER_MARK[..*before];
            *come = None;
            return [held, &piece[at..]].concat();
        }
        *before = (*before + 1) % BYTE_ORDER_MARK.len();
    }
    Vec::new()
}

fn framing_error<E: Display>(error: EventStreamError<E>) -> StreamError {
    match error {
        EventStreamError::Transport(error) => StreamError::Transport(error.to_string()),
        other => StreamError::Malformed(other.to_string()),
    }
}

fn parse<T: DeserializeOwned>(data: &str) -> Result<T, StreamError> {
    let value: Value = serde_json::from_str(data).map_err(|error| StreamError::Malformed(error.to_string()))?;
    if value.get("error").is_some() {
        return Err(match serde_json::from_value(value) {
            Ok(error) => StreamError::Api(error),
            Err(error) => StreamError::Malformed(error.to_string()),
        });
    }
    serde_json::from_value(value).map_err(|error| StreamError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::executor::block_on;
    use futures::stream::{self, StreamExt};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{StreamError, decode};

    fn read(pieces: Vec<Vec<u8>>) -> Vec<Result<Value, StreamError>> {
        let bytes = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        block_on(decode::<Value, _, _>(bytes).collect())
    }

    fn read_text(text: &str) -> Vec<Result<Value, StreamError>> {
        read(vec![text.as_bytes().to_vec()])
    }

    #[test]
    fn done_ends_the_stream() {
        let events = read_text(": keep-alive\n\ndata: {\"a\":1}\n\ndata: [DONE]\n\ndata: {\"a\":2}\n\n");
        assert_eq!(events, [Ok(json!({"a": 1}))]);
    }

    #[test]
    fn an_error_event_is_the_servers_error() {
        let events = read_text(
            "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\ndata: [DONE]\n\n",
        );
        assert!(matches!(&events[..], [Err(StreamError::Api(error))] if error.error.message == "m"), "{events:?}");
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        assert_eq!(read_text("data: {\"a\":1}\n\n"), [Ok(json!({"a": 1})), Err(StreamError::Truncated)]);
        assert_eq!(read_text(""), [Err(StreamError::Truncated)]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_event() {
        for marks in 1..3 {
            let body = "\u{feff}".repeat(marks) + "data: {\"a\":1}\n\ndata: [DONE]\n\n";
            for cut in 1..=body.len() {
                let pieces = body.as_bytes().chunks(cut).map(<[u8]>::to_vec).collect();
                assert_eq!(read(pieces), [Ok(json!({"a": 1}))], "cut into {cut}");
            }
        }
        assert_eq!(read(vec![vec![0xEF], vec![0xBB]]), [Err(StreamError::Truncated)]);
        assert!(matches!(&read(vec![vec![0xEF], b"data: 1\n\n".to_vec()])[..], [Err(StreamError::Malformed(_))]));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        assert!(matches!(&read_text("data: {\n\n")[..], [Err(StreamError::Malformed(_))]));
    }

    proptest! {
        #[test]
        fn bytes_may_be_split_anywhere(texts in prop::collection::vec(".{0,12}", 1..6), cut in 1usize..7) {
            let mut body = String::new();
            for text in &texts {
                body.push_str(&format!("data: {}\r\n\r\n", json!({"t": text})));
            }
            body.push_str("data: [DONE]\n\n");
            let events = read(body.as_bytes().chunks(cut).map(<[u8]>::to_vec).collect());
            let expected: Vec<_> = texts.iter().map(|text| Ok(json!({"t": text}))).collect();
            prop_assert_eq!(events, expected);
        }
    }
}

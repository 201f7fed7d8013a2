//! A streamed answer as a client reads it: the events are the same wherever the bytes are split.

use std::convert::Infallible;

use futures::executor::block_on;
use futures::{StreamExt, stream};
use serde_json::Value;
use zyron_openapi::sse::{StreamError, decode};

/// The first byte says where the others are split.
pub fn run(data: &[u8]) {
    let Some((&seed, body)) = data.split_first() else { return };
    assert_eq!(read(super::pieces(body, seed)), read(vec![body]), "split, the same bytes are other events");
}

fn read(pieces: Vec<&[u8]>) -> Vec<Result<Value, StreamError>> {
    let bytes = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
    block_on(decode::<Value, _, _>(bytes).collect())
}

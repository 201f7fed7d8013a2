//! How zyron-mini is made: a corpus, a tokenizer trained on it, a network trained with both, and the files that the
//! engines load. The server knows nothing of this crate; it embeds the files.

pub mod baseline;
pub mod card;
pub mod corpus;
pub mod document;
pub mod export;
mod kernels;
pub mod network;
mod optimizer;
mod packing;
mod recipe;
pub mod train;
pub mod vocabulary;

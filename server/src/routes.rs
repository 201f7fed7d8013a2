//! The operations of the API, one file each, and the two pages.

pub(crate) mod admin;
pub(crate) mod batches;
pub(crate) mod chat_completions;
pub(crate) mod completions;
pub(crate) mod docs;
pub(crate) mod embeddings;
pub(crate) mod files;
pub(crate) mod finance;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod models;
pub(crate) mod playground;
pub(crate) mod provenance;
pub(crate) mod responses;
pub(crate) mod tokenize;
pub(crate) mod usage;

//! The operations of the API, one file each.

pub(crate) mod chat_completions;
pub(crate) mod completions;
pub(crate) mod health;
pub(crate) mod models;
pub(crate) mod playground;

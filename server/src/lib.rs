//! The HTTP server: from a request on the wire to an engine and back.
//!
//! The way of a request is one line, a module per stage: [`router`] → [`middleware`] → [`extract`] →
//! [`routes`] → [`validate`] → [`admission`] → the engine → [`respond`]. It knows HTTP and OpenAI's types; tokens,
//! text and models are `zyron-engine`'s.

mod account;
mod admission;
pub mod audit;
pub mod backup;
pub mod batches;
mod call;
pub mod config;
pub mod content;
mod database;
mod document;
mod error;
mod extract;
mod grpc;
pub mod keys;
mod metrics;
mod middleware;
mod models;
mod private;
pub mod provenance;
mod respond;
mod responses;
mod router;
mod routes;
mod run;
mod serve;
mod serving;
mod state;
mod time;
mod tls;
mod traces;
mod upstream;
mod validate;
mod watchdog;

pub use crate::models::{LoadedModel, Loader, Source};
pub use crate::router::openapi;
pub use crate::serve::{App, Listeners, StartError};
pub use crate::serving::weights_digest;
pub use crate::tls::TlsError;
pub use crate::traces::TracesError;

//! French company accounts: read from what companies have, computed by the Plan comptable général, never guessed.
//!
//! Shared by the server and the browser: no file, no network, no clock, and no panic on any input.

pub mod accounts;
pub mod amount;
pub mod analysis;
pub mod check;
mod formula;
pub mod import;
pub mod items;
pub mod numbers;
pub mod siren;
pub mod statement;
mod words;

pub use analysis::{Analysis, analyse, checks};
pub use formula::Undefined;
pub use siren::Siren;
pub use statement::Statement;

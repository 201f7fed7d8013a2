//! French company accounts: read from what companies have, computed by the Plan comptable général, never guessed.
//!
//! Shared by the server and the browser: no file, no network, no clock, and no panic on any input.

pub mod accounts;
pub mod alerts;
pub mod amount;
pub mod analysis;
pub mod check;
pub mod correction;
pub mod facts;
mod formula;
pub mod import;
pub mod items;
pub mod merge;
pub mod monthly;
pub mod numbers;
pub mod reading;
pub mod report;
pub mod sample;
pub mod siren;
pub mod statement;
pub mod templates;
pub mod tools;
mod words;

pub use alerts::alerts;
pub use analysis::{Analysis, analyse, checks};
pub use correction::{Correction, corrected};
pub use facts::{FactSheet, fact_sheet};
pub use formula::Undefined;
pub use merge::merge;
pub use report::Report;
pub use siren::Siren;
pub use statement::Statement;
pub use tools::Desk;

//! `zyron eval`: judges an OpenAI-compatible server with a sealed set of questions of French finance.
//!
//! The way of a run: `items` has the set, `tasks` asks its questions over `server` and checks the answers, `results`
//! keeps each as soon as it is there, `report` says what they come to. Nothing here knows of Zyron's own server: any
//! other is asked, and judged, the same way. No answer is judged by a model.

mod checker;
mod echo;
mod expression;
mod format;
mod items;
mod progress;
mod report;
mod results;
mod run;
mod server;
mod statistics;
mod tasks;

pub use run::{Args, run};

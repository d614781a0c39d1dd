//! Matcher: takes the analyses of chunks as they come, in any order, and commits who spoke when.
//!
//! One recording's way: [`inbox`] keeps an analysis once, however often it is delivered; [`advance`] matches the run that is
//! ready in order and commits provisional turns together with the cursor; [`finalise`] decides over the whole recording
//! once its last chunk is matched, from its [`replay`]. [`progress`] does these two for the
//! [`handler`] of messages, and [`reconcile`] sends one where none will come. [`republish`] sends lost jobs again, at once where [`epoch`] finds
//! that the broker has lost everything, and [`dead_letters`] tells uploaders of what failed for good, or leaves [`gaps`] where they
//! allowed that.

pub mod advance;
pub mod backlog;
mod claim;
pub mod config;
pub mod database;
pub mod dead_letters;
pub mod epoch;
pub mod error;
pub mod failure;
pub mod finalise;
pub mod gaps;
pub mod handler;
pub mod inbox;
pub mod measured;
mod nesting;
mod outbox;
pub mod progress;
pub mod reconcile;
pub mod reference_set;
pub mod replay;
pub mod republish;
pub mod service;
pub mod state;

pub use config::Config;
pub use results::{analysis, chunks, matches, turns};
pub use service::run;

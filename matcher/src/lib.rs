//! Matcher: takes the analyses of chunks as they come, in any order, and commits who spoke when.
//!
//! One recording's way: [`inbox`] keeps an analysis once, however often it is delivered; [`advance`] matches the run that is
//! ready in order and commits provisional turns together with the cursor; [`finalise`] decides over the whole recording
//! once its last chunk is matched. [`progress`] does these two for whoever learns that a recording may move: the
//! [`handler`] of messages or [`reconcile`], which needs none. [`republish`] sends lost jobs again, and
//! [`dead_letters`] tells uploaders of what failed for good.

pub mod advance;
pub mod analysis;
pub mod backlog;
pub mod config;
pub mod database;
pub mod dead_letters;
pub mod error;
pub mod failure;
pub mod finalise;
pub mod handler;
pub mod inbox;
pub mod progress;
pub mod reconcile;
pub mod republish;
pub mod service;
pub mod state;
pub mod turns;

pub use config::Config;
pub use service::run;

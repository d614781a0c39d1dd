//! Ingest: takes uploads over HTTP, decodes and chunks them, and answers who spoke when.
//!
//! Data flows one way: [`http`] streams an upload to the object store and commits the recording ([`recordings`]) with its
//! turn to come; [`release`] gives turns, [`outbox`] sends what was committed, [`decode`] takes the job (on any ingest process), stores chunk by chunk
//! and commits each. [`upkeep`] deletes what must go from the object store. [`heartbeats`] takes what services tell of
//! themselves, [`announcements`] tells workers which queues are paused, and [`operations`] shows operators the whole. [`service`] wires these together; [`config`] says how.

mod announcements;
mod audit;
mod composing;
pub mod config;
pub mod context;
pub mod dead_letters;
pub mod decode;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gauges;
mod heartbeats;
mod http;
pub mod measured;
mod nesting;
mod operations;
pub mod outbox;
pub mod recordings;
pub mod release;
pub mod service;
pub mod session;
mod thread;
mod token_file;
pub mod upkeep;
mod webhooks;

pub use config::Config;
pub use service::{Service, run};

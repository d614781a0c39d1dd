//! Ingest: takes uploads over HTTP, decodes and chunks them, and answers who spoke when.
//!
//! Data flows one way: [`http`] streams an upload to the object store and commits the recording ([`recordings`]) with its
//! first message, [`outbox`] sends what was committed, [`decode`] takes the job (on any ingest process), stores chunk by chunk
//! and commits each with the job for a worker. [`service`] wires these together; [`config`] says how.

pub mod config;
mod context;
mod decode;
mod http;
mod outbox;
mod recordings;
pub mod service;
mod thread;

pub use config::Config;
pub use service::{Service, run};

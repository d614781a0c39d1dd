//! Worker: takes chunk jobs, analyses them on inference threads of its own, sends the analyses to the matcher.
//!
//! It has no database credentials: a job says all it needs, and its samples come from the object store.

pub mod activity;
pub mod config;
pub mod inference;
pub mod job;
pub mod kept;
pub mod measured;
pub mod service;

pub use config::Config;
pub use service::run;

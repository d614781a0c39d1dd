//! Base of every Throughline service: messages and their queues, consuming with a verdict, publishing with a confirm,
//! the object store, telemetry, shutdown and configuration. It knows nothing about speech.

pub mod admin;
pub mod attempts;
pub mod broker;
pub mod budget;
pub mod config;
pub mod consumer;
pub mod control;
pub mod delivery;
pub mod handling;
pub mod heartbeat;
mod link;
pub mod messages;
pub mod metric;
#[cfg(feature = "postgres")]
pub mod migrating;
pub mod nesting;
pub mod object_store;
#[cfg(feature = "postgres")]
pub mod paused_queues;
pub mod pauses;
pub mod points;
pub mod policy;
pub mod process;
pub mod publisher;
#[cfg(feature = "postgres")]
pub mod schema;
pub mod shutdown;
pub mod surroundings;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod topology;
#[cfg(feature = "postgres")]
pub mod transaction;
pub mod verdict;

//! The matcher on a real RabbitMQ and a real Postgres; the oracle is the in-process diarizer.

mod bench;
mod scene;

mod arrival;
mod completion;
mod dead_letters;
mod erasure;
mod locked;
mod memory;
mod pausing;
mod reconciling;
mod replaying;
mod schema;
mod service;

//! Stress: recordings put together from real conversations by their references, of the kinds that are hard to count in. Every sound is
//! as it was said, to somebody, over some line; who speaks for how long, and what lies between turns, is ours.

pub mod cast;
pub mod compose;
pub mod excerpts;
pub mod kind;
pub mod plan;

/// Samples per second.
pub const RATE: f64 = 16_000.0;
/// Shortest stretch of speech that is used, seconds.
pub const SHORTEST_S: f64 = 0.8;

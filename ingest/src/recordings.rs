//! Recordings: the statements by which ingest reads and changes them.

pub mod accept;
pub(crate) mod budget;
pub mod cancel;
pub mod change;
pub(crate) mod checks;
pub mod claims;
pub(crate) mod corrections;
pub(crate) mod filter;
pub(crate) mod labels;
pub(crate) mod matches;
pub mod one_at_a_time;
pub(crate) mod player;
pub mod priority;
pub(crate) mod resumable;
pub(crate) mod speakers;
pub(crate) mod state;
pub(crate) mod title;
pub(crate) mod view;
pub mod wanted;

//! Recordings: the statements by which ingest reads and changes them.

pub mod accept;
pub mod change;
pub mod claims;
pub(crate) mod matches;
pub(crate) mod player;
pub(crate) mod resumable;
pub(crate) mod state;
pub(crate) mod view;
